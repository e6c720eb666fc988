"""The state of a callback that changes the rate by a metric: which state it uses, and how it is saved."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from keras_lr.callbacks import best_weights
from keras_lr.callbacks.metric_entry import MetricEntry
from keras_lr.callbacks.metric_options import MetricOptions
from keras_lr.callbacks.metrics import metric_number
from keras_lr.callbacks.plateau_window import NOTHING, WindowMean
from keras_lr.optimizers import choice, install, training_step
from keras_lr.optimizers.install import Bounds
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.training.saved_state import RATES, Follower, memory
from keras_lr.training.session import Session


class MetricState(keras.callbacks.Callback):
    """A callback with a rule whose state is saved with the model.

    A subclass defines `OWNER`, `STATE` and `RULE`, and decides.
    """

    OWNER: ClassVar[str]
    """The name of the class, for errors and printed lines."""

    STATE: ClassVar[Any]
    """The class of the rule's state."""

    RULE: ClassVar[Any]
    """The class of the rule, whose state it is."""

    # The arguments.

    monitor: str
    factor: float
    patience: int
    mode: str
    min_delta: float
    threshold_mode: str
    cooldown: int
    window: int | None
    eps: float
    min_lr: float
    verbose: int
    start_after: Any
    every: int | None
    on_nan: str
    restore_best_weights: bool = False
    optimizers: Any = None
    optimizer: Any
    reset_on_train_begin: bool
    name: str | None
    refresh_batch_norm: int | None = None
    hyperparameter: str = "learning_rate"

    _session: Session
    """What the callbacks of the running `fit` share. It exists from `on_train_begin` on."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        options = self._options = MetricOptions(self.OWNER, arguments)
        self.__dict__.update(options.arguments, every=options.batches)
        self.state = self.STATE()
        self._last_epoch = -1
        self._unfinished = NOTHING
        # The factor of numbers before the next batch.
        self._due: float | None = None
        # Scales from `set_state`, until a training begins.
        self._given: dict[str, float] | None = None
        # The training of this state.
        self._follower = Follower()
        self._key = options.key()
        # The current epoch, its logs so far, and the incomplete window of batches.
        self._epoch: int | None = None
        self._logs: dict[str, Any] = {}
        self._mean: WindowMean | None = None

    @property
    def _bounds(self) -> Bounds:
        """The bounds of the rate."""
        return Bounds(self.min_lr, eps=self.eps)

    def _rated(self) -> list[RatedOptimizer]:
        """The optimizers whose rates are changed."""
        argument = "optimizer" if self.optimizers is None else "optimizers"
        found = choice.chosen(self.OWNER, self.model, getattr(self, argument), argument)
        return choice.scheduled(self.OWNER, found, self.hyperparameter)

    def _carry_out_due(self) -> None:
        """Change the numbers after a decision within the epoch. A subclass defines it."""
        raise NotImplementedError

    # Which state is used.

    def _take_up(self) -> None:
        """Use the state that belongs to the current model.

        It is the state from `set_state`, or this callback's own, or the one in the file from which the
        model or its weights were loaded, or a new one for another model or after another `compile`.
        """
        model, met = self.model, self._follower.meet(self.model)
        entry = memory(model).get(self._key)
        if self.reset_on_train_begin:
            self._set(self._fresh())
            best_weights.forget(model, self._key)
        elif self._given is not None:
            self._scale(self._given)
        elif met == Follower.LOADED and entry is not None:
            self._set(MetricEntry.from_json(self.OWNER, self.STATE, entry))
        elif met != Follower.SAME:
            self._set(self._fresh())
            best_weights.forget(model, self._key)
        self._given = None

    def _fresh(self) -> MetricEntry:
        return MetricEntry(self.STATE())

    def _set(self, entry: MetricEntry) -> None:
        self.state, self._last_epoch, self._unfinished = entry.state, entry.last_epoch, entry.unfinished
        self._due = None
        self._scale(entry.scales)

    def _scale(self, scales: dict[str, float]) -> None:
        """Scale the schedules as when the state was saved."""
        noted = memory(self.model).get(RATES, {})
        if install.set_scales(self.model, self._rated(), self._key, scales, self._bounds, noted):
            training_step.retrace(self.model)

    def _save(self) -> None:
        """Update the entry in the model's saved state. Also called before a file is written.

        If this callback has not seen the end of the epoch yet, the current value of the metric is saved.
        A resume then knows from its first epoch whether this epoch was finished.
        """
        self._carry_out_due()
        pending, logs = None, self._logs | self._session.logs
        if self._epoch is not None and self.every is None and self.monitor in logs:
            pending = (self._epoch, metric_number(self.OWNER, self.monitor, logs[self.monitor]))
        unfinished = None if self._mean is None else self._mean.unfinished()
        memory(self.model)[self._key] = self._entry().to_json(pending, unfinished)

    def _entry(self) -> MetricEntry:
        model, scales = self.model, self._given
        if scales is None:
            scales = {} if model is None or model.optimizer is None else install.scales(model, self._key)
        return MetricEntry(self.state, self._last_epoch, scales)

    def get_state(self) -> dict[str, Any]:
        """The whole state as JSON values.

        Returns:
            A dict with the state of the rule (for `ReduceOnPlateau` best, wait, cooldown_counter, n_reductions and
            recent), last_epoch and scales.
        """
        return self._entry().to_json()

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state that `get_state` returned, at the start of the next `fit` or at its next epoch.

        Args:
            state: the dict from `get_state`.

        Raises:
            ValueError: `state` is not valid.
        """
        entry = MetricEntry.from_json(self.OWNER, self.STATE, state)
        self.state, self._last_epoch, self._given, self._due = entry.state, entry.last_epoch, entry.scales, None
