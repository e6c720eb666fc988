"""`BindSchedule`: gives a schedule in epochs and fractions the numbers of the training.

With a time budget it also paces the schedule, so that it ends when the time does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import keras

from keras_lr.callbacks.time_budget import NOMINAL, TimeBudget, seconds_of
from keras_lr.core.algebra import Bound, Schedule, bound_parts, rebound
from keras_lr.core.duration import Duration
from keras_lr.core.fields import FLAG, OrNone, Whole, one_of
from keras_lr.core.refusals import check
from keras_lr.core.tree import durations
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import choice, install, lookup, training_step
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.schedules.installed import Installed
from keras_lr.training import audit, checkpoint_rates, idle
from keras_lr.training.position import batches_done, epochs_of_training
from keras_lr.training.saved_state import Follower, memory, of
from keras_lr.training.session import Session

OnMismatch = Literal["raise", "checkpoint", "new"]
EPOCHS = OrNone(Whole("a whole number of epochs in [1, 2**31)", 1, steps=False))
EPOCH_STEPS = OrNone(Whole("a whole number of steps in [1, 2**31)", 1, steps=False))
BATCH_SIZE = OrNone(Whole("a whole number of samples in [1, 2**31)", 1, steps=False))
BOUND = "bound"
"""The key in the model's memory of what was bound, by column: [steps per epoch, epochs, samples in a batch or None]."""


class BindSchedule(keras.callbacks.Callback):
    """Bind the optimizer's schedules to the training that begins.

    Durations in `epochs`, `fraction` and `samples` become steps, with the number of batches that `fit`
    has found, its `epochs`, and the size of its batches. Steps already made count: a model that is fit
    again for longer has its schedule bound to the whole of the training. Schedules in steps stay as they
    are, and so does what you have bound yourself with `bind`.

    A loop that calls `fit` again and again is one training, whose length only you know: say it with
    `epochs`. Without it, each call binds the schedule to the epochs so far, and you are warned.

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
        epochs: epochs of the training, from the first step on, where several calls of `fit` make it
            up; those of `fit` when None.
        batch_size: samples in a batch, for durations in `samples`, where the data do not tell it: a generator,
            a `PyDataset`, a `tf.data.Dataset` whose last batch may be smaller (``drop_remainder=False``), and
            several processes, which count the samples of all of them.
        audit: warn (`ScheduleWarning`) when the schedule does not fit the training, or an optimizer
            trains nothing.
        on_mismatch: what counts when weights were loaded that had been trained with another
            schedule, or with another number as the rate: "raise" (an error with both), the
            "checkpoint", or the "new" one. Only files that were saved with a callback of this
            package know their rate. Binding, pace and reductions do not count as a difference.
        optimizer: whose schedule is bound, in a model with several: an optimizer, the name of one or of an
            attribute of the model that is one, or a list of them; all when None.

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, when
            the number of batches, or their size, is needed and not known.
    """

    def __init__(
        self,
        time_budget: Any = None,
        *,
        steps_per_epoch: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        audit: bool = True,
        on_mismatch: OnMismatch = "raise",
        optimizer: Any = None,
    ) -> None:
        super().__init__()
        self.time_budget = None if time_budget is None else seconds_of(time_budget)
        self.steps_per_epoch: int | None = check(EPOCH_STEPS, "BindSchedule", "steps_per_epoch", steps_per_epoch)
        self.epochs: int | None = check(EPOCHS, "BindSchedule", "epochs", epochs)
        self.batch_size: int | None = check(BATCH_SIZE, "BindSchedule", "batch_size", batch_size)
        self.audit: bool = check(FLAG, "BindSchedule", "audit", audit)
        self.on_mismatch: OnMismatch = check(one_of(OnMismatch), "BindSchedule", "on_mismatch", on_mismatch)
        self.optimizer: Any = check(choice.OptimizerChoice(), "BindSchedule", "optimizer", optimizer)
        self._follower = Follower()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._net = self.model
        lookup.build(self._net)
        self._rated()  # which refuses a name that is not there
        self._session: Session | None = Session.join(self)
        self._session.binders.append(self._begin)
        if self.steps_per_epoch is not None:
            self._session.steps_per_epoch = self.steps_per_epoch
        if self.epochs is not None:
            self._session.epochs = self._session.declared_epochs = self.epochs
        if self.batch_size is not None:
            self._session.declared_batch_size = self.batch_size
        self._looked_for_idle = not self.audit
        self._pacing: TimeBudget | None = None
        self._steps = self.steps_per_epoch or (self.params or {}).get("steps")
        units = list(self._units())
        has_samples = any(unit.samples for unit in units)
        self._batch_size = self._session.batch_size if has_samples else None
        if has_samples and self._batch_size is None:
            raise ValueError(
                "BindSchedule: the schedule has durations in `samples`, and the data do not tell how many samples a "
                "batch has; pass `BindSchedule(batch_size=…)`, with several processes the samples of all of them"
            )
        if self._steps is None and self.time_budget is None and any(unit.needs_epochs for unit in units):
            raise ValueError(
                "BindSchedule: the dataset does not tell how many batches it has; "
                "pass `BindSchedule(steps_per_epoch=…)` or give `fit` its `steps_per_epoch`"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Only now is it known at which epoch a resumed training begins.
        if self._session is not None:
            self._session.begin(epoch)

    def _begin(self, epoch: int) -> None:
        """Bind, and look whether the schedules fit; once, before the first epoch."""
        checkpoint_rates.resolve(self._net, self.on_mismatch)
        checkpoint_rates.note(self._net)
        epochs = self.epochs or (self.params or {}).get("epochs", epoch + 1)
        changed = [self._bind(rated, epoch, epochs) for rated in self._rated()]
        if any(changed):
            training_step.retrace(self._net)
        if self.time_budget is not None:
            self._pacing = TimeBudget(self._net, self.time_budget, epochs * (self._steps or NOMINAL), self._continues())
            if self.audit:
                self._pacing.warn_if_over()
        elif self.audit:
            audit.warn(self._net, epoch, (self.params or {}).get("epochs", epoch + 1), self._steps)

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
        if self._session is not None:
            self._session.leave(self)

    def _continues(self) -> bool:
        """Whether the time used so far counts: after a load, and in another `fit` with this callback."""
        return self._follower.meet(self._net) != Follower.NEW

    def _rated(self) -> list[RatedOptimizer]:
        return choice.chosen("BindSchedule", self._net, self.optimizer)

    def _units(self) -> Iterator[Duration]:
        """The durations in other units than steps that are to be bound."""
        for rated in self._rated():
            for it in rated.hyperparameters:
                yield from durations(it.source)
                for part in bound_parts(it.source):
                    if self._is_own(it.column, part):
                        yield from durations(part.schedule)

    def _bind(self, rated: RatedOptimizer, epoch: int, epochs: int) -> bool:
        """Bind the schedules of an optimizer; whether that changed one of them."""
        steps = self._steps or NOMINAL
        done = lookup.step_of(self._net) - batches_done(self._net)
        if self.time_budget is None and self.epochs is None:
            # The whole of the training, what was made of it before this `fit` included.
            epochs = epochs_of_training(self._net, steps, epoch, epochs)
        changed = False
        for it in rated.hyperparameters:
            column, source = it.column, it.source
            if not self._has_units(column, source):
                continue
            bound = Installed.around(source).change(self._binding(column, steps, epochs)).schedule()
            memory(self._net).setdefault(BOUND, {})[column] = [steps, epochs, self._batch_size]
            if bound == source:
                continue
            changed = True
            if epoch == 0 and done > 0 and self.epochs is None and self.audit:
                self._warn_of_loop(source, bound, epochs)
            install.replace(self._net, it, bound)
        return changed

    def _binding(self, column: str, steps: int, epochs: int) -> Callable[[Any], Any]:
        """What binds a schedule, but leaves what the user has bound."""

        def bind(schedule: Any) -> Any:
            bound = rebound(schedule, steps, epochs, lambda part: self._is_own(column, part), self._batch_size)
            there = bound_parts(schedule)
            for part in bound_parts(bound):
                if not any(part is one for one in there):
                    object.__setattr__(part, "is_by_callback", True)
            return bound

        return bind

    def _is_own(self, column: str, part: Bound) -> bool:
        """Whether a callback has bound this, in this process or in that which wrote the file."""
        noted = memory(self._net).get(BOUND, {}).get(column)
        numbers = [part.steps_per_epoch, part.epochs, part.batch_size]
        is_noted = isinstance(noted, list) and all(
            number is None or noted[place : place + 1] == [number] for place, number in enumerate(numbers)
        )
        return part.is_by_callback or is_noted

    def _has_units(self, column: str, schedule: Any) -> bool:
        """Whether a schedule is to be bound, for the first time or anew."""
        if not isinstance(schedule, Schedule):
            return False
        return not schedule.is_bound or any(self._is_own(column, part) for part in bound_parts(schedule))

    def _warn_of_loop(self, before: Any, after: Any, epochs: int) -> None:
        """Warn, once, where a further `fit` at epoch 0 makes the training longer and changes the rates with it."""
        state = of(self._net)
        step = lookup.step_of(self._net)
        if state.has_warned_of_loop or not before.is_bound or before.values(step) == after.values(step):
            return
        state.has_warned_of_loop = True
        warn_user(
            f"BindSchedule: this `fit` goes on at step {step:,}, so the schedule is bound anew, to {epochs:,} epochs, "
            f"and the rate goes from {before.values(step):.6g} to {after.values(step):.6g}; `BindSchedule(epochs=…)` "
            "says how many epochs several calls of `fit` have together",
            audit.ScheduleWarning,
            again=True,
        )
