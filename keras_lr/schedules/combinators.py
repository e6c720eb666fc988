"""Schedules made of other schedules: sequences, repetition, noise, epochs, updates, another batch size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, SupportsFloat

from keras_lr.core.algebra import SCHEDULE, AnySchedule, OneAfterAnother, Schedule, Schedules, multiplied
from keras_lr.core.curves import Step, Value, power, real
from keras_lr.core.fields import Boundaries, Count, CountOrZero, Factor, Share, Steps, Whole, one_of
from keras_lr.core.inner import FollowsInner, cycle_end_after, length_of, rate_of
from keras_lr.core.refusals import check
from keras_lr.core.units import epochs

BATCH = Whole("a whole number of examples in [1, 2**31)", 1, steps=False)
Scaling = Literal["linear", "sqrt"]


class Sequential(OneAfterAnother, Schedule):
    """Schedules one after another, each from its own step 0, with given boundaries.

    f(t) = schedules[i](t − boundaries[i−1]),  i the number of boundaries ≤ t

    As torch's `SequentialLR` and optax's `join_schedules`. A part between equal boundaries is
    skipped. ``a >> b`` needs no boundaries.

    Args:
        schedules: the parts: schedules or constant rates.
        boundaries: steps at which the next part begins, one fewer than there are parts, none
            smaller than the one before.

    Raises:
        TypeError, ValueError: an argument is not allowed, or the numbers of parts and boundaries do not fit.

    Example:
        >>> Sequential([LinearDecay(0.4, 8), StepDecay(0.1, 2)], [4]).values([0, 3, 4, 6]).round(6).tolist()
        [0.4, 0.25, 0.1, 0.05]
    """

    template = "{schedules:then}<, changing at {boundaries:at}>"
    schedules: Schedules
    boundaries: Boundaries

    def validate(self) -> None:
        if len(self.boundaries) != len(self.schedules) - 1:
            self.refuse("boundaries", f"one fewer than there are `schedules` ({len(self.schedules) - 1})")

    def _boundaries(self) -> Sequence[int]:
        return self.boundaries


class Repeat(Schedule):
    """A schedule that is repeated, each time multiplied by a factor.

    f(t) = factor^⌊t/every⌋ · schedule(t mod every)

    Use it for restarts of any shape, and for cycles whose upper and lower rate both shrink. (In
    `CosineDecayRestarts` and with timm's `cycle_decay` the lower rate stays the same.)

    Args:
        schedule: the schedule to repeat.
        every: steps of one repetition, >= 1.
        factor: scale of a repetition relative to the one before, in (0, 1].

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> Repeat(LinearDecay(0.4, 4), 4, factor=0.5).values([0, 2, 4, 6, 8]).round(6).tolist()
        [0.4, 0.2, 0.2, 0.1, 0.1]
    """

    template = "{schedule}, repeated every {every:steps}<, each time multiplied by {factor}>"
    schedule: AnySchedule
    every: Steps
    factor: Factor = 1.0

    def cycle_end_after(self, step: int) -> int | None:
        return (step // self.every + 1) * self.every

    def rate(self, step: Step) -> Value:
        value = rate_of(self.schedule, step % self.every)
        return value if self.factor == 1.0 else power(self.factor, step // self.every) * value


class PerEpoch(Schedule):
    """A schedule whose rate is constant within each epoch and changes only when an epoch begins.

    f(t) = schedule(⌊t/n⌋ · n),  n = steps_per_epoch

    As torch's and timm's schedulers, which are called once at the end of each epoch, and as Keras's
    `LearningRateScheduler`. The inner schedule counts steps, or has units:
    ``PerEpoch(CosineDecay(0.1, epochs(90)))``.

    Args:
        schedule: a schedule or a constant rate.
        steps_per_epoch: batches in an epoch, >= 1. By default `BindSchedule` or `bind` sets it.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> PerEpoch(LinearDecay(0.4, 8), 2).values([0, 1, 2, 3, 4]).round(6).tolist()
        [0.4, 0.4, 0.3, 0.3, 0.2]
        >>> decay = PerEpoch(LinearDecay(0.4, epochs(4)))
        >>> decay.bind(steps_per_epoch=2, epochs=4).values([0, 1, 2, 3, 4]).round(6).tolist()
        [0.4, 0.4, 0.3, 0.3, 0.2]
    """

    template = "{schedule}, held for {steps_per_epoch:steps} at a time"
    schedule: AnySchedule
    steps_per_epoch: Steps = epochs(1)

    def length(self) -> int | None:
        length = length_of(self.schedule)
        return None if length is None else -(-length // self.steps_per_epoch) * self.steps_per_epoch

    def cycle_end_after(self, step: int) -> int | None:
        # The next cycle starts with the first epoch that begins in it.
        end = cycle_end_after(self.schedule, step // self.steps_per_epoch * self.steps_per_epoch)
        return None if end is None else -(-end // self.steps_per_epoch) * self.steps_per_epoch

    def rate(self, step: Step) -> Value:
        return rate_of(self.schedule, step // self.steps_per_epoch * self.steps_per_epoch)


class PerUpdate(Schedule):
    """A schedule that counts updates, for an optimizer that accumulates gradients.

    f(t) = schedule(⌊t / accumulation_steps⌋)

    With ``gradient_accumulation_steps=k`` Keras updates the weights at every k-th batch, but calls
    the schedule with the number of batches.

    Args:
        schedule: a schedule whose steps are updates.
        accumulation_steps: the optimizer's `gradient_accumulation_steps`, >= 1.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> PerUpdate(LinearDecay(0.4, 4), 2).values([0, 1, 2, 3, 4]).round(6).tolist()
        [0.4, 0.4, 0.3, 0.3, 0.2]
    """

    template = "{schedule}, counted in updates of {accumulation_steps} batches"
    schedule: AnySchedule
    accumulation_steps: Count

    def length(self) -> int | None:
        length = length_of(self.schedule)
        return None if length is None else length * self.accumulation_steps

    def cycle_end_after(self, step: int) -> int | None:
        end = cycle_end_after(self.schedule, step // self.accumulation_steps)
        return None if end is None else end * self.accumulation_steps

    def rate(self, step: Step) -> Value:
        return rate_of(self.schedule, step // self.accumulation_steps)


class Noise(FollowsInner, Schedule):
    """A schedule with a random factor at each step, which is the same for the same seed.

    f(t) = schedule(t) · (1 + amplitude · n(t)),  n(t) uniform in [−1, 1)

    n is a hash of step and seed. So a resumed training gets the same noise, on every backend. (timm's
    `lr-noise` seeds its noise with the step for the same reason.) The `duration` is that of the inner
    schedule. After it, the noise is around a constant rate.

    Args:
        schedule: a schedule or a constant rate.
        amplitude: largest relative change, in [0, 1].
        seed: a whole number >= 0. Different seeds give different noise.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> noisy = Noise(Constant(0.1), 0.5)
        >>> bool(abs(noisy.values(range(9)) - 0.1).max() <= 0.05)
        True
    """

    template = "{schedule}, with random changes of up to {amplitude:%} (seed {seed})"
    schedule: AnySchedule
    amplitude: Share
    seed: CountOrZero = 0

    def rate(self, step: Step) -> Value:
        return rate_of(self.schedule, step) * (1.0 + self.amplitude * (real(self._hash(step)) * (2.0 / PRIME) - 1.0))

    def _hash(self, step: Step) -> Step:
        """Whole numbers in [0, PRIME), from squares and products that stay below 2**31."""
        state = step % PRIME
        for salt in (step // PRIME % PRIME, self.seed % PRIME, self.seed // PRIME % PRIME):
            for multiplier, increment in ((31_607, 7_919), (27_893, 12_347)):
                state = (state * multiplier + salt + increment) % PRIME
                state = (state * state + state * 5) % PRIME
        return state


# The largest prime whose square is below 2**31; (p − 1)² + 5·(p − 1) is below it too.
PRIME = 46_337


def scaled(
    schedule: Any, batch_size: SupportsFloat, base_batch_size: SupportsFloat, rule: Scaling = "linear"
) -> Schedule:
    """A schedule adapted to another batch size than the one that it was tuned for.

    linear: f(t) · batch_size / base_batch_size        (Goyal et al. 2017, arXiv 1706.02677, section 2.1)
    sqrt:   f(t) · √(batch_size / base_batch_size)     (Krizhevsky 2014, arXiv 1404.5997, section 5)

    Durations in steps stay the same. With larger batches the same number of epochs has fewer steps; durations
    in `epochs` adapt to that. Goyal et al. add a warmup of 5 epochs.

    Args:
        schedule: a schedule or a constant rate.
        batch_size: examples in a batch over all devices, >= 1.
        base_batch_size: the batch size that the schedule was tuned for, >= 1.
        rule: "linear" (for SGD) or "sqrt" (usual for Adam and similar optimizers).

    Returns:
        A schedule: `schedule` multiplied by a constant.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> scaled(Constant(0.1), 1024, 256).values(0).item(), scaled(Constant(0.1), 1024, 256, "sqrt").values(0).item()
        (0.4, 0.2)
    """
    inner = check(SCHEDULE, "scaled", "schedule", schedule)
    ratio = check(BATCH, "scaled", "batch_size", batch_size) / check(
        BATCH, "scaled", "base_batch_size", base_batch_size
    )
    check(one_of(Scaling), "scaled", "rule", rule)
    return multiplied(inner, ratio if rule == "linear" else math.sqrt(ratio))
