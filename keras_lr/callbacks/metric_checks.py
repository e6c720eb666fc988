"""Checks and warnings of the callbacks that change the rate by a metric."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_lr.callbacks.metrics import nearest
from keras_lr.core.duration import Duration
from keras_lr.core.refusals import refuse
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.training.session import Session


def check_model(owner: str, model: Any) -> None:
    """Refuse anything that is not a Keras model.

    Raises:
        TypeError: it is not a Keras model.
    """
    if not hasattr(model, "make_train_function"):
        raise TypeError(f"{owner}: {type(model).__name__} has no `make_train_function`; it needs a `keras.Model`")
    lookup.build(owner, model)


def check_rates(owner: str, optimizers: list[RatedOptimizer]) -> None:
    """Refuse rates that cannot be scaled.

    Raises:
        TypeError: a rate is a function.
    """
    for rated in optimizers:
        if lookup.is_function(rated.source):
            raise TypeError(
                f"{owner}: the learning rate of optimizer '{rated.optimizer.name}' is a function, which "
                "cannot be scaled; give the optimizer a number or a schedule"
            )


def start_step(owner: str, start_after: Any, session: Session) -> int:
    """`start_after` as a step, with the numbers of this `fit`.

    Raises:
        ValueError: it is a duration, but the length of an epoch or the batch size is unknown.
    """
    if not isinstance(start_after, Duration):
        return int(start_after)
    steps_per_epoch = session.steps_per_epoch
    batch_size = session.batch_size if start_after.samples else None
    if steps_per_epoch is None and start_after.needs_epochs:
        allowed = "in steps for a data set of unknown length, unless `BindSchedule` gets `steps_per_epoch`"
        refuse(owner, "start_after", allowed, start_after)
    if batch_size is None and start_after.samples:
        allowed = "in steps if the batch size of the data is unknown, unless `BindSchedule` gets `batch_size`"
        refuse(owner, "start_after", allowed, start_after)
    return start_after.steps(steps_per_epoch, session.epochs, batch_size)


def warn_at_start(callback: Any, optimizers: list[RatedOptimizer], others: list[Any]) -> None:
    """Warn of a rate that is already at its floor, and of callbacks that conflict with this one."""
    # A schedule may start low on purpose (a warmup does), so only numbers are checked.
    numbers = [rated for rated in optimizers if not lookup.is_schedule(rated.source)]
    if callback.min_lr > 0.0 and numbers and all(rated.rate() <= callback.min_lr for rated in numbers):
        warn_user(f"{callback.OWNER}: the learning rate is not above `min_lr` ({callback.min_lr:g}) at the start")
    for other in others:
        if (
            isinstance(other, keras.callbacks.EarlyStopping)
            and other.monitor == callback.monitor
            and callback.every is None
            and other.patience <= callback.patience
        ):
            warn_user(
                f"{callback.OWNER}: `EarlyStopping` on '{callback.monitor}' has a patience of {other.patience} and "
                f"this one of {callback.patience}, so training stops before the learning rate is reduced",
            )
        is_rate = callback.hyperparameter == "learning_rate"
        if isinstance(other, keras.callbacks.LearningRateScheduler) and is_rate and _is_of_epoch_alone(other.schedule):
            warn_user(
                f"{callback.OWNER}: `LearningRateScheduler` sets the learning rate in each epoch from the number of "
                "the epoch alone, which undoes every reduction; give the optimizer a schedule, or multiply the "
                "rate that the function gets as its second argument",
            )


def _is_of_epoch_alone(function: Any) -> bool:
    """Whether a function for `LearningRateScheduler` does not accept the previous rate as its second argument."""
    try:
        inspect.signature(function).bind(0, 0.1)
    except TypeError:
        return True
    except ValueError:  # a function without a signature
        return False
    return False


def warn_of_own_loop(callback: Any, session: Session) -> None:
    """Warn, once, that a compiled step in the user's own loop does not use a scaled schedule."""
    model = callback.model
    is_in_fit = session.running is not None and model.train_function is not None
    if is_in_fit or keras.config.backend() == "torch" or model.run_eagerly:
        return
    if not session.once((callback, "own loop")):
        return
    compiled = "tf.function" if keras.config.backend() == "tensorflow" else "jax.jit"
    warn_user(
        f"{callback.OWNER}: the schedule is scaled from now on, but in your own training loop a step under "
        f"`{compiled}` keeps the schedule that it was traced with: call `{compiled}` again after each change of "
        "`model.optimizer._learning_rate`, give the optimizer a number, or train with `fit`",
    )


class MissingMetric:
    """Warns once if a metric is not in the logs.

    A metric of the validation is only in the logs of epochs with a validation (`validation_freq` of `fit`). The warning
    comes if it was missing for some epochs, or in the whole training.

    Args:
        owner: the callback.
        monitor: the metric.
        patience: epochs without a validation after which to warn.
    """

    def __init__(self, owner: str, monitor: str, patience: int) -> None:
        self._owner = owner
        self._monitor = monitor
        self._patience = patience
        self._epochs = 0
        self._logs: dict[str, Any] = {}
        self._has_warned = self._was_there = False

    def is_there(self) -> None:
        """Call this when the metric is in the logs."""
        self._was_there = True

    def in_epoch(self, logs: dict[str, Any]) -> None:
        """Call this when the metric is not in the logs of an epoch."""
        self._epochs += 1
        self._logs = dict(logs)
        may_come = self._monitor.startswith("val_") and not any(name.startswith("val_") for name in logs)
        if not may_come or (self._epochs >= self._patience and not self._was_there):
            self._warn()

    def at_end(self) -> None:
        """Call this at the end of the training."""
        if self._epochs and not self._was_there:
            self._warn()

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            when = "the epoch's logs" if self._epochs == 1 or self._was_there else f"the logs of {self._epochs} epochs"
            warn_user(
                f"{self._owner}: the metric '{self._monitor}' is not in {when}, so the learning rate is not "
                f"changed; {nearest(self._monitor, self._logs)}",
            )
