"""One `fit` of one model, as the callbacks of this package share it.

The first of them to begin makes the session, and the last to end drops it. It owns what must happen once, and in
one order, whichever callback comes first in the list: the binding to the training comes before anything that looks at
the schedules. It also gives each callback the key of its saved state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_lr.training import processes
from keras_lr.training.others import rearrange, running_batch_size
from keras_lr.training.saved_state import of


class Watcher(keras.callbacks.Callback):
    """Comes first in Keras's list, and gives the session the logs of the epoch that ends.

    Keras hands one dict from callback to callback. So who writes a file within `on_epoch_end` finds in it what the
    callbacks before have put there, although the callback that needs it comes later in the list.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._session.logs = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._session.logs = {} if logs is None else logs


class Session:
    """What the callbacks of one `fit` share.

    Attributes:
        binders: bind the schedules when the first epoch begins, from its number; each `BindSchedule` adds its own.
        running: Keras's list of callbacks; None where a loop of the user's own calls the hooks.
        steps_per_epoch: batches in an epoch, as far as `fit` or a `BindSchedule` knows them.
        epochs: the epoch at which the training ends, as `fit` or a `BindSchedule` knows it.
        declared_epochs: epochs of all calls of `fit` together, from a `BindSchedule`, or None.
        schedules: of numbers that a callback computes within the training step, by the column that a log has for them.
        declared_batch_size: samples in a batch, from a `BindSchedule`, or None.
        logs: those of the epoch whose end the callbacks are being called for, as they are by now; empty before it.
    """

    def __init__(self, params: Any) -> None:
        self.binders: list[Callable[[int], None]] = []
        self.params = params
        self.schedules: dict[str, Any] = {}
        self.running: Any = None
        self.steps_per_epoch: int | None = (params or {}).get("steps")
        self.declared_batch_size: int | None = None
        self.declared_epochs: int | None = None
        self.epochs: int = (params or {}).get("epochs") or 1
        self.logs: dict[str, Any] = {}
        self._members: dict[int, Any] = {}
        self._keys: set[str] = set()
        self._has_begun = False

    @classmethod
    def join(cls, callback: Any) -> Session:
        """The session of the `fit` that begins, from `on_train_begin` of a callback."""
        state = of(callback.model)
        running = state.session
        # Keras gives all callbacks of a `fit` the same dict. What an interrupted `fit` has left has another one.
        is_running = running is not None and running.params is callback.params and id(callback) not in running._members
        session: Session = running if is_running else cls(callback.params)
        if not is_running:
            session._watch()
        session._members[id(callback)] = callback
        state.session = session
        return session

    @property
    def batch_size(self) -> int | None:
        """Samples in a batch, from within a hook of `fit`; None where nobody knows them.

        Of several processes each sees its own batch, and how many samples they have together depends on how the data
        are shared out. So that must be declared.
        """
        if self.declared_batch_size is not None or processes.count() > 1:
            return self.declared_batch_size
        return running_batch_size()

    def leave(self, callback: Any) -> None:
        """Drop the session once all of its callbacks have ended."""
        self._members.pop(id(callback), None)
        state = of(callback.model)
        if not self._members and state.session is self:
            state.session = None

    def _watch(self) -> None:
        """Put a watcher first in Keras's list."""

        def with_watcher(callbacks: list[Any]) -> list[Any]:
            return [Watcher(self), *(callback for callback in callbacks if not isinstance(callback, Watcher))]

        self.running = rearrange(with_watcher)

    def key(self, base: str) -> str:
        """A key for the saved state of a callback: the base itself, and for the second of this base ``base/2``."""
        key, number = base, 1
        while key in self._keys:
            number += 1
            key = f"{base}/{number}"
        self._keys.add(key)
        return key

    def claim(self, key: str) -> bool:
        """Whether a key that the user gave is free; it is taken then."""
        is_free = key not in self._keys
        self._keys.add(key)
        return is_free

    def begin(self, epoch: int) -> None:
        """Do what comes once before the first epoch; from `on_epoch_begin` of any callback."""
        if not self._has_begun:
            self._has_begun = True
            for bind in self.binders:
                bind(epoch)
