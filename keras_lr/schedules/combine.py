"""Schedules made of schedules: warmup before one, a scale on top of one, and (to come) joins and operators."""

from __future__ import annotations

from typing import Annotated

from keras_lr.curves import Step, Value, maximum, minimum, progress, since, where
from keras_lr.fields import AnySchedule, Fraction, OneOf, Rate, StepsOrZero
from keras_lr.schedule import Schedule, first_rate, rate_of

WarmupShape = Annotated[str, OneOf(("linear",))]


class Warmup(Schedule):
    """A rise to the first rate of another schedule, which then runs from its own step 0.

    f(t) = schedule(0) · (start + (1 − start) · t/warmup_steps)  for t < warmup_steps
    f(t) = schedule(t − warmup_steps)                            from there on

    There is no jump: at `warmup_steps` the rate is exactly ``schedule(0)``. The linear
    ("gradual") warmup of Goyal et al. 2017, arXiv 1706.02677, section 2.2.

    Args:
        schedule: what follows: a schedule (ours, Keras's, your own), or a constant rate.
        warmup_steps: steps of the rise; 0 for none.
        start: where it begins, as a fraction of ``schedule(0)``, in [0, 1]. With 0 the first
            update does not move the weights.
        shape: "linear".

    Example:
        >>> Warmup(LinearDecay(0.1, 100), 10).values([0, 5, 10, 60, 110]).round(6).tolist()
        [0.0, 0.05, 0.1, 0.05, 0.0]
    """

    words = "{shape} warmup over {warmup_steps} steps, then {schedule}"
    schedule: AnySchedule
    warmup_steps: StepsOrZero
    start: Fraction = 0.0
    shape: WarmupShape = "linear"

    def rate(self, step: Step) -> Value:
        after = rate_of(self.schedule, since(step, self.warmup_steps))
        if not self.warmup_steps:
            return after
        share = self.start + (1.0 - self.start) * progress(step, self.warmup_steps)
        return where(step < self.warmup_steps, share * first_rate(self.schedule, step), after)


class Reduced(Schedule):
    """Another schedule scaled down, but not below a floor: what `ReduceOnPlateau` installs.

    f(t) = max(scale · schedule(t), min(schedule(t), min_lr))

    The floor limits the scaling alone: a schedule that goes below `min_lr` by itself is
    left as it is.

    Args:
        schedule: the schedule underneath.
        scale: factor, in [0, 1].
        min_lr: rate below which nothing is scaled.

    Example:
        >>> Reduced(LinearDecay(0.1, 100), 0.5, min_lr=0.02).values([0, 50, 90]).round(6).tolist()
        [0.05, 0.025, 0.01]
    """

    words = "{schedule}, scaled by {scale} (not below {min_lr})"
    schedule: AnySchedule
    scale: Fraction
    min_lr: Rate = 0.0

    def rate(self, step: Step) -> Value:
        rate = rate_of(self.schedule, step)
        return maximum(self.scale * rate, minimum(rate, self.min_lr)) if self.min_lr else self.scale * rate


# Here: Sequential, products and sums, clip, from_step, cooldown.
