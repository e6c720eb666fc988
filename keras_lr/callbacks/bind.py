"""`BindSchedule`: gives a schedule in epochs and fractions the numbers of the training.

With a time budget it also paces the schedule, so that it ends when the time does.
"""

from __future__ import annotations

import datetime
import math
import numbers
import time
from fractions import Fraction
from typing import Any

import keras
import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr import audit as audits
from keras_lr import idle
from keras_lr import optimizer as optimizers
from keras_lr import resume as resumes
from keras_lr.fields import FLAG, NON_NEGATIVE, STEP_LIMIT, OneOf, Optional, Whole, check, refuse
from keras_lr.optimizer import RateOwner
from keras_lr.position import batches_done
from keras_lr.schedule import Schedule, length_of
from keras_lr.scheduled import schedules_of
from keras_lr.schedules.combine import Bound, rebound
from keras_lr.schedules.modify import Reduced
from keras_lr.schedules.pace import Paced
from keras_lr.state import Follower, memory
from keras_lr.warning import warn_user

ON_MISMATCH = OneOf(("raise", "checkpoint", "new"))
EPOCH_STEPS = Optional(Whole("a whole number of steps in [1, 2**31)", 1, steps=False))

CHECKPOINTS = (0.02, 0.25, 0.5, 0.75, 0.9)
"""Shares of the time budget after which the pace is looked at."""

TOLERANCE = 0.05
"""A pace that is off by less is left alone: a correction costs a compilation."""

NOMINAL = 1000
"""Ticks of an epoch under a time budget, where the dataset does not tell its length."""

clock = time.monotonic


class BindSchedule(keras.callbacks.Callback):
    """Bind the optimizer's schedules to the training that begins.

    Durations in `epochs` and `fraction` become steps, with the number of batches that `fit` has
    found and its `epochs`. Steps already made count: a model that is fit again for longer has
    its schedule bound to the whole of the training. Schedules in steps stay as they are.

    With a time budget, the schedule's clock runs at the pace at which it comes to its end when
    the time is over, and training stops there (budgeted training, Li et al. 2020, arXiv
    1905.04753). The pace is measured on the first batches and corrected at most four times,
    never with a jump in the rate: a correction changes how fast the schedule goes on, not where
    it is. Each one costs a compilation. `epochs` of `fit` remains an upper bound. A training that
    goes on, after a load from a file or with the same callback, counts the time that it has
    already used. After a training that has used up its budget, another one has the whole of it;
    so has one with another callback, and one after `compile`.

    Args:
        time_budget: wall-clock time for the training: seconds, a `datetime.timedelta`, or a text
            such as "30min" or "1h 30min"; no budget when None.
        steps_per_epoch: batches in an epoch, for a dataset that cannot tell.
        audit: warn (`ScheduleWarning`) when the schedule does not fit the training, or an optimizer
            trains nothing.
        on_mismatch: what counts when weights were loaded that had been trained with another
            schedule, or with another number as the rate: "raise" (an error with both), the
            "checkpoint", or the "new" one. Only files that were saved with a callback of this
            package know their rate. Binding, pace and reductions do not count as a difference.

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, when
            the number of batches is needed and not known.
    """

    def __init__(
        self,
        time_budget: Any = None,
        *,
        steps_per_epoch: int | None = None,
        audit: bool = True,
        on_mismatch: str = "raise",
    ) -> None:
        super().__init__()
        self.time_budget = None if time_budget is None else _seconds(time_budget)
        self.steps_per_epoch: int | None = check(EPOCH_STEPS, "BindSchedule", "steps_per_epoch", steps_per_epoch)
        self.audit: bool = check(FLAG, "BindSchedule", "audit", audit)
        self.on_mismatch: str = check(ON_MISMATCH, "BindSchedule", "on_mismatch", on_mismatch)
        self._follower = Follower()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._net = self.model
        optimizers.build(self._net)
        self._started, self._looked_for_idle = False, not self.audit
        self._pacing: _Pacing | None = None
        self._steps = self.steps_per_epoch or (self.params or {}).get("steps")
        if self._steps is None and (self.time_budget is None and self._needs_numbers()):
            raise ValueError(
                "BindSchedule: the dataset does not tell how many batches it has; "
                "pass `BindSchedule(steps_per_epoch=…)` or give `fit` its `steps_per_epoch`"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Only now is it known at which epoch a resumed training begins.
        if self._started:
            return
        self._started = True
        resumes.settle(self._net, self.on_mismatch)
        resumes.note(self._net)
        epochs = (self.params or {}).get("epochs", epoch + 1)
        changed = [self._bind(owner, epoch, epochs) for owner in optimizers.rate_owners(self._net)]
        if any(changed):
            optimizers.retrace(self._net)
        if self.time_budget is not None:
            self._pacing = _Pacing(self._net, self.time_budget, epochs * (self._steps or NOMINAL), self._continues())
            if self.audit:
                self._pacing.warn_if_over()
        elif self.audit:
            audits.warn(self._net, epoch, epochs, self._steps)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._pacing is not None:
            self._pacing.before_batch()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._looked_for_idle:
            self._looked_for_idle = True
            idle.warn(self._net)
        if self._pacing is not None and self._pacing.after_batch():
            self._net.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._pacing is not None and self._pacing.is_over():
            self._net.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._pacing is not None:
            self._pacing.end()

    def _continues(self) -> bool:
        """Whether the time used so far counts: after a load, and in another `fit` with this callback."""
        return self._follower.meet(self._net) != Follower.NEW

    def _needs_numbers(self) -> bool:
        sources = [channel.source for channel in optimizers.channels(self._net)]
        return any(isinstance(source, Schedule) and _has_units(source) for source in sources)

    def _bind(self, owner: RateOwner, epoch: int, epochs: int) -> bool:
        """Bind the schedules of an optimizer; whether that changed one of them."""
        steps = self._steps or NOMINAL
        if self.time_budget is None:
            # The whole of the training, what was made of it before this `fit` included.
            epochs = max(round((optimizers.step_of(self._net) - batches_done(self._net)) / steps) + epochs - epoch, 1)
        changed = False
        for name, source in [("learning_rate", owner.source), *schedules_of(owner.optimizer).items()]:
            if not (isinstance(source, Schedule) and _has_units(source)):
                continue
            bound = optimizers.within_reduction(source, lambda inner: rebound(inner, steps, epochs))
            if bound == source:
                continue
            changed = True
            if name == "learning_rate":
                optimizers.replace(self._net, owner, bound)
            else:
                owner.optimizer.hyperparameters[name] = bound
        return changed


def _has_units(schedule: Schedule) -> bool:
    return not schedule.is_bound or audits.contains(schedule, (Bound,))


class _Pacing:
    """Keeps the schedules of a model at the pace that a time budget asks for."""

    KEY = "time_budget"

    def __init__(self, model: Any, budget: float, ticks: int, continues: bool) -> None:
        self._model = model
        self._budget = budget
        self._ticks = min(ticks, STEP_LIMIT - 1)
        self._owners = optimizers.rate_owners(model)
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
        changed = [self._restore(owner) for owner in self._owners]
        if any(changed):
            optimizers.retrace(self._model)

    def _restore(self, owner: RateOwner) -> bool:
        """Give a schedule its clock back; whether it had none."""
        pieces = self._clocks.get(owner.column)
        if not pieces or not isinstance(owner.source, LearningRateSchedule):
            return False
        paced = optimizers.within_reduction(
            owner.source, lambda inner: inner if isinstance(inner, Paced) else Paced(inner, **pieces)
        )
        if paced == owner.source:
            return False
        optimizers.replace(self._model, owner, paced)
        return True

    def end(self) -> None:
        """Another training has the whole budget if this one has used it up. The clocks stay."""
        if self.is_over():
            memory(self._model)[self.KEY]["seconds"] = 0.0

    def warn_if_over(self) -> None:
        """Warn where an earlier training has brought a schedule to its end already."""
        for owner in self._owners:
            source, step = owner.source, owner.step()
            inner = source.schedule if isinstance(source, Reduced) else source
            if step == 0 or not isinstance(inner, Paced):
                continue
            end = length_of(inner.schedule) or self._ticks
            if int(inner.ticks_at(np.int64(step))) >= end:
                warn_user(
                    f"BindSchedule: the schedule of `{owner.column}` has come to its end at step {step:,}, so this "
                    f"training stays at {owner.rate():.6g}: compile the model anew, or give it another schedule with "
                    "`set_learning_rate`",
                    audits.ScheduleWarning,
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
        optimizers.sync(self._model)
        changed = [self._correct(owner, steps_left) for owner in self._owners]
        if any(changed):
            optimizers.retrace(self._model)
            self._measured_from = None

    def _correct(self, owner: RateOwner, steps_left: int) -> bool:
        """Give one schedule the pace that brings it to its end in `steps_left`; whether it changed."""
        source, step = owner.source, owner.step()
        if not isinstance(source, LearningRateSchedule):
            return False
        inner = source.schedule if isinstance(source, Reduced) else source
        paced = inner if isinstance(inner, Paced) else Paced(inner, [0], [0], [1], [1])
        end = length_of(paced.schedule) or self._ticks
        wanted = Fraction(max(end - int(paced.ticks_at(np.int64(step))), 1), steps_left)
        if abs(float(wanted / paced.pace()) - 1.0) < TOLERANCE:
            return False
        new = paced.from_here(step, paced.nearest(wanted))
        optimizers.replace(self._model, owner, optimizers.within_reduction(source, lambda _: new))
        self._clocks[owner.column] = new.pieces()
        return True


def _seconds(time_budget: Any) -> float:
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
