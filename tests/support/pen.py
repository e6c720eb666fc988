"""A pen draws arguments and writes schedules. It computes their properties without the package.

These are the highest rate, the end, the marks and the values of a schedule. Bounds follow from the arguments alone.
The values of a composed schedule follow from those of its parts, step by step in plain Python numbers. This code must
not share any with the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st

import keras_lr as klr

LAST = 2**31 - 1
SHAPES = ("linear", "cosine", "sqrt", "exponential")


@dataclass(frozen=True)
class Training:
    """The training to which durations in epochs and fractions refer."""

    steps_per_epoch: int
    epochs: int

    @property
    def total(self) -> int:
        return self.steps_per_epoch * self.epochs


@dataclass(frozen=True)
class Span:
    """A number of steps, and how it is written. `amount` is in the unit, if the unit is not steps."""

    steps: int
    unit: str = "steps"
    amount: float = 0.0

    def __call__(self, training: Training | None) -> Any:
        """The argument as written, or rounded to steps of a training. Half a step is rounded up."""
        if self.unit == "steps":
            return self.steps
        if training is None:
            return klr.epochs(self.amount) if self.unit == "epochs" else klr.fraction(self.amount)
        return math.floor(self.amount * (training.steps_per_epoch if self.unit == "epochs" else training.total) + 0.5)


@dataclass(frozen=True)
class Made:
    """A schedule and its properties.

    Attributes:
        make: makes the schedule as written for None, and in steps for a training.
        training: the training for which the other properties hold.
        top: an upper bound of the rates.
        at: the rate at a step.
        length: the step after which the rate stays the same, or None.
        falls: whether the rate never rises.
        marks: steps at which something happens.
        size: the magnitude to which float32 rounding errors of the compiled step are relative.
        blur: the number of rounding errors that add up.
        relative: whether small rates are precise relative to themselves.
        exact: whether host values are computed in float64. Keras's schedules compute in float32.
        flat: whether the rate really stays the same after the end, without noise.
        vector: whether a traced schedule accepts an array of steps. Keras's do not if they have a condition.
    """

    make: Callable[[Training | None], Any]
    training: Training
    top: float
    at: Callable[[int], float]
    length: int | None = None
    falls: bool = False
    marks: tuple[int, ...] = ()
    size: float = 0.0
    blur: int = 1
    relative: bool = True
    exact: bool = True
    flat: bool = True
    vector: bool = True
    parts: tuple[Made, ...] = field(default=(), repr=False)

    @cached_property
    def schedule(self) -> Any:
        """The schedule as written, with units."""
        return self.make(None)

    @cached_property
    def plain(self) -> Any:
        """The same schedule, written in steps."""
        return self.make(self.training)

    @property
    def bound(self) -> Any:
        return self.schedule.bind(steps_per_epoch=self.training.steps_per_epoch, epochs=self.training.epochs)

    def __repr__(self) -> str:
        return f"{self.schedule!r} over {self.training}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis shows a failing example."""
        printer.text(repr(self))

    def classes(self) -> set[str]:
        return {type(self.schedule).__name__}.union(*(part.classes() for part in self.parts))

    def depth(self) -> int:
        return 1 + max((part.depth() for part in self.parts), default=0)

    def steps(self) -> np.ndarray:
        """The first steps, steps around the marks and around powers of 2, and the last ones."""
        marks = [mark + off for mark in self.marks for off in (-1, 0, 1)]
        powers = [2**k + off for k in (8, 12, 20, 24, 28, 30) for off in (-1, 3)]
        chosen = np.unique([*range(40), *marks, *powers, LAST - 1, LAST])
        return chosen[(chosen >= 0) & (chosen <= LAST)]


def resolved(part: Any, training: Training | None) -> Any:
    """An argument of a constructor, in units for None, or in steps of a training."""
    if isinstance(part, (list, tuple)):
        return [resolved(item, training) for item in part]
    if isinstance(part, Made):
        return part.make(training)
    return part(training) if isinstance(part, Span) else part


class Pen:
    """Draws arguments and writes schedules with them."""

    def __init__(self, draw: Callable[[Any], Any], training: Training) -> None:
        self.draw = draw
        self.training = training

    # Arguments.

    def rate(self, high: float = 10.0, low: float = 0.0) -> float:
        """A rate. It mostly has the usual size, and is sometimes a limit."""
        usual = st.floats(max(low, 1e-4 * high), high)
        return self.draw(st.one_of(usual, usual, st.sampled_from([low, high, (low + high) / 2])))

    def number(self, low: float, high: float) -> float:
        return self.draw(st.floats(low, high))

    def whole(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def count(self, low: int = 1) -> int:
        """A number of steps. It is mostly small, and sometimes as large as a counter allows."""
        few = st.integers(low, 60)
        return self.draw(st.one_of(few, few, few, few, st.integers(low, 5000), st.integers(2**20, LAST)))

    def written(self, steps: int) -> Span:
        """A number of steps in a unit. The amount is not always whole, so binding must round."""
        off = self.one_of(0.0, 0.4, -0.4, -0.5) if steps else 0.0
        unit = self.one_of("steps", "steps", "epochs", "fraction")
        whole = {"steps": 1, "epochs": self.training.steps_per_epoch, "fraction": self.training.total}[unit]
        span = Span(steps, unit, (steps + off) / whole)
        fits = unit == "steps" or ((span.amount <= 1.0 or unit == "epochs") and span(self.training) == steps)
        return span if fits else Span(steps)

    def span(self, low: int = 1) -> Span:
        return self.written(self.count(low))

    def edges(self, least: int = 1, most: int = 4) -> list[Span]:
        """Strictly increasing steps."""
        steps = sorted(
            self.draw(st.sets(st.one_of(st.integers(0, 60), st.integers(0, LAST)), min_size=least, max_size=most))
        )
        return [self.written(step) for step in steps]

    # Schedules.

    def leaf(
        self, cls: Any, *arguments: Any, top: float, length: int | None = None, falls: bool = False, **facts: Any
    ) -> Made:
        """A single schedule. Tests with the catalogue check its values."""

        def make(training: Training | None) -> Any:
            return cls(*(resolved(part, training) for part in arguments))

        plain = make(self.training)

        def at(step: int) -> float:
            return float(plain.values(step))

        facts = {"size": top} | facts
        return Made(make, self.training, top, at, length, falls, tuple(marks_of(arguments)), **facts)

    def joint(
        self, cls: Any, *arguments: Any, parts: list[Made], top: float, at: Callable[[int], float], **facts: Any
    ) -> Made:
        """A schedule made of others."""

        def make(training: Training | None) -> Any:
            return cls(*(resolved(part, training) for part in arguments))

        marks = {mark for part in parts for mark in part.marks}
        starts = marks_of(arguments)
        marks |= {start + mark for start in starts[:3] for mark in sorted(marks)[:6]} | set(starts)
        inherited = {
            "size": max(part.size for part in parts),
            "blur": max(part.blur for part in parts) + 1,
            "relative": all(part.relative for part in parts),
            "exact": all(part.exact for part in parts),
            "flat": all(part.flat for part in parts),
            "vector": all(part.vector for part in parts),
            "parts": tuple(parts),
        }
        return Made(make, self.training, top, at, marks=tuple(sorted(marks)[:24]), **inherited | facts)


def marks_of(arguments: Any) -> list[int]:
    found: list[int] = []
    for part in arguments:
        if isinstance(part, Span):
            found.append(part.steps)
        elif isinstance(part, (list, tuple)):
            found += marks_of(part)
    return found
