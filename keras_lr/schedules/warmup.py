"""Warmup before another schedule, or during its start."""

from __future__ import annotations

from fractions import Fraction as Ratio
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

from keras_lr.core.algebra import AnySchedule, Schedule
from keras_lr.core.curves import (
    Step,
    Value,
    cosine,
    exponential,
    exponential_less_one,
    mix,
    power,
    progress,
    raised,
    real,
    remaining,
    since,
    times,
    where,
)
from keras_lr.core.describe import number
from keras_lr.core.fields import MOMENTUM, OptionalRate, Positive, Share, StepsOrZero, one_of
from keras_lr.core.inner import cycle_end_in, length_of, rate_at, rate_of
from keras_lr.core.ratios import meant, nearest
from keras_lr.core.refusals import check

if TYPE_CHECKING:
    from typing_extensions import Self

WarmupShape = Literal["linear", "cosine", "polynomial", "exponential", "saturating"]
UntunedShape = Literal["linear", "saturating"]
Overlap = Literal["none", "replace", "join", "multiply"]

THEN = {
    "none": "then",
    "replace": "then the rest of",
    "join": "then, without a jump, the rest of",
    "multiply": "multiplied by",
}


class Warmup(Schedule):
    """A rise to the first rate of another schedule, which then starts from its own step 0.

    f(t) = schedule(0) · w(t/warmup_steps)    for t < warmup_steps
    f(t) = schedule(t − warmup_steps)         from there on

    where w(x) = start + (1 − start) · s(x) with s(x) = x ("linear"), (1 − cos πx)/2 ("cosine") or
    x^power ("polynomial"); or w(x) = start^(1 − x) ("exponential"). There is no jump: at
    `warmup_steps` the rate is exactly ``schedule(0)``. The linear shape is the "gradual warmup" of
    Goyal et al. 2017, arXiv 1706.02677, section 2.2; the exponential shape is fastai's `SchedExp`.

    With another `overlap` than "none", the schedule starts at step 0 of the training, so that its
    milestones count from there:

    f(t) = schedule(0) · w(t/warmup_steps)               "replace": BERT, timm; it may jump at the end
    f(t) = schedule(warmup_steps) · w(t/warmup_steps)    "join": TensorFlow's models; it does not jump
    f(t) = schedule(t) · w(t/warmup_steps)               "multiply"
    f(t) = schedule(t)                                   from `warmup_steps` on

    The "saturating" shape, s(x) = 1 − exp(−x), has no end. So it needs "multiply", applies at all
    steps, and has no `duration`. With `start_learning_rate` the warmup begins at this rate instead of a
    fraction of the goal: f(t) = (1 − s)·start_learning_rate + s·goal, or start_learning_rate^(1 − x)·goal^x
    ("exponential"). If the goal is lower, the rate falls.

    Args:
        schedule: the schedule to warm up to (of this package, of Keras, or your own), or a constant rate.
        warmup_steps: steps of the warmup; 0 for none. For "saturating" this is the time constant,
            after which 63 % of the rise are done.
        start: the first rate as a fraction of the goal, in [0, 1]. With 0 the first update does not
            change the weights.
        shape: "linear", "cosine", "polynomial", "exponential" or "saturating".
        power: exponent of the polynomial, > 0; 2 is a quadratic warmup.
        start_learning_rate: the first rate itself; None to use `start`.
        overlap: "none" for a schedule that starts after the warmup; "replace", "join" or "multiply".

    Raises:
        TypeError, ValueError: an argument is not allowed, an exponential warmup starts from 0, `power` is
            given for another shape, `start_learning_rate` is given with `start`, or a saturating
            warmup does not multiply.

    Example:
        >>> Warmup(LinearDecay(0.1, 100), 10).values([0, 5, 10, 60, 110]).round(6).tolist()
        [0.0, 0.05, 0.1, 0.05, 0.0]
        >>> Warmup(MultiStepDecay(0.4, [30]), 5, start_learning_rate=0.1, overlap="join").values([0, 5, 29]).tolist()
        [0.1, 0.4, 0.4]
    """

    template = "a {shape} warmup< of power {power}> from {_from} over {warmup_steps:steps}, {_then} {schedule}"
    schedule: AnySchedule
    warmup_steps: StepsOrZero
    start: Share = 0.0
    shape: WarmupShape = "linear"
    power: Positive = 1.0
    start_learning_rate: OptionalRate = None
    overlap: Overlap = "none"

    @classmethod
    def untuned(cls, schedule: Any, beta_2: SupportsFloat = 0.999, shape: UntunedShape = "linear") -> Self:
        """The warmup for Adam without anything to tune: its length follows from `beta_2`.

        f(t) = schedule(t) · min(1, t·(1 − beta_2)/2)       (shape "linear")
        f(t) = schedule(t) · (1 − exp(−t·(1 − beta_2)))     (shape "saturating")

        Ma & Yarats 2019, "On the adequacy of untuned warmup for adaptive optimization", arXiv
        1910.04209, section 5. There the first update is step 1; use ``from_step(1)`` for that. The
        2/(1 − beta_2) or 1/(1 − beta_2) steps are rounded to whole steps.

        Args:
            schedule: a schedule or a constant rate, which starts at step 0.
            beta_2: the `beta_2` of the optimizer, in [0, 1).
            shape: "linear" or "saturating" ("exponential" in the paper).

        Returns:
            A `Warmup` with ``overlap="multiply"``.

        Raises:
            TypeError, ValueError: an argument is not allowed.

        Example:
            >>> Warmup.untuned(0.001, beta_2=0.99).values([0, 100, 200, 999]).tolist()
            [0.0, 0.0005, 0.001, 0.001]
        """
        rest = 1 - meant(check(MOMENTUM, cls.__name__, "beta_2", beta_2))
        check(one_of(UntunedShape), cls.__name__, "shape", shape)
        steps = Ratio(2 if shape == "linear" else 1) / rest
        return cls(schedule, nearest(steps), shape=shape, overlap="multiply")

    def validate(self) -> None:
        if self.start and self.start_learning_rate is not None:
            self.refuse("start_learning_rate", "None when `start` is given")
        if self.shape == "exponential" and self.start == 0.0 and not self.start_learning_rate:
            name = "start" if self.start_learning_rate is None else "start_learning_rate"
            self.refuse(name, "above 0 for an exponential warmup")
        if self.shape != "polynomial" and self.power != 1.0:
            self.refuse("power", "1.0 unless `shape` is 'polynomial'")
        if self.shape == "saturating" and self.overlap != "multiply":
            self.refuse("overlap", "'multiply' when `shape` is 'saturating', which has no end")

    def length(self) -> int | None:
        after = length_of(self.schedule)
        if after is None or self.shape == "saturating":
            return None
        return self.warmup_steps + after if self.overlap == "none" else max(self.warmup_steps, after)

    def cycle_end_after(self, step: int) -> int | None:
        return cycle_end_in(self.schedule, step, self.warmup_steps if self.overlap == "none" else 0)

    def rate(self, step: Step) -> Value:
        after = rate_of(self.schedule, since(step, self.warmup_steps) if self.overlap == "none" else step)
        if not self.warmup_steps:
            return after
        if self.shape == "saturating":
            return self.risen(step, after)
        if self.overlap == "multiply":
            goal = after
        else:
            goal = rate_at(self.schedule, self.warmup_steps if self.overlap == "join" else 0, step)
        return where(step < self.warmup_steps, self.risen(step, goal), after)

    def risen(self, step: Step, goal: Value) -> Value:
        """The rate of the warmup towards a goal."""
        start = self.start_learning_rate
        if start is None:
            return self._share(step) * goal
        if self.shape == "exponential":
            return start * raised((real(step) * 0.0 + goal) / start, progress(step, self.warmup_steps))
        if self.shape == "saturating":  # not 1 − share, which would cancel
            return start * exponential(times(step, -1.0 / self.warmup_steps)) + self._gone(step) * goal
        return mix(start, goal, self._gone(step))

    def _share(self, step: Step) -> Value:
        """The fraction of the goal, from `start` to 1."""
        if self.shape == "exponential":
            return power(self.start, remaining(step, self.warmup_steps))
        return mix(self.start, 1.0, self._gone(step))

    def _gone(self, step: Step) -> Value:
        """The part of the rise that is done, from 0 to 1."""
        if self.shape == "saturating":
            return -exponential_less_one(times(step, -1.0 / self.warmup_steps))
        gone = progress(step, self.warmup_steps)
        return cosine(gone) if self.shape == "cosine" else raised(gone, self.power)

    @property
    def _from(self) -> str:
        if self.start_learning_rate is not None:
            return number(self.start_learning_rate)
        return f"{100.0 * self.start:.4g} %" if self.start else "0"

    @property
    def _then(self) -> str:
        return THEN[self.overlap]
