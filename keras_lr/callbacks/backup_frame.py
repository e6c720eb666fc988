"""Two small callbacks around all others of a `fit`, which run before and after them.

Keras's own callbacks reset their state in `on_train_begin`, so it can only be restored after that. And at the end of an
epoch, a backup must be written after all callbacks have seen the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_lr.training.others import rearrange, running_list


class Frame:
    """The two callbacks, and their positions in Keras's list.

    Args:
        before: called before the hooks of the first epoch, or, without an epoch, of the end of training.
        after: called with the index of the epoch, after all hooks of its end.
    """

    def __init__(self, before: Callable[[], None], after: Callable[[int], None]) -> None:
        self._first, self._last = _First(before), _Last(after)

    def set_up(self) -> None:
        """Insert them into the running list. To be called in `on_train_begin`."""
        rearrange(lambda callbacks: [self._first, *self._without(callbacks), self._last])

    def is_set_up(self) -> bool:
        """Whether a Keras list calls the hooks."""
        running = running_list()
        return running is not None and self._last in running.callbacks

    def take_down(self) -> None:
        """Remove them from the list, which another `fit` may use again."""
        rearrange(self._without)

    def _without(self, callbacks: list[Any]) -> list[Any]:
        return [callback for callback in callbacks if callback not in (self._first, self._last)]


class _First(keras.callbacks.Callback):
    def __init__(self, before: Callable[[], None]) -> None:
        super().__init__()
        self._before = before

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._before()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._before()


class _Last(keras.callbacks.Callback):
    def __init__(self, after: Callable[[int], None]) -> None:
        super().__init__()
        self._after = after

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._after(epoch)
