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
from keras_lr.training.running import running_batch_size, running_list
from keras_lr.training.saved_state import of


class Hooks(keras.callbacks.Callback):
    """The first or the last callback in Keras's list. It calls functions of other callbacks, before or after all.

    Each function belongs to a hook of Keras, and gets the hook's arguments.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, list[tuple[Any, Callable[..., object]]]] = {}

    def add(self, callback: Any, **calls: Callable[..., object]) -> None:
        """Call functions for a callback from now on. The keyword is the name of the hook."""
        for hook, function in calls.items():
            self._calls.setdefault(hook, []).append((callback, function))

    def remove(self, callback: Any) -> None:
        """Stop calling the functions of a callback."""
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
        binders: functions that bind the schedules when the first epoch begins. Each `BindSchedule` adds one.
        running: Keras's list of callbacks; None if the user's own loop calls the hooks.
        steps_per_epoch: batches in an epoch, from `fit` or a `BindSchedule`, or None.
        epochs: the epoch at which the training ends, from `fit` or a `BindSchedule`, or None.
        declared_epochs: epochs of all calls of `fit` together, from a `BindSchedule`, or None.
        schedules: schedules of other numbers that a callback sets in the training step, by their column in a log.
        declared_batch_size: samples in a batch, from a `BindSchedule`, or None.
        first, last: the callbacks that `fit` calls before and after all others.
        logs: the current logs of the epoch that has just ended; empty before its end. Keras passes one dict from
            callback to callback. So when a callback writes a file in `on_epoch_end`, the dict contains everything
            that earlier callbacks added, even for a callback that comes later in the list.
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
        self.rearrange(self._with_hooks)

    @classmethod
    def join(cls, callback: Any) -> Session:
        """The session of the `fit` that begins. To be called in `on_train_begin` of a callback."""
        state, running = of(callback.model), running_list()
        session: Session | None = state.session
        # The session of an interrupted `fit` is not joined: it has begun already, or has another list.
        if session is None or session.running is not running or session._done or id(callback) in session._members:
            session = state.session = cls(callback.params, running)
        session._members[id(callback)] = callback
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
        self.first.remove(callback)
        self.last.remove(callback)
        if not self._members:
            self.rearrange(lambda callbacks: [it for it in callbacks if it is not self.first and it is not self.last])
            state = of(callback.model)
            if state.session is self:
                state.session = None

    def others(self, callback: Any) -> list[Any]:
        """The other callbacks, in the order of Keras's list."""
        there = () if self.running is None else self.running.callbacks
        return [other for other in there if other is not callback]

    def rearrange(self, change: Callable[[list[Any]], list[Any]]) -> None:
        """Replace the callbacks of Keras's list, from within a hook.

        Keras is in the middle of a loop over the callbacks, so its list gets a new sequence of them.

        Args:
            change: gets the callbacks, and returns those to call from the next hook on.
        """
        if self.running is not None:
            self.running.callbacks = change(self.running.callbacks)

    def once(self, what: Any) -> bool:
        """Whether this is the first call for something in this `fit`."""
        is_first = what not in self._done
        self._done.add(what)
        return is_first

    def key(self, base: str) -> str:
        """A key for the saved state of a callback: the base itself, for the second callback ``base/2``, and so on."""
        key, number = base, 1
        while not self.claim(key):
            number += 1
            key = f"{base}/{number}"
        return key

    def claim(self, key: str) -> bool:
        """Claim a key that the user gave. Returns whether it was free."""
        is_free = key not in self._keys
        self._keys.add(key)
        return is_free

    def begin(self, epoch: int) -> None:
        """Do everything that happens once before the first epoch. To be called in `on_epoch_begin` of any callback."""
        if self.once("begin"):
            for bind in self.binders:
                bind(epoch)

    def _with_hooks(self, callbacks: list[Any]) -> list[Any]:
        """The callbacks between those of this session; a training that failed has left its own."""
        return [self.first, *(it for it in callbacks if not isinstance(it, Hooks)), self.last]

    def _forget_logs(self, epoch: int, logs: dict[str, Any] | None) -> None:
        self.logs = {}

    def _keep_logs(self, epoch: int, logs: dict[str, Any] | None) -> None:
        self.logs = {} if logs is None else logs
