"""The rule when to raise or lower the rate: a pure function of a state and a metric, without Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from keras_lr.callbacks.metric_rule import MetricRule
from keras_lr.core.fields import FLOAT32_MAX

UP, STAY, DOWN = 1, 0, -1


@dataclass(frozen=True)
class GreedyState:
    """The state of the rule.

    Attributes:
        best: the best metric so far, smoothed; None at the start.
        n_good: good epochs in a row that count.
        n_bad: bad epochs in a row that count.
        warmup_counter: remaining epochs in which good epochs do not count.
        cooldown_counter: remaining epochs in which bad epochs do not count.
        n_raises: number of raises so far.
        n_reductions: number of reductions so far.
        n_at_min: reductions in a row, without a raise between them, that left all rates at `min_lr`.
        recent: with a `window`, the last finite metrics.
        initial: the rates at the start.
    """

    LARGEST_SCALE: ClassVar[float] = FLOAT32_MAX
    """The largest scale of a schedule."""

    best: float | None = None
    n_good: int = 0
    n_bad: int = 0
    warmup_counter: int = 0
    cooldown_counter: int = 0
    n_raises: int = 0
    n_reductions: int = 0
    n_at_min: int = 0
    recent: tuple[float, ...] = ()
    initial: tuple[float, ...] = ()


@dataclass(frozen=True)
class GreedyRule(MetricRule):
    """When to raise and when to lower: the detailed algorithm of Subramanian et al. 2025, arXiv 2512.14527, A.4.

    An epoch is good if its metric, or the mean of the last `window` finite metrics, is better than ``best`` by more
    than the threshold: `min_delta` ("abs"), or `min_delta` · |best| ("rel"). The first finite metric is good. For
    `warmup` epochs after a raise good epochs do not count, and for `cooldown` epochs after a reduction bad epochs do
    not count. More than `patience` good epochs in a row lead to a raise, more than `patience` bad ones to a reduction.
    A metric that is not finite makes a bad epoch (`on_nan` "count", "stop"), is ignored ("ignore"), or leads to a
    reduction at once, unless bad epochs do not count ("reduce").
    """

    warmup: int = 0

    def observe(self, state: GreedyState, metric: float) -> tuple[GreedyState, int]:
        """The state after an epoch with this metric, and the decision: `UP`, `DOWN` or `STAY`."""
        finite = math.isfinite(metric)
        if not finite and self.on_nan == "ignore":
            return state, STAY
        if finite and self.window is not None:
            state = replace(state, recent=(*state.recent, metric)[-self.window :])
            metric = math.fsum(state.recent) / len(state.recent)
        if self.improves(metric, state.best):
            state = replace(state, best=metric, n_good=state.n_good + 1, n_bad=0)
        else:
            state = replace(state, n_good=0, n_bad=state.n_bad + 1)
        at_once = not finite and self.on_nan == "reduce" and not state.cooldown_counter
        if state.cooldown_counter:
            state = replace(state, n_bad=0, cooldown_counter=state.cooldown_counter - 1)
        if state.warmup_counter:
            state = replace(state, n_good=0, warmup_counter=state.warmup_counter - 1)
        if state.n_bad > self.patience or at_once:
            return replace(state, n_bad=0, cooldown_counter=self.cooldown), DOWN
        if state.n_good > self.patience:
            return replace(state, n_good=0, warmup_counter=self.warmup), UP
        return state, STAY
