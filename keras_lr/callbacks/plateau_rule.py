"""The rule when to reduce the rate: a pure function of a state and a metric, without Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from keras_lr.callbacks.metric_rule import MetricRule


@dataclass(frozen=True)
class PlateauState:
    """The state of the rule.

    Attributes:
        best: the best finite metric so far (with a `window`, of the last ones); None at the start.
        wait: bad epochs since the best, the last reduction or the last quiet epoch.
        cooldown_counter: remaining quiet epochs.
        n_reductions: number of reductions so far.
        recent: with a `window`, the last finite metrics.
    """

    LARGEST_SCALE: ClassVar[float] = 1.0
    """The largest scale of a schedule."""

    best: float | None = None
    wait: int = 0
    cooldown_counter: int = 0
    n_reductions: int = 0
    recent: tuple[float, ...] = ()


class PlateauRule(MetricRule):
    """When to reduce.

    An epoch improves if its metric is better than ``best`` by more than the threshold. The
    threshold is `min_delta` ("abs") or `min_delta` · |best| ("rel"), which is also correct for
    negative metrics, plus `rtol` · |best|, as in optax. The first finite metric improves; a metric
    that is not finite never does. With a `window` of w, ``best`` is the best of the last w finite
    metrics. An epoch that does not improve is bad, unless it is one of the `cooldown` quiet epochs
    after a reduction. The `patience`-th bad epoch in a row leads to a reduction. A metric that is
    not finite makes a bad epoch (`on_nan` "count", "stop"), is ignored ("ignore"), or leads to a
    reduction at once ("reduce").
    """

    def observe(self, state: PlateauState, metric: float) -> tuple[PlateauState, bool]:
        """The state after an epoch with this metric, and whether to reduce now."""
        finite = math.isfinite(metric)
        if not finite and self.on_nan == "ignore":
            return state, False
        quiet = state.cooldown_counter > 0
        if quiet:
            state = replace(state, cooldown_counter=state.cooldown_counter - 1, wait=0)
        improves = self.improves(metric, state.best)
        if finite and self.window is not None:
            recent = (*state.recent, metric)[-self.window :]
            state = replace(state, recent=recent, best=(min if self.direction == "min" else max)(recent))
        if improves:
            return replace(state, best=metric, wait=0), False
        if quiet:
            return state, False
        state = replace(state, wait=state.wait + 1)
        return state, state.wait >= self.patience or (not finite and self.on_nan == "reduce")

    def reduced(self, state: PlateauState) -> PlateauState:
        """The state after a reduction."""
        return replace(state, wait=0, cooldown_counter=self.cooldown, n_reductions=state.n_reductions + 1)
