"""Adds numbers to the epoch's logs for every callback of a `fit`, whatever the order of the callbacks is.

Keras hands the logs of an epoch from callback to callback, so what one of them adds is seen only
by those after it. A filler comes first in Keras's own list (not in the user's) and does nothing
but add the numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_lr.training.others import rearrange

Numbers = Callable[[], dict[str, float]]
AfterBatch = Callable[[int, dict[str, Any] | None], None]


class Filler(keras.callbacks.Callback):
    """Puts numbers into the epoch's logs.

    Args:
        numbers: called at the end of each epoch.
        before: the `CSVLogger` that this filler comes before, if any.
        after_batch: called at the end of each batch, before any callback has changed something.
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
        # Where its first epoch has no validation, CSVLogger makes a `val_` column of every name,
        # for epochs to come; there are no validation values of these numbers.
        if self._before is not None and self._before.keys is None and not any(map(_is_of_validation, logs)):
            self._before.keys = [*sorted(logs), *(f"val_{name}" for name in sorted(logs) if name not in numbers)]


def _is_of_validation(name: str) -> bool:
    return name.startswith("val_")


def add_to_every_epoch(numbers: Numbers, after_batch: AfterBatch | None = None) -> None:
    """Put numbers into the logs of each epoch before any callback sees them; from `on_train_begin`.

    `after_batch` is called at the end of each batch, before any callback's hook.

    Without effect where no list of Keras calls the hooks.
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
    """Take the fillers of `add_to_every_epoch` out of the running list; another `fit` may use it again."""
    rearrange(lambda callbacks: _without(numbers, callbacks))


def _without(numbers: Numbers, callbacks: list[Any]) -> list[Any]:
    return [callback for callback in callbacks if not (isinstance(callback, Filler) and callback.numbers == numbers)]
