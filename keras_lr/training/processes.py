"""Training in several processes: which one is the chief, and what it has decided.

torch's `torch.distributed` and JAX's `jax.distributed` start one process for each device or
machine, each with callbacks of its own. What one process decides from its own numbers, another
may not; so numbers that decide something come from the chief. TensorFlow's `MirroredStrategy`
and JAX's `DataParallel` on one machine have one process, and nothing to agree on.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import keras
import numpy as np


def is_chief() -> bool:
    """Whether this process writes files and decides: the first one."""
    return rank() == 0


def rank() -> int:
    """The number of this process, 0 where there is only one."""
    backend = keras.config.backend()
    if backend == "torch":
        distributed = _torch_distributed()
        return int(distributed.get_rank()) if distributed is not None else 0
    return int(sys.modules["jax"].process_index()) if backend == "jax" else 0


def count() -> int:
    """How many processes train together."""
    backend = keras.config.backend()
    if backend == "torch":
        distributed = _torch_distributed()
        return int(distributed.get_world_size()) if distributed is not None else 1
    return int(sys.modules["jax"].process_count()) if backend == "jax" else 1


def from_chief(number: float) -> float:
    """The chief's number, in every process. All of them must call this at the same point.

    The bits are sent, not the value: JAX would round a float64 to float32.
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
    """How many processes have variables of their own; on JAX all processes share them, which counts as 1."""
    return 1 if keras.config.backend() == "jax" else count()


def from_all(value: Any) -> list[Any]:
    """The value of each process that has variables of its own, in order. All of them must call this at the same point.

    On JAX the processes share their variables, and this is a list of one.
    """
    distributed = _torch_distributed() if with_own_variables() > 1 else None
    if distributed is None:
        return [value]
    values: list[Any] = [None] * with_own_variables()
    distributed.all_gather_object(values, value)
    return values


def _torch_distributed() -> Any:
    """`torch.distributed`, where a group of processes has been started."""
    distributed = sys.modules.get("torch.distributed")
    return (
        distributed if distributed is not None and distributed.is_available() and distributed.is_initialized() else None
    )
