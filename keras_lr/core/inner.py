"""Rates of a schedule inside another one, of this package or external."""

from __future__ import annotations

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


def values_of(schedule: LearningRateSchedule, steps: Any) -> NDArray[np.float64]:
    """Float64 rates of any schedule, on the host."""
    if isinstance(schedule, Formula):
        return np.asarray(schedule.values(steps))
    return np.asarray(rate_of(schedule, evaluation.whole_steps(steps)), np.float64)
