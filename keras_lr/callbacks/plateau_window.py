"""The mean of a metric over windows of several batches."""

from __future__ import annotations

import math
from typing import Any

from keras_lr.callbacks.metric_rule import is_finite
from keras_lr.callbacks.metrics import named_metrics
from keras_lr.core.keras_versions import last_batch
from keras_lr.core.refusals import refuse
from keras_lr.optimizers import lookup

NOTHING = (0, 0.0, 0.0)
"""An empty window: number of batches, sum and weight of the metric."""


def unfinished_window(owner: str, value: Any) -> tuple[int, float, float]:
    """An incomplete window from a saved state."""
    if not (isinstance(value, list | tuple) and len(value) == 3 and all(map(is_finite, value)) and value[0] >= 0):
        refuse(owner, "unfinished", "three numbers in the saved state", value)
    return int(value[0]), float(value[1]), float(value[2])


class WindowMean:
    """The mean of a metric over windows of batches, from the sums that Keras keeps for its epoch means."""

    def __init__(self, owner: str, model: Any, monitor: str, every: int, unfinished: tuple[int, float, float]) -> None:
        self._owner = owner
        self._model = model
        self._monitor = monitor
        self._every = every
        # Found after the first batch, since on TensorFlow it does not exist before.
        self._metric: Any = None
        # The sums of this window in earlier epochs, and the sums of this epoch at its start.
        self._batches, *before = unfinished
        self._before = (before[0], before[1])
        self.begin_epoch()

    def begin_epoch(self) -> None:
        self._start = (0.0, 0.0)
        self._last_batch = -1
        self._is_over = False

    def end_epoch(self) -> None:
        """Record the sums of the epoch. To be called at its end, and before a validation resets them."""
        self._before, self._is_over = self._so_far(), True

    def unfinished(self) -> tuple[int, float, float]:
        """The incomplete window, to continue it after a resume."""
        return (self._batches, *self._so_far())

    def _so_far(self) -> tuple[float, float]:
        """Sum and weight of the metric in this window."""
        if self._is_over:
            return self._before
        total, count = self._sums()
        return self._before[0] + total - self._start[0], self._before[1] + count - self._start[1]

    def before_batch(self, batch: int) -> None:
        """Begin within the epoch, at a backup. The sums up to there come from before the resume."""
        if batch == self._last_batch + 1:
            return
        if self._metric is None:
            self._metric = self._find()
        self._start, self._last_batch = self._sums(), batch - 1

    def after_batch(self, batch: int) -> float | None:
        """The mean if a window is complete, otherwise None.

        Raises:
            ValueError: after the first batch, if the metric does not exist or is not a mean.
        """
        if self._metric is None:
            self._metric = self._find()
        last = last_batch(self._model, batch)
        self._batches += last - self._last_batch
        self._last_batch = last
        if self._batches < self._every:
            return None
        self._batches = 0
        total, weight = self._so_far()
        self._before, self._start = (0.0, 0.0), self._sums()
        return total / weight if weight else math.nan

    def _find(self) -> Any:
        metric = named_metrics(self._model).get(self._monitor)
        if not (hasattr(metric, "total") and hasattr(metric, "count")):
            raise ValueError(
                f"{self._owner}: with `every` in batches the metric must be a mean over the training data, such as "
                f"'loss', got '{self._monitor}'"
            )
        return metric

    def _sums(self) -> tuple[float, float]:
        """Sum and weight of the metric in this epoch so far."""
        if self._metric is None:
            return 0.0, 0.0
        lookup.sync(self._model)
        return lookup.read_float(self._metric.total), lookup.read_float(self._metric.count)
