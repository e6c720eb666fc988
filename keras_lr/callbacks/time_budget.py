"""A time budget: the schedule's clock runs so that the schedule ends when the time does."""

from __future__ import annotations

import datetime
import math
import numbers
import time
from fractions import Fraction
from typing import Any

import numpy as np

from keras_lr.core.fields import NON_NEGATIVE, STEP_LIMIT
from keras_lr.core.inner import length_of
from keras_lr.core.refusals import check, refuse
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import install, lookup, training_step
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.schedules.installed import Installed, Paced
from keras_lr.training import audit
from keras_lr.training.saved_state import memory

CHECKPOINTS = (0.02, 0.25, 0.5, 0.75, 0.9)
"""Shares of the time budget after which the pace is looked at."""

TOLERANCE = 0.05
"""A pace that is off by less is left alone: a correction costs a compilation."""

NOMINAL = 1000
"""Ticks of an epoch under a time budget, where the dataset does not tell its length."""

clock = time.monotonic


class TimeBudget:
    """Keeps the schedules of a model at the pace that a time budget asks for."""

    KEY = "time_budget"

    def __init__(self, model: Any, budget: float, ticks: int, continues: bool) -> None:
        self._model = model
        self._budget = budget
        self._ticks = min(ticks, STEP_LIMIT - 1)
        self._optimizers = lookup.rated_optimizers(model)
        saved = memory(model).setdefault(self.KEY, {"seconds": 0.0, "clocks": {}})
        seconds, clocks = saved.get("seconds"), saved.get("clocks")
        names = {"steps", "ticks", "numerators", "denominators"}
        if not isinstance(clocks, dict) or not all(isinstance(it, dict) and set(it) == names for it in clocks.values()):
            refuse("BindSchedule", "clocks", "the paces by optimizer in the saved state", clocks)
        seconds = float(check(NON_NEGATIVE, "BindSchedule", "seconds", seconds))
        self._used_before = seconds if continues else 0.0
        self._clocks: dict[str, dict[str, Any]] = clocks
        self._began = clock()
        self._measured_from: float | None = None
        self._compilation = 0.0
        self._due = [share * budget for share in CHECKPOINTS if share * budget > self._used_before]
        self._resume()

    def _resume(self) -> None:
        """Set the clocks as they were, where weights alone were loaded."""
        changed = [self._restore(rated) for rated in self._optimizers]
        if any(changed):
            training_step.retrace(self._model)

    def _restore(self, rated: RatedOptimizer) -> bool:
        """Give a schedule its clock back; whether it had none."""
        pieces = self._clocks.get(rated.column)
        if not pieces or not isinstance(rated.source, LearningRateSchedule):
            return False
        before = Installed.around(rated.source)
        if before.clock is not None:
            return False
        install.replace(self._model, rated, before.on_clock(pieces).schedule())
        return True

    def end(self) -> None:
        """Another training has the whole budget if this one has used it up. The clocks stay."""
        if self.is_over():
            memory(self._model)[self.KEY]["seconds"] = 0.0

    def warn_if_over(self) -> None:
        """Warn where an earlier training has brought a schedule to its end already."""
        for rated in self._optimizers:
            source, step = rated.source, rated.step()
            paced = Installed.around(source).paced if isinstance(source, LearningRateSchedule) else None
            if step == 0 or paced is None:
                continue
            end = length_of(paced.schedule) or self._ticks
            if int(paced.ticks_at(np.int64(step))) >= end:
                warn_user(
                    f"BindSchedule: the schedule of `{rated.column}` has come to its end at step {step:,}, so this "
                    f"training stays at {rated.rate():.6g}: compile the model anew, or give it another schedule with "
                    "`set_learning_rate`",
                    audit.ScheduleWarning,
                )

    def used(self) -> float:
        """Seconds of the budget used so far, by this process and those before it."""
        return self._used_before + clock() - self._began

    def is_over(self) -> bool:
        return self.used() >= self._budget

    def before_batch(self) -> None:
        self._batch_began = self.used()

    def after_batch(self) -> bool:
        """Note a batch, and correct the pace if it is time to; whether the training is over.

        After the batch and not before the next one, when other callbacks have looked already at
        the schedule that it will use.
        """
        used = self.used()
        memory(self._model)[self.KEY]["seconds"] = used
        if self._measured_from is None:
            # The first batch after a correction compiles the training step; the pace is measured after it.
            self._compilation = max(used - self._batch_began, self._compilation)
            self._measured_from, self._batches = used, 0
        else:
            self._batches += 1
        if used >= self._budget:
            return True
        self._look(used)
        return False

    def _look(self, used: float) -> None:
        """Correct the pace if it is time to look at it and it is off."""
        if self._measured_from is None or self._batches < 5 or not self._due or used < self._due[0]:
            return
        self._due = [due for due in self._due if due > used]
        seconds_per_batch = max((used - self._measured_from) / self._batches, 1e-9)
        seconds_left = max(self._budget - used - self._compilation, 0.0)
        steps_left = max(int(seconds_left / seconds_per_batch), 1)
        lookup.sync(self._model)
        changed = [self._correct(rated, steps_left) for rated in self._optimizers]
        if any(changed):
            training_step.retrace(self._model)
            self._measured_from = None

    def _correct(self, rated: RatedOptimizer, steps_left: int) -> bool:
        """Give one schedule the pace that brings it to its end in `steps_left`; whether it changed."""
        source, step = rated.source, rated.step()
        if not isinstance(source, LearningRateSchedule):
            return False
        before = Installed.around(source)
        paced = before.paced or Paced(before.inner, [0], [0], [1], [1])
        end = length_of(paced.schedule) or self._ticks
        wanted = Fraction(max(end - int(paced.ticks_at(np.int64(step))), 1), steps_left)
        if abs(float(wanted / paced.pace()) - 1.0) < TOLERANCE:
            return False
        new = paced.from_here(step, paced.nearest(wanted))
        install.replace(self._model, rated, before.on_clock(new.pieces()).schedule())
        self._clocks[rated.column] = new.pieces()
        return True


def seconds_of(time_budget: Any) -> float:
    """A time budget in seconds."""
    import pandas as pd

    allowed = "seconds > 0, a timedelta, or a text such as '30min'"
    if isinstance(time_budget, bool) or not isinstance(time_budget, str | numbers.Real | datetime.timedelta):
        refuse("BindSchedule", "time_budget", allowed, time_budget, TypeError)
    try:
        seconds = (
            float(time_budget) if isinstance(time_budget, numbers.Real) else pd.Timedelta(time_budget).total_seconds()
        )
    except Exception:  # pandas' errors, too large a number, and whatever a number's own conversion raises
        seconds = 0.0
    if not 0.0 < seconds < math.inf:
        refuse("BindSchedule", "time_budget", allowed, time_budget)
    return seconds
