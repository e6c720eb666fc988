"""`diff`: where and by how much two schedules differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.algebra import SCHEDULE, Schedule
from keras_lr.core.fields import NON_NEGATIVE, whole
from keras_lr.core.inner import length_of, values_of
from keras_lr.core.refusals import check, refuse
from keras_lr.core.tree import is_bound

MOST = 10_000_000
STEPS = whole(1, MOST, "steps")

WITHOUT_END = 10_000
"""Steps to compare if neither schedule has an end."""


@dataclass(frozen=True)
class Difference:
    """The result of `diff`. As text, it is a few sentences.

    Attributes:
        steps: number of compared steps, from step 0.
        differing: number of steps at which the rates differ.
        first, last: the first and the last of these steps, or None.
        largest_at: the step with the largest absolute difference, or None.
        largest: that difference, second minus first.
        rates: the two rates at that step.
        means: the mean rates over all compared steps.
        arguments: (path, first, second) for each different argument, such as ``schedule.decay_steps``.
    """

    steps: int
    differing: int
    first: int | None
    last: int | None
    largest_at: int | None
    largest: float
    rates: tuple[float, float]
    means: tuple[float, float]
    arguments: tuple[tuple[str, Any, Any], ...]

    def __bool__(self) -> bool:
        """Whether any rate differs."""
        return self.differing > 0

    def __str__(self) -> str:
        told = [f"{path}: {one} and {other}." for path, one, other in self.arguments]
        if not self:
            return " ".join([f"The same rates at all of {self.steps:,} steps.", *told])
        one, other = self.rates
        relative = f", {self.largest / one:+.3g} of the first" if one else ""
        return " ".join(
            [
                f"Different rates at {self.differing:,} of {self.steps:,} steps,",
                f"from step {self.first:,} to {self.last:,};",
                f"most at step {self.largest_at:,}: {one:.6g} and {other:.6g} ({self.largest:+.3g}{relative});",
                f"means {self.means[0]:.6g} and {self.means[1]:.6g}.",
                *told,
            ]
        )


def diff(a: Any, b: Any, steps: SupportsFloat | None = None, tolerance: SupportsFloat = 1e-9) -> Difference:
    """Where and by how much two schedules differ.

    Args:
        a: a schedule (of this package, of Keras, or your own), or a constant rate.
        b: the other schedule or rate.
        steps: number of steps to compare, from step 0; by default up to the end of both schedules (10,000
            if neither has an end).
        tolerance: relative difference, >= 0, up to which two rates count as equal.

    Returns:
        A `Difference`. It is true if any rate differs; ``print`` shows it in sentences.

    Raises:
        TypeError, ValueError: an argument is not allowed, or a schedule has durations in other units than
            steps and is not bound.

    Example:
        >>> found = diff(LinearDecay(0.1, 100), LinearDecay(0.1, 200))
        >>> found.largest_at, round(found.largest, 6), found.first
        (100, 0.05, 1)
    """
    one: LearningRateSchedule = check(SCHEDULE, "diff", "a", a)
    other: LearningRateSchedule = check(SCHEDULE, "diff", "b", b)
    for name, schedule in (("a", one), ("b", other)):
        if not is_bound(schedule):
            refuse("diff", name, "a schedule whose durations are in steps (see `bind`)", schedule)
    tolerance = check(NON_NEGATIVE, "diff", "tolerance", tolerance)
    if steps is None:
        lengths = [length_of(schedule) for schedule in (one, other)]
        count = max([length + 1 for length in lengths if length is not None], default=WITHOUT_END)
        if count > MOST:
            refuse("diff", "steps", f"given for schedules of more than {MOST:,} steps ({count:,})", steps)
    else:
        count = check(STEPS, "diff", "steps", steps)
    at = np.arange(count)
    x, y = np.asarray(values_of(one, at)), np.asarray(values_of(other, at))
    apart = np.abs(y - x)
    differs = np.flatnonzero(apart > tolerance * np.maximum(np.abs(x), np.abs(y)))
    most = int(np.argmax(apart))
    found = len(differs) > 0
    return Difference(
        steps=int(count),
        differing=len(differs),
        first=int(differs[0]) if found else None,
        last=int(differs[-1]) if found else None,
        largest_at=most if found else None,
        largest=float(y[most] - x[most]) if found else 0.0,
        rates=(float(x[most]), float(y[most])),
        means=(float(x.mean()), float(y.mean())),
        arguments=tuple(_arguments(one, other, "")),
    )


def _arguments(a: Any, b: Any, path: str) -> list[tuple[str, Any, Any]]:
    """The different arguments, including those of inner schedules of the same class."""
    if isinstance(a, Schedule) and type(a) is type(b):
        others = b.arguments()
        parts = [(value, others[name], f"{path}.{name}") for name, value in a.arguments().items()]
    elif isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        parts = [(one, other, f"{path}[{index}]") for index, (one, other) in enumerate(zip(a, b, strict=True))]
    else:
        return [] if a == b else [(path.lstrip(".") or "schedule", a, b)]
    return [found for part in parts for found in _arguments(*part)]
