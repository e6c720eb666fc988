"""Schedules given by a few or many rates: constant, stairs, pieces, tables."""

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

    The same as ``ExponentialDecay(…, staircase=True)`` and as torch's `StepLR`.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: length of a stair, in steps (one step is one batch).
        decay_rate: factor between stairs, in (0, 1].

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
    """A staircase with stairs of any length: multiplied by `decay_rate` at each milestone.

    f(t) = initial_learning_rate · decay_rate^(number of milestones ≤ t)

    As torch's `MultiStepLR`: the new rate holds at the milestone itself.

    Args:
        initial_learning_rate: rate before the first milestone.
        milestones: steps, none smaller than the one before; of two that are equal each counts. They
            need not be whole.
        decay_rate: factor at each milestone, in (0, 1].

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

    As Keras: the old rate still holds at the boundary itself (torch and optax change at
    it; write ``boundary - 1`` to have their meaning). Between equal boundaries there is no
    step, so the rate there is skipped. Unsorted boundaries, which Keras turns into sums of
    rates, are refused.

    Args:
        boundaries: steps, none smaller than the one before. They need not be whole.
        values: the rates, one more than boundaries.
        name: kept for Keras's signature.

    Raises:
        ValueError: also when the two lengths do not fit.

    Example:
        >>> PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1]).values([10, 11, 21]).tolist()
        [1.0, 0.5, 0.1]
    """

    template = "pieces of {values} that change after {boundaries:at}"
    boundaries: LastSteps
    levels: Rates = field(alias="values")  # `values` is the method that evaluates a schedule
    name: StringOrNone = None

    def validate(self) -> None:
        if len(self.levels) != len(self.boundaries) + 1:
            self.refuse("values", f"one rate more than `boundaries` ({len(self.boundaries) + 1})")

    def changes(self) -> tuple[int, ...]:
        return tuple(self.boundaries)

    def rate(self, step: Step) -> Value:
        # Not "b + 1 is reached", which may be past the last step that an int32 can hold.
        return lookup(self.levels, segment(step, self.boundaries, passed=True))


class PiecewiseInterpolation(Schedule):
    """A line through given points: from rate to rate, straight or in half cosines.

    f(t) goes from values[i] at boundaries[i] to values[i+1] at boundaries[i+1]; it is
    values[0] before the first boundary and the last value after the last one.

    Like optax's `piecewise_interpolate_schedule`, with rates and not factors.

    Args:
        boundaries: steps, each larger than the one before; rounded to whole ones.
        values: the rates at them, as many as boundaries.
        shape: "linear" or "cosine".

    Raises:
        ValueError: also when the two lengths differ.

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
    """Rates from a table, one for each step or epoch; the last one holds from there on.

    f(t) = values[min(⌊t/every⌋, len(values) − 1)]

    What `from_function` and `from_epoch_function` return.

    Args:
        values: the rates of steps 0, 1, 2, …, or of epochs with ``every=epochs(1)``.
        every: steps for which each rate holds.

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
            self.refuse("every", "so short that the table has less than 2**31 steps")

    def rate(self, step: Step) -> Value:
        last = len(self.levels) - 1
        return lookup(self.levels, clip(step, 0, last) if self.every == 1 else stair_up_to(step, self.every, last))


def from_function(function: Callable[[int], float], steps: SupportsFloat) -> Tabulated:
    """A schedule from any Python function of the step, tabulated once for `steps` steps.

    The function is called now, with 0, 1, …, steps − 1, and never again: it may use `if`,
    tables, or anything else, and the schedule can be saved, since it holds only the rates.

    Args:
        function: takes a step (int) and returns a rate (a finite number >= 0).
        steps: how many steps to tabulate, up to a million; the last rate holds afterwards.

    Returns:
        A `Tabulated` schedule.

    Raises:
        TypeError, ValueError: wrong arguments, or a rate that is not a finite number >= 0,
            with its step.

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
    """A schedule from a function of the epoch, as `keras.callbacks.LearningRateScheduler` takes it.

    The function is ``f(epoch)`` or ``f(epoch, lr)``. It is called now, with epochs 0, 1, …,
    epochs − 1, and never again; ``lr`` is the rate of the epoch before. The rate is held for an
    epoch, whose steps `BindSchedule` fills in.

    Args:
        function: takes the number of the epoch (int), and the rate (float) if it has a second
            argument. It returns the rate of the epoch, a finite number >= 0.
        epochs: how many epochs to tabulate, up to a million; the last rate holds afterwards.
        learning_rate: the rate before the first epoch, for a function with two arguments. In
            Keras that is the rate of the optimizer.

    Returns:
        A `Tabulated` schedule.

    Raises:
        TypeError, ValueError: wrong arguments, a `learning_rate` that is missing or not used, or
            a rate that is not a finite number >= 0, with its epoch.

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
    """Whether a function can be called with two arguments, which Keras tries first."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except (TypeError, ValueError):  # ValueError for a function of C that has no signature
        return False
    return True
