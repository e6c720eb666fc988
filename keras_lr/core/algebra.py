"""`Schedule`, its operators, and the classes of schedules that the operators make.

The algebra is closed: every operator returns a `Schedule`, which has the same operators.
"""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
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

    Subclass it with annotated fields and a method ``rate(step)``. Write the formula with the
    functions of `keras_lr.custom`. The class becomes a frozen dataclass and checks its arguments.
    It is registered with Keras as ``package>Name``, so that models which use it are saved and
    loaded without `custom_objects`. `package` is a class argument: ``keras_lr`` for the schedules
    of this package, ``Custom`` elsewhere by default.

    A schedule is immutable and hashable. Two schedules are equal if they have the same class and
    the same arguments, and ``eval(repr(schedule)) == schedule``.

    Raises:
        TypeError: an argument has the wrong type, is missing or is unknown.
        ValueError: an argument has a value that is not allowed. The error names the argument, what
            is allowed, and what was given.
    """

    def bind(
        self,
        *,
        steps_per_epoch: SupportsFloat | None = None,
        epochs: SupportsFloat | None = None,
        batch_size: SupportsFloat | None = None,
    ) -> Schedule:
        """The schedule with all durations in steps, for a training of `epochs` epochs.

        Durations in `epochs`, `fraction` and `samples` become numbers of steps, also those of inner
        schedules. `BindSchedule` does this at the start of `fit`.

        Args:
            steps_per_epoch: batches in an epoch, >= 1.
            epochs: epochs of the training, >= 1. Leave out this and `steps_per_epoch` if all durations are in samples.
            batch_size: samples in a batch, >= 1. It is needed for durations in `samples`.

        Returns:
            A `Bound`, which keeps the units, or the schedule itself if it has no units.

        Raises:
            TypeError, ValueError: a number is missing, not whole or below 1, or a duration becomes a
                number of steps that its argument does not allow.
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
        return multiplied(self, other) if _is_operand("*", "factor", other) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: SupportsFloat) -> Schedule:
        if not _is_operand("/", "divisor", other, or_schedule=False):
            return NotImplemented
        divisor: float = check(POSITIVE, "/", "divisor", other)
        return self * (1.0 / divisor)

    def __add__(self, other: Schedule | SupportsFloat) -> Schedule:
        return added(self, other) if _is_operand("+", "schedules", other) else NotImplemented

    __radd__ = __add__

    def __rshift__(self, other: Schedule | SupportsFloat) -> Schedule:
        return chained(self, other) if _is_operand(">>", "schedules", other) else NotImplemented

    def clip(self, low: SupportsFloat = 0.0, high: SupportsFloat | None = None) -> Schedule:
        """The schedule limited to the rates from `low` to `high`.

        f(t) = min(max(self(t), low), high)

        Args:
            low: the lowest rate, >= 0.
            high: the highest rate, at least `low`; None for no limit.

        Returns:
            A `Clip`.

        Raises:
            TypeError, ValueError: a limit is not a rate, or `high` is below `low`.
        """
        return Clip(self, low, high)

    def from_step(self, steps: SupportsFloat) -> Schedule:
        """The schedule shifted in time: what it gives from its step `steps` on.

        f(t) = self(max(t + steps, 0))

        If the counter of an optimizer is at n already, ``from_step(-n)`` starts a new schedule there.

        Args:
            steps: how many steps to skip. A negative number delays the schedule, which then stays at
                its first rate for so many steps.

        Returns:
            A `Shifted`.

        Raises:
            TypeError, ValueError: `steps` is not a number of steps in (-2**31, 2**31).
        """
        return shifted(self, steps)

    def cooldown(
        self,
        at: SupportsFloat,
        steps: SupportsFloat,
        end_learning_rate: SupportsFloat = 0.0,
        shape: FallShape = "linear",
    ) -> Schedule:
        """The schedule up to step `at`, then a fall from its rate there to the end rate.

        f(t) = self(t) for t < at, then end + (self(at) − end) · s((t − at)/steps), as in `Cooldown`

        Args:
            at: step at which the fall begins, >= 0.
            steps: steps of the fall, >= 1.
            end_learning_rate: rate from step at + steps on.
            shape: "linear", "cosine", "sqrt" or "exponential".

        Returns:
            A `Cooldown`.

        Raises:
            TypeError, ValueError: an argument is not allowed.
        """
        return Cooldown(self, at, steps, end_learning_rate, shape)


class Constant(Schedule):
    """A flat line: the same rate at every step.

    f(t) = learning_rate

    Args:
        learning_rate: the rate, >= 0.

    Raises:
        TypeError, ValueError: an argument is not allowed.

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
    """A schedule of this package, an external schedule, or a number, which means a constant rate."""

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
# `Any`, so that a type checker accepts a number too, and an external schedule, whose class has no type information.
AnySchedule = Annotated[Any, SCHEDULE]
Schedules = Annotated[
    Sequence[Any],
    Several("a non-empty sequence of learning-rate schedules or learning rates", SCHEDULE),
]


class OneAfterAnother:
    """Schedules that follow one another, each from its own step 0."""

    schedules: Schedules

    def _boundaries(self) -> Sequence[int]:
        """The steps at which the schedules after the first begin."""
        raise NotImplementedError

    def length(self) -> int | None:
        last = length_of(self.schedules[-1])
        return None if last is None else sum(self._boundaries()[-1:]) + last

    def cycle_end_after(self, step: int) -> int | None:
        boundaries = self._boundaries()
        parts = zip(self.schedules, (0, *boundaries), (*boundaries, None), strict=True)
        found = (cycle_end_in(part, step, start, end) for part, start, end in parts if end is None or end > step)
        return next((end for end in found if end is not None), None)

    def rate(self, step: Step) -> Value:
        value = rate_of(self.schedules[0], step)
        for boundary, schedule in zip(self._boundaries(), self.schedules[1:], strict=True):
            value = where(step >= boundary, rate_of(schedule, since(step, boundary)), value)
        return value


class Chain(OneAfterAnother, Schedule):
    """Schedules one after another, each for its own duration: the result of ``a >> b``.

    f(t) = a(t) for t < n, then b(t − n), where n is the `duration` of a in steps

    Args:
        schedules: the schedules in their order. All but the last must have an end (a `duration`).

    Raises:
        TypeError, ValueError: an argument is not allowed, or a schedule before the last has no end.

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
            self.refuse("schedules", "schedules with fewer than 2**31 steps in total before the last one begins")

    def _boundaries(self) -> tuple[int, ...]:
        lengths: Any = map(length_of, self.schedules[:-1])  # none of them is None: `validate` has refused that
        return tuple(accumulate(lengths))


class Together:
    """Schedules that count together: their length is the longest, apart from constants, if all have an end."""

    schedules: Schedules

    def length(self) -> int | None:
        lengths = [length_of(schedule) for schedule in self.schedules if not isinstance(schedule, Constant)]
        known = [length for length in lengths if length is not None]
        return max(known) if known and len(known) == len(lengths) else None

    def cycle_end_after(self, step: int) -> int | None:
        return earliest(cycle_end_after(schedule, step) for schedule in self.schedules)

    def _rates(self, step: Step) -> list[Value]:
        return [rate_of(schedule, step) for schedule in self.schedules]


class Product(Together, Schedule):
    """A product of schedules and a number: the result of ``a * b`` and ``2 * a``.

    f(t) = factor · schedules[0](t) · schedules[1](t) · …

    Args:
        schedules: the factors that depend on the step.
        factor: the constant factor, >= 0.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> (2 * Constant(0.25) * LinearDecay(1.0, 100)).values([0, 50]).tolist()
        [0.5, 0.25]
    """

    template = "{schedules:times}<, times {factor}>"
    schedules: Schedules
    factor: NonNegative = 1.0

    def rate(self, step: Step) -> Value:
        value = reduce(operator.mul, self._rates(step))
        return value if self.factor == 1.0 else self.factor * value


class Sum(Together, Schedule):
    """A sum of schedules: the result of ``a + b``. A number is a constant rate.

    f(t) = schedules[0](t) + schedules[1](t) + …

    Args:
        schedules: the schedules to add.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> (LinearDecay(0.4, 100) + 0.1).values([0, 50, 100]).round(6).tolist()
        [0.5, 0.3, 0.1]
    """

    template = "{schedules:plus}"
    schedules: Schedules

    def rate(self, step: Step) -> Value:
        return reduce(operator.add, self._rates(step))


class Clip(FollowsInner, Schedule):
    """A schedule limited to the rates between two limits: the result of `clip`.

    f(t) = min(max(schedule(t), low), high)

    Args:
        schedule: the schedule to limit.
        low: the lowest rate, >= 0.
        high: the highest rate, at least `low`; None for no limit.

    Raises:
        TypeError, ValueError: an argument is not allowed, or `high` is below `low`.

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
    """A schedule shifted in time: the result of `from_step`.

    f(t) = schedule(max(t + steps, 0))

    Args:
        schedule: the schedule to shift.
        steps: how many steps to skip. A negative number delays the schedule, which stays at its
            first rate for so many steps.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> LinearDecay(0.4, 100).from_step(25).values([0, 25, 75]).round(6).tolist()
        [0.3, 0.2, 0.0]
    """

    template = "{schedule}, starting at its step {steps}"
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
    """A schedule up to a step, then a fall from its rate there to an end rate.

    f(t) = schedule(t)                                          for t < at
    f(t) = end + (schedule(at) − end) · s((t − at)/steps)       from there on

    s is 1 − x ("linear"), (1 + cos πx)/2 ("cosine"), 1 − √x ("sqrt") or 2·0.5^x − 1
    ("exponential"), as in `WarmupStableDecay`. There is no jump at `at`. Use it to start the
    cooldown now, or to branch off from a checkpoint: Zhai et al. 2022, arXiv 2106.04560, section 3.

    Args:
        schedule: a schedule or a constant rate.
        at: step at which the fall begins, >= 0.
        steps: steps of the fall, >= 1.
        end_learning_rate: rate from step at + steps on.
        shape: "linear", "cosine", "sqrt" or "exponential".

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> Constant(0.4).cooldown(at=100, steps=20).values([99, 100, 110, 120]).round(6).tolist()
        [0.4, 0.4, 0.2, 0.0]
    """

    template = "{schedule}, and after {at:steps} a {shape} fall to {end_learning_rate} over {steps:steps}"
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
    """A schedule whose epochs, fractions and samples have become steps: the result of `bind`.

    f(t) = schedule(t), where n epochs are ⌊n · steps_per_epoch + 1/2⌋ steps, a fraction s of the
    training is ⌊s · steps_per_epoch · epochs + 1/2⌋ steps, and n samples are ⌊n / batch_size + 1/2⌋
    steps. A sum of several units is rounded once.

    The original schedule is kept, so that it can be bound again for another training.

    Args:
        schedule: a schedule with durations in epochs, fractions or samples.
        steps_per_epoch: batches in an epoch; None if no duration needs it.
        epochs: epochs of the training; None if no duration needs it.
        batch_size: samples in a batch; None if no duration needs it.

    Raises:
        TypeError, ValueError: an argument is not allowed, a duration needs a number that is None, or it
            becomes a number of steps that its argument does not allow.

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
    """Whether a callback bound it. Callbacks bind such a schedule again, but not one that you bound. Never saved."""

    def validate(self) -> None:
        for duration in durations(self.schedule):
            missing = [name for name in ("steps_per_epoch", "epochs") if getattr(self, name) is None]
            if missing and duration.needs_epochs:
                self.refuse(missing[0], f"given if there are durations in epochs or fractions, such as {duration!r}")
            if self.batch_size is None and duration.samples:
                self.refuse("batch_size", f"given if there are durations in samples, such as {duration!r}")
        object.__setattr__(self, "is_bound", True)
        object.__setattr__(self, "in_steps", self._resolve(self.schedule))

    def _resolve(self, part: Any) -> Any:
        """The same value with durations in steps."""
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
    """A schedule in which every part with units is bound to these numbers.

    Args:
        schedule: the schedule.
        steps_per_epoch: batches in an epoch.
        epochs: epochs of the training.
        again: whether a part that is bound already is bound again.
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
    """The bound schedules inside a schedule, or the schedule itself if it is bound."""
    if isinstance(schedule, Bound):
        return [schedule]
    inner = schedule._parts() if isinstance(schedule, Schedule) else ()
    return [found for part in inner for found in bound_parts(part)]


def chained(a: Schedule, b: Any) -> Schedule:
    """``a >> b`` as one flat chain, so that the grouping does not matter."""
    parts = [part.schedules if isinstance(part, Chain) else (part,) for part in (a, b)]
    return Chain((*parts[0], *parts[1]))


def multiplied(a: Schedule, b: Any) -> Schedule:
    """``a * b`` as one flat product, with all numbers in one factor."""
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
    """``a + b`` as one flat sum."""
    parts = [part.schedules if isinstance(part, Sum) else (part,) for part in (a, b)]
    return Sum((*parts[0], *parts[1]))


def shifted(schedule: Schedule, steps: SupportsFloat) -> Schedule:
    """``schedule.from_step(steps)``. Two shifts become one by their sum, except for one forward and then one back.

    The second of those waits at the step to which the first has skipped, not at step 0.
    """
    moved = Shifted(schedule, steps)
    if isinstance(schedule, Shifted) and moved.is_bound and schedule.is_bound:
        both = schedule.steps + moved.steps
        if (schedule.steps <= 0 or moved.steps >= 0) and abs(both) < STEP_LIMIT:
            moved = Shifted(schedule.schedule, both)
    return moved


def _is_operand(sign: str, name: str, value: Any, *, or_schedule: bool = True) -> bool:
    """Whether a value is a number or a schedule. Python asks the class of any other operand.

    A tensor is refused, since its class would convert the schedule.
    """
    if _is_number(value) or (or_schedule and isinstance(value, LearningRateSchedule)):
        return True
    if keras.ops.is_tensor(value) or isinstance(value, np.ndarray | Variable | keras.KerasTensor):
        allowed = "a number or a learning-rate schedule" if or_schedule else "a number"
        refuse(sign, name, f"{allowed} (for the rate at a step, call schedule(step))", value, TypeError)
    return False


def _is_number(value: Any) -> bool:
    try:
        number = plain(value)
    except NoNumberYetError:
        return False
    return isinstance(number, numbers.Real) and not isinstance(number, bool)
