"""The sums over the rates of a run that the laws need: the area under the rates, and the list of their falls.

Both laws sum over every step k at which the rate fell (or rose) from η(k−1) to η(k). A run of a million steps has
up to a million of them, for each point at which the loss is computed. So neighbouring falls are combined to groups: a
group is one fall by their sum, at the mean of their positions, weighted by their sizes. A group never contains a point
at which the loss is computed, so that it is either before or after the point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

GROUPS = 900
"""Approximate number of groups of falls, in addition to one for each point."""


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums of a run that a law needs.

    Attributes:
        steps: the points: steps after whose update the loss is computed.
        area: S1 at the points, the sum of the rates up to and including this step.
        change: the size of each fall, η(k−1) − η(k); negative for a rise.
        rate: the rate after each fall, η(k).
        start: the sum of the rates before each fall, up to step k − 1.
        first: the step of each fall, k.
    """

    steps: Floats
    area: Floats
    change: Floats
    rate: Floats
    start: Floats
    first: Floats

    def scaled(self, rate: float, area: float) -> Sums:
        """The sums in other units: rates are divided by `rate`, and areas by `area`."""
        return Sums(self.steps, self.area / area, self.change / rate, self.rate / rate, self.start / area, self.first)


def warmup_of(rates: Floats) -> int:
    """The step at which a rise at the start of the rates ends; 0 if there is none."""
    ends = np.flatnonzero(np.diff(rates) <= 0.0)
    return int(ends[0]) if len(ends) else max(len(rates) - 1, 0)


def points_of(rates: Floats, count: int) -> Steps:
    """Steps at which a curve is computed: evenly spaced, with more at both ends and at changes of the rate."""
    last = len(rates) - 1
    third = count // 4
    near = np.geomspace(1, last, third)
    mass = np.cumsum(np.abs(np.diff(rates, prepend=rates[0])))
    changes = np.searchsorted(mass, np.linspace(0.0, mass[-1], third)) if mass[-1] > 0.0 else near
    found = np.concatenate([[0, last], near, last - near, np.linspace(0, last, third), changes, changes - 1])
    return np.unique(np.clip(found, 0, last).astype(np.int64))


def sums_of(rates: Floats, points: Steps, groups: int = GROUPS) -> Sums:
    """The sums of a run, at some of its steps.

    As in both papers, the rise of the warmup is a part of the area, but not a (negative) fall.

    Args:
        rates: the rate of each step from step 0 on.
        points: steps of the run, in ascending order.
        groups: approximate number of groups of falls, in addition to one for each point.
    """
    area = np.cumsum(rates)
    warmup = warmup_of(rates)
    change = -np.diff(rates[warmup:])
    where = np.flatnonzero(change)
    change, place = change[where], where + warmup + 1
    rate, start, first = rates[place], area[place - 1], place.astype(np.float64)
    if len(first) > groups + len(points):
        # Falls and rises separately: a noisy rate falls from high rates and rises from low ones, which does not cancel.
        parts = [_joined(it, change, rate, start, first, points, groups) for it in (change > 0.0, change < 0.0)]
        change, rate, start, first = (np.concatenate(them) for them in zip(*parts, strict=True))
        order = np.argsort(first, kind="stable")
        change, rate, start, first = change[order], rate[order], start[order], first[order]
    return Sums(points.astype(np.float64), area[points], change, rate, start, first)


def sums_of_line(steps: Floats, rates: Floats) -> Sums:
    """The sums at the end of a polygonal line of rates, which begins with its highest rate or rises to it.

    Args:
        steps: the steps of the line's corners, from 0 to the last step.
        rates: the rates at the corners.
    """
    middle = 0.5 * (rates[1:] + rates[:-1])
    area = np.concatenate([[rates[0]], rates[0] + np.cumsum(middle * np.diff(steps))])
    warmup = warmup_of(rates)
    change = -np.diff(rates)[warmup:]
    start = 0.5 * (area[1:] + area[:-1])[warmup:]
    first = 0.5 * (steps[1:] + steps[:-1])[warmup:]
    return Sums(steps[-1:], area[-1:], change, middle[warmup:], start, first)


def _joined(
    chosen: NDArray[np.bool_], change: Floats, rate: Floats, start: Floats, first: Floats, points: Steps, groups: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """The chosen changes, combined to groups: sums of the changes, and weighted means of the other values."""
    change, rate, start, first = change[chosen], rate[chosen], start[chosen], first[chosen]
    if len(first) <= groups:
        return change, rate, start, first
    edges = _edges(change, first, points, groups)
    weights = np.abs(change)
    total = np.add.reduceat(weights, edges)
    rate, start, first = (np.add.reduceat(weights * it, edges) / total for it in (rate, start, first))
    return np.add.reduceat(change, edges), rate, start, first


def _edges(change: Floats, first: Floats, points: Steps, groups: int) -> Steps:
    """The starts of groups of falls, or of rises: after points, and in three even divisions.

    The divisions are by the size of the falls, by steps, and by the logarithm of the remaining steps. The last falls
    matter most for the final loss, and there a rate may go to 0.
    """
    part = max(groups // 3, 1)
    left = np.log(first[-1] + 1.0 - first)
    key = np.searchsorted(points, first, "left")
    for measure in (np.cumsum(np.abs(change)), first - first[0], left[0] - left):
        key += np.minimum(measure / max(float(measure[-1]), 1e-300) * part, part - 1).astype(np.int64)
    return np.flatnonzero(np.diff(key, prepend=-1))
