"""An independent `ReduceOnPlateau` in plain Python, written only from its documentation.

Each rule quotes the sentence it comes from. It keeps the whole history and looks back over it, where
the package keeps counters, so that the two have no bookkeeping in common: keep it so.
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
    """The documented callback. `rate` is the optimizer's, or `schedule` a function of the step."""

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
        """`reset_on_train_begin`: "start afresh at every `fit`"; otherwise "the same callback goes on"."""
        if self.reset_on_train_begin:
            self.history = []
            self.reductions = 0

    def epoch(self, metric: float | None, last_step: int, rate: float) -> float:
        """An epoch that ends before `last_step`, with the rate of that step. Returns the rate afterwards."""
        # "steps during which nothing is looked at": an epoch all of whose steps are among them.
        if metric is None or (self.start_after and last_step <= self.start_after):
            return rate
        # "what a metric does that is not finite": "ignore" is "not looked at".
        if not math.isfinite(metric) and self.on_nan == "ignore":
            return rate
        if not math.isfinite(metric) and self.on_nan == "stop":
            self.stopped = True
        now = Epoch(metric, self.kind(metric))
        self.history.append(now)
        due = self.bad_in_a_row() >= max(self.patience, 1)
        at_once = now.kind == "bad" and not math.isfinite(metric) and self.on_nan == "reduce"
        # "min_lr: rate below which nothing is reduced."
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
        """ "its metric passes `best` by more than the threshold"; "the first finite metric improves"."""
        if not math.isfinite(metric):
            return False
        best = self.best()
        if best is None:
            return True
        threshold = self.min_delta * abs(best) if self.threshold_mode == "rel" else self.min_delta
        gain = Fraction(best) - Fraction(metric)  # not in floats, in which 0.25 − (−1e-21) is 0.25
        return (gain if self.mode == "min" else -gain) > threshold

    def best(self) -> float | None:
        """The last metric that improved; "with a `window` of w, that of the last w finite metrics"."""
        if self.window is None:
            return next((epoch.metric for epoch in reversed(self.history) if epoch.kind == "good"), None)
        finite = [epoch.metric for epoch in self.history if math.isfinite(epoch.metric)][-self.window :]
        return None if not finite else min(finite) if self.mode == "min" else max(finite)

    def since_reduction(self) -> list[Epoch]:
        """The epochs after the last reduction; all where there was none."""
        last = max((i for i, epoch in enumerate(self.history) if epoch.reduced), default=-1)
        return self.history[last + 1 :]

    def quiet_left(self) -> int:
        """ "a cooldown of n is n quiet epochs"."""
        reduced = any(epoch.reduced for epoch in self.history)
        return max(self.cooldown - len(self.since_reduction()), 0) if reduced else 0

    def bad_in_a_row(self) -> int:
        """ "bad epochs since the best, the last reduction or the last quiet epoch"."""
        count = 0
        for epoch in reversed(self.since_reduction()):
            if epoch.kind != "bad":
                break
            count += 1
        return count
