"""The weights of the best epoch, stored in memory and in the model's files, under the key of a callback."""

from __future__ import annotations

from typing import Any

from keras_lr.callbacks.metric_rule import is_finite
from keras_lr.core.refusals import refuse
from keras_lr.optimizers import lookup
from keras_lr.training.saved_state import memory, of


def metric_of_best(owner: str, model: Any, key: str) -> float | None:
    """The metric of the epoch whose weights are stored; None if there are none, or from an older version.

    Raises:
        ValueError: it is not a number. The error names the callback `owner`.
    """
    metric = memory(model).get(_entry(key), {}).get("metric")
    if metric is not None and not is_finite(metric):
        refuse(owner, "metric", "a number in the saved state of the best weights", metric)
    return None if metric is None else float(metric)


def keep(model: Any, key: str, metric: float) -> None:
    """Store the current weights as the best ones."""
    lookup.sync(model)
    of(model).arrays[key] = [array.copy() for array in model.get_weights()]
    memory(model)[_entry(key)] = {"metric": metric}


def restore(model: Any, key: str) -> None:
    """Restore the best weights, if there are any yet."""
    best = of(model).arrays.get(key)
    if best is not None:
        lookup.sync(model)
        model.set_weights(best)


def forget(model: Any, key: str) -> None:
    """Drop the best weights, because another training begins."""
    of(model).arrays.pop(key, None)
    memory(model).pop(_entry(key), None)


def _entry(key: str) -> str:
    """The key of the metric in the model's saved state. The arrays have the key of the callback."""
    return f"{key}/best_weights"
