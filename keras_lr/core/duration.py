"""A length of training that becomes a number of steps once the numbers of `fit` are there."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Duration:
    """A length of training in another unit than steps.

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
