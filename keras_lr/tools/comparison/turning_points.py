"""Steps at which a schedule may turn from rising to falling, or jump up.

For periodic ones, only the first from a given step on, since no later one is higher.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from keras_lr.core import algebra
from keras_lr.schedules import cyclical, decay, recipes, shaped, stepwise


def _never(schedule: Any, first: int) -> Iterable[float]:
    return ()


def _one_cycle(schedule: recipes.OneCycle, first: int) -> Iterable[int]:
    top = math.floor(max(schedule.pct_start * schedule.total_steps - 1.0, 0.0))
    return (top, top + 1, 2 * top, 2 * top + 1, 2 * top + 2, schedule.total_steps - 1)


def _restart(schedule: cyclical.CosineDecayRestarts, first: int) -> Iterable[float]:
    if schedule.t_mul == 1.0:
        return (following(first, 0, schedule.first_decay_steps),)
    starts = cyclical.restarts(schedule.first_decay_steps, schedule.t_mul)
    index = bisect_left(starts, first)
    return starts[index : index + 1]


def following(first: int, offset: float, period: float) -> float:
    """The first of the steps offset, offset + period, … from `first` on."""
    return first + (offset - first) % period


TURNS: dict[type, Callable[[Any, int], Iterable[float]]] = {
    algebra.Constant: _never,
    stepwise.StepDecay: _never,
    stepwise.MultiStepDecay: _never,
    stepwise.PiecewiseConstantDecay: lambda it, first: it.boundaries,
    stepwise.PiecewiseInterpolation: lambda it, first: it.boundaries,
    decay.ExponentialDecay: _never,
    decay.TimeBasedDecay: _never,
    decay.LinearDecay: _never,
    decay.PolynomialDecay: lambda it, first: (following(first, 1, it.decay_steps),) if it.cycle else (),
    decay.CosineDecay: lambda it, first: (it.warmup_steps,),
    shaped.REXDecay: _never,
    shaped.KDecay: _never,
    shaped.TanhDecay: _never,
    shaped.HyperbolicLR: _never,
    shaped.PowerLawDecay: _never,
    shaped.InverseSquareRootDecay: lambda it, first: (it.warmup_steps,),
    recipes.WarmupStableDecay: lambda it, first: (it.warmup_steps,),
    recipes.OneCycle: _one_cycle,
    cyclical.SinusoidalLearningRate: lambda it, first: (following(first, it.step_size, 2 * it.step_size),),
    cyclical.CosineDecayRestarts: _restart,
}
