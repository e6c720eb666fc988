"""Batches of inputs in a random order that does not change the random states of the process."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray


class Inputs(keras.utils.PyDataset):
    """Batches of arrays.

    Args:
        arrays: arrays with the same number of samples, in any structure.
        batch_size: samples in a batch; the last batch may be smaller.
        steps: largest number of batches; None for all.
        seed: seed of the order; None to keep the given order.
    """

    def __init__(self, arrays: Any, batch_size: int, steps: int | None, seed: int | None) -> None:
        super().__init__()
        self._arrays = tree.map_structure(_host, arrays)
        self._size = batch_size
        samples = _order(len(tree.flatten(self._arrays)[0]), seed)
        self._order = samples if steps is None else samples[: steps * batch_size]

    def __len__(self) -> int:
        return -(-len(self._order) // self._size)

    def __getitem__(self, index: int) -> Any:
        places = self._order[index * self._size : (index + 1) * self._size]
        return (tree.map_structure(lambda array: array[places], self._arrays),)


class Picked(keras.utils.PyDataset):
    """Some of the batches of another `PyDataset`, whose hooks are not called.

    Args:
        batches: the other `PyDataset`, of known length.
        steps: largest number of batches; None for all.
        seed: seed of the choice and the order; None for the first batches.
    """

    def __init__(self, batches: Any, steps: int | None, seed: int | None) -> None:
        super().__init__()
        self._batches = batches
        self._order = _order(batches.num_batches, seed)[:steps]

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> Any:
        return self._batches[int(self._order[index])]


def inputs(x: Any, batch_size: int | None, steps: int | None, seed: int | None) -> Any:
    """Data for `predict`: arrays and a `PyDataset` in random order, everything else unchanged."""
    if isinstance(x, keras.utils.PyDataset):
        return x if x.num_batches is None else Picked(x, steps, seed)
    parts = tree.flatten(x)
    if parts and all(hasattr(part, "shape") and not callable(part.shape) and hasattr(part, "dtype") for part in parts):
        return Inputs(x, batch_size or 32, steps, seed)
    return x


def _order(count: int, seed: int | None) -> NDArray[np.int64]:
    """The numbers below `count`, in a random order unless `seed` is None."""
    return np.arange(count) if seed is None else np.random.default_rng(seed).permutation(count)


def _host(array: Any) -> Any:
    """An array on the host that can be indexed by an array. NumPy arrays, also memory maps, are returned unchanged."""
    return array if isinstance(array, np.ndarray) else keras.ops.convert_to_numpy(array)
