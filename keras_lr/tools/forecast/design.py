"""The schedule with the lowest final loss by a law: of a given family, or of free shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np

from keras_lr.core.algebra import Schedule
from keras_lr.core.fields import POSITIVE, OrNone
from keras_lr.core.refusals import check, refuse
from keras_lr.core.warning import warn_user
from keras_lr.schedules.decay import CosineDecay, ExponentialDecay, LinearDecay, PolynomialDecay
from keras_lr.schedules.recipes import WarmupStableDecay
from keras_lr.schedules.shaped import REXDecay
from keras_lr.schedules.stepwise import PiecewiseInterpolation
from keras_lr.schedules.warmup import Warmup
from keras_lr.tools.forecast.fitted import FittedRun
from keras_lr.tools.forecast.laws import Law
from keras_lr.tools.forecast.sums import Floats, sums_of_line

CORNERS = (0.0, 0.35, 0.6, 0.75, 0.85, 0.92, 0.97, 1.0)
"""Positions of the corners of a free schedule, as fractions of the steps after the warmup."""

LEAST = 10 * len(CORNERS)
"""Smallest number of steps after the warmup for a design."""

LINE = 600
"""Corners of the polygonal line from which the final loss of a schedule is computed."""

DIGITS = 4


@dataclass(frozen=True, eq=False)
class Plan:
    """What a schedule is designed for: the law, the length and the warmup in steps, and what rates were seen.

    `steepest_fall` is the steepest fall of the rate that the law is trusted with (see `FittedRun`).
    """

    law: Law
    parameters: Floats
    total: int
    warmup: int
    lowest: float
    peaks: tuple[float, float]
    steepest_fall: float

    @property
    def steps(self) -> int:
        """Steps after the warmup."""
        return self.total - self.warmup

    def final_loss(self, schedule: Schedule) -> float:
        """The loss after the last step of a schedule, which is given without its warmup."""
        near = np.geomspace(1, self.steps, LINE // 3)
        steps = np.unique(np.concatenate([np.linspace(0, self.steps - 1, LINE), self.steps - near]).astype(np.int64))
        rates = schedule.values(steps)
        rise = np.linspace(0.0, rates[0], self.warmup, endpoint=False) if self.warmup else rates[:0]
        line = sums_of_line(
            np.concatenate([np.arange(len(rise)), steps + self.warmup]).astype(np.float64),
            np.concatenate([rise, rates]),
        )
        return float(self.law.loss(self.parameters, line)[0])

    def rate(self, part: float, peak: float) -> float:
        """A rate between the lowest one that was seen and the peak, on a log scale if the lowest one is above 0."""
        low = min(max(self.lowest, 1e-4 * peak), peak)
        rate = low * (peak / low) ** part
        return self.lowest if part <= 0.0 and self.lowest < low else rounded(rate)

    def decay_steps(self, part: float, peak: float, end: float) -> int:
        """Steps of a straight fall to a rate: a part of all of them, and at least so many that it is not too steep."""
        least = math.ceil(self.steps * (1.0 - end / peak) / self.steepest_fall - 1e-6)
        return min(max(int(part * self.steps), least, 1), self.steps)


def plan_of(law: Law, parameters: Floats, total: int, warmup: int, runs: tuple[FittedRun, ...]) -> Plan:
    """The plan for a law that was fitted to runs."""
    lowest, peaks = min(run.lowest_rate for run in runs), [run.highest_rate for run in runs]
    steepest = math.inf if law.is_for_steep_falls else max(run.steepest_fall for run in runs)
    return Plan(law, parameters, total, warmup, lowest, (min(peaks), max(peaks)), steepest)


def rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


Maker = Callable[[Plan, float, Any], Schedule]
"""A function that makes a schedule of a family, without its warmup, from its highest rate and numbers in [0, 1]."""

FAMILIES: dict[type[Schedule], tuple[int, Maker]] = {
    LinearDecay: (1, lambda plan, peak, u: LinearDecay(peak, plan.steps, plan.rate(u[0], peak))),
    CosineDecay: (1, lambda plan, peak, u: CosineDecay(peak, plan.steps, rounded(plan.rate(u[0], peak) / peak))),
    PolynomialDecay: (
        2,
        lambda plan, peak, u: PolynomialDecay(peak, plan.steps, plan.rate(u[0], peak), rounded(0.25 * 16.0 ** u[1])),
    ),
    ExponentialDecay: (
        1,
        lambda plan, peak, u: ExponentialDecay(peak, plan.steps, max(rounded(plan.rate(u[0], peak) / peak), 1e-4)),
    ),
    REXDecay: (1, lambda plan, peak, u: REXDecay(peak, plan.steps, plan.rate(u[0], peak))),
    WarmupStableDecay: (
        2,
        lambda plan, peak, u: WarmupStableDecay(
            peak, plan.steps, 0, plan.decay_steps(u[1], peak, plan.rate(u[0], peak)), plan.rate(u[0], peak)
        ),
    ),
}


def free(plan: Plan, peak: float, falls: Any) -> Schedule:
    """A falling line through the corners; each number is the part that a corner keeps of the rate before it.

    Where that is too steep, the line falls as steeply as the law is trusted with.
    """
    lowest = plan.lowest
    rates = [peak]
    for part, span in zip(falls, np.diff(CORNERS), strict=True):
        wanted = lowest + (rates[-1] - lowest) * min(max(float(part), 0.0), 1.0)
        rates.append(rounded(max(wanted, rates[-1] - plan.steepest_fall * float(span) * peak)))
    places = [round(part * (plan.steps - 1)) for part in CORNERS]
    return PiecewiseInterpolation(places, rates)


def best(plan: Plan, peak: SupportsFloat | None, family: type[Schedule] | None) -> Schedule:
    """The best schedule of a family, or a free one.

    Raises:
        TypeError, ValueError: an argument is not allowed.
    """
    low, high = plan.peaks
    given = check(OrNone(POSITIVE), "best", "peak", peak)
    if given is not None and not plan.lowest <= given <= high:
        warn_user(
            f"Forecast.best: the peak {given:.4g} is outside of the rates from {plan.lowest:.4g} to {high:.4g} to "
            "which the law was fitted"
        )
    if family is not None and not (isinstance(family, type) and family in FAMILIES):
        allowed = ", ".join(kind.__name__ for kind in FAMILIES)
        refuse("best", "family", f"None or one of {allowed}", family, TypeError)
    count, make = (len(CORNERS) - 1, free) if family is None else FAMILIES[family]
    peaks = [given] if given is not None else sorted({rounded(rate) for rate in np.geomspace(low, high, 7)})
    found = min((_best_of(plan, rate, count, make) for rate in peaks), key=lambda it: it[0])[1]
    if not plan.warmup:
        return found
    if isinstance(found, WarmupStableDecay):
        return WarmupStableDecay(
            found.learning_rate, plan.total, plan.warmup, found.decay_steps, found.end_learning_rate
        )
    return Warmup(found, plan.warmup)


def _best_of(plan: Plan, peak: float, count: int, make: Maker) -> tuple[float, Schedule]:
    """The lowest final loss for a peak rate, and its schedule."""
    from scipy.optimize import minimize

    def loss(numbers: Floats) -> float:
        return plan.final_loss(make(plan, peak, np.clip(numbers, 0.0, 1.0)))

    ends = []
    for start in (0.2, 0.5, 0.9):
        done = minimize(
            loss,
            np.full(count, start),
            method="Nelder-Mead",
            bounds=[(0.0, 1.0)] * count,
            options={"maxfev": 150 * count, "xatol": 1e-3, "fatol": 1e-7, "initial_simplex": _simplex(start, count)},
        )
        ends.append((float(done.fun), np.clip(done.x, 0.0, 1.0)))
    lowest, numbers = min(ends, key=lambda end: end[0])
    return lowest, make(plan, peak, numbers)


def _simplex(start: float, count: int) -> Floats:
    corner = np.full(count, start)
    away = 0.4 if start < 0.6 else -0.4
    return np.vstack([corner, corner + away * np.eye(count)])
