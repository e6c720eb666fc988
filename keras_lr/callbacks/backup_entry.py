"""The part of a backup that other files of weights do not have."""

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
    """What a backup contains in addition to the weights and the optimizer.

    Attributes:
        position: the epoch and the batch of the training at which it was made.
        optimizer: a description of the model's optimizer.
        callbacks: states of Keras's callbacks, as `keras_state.capture` returns them.
        own: the state of each process by itself. A loaded entry has only one of them.
        is_own: whether that one is the state of this process.
        saved: for a loaded entry, the dict in the model's memory.
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
        """The entry for the current state of the training.

        Args:
            model: the model that is trained.
            position: the current epoch and batch.
            optimizer: a description of the model's optimizer.
            callbacks: the other callbacks of the training.
            random_of_epoch: the random states at the start of the epoch.
        """
        own = processes.from_all(OwnState.capture(model, random_of_epoch if position.batch else None))
        return cls(position, optimizer, keras_state.capture(callbacks), own)

    @classmethod
    def of_loaded(cls, model: Any) -> BackupEntry:
        """The entry of the file from which the model was loaded.

        Raises:
            KeyError, ValueError: it is damaged.
        """
        saved = memory(model)[KEY]
        own, is_own = take(model, saved)
        callbacks = saved.get("callbacks", []), of(model).arrays.pop(CALLBACKS, [])
        keras_state.check(*callbacks)
        entry = cls(Position.from_json(saved), saved.get("optimizer", ""), callbacks, [own], is_own, saved)
        entry.random_states()  # raises if they are damaged
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
        """The seeds of layers for this process; None if the backup has none for it.

        A backup of an earlier version has no seeds. On torch every process has different seeds. There, a process must
        not get those of another one.
        """
        is_there = "seeds" in self.own[0].entry and (self.is_own or keras.config.backend() != "torch")
        return self.own[0].seeds if is_there else None

    @property
    def metrics(self) -> list[Arrays]:
        """The parts of each metric's variables."""
        return self.own[0].metrics

    def random_states(self) -> list[RandomStates]:
        """The random states at the start of the epoch, for the same order of its data, and those of the backup.

        Raises:
            ValueError: they are damaged.
        """
        own = self.own[0].entry
        found = [RandomStates(own[name]) for name in ("random_of_epoch", "random") if name in own]
        return found if self.is_own else []
