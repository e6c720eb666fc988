"""The weights of the best epoch, stored in memory and in the model's files."""

from __future__ import annotations

from typing import Any

from keras_lr.callbacks.metric_rule import is_finite
from keras_lr.core.refusals import refuse
from keras_lr.optimizers import lookup
from keras_lr.training.saved_state import memory, of


class BestWeights:
    """The weights of the best epoch so far, under the key of a callback.

    Args:
        owner: the callback, for errors.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner

    def metric(self, model: Any, key: str) -> float | None:
        """The metric of the epoch whose weights are stored; None if there are none, or from an older version."""
        metric = memory(model).get(_entry(key), {}).get("metric")
        if metric is not None and not is_finite(metric):
            refuse(self._owner, "metric", "a number in the saved state of the best weights", metric)
        return None if metric is None else float(metric)

    def keep(self, model: Any, key: str, metric: float) -> None:
        lookup.sync(model)
        of(model).arrays[key] = [array.copy() for array in model.get_weights()]
        memory(model)[_entry(key)] = {"metric": metric}

    def restore(self, model: Any, key: str) -> None:
        """Restore the best weights, if there are any yet."""
        best = of(model).arrays.get(key)
        if best is not None:
            lookup.sync(model)
            model.set_weights(best)

    def forget(self, model: Any, key: str) -> None:
        of(model).arrays.pop(key, None)
        memory(model).pop(_entry(key), None)


def _entry(key: str) -> str:
    """The key of the metric in the model's saved state. The arrays have the key of the callback."""
    return f"{key}/best_weights"
