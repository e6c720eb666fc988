"""Rates of a schedule inside another one, of this package or external."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_lr.core import evaluation
from keras_lr.core.curves import Step, Value
from keras_lr.core.tree import Formula, LearningRateSchedule


def rate_of(schedule: LearningRateSchedule, step: Step) -> Value:
    """The rate of an inner schedule within another schedule's formula."""
    return schedule.rate(step) if isinstance(schedule, Formula) else evaluation.external_rate(schedule, step)


def rate_at(schedule: LearningRateSchedule, at: int, step: Step) -> Value:
    """The rate of an inner schedule at one step `at`: a number, where no external schedule is inside."""
    if isinstance(schedule, Formula) and not schedule.has_external:
        # Each level of nested warmups would double the work otherwise.
        rates = schedule._cache.starts
        if at not in rates:
            rates[at] = float(schedule.values(at))
        return rates[at]
    # An external schedule cannot be evaluated on the host while a training step is traced.
    return rate_of(schedule, step * 0 + at)


def length_of(schedule: LearningRateSchedule) -> int | None:
    """`duration` of any schedule; an external one has no end that can be seen."""
    return schedule.length() if isinstance(schedule, Formula) else None


def cycle_end_after(schedule: LearningRateSchedule, step: int) -> int | None:
    """The first end of a cycle of any schedule after a step; an external one has no cycles that can be seen."""
    return schedule.cycle_end_after(step) if isinstance(schedule, Formula) else None


class FollowsInner:
    """For a schedule that ends, and whose cycles end, where those of the one in its field `schedule` do."""

    schedule: LearningRateSchedule

    def length(self) -> int | None:
        return length_of(self.schedule)

    def cycle_end_after(self, step: int) -> int | None:
        return cycle_end_after(self.schedule, step)


def cycle_end_in(schedule: LearningRateSchedule, step: int, start: int = 0, end: int | None = None) -> int | None:
    """The same for a schedule that is used from `start` on, and up to `end`."""
    found = cycle_end_after(schedule, max(step - start, 0))
    return None if found is None or (end is not None and start + found > end) else start + found


def earliest(ends: Iterable[int | None]) -> int | None:
    """The first of several ends, of which some may be missing."""
    return min((end for end in ends if end is not None), default=None)


def joined_cycle_end(schedules: Sequence[LearningRateSchedule], boundaries: Sequence[int], step: int) -> int | None:
    """The first end of a cycle after a step of schedules that follow one another at boundaries."""
    starts, ends = (0, *boundaries), (*boundaries, None)
    parts = zip(schedules, starts, ends, strict=True)
    found = (cycle_end_in(part, step, start, end) for part, start, end in parts if end is None or end > step)
    return next((end for end in found if end is not None), None)


def values_of(schedule: LearningRateSchedule, steps: Any) -> NDArray[np.float64]:
    """Float64 rates of any schedule, on the host."""
    if isinstance(schedule, Formula):
        return np.asarray(schedule.values(steps))
    return np.asarray(rate_of(schedule, evaluation.whole_steps(steps)), np.float64)
