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
from keras_lr.training.running import running_batch_size, running_list
from keras_lr.training.saved_state import of


class Hooks(keras.callbacks.Callback):
    """The first or the last callback in Keras's list: it calls what others have to do before all callbacks, or after.

    A function has the name of a hook of Keras, and its arguments.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, list[tuple[Any, Callable[..., object]]]] = {}

    def add(self, callback: Any, **calls: Callable[..., object]) -> None:
        """Call functions for a callback from now on, each in the hook of its name."""
        for hook, function in calls.items():
            self._calls.setdefault(hook, []).append((callback, function))

    def remove(self, callback: Any) -> None:
        """Call nothing more for a callback."""
        for hook, calls in self._calls.items():
            self._calls[hook] = [call for call in calls if call[0] is not callback]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_epoch_begin", epoch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_train_batch_end", batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_epoch_end", epoch, logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._call("on_train_end", logs)

    def _call(self, hook: str, *arguments: Any) -> None:
        for _, function in self._calls.get(hook, ()):
            function(*arguments)


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
        first, last: the callbacks before and behind all others, in `fit`.
        logs: those of the epoch whose end the callbacks are being called for, as they are by now; empty before it.
            Keras hands one dict from callback to callback. So who writes a file within `on_epoch_end` finds in it
            what the callbacks before have put there, although the callback that needs it comes later in the list.
    """

    def __init__(self, params: Any, running: Any) -> None:
        self.binders: list[Callable[[int], None]] = []
        self.schedules: dict[str, Any] = {}
        self.running = running
        self.first, self.last = Hooks(), Hooks()
        self.steps_per_epoch: int | None = (params or {}).get("steps")
        self.declared_batch_size: int | None = None
        self.declared_epochs: int | None = None
        self.epochs: int = (params or {}).get("epochs") or 1
        self.logs: dict[str, Any] = {}
        self._members: dict[int, Any] = {}
        self._keys: set[str] = set()
        self._done: set[Any] = set()
        self.first.add(self, on_epoch_begin=self._forget_logs, on_epoch_end=self._keep_logs)
        self.rearrange(lambda callbacks: [self.first, *_without_hooks(callbacks), self.last])

    @classmethod
    def join(cls, callback: Any) -> Session:
        """The session of the `fit` that begins, from `on_train_begin` of a callback."""
        state, running = of(callback.model), running_list()
        session: Session | None = state.session
        # What an interrupted training has left is not joined: it has begun, or had another list.
        if session is None or session.running is not running or session._done or id(callback) in session._members:
            session = state.session = cls(callback.params, running)
        session._members[id(callback)] = callback
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
        self.first.remove(callback)
        self.last.remove(callback)
        if not self._members:
            self.rearrange(_without_hooks)
            state = of(callback.model)
            if state.session is self:
                state.session = None

    def others(self, callback: Any) -> list[Any]:
        """The callbacks beside this one, in the order of Keras's list."""
        there = () if self.running is None else self.running.callbacks
        return [other for other in there if other is not callback]

    def rearrange(self, change: Callable[[list[Any]], list[Any]]) -> None:
        """Give Keras's list other callbacks, from within a hook.

        Keras is in the middle of a loop over its callbacks, so they are exchanged and not changed.

        Args:
            change: takes the callbacks, and returns those that are called from the next hook on.
        """
        if self.running is not None:
            self.running.callbacks = change(self.running.callbacks)

    def once(self, what: Any) -> bool:
        """Whether this is the first call for something in this `fit`."""
        is_first = what not in self._done
        self._done.add(what)
        return is_first

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
        if self.once("begin"):
            for bind in self.binders:
                bind(epoch)

    def _forget_logs(self, epoch: int, logs: dict[str, Any] | None) -> None:
        self.logs = {}

    def _keep_logs(self, epoch: int, logs: dict[str, Any] | None) -> None:
        self.logs = {} if logs is None else logs


def _without_hooks(callbacks: list[Any]) -> list[Any]:
    return [callback for callback in callbacks if not isinstance(callback, Hooks)]
