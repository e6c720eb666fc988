"""`Schedule`, its operators, and the classes of schedules that the operators make.

They are one closed algebra: an operator of any schedule makes an object of a class here, which has the operators again.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, SupportsFloat

import keras
import numpy as np

from keras_lr.core import hints
from keras_lr.core.base import BaseSchedule
from keras_lr.core.curves import FallShape, Step, Value, fall, later, maximum, minimum, mix, real, since, where
from keras_lr.core.duration import Duration
from keras_lr.core.fields import (
    COUNT,
    COUNT_OR_NONE,
    NON_NEGATIVE,
    POSITIVE,
    RATE,
    STEP_LIMIT,
    CountOrNone,
    NonNegative,
    OptionalRate,
    Rate,
    Several,
    Shift,
    Steps,
    StepsOrZero,
)
from keras_lr.core.inner import (
    FollowsInner,
    cycle_end_after,
    cycle_end_in,
    earliest,
    joined_cycle_end,
    length_of,
    rate_at,
    rate_of,
)
from keras_lr.core.keras_versions import Variable
from keras_lr.core.plain import NoNumberYetError, plain
from keras_lr.core.refusals import Kind, RefusedError, check, refuse
from keras_lr.core.tree import LearningRateSchedule, contains, durations, map_parts


class Schedule(BaseSchedule, abstract=True):
    """A learning rate as a function of the step, the number of updates already applied.

    Subclass it with annotated fields and a method ``rate(step)``, written with the
    functions of `keras_lr.custom`; the class becomes a frozen dataclass, checks its
    arguments, and is registered with Keras (as ``package>Name``; `package` is a class
    argument, ``keras_lr`` for the schedules of this package and ``Custom`` elsewhere),
    so models that use it save and load without `custom_objects`.

    A schedule is immutable, hashable, and equal to another one when class and arguments
    are. ``eval(repr(schedule)) == schedule``.
    """

    def bind(
        self,
        *,
        steps_per_epoch: SupportsFloat | None = None,
        epochs: SupportsFloat | None = None,
        batch_size: SupportsFloat | None = None,
    ) -> Schedule:
        """The schedule for a training of `epochs` epochs of `steps_per_epoch` batches.

        Durations in `epochs`, `fraction` and `samples` become steps, also in schedules inside this one.
        `BindSchedule` does this at the start of `fit`.

        Args:
            steps_per_epoch: batches in an epoch.
            epochs: epochs of the training. This and the batches may be left out where all units are samples.
            batch_size: samples in a batch, where the schedule has durations in `samples`.

        Returns:
            A `Bound`, which remembers the units; a schedule without units itself.

        Raises:
            TypeError, ValueError: for numbers that are not whole and >= 1, or that are missing, and where
                a duration comes out as a number of steps that its argument does not allow.
        """
        units = list(durations(self))
        is_in_samples = any(duration.samples for duration in units)
        is_left_out = is_in_samples and not any(duration.needs_epochs for duration in units)
        kind = COUNT_OR_NONE if is_left_out else COUNT
        steps_per_epoch = check(kind, "bind", "steps_per_epoch", steps_per_epoch)
        epochs = check(kind, "bind", "epochs", epochs)
        batch_size = check(COUNT_OR_NONE, "bind", "batch_size", batch_size)
        if self.is_bound:
            return self
        if is_left_out:
            return Bound(self, None, None, batch_size)
        return Bound(self, steps_per_epoch, epochs, batch_size if is_in_samples else None)

    def __mul__(self, other: Schedule | SupportsFloat) -> Schedule:
        product: Schedule = _combine(multiplied, "*", "factor", self, other)
        return product

    __rmul__ = __mul__

    def __truediv__(self, other: SupportsFloat) -> Schedule:
        if not _is_number(other):
            left: Schedule = _not_combined("/", "divisor", "a number", other)
            return left
        divisor: float = check(POSITIVE, "/", "divisor", other)
        return self * (1.0 / divisor)

    def __add__(self, other: Schedule | SupportsFloat) -> Schedule:
        total: Schedule = _combine(added, "+", "schedules", self, other)
        return total

    __radd__ = __add__

    def __rshift__(self, other: Schedule | SupportsFloat) -> Schedule:
        chain: Schedule = _combine(chained, ">>", "schedules", self, other)
        return chain

    def clip(self, low: SupportsFloat = 0.0, high: SupportsFloat | None = None) -> Schedule:
        """The schedule, but never below `low` and never above `high`."""
        return Clip(self, low, high)

    def from_step(self, steps: SupportsFloat) -> Schedule:
        """The schedule `steps` steps on: f(t) = self(t + steps), and self(0) while that is negative.

        A new schedule starts at the present counter n of an optimizer with ``from_step(-n)``.
        """
        return shifted(self, steps)

    def cooldown(
        self,
        at: SupportsFloat,
        steps: SupportsFloat,
        end_learning_rate: SupportsFloat = 0.0,
        shape: FallShape = "linear",
    ) -> Schedule:
        """The schedule until step `at`, and from its rate there down to the end rate over `steps`."""
        return Cooldown(self, at, steps, end_learning_rate, shape)


class Constant(Schedule):
    """A flat line: the same rate at every step.

    f(t) = learning_rate

    Args:
        learning_rate: the rate, >= 0.

    Example:
        >>> Constant(0.1).values([0, 7, 1000]).tolist()
        [0.1, 0.1, 0.1]
    """

    template = "a constant {learning_rate}"
    learning_rate: Rate

    def rate(self, step: Step) -> Value:
        return real(step) * 0.0 + self.learning_rate


@dataclass(frozen=True)
class Inner(Kind):
    """A schedule, of this package or external, or a number, which is a constant rate."""

    allowed: str = "a learning-rate schedule or a learning rate"

    def coerce(self, value: Any) -> LearningRateSchedule:
        if isinstance(value, LearningRateSchedule):
            if type(value) is LearningRateSchedule:  # Keras's base class, which has no rates
                raise self.wrong_type()
            return value
        instead = hints.instead_of_a_schedule(value)
        if instead:
            raise self.wrong_type(instead)
        try:
            return Constant(RATE.coerce(value))
        except RefusedError as refused:
            allowed = self.allowed if refused.error is TypeError else refused.allowed
            raise RefusedError(refused.error, allowed, refused.hint) from None


SCHEDULE = Inner()
# Any, so that a type checker takes a number too, and an external schedule, whose class has no types.
AnySchedule = Annotated[Any, SCHEDULE]
Schedules = Annotated[
    Sequence[Any],
    Several("a non-empty sequence of learning-rate schedules or learning rates", SCHEDULE),
]


class Chain(Schedule):
    """Schedules one after another, each for its own duration: what ``a >> b`` makes.

    f(t) = b(t − duration of a) once a has come to its end, a(t) before.

    Args:
        schedules: the parts; all but the last have an end (`duration`).

    Raises:
        ValueError: also when a part that is not the last has no end.

    Example:
        >>> (LinearDecay(0.4, 4, 0.2) >> LinearDecay(0.2, 2)).values([0, 2, 4, 5, 6]).round(6).tolist()
        [0.4, 0.3, 0.2, 0.1, 0.0]
    """

    template = "{schedules:then}"
    schedules: Schedules

    def validate(self) -> None:
        for schedule in self.schedules[:-1]:
            endless = not isinstance(schedule, Schedule) or type(schedule).length is Schedule.length
            if endless or (schedule.is_bound and schedule.length() is None):
                self.refuse(
                    "schedules",
                    f"schedules with an end, except for the last, and {schedule!r} has none (use `Sequential`)",
                )

    def validate_steps(self) -> None:
        if any(boundary >= STEP_LIMIT for boundary in self._boundaries()):
            self.refuse("schedules", "schedules that have less than 2**31 steps together before the last begins")

    def _boundaries(self) -> tuple[int, ...]:
        boundaries = [0]
        for schedule in self.schedules[:-1]:
            length = length_of(schedule)
            assert length is not None  # `validate` has refused it
            boundaries.append(boundaries[-1] + length)
        return tuple(boundaries[1:])

    def length(self) -> int | None:
        last = length_of(self.schedules[-1])
        return None if last is None else sum(self._boundaries()[-1:]) + last

    def cycle_end_after(self, step: int) -> int | None:
        return joined_cycle_end(self.schedules, self._boundaries(), step)

    def rate(self, step: Step) -> Value:
        return joined(self.schedules, self._boundaries(), step)


def joined(schedules: Sequence[LearningRateSchedule], boundaries: Sequence[int], step: Step) -> Value:
    """The rate of schedules that follow one another at boundaries."""
    value = rate_of(schedules[0], step)
    for boundary, schedule in zip(boundaries, schedules[1:], strict=True):
        value = where(step >= boundary, rate_of(schedule, since(step, boundary)), value)
    return value


class Product(Schedule):
    """Schedules multiplied, and a number: what ``a * b`` and ``2 * a`` make.

    f(t) = factor · schedules[0](t) · schedules[1](t) · …

    Args:
        schedules: the factors that depend on the step.
        factor: the one that does not, >= 0.

    Example:
        >>> (2 * Constant(0.25) * LinearDecay(1.0, 100)).values([0, 50]).tolist()
        [0.5, 0.25]
    """

    template = "{schedules:times}<, times {factor}>"
    schedules: Schedules
    factor: NonNegative = 1.0

    def length(self) -> int | None:
        return longest(self.schedules)

    def cycle_end_after(self, step: int) -> int | None:
        return earliest(cycle_end_after(schedule, step) for schedule in self.schedules)

    def rate(self, step: Step) -> Value:
        value = rate_of(self.schedules[0], step)
        for schedule in self.schedules[1:]:
            value = value * rate_of(schedule, step)
        return value if self.factor == 1.0 else self.factor * value


class Sum(Schedule):
    """Schedules added: what ``a + b`` makes; a number is a constant rate.

    f(t) = schedules[0](t) + schedules[1](t) + …

    Args:
        schedules: what is added.

    Example:
        >>> (LinearDecay(0.4, 100) + 0.1).values([0, 50, 100]).round(6).tolist()
        [0.5, 0.3, 0.1]
    """

    template = "{schedules:plus}"
    schedules: Schedules

    def length(self) -> int | None:
        return longest(self.schedules)

    def cycle_end_after(self, step: int) -> int | None:
        return earliest(cycle_end_after(schedule, step) for schedule in self.schedules)

    def rate(self, step: Step) -> Value:
        value = rate_of(self.schedules[0], step)
        for schedule in self.schedules[1:]:
            value = value + rate_of(schedule, step)
        return value


def longest(schedules: Sequence[Any]) -> int | None:
    """Steps until the last of several schedules has come to its end; a constant has none to come to."""
    lengths = [length_of(schedule) for schedule in schedules if not isinstance(schedule, Constant)]
    known = [length for length in lengths if length is not None]
    return max(known) if known and len(known) == len(lengths) else None


class Clip(FollowsInner, Schedule):
    """Another schedule held between two rates: what `clip` makes.

    f(t) = min(max(schedule(t), low), high)

    Args:
        schedule: the schedule.
        low: lowest rate.
        high: highest rate, at least `low`; no limit when None.

    Raises:
        ValueError: also when `high` is below `low`.

    Example:
        >>> LinearDecay(0.4, 100).clip(0.1, 0.3).values([0, 50, 100]).tolist()
        [0.3, 0.2, 0.1]
    """

    template = "{schedule}<, at least {low}><, at most {high}>"
    schedule: AnySchedule
    low: Rate = 0.0
    high: OptionalRate = None

    def validate(self) -> None:
        if self.high is not None and self.high < self.low:
            self.refuse("high", f"at least `low` ({self.low!r})")

    def rate(self, step: Step) -> Value:
        value = maximum(rate_of(self.schedule, step), self.low)
        return value if self.high is None else minimum(value, self.high)


class Shifted(Schedule):
    """Another schedule some steps on, or back: what `from_step` makes.

    f(t) = schedule(max(t + steps, 0))

    Args:
        schedule: the schedule.
        steps: how many steps on; negative for back, where it waits at its step 0.

    Example:
        >>> LinearDecay(0.4, 100).from_step(25).values([0, 25, 75]).round(6).tolist()
        [0.3, 0.2, 0.0]
    """

    template = "{schedule}, begun at its step {steps}"
    schedule: AnySchedule
    steps: Shift

    def length(self) -> int | None:
        length = length_of(self.schedule)
        return None if length is None else max(length - self.steps, 0)

    def cycle_end_after(self, step: int) -> int | None:
        end = cycle_end_after(self.schedule, max(step + self.steps, 0))
        return None if end is None else end - self.steps

    def rate(self, step: Step) -> Value:
        return rate_of(self.schedule, later(step, self.steps) if self.steps >= 0 else since(step, -self.steps))


class Cooldown(Schedule):
    """Another schedule until a step, and from its rate there down to an end rate.

    f(t) = schedule(t)                                          for t < at
    f(t) = end + (schedule(at) − end) · s((t − at)/steps)       from there on

    with the shapes s of `WarmupStableDecay` that come to the end rate. For "start the cooldown
    now" and for a branch from a checkpoint: there is no jump at `at`. Zhai et al. 2022, arXiv
    2106.04560, section 3.

    Args:
        schedule: a schedule or a constant rate.
        at: step at which it is left.
        steps: steps of the fall.
        end_learning_rate: rate from at + steps on.
        shape: "linear", "cosine", "sqrt" or "exponential".

    Example:
        >>> Constant(0.4).cooldown(at=100, steps=20).values([99, 100, 110, 120]).round(6).tolist()
        [0.4, 0.4, 0.2, 0.0]
    """

    template = "{schedule}, left after {at:steps} for a {shape} fall to {end_learning_rate} over {steps:steps}"
    schedule: AnySchedule
    at: StepsOrZero
    steps: Steps
    end_learning_rate: Rate = 0.0
    shape: FallShape = "linear"

    def length(self) -> int | None:
        return self.at + self.steps

    def cycle_end_after(self, step: int) -> int | None:
        return cycle_end_in(self.schedule, step, end=self.at)

    def rate(self, step: Step) -> Value:
        share = fall(self.shape, since(step, self.at), self.steps)
        falling = mix(self.end_learning_rate, rate_at(self.schedule, self.at, step), share)
        return where(step < self.at, rate_of(self.schedule, step), falling)


class Bound(Schedule):
    """A schedule with its epochs, fractions and samples turned into steps: what `bind` returns.

    f(t) = schedule(t), its durations of n epochs being ⌊n · steps_per_epoch + 1/2⌋ steps, those of a
    fraction s of the training ⌊s · steps_per_epoch · epochs + 1/2⌋, those of n samples
    ⌊n / batch_size + 1/2⌋. In a sum of several units the whole is rounded.

    It keeps the schedule as it was written, so that it can be bound anew for another training.

    Args:
        schedule: a schedule with durations in epochs, fractions or samples.
        steps_per_epoch: batches in an epoch; None where no duration needs it.
        epochs: epochs of the training; None where no duration needs it.
        batch_size: samples in a batch; None where no duration needs it.

    Raises:
        ValueError: also when a duration comes out as a number of steps that is not allowed, or needs a number that is
            None.

    Example:
        >>> LinearDecay(0.1, epochs(2)).bind(steps_per_epoch=50, epochs=3).values([0, 50, 100]).tolist()
        [0.1, 0.05, 0.0]
    """

    template = "{in_steps}<, in {epochs:epochs} of {steps_per_epoch:steps}><, with {batch_size:samples} in a batch>"
    schedule: AnySchedule
    steps_per_epoch: CountOrNone
    epochs: CountOrNone
    batch_size: CountOrNone = None
    in_steps: ClassVar[LearningRateSchedule]
    is_by_callback: ClassVar[bool] = False
    """Whether a callback has bound it, which may bind it anew; what you bind yourself stays. It is in no file."""

    def validate(self) -> None:
        for duration in durations(self.schedule):
            missing = [name for name in ("steps_per_epoch", "epochs") if getattr(self, name) is None]
            if missing and duration.needs_epochs:
                self.refuse(missing[0], f"given with durations in epochs or fractions, such as {duration!r}")
            if self.batch_size is None and duration.samples:
                self.refuse("batch_size", f"the samples in a batch with durations such as {duration!r}")
        object.__setattr__(self, "is_bound", True)
        object.__setattr__(self, "in_steps", self._resolve(self.schedule))

    def _resolve(self, part: Any) -> Any:
        """The same thing with durations in steps."""
        if isinstance(part, Duration):
            return part.steps(self.steps_per_epoch, self.epochs, self.batch_size)
        return map_parts(part, self._resolve) if isinstance(part, Schedule) and not part.is_bound else part

    def _parts(self) -> tuple[LearningRateSchedule, ...]:
        return (self.in_steps,)

    def length(self) -> int | None:
        return length_of(self.in_steps)

    def changes(self) -> tuple[int, ...]:
        return self.in_steps.changes() if isinstance(self.in_steps, Schedule) else ()

    def cycle_end_after(self, step: int) -> int | None:
        return cycle_end_after(self.in_steps, step)

    def rate(self, step: Step) -> Value:
        return rate_of(self.in_steps, step)


def rebound(
    schedule: LearningRateSchedule,
    steps_per_epoch: int | None,
    epochs: int | None,
    again: Callable[[Bound], bool] = lambda part: True,
    batch_size: int | None = None,
) -> LearningRateSchedule:
    """A schedule with everything in it that has units bound to these numbers.

    Args:
        schedule: the schedule.
        steps_per_epoch: batches in an epoch.
        epochs: epochs of the training.
        again: whether what is bound already is bound anew.
        batch_size: samples in a batch.
    """

    def rebind(part: Any) -> Any:
        if isinstance(part, Bound):
            return rebound(part.schedule, steps_per_epoch, epochs, again, batch_size) if again(part) else part
        return map_parts(part, rebind) if isinstance(part, Schedule) and contains(part, Bound) else part

    inner: LearningRateSchedule = rebind(schedule)
    if not isinstance(inner, Schedule) or inner.is_bound:
        return inner
    return inner.bind(steps_per_epoch=steps_per_epoch, epochs=epochs, batch_size=batch_size)


def bound_parts(schedule: Any) -> list[Bound]:
    """What is bound in a schedule, itself included."""
    if isinstance(schedule, Bound):
        return [schedule]
    inner = schedule._parts() if isinstance(schedule, Schedule) else ()
    return [found for part in inner for found in bound_parts(part)]


def chained(a: Schedule, b: Any) -> Schedule:
    """``a >> b``, flat, so that it does not matter how a chain was put together."""
    parts = [part.schedules if isinstance(part, Chain) else (part,) for part in (a, b)]
    return Chain((*parts[0], *parts[1]))


def multiplied(a: Schedule, b: Any) -> Schedule:
    """``a * b``, flat, with all numbers in one factor."""
    parts: tuple[Any, ...] = ()
    factor = 1.0
    for operand in (a, b):
        if isinstance(operand, Product):
            parts, factor = (*parts, *operand.schedules), factor * operand.factor
        elif hasattr(operand, "get_config"):
            parts += (operand,)
        else:
            factor *= check(NON_NEGATIVE, "*", "factor", operand)
    return Product(parts, factor)


def added(a: Schedule, b: Any) -> Schedule:
    """``a + b``, flat."""
    parts = [part.schedules if isinstance(part, Sum) else (part,) for part in (a, b)]
    return Sum((*parts[0], *parts[1]))


def shifted(schedule: Schedule, steps: SupportsFloat) -> Schedule:
    """``schedule.from_step(steps)``; a shift of a shift is their sum, except for one on and then back.

    That one waits at the step to which the first has gone on, not at 0.
    """
    moved = Shifted(schedule, steps)
    if isinstance(schedule, Shifted) and moved.is_bound and schedule.is_bound:
        both = schedule.steps + moved.steps
        if (schedule.steps <= 0 or moved.steps >= 0) and abs(both) < STEP_LIMIT:
            moved = Shifted(schedule.schedule, both)
    return moved


def _combine(operation: Callable[[Any, Any], Any], sign: str, name: str, a: Any, b: Any) -> Any:
    """An operator; another kind of operand than a schedule or a number is left to Python."""
    if not (_is_number(b) or isinstance(b, LearningRateSchedule)):
        return _not_combined(sign, name, "a number or a learning-rate schedule", b)
    return operation(a, b)


def _not_combined(sign: str, name: str, allowed: str, other: Any) -> Any:
    """Leaves an operand to Python, which asks its class; but no tensor, whose class would make a tensor of us."""
    if keras.ops.is_tensor(other) or isinstance(other, np.ndarray | Variable | keras.KerasTensor):
        refuse(sign, name, f"{allowed} (the rate at a step, to reckon with, is schedule(step))", other, TypeError)
    return NotImplemented


def _is_number(value: Any) -> bool:
    try:
        number = plain(value)
    except NoNumberYetError:
        return False
    return isinstance(number, numbers.Real) and not isinstance(number, bool)
