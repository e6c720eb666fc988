"""Schedules that fall from a high rate, as in Keras: exponential, time-based, polynomial, linear, cosine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, SupportsFloat

from keras_lr.core.algebra import Schedule
from keras_lr.core.curves import (
    Step,
    Value,
    ceiling,
    cosine,
    exact,
    exponential,
    is_before,
    mix,
    power,
    progress,
    raised,
    real,
    remaining,
    since,
    times,
    until,
    where,
)
from keras_lr.core.fields import (
    LENGTH,
    POSITIVE,
    Factor,
    Length,
    LengthOrZero,
    NonNegative,
    OptionalRate,
    Positive,
    Rate,
    Share,
    StringOrNone,
    Switch,
)
from keras_lr.core.refusals import check, refuse
from keras_lr.core.turns import multiple_after, stair, turn

if TYPE_CHECKING:
    from typing_extensions import Self


class ExponentialDecay(Schedule):
    """An exponential fall, by the factor `decay_rate` in every `decay_steps` steps.

    f(t) = initial_learning_rate · decay_rate^(t / decay_steps), with ⌊t / decay_steps⌋ if `staircase`

    As Keras. A `decay_rate` above 1 is refused, since the rate would grow without limit.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps in which the rate falls by the factor `decay_rate`.
        decay_rate: the factor, in (0, 1].
        staircase: whether to fall in stairs instead of continuously.
        name: accepted because Keras has it.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> ExponentialDecay(0.1, 100, 0.25).values([0, 50, 100]).round(6).tolist()
        [0.1, 0.05, 0.025]
    """

    template = (
        "an exponential fall from {initial_learning_rate} by a factor of {decay_rate} every {decay_steps:steps}"
        "{staircase:, in stairs}"
    )
    initial_learning_rate: Rate
    decay_steps: Length
    decay_rate: Factor
    staircase: Switch = False
    name: StringOrNone = None

    @classmethod
    def from_endpoints(
        cls, initial_learning_rate: SupportsFloat, end_learning_rate: SupportsFloat, total_steps: SupportsFloat
    ) -> Self:
        """The decay that reaches `end_learning_rate` at step `total_steps`, and continues after it.

        decay_steps = total_steps,  decay_rate = end / initial

        Args:
            initial_learning_rate: rate at step 0, > 0.
            end_learning_rate: rate at `total_steps`, > 0 and at most the initial one.
            total_steps: steps, or a duration in `epochs` or a `fraction`.

        Raises:
            TypeError, ValueError: an argument is not allowed.

        Example:
            >>> ExponentialDecay.from_endpoints(0.4, 0.1, 100).values([0, 50, 100]).round(6).tolist()
            [0.4, 0.2, 0.1]
        """
        steps = check(LENGTH, cls.__name__, "total_steps", total_steps)
        return cls(initial_learning_rate, steps, 1.0 / _ratio(cls, initial_learning_rate, end_learning_rate))

    def rate(self, step: Step) -> Value:
        if self.staircase:
            return self.initial_learning_rate * power(self.decay_rate, stair(step, self.decay_steps))
        return self.initial_learning_rate * exponential(times(step, math.log(self.decay_rate) / self.decay_steps))


class TimeBasedDecay(Schedule):
    """A hyperbola: it falls fast at first, then more and more slowly, and never reaches zero.

    f(t) = initial_learning_rate / (1 + decay_rate · t / decay_steps), with ⌊t / decay_steps⌋ if `staircase`

    Keras's `InverseTimeDecay`. ``optimizer(decay=d)`` of Keras 1 and 2 is ``TimeBasedDecay(lr, 1, d)``: it
    counted batches, not epochs.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: the unit of time, in steps.
        decay_rate: growth of the denominator in one unit of time, >= 0.
        staircase: whether to count only whole units of time.
        name: accepted because Keras has it.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> TimeBasedDecay(0.1, 100, 1.0).values([0, 100, 300]).tolist()
        [0.1, 0.05, 0.025]
    """

    template = (
        "a hyperbola from {initial_learning_rate}, divided by 1 plus {decay_rate} for every {decay_steps:steps}"
        "{staircase:, in stairs}"
    )
    initial_learning_rate: Rate
    decay_steps: Length
    decay_rate: NonNegative
    staircase: Switch = False
    name: StringOrNone = None

    @classmethod
    def from_endpoints(
        cls, initial_learning_rate: SupportsFloat, end_learning_rate: SupportsFloat, total_steps: SupportsFloat
    ) -> Self:
        """The decay that reaches `end_learning_rate` at step `total_steps`, and continues after it.

        decay_steps = total_steps,  decay_rate = initial / end − 1

        Args:
            initial_learning_rate: rate at step 0, > 0.
            end_learning_rate: rate at `total_steps`, > 0 and at most the initial one.
            total_steps: steps, or a duration in `epochs` or a `fraction`.

        Raises:
            TypeError, ValueError: an argument is not allowed.

        Example:
            >>> TimeBasedDecay.from_endpoints(0.4, 0.1, 90).values([0, 30, 90]).round(6).tolist()
            [0.4, 0.2, 0.1]
        """
        steps = check(LENGTH, cls.__name__, "total_steps", total_steps)
        return cls(initial_learning_rate, steps, _ratio(cls, initial_learning_rate, end_learning_rate) - 1.0)

    def rate(self, step: Step) -> Value:
        if self.staircase:
            grown = real(stair(step, self.decay_steps)) * self.decay_rate
        else:
            grown = real(step) * (self.decay_rate / self.decay_steps)
        return self.initial_learning_rate / (1.0 + grown)


class PolynomialDecay(Schedule):
    """A power of the remaining time, from the initial to the end rate, then flat.

    f(t) = end + (initial − end) · (1 − t/decay_steps)^power,  t = min(t, decay_steps)

    As Keras. With `cycle`, decay_steps is multiplied by max(1, ⌈t/decay_steps⌉) instead. So the
    rate jumps up again after each end, to lower and lower peaks. An end rate above the initial
    one is refused; in Keras such a "decay" rises.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps until the end rate.
        end_learning_rate: rate from there on, at most the initial one.
        power: exponent, > 0.
        cycle: whether to start again after the end.
        name: accepted because Keras has it.

    Raises:
        TypeError, ValueError: an argument is not allowed, or the end rate is above the initial one.

    Example:
        >>> PolynomialDecay(0.1, 100, end_learning_rate=0.02, power=2.0).values([0, 50, 100, 101]).round(6).tolist()
        [0.1, 0.04, 0.02, 0.02]
    """

    template = (
        "a polynomial fall of power {power} from {initial_learning_rate} to {end_learning_rate} "
        "over {decay_steps:steps}{cycle:, then up again for a longer one}"
    )
    initial_learning_rate: Rate
    decay_steps: Length
    end_learning_rate: Rate = 0.0001
    power: Positive = 1.0
    cycle: Switch = False
    name: StringOrNone = None

    def validate(self) -> None:
        falls(self, "initial_learning_rate", "end_learning_rate")

    def length(self) -> int | None:
        return None if self.cycle else ceiling(self.decay_steps)

    def cycle_end_after(self, step: int) -> int | None:
        # The step at the end has the end rate. The cycle is over after it.
        if not self.cycle:
            return None
        return multiple_after(max(step - 1, 0), exact(self.decay_steps), math.floor) + 1

    def rate(self, step: Step) -> Value:
        share = self._share_of_cycle(step) if self.cycle else remaining(step, self.decay_steps)
        return mix(self.end_learning_rate, self.initial_learning_rate, raised(share, self.power))

    def _share_of_cycle(self, step: Step) -> Value:
        """Cycle c = ⌈t/S⌉ (at least 1) ends at step c·S: the steps that remain of it, divided by c·S."""
        now = turn(step, self.decay_steps)
        # At the end of a cycle the next turn has begun, but not the next cycle.
        is_begin = now.gone == 0 if now.parts == 1 else now.gone + now.gone_parts == 0
        share = now.until / (real(now.count + 1) * float(self.decay_steps))
        return where(is_begin & (step > 0), 0.0, share)


class LinearDecay(Schedule):
    """A straight line from the initial to the end rate, then flat.

    f(t) = end + (initial − end) · (1 − t/decay_steps),  t = min(t, decay_steps)

    It equals ``PolynomialDecay(…, power=1.0)``.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps until the end rate.
        end_learning_rate: rate from there on, at most the initial one.

    Raises:
        TypeError, ValueError: an argument is not allowed, or the end rate is above the initial one.

    Example:
        >>> LinearDecay(0.1, 100).values([0, 50, 100, 101]).tolist()
        [0.1, 0.05, 0.0, 0.0]
    """

    template = "a straight line from {initial_learning_rate} to {end_learning_rate} over {decay_steps:steps}"
    initial_learning_rate: Rate
    decay_steps: Length
    end_learning_rate: Rate = 0.0

    def validate(self) -> None:
        falls(self, "initial_learning_rate", "end_learning_rate")

    def length(self) -> int | None:
        return ceiling(self.decay_steps)

    def rate(self, step: Step) -> Value:
        return mix(self.end_learning_rate, self.initial_learning_rate, remaining(step, self.decay_steps))


class CosineDecay(Schedule):
    """Half a cosine from a peak to a floor, then flat. A linear warmup before it is optional.

    f(t) = p · (alpha + (1 − alpha) · (1 + cos(π·t/decay_steps))/2),  t = min(t, decay_steps)

    As Keras. p is the initial rate. With `warmup_target`, the rate first goes in a straight line
    from the initial rate to the target in `warmup_steps` steps. Then it falls from p = target in
    `decay_steps` more steps. Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5, for one cycle.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps of the fall, without the warmup.
        alpha: the floor as a fraction of the peak, in [0, 1].
        warmup_target: the peak at the end of the warmup; None for no warmup.
        warmup_steps: steps of the warmup.
        name: accepted because Keras has it, by keyword.

    Raises:
        TypeError, ValueError: an argument is not allowed, or `warmup_steps` is given without `warmup_target`.

    Example:
        >>> CosineDecay(0.1, 100, alpha=0.1).values([0, 50, 100, 101]).round(6).tolist()
        [0.1, 0.055, 0.01, 0.01]
    """

    template = (
        "<a linear warmup over {warmup_steps:steps} from {initial_learning_rate}, then >"
        "a cosine from {_peak} to {_floor} over {decay_steps:steps}"
    )
    initial_learning_rate: Rate
    decay_steps: Length
    alpha: Share = 0.0
    warmup_target: OptionalRate = None
    warmup_steps: LengthOrZero = 0
    name: StringOrNone = None

    def validate(self) -> None:
        if self.warmup_steps and self.warmup_target is None:
            self.refuse("warmup_steps", "0 when there is no `warmup_target`")

    def length(self) -> int | None:
        return ceiling(exact(self.warmup_steps) + exact(self.decay_steps))

    def rate(self, step: Step) -> Value:
        peak = self._peak
        if not self.warmup_steps:
            return peak * mix(self.alpha, 1.0, cosine(remaining(step, self.decay_steps)))
        # It begins at the last whole step of the warmup, after which a part of a step may be left.
        whole = int(self.warmup_steps)
        part = exact(self.warmup_steps) - whole
        end = exact(self.decay_steps) + part if part else self.decay_steps
        left = until(since(step, whole), end) / float(self.decay_steps)
        falling = peak * mix(self.alpha, 1.0, cosine(left))
        rising = mix(self.initial_learning_rate, peak, progress(step, self.warmup_steps))
        return where(is_before(step, self.warmup_steps), rising, falling)

    @property
    def _peak(self) -> float:
        return self.initial_learning_rate if self.warmup_target is None else self.warmup_target

    @property
    def _floor(self) -> float:
        return self.alpha * self._peak


def _ratio(owner: type[Schedule], initial: SupportsFloat, end: SupportsFloat) -> float:
    """The ratio initial / end of two rates > 0. An end above the initial rate is refused."""
    first: float = check(POSITIVE, owner.__name__, "initial_learning_rate", initial)
    last: float = check(POSITIVE, owner.__name__, "end_learning_rate", end)
    if last > first:
        refuse(owner.__name__, "end_learning_rate", f"at most `initial_learning_rate` ({first!r})", last)
    return first / last


def falls(schedule: Schedule, start: str, end: str) -> None:
    """Refuse an end rate above the start."""
    if getattr(schedule, end) > getattr(schedule, start):
        schedule.refuse(end, f"at most `{start}` ({getattr(schedule, start)!r}); `Warmup` is for rates that rise")
