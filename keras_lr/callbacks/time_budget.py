"""A time budget: the clock of the schedule runs so that the schedule ends when the time is over."""

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
"""Fractions of the time budget after which the pace is estimated again."""

TOLERANCE = 0.05
"""A smaller error of the pace is not corrected, since a correction takes a compilation."""

NOMINAL = 1000
"""Ticks of an epoch under a time budget, for data of unknown length."""

clock = time.monotonic


class TimeBudget:
    """Sets the pace of a model's schedules so that they end with a time budget."""

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
        changed = [self._restore(rated) for rated in self._optimizers]
        if any(changed):
            training_step.retrace(model)

    def _restore(self, rated: RatedOptimizer) -> bool:
        """Restore the clock of a schedule after only weights were loaded. Returns whether it had none."""
        pieces = self._clocks.get(rated.column)
        if not pieces or not isinstance(rated.source, LearningRateSchedule):
            return False
        before = Installed.around(rated.source)
        if before.clock is not None:
            return False
        install.replace(self._model, rated, before.on_clock(pieces).schedule())
        return True

    def end(self) -> None:
        """End a training. If it used up the budget, the next one has the whole budget again. The clocks stay."""
        if self.is_over():
            memory(self._model)[self.KEY]["seconds"] = 0.0

    def warn_if_over(self) -> None:
        """Warn if a schedule has already ended in an earlier training."""
        for rated in self._optimizers:
            source, step = rated.source, rated.step()
            paced = Installed.around(source).paced if isinstance(source, LearningRateSchedule) else None
            if step == 0 or paced is None:
                continue
            end = length_of(paced.schedule) or self._ticks
            if int(paced.ticks_at(np.int64(step))) >= end:
                warn_user(
                    f"BindSchedule: the schedule of `{rated.column}` ended at step {step:,} already, so this "
                    f"training stays at {rated.rate():.6g}: compile the model again, or set another schedule with "
                    "`set_learning_rate`",
                    audit.ScheduleWarning,
                )

    def used(self) -> float:
        """Seconds of the budget used so far, by this process and earlier ones."""
        return self._used_before + clock() - self._began

    def is_over(self) -> bool:
        return self.used() >= self._budget

    def before_batch(self) -> None:
        self._batch_began = self.used()

    def after_batch(self) -> bool:
        """Record a batch, and correct the pace at certain times. Returns whether the training is over.

        This happens after a batch, not before the next one: by then, other callbacks may have used the
        schedule for the next batch.
        """
        used = self.used()
        memory(self._model)[self.KEY]["seconds"] = used
        if self._measured_from is None:
            # The first batch after a correction compiles the training step, so the pace is measured after it.
            self._compilation = max(used - self._batch_began, self._compilation)
            self._measured_from, self._batches = used, 0
        else:
            self._batches += 1
        if used >= self._budget:
            return True
        self._look(used)
        return False

    def _look(self, used: float) -> None:
        """Estimate the pace again if it is time to, and correct it if necessary."""
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
        """Set the pace of a schedule so that it ends in `steps_left` steps. Returns whether it changed."""
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

    allowed = "seconds > 0, a timedelta, or a string such as '30min'"
    if isinstance(time_budget, bool) or not isinstance(time_budget, str | numbers.Real | datetime.timedelta):
        refuse("BindSchedule", "time_budget", allowed, time_budget, TypeError)
    try:
        seconds = (
            float(time_budget) if isinstance(time_budget, numbers.Real) else pd.Timedelta(time_budget).total_seconds()
        )
    except Exception:  # errors of pandas, too large a number, or any error of a conversion
        seconds = 0.0
    if not 0.0 < seconds < math.inf:
        refuse("BindSchedule", "time_budget", allowed, time_budget)
    return seconds
