"""What a backup has and no other file of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_lr.callbacks import keras_state
from keras_lr.callbacks.own_state import Arrays, OwnState, drop, put, take
from keras_lr.training import processes
from keras_lr.training.position import KEY, Position, forget
from keras_lr.training.random_state import RandomStates
from keras_lr.training.saved_state import memory, of

CALLBACKS = "backup of callbacks"
"""The key of the arrays of Keras's callbacks."""


@dataclass(frozen=True)
class BackupEntry:
    """The entry of a backup.

    Attributes:
        position: where in the training it was made.
        optimizer: that of the model, in words.
        callbacks: states of Keras's callbacks, as `keras_state.capture` returns them.
        own: what each process has for itself; of an entry that was loaded only that of this process.
        is_own: whether it was this process's own.
        saved: the entry in the model's memory, of one that was loaded.
    """

    position: Position
    optimizer: str
    callbacks: tuple[list[dict[str, Any]], Arrays]
    own: list[OwnState]
    is_own: bool = True
    saved: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def capture(
        cls, model: Any, position: Position, optimizer: str, callbacks: list[Any], random_of_epoch: dict[str, Any]
    ) -> BackupEntry:
        """The entry of the training as it is now.

        Args:
            model: the model that is trained.
            position: where the training is.
            optimizer: that of the model, in words.
            callbacks: the other callbacks of the training.
            random_of_epoch: the random states at the start of the epoch.
        """
        own = processes.from_all(OwnState.capture(model, random_of_epoch if position.batch else None))
        return cls(position, optimizer, keras_state.capture(callbacks), own)

    @classmethod
    def of_loaded(cls, model: Any) -> BackupEntry:
        """The entry of the file that the model was loaded from.

        Raises:
            KeyError, ValueError: it is damaged.
        """
        saved = memory(model)[KEY]
        own, is_own = take(model, saved)
        callbacks = saved.get("callbacks", []), of(model).arrays.pop(CALLBACKS, [])
        keras_state.check(*callbacks)
        entry = cls(Position.from_json(saved), saved.get("optimizer", ""), callbacks, [own], is_own, saved)
        entry.random_states()
        return entry

    @contextmanager
    def in_memory(self, model: Any) -> Iterator[None]:
        """Keep the entry in the model's memory while a file is written."""
        entry = {**self.position.to_json(), "sealed": True, "optimizer": self.optimizer, "callbacks": self.callbacks[0]}
        put(model, entry, self.own)
        memory(model)[KEY] = entry
        of(model).arrays[CALLBACKS] = self.callbacks[1]
        try:
            yield
        finally:
            forget(model)
            drop(model)
            of(model).arrays.pop(CALLBACKS, None)

    @property
    def seeds(self) -> Arrays | None:
        """The seeds of layers for this process; None of a backup of before, which has none.

        On torch every process has seeds of its own, and those of the first one are not for another.
        """
        is_there = "seeds" in self.own[0].entry and (self.is_own or keras.config.backend() != "torch")
        return self.own[0].seeds if is_there else None

    @property
    def metrics(self) -> list[Arrays]:
        """The parts of each metric's variables."""
        return self.own[0].metrics

    def random_states(self) -> list[RandomStates]:
        """Those at the start of the epoch, which draw the order of its data once more, and those of the backup.

        Raises:
            ValueError: they are damaged.
        """
        own = self.own[0].entry
        found = [RandomStates(own[name]) for name in ("random_of_epoch", "random") if name in own]
        return found if self.is_own else []
