"""One `fit` of one model, as the callbacks of this package share it.

The first of them to begin makes the session, and the last to end drops it. It owns what must happen once, and in
one order, whichever callback comes first in the list: the binding to the training comes before anything that looks at
the schedules. It also gives each callback the key of its saved state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_lr.training.saved_state import of


class Session:
    """What the callbacks of one `fit` share.

    Attributes:
        binders: bind the schedules when the first epoch begins, from its number; each `BindSchedule` adds its own.
    """

    def __init__(self, params: Any) -> None:
        self.binders: list[Callable[[int], None]] = []
        self.params = params
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
        session._members[id(callback)] = callback
        state.session = session
        return session

    def leave(self, callback: Any) -> None:
        """Drop the session once all of its callbacks have ended."""
        self._members.pop(id(callback), None)
        state = of(callback.model)
        if not self._members and state.session is self:
            state.session = None

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
