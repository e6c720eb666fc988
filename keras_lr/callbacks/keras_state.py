"""The state of Keras's own callbacks. Keras does not save it, but a backup contains it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr.core.refusals import shown

FIELDS: dict[type, tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("best", "wait", "stopped_epoch", "best_epoch"),
    keras.callbacks.ModelCheckpoint: ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
}
"""The attributes in which each of these callbacks stores its state."""

WEIGHTS = "best_weights"
Arrays = list[NDArray[Any]]


def capture(callbacks: list[Any]) -> tuple[list[dict[str, Any]], Arrays]:
    """The states of callbacks in list order, as JSON values, and the best weights of all of them."""
    entries, arrays = [], []
    for kind, callback in _known(callbacks):
        weights = getattr(callback, WEIGHTS, None) or []
        numbers = {name: _number(getattr(callback, name, None)) for name in FIELDS[kind]}
        entries.append({"class": kind.__name__, **_names(callback), "state": numbers, "weights": len(weights)})
        arrays += [np.asarray(array) for array in weights]
    return entries, arrays


def check(entries: Any, arrays: Arrays) -> None:
    """Refuse values that `capture` would not return.

    Raises:
        ValueError: the states are not valid.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("its states of callbacks are not valid")
    counts = [entry.get("weights") for entry in entries]
    if not all(type(count) is int and count >= 0 for count in counts) or sum(counts) != len(arrays):
        raise ValueError("its states of callbacks do not match its weights")
    for entry in entries:
        state = entry.get("state")
        if not isinstance(state, dict):
            raise ValueError("a state of its callbacks is missing")
        for name, value in state.items():
            if value is not None and type(value) not in (int, float):
                raise ValueError(f"`{name}` of {shown(entry.get('class'))} is {shown(value)}")


def restore(callbacks: list[Any], entries: list[dict[str, Any]], arrays: Arrays) -> None:
    """Restore the states of callbacks. Each callback gets the first unused entry of its class, metric and file.

    The entries must have passed `check`.
    """
    left = []
    for entry in entries:
        count = entry["weights"]
        left.append((entry, arrays[:count]))
        arrays = arrays[count:]
    for kind, callback in _known(callbacks):
        wanted = {"class": kind.__name__, **_names(callback)}
        found = next((it for it in left if {name: it[0].get(name) for name in wanted} == wanted), None)
        if found is None:
            continue
        left.remove(found)
        entry, weights = found
        for name in FIELDS[kind]:
            setattr(callback, name, entry["state"].get(name))
        if weights:
            setattr(callback, WEIGHTS, weights)


def has_stopped(entries: list[dict[str, Any]], epochs: int) -> bool:
    """Whether an `EarlyStopping` stopped the training after this number of epochs."""
    return any(entry["state"].get("stopped_epoch") == epochs - 1 > 0 for entry in entries)


def _known(callbacks: list[Any]) -> list[tuple[type, Any]]:
    return [(kind, callback) for callback in callbacks for kind in FIELDS if isinstance(callback, kind)]


def _names(callback: Any) -> dict[str, Any]:
    """The attributes that distinguish callbacks of one class."""
    return {
        name: str(value) for name in ("monitor", "filepath") if (value := getattr(callback, name, None)) is not None
    }


def _number(value: Any) -> float | int | None:
    if value is None or type(value) in (int, float):
        return value  # type: ignore[no-any-return]
    return float(keras.ops.convert_to_numpy(value))
