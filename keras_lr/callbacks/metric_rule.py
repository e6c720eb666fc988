"""Improvements of a metric, for the rules of all callbacks that change the rate by a metric."""

from __future__ import annotations

import math


class MetricRule:
    """A rule that compares a metric with the best one so far.

    Attributes:
        direction: "min" or "max".
        min_delta: an improvement must be larger than this.
        threshold_mode: "abs" for `min_delta` itself, "rel" for `min_delta` · |best|.
        rtol: `rtol` · |best| is added to the threshold.
    """

    direction: str
    min_delta: float
    threshold_mode: str
    rtol: float = 0.0

    def improves(self, metric: float, best: float | None) -> bool:
        """Whether `metric` is better than `best` by more than the threshold."""
        if not math.isfinite(metric):
            return False
        if best is None:
            return True
        margin = self.min_delta * abs(best) if self.threshold_mode == "rel" else self.min_delta
        margin += self.rtol * abs(best)
        return metric < best - margin if self.direction == "min" else metric > best + margin
