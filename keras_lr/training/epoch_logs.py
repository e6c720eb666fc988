"""Adds numbers to the epoch's logs for all callbacks of a `fit`, in any order of the callbacks.

Keras passes the logs of an epoch from callback to callback. So only later callbacks see what one of
them adds. The session's first callback adds the numbers for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_lr.training.session import Session

Numbers = Callable[[], dict[str, float]]


def add_to_every_epoch(session: Session, callback: Any, numbers: Numbers) -> None:
    """Add numbers to the logs of each epoch before any callback sees them, until `callback` leaves the session."""

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
    remove(session, callback)  # what a failed training left there
    session.rearrange(with_columns)


def remove(session: Session, callback: Any) -> None:
    """Remove from Keras's list what `add_to_every_epoch` added."""
    session.rearrange(
        lambda callbacks: [it for it in callbacks if not (isinstance(it, _Columns) and it.by is callback)]
    )


class _Columns(keras.callbacks.Callback):
    """Comes before a `CSVLogger`, and names the columns of its file.

    If its first epoch has no validation, CSVLogger adds a `val_` column for every name, for later epochs. The added
    numbers have no validation values.
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
