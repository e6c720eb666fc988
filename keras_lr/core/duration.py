"""A length of training that becomes a number of steps when a schedule is bound."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Duration:
    """A length of training: a sum of epochs, a fraction of the training, samples, and steps.

    Durations can be added, subtracted and multiplied by a number. A number that is added means steps. Whether the
    result is a valid length is checked when a schedule is bound.

    Attributes:
        epochs: number of epochs.
        fraction: fraction of all steps of the training.
        samples: number of samples.
        only_steps: number of steps, in addition to the others.
    """

    epochs: float = 0.0
    fraction: float = 0.0
    samples: float = 0.0
    only_steps: float = 0.0

    def __post_init__(self) -> None:
        amounts = self.amounts().values()
        if any(amount < 0 for amount in amounts) and not any(amount > 0 for amount in amounts):
            raise ValueError(f"a duration must be at least 0, got {self!r}")

    def amounts(self) -> dict[str, float]:
        """The amount of each unit that is not 0; 0 epochs if all are."""
        found = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: amount for name, amount in found.items() if amount} or {"epochs": 0.0}

    @property
    def single(self) -> tuple[str, float] | None:
        """The unit and its amount; None for a sum of several units."""
        amounts = self.amounts()
        return next(iter(amounts.items())) if len(amounts) == 1 else None

    @property
    def is_nothing(self) -> bool:
        return not any(self.amounts().values())

    @property
    def needs_epochs(self) -> bool:
        """Whether its number of steps depends on the steps per epoch."""
        return bool(self.epochs or self.fraction)

    def steps(self, steps_per_epoch: int | None, epochs: int | None, batch_size: int | None = None) -> int:
        """The nearest whole number of steps; half a step is rounded up.

        Numbers that the duration does not depend on may be None.
        """
        exact = self.only_steps
        if self.needs_epochs:
            assert steps_per_epoch is not None
            assert epochs is not None
            exact += self.epochs * steps_per_epoch + self.fraction * (steps_per_epoch * epochs)
        if self.samples:
            assert batch_size is not None
            exact += self.samples / batch_size
        return math.floor(exact + 0.5)

    def __add__(self, other: Any) -> Any:
        return self._combined(other, 1.0, 1.0)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._combined(other, 1.0, -1.0)

    def __rsub__(self, other: Any) -> Any:
        return self._combined(other, -1.0, 1.0)

    def __mul__(self, factor: Any) -> Any:
        if not _is_number(factor):
            return NotImplemented
        return Duration(*(float(factor) * getattr(self, part.name) for part in fields(self)))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Any:
        return self * (1.0 / divisor) if _is_number(divisor) else NotImplemented

    def _combined(self, other: Any, mine: float, theirs: float) -> Any:
        if _is_number(other):
            other = Duration(only_steps=float(other))
        if not isinstance(other, Duration):
            return NotImplemented
        total = [mine * getattr(self, part.name) + theirs * getattr(other, part.name) for part in fields(self)]
        steps = total[-1]
        if steps and not any(total[:-1]):  # a number of steps and nothing else, as users write it
            return int(steps) if steps == int(steps) else steps
        return Duration(*total)

    def __repr__(self) -> str:
        """An expression that evaluates to an equal duration."""
        terms = sorted(self.amounts().items(), key=lambda item: item[1] < 0)
        text = ""
        for unit, amount in terms:
            sign = ("" if amount >= 0 else "-") if not text else (" + " if amount >= 0 else " - ")
            text += sign + _term(unit, abs(amount))
        return text


def _term(unit: str, amount: float) -> str:
    number = repr(int(amount) if amount == int(amount) else amount)
    if unit == "only_steps":
        return number
    return f"{number} * fraction(1)" if unit == "fraction" and amount > 1 else f"{unit}({number})"


def _is_number(value: Any) -> bool:
    return type(value) is not bool and isinstance(value, numbers.Real) and math.isfinite(value)
