"""The layers that callbacks put around a schedule, and their order.

From the inside out: the binding to a training (`Bound`, by `BindSchedule`), the clock of a time budget (`Paced`, by
`BindSchedule`), and the scales (a `Reduced` for each `ReduceOnPlateau` and a `Rescaled` for each `GreedyLearningRate`,
in the order in which they first scaled). `Installed` takes a schedule apart into these layers and puts it together
again, so that the order is always the same.
"""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, NamedTuple

import numpy as np

from keras_lr.core.algebra import AnySchedule, Bound, Schedule
from keras_lr.core.curves import Step, Value, lookup_steps, maximum, minimum, segment, since
from keras_lr.core.fields import COUNT_OR_ZERO, STEP_LIMIT, STRING, Positive, Rate, Several, Share, Whole
from keras_lr.core.inner import FollowsInner, cycle_end_after, rate_of
from keras_lr.core.tree import LearningRateSchedule

MADE_FOR_YOU = ("Bound", "OppositePhase", "Paced", "Reduced", "Rescaled", "Shifted")
"""Classes that callbacks and methods create. You see them in the repr of a schedule, but need not use them."""

StringOrEmpty = Annotated[str, STRING]

MOST = 46_340
"""Largest numerator and denominator of a pace. Its square is below 2**31."""

Counters = Annotated[Sequence[int], Several("a non-empty sequence of whole numbers in [0, 2**31)", COUNT_OR_ZERO)]
Parts = Annotated[
    Sequence[int],
    Several(
        "a non-empty sequence of whole numbers in [1, 46340]",
        Whole("a whole number in [1, 46340]", 1, high=MOST + 1, steps=False),
    ),
]


class _Scaled(FollowsInner):
    """The common part of the two scaled schedules."""

    def changes(self) -> tuple[int, ...]:
        return self.schedule.changes() if isinstance(self.schedule, Schedule) else ()


class Reduced(_Scaled, Schedule):
    """A schedule scaled down, but not below a floor. `ReduceOnPlateau` installs it.

    f(t) = max(scale · schedule(t), min(schedule(t), min_lr))

    The floor limits only the scaling. Where the inner schedule is itself below `min_lr`, it is left
    unchanged.

    Args:
        schedule: the inner schedule.
        scale: factor, in [0, 1].
        min_lr: the rate below which nothing is scaled, >= 0.
        by: key of the saved state of the callback that scales; empty for a schedule that you write yourself.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> Reduced(LinearDecay(0.1, 100), 0.5, min_lr=0.02).values([0, 50, 90]).round(6).tolist()
        [0.05, 0.025, 0.01]
    """

    template = "{schedule}, reduced to {scale:%}< but not below {min_lr}>"
    schedule: AnySchedule
    scale: Share
    min_lr: Rate = 0.0
    by: StringOrEmpty = ""

    def rate(self, step: Step) -> Value:
        rate = rate_of(self.schedule, step)
        return maximum(self.scale * rate, minimum(rate, self.min_lr)) if self.min_lr else self.scale * rate


class Rescaled(_Scaled, Schedule):
    """A schedule scaled up or down between two limits. `GreedyLearningRate` installs it.

    f(t) = min(max(scale · schedule(t), min(schedule(t), min_lr)), max(schedule(t), max_lr))

    The limits apply only to the scaling. Where the inner schedule is itself below `min_lr` or above
    `max_lr`, it is left unchanged.

    Args:
        schedule: the inner schedule.
        scale: factor, > 0.
        min_lr: the rate below which nothing is scaled, >= 0.
        max_lr: the rate above which nothing is scaled, at least `min_lr`.
        by: key of the saved state of the callback that scales; empty for a schedule that you write yourself.

    Raises:
        TypeError, ValueError: an argument is not allowed, or `max_lr` is below `min_lr`.

    Example:
        >>> Rescaled(LinearDecay(0.1, 100), 2.0, min_lr=0.0, max_lr=0.16).values([0, 50, 90]).round(6).tolist()
        [0.16, 0.1, 0.02]
    """

    template = "{schedule}, scaled to {scale:%} but neither below {min_lr} nor above {max_lr}"
    schedule: AnySchedule
    scale: Positive
    min_lr: Rate
    max_lr: Rate
    by: StringOrEmpty = ""

    def validate(self) -> None:
        if self.max_lr < self.min_lr:
            self.refuse("max_lr", f"at least `min_lr` ({self.min_lr!r})")

    def rate(self, step: Step) -> Value:
        rate = rate_of(self.schedule, step)
        return minimum(maximum(self.scale * rate, minimum(rate, self.min_lr)), maximum(rate, self.max_lr))


class Paced(Schedule):
    """A schedule on a clock that runs faster or slower than the steps. A time budget installs it.

    f(t) = schedule(ticks[i] + ⌊(t − steps[i]) · numerators[i] / denominators[i]⌋)

    where i is the last segment that has begun. The clock never jumps, so the rate does not either.

    Args:
        schedule: the inner schedule, whose steps are ticks of the clock.
        steps: steps at which a segment of constant pace begins; the first is 0.
        ticks: the clock at these steps.
        numerators: a segment has `numerators` ticks for every `denominators` steps. In [1, 46340].
        denominators: see `numerators`. In [1, 46340].

    Raises:
        TypeError, ValueError: an argument is not allowed, or the sequences differ in length or do not begin at 0 and
            increase.

    Example:
        >>> Paced(LinearDecay(0.8, 8), [0, 2], [0, 2], [1, 3], [1, 1]).values([0, 2, 3, 4]).round(6).tolist()
        [0.8, 0.6, 0.3, 0.0]
    """

    template = "{schedule}, on the clock of a time budget"
    schedule: AnySchedule
    steps: Counters
    ticks: Counters
    numerators: Parts
    denominators: Parts

    def validate(self) -> None:
        for name in ("ticks", "numerators", "denominators"):
            if len(self.arguments()[name]) != len(self.steps):
                self.refuse(name, f"as long as `steps` ({len(self.steps)})")
        if self.steps[0] != 0 or any(b <= a for a, b in zip(self.steps, self.steps[1:], strict=False)):
            self.refuse("steps", "0 and then strictly increasing")

    def ticks_at(self, step: Step) -> Step:
        """The clock at a step, computed in whole numbers below 2**31.

        Args:
            step: steps of any shape, as for `rate`.

        Returns:
            Ticks, of the same shape.
        """
        if len(self.steps) == 1:
            start, tick, up, down = self.steps[0], self.ticks[0], self.numerators[0], self.denominators[0]
            gone = since(step, start)
        else:
            piece = segment(step, self.steps[1:])
            tables = (self.steps, self.ticks, self.numerators, self.denominators)
            start, tick, up, down = (lookup_steps(table, piece, step) for table in tables)
            gone = step - start
        whole, rest = gone // down, gone % down
        # After the last step of any schedule the clock may stand still.
        whole = minimum(whole, (2**31 - 1 - tick) // up - 1)
        return tick + whole * up + rest * up // down

    def pace(self) -> Fraction:
        """Ticks per step in the last segment."""
        return Fraction(self.numerators[-1], self.denominators[-1])

    @staticmethod
    def nearest(pace: Fraction) -> Fraction:
        """The nearest pace that a segment can have.

        Args:
            pace: ticks per step.

        Returns:
            A fraction whose numerator and denominator are at most 46340.
        """
        if pace >= 1:
            return min(pace.limit_denominator(max(int(MOST / (pace + 1)), 1)), Fraction(MOST))
        return max(pace.limit_denominator(MOST), Fraction(1, MOST))

    def from_here(self, step: int, pace: Fraction) -> Paced:
        """The same clock up to `step`, and another pace from there on.

        Args:
            step: the step at which the pace changes.
            pace: ticks per step from there on.

        Returns:
            A `Paced` with one more segment.
        """
        tick = int(self.ticks_at(np.int64(step)))
        kept = [piece for piece in zip(*self.pieces().values(), strict=True) if piece[0] < step]
        columns = zip(*kept, (step, tick, pace.numerator, pace.denominator), strict=True)
        return Paced(self.schedule, *map(list, columns))

    def pieces(self) -> dict[str, list[int]]:
        """The clock, as JSON values."""
        return {name: list(value) for name, value in self.arguments().items() if name != "schedule"}

    def cycle_end_after(self, step: int) -> int | None:
        """The step at which the clock reaches the end of the cycle, if its pace does not change."""
        tick = cycle_end_after(self.schedule, int(self.ticks_at(np.int64(step))))
        if tick is None or int(self.ticks_at(np.int64(STEP_LIMIT - 1))) < tick:
            return None
        return bisect_left(range(STEP_LIMIT), tick, key=lambda step: int(self.ticks_at(np.int64(step))))

    def rate(self, step: Step) -> Value:
        return rate_of(self.schedule, self.ticks_at(step))


class Scaling(NamedTuple):
    """The scale and limits of one callback. `max_lr` is finite if the callback may also raise the rate."""

    by: str
    scale: float
    min_lr: float
    max_lr: float = math.inf

    def around(self, schedule: LearningRateSchedule) -> LearningRateSchedule:
        if math.isinf(self.max_lr):
            return Reduced(schedule, self.scale, self.min_lr, self.by)
        return Rescaled(schedule, self.scale, self.min_lr, self.max_lr, self.by)


@dataclass(frozen=True)
class Installed:
    """A schedule taken apart into the layers that callbacks put around it.

    Attributes:
        inner: the schedule, bound if it has units.
        clock: the arguments of `Paced`; None without a time budget.
        scalings: the scalings of callbacks, from the inside out.
    """

    inner: LearningRateSchedule
    clock: dict[str, list[int]] | None = None
    scalings: tuple[Scaling, ...] = ()

    @classmethod
    def around(cls, schedule: LearningRateSchedule) -> Installed:
        """The layers of a schedule. A `Reduced` or `Rescaled` that a user wrote is no layer."""
        clock: dict[str, list[int]] | None = None
        scalings: list[Scaling] = []
        while isinstance(schedule, Reduced | Rescaled) and schedule.by:
            max_lr = schedule.max_lr if isinstance(schedule, Rescaled) else math.inf
            scalings.insert(0, Scaling(schedule.by, schedule.scale, schedule.min_lr, max_lr))
            schedule = schedule.schedule
        if isinstance(schedule, Paced):
            clock, schedule = schedule.pieces(), schedule.schedule
        return cls(schedule, clock, tuple(scalings))

    def schedule(self) -> LearningRateSchedule:
        """The layers put together."""
        made: LearningRateSchedule = self.paced or self.inner
        for scaling in self.scalings:
            made = scaling.around(made)
        return made

    @property
    def paced(self) -> Paced | None:
        """The schedule on the clock of a time budget, without scalings; None without a time budget."""
        return None if self.clock is None else Paced(self.inner, **self.clock)

    @property
    def configured(self) -> LearningRateSchedule:
        """The schedule as the user wrote it."""
        return self.inner.schedule if isinstance(self.inner, Bound) else self.inner

    def change(self, change: Callable[[LearningRateSchedule], LearningRateSchedule]) -> Installed:
        """The same layers around a changed inner schedule."""
        return dataclasses.replace(self, inner=change(self.inner))

    def on_clock(self, clock: dict[str, list[int]]) -> Installed:
        """The same layers with another clock."""
        return dataclasses.replace(self, clock=clock)

    def scale(self, by: str) -> float | None:
        """The scale of one callback; None if it has not scaled the schedule."""
        return next((scaling.scale for scaling in self.scalings if scaling.by == by), None)

    def scaled(self, new: Scaling) -> Installed:
        """The same layers with another scaling of one callback. A new one becomes the outermost."""
        if self.scale(new.by) is None:
            return dataclasses.replace(self, scalings=(*self.scalings, new))
        return dataclasses.replace(self, scalings=tuple(new if it.by == new.by else it for it in self.scalings))


def with_key(schedule: LearningRateSchedule, by: str, scale: float) -> LearningRateSchedule:
    """A schedule from a file of version 0.1.0, whose reductions had no key: the outermost one gets it."""
    if isinstance(schedule, Reduced) and not schedule.by and schedule.scale == scale:
        return Reduced(schedule.schedule, scale, schedule.min_lr, by)
    return schedule
