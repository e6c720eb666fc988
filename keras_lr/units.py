"""Durations in epochs, or as a fraction of the training, wherever steps are asked for."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Duration:
    """A length of training that becomes a number of steps once `fit`'s numbers are known.

    Attributes:
        unit: "epochs" or "fraction" (of all steps of the training).
        amount: how many, >= 0; a fraction is at most 1.
    """

    unit: str
    amount: float

    def steps(self, steps_per_epoch: int, epochs: int) -> int:
        """The nearest whole number of steps; half a step is rounded up."""
        whole = steps_per_epoch if self.unit == "epochs" else steps_per_epoch * epochs
        return math.floor(self.amount * whole + 0.5)

    def __repr__(self) -> str:
        amount = int(self.amount) if self.amount == int(self.amount) else self.amount
        return f"{self.unit}({amount!r})"

    def __str__(self) -> str:
        return f"{self.amount:g} epochs" if self.unit == "epochs" else f"{self.amount:.4g} of the training"


# The two functions return Any, so that a type checker takes them where steps (int) are due.


def epochs(count: float) -> Any:
    """A duration of `count` epochs, in place of a number of steps.

    Args:
        count: epochs >= 0; ``epochs(0.5)`` is half an epoch. Rounded to whole steps (half a
            step up) when the schedule is bound.

    Raises:
        TypeError, ValueError: `count` is not a finite number >= 0.

    Example:
        >>> LinearDecay(0.1, epochs(30)).bind(steps_per_epoch=100, epochs=90).duration
        3000
    """
    return Duration("epochs", _amount("epochs", "count", count, math.inf))


def fraction(share: float) -> Any:
    """A duration as a share of all steps of the training, in place of a number of steps.

    Args:
        share: in [0, 1]. Rounded to whole steps (half a step up) when the schedule is bound.

    Raises:
        TypeError, ValueError: `share` is not a number in [0, 1].

    Example:
        >>> LinearDecay(0.1, fraction(0.1)).bind(steps_per_epoch=100, epochs=90).duration
        900
    """
    return Duration("fraction", _amount("fraction", "share", share, 1.0))


def _amount(owner: str, name: str, value: Any, high: float) -> float:
    allowed = "a finite number >= 0" if math.isinf(high) else "a number in [0, 1]"
    message = f"{owner}: `{name}` must be {allowed}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(message)
    number = float(value)
    if not 0.0 <= number <= high or math.isinf(number):
        raise ValueError(message)
    return number
