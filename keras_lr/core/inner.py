"""Rates, lengths and cycles of inner schedules, of this package or external."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_lr.core import evaluation
from keras_lr.core.curves import Step, Value
from keras_lr.core.tree import Formula, LearningRateSchedule


def rate_of(schedule: LearningRateSchedule, step: Step) -> Value:
    """The rate of an inner schedule, for the formula of the outer one.

    Args:
        schedule: the inner schedule, of this package or external.
        step: the steps that `rate` got, or others of the same type.

    Returns:
        The rates, of the shape of `step`.
    """
    return schedule.rate(step) if isinstance(schedule, Formula) else evaluation.external_rate(schedule, step)


def rate_at(schedule: LearningRateSchedule, at: int, step: Step) -> Value:
    """The rate of an inner schedule at one step.

    Args:
        schedule: the inner schedule, of this package or external.
        at: the step.
        step: the steps that `rate` got.

    Returns:
        A number, or, if an external schedule is inside, rates of the shape of `step`.
    """
    if isinstance(schedule, Formula) and not schedule.has_external:
        # Otherwise each level of nested warmups would double the work.
        rates = schedule._cache.starts
        if at not in rates:
            rates[at] = float(schedule.values(at))
        return rates[at]
    # An external schedule cannot be evaluated on the host while a training step is traced.
    return rate_of(schedule, step * 0 + at)


def length_of(schedule: LearningRateSchedule) -> int | None:
    """The length of any schedule in steps, or None. The end of an external schedule is unknown: None."""
    return schedule.length() if isinstance(schedule, Formula) else None


def cycle_end_after(schedule: LearningRateSchedule, step: int) -> int | None:
    """The first end of a cycle after a step, for any schedule. The cycles of an external one are unknown: None."""
    return schedule.cycle_end_after(step) if isinstance(schedule, Formula) else None


class FollowsInner:
    """For a schedule that has the length and the cycles of the one in its field `schedule`."""

    schedule: LearningRateSchedule

    def length(self) -> int | None:
        return length_of(self.schedule)

    def cycle_end_after(self, step: int) -> int | None:
        return cycle_end_after(self.schedule, step)


def cycle_end_in(schedule: LearningRateSchedule, step: int, start: int = 0, end: int | None = None) -> int | None:
    """`cycle_end_after` for a schedule that is used from step `start` to step `end`."""
    found = cycle_end_after(schedule, max(step - start, 0))
    return None if found is None or (end is not None and start + found > end) else start + found


def earliest(ends: Iterable[int | None]) -> int | None:
    """The first of several ends. Some may be None."""
    return min((end for end in ends if end is not None), default=None)


def values_of(schedule: LearningRateSchedule, steps: Any) -> NDArray[np.float64]:
    """Rates of any schedule as float64, computed on the host."""
    if isinstance(schedule, Formula):
        return np.asarray(schedule.values(steps))
    return np.asarray(rate_of(schedule, evaluation.whole_steps(steps)), np.float64)
