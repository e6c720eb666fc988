"""Skips the batches that were already trained, after a resume within an epoch.

`fit` begins every epoch with its first batch. So for these batches, the training function is replaced
by one that only takes them from the data, and no callback's batch hooks are called. For callbacks, the
epoch continues where the backup was made.
"""

from __future__ import annotations

import sys
from typing import Any

import keras
from numpy.typing import NDArray

from keras_lr.callbacks.own_state import assign_parts
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup, training_step
from keras_lr.training.position import Position
from keras_lr.training.random_state import RandomStates

MUTED = ("on_train_batch_begin", "on_train_batch_end", "on_epoch_end")
"""Hooks of Keras's list of callbacks that are not called while batches are skipped."""


def assign(variables: list[Any], values: list[list[NDArray[Any]]], what: str) -> None:
    """Assign the values in the backup to variables, each in one part or in the parts of its replicas.

    Raises:
        ValueError: the shapes differ.
    """
    there = [tuple(parts[0].shape) for parts in values]
    wanted = [tuple(variable.shape) for variable in variables]
    if there != wanted:
        raise ValueError(f"its {what} have the shapes {there}, but those of the model {wanted}")
    for variable, parts in zip(variables, values, strict=True):
        assign_parts(variable, parts)


class Skip:
    """Skips the first batches of the epoch that begins.

    Args:
        model: the model of the `fit` that is running.
        callbacks: its `CallbackList`.
        position: the position of the backup within an epoch.
        metrics: the values of the metrics' variables at that position, in parts.
        random: the random states at that position, or None.

    Raises:
        ValueError: the training has fewer batches, or no execution ends at the position.
    """

    def __init__(
        self,
        model: Any,
        callbacks: Any,
        position: Position,
        metrics: list[list[NDArray[Any]]],
        random: list[RandomStates],
    ) -> None:
        self._model = model
        self._callbacks = callbacks
        self._position = position
        self._metrics = metrics
        self._random = random
        self._logs: dict[str, Any] | None = None
        self._check(callbacks.params.get("steps"))
        vars(callbacks).update(zip(MUTED, (self._before_batch, _nothing, self._too_early), strict=True))

    def end(self) -> None:
        """Restore the hooks of the callbacks."""
        for name in MUTED:
            vars(self._callbacks).pop(name, None)

    def _check(self, batches: int | None) -> None:
        done, executions = self._position.batch, self._model.steps_per_execution
        if batches is not None and batches <= done:
            raise self._too_few(f"an epoch has {batches} now")
        if done % executions:
            raise ValueError(
                f"BackupAndRestore: the backup was made {self._where()}, but no execution ends there with "
                f"`steps_per_execution={executions}`; it must be a divisor of {done}"
            )
        if None not in (batches, self._position.batches) and batches != self._position.batches:
            warn_user(
                f"BackupAndRestore: the backup was made {self._where()} of {self._position.batches}, but an epoch now "
                f"has {batches} batches: the first {done} of them are skipped",
            )

    def _where(self) -> str:
        return f"after batch {self._position.batch:,} of epoch {self._position.epoch:,} (the first one is 0)"

    def _too_few(self, why: str) -> ValueError:
        return ValueError(
            f"BackupAndRestore: the backup was made {self._where()}, but {why}; pass the same data and batch size to "
            "`fit`, or move the backup away to start again"
        )

    # Replacements for the list's hooks.

    def _before_batch(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch >= self._position.batch:
            self.end()
            for states in self._random:
                states.restore()
            # As at the first batch of any epoch, hooks may read variables, whose values JAX keeps elsewhere by now.
            lookup.sync(self._model)
            self._callbacks.on_train_batch_begin(batch, logs)
            return
        if self._logs is None and _has_metrics(self._model):
            self._restore()
        # The next call of the training function only takes its batches from the data.
        training_step.replace_next_call(self._model, getattr(self, f"_take_{keras.config.backend()}"))

    def _too_early(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.end()
        if not self._model.stop_training:
            raise self._too_few("the data have come to their end before it")
        self._callbacks.on_epoch_end(epoch, logs)

    # Replacements for the training function, one for each backend.

    def _take_torch(self, data: Any) -> Any:
        return self._logs

    def _take_jax(self, state: Any, iterator: Any) -> Any:
        self._next(iterator)
        return self._logs, state

    def _take_tensorflow(self, iterator: Any) -> Any:
        batch = self._next(iterator)
        if self._logs is None:
            _build_metrics(self._model, batch)
            self._restore()
        return self._logs

    def _next(self, iterator: Any) -> Any:
        """Take the batches of one execution from the data. Returns the first one."""
        taken = [batch for _, batch in zip(range(self._model.steps_per_execution), iterator, strict=False)]
        if len(taken) < self._model.steps_per_execution:
            raise self._too_few("the data have come to their end before it")
        return taken[0]

    def _restore(self) -> None:
        try:
            assign(self._model.metrics_variables, self._metrics, "metrics")
        except ValueError as error:
            raise ValueError(
                f"BackupAndRestore: the backup was made {self._where()} with other metrics: {error}; pass the same "
                "metrics to `compile`, or move the backup away to start again"
            ) from error
        self._logs = self._model.get_metrics_result()


def _nothing(*_: Any, **__: Any) -> None:
    """A hook that does nothing."""


def _has_metrics(model: Any) -> bool:
    """Whether the metrics' variables exist. TensorFlow creates them in the first batch."""
    parts = (model._compile_metrics, model._compile_loss)
    return all(part is None or part.built for part in parts)


def _build_metrics(model: Any, batch: Any) -> None:
    """Create the metrics' variables on TensorFlow. The other backends do so before the first batch."""
    optional = sys.modules["tensorflow"].experimental.Optional
    model._symbolic_build(
        data_batch=keras.tree.map_structure(lambda part: None if isinstance(part, optional) else part, batch)
    )
