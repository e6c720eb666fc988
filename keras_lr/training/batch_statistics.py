"""Means and variances of the inputs of batch normalizations, collected in a forward pass and combined."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

Rows = tuple[Any, Any, Any]
"""Means and variances (rows × channels), and the number of values in each row (rows)."""

Statistics = tuple[NDArray[np.float64], NDArray[np.float64]]


@contextmanager
def collecting(layers: Sequence[Any]) -> Iterator[Callable[[], dict[str, Rows]]]:
    """Collect the statistics of each batch that the layers normalize, while a step is traced or runs.

    A layer that uses its moving statistics, because it is frozen or called with ``training=False``, adds nothing. A
    layer that the model calls several times adds a row for each call.

    Yields:
        A function that returns the rows so far, by the index of the layer.
    """
    # TensorFlow's distribution strategies trace each replica in its own thread, in turns.
    thread = threading.get_ident()
    found = [vars(layer).setdefault("_moments", _Noting(layer)).begin(thread) for layer in layers]
    try:
        yield lambda: {str(place): _stacked(rows) for place, rows in enumerate(found) if rows}
    finally:
        for layer in layers:
            if vars(layer)["_moments"].end(thread):
                vars(layer).pop("_moments")


class _Noting:
    """The layer's own method, which also records its results, separately for each thread."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._moments = layer._moments
        self._rows: dict[int, list[Rows]] = {}

    def begin(self, thread: int) -> list[Rows]:
        return self._rows.setdefault(thread, [])

    def end(self, thread: int) -> bool:
        """End recording in a thread. Returns whether no other thread is recording."""
        self._rows.pop(thread, None)
        return not self._rows

    def __call__(self, inputs: Any, mask: Any) -> Any:
        mean, variance = self._moments(inputs, mask)
        rows = self._rows.get(threading.get_ident())
        if rows is not None:
            count = _count(self._layer, inputs, mask)
            rows.append((ops.reshape(mean, (1, -1)), ops.reshape(variance, (1, -1)), count))
        return mean, variance


def _count(layer: Any, inputs: Any, mask: Any) -> Any:
    """The number of values of each channel, without those that a mask excludes; one row."""
    if mask is None:
        ones = ops.ones_like(ops.take(inputs, ops.convert_to_tensor([0]), axis=layer.axis), dtype="float32")
    else:
        ones = ops.cast(mask, "float32")
    return ops.reshape(ops.sum(ones), (1,))


def _stacked(rows: list[Rows]) -> Rows:
    means, variances, counts = (ops.concatenate(parts, axis=0) for parts in zip(*rows, strict=True))
    return means, variances, counts


def together(rows: Rows) -> Statistics | None:
    """Mean and variance of all values in the rows; None if there are none.

    With N = Σ nᵢ: μ = Σ nᵢ μᵢ/N, and σ² = Σ nᵢ (σᵢ² + (μᵢ − μ)²)/N, which is E[x²] − E[x]² without its cancellation.
    """
    means, variances, counts = (np.asarray(part, np.float64) for part in rows)
    used = counts > 0.0
    if not used.any():
        return None
    means, variances, weights = means[used], variances[used], (counts[used] / counts.sum())[:, None]
    mean = (weights * means).sum(axis=0)
    return mean, (weights * (variances + (means - mean) ** 2)).sum(axis=0)


def assign(layer: Any, statistics: Statistics) -> None:
    """Set the moving statistics of a layer."""
    mean, variance = statistics
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    if layer.renorm:
        # Keras stores √(σ² + ε), and computes the moving variance from it.
        layer.moving_stddev.assign(np.sqrt(variance + layer.epsilon))
