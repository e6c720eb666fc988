"""One schedule changed as a whole: scaled, added, limited, shifted, repeated, disturbed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras_lr.curves import Step, Value, later, maximum, minimum, power, real, since
from keras_lr.fields import (
    NON_NEGATIVE,
    SCHEDULE,
    STEP_LIMIT,
    AnySchedule,
    Count,
    CountOrZero,
    Factor,
    Fraction,
    NonNegative,
    OneOf,
    OptionalRate,
    Rate,
    Schedules,
    Shift,
    Steps,
    Whole,
    check,
)
from keras_lr.schedule import Schedule, length_of, rate_of
from keras_lr.schedules.stepwise import Constant

BATCH = Whole("a whole number of examples in [1, 2**31)", 1, steps=False)
SCALING = OneOf(("linear", "sqrt"))


class Reduced(Schedule):
    """Another schedule scaled down, but not below a floor: what `ReduceOnPlateau` installs.

    f(t) = max(scale · schedule(t), min(schedule(t), min_lr))

    The floor limits the scaling alone: a schedule that goes below `min_lr` by itself is left as
    it is.

    Args:
        schedule: the schedule underneath.
        scale: factor, in [0, 1].
        min_lr: rate below which nothing is scaled.

    Example:
        >>> Reduced(LinearDecay(0.1, 100), 0.5, min_lr=0.02).values([0, 50, 90]).round(6).tolist()
        [0.05, 0.025, 0.01]
    """

    words = "{schedule}, reduced to {scale:%}< but not below {min_lr}>"
    schedule: AnySchedule
    scale: Fraction
    min_lr: Rate = 0.0

    def length(self) -> int | None:
        return length_of(self.schedule)

    def changes(self) -> tuple[int, ...]:
        return self.schedule.changes() if isinstance(self.schedule, Schedule) else ()

    def rate(self, step: Step) -> Value:
        rate = rate_of(self.schedule, step)
        return maximum(self.scale * rate, minimum(rate, self.min_lr)) if self.min_lr else self.scale * rate


class Product(Schedule):
    """Schedules multiplied, and a number: what ``a * b`` and ``2 * a`` make.

    f(t) = factor · schedules[0](t) · schedules[1](t) · …

    Args:
        schedules: the factors that depend on the step.
        factor: the one that does not, >= 0.

    Example:
        >>> (2 * Constant(0.25) * LinearDecay(1.0, 100)).values([0, 50]).tolist()
        [0.5, 0.25]
    """

    words = "{schedules:times}<, times {factor}>"
    schedules: Schedules
    factor: NonNegative = 1.0

    def length(self) -> int | None:
        return longest(self.schedules)

    def rate(self, step: Step) -> Value:
        value = rate_of(self.schedules[0], step)
        for schedule in self.schedules[1:]:
            value = value * rate_of(schedule, step)
        return value if self.factor == 1.0 else self.factor * value


class Sum(Schedule):
    """Schedules added: what ``a + b`` makes; a number is a constant rate.

    f(t) = schedules[0](t) + schedules[1](t) + …

    Args:
        schedules: what is added.

    Example:
        >>> (LinearDecay(0.4, 100) + 0.1).values([0, 50, 100]).round(6).tolist()
        [0.5, 0.3, 0.1]
    """

    words = "{schedules:plus}"
    schedules: Schedules

    def length(self) -> int | None:
        return longest(self.schedules)

    def rate(self, step: Step) -> Value:
        value = rate_of(self.schedules[0], step)
        for schedule in self.schedules[1:]:
            value = value + rate_of(schedule, step)
        return value


class Clip(Schedule):
    """Another schedule held between two rates: what `clip` makes.

    f(t) = min(max(schedule(t), low), high)

    Args:
        schedule: the schedule.
        low: lowest rate.
        high: highest rate, at least `low`; no limit when None.

    Raises:
        ValueError: also when `high` is below `low`.

    Example:
        >>> LinearDecay(0.4, 100).clip(0.1, 0.3).values([0, 50, 100]).tolist()
        [0.3, 0.2, 0.1]
    """

    words = "{schedule}<, at least {low}><, at most {high}>"
    schedule: AnySchedule
    low: Rate = 0.0
    high: OptionalRate = None

    def validate(self) -> None:
        if self.high is not None and self.high < self.low:
            self.refuse("high", f"at least `low` ({self.low!r})")

    def length(self) -> int | None:
        return length_of(self.schedule)

    def rate(self, step: Step) -> Value:
        value = maximum(rate_of(self.schedule, step), self.low)
        return value if self.high is None else minimum(value, self.high)


class Shifted(Schedule):
    """Another schedule some steps on, or back: what `from_step` makes.

    f(t) = schedule(max(t + steps, 0))

    Args:
        schedule: the schedule.
        steps: how many steps on; negative for back, where it waits at its step 0.

    Example:
        >>> LinearDecay(0.4, 100).from_step(25).values([0, 25, 75]).round(6).tolist()
        [0.3, 0.2, 0.0]
    """

    words = "{schedule}, begun at its step {steps}"
    schedule: AnySchedule
    steps: Shift

    def length(self) -> int | None:
        length = length_of(self.schedule)
        return None if length is None else max(length - self.steps, 0)

    def rate(self, step: Step) -> Value:
        return rate_of(self.schedule, later(step, self.steps) if self.steps >= 0 else since(step, -self.steps))


class Repeat(Schedule):
    """Another schedule again and again, each time scaled down by a factor.

    f(t) = factor^⌊t/every⌋ · schedule(t mod every)

    Restarts of any shape, and cycles whose two bounds shrink from cycle to cycle. (The floor of
    `CosineDecayRestarts` stays, and so does that of timm's `cycle_decay`.)

    Args:
        schedule: what is repeated.
        every: steps of one repetition.
        factor: scale of a repetition relative to the one before, in (0, 1].

    Example:
        >>> Repeat(LinearDecay(0.4, 4), 4, factor=0.5).values([0, 2, 4, 6, 8]).round(6).tolist()
        [0.4, 0.2, 0.2, 0.1, 0.1]
    """

    words = "{schedule}, again every {every:steps}<, each time multiplied by {factor}>"
    schedule: AnySchedule
    every: Steps
    factor: Factor = 1.0

    def rate(self, step: Step) -> Value:
        value = rate_of(self.schedule, step % self.every)
        return value if self.factor == 1.0 else power(self.factor, step // self.every) * value


class PerUpdate(Schedule):
    """A schedule written in optimizer updates, for an optimizer that accumulates gradients.

    f(t) = schedule(⌊t / accumulation_steps⌋)

    With ``gradient_accumulation_steps=k`` Keras applies the gradients at every k-th batch, but
    calls the schedule with the number of batches.

    Args:
        schedule: a schedule in updates.
        accumulation_steps: the optimizer's `gradient_accumulation_steps`.

    Example:
        >>> PerUpdate(LinearDecay(0.4, 4), 2).values([0, 1, 2, 3, 4]).round(6).tolist()
        [0.4, 0.4, 0.3, 0.3, 0.2]
    """

    words = "{schedule}, counted in updates of {accumulation_steps} batches"
    schedule: AnySchedule
    accumulation_steps: Count

    def length(self) -> int | None:
        length = length_of(self.schedule)
        return None if length is None else length * self.accumulation_steps

    def rate(self, step: Step) -> Value:
        return rate_of(self.schedule, step // self.accumulation_steps)


class Noise(Schedule):
    """Another schedule with a random factor at each step, the same for the same seed.

    f(t) = schedule(t) · (1 + amplitude · n(t)),  n(t) uniform in [−1, 1)

    n is a hash of step and seed, so a resumed training draws the same noise on every backend;
    timm's `lr-noise` seeds its noise by the step for the same reason. Its `duration` is that
    of the schedule: from there on it is noise around a rate that stays.

    Args:
        schedule: the schedule.
        amplitude: largest relative change, in [0, 1].
        seed: another seed gives another noise.

    Example:
        >>> noisy = Noise(Constant(0.1), 0.5)
        >>> bool(abs(noisy.values(range(9)) - 0.1).max() <= 0.05)
        True
    """

    words = "{schedule}, with random changes of up to {amplitude:%} (seed {seed})"
    schedule: AnySchedule
    amplitude: Fraction
    seed: CountOrZero = 0

    def length(self) -> int | None:
        return length_of(self.schedule)

    def rate(self, step: Step) -> Value:
        return rate_of(self.schedule, step) * (1.0 + self.amplitude * (real(self._hash(step)) * (2.0 / PRIME) - 1.0))

    def _hash(self, step: Step) -> Step:
        """Whole numbers in [0, PRIME), by squarings and products that stay below 2**31."""
        state = step % PRIME
        for salt in (step // PRIME % PRIME, self.seed % PRIME, self.seed // PRIME % PRIME):
            for multiplier, increment in ((31_607, 7_919), (27_893, 12_347)):
                state = (state * multiplier + salt + increment) % PRIME
                state = (state * state + state * 5) % PRIME
        return state


# The largest prime whose square is below 2**31; (p − 1)² + 5·(p − 1) is below it too.
PRIME = 46_337


def longest(schedules: Sequence[Any]) -> int | None:
    """Steps until the last of several schedules has come to its end; a constant has none to come to."""
    lengths = [length_of(schedule) for schedule in schedules if not isinstance(schedule, Constant)]
    known = [length for length in lengths if length is not None]
    return max(known) if known and len(known) == len(lengths) else None


def multiplied(a: Schedule, b: Any) -> Schedule:
    """``a * b``, flat, with all numbers in one factor."""
    parts: tuple[Any, ...] = ()
    factor = 1.0
    for operand in (a, b):
        if isinstance(operand, Product):
            parts, factor = (*parts, *operand.schedules), factor * operand.factor
        elif hasattr(operand, "get_config"):
            parts += (operand,)
        else:
            factor *= check(NON_NEGATIVE, "*", "factor", operand)
    return Product(parts, factor)


def added(a: Schedule, b: Any) -> Schedule:
    """``a + b``, flat."""
    parts = [part.schedules if isinstance(part, Sum) else (part,) for part in (a, b)]
    return Sum((*parts[0], *parts[1]))


def shifted(schedule: Schedule, steps: int) -> Schedule:
    """``schedule.from_step(steps)``; a shift of a shift is their sum, except for one on and then back.

    That one waits at the step to which the first has gone on, not at 0.
    """
    moved = Shifted(schedule, steps)
    if isinstance(schedule, Shifted) and moved.is_bound and schedule.is_bound:
        both = schedule.steps + moved.steps
        if (schedule.steps <= 0 or moved.steps >= 0) and abs(both) < STEP_LIMIT:
            moved = Shifted(schedule.schedule, both)
    return moved


def scaled(schedule: Any, batch_size: int, base_batch_size: int, rule: str = "linear") -> Schedule:
    """A schedule for another batch size than the one it was found with.

    linear: f(t) · batch_size / base_batch_size        (Goyal et al. 2017, arXiv 1706.02677, section 2.1)
    sqrt:   f(t) · √(batch_size / base_batch_size)     (Krizhevsky 2014, arXiv 1404.5997, section 5)

    The steps stay: a training of as many epochs with larger batches has fewer of them, which durations in
    `epochs` follow by themselves. Goyal et al. add a warmup of 5 epochs.

    Args:
        schedule: a schedule, or a constant rate.
        batch_size: examples in a batch over all devices.
        base_batch_size: the batch size that the schedule is right for.
        rule: "linear" (SGD) or "sqrt" (usual for Adam and its kin).

    Raises:
        TypeError, ValueError: for other arguments.

    Example:
        >>> scaled(Constant(0.1), 1024, 256).values(0).item(), scaled(Constant(0.1), 1024, 256, "sqrt").values(0).item()
        (0.4, 0.2)
    """
    inner = check(SCHEDULE, "scaled", "schedule", schedule)
    ratio = check(BATCH, "scaled", "batch_size", batch_size) / check(
        BATCH, "scaled", "base_batch_size", base_batch_size
    )
    check(SCALING, "scaled", "rule", rule)
    return multiplied(inner, ratio if rule == "linear" else math.sqrt(ratio))
