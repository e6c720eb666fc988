"""Schedules that are defined by single rates: stairs, pieces, tables."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Literal, SupportsFloat

from keras_lr.core.algebra import Schedule
from keras_lr.core.curves import Step, Value, ceiling, clip, cosine, lookup, lookup_steps, power, real, segment
from keras_lr.core.describe import lengths, number
from keras_lr.core.fields import (
    RATE,
    STEP_LIMIT,
    Factor,
    LastSteps,
    Length,
    Milestones,
    OrNone,
    Points,
    Rate,
    Rates,
    Steps,
    StringOrNone,
    Whole,
)
from keras_lr.core.frozen import field
from keras_lr.core.refusals import check, refuse
from keras_lr.core.turns import stair, stair_up_to
from keras_lr.core.units import epochs as in_epochs

PieceShape = Literal["linear", "cosine"]
TABLE_SIZE = Whole("a whole number of steps in [1, 1000000]", 1, high=1_000_001, steps=False)
EPOCHS = Whole("a whole number of epochs in [1, 1000000]", 1, high=1_000_001, steps=False)
START = OrNone(RATE)


class StepDecay(Schedule):
    """A staircase: the rate is multiplied by `decay_rate` every `decay_steps` steps.

    f(t) = initial_learning_rate · decay_rate^⌊t / decay_steps⌋

    It equals ``ExponentialDecay(…, staircase=True)`` and torch's `StepLR`.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: length of a stair, in steps (one step is one batch).
        decay_rate: factor between stairs, in (0, 1].

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> StepDecay(0.8, 100).values([0, 99, 100, 250]).tolist()
        [0.8, 0.8, 0.4, 0.2]
    """

    template = "stairs down from {initial_learning_rate} by a factor of {decay_rate} every {decay_steps:steps}"
    initial_learning_rate: Rate
    decay_steps: Length
    decay_rate: Factor = 0.5

    def changes(self) -> tuple[int, ...]:
        return (ceiling(self.decay_steps),)

    def rate(self, step: Step) -> Value:
        return self.initial_learning_rate * power(self.decay_rate, stair(step, self.decay_steps))


class MultiStepDecay(Schedule):
    """A staircase: the rate is multiplied by `decay_rate` at each milestone.

    f(t) = initial_learning_rate · decay_rate^(number of milestones ≤ t)

    As torch's `MultiStepLR`: the milestone itself has the new rate.

    Args:
        initial_learning_rate: rate before the first milestone.
        milestones: steps, none smaller than the one before. Two equal ones both count. They need not
            be whole.
        decay_rate: factor at each milestone, in (0, 1].

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> MultiStepDecay(0.8, [30, 60], decay_rate=0.5).values([29, 30, 60]).tolist()
        [0.8, 0.4, 0.2]
    """

    template = "stairs down from {initial_learning_rate} by a factor of {decay_rate} after {milestones:steps}"
    initial_learning_rate: Rate
    milestones: Milestones
    decay_rate: Factor = 0.1

    def changes(self) -> tuple[int, ...]:
        return tuple(self.milestones)

    def rate(self, step: Step) -> Value:
        count = len(self.milestones) + 1
        levels = tuple(self.initial_learning_rate * self.decay_rate**index for index in range(count))
        return lookup(levels, segment(step, self.milestones))


class PiecewiseConstantDecay(Schedule):
    """Given rates between given boundaries.

    f(t) = values[0] while t ≤ boundaries[0], values[1] while t ≤ boundaries[1], …, then the last

    As Keras: the boundary itself still has the old rate. (In torch and optax it has the new one;
    pass ``boundary - 1`` for that.) A rate between equal boundaries is skipped. Unsorted
    boundaries are refused; Keras returns sums of rates for them.

    Args:
        boundaries: steps, none smaller than the one before. They need not be whole.
        values: the rates, one more than boundaries.
        name: accepted because Keras has it.

    Raises:
        TypeError, ValueError: an argument is not allowed, or the two lengths do not fit.

    Example:
        >>> PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1]).values([10, 11, 21]).tolist()
        [1.0, 0.5, 0.1]
    """

    template = "constant pieces of {values}, changing after {boundaries:at}"
    boundaries: LastSteps
    levels: Rates = field(alias="values")  # `values` is the method that evaluates a schedule
    name: StringOrNone = None

    def validate(self) -> None:
        if len(self.levels) != len(self.boundaries) + 1:
            self.refuse("values", f"one rate more than `boundaries` ({len(self.boundaries) + 1})")

    def changes(self) -> tuple[int, ...]:
        return tuple(self.boundaries)

    def rate(self, step: Step) -> Value:
        # Not "b + 1 is reached": b + 1 may not fit into an int32.
        return lookup(self.levels, segment(step, self.boundaries, passed=True))


class PiecewiseInterpolation(Schedule):
    """A curve through given points, in straight lines or half cosines.

    f(t) goes from values[i] at boundaries[i] to values[i+1] at boundaries[i+1]; it is
    values[0] before the first boundary and the last value after the last one.

    As optax's `piecewise_interpolate_schedule`, but with rates instead of factors.

    Args:
        boundaries: steps, each larger than the one before, rounded to whole steps.
        values: the rates at the boundaries, as many as there are boundaries.
        shape: "linear" or "cosine".

    Raises:
        TypeError, ValueError: an argument is not allowed, or the two lengths differ.

    Example:
        >>> PiecewiseInterpolation([0, 100, 300], [0.1, 0.5, 0.3]).values([50, 100, 200, 999]).round(6).tolist()
        [0.3, 0.5, 0.4, 0.3]
    """

    template = "{shape} pieces through {values} at {boundaries:at}"
    boundaries: Points
    levels: Rates = field(alias="values")
    shape: PieceShape = "linear"

    def validate(self) -> None:
        if len(self.levels) != len(self.boundaries):
            self.refuse("values", f"as many rates as there are `boundaries` ({len(self.boundaries)})")

    def length(self) -> int | None:
        return self.boundaries[-1]

    def rate(self, step: Step) -> Value:
        edges, levels = self.boundaries, self.levels
        held = clip(step, edges[0], edges[-1])
        if len(edges) == 1:
            return real(held) * 0.0 + levels[0]
        piece = segment(held, edges[1:-1])
        start, end = lookup_steps(edges[:-1], piece, held), lookup_steps(edges[1:], piece, held)
        gone, left = real(held - start) / real(end - start), real(end - held) / real(end - start)
        if self.shape == "cosine":
            gone, left = cosine(gone), cosine(left)
        return lookup(levels[:-1], piece) * left + lookup(levels[1:], piece) * gone


class Tabulated(Schedule):
    """Rates from a table, one for each step or epoch. The rate stays at the last one.

    f(t) = values[min(⌊t/every⌋, len(values) − 1)]

    `from_function` and `from_epoch_function` return it.

    Args:
        values: the rates at steps 0, 1, 2, …, or in epochs 0, 1, 2, … with ``every=epochs(1)``.
        every: steps for which each rate is used, >= 1.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> Tabulated([0.3, 0.2, 0.1]).values([0, 1, 2, 3]).tolist()
        [0.3, 0.2, 0.1, 0.1]
        >>> Tabulated([0.3, 0.2, 0.1], every=2).values([0, 1, 2, 3]).tolist()
        [0.3, 0.3, 0.2, 0.2]
    """

    levels: Rates = field(alias="values")
    every: Steps = 1

    def length(self) -> int | None:
        return len(self.levels) * self.every

    def _phrase(self) -> str:
        count = lengths([len(self.levels)], "rates")
        held = "" if self.every == 1 else f", each for {lengths([self.every], 'steps')}"
        return f"a table of {count} from {number(self.levels[0])} to {number(self.levels[-1])}{held}"

    def validate_steps(self) -> None:
        if len(self.levels) * self.every >= STEP_LIMIT:
            self.refuse("every", "so short that the table has fewer than 2**31 steps")

    def rate(self, step: Step) -> Value:
        last = len(self.levels) - 1
        return lookup(self.levels, clip(step, 0, last) if self.every == 1 else stair_up_to(step, self.every, last))


def from_function(function: Callable[[int], float], steps: SupportsFloat) -> Tabulated:
    """A schedule from any Python function of the step. Its rates are stored in a table.

    f(t) = function(min(t, steps − 1))

    The function is called immediately, with 0, 1, …, steps − 1, and never again. So it may use `if`,
    tables, or anything else. The schedule contains only the rates and can be saved.

    Args:
        function: takes a step (int) and returns a rate (a finite number >= 0).
        steps: how many steps to store, up to a million. The rate stays at the last one.

    Returns:
        A `Tabulated` schedule.

    Raises:
        TypeError, ValueError: an argument is not allowed, or a rate is not a finite number >= 0. The
            error names its step.

    Example:
        >>> from_function(lambda step: 0.1 if step < 2 else 0.1 / step, 5).values([0, 1, 4]).tolist()
        [0.1, 0.1, 0.025]
    """
    if not callable(function):
        refuse("from_function", "function", "a function of the step", function, TypeError)
    count = check(TABLE_SIZE, "from_function", "steps", steps)
    rates = [check(RATE, "from_function", f"function({step})", function(step)) for step in range(count)]
    return Tabulated(rates)


def from_epoch_function(
    function: Callable[..., float], epochs: SupportsFloat, learning_rate: SupportsFloat | None = None
) -> Tabulated:
    """A schedule from a function of the epoch, as `keras.callbacks.LearningRateScheduler` accepts it.

    f(t) = function(min(⌊t / steps per epoch⌋, epochs − 1))

    The function is ``f(epoch)`` or ``f(epoch, lr)``, where ``lr`` is the rate of the epoch before. It is
    called immediately, with 0, 1, …, epochs − 1, and never again. The schedule has durations in
    `epochs`, so it needs `BindSchedule` or `bind`.

    Args:
        function: takes the index of the epoch (int), and the previous rate (float) if it has a second
            argument. It returns the rate of the epoch, a finite number >= 0.
        epochs: how many epochs to store, up to a million. The rate stays at the last one.
        learning_rate: the rate before the first epoch, for a function with two arguments. In Keras
            this is the rate of the optimizer.

    Returns:
        A `Tabulated` schedule.

    Raises:
        TypeError, ValueError: an argument is not allowed, `learning_rate` is missing or not used, or a
            rate is not a finite number >= 0. The error names its epoch.

    Example:
        >>> halving = from_epoch_function(lambda epoch, lr: lr if epoch < 2 else lr / 2, epochs=4, learning_rate=0.8)
        >>> halving.bind(steps_per_epoch=10, epochs=4).values([0, 19, 20, 29, 30]).tolist()
        [0.8, 0.8, 0.4, 0.4, 0.2]
    """
    owner = "from_epoch_function"
    if not callable(function):
        refuse(owner, "function", "a function of the epoch, or of the epoch and the rate", function, TypeError)
    count = check(EPOCHS, owner, "epochs", epochs)
    rate = check(START, owner, "learning_rate", learning_rate)
    has_rate = _takes_two(function)
    if has_rate and rate is None:
        refuse(owner, "learning_rate", "the rate before the first epoch, since `function` has a second argument", None)
    if not has_rate and rate is not None:
        refuse(owner, "learning_rate", "None, since `function` has one argument", learning_rate)
    rates = []
    for epoch in range(count):
        rate = check(RATE, owner, f"function({epoch})", function(epoch, rate) if has_rate else function(epoch))
        rates.append(rate)
    return Tabulated(rates, in_epochs(1))


def _takes_two(function: Callable[..., float]) -> bool:
    """Whether a function accepts two arguments, which Keras tries first."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except (TypeError, ValueError):  # ValueError: a C function without a signature
        return False
    return True
