"""Values of a variable after each batch, fetched later, so that training does not wait for the device."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import keras
from keras import ops

from keras_lr.core.evaluation import tensorflow_read
from keras_lr.optimizers.lookup import read_float

TOGETHER = 256
"""Values that are fetched together."""


class Snapshots:
    """The values of one optimizer variable after each batch, recorded without waiting for the device.

    During an epoch on JAX, the current values are not in the variables, and the next step reuses
    their memory. So a snapshot is a small copy that is queued behind the step. Reading the variable
    would stop the queue (a step of a small MLP would take three times as long). `numbers` fetches
    many values together, since each fetch waits for the device.
    """

    def __init__(self, model: Any, variable: keras.Variable) -> None:
        self._model = model
        self._variable = variable
        self._taken: list[Any] = []
        self._take = getattr(self, f"_take_{keras.config.backend()}")
        self._index: int | None = None

    def take(self) -> None:
        self._taken.append(self.now())

    def now(self) -> Any:
        """The current value as an array of the backend, without waiting for it."""
        return self._take()

    def numbers(self) -> list[float]:
        """All values that were taken."""
        rest = len(self._taken) - len(self._taken) % TOGETHER
        blocks = [self._taken[first : first + TOGETHER] for first in range(0, rest, TOGETHER)]
        together = [float(number) for block in blocks for number in ops.convert_to_numpy(_stacked(block)).tolist()]
        return together + [read_float(value) for value in self._taken[rest:]]

    def last(self, before: int) -> int:
        """The last recorded value, a whole number; `before` if there is none."""
        return int(read_float(self._taken[-1])) if self._taken else before

    def _take_tensorflow(self) -> Any:
        # No copy is needed: as long as a tensor shares the variable's memory, TensorFlow writes to new memory.
        variable = self._variable.value
        read = tensorflow_read(variable)
        # A variable that is mirrored over devices is returned as it is.
        return sys.modules["tensorflow"].convert_to_tensor(read) if read is variable else read

    def _take_torch(self) -> Any:
        return self._variable.value.detach().clone()

    def _take_jax(self) -> Any:
        # After a batch this is the state that its step returned, even if a callback has assigned to a variable since.
        state = getattr(self._model, "_jax_state", None)
        if not state:
            return _jax_copy()(self._variable.value)
        if self._index is None:
            known = [id(variable) for variable in self._model.optimizer.variables]
            self._index = known.index(id(self._variable))
        return _jax_copy()(state["optimizer_variables"][self._index])


def _stacked(values: list[Any]) -> Any:
    """An array of scalars; on JAX by a compiled function, since `ops.stack` compiles and runs an operation for each."""
    return _jax_stack()(values) if keras.config.backend() == "jax" else ops.stack(values)


@cache
def _jax_stack() -> Callable[[list[Any]], Any]:
    jax = sys.modules["jax"]
    made: Callable[[list[Any]], Any] = jax.jit(jax.numpy.stack)
    return made


@cache
def _jax_copy() -> Callable[[Any], Any]:
    """A function that copies a JAX array: in 9 µs, where `jax.numpy.copy` takes 80."""
    made: Callable[[Any], Any] = sys.modules["jax"].jit(lambda value: value + 0)
    return made
