"""An independent `ReduceOnPlateau` in plain Python, written only from its documentation.

Each rule quotes the docstring of `ReduceOnPlateau` or `PlateauRule` that it follows. The package has counters. This model stores the whole history and looks
back over it, and must not share bookkeeping with the package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class Epoch:
    """One evaluated epoch."""

    metric: float
    kind: str  # "good", "bad" or "quiet"
    reduced: bool = False


@dataclass
class PlateauModel:
    """The documented callback. `epoch(metric, last_step, rate)` returns the next rate."""

    factor: float
    patience: int
    mode: str
    min_delta: float
    threshold_mode: str
    cooldown: int
    min_lr: float
    start_after: int
    window: int | None
    on_nan: str
    reset_on_train_begin: bool = False
    history: list[Epoch] = field(default_factory=list)
    scale: float = 1.0
    reductions: int = 0
    stopped: bool = False

    def begin(self) -> None:
        """`reset_on_train_begin`: "drop the state at the start of every `fit`". Else "the same callback continues"."""
        if self.reset_on_train_begin:
            self.history = []
            self.reductions = 0

    def epoch(self, metric: float | None, last_step: int, rate: float) -> float:
        """Evaluate an epoch that ends before `last_step`. `rate` is the rate of that step."""
        # `start_after`: "steps … during which the metric is ignored". That is so if it includes all steps of the epoch.
        if metric is None or (self.start_after and last_step <= self.start_after):
            return rate
        # `on_nan`: "how to treat a metric that is not finite".
        if not math.isfinite(metric) and self.on_nan == "ignore":
            return rate
        if not math.isfinite(metric) and self.on_nan == "stop":
            self.stopped = True
        now = Epoch(metric, self.kind(metric))
        self.history.append(now)
        due = self.bad_in_a_row() >= max(self.patience, 1)
        at_once = now.kind == "bad" and not math.isfinite(metric) and self.on_nan == "reduce"
        # `min_lr`: "the lowest rate to which this callback reduces".
        if not (due or at_once) or rate <= self.min_lr * (1 + 1e-6):
            return rate
        now.reduced = True
        self.reductions += 1
        self.scale *= self.factor
        return max(rate * self.factor, self.min_lr)

    def kind(self, metric: float) -> str:
        """ "An epoch that does not improve is bad, unless it is one of the `cooldown` quiet epochs"."""
        if self.improves(metric):
            return "good"
        return "quiet" if self.quiet_left() else "bad"

    def improves(self, metric: float) -> bool:
        """ "its metric is better than ``best`` by more than the threshold", "The first finite metric improves"."""
        if not math.isfinite(metric):
            return False
        best = self.best()
        if best is None:
            return True
        threshold = self.min_delta * abs(best) if self.threshold_mode == "rel" else self.min_delta
        gain = Fraction(best) - Fraction(metric)  # with floats, 0.25 − (−1e-21) would be 0.25
        return (gain if self.mode == "min" else -gain) > threshold

    def best(self) -> float | None:
        """The last metric that improved. "With a `window` of w, ``best`` is the best of the last w finite metrics"."""
        if self.window is None:
            return next((epoch.metric for epoch in reversed(self.history) if epoch.kind == "good"), None)
        finite = [epoch.metric for epoch in self.history if math.isfinite(epoch.metric)][-self.window :]
        return None if not finite else min(finite) if self.mode == "min" else max(finite)

    def since_reduction(self) -> list[Epoch]:
        """The epochs after the last reduction, or all epochs if there was none."""
        last = max((i for i, epoch in enumerate(self.history) if epoch.reduced), default=-1)
        return self.history[last + 1 :]

    def quiet_left(self) -> int:
        """ "a cooldown of n is n quiet epochs"."""
        reduced = any(epoch.reduced for epoch in self.history)
        return max(self.cooldown - len(self.since_reduction()), 0) if reduced else 0

    def bad_in_a_row(self) -> int:
        """ "bad epoch in a row", since the best, the last reduction or the last quiet epoch."""
        count = 0
        for epoch in reversed(self.since_reduction()):
            if epoch.kind != "bad":
                break
            count += 1
        return count
