"""Adds numbers to the epoch's logs for every callback of a `fit`, whatever the order of the callbacks is.

Keras hands the logs of an epoch from callback to callback, so what one of them adds is seen only
by those after it. The first callback of the session adds the numbers for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_lr.training.session import Session

Numbers = Callable[[], dict[str, float]]


def add_to_every_epoch(session: Session, callback: Any, numbers: Numbers) -> None:
    """Put numbers into the logs of each epoch before any callback sees them, until `callback` leaves the session."""

    def add(epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.update(numbers())

    def with_columns(callbacks: list[Any]) -> list[Any]:
        found: list[Any] = []
        for it in callbacks:
            if isinstance(it, keras.callbacks.CSVLogger):
                found.append(_Columns(it, callback, numbers))
            found.append(it)
        return found

    session.first.add(callback, on_epoch_end=add)
    remove(session, callback)  # what a training that failed has left
    session.rearrange(with_columns)


def remove(session: Session, callback: Any) -> None:
    """Take out of Keras's list what `add_to_every_epoch` has put there."""
    session.rearrange(lambda callbacks: [it for it in callbacks if getattr(it, "by", None) is not callback])


class _Columns(keras.callbacks.Callback):
    """Comes before a `CSVLogger`, and names the columns of its file.

    Where its first epoch has no validation, CSVLogger makes a `val_` column of every name, for epochs to come; there
    are no validation values of the numbers that are added.
    """

    def __init__(self, logger: keras.callbacks.CSVLogger, by: Any, numbers: Numbers) -> None:
        super().__init__()
        self.by = by
        self._logger = logger
        self._numbers = numbers

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        numbers = self._numbers()
        logs.update(numbers)
        if self._logger.keys is None and not any(name.startswith("val_") for name in logs):
            self._logger.keys = [*sorted(logs), *(f"val_{name}" for name in sorted(logs) if name not in numbers)]
