"""Adds numbers to the epoch's logs for all callbacks of a `fit`, in any order of the callbacks.

Keras passes the logs of an epoch from callback to callback. So only later callbacks see what one of
them adds. A filler is inserted at the start of Keras's own list (not the user's), and only adds the
numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_lr.training.others import rearrange

Numbers = Callable[[], dict[str, float]]
AfterBatch = Callable[[int, dict[str, Any] | None], None]


class Filler(keras.callbacks.Callback):
    """Adds numbers to the epoch's logs.

    Args:
        numbers: called at the end of each epoch.
        before: the `CSVLogger` that directly follows this filler, or None.
        after_batch: called at the end of each batch, before any callback changes something.
    """

    def __init__(
        self,
        numbers: Numbers,
        before: keras.callbacks.CSVLogger | None = None,
        after_batch: AfterBatch | None = None,
    ) -> None:
        super().__init__()
        self.numbers = numbers
        self._before = before
        self._after_batch = after_batch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._after_batch is not None:
            self._after_batch(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        numbers = self.numbers()
        logs.update(numbers)
        # If its first epoch has no validation, CSVLogger adds a `val_` column for every name, for
        # later epochs. These numbers have no validation values.
        if self._before is not None and self._before.keys is None and not any(map(_is_of_validation, logs)):
            self._before.keys = [*sorted(logs), *(f"val_{name}" for name in sorted(logs) if name not in numbers)]


def _is_of_validation(name: str) -> bool:
    return name.startswith("val_")


def add_to_every_epoch(numbers: Numbers, after_batch: AfterBatch | None = None) -> None:
    """Add numbers to the logs of each epoch before any callback sees them. To be called in `on_train_begin`.

    `after_batch` is called at the end of each batch, before the hooks of all callbacks.

    Without a Keras list that calls the hooks, this does nothing.
    """

    def with_fillers(callbacks: list[Any]) -> list[Any]:
        fillers: list[Any] = [Filler(numbers, after_batch=after_batch)]
        for callback in _without(numbers, callbacks):
            if isinstance(callback, keras.callbacks.CSVLogger):
                fillers.append(Filler(numbers, callback))
            fillers.append(callback)
        return fillers

    rearrange(with_fillers)


def remove(numbers: Numbers) -> None:
    """Remove the fillers of `add_to_every_epoch` from the running list, which another `fit` may use again."""
    rearrange(lambda callbacks: _without(numbers, callbacks))


def _without(numbers: Numbers, callbacks: list[Any]) -> list[Any]:
    return [callback for callback in callbacks if not (isinstance(callback, Filler) and callback.numbers == numbers)]
