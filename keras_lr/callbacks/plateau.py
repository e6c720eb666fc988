"""`ReduceOnPlateau`: the rate falls when a metric has stopped improving.

The rule is a pure function, (state, metric) → (state, whether to reduce), which knows
nothing of Keras; the callback brings it the metric and carries out what it decides.
"""

from __future__ import annotations

import math
from typing import Any

import keras

from keras_lr.callbacks import plateau_checks as checks
from keras_lr.callbacks.metrics import metric_number
from keras_lr.callbacks.plateau_entry import PlateauEntry
from keras_lr.callbacks.plateau_options import OWNER, PlateauOptions
from keras_lr.callbacks.plateau_rule import PlateauRule, PlateauState
from keras_lr.callbacks.plateau_window import NOTHING, WindowMean
from keras_lr.core.duration import Duration
from keras_lr.core.refusals import refuse
from keras_lr.optimizers import install, lookup, training_step
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.training import checkpoint_rates, processes
from keras_lr.training.saved_state import RATES, Follower, memory, of
from keras_lr.training.session import Session


class ReduceOnPlateau(keras.callbacks.Callback):
    """Multiply the learning rate by `factor` when a metric has stopped improving.

    Keras's `ReduceLROnPlateau`, which also works when the rate is a schedule, Keras's or
    ours: from a reduction on, the rate is ``factor · schedule(step)`` in the compiled step,
    and a model that is saved then has it (as a `Reduced` schedule). A reduction of a
    schedule costs one new compilation of the training step on TensorFlow and JAX; that of a
    number costs nothing.

    Differences from Keras: a cooldown of n is n quiet epochs (Keras: n − 1, so that 1 is
    none); a NaN or infinite metric is a bad epoch and never the best value (in Keras a NaN
    in the first epoch makes every later epoch a bad one); `min_delta` may be relative.

    The state (best, wait, cooldown, scale) is saved and loaded with the model and with its
    weights, and is taken up after a load. Without a load, the same callback goes on when the same
    model is fit again, and another one starts afresh, as does a model that was compiled anew.
    `BackupAndRestore` and `ModelCheckpoint` may stand before or after this callback; a callback
    that puts the metric into the epoch's logs stands before it, and checkpoints then after it.

    In a training of several processes (torch's `torch.distributed`, `jax.distributed`) all take
    the decisions that the first one takes from its metric.

    Args:
        monitor: the metric, a key of the epoch's logs.
        factor: what the rate is multiplied by, in (0, 1).
        patience: the reduction comes at the patience-th bad epoch (0 is as 1).
        mode: "min" or "max" for a metric that should fall or rise; "auto" asks the metric.
        min_delta: what an improvement must exceed, >= 0.
        threshold_mode: "abs" for `min_delta` itself, "rel" for `min_delta` times the magnitude
            of the best value, as in torch, but right for negative metrics too.
        cooldown: quiet epochs after a reduction.
        min_lr: rate below which nothing is reduced. On a schedule it limits the reduction
            only; a schedule that goes lower by itself does.
        verbose: 1 prints a line at each reduction.
        start_after: steps (batches), or a duration in `epochs` or a `fraction`, during which
            nothing is looked at: the warmup, in which a metric may well get worse.
        every: "epoch", or a number of batches: the metric is then its mean over each so many
            batches, of the training data, and patience and cooldown count such windows.
        window: compare with the best of the last `window` epochs instead of all; for a run that
            a spike has left above its best.
        on_nan: what a metric does that is not finite: "count" as a bad epoch, "ignore",
            "reduce" at once, or "stop" the training.
        restore_best_weights: at each reduction, go back to the weights of the best epoch. The
            optimizer's state and the step stay. The best weights are kept in memory, and are
            saved with the model.
        optimizers: names of those optimizers of a `MultiOptimizer` whose rate is reduced; all
            when None.
        reset_on_train_begin: start afresh at every `fit`, as Keras does.
        name: what its saved state is called, where several of these callbacks watch the same metric;
            without names they are numbered in the order of the list.

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, if the
            optimizer's rate is a function, which cannot be scaled, or `optimizers` has a name
            that is not there; as soon as the metrics are known, if `mode` is "auto" and the
            direction cannot be told; and for two callbacks of the same `name`.
    """

    monitor: str
    factor: float
    patience: int
    mode: str
    min_delta: float
    threshold_mode: str
    cooldown: int
    min_lr: float
    verbose: int
    start_after: Any
    every: int | None
    window: int | None
    on_nan: str
    restore_best_weights: bool
    optimizers: tuple[str, ...] | None
    reset_on_train_begin: bool
    name: str | None

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "auto",
        min_delta: float = 1e-4,
        threshold_mode: str = "abs",
        cooldown: int = 0,
        min_lr: float = 0.0,
        verbose: int = 0,
        *,
        start_after: int = 0,
        every: int | str = "epoch",
        window: int | None = None,
        on_nan: str = "count",
        restore_best_weights: bool = False,
        optimizers: list[str] | tuple[str, ...] | None = None,
        reset_on_train_begin: bool = False,
        name: str | None = None,
    ) -> None:
        arguments = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        super().__init__()
        self._options = PlateauOptions(**arguments)
        self.__dict__.update(self._options.arguments(), every=self._options.batches)
        self.state = PlateauState()
        self._last_epoch = -1
        self._unfinished = NOTHING
        # Numbers that are to be reduced before the next batch.
        self._due = False
        # Scales from `set_state`, until a training takes them up.
        self._given: dict[str, float] | None = None
        # Which training this state is of.
        self._follower = Follower()
        self._session: Session | None = None
        self._key = self._options.key()
        self._logs: dict[str, Any] = {}

    # Hooks of Keras.

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self._net = self.model
        checks.check_model(model)
        optimizers = self._rated()
        checks.check_rates(self, optimizers)
        checks.warn_at_start(self, optimizers)
        self._session = Session.join(self)
        if self.name is None:
            self._key = self._session.key(self._options.key())
        elif not self._session.claim(self._key):
            refuse(OWNER, "name", "different for each of these callbacks", self.name)
        # The metrics that "auto" asks may be there only after the first batch of all, as they are on TensorFlow.
        self._rule: PlateauRule | None = self._options.rule(model) if lookup.step_of(model) > 0 else None
        self._has_warned = self._started = False
        self._epoch: int | None = None
        self._mean: WindowMean | None = None
        of(model).hooks[self._key] = self._save
        self._take_up()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._started and not self.reset_on_train_begin:
            # A training that was killed after its last epoch: nothing was left to do but to decide on it.
            self._take_up()
            self._resolve_pending((self.params or {}).get("epochs", 0))
            self._save()
        of(self.model).hooks.pop(self._key, None)
        if self._mean is not None:
            self._unfinished = self._mean.unfinished()
        if self._session is not None:
            self._session.leave(self)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # A callback that stands after this one may have loaded weights when training began.
        if not self.reset_on_train_begin:
            self._take_up()
        if self._session is not None:
            # A decision that is made up for needs the schedule of this training.
            self._session.begin(epoch)
        if not self._started:
            checkpoint_rates.note(self.model)
        self._resolve_pending(epoch)
        self._epoch, self._logs = epoch, {}
        if self.every is not None:
            if self._mean is None:
                self._mean = WindowMean(self.model, self.monitor, self.every, self._unfinished)
            else:
                self._mean.begin_epoch()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._started:
            # Not before the first batch: until then a callback may say which rate counts.
            self._started = True
            checkpoint_rates.warn(self._net)
        # A number changes now and not when it was decided, after the batch before this one:
        # callbacks that stand after this one would have taken it for the rate of that batch.
        self._carry_out_due()
        if self._mean is not None:
            self._mean.before_batch(batch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._ensure_rule()
        # The logs of the last batch are those of the epoch; nothing waits for them here.
        self._logs.update(logs or {})
        mean = self._mean.after_batch(batch) if self._mean is not None else None
        if mean is not None and self._has_begun() and self._decide(mean):
            self._carry_out(numbers=False)
            self._due = True

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._logs.update({f"val_{name}": value for name, value in (logs or {}).items()})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        self._ensure_rule()
        for rated in lookup.rated_optimizers(self.model):
            logs.setdefault(rated.column, rated.rate(max(rated.step() - 1, 0)))
        self._epoch = None
        if self._mean is not None:
            self._mean.end_epoch()
        elif self.monitor in logs:
            self._finish(epoch, logs[self.monitor])
        elif not self._has_warned:
            self._has_warned = True
            checks.warn_of_missing(self.monitor, logs)
        self._save()

    # Deciding.

    def _finish(self, epoch: int, metric: Any) -> None:
        """Decide on an epoch that is over."""
        self._last_epoch = epoch
        if self._has_begun() and self._decide(metric_number(OWNER, self.monitor, metric)):
            self._carry_out()

    def _decide(self, metric: float) -> bool:
        """Take one value of the metric; whether to reduce."""
        rule = self._ensure_rule()
        metric = processes.from_chief(metric)
        if self.on_nan == "stop" and not math.isfinite(metric):
            self.model.stop_training = True
        improved = rule.improves(metric, self.state.best)
        self.state, due = rule.observe(self.state, metric)
        if improved and self.restore_best_weights:
            lookup.sync(self.model)
            of(self.model).arrays[self._key] = [array.copy() for array in self.model.get_weights()]
        if due and all(install.is_at(rated, self.min_lr) for rated in self._rated()):
            return False
        if due:
            self.state = rule.reduced(self.state)
        return due

    def _carry_out(self, schedules: bool = True, numbers: bool = True) -> None:
        """Reduce the rates that come from schedules, from numbers, or all."""
        model = self.model
        changed = False
        for rated in self._rated():
            is_scheduled = lookup.is_schedule(rated.source)
            if not (schedules if is_scheduled else numbers):
                continue
            rates = install.reduce(model, rated, self._key, self.factor, self.min_lr)
            if rates is None:
                continue
            changed = changed or is_scheduled
            if self.verbose and processes.is_chief():
                when = f"Epoch {self._last_epoch + 1}" if self.every is None else f"Step {rated.step()}"
                print(f"\n{when}: ReduceOnPlateau: {rated.column} {rates[0]:.6g} -> {rates[1]:.6g}")
        best = of(model).arrays.get(self._key)
        if schedules and best is not None and self.restore_best_weights:
            lookup.sync(model)
            model.set_weights(best)
        if changed:
            training_step.retrace(model)

    def _carry_out_due(self) -> None:
        """Reduce the numbers that a decision within the epoch has left for later."""
        if self._due:
            self._due = False
            self._carry_out(schedules=False)

    def _has_begun(self) -> bool:
        """Whether `start_after` is over."""
        begin = self.start_after
        if isinstance(begin, Duration):
            begin = begin.steps(self.params["steps"], self.params["epochs"])
        return lookup.step_of(self.model) > begin if begin else True

    def _ensure_rule(self) -> PlateauRule:
        """The rule; with "auto" its direction is found at the latest now."""
        if self._rule is None:
            self._rule = self._options.rule(self.model)
        return self._rule

    def _rated(self) -> list[RatedOptimizer]:
        """The optimizers whose rate is reduced."""
        return checks.chosen(lookup.rated_optimizers(self.model), self.optimizers)

    # The state: whose it is, and how it is saved.

    def _take_up(self) -> None:
        """Go on with the state that belongs to the model as it is now.

        That is the one from `set_state`, or this callback's own, or the one in the file from which
        the model or its weights were loaded, or a fresh one for another model or a model compiled anew.
        """
        model, met = self.model, self._follower.meet(self.model)
        entry = memory(model).get(self._key)
        if self.reset_on_train_begin:
            self._set(PlateauEntry())
            of(model).arrays.pop(self._key, None)
        elif self._given is not None:
            self._scale(self._given)
        elif met == Follower.LOADED and entry is not None:
            self._set(PlateauEntry.from_json(entry))
        elif met != Follower.SAME:
            self._set(PlateauEntry())
            of(model).arrays.pop(self._key, None)
        self._given = None

    def _set(self, entry: PlateauEntry) -> None:
        self.state, self._last_epoch, self._unfinished = entry.state, entry.last_epoch, entry.unfinished
        self._due = False
        self._scale(entry.scales)

    def _scale(self, scales: dict[str, float]) -> None:
        """Scale the schedules as they were when the state was saved."""
        for rated in self._rated():
            asked = memory(self.model).get(RATES, {}).get(rated.column, {}).get("schedule")
            # A version before keys noted the schedule without its reduction.
            if rated.column in scales and asked is not None and asked.get("class_name") != "Reduced":
                install.name_reduction(rated, self._key, scales[rated.column])
        # A `.keras` file has the scaled schedules themselves, but a file of weights has none.
        changed = [
            install.set_scale(self.model, rated, self._key, scales[rated.column], self.min_lr)
            for rated in self._rated()
            if rated.column in scales and lookup.is_schedule(rated.source)
        ]
        if any(changed):
            training_step.retrace(self.model)

    def _save(self) -> None:
        """Bring the entry in the model's memory up to date; also called when a file is about to be written.

        If that is before this callback has seen the end of the epoch, the metric is saved as it
        is known by then. Whether the epoch was over tells the epoch at which training goes on.
        """
        self._carry_out_due()
        pending, logs = None, self._logs | ({} if self._session is None else self._session.logs)
        if self._epoch is not None and self.every is None and self.monitor in logs:
            pending = (self._epoch, metric_number(OWNER, self.monitor, logs[self.monitor]))
        unfinished = None if self._mean is None else self._mean.unfinished()
        memory(self.model)[self._key] = self._entry().to_json(pending, unfinished)

    def _entry(self) -> PlateauEntry:
        model, scales = self.model, self._given
        if scales is None:
            scales = {} if model is None or model.optimizer is None else install.scales(model, self._key)
        return PlateauEntry(self.state, self._last_epoch, scales)

    def _resolve_pending(self, epoch: int) -> None:
        """Decide on an epoch which was over when the file was written, but not decided on."""
        pending = PlateauEntry.pop_pending(memory(self.model).get(self._key, {}))
        if pending is not None and epoch > pending[0] > self._last_epoch:
            self._finish(*pending)

    def get_state(self) -> dict[str, Any]:
        """The whole state as JSON values.

        Returns:
            best, wait, cooldown_counter, n_reductions, recent, last_epoch and scales.
        """
        return self._entry().to_json()

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that `get_state` returned, at the start of the next `fit` or at its next epoch.

        Raises:
            ValueError: it is not one.
        """
        entry = PlateauEntry.from_json(state)
        self.state, self._last_epoch, self._given, self._due = entry.state, entry.last_epoch, entry.scales, False
