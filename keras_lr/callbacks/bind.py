"""`BindSchedule`: binds schedules in epochs and fractions to the training.

With a time budget, it also lets the schedule run faster or slower, so that it ends when the time is over.
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
"""The key of the bindings in the model's saved state, by column: [steps per epoch, epochs, batch size or None]."""


class BindSchedule(keras.callbacks.Callback):
    """Bind the optimizer's schedules to the training that begins.

    Durations in `epochs`, `fraction` and `samples` become steps. The numbers are those of `fit`: its
    batches, its `epochs`, and its batch size. Earlier steps count: if a model is fit again for longer,
    its schedule is bound to the whole training. Schedules in steps do not change. Neither do schedules
    that you bound yourself with `bind`.

    A loop that calls `fit` repeatedly is one training, whose length only you know: pass it as `epochs`.
    Otherwise each call binds the schedule to the epochs so far, and warns.

    With a time budget, the clock of the schedule runs at such a pace that the schedule ends when the time
    is over. The training stops then (budgeted training, Li et al. 2020, arXiv 1905.04753). The pace is
    measured in the first batches and corrected at most four times. The rate never jumps: a correction
    changes the speed of the schedule, not its position. Each correction takes one compilation. `epochs`
    of `fit` is still an upper limit. A training that continues, after a load from a file or with the same
    callback, counts the time that was used before. A new training has the whole budget: after one that
    used up its budget, with another callback, and after `compile`.

    Args:
        time_budget: wall-clock time for the training: seconds, a `datetime.timedelta`, or a string such
            as "30min" or "1h 30min"; None for no budget.
        steps_per_epoch: batches in an epoch, for data of unknown length.
        epochs: epochs of the whole training, from its first step on, if it consists of several calls of
            `fit`. By default these are the `epochs` of `fit`.
        batch_size: samples in a batch, for durations in `samples`. It is needed for a generator, a `PyDataset`,
            a `tf.data.Dataset` whose last batch may be smaller (``drop_remainder=False``), and for several
            processes, where it is the sum over all of them.
        audit: whether to warn (`ScheduleWarning`) if the schedule does not fit the training, or an
            optimizer trains nothing.
        on_mismatch: which rate to use if the loaded weights were trained with another schedule, or
            another number as the rate: "raise" an error that shows both, use that of the "checkpoint",
            or use the "new" one. Only files that were saved with a callback of this package contain
            their rate. Binding, pace and reductions are not a difference.
        optimizer: the optimizers whose schedules are bound, if the model has several: an optimizer, its
            name, the name of an attribute of the model, or a list of these; None for all.

    Raises:
        TypeError, ValueError: at construction, an argument is not allowed. At the start of `fit`, the
            number of batches or the batch size is needed but unknown.
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
        lookup.build("BindSchedule", self._net)
        self._rated()  # refuses an unknown name
        self._session = Session.join(self)
        self._session.binders.append(self._begin)
        if self.steps_per_epoch is not None:
            self._session.steps_per_epoch = self.steps_per_epoch
        if self.epochs is not None:
            self._session.epochs = self._session.declared_epochs = self.epochs
        if self.batch_size is not None:
            self._session.declared_batch_size = self.batch_size
        self._pacing: TimeBudget | None = None
        self._steps = self.steps_per_epoch or (self.params or {}).get("steps")
        units = list(self._units())
        has_samples = any(unit.samples for unit in units)
        self._batch_size = self._session.batch_size if has_samples else None
        if has_samples and self._batch_size is None:
            raise ValueError(
                "BindSchedule: the schedule has durations in `samples`, but the batch size of the data is unknown; "
                "pass `BindSchedule(batch_size=…)`, with several processes the sum over all of them"
            )
        if self._steps is None and self.time_budget is None and any(unit.needs_epochs for unit in units):
            raise ValueError(
                "BindSchedule: the number of batches in the data is unknown; "
                "pass `BindSchedule(steps_per_epoch=…)` or `fit(steps_per_epoch=…)`"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Only now the first epoch of a resumed training is known.
        self._session.begin(epoch)

    def _begin(self, epoch: int) -> None:
        """Bind the schedules and check whether they fit. Called once, before the first epoch."""
        checkpoint_rates.resolve(self._net, self.on_mismatch)
        checkpoint_rates.note(self._net)
        epochs = self.epochs or (self.params or {}).get("epochs", epoch + 1)
        changed = [self._bind(rated, epoch, epochs) for rated in self._rated()]
        if any(changed):
            training_step.retrace(self._net)
        if self.time_budget is not None:
            # The time used before counts after a load, and in another `fit` with this callback.
            continues = self._follower.meet(self._net) != Follower.NEW
            self._pacing = TimeBudget(self._net, self.time_budget, epochs * (self._steps or NOMINAL), continues)
            if self.audit:
                self._pacing.warn_if_over()
        elif self.audit:
            audit.warn(self._net, epoch, (self.params or {}).get("epochs", epoch + 1), self._steps)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._pacing is not None:
            self._pacing.before_batch()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.audit and self._session.once((self, "idle")):
            idle.warn(self._net)
        if self._pacing is not None and self._pacing.after_batch():
            self._net.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._pacing is not None and self._pacing.is_over():
            self._net.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._pacing is not None:
            self._pacing.end()
        self._session.leave(self)

    def _rated(self) -> list[RatedOptimizer]:
        return choice.chosen("BindSchedule", self._net, self.optimizer)

    def _units(self) -> Iterator[Duration]:
        """The durations in other units than steps that must be bound."""
        for rated in self._rated():
            for it in rated.hyperparameters:
                yield from durations(it.source)
                for part in bound_parts(it.source):
                    if self._is_own(it.column, part):
                        yield from durations(part.schedule)

    def _bind(self, rated: RatedOptimizer, epoch: int, epochs: int) -> bool:
        """Bind the schedules of an optimizer. Returns whether one changed."""
        steps = self._steps or NOMINAL
        done = lookup.step_of(self._net) - batches_done(self._net)
        if self.time_budget is None and self.epochs is None:
            # The whole training, including what came before this `fit`.
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
        """A function that binds a schedule, except for parts that the user bound."""

        def bind(schedule: Any) -> Any:
            bound = rebound(schedule, steps, epochs, lambda part: self._is_own(column, part), self._batch_size)
            there = bound_parts(schedule)
            for part in bound_parts(bound):
                if not any(part is one for one in there):
                    object.__setattr__(part, "is_by_callback", True)
            return bound

        return bind

    def _is_own(self, column: str, part: Bound) -> bool:
        """Whether a callback bound this, in this process or in the one that wrote the file."""
        noted = memory(self._net).get(BOUND, {}).get(column)
        numbers = [part.steps_per_epoch, part.epochs, part.batch_size]
        is_noted = isinstance(noted, list) and all(
            number is None or noted[place : place + 1] == [number] for place, number in enumerate(numbers)
        )
        return part.is_by_callback or is_noted

    def _has_units(self, column: str, schedule: Any) -> bool:
        """Whether a schedule must be bound, for the first time or again."""
        if not isinstance(schedule, Schedule):
            return False
        return not schedule.is_bound or any(self._is_own(column, part) for part in bound_parts(schedule))

    def _warn_of_loop(self, before: Any, after: Any, epochs: int) -> None:
        """Warn, once, if another `fit` at epoch 0 makes the training longer and thereby changes the rates."""
        state = of(self._net)
        step = lookup.step_of(self._net)
        if state.has_warned_of_loop or not before.is_bound or before.values(step) == after.values(step):
            return
        state.has_warned_of_loop = True
        warn_user(
            f"BindSchedule: this `fit` continues at step {step:,}, so the schedule is bound again, to {epochs:,} "
            f"epochs, and the rate changes from {before.values(step):.6g} to {after.values(step):.6g}; for several "
            "calls of `fit`, pass their total number of epochs: `BindSchedule(epochs=…)`",
            audit.ScheduleWarning,
            again=True,
        )
