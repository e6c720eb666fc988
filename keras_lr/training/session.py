"""The session: what the callbacks of this package share during one `fit` of one model.

The first callback that begins creates the session, and the last one that ends drops it. The session does what must
happen once and in a fixed order, whichever callback comes first in the list: the schedules are bound before anything
uses them. It also gives each callback the key of its saved state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_lr.training import processes
from keras_lr.training.others import rearrange, running_batch_size
from keras_lr.training.saved_state import of


class Watcher(keras.callbacks.Callback):
    """Comes first in Keras's list, and passes the logs of each finished epoch to the session.

    Keras passes one dict from callback to callback. So when a callback writes a file in `on_epoch_end`, the dict
    contains everything that earlier callbacks added, even for a callback that comes later in the list.
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
        binders: functions that bind the schedules when the first epoch begins. Each `BindSchedule` adds one.
        running: Keras's list of callbacks; None if the user's own loop calls the hooks.
        steps_per_epoch: batches in an epoch, from `fit` or a `BindSchedule`, or None.
        epochs: the epoch at which the training ends, from `fit` or a `BindSchedule`, or None.
        declared_epochs: epochs of all calls of `fit` together, from a `BindSchedule`, or None.
        schedules: schedules of other numbers that a callback sets in the training step, by their column in a log.
        declared_batch_size: samples in a batch, from a `BindSchedule`, or None.
        logs: the current logs of the epoch that has just ended; empty before its end.
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
        """The session of the `fit` that begins. To be called in `on_train_begin` of a callback."""
        state = of(callback.model)
        running = state.session
        # Keras gives all callbacks of a `fit` the same dict. The session of an interrupted `fit` has another one.
        is_running = running is not None and running.params is callback.params and id(callback) not in running._members
        session: Session = running if is_running else cls(callback.params)
        if not is_running:
            session._watch()
        session._members[id(callback)] = callback
        state.session = session
        return session

    @property
    def batch_size(self) -> int | None:
        """Samples in a batch, in a hook of `fit`; None if unknown.

        Each of several processes sees only its own batch, and their total depends on how the data is distributed. So
        the user must declare it.
        """
        if self.declared_batch_size is not None or processes.count() > 1:
            return self.declared_batch_size
        return running_batch_size()

    def leave(self, callback: Any) -> None:
        """Drop the session after all of its callbacks have ended."""
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
        """A key for the saved state of a callback: the base itself, for the second callback ``base/2``, and so on."""
        key, number = base, 1
        while key in self._keys:
            number += 1
            key = f"{base}/{number}"
        self._keys.add(key)
        return key

    def claim(self, key: str) -> bool:
        """Claim a key that the user gave. Returns whether it was free."""
        is_free = key not in self._keys
        self._keys.add(key)
        return is_free

    def begin(self, epoch: int) -> None:
        """Do everything that happens once before the first epoch. To be called in `on_epoch_begin` of any callback."""
        if not self._has_begun:
            self._has_begun = True
            for bind in self.binders:
                bind(epoch)
