"""Whose state a callback goes on with that changes the rate by a metric, and how the model's files keep it."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from keras_lr.callbacks.best_weights import BestWeights
from keras_lr.callbacks.metric_entry import MetricEntry
from keras_lr.callbacks.metrics import metric_number
from keras_lr.callbacks.plateau_window import NOTHING, WindowMean
from keras_lr.optimizers import install, training_step
from keras_lr.optimizers.install import Bounds
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.training.saved_state import RATES, Follower, memory
from keras_lr.training.session import Session


class MetricState(keras.callbacks.Callback):
    """A callback whose rule has a state that is saved with the model.

    A subclass has the arguments below, and decides.
    """

    OWNER: ClassVar[str]
    """The name of the class, for errors and for what is printed."""

    STATE: ClassVar[Any]
    """The class of the rule's state."""

    monitor: str
    every: int | None
    reset_on_train_begin: bool

    def __init__(self, options: Any) -> None:
        super().__init__()
        self._options = options
        self.__dict__.update(options.arguments(), every=options.batches)
        self.state = self.STATE()
        self._last_epoch = -1
        self._unfinished = NOTHING
        # By what numbers are to be multiplied before the next batch.
        self._due: float | None = None
        # Scales from `set_state`, until a training takes them up.
        self._given: dict[str, float] | None = None
        # Which training this state is of.
        self._follower = Follower()
        self._session: Session | None = None
        self._key = options.key()
        self._best = BestWeights(self.OWNER)
        # The epoch that runs, what is logged of it so far, and the window of batches that is not full.
        self._epoch: int | None = None
        self._logs: dict[str, Any] = {}
        self._mean: WindowMean | None = None

    # What a subclass says.

    @property
    def _bounds(self) -> Bounds:
        """Between what the rate is kept."""
        raise NotImplementedError

    def _rated(self) -> list[RatedOptimizer]:
        """The optimizers whose rate is changed."""
        raise NotImplementedError

    def _finish(self, epoch: int, metric: Any) -> None:
        """Decide on an epoch that is over."""
        raise NotImplementedError

    def _carry_out_due(self) -> None:
        """Change the numbers that a decision within the epoch has left for later."""
        raise NotImplementedError

    # Whose it is.

    def _take_up(self) -> None:
        """Go on with the state that belongs to the model as it is now.

        That is the one from `set_state`, or this callback's own, or the one in the file from which
        the model or its weights were loaded, or a fresh one for another model or a model compiled anew.
        """
        model, met = self.model, self._follower.meet(self.model)
        entry = memory(model).get(self._key)
        if self.reset_on_train_begin:
            self._set(self._fresh())
            self._best.forget(model, self._key)
        elif self._given is not None:
            self._scale(self._given)
        elif met == Follower.LOADED and entry is not None:
            self._set(MetricEntry.from_json(self.OWNER, self.STATE, entry))
        elif met != Follower.SAME:
            self._set(self._fresh())
            self._best.forget(model, self._key)
        self._given = None

    def _fresh(self) -> MetricEntry:
        return MetricEntry(self.STATE())

    def _set(self, entry: MetricEntry) -> None:
        self.state, self._last_epoch, self._unfinished = entry.state, entry.last_epoch, entry.unfinished
        self._due = None
        self._scale(entry.scales)

    def _scale(self, scales: dict[str, float]) -> None:
        """Scale the schedules as they were when the state was saved."""
        noted = memory(self.model).get(RATES, {})
        if install.set_scales(self.model, self._rated(), self._key, scales, self._bounds, noted):
            training_step.retrace(self.model)

    def _save(self) -> None:
        """Bring the entry in the model's memory up to date; also called when a file is about to be written.

        If that is before this callback has seen the end of the epoch, the metric is saved as it
        is known by then. Whether the epoch was over tells the epoch at which training goes on.
        """
        self._carry_out_due()
        pending, logs = None, self._logs | ({} if self._session is None else self._session.logs)
        if self._epoch is not None and self.every is None and self.monitor in logs:
            pending = (self._epoch, metric_number(self.OWNER, self.monitor, logs[self.monitor]))
        unfinished = None if self._mean is None else self._mean.unfinished()
        memory(self.model)[self._key] = self._entry().to_json(pending, unfinished)

    def _entry(self) -> MetricEntry:
        model, scales = self.model, self._given
        if scales is None:
            scales = {} if model is None or model.optimizer is None else install.scales(model, self._key)
        return MetricEntry(self.state, self._last_epoch, scales)

    def _resolve_pending(self, epoch: int) -> None:
        """Decide on an epoch which was over when the file was written, but not decided on."""
        pending = MetricEntry.pop_pending(self.OWNER, memory(self.model).get(self._key, {}))
        if pending is not None and epoch > pending[0] > self._last_epoch:
            self._finish(*pending)

    def get_state(self) -> dict[str, Any]:
        """The whole state as JSON values.

        Returns:
            The state of the rule (for `ReduceOnPlateau` best, wait, cooldown_counter, n_reductions and recent),
            last_epoch and scales.
        """
        return self._entry().to_json()

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that `get_state` returned, at the start of the next `fit` or at its next epoch.

        Raises:
            ValueError: it is not one.
        """
        entry = MetricEntry.from_json(self.OWNER, self.STATE, state)
        self.state, self._last_epoch, self._given, self._due = entry.state, entry.last_epoch, entry.scales, None
