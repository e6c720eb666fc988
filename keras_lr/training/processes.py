"""Training in several processes: which one is the chief, and how it shares its decisions.

`torch.distributed` and `jax.distributed` start one process for each device or machine, each with
its own callbacks. Processes could decide differently from their own numbers. So every number that
decides something comes from the chief. TensorFlow's `MirroredStrategy` and JAX's `DataParallel` on
one machine have only one process.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np


def is_chief() -> bool:
    """Whether this is the first process, which writes files and decides."""
    return rank() == 0


def let_chief_write(model: Any, write: Callable[[], object]) -> None:
    """Write a file of a model in the first process. On JAX, all other processes must read the variables as it does."""
    if is_chief():
        write()
    elif keras.config.backend() == "jax":
        with tempfile.TemporaryDirectory() as folder:
            model.save_weights(Path(folder) / "same.weights.h5")


def rank() -> int:
    """The index of this process; 0 if there is only one."""
    return _place()[0]


def count() -> int:
    """How many processes train together."""
    return _place()[1]


def _place() -> tuple[int, int]:
    """The index of this process, and the number of processes."""
    backend = keras.config.backend()
    if backend == "torch" and (distributed := _torch_distributed()) is not None:
        return int(distributed.get_rank()), int(distributed.get_world_size())
    if backend == "jax":
        jax = sys.modules["jax"]
        return int(jax.process_index()), int(jax.process_count())
    return 0, 1


def from_chief(number: float) -> float:
    """The chief's number, in every process. All of them must call this at the same point.

    Its bits are sent, since JAX would round a float64 value to float32.
    """
    backend = keras.config.backend()
    if count() == 1:
        return number
    if backend == "torch":
        box = [number]
        sys.modules["torch.distributed"].broadcast_object_list(box, src=0)
        return float(box[0])
    if backend == "jax":
        utilities = importlib.import_module("jax.experimental.multihost_utils")
        bits = np.frombuffer(np.float64(number).tobytes(), np.uint8)
        return float(np.frombuffer(np.asarray(utilities.broadcast_one_to_all(bits)).tobytes(), np.float64)[0])
    return number


def with_own_variables() -> int:
    """How many processes have their own variables. On JAX all processes share the variables, so it is 1."""
    return 1 if keras.config.backend() == "jax" else count()


def from_all(value: Any) -> list[Any]:
    """The value of each process with its own variables, in order. All of them must call this at the same point.

    On JAX the processes share the variables, and the list has one value.
    """
    distributed = _torch_distributed() if with_own_variables() > 1 else None
    if distributed is None:
        return [value]
    values: list[Any] = [None] * with_own_variables()
    distributed.all_gather_object(values, value)
    return values


def _torch_distributed() -> Any:
    """`torch.distributed` if a group of processes was started, otherwise None."""
    distributed = sys.modules.get("torch.distributed")
    return (
        distributed if distributed is not None and distributed.is_available() and distributed.is_initialized() else None
    )
