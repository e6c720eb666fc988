"""Rules that choose a learning rate from the curve of a range test.

Each gets the rates and the smoothed losses of a curve without its noisy ends, which falls by more than its noise. It
returns a rate and the index of a point, or raises a sentence with the reason why there is no suggestion. The four rules
are those of fastai (`fastai.callback.schedule`, versions 2.3 and later).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SKIP_END = 5
"""Points that are left out at the end, where the loss may have diverged already."""

WINDOW = 15
"""Points in the interval that `slide` moves."""


@dataclass(frozen=True)
class Suggestion:
    """The suggestion of a rule: a rate and the smoothed loss at its point, or the reason why there is none."""

    rule: str
    learning_rate: float | None
    loss: float | None
    reason: str = ""


class NoAnswer(Exception):  # noqa: N818 - a reason, not an error
    """The reason why a rule has no suggestion for a curve."""


def valley(rates: Floats, losses: Floats) -> tuple[float, int]:
    """The rate about half way down the longest valley.

    The valley is the longest falling subsequence of the losses, placed at its end. The rate is after
    its first third and half of its second third (S. Sharma's rule in fastai).
    """
    tops: list[float] = []  # the largest value in which a falling subsequence of each length can end, negated
    end = 0
    for index, loss in enumerate(losses.tolist()):
        place = bisect.bisect_left(tops, -loss)
        if place < len(tops):
            tops[place] = -loss
        else:
            tops.append(-loss)
            end = index
    length = len(tops)
    if length < 3:
        raise NoAnswer("the loss does not fall over three points of the curve")
    third = length / 3
    index = end - length + int(third) + int(third / 2)
    return float(rates[index]), index


def steepest(rates: Floats, losses: Floats) -> tuple[float, int]:
    """The rate at which the loss falls fastest over the logarithm of the rate."""
    slopes = np.diff(losses) / np.diff(np.log(rates))
    index = int(np.argmin(slopes))
    return float(rates[index]), index


def minimum(rates: Floats, losses: Floats) -> tuple[float, int]:
    """A tenth of the rate with the lowest loss."""
    index = int(np.argmin(losses))
    return float(rates[index]) / 10.0, index


def slide(rates: Floats, losses: Floats) -> tuple[float, int]:
    """The rate left of the last interval, slid from the right end, over which the slope still changes.

    The interval is 15 points long, and the slope (of the loss over the index) must differ at its
    ends by more than 0.005 (A. Chang's rule in fastai).
    """
    if len(losses) <= WINDOW:
        raise NoAnswer(f"the rule needs more than {WINDOW} points, but there are only {len(losses)}")
    slopes = np.gradient(losses)
    differs = np.abs(slopes[WINDOW:] - slopes[:-WINDOW]) > 0.005
    last_flat = max(np.flatnonzero(~differs).tolist(), default=-1)
    index = min(last_flat + 1, len(differs) - 1)
    return float(rates[index]), index


Rule = Literal["valley", "steepest", "minimum", "slide"]

RULES: dict[str, Callable[[Floats, Floats], tuple[float, int]]] = {
    "valley": valley,
    "steepest": steepest,
    "minimum": minimum,
    "slide": slide,
}


def suggest(rule: str, rates: Floats, raw: Floats, smoothed: Floats, skip_start: int) -> Suggestion:
    """The suggestion of a rule for a recorded curve.

    Args:
        rule: the name of the rule.
        rates: the rates, in ascending order.
        raw: the loss of each batch.
        smoothed: the smoothed losses.
        skip_start: points that are left out at the start, where the smoothed loss is based on few losses.
    """
    known = np.isfinite(smoothed)
    count = int(np.argmin(known)) if not known.all() else len(known)
    part = slice(skip_start, min(count, len(smoothed) - SKIP_END))
    x, y = rates[part], smoothed[part]
    try:
        _check(x, y, raw[part], skip_start)
        if rule == "minimum" and int(np.argmin(smoothed[:count])) == count - 1:
            raise NoAnswer("the loss still falls at the end of the curve: use a larger `max_rate`")
        rate, index = RULES[rule](x, y)
    except NoAnswer as reason:
        return Suggestion(rule, None, None, str(reason))
    return Suggestion(rule, rate, float(y[index]))


def _check(rates: Floats, losses: Floats, raw: Floats, skip_start: int) -> None:
    """Refuse a curve without information: too short, or flat within its noise."""
    if len(losses) < 6:
        raise NoAnswer(
            f"{len(losses)} points of the curve are left, but a rule needs 6: use more `steps`, or a smaller "
            "`min_rate` if the loss diverged at once"
        )
    fall = float(losses[0] - losses.min())
    # The scatter of one batch (by the median, so that divergence has no effect), and of the first smoothed point,
    # which is a mean of about as many batches as came before it.
    finite = raw[np.isfinite(raw)]
    scatter = float(np.median(np.abs(np.diff(finite)))) / 0.6745 / math.sqrt(2.0) if len(finite) > 1 else 0.0
    noise = 3.0 * scatter / math.sqrt(min(skip_start + 1, 100))
    if fall <= max(noise, 1e-9 * abs(float(losses[0]))):
        raise NoAnswer(
            f"the smoothed loss falls by {fall:.3g} at most, not more than its noise ({noise:.3g}): use more `steps`, "
            "larger batches, or another range of rates"
        )
