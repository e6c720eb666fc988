"""What differs between the processes of a training: seeds of layers, sums of metrics, and random states.

The processes of `torch.distributed` have the same weights. But each has a different Dropout and a different part of
the data. The first process writes the backup, which contains the state of every process.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr.training import processes
from keras_lr.training.position import KEY
from keras_lr.training.random_state import capture as capture_random
from keras_lr.training.saved_state import of
from keras_lr.training.snapshot import host_copy, seeds_of

Arrays = list[NDArray[Any]]
OTHERS = f"{KEY} of process "
"""Prefix of the keys for arrays of the other processes; their index follows."""


class OwnState(NamedTuple):
    """The state of one process.

    Attributes:
        entry: JSON values: random states, and the number of arrays of each kind.
        arrays: seeds, then metrics.
    """

    entry: dict[str, Any]
    arrays: Arrays

    @classmethod
    def capture(cls, model: Any, random_of_epoch: dict[str, Any] | None) -> OwnState:
        """The state of this process. Metrics are included only within an epoch, when `random_of_epoch` is given."""
        seeds = [host_copy(seed) for seed in seeds_of(model)]
        entry: dict[str, Any] = {"seeds": len(seeds), "random": capture_random()}
        if random_of_epoch is None:
            return cls(entry, seeds)
        metrics = [parts_of(variable) for variable in model.metrics_variables]
        entry |= {"random_of_epoch": random_of_epoch, "parts": [len(parts) for parts in metrics]}
        return cls(entry, [*seeds, *(part for parts in metrics for part in parts)])

    @property
    def seeds(self) -> Arrays:
        return self.arrays[: self.entry.get("seeds", 0)]  # an older backup has none

    @property
    def metrics(self) -> list[Arrays]:
        """The variables of the metrics, each in parts."""
        left = self.arrays[self.entry.get("seeds", 0) :]
        parts = self.entry.get("parts", [1] * len(left))
        ends = np.cumsum(parts)
        return [left[end - size : end] for size, end in zip(parts, ends, strict=True)]


def put(model: Any, entry: dict[str, Any], states: list[OwnState]) -> None:
    """Add the states of all processes to the entry of a backup, and their arrays to the model's."""
    first, *rest = states
    entry |= first.entry
    arrays = of(model).arrays
    arrays[KEY] = first.arrays
    if rest:
        entry["processes"] = [state.entry for state in rest]
        arrays |= {f"{OTHERS}{number}": state.arrays for number, state in enumerate(rest, 1)}


def take(model: Any, entry: dict[str, Any]) -> tuple[OwnState, bool]:
    """The state of this process in a loaded backup, and whether it is its own.

    After a training with another number of processes, every process gets the state of the first one.
    """
    arrays, others, rank = of(model).arrays, entry.get("processes", []), processes.rank()
    state = OwnState(entry, arrays.pop(KEY, []))
    is_own = processes.is_chief()
    if len(others) + 1 == processes.with_own_variables() > 1 and not is_own:
        state, is_own = OwnState(others[rank - 1], arrays.get(f"{OTHERS}{rank}", [])), True
    drop(model)
    return state, is_own


def drop(model: Any) -> None:
    """Remove the arrays of other processes from the model's."""
    arrays = of(model).arrays
    for key in [key for key in arrays if key.startswith(OTHERS)]:
        del arrays[key]


def parts_of(variable: Any) -> Arrays:
    """The value of a variable, or the values of its replicas if each holds a part of a sum."""
    return [np.array(part, copy=True) for part in _replicas(variable)] or [host_copy(variable)]


def assign_parts(variable: Any, parts: Arrays) -> None:
    """Assign the parts from `parts_of` to a variable. With another number of replicas, their sum is assigned."""
    replicas = _replicas(variable)
    if len(replicas) == len(parts):
        # TensorFlow would give every replica the same share, whose sum may differ in the last bit.
        for replica, part in zip(replicas, parts, strict=True):
            replica.assign(part)
    else:
        variable.assign(sum(parts[1:], start=parts[0]))


def _replicas(variable: Any) -> list[Any]:
    """The variables of TensorFlow's replicas that are summed when it is read; empty for other variables."""
    if keras.config.backend() != "tensorflow":
        return []
    tensorflow, value = sys.modules["tensorflow"], variable.value
    is_summed = getattr(value, "synchronization", None) == tensorflow.VariableSynchronization.ON_READ
    return list(value.values) if is_summed and isinstance(value, tensorflow.distribute.DistributedValues) else []
