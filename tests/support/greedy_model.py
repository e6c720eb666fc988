"""An independent GreedyLR in plain Python, written from the paper (arXiv 2512.14527, A.4, algorithms 2 and 3).

The paper and the package have counters. This model stores the whole history and looks back over it, and must not share
bookkeeping with the package. The paper leaves open what happens with metrics that are not finite. That is taken from
the documentation of `GreedyLearningRate`. The reset of the rate is that of the authors' code in transformers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Epoch:
    """One evaluated epoch."""

    metric: float
    is_good: bool
    change: str = ""  # "raise" or "reduce"


@dataclass
class GreedyModel:
    """The algorithm for a number. `epoch(metric, rate)` returns the next rate."""

    factor: float
    patience: int
    mode: str
    min_delta: float
    threshold_mode: str
    cooldown: int
    warmup: int
    min_lr: float
    max_lr: float
    window: int | None
    reset_start: int | None
    on_nan: str
    eps: float = 1e-8
    initial: float | None = None
    history: list[Epoch] = field(default_factory=list)
    raises: int = 0
    reductions: int = 0
    at_bottom: int = 0
    resets: int = 0

    def epoch(self, metric: float, rate: float) -> float:
        self.initial = rate if self.initial is None else self.initial
        finite = math.isfinite(metric)
        if not finite and self.on_nan == "ignore":
            return rate
        value = self.smoothed(metric) if finite else metric
        now = Epoch(metric, finite and self.is_better(value))
        now.value = value
        at_once = not finite and self.on_nan == "reduce" and not self.is_quiet("reduce", self.cooldown)
        self.history.append(now)
        # "if num_bad_epochs > patience", "if num_good_epochs > patience". An epoch is either good or bad.
        if self.in_a_row(False) > self.patience or at_once:
            now.change = "reduce"
            return self.reduced(rate)
        if self.in_a_row(True) > self.patience:
            now.change = "raise"
            self.at_bottom = 0
            higher = min(rate / self.factor, max(rate, self.max_lr))
            self.raises += higher - rate > self.eps
            return higher if higher - rate > self.eps else rate
        return rate

    def reduced(self, rate: float) -> float:
        lower = max(rate * self.factor, min(rate, self.min_lr))
        if lower <= self.min_lr * (1 + 1e-6):
            self.at_bottom += 1
        if self.reset_start is not None and self.at_bottom >= self.reset_start:
            self.history, self.at_bottom = [], 0
            self.resets += 1
            return self.initial
        self.reductions += rate - lower > self.eps
        return lower if rate - lower > self.eps else rate

    def smoothed(self, metric: float) -> float:
        """The mean of the last `window` finite metrics, including this one."""
        if self.window is None:
            return metric
        last = [*(epoch.metric for epoch in self.history if math.isfinite(epoch.metric)), metric][-self.window :]
        return math.fsum(last) / len(last)

    def is_better(self, value: float) -> bool:
        good = [epoch.value for epoch in self.history if epoch.is_good]
        if not good:
            return True
        margin = self.min_delta * (abs(good[-1]) if self.threshold_mode == "rel" else 1.0)
        return value < good[-1] - margin if self.mode == "min" else value > good[-1] + margin

    def is_quiet(self, change: str, length: int, place: int | None = None) -> bool:
        """Whether an epoch, by default the next one, is among the first `length` after the last such change."""
        place = len(self.history) if place is None else place
        before = [number for number in range(place) if self.history[number].change == change]
        return bool(before) and place - before[-1] <= length

    def in_a_row(self, good: bool) -> int:
        """The number of good or bad epochs in a row at the end, without quiet ones."""
        change, length = ("raise", self.warmup) if good else ("reduce", self.cooldown)
        count = 0
        for place in range(len(self.history) - 1, -1, -1):
            epoch = self.history[place]
            if epoch.is_good != good or epoch.change == change or self.is_quiet(change, length, place):
                break
            count += 1
        return count
