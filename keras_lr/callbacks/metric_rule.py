"""What the rules of all callbacks that change the rate by a metric have in common."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MetricRule:
    """A rule that compares a metric with the best one so far.

    Attributes:
        direction: "min" or "max".
        min_delta: an improvement must be larger than this.
        threshold_mode: "abs" for `min_delta` itself, "rel" for `min_delta` · |best|.
        rtol: `rtol` · |best| is added to the threshold.
        patience, cooldown, window, on_nan: arguments of the callback, which each rule uses in its own way.
    """

    direction: str
    patience: int
    min_delta: float
    threshold_mode: str
    cooldown: int
    window: int | None = None
    on_nan: str = "count"
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


def is_finite(number: Any) -> bool:
    """Whether a value from a file is a finite number."""
    return type(number) in (float, int) and abs(number) <= sys.float_info.max
