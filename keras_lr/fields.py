"""The kinds of argument that a schedule can have.

A kind is used as the type of a field: ``decay_steps: Steps``. It says what the
argument may be, turns NumPy scalars into plain Python numbers (so that a config
is always JSON), and phrases every refusal in one place:

    StepDecay: `decay_steps` must be a whole number of steps in [1, 2**31), got -5

A wrong type raises `TypeError`, a wrong value `ValueError`.
"""

from __future__ import annotations

import itertools
import math
import numbers
import operator
import os
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, get_args, get_origin

import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.units import Duration

# JAX counts steps in int32, so no duration may reach 2**31.
STEP_LIMIT = 2**31

# What a compiled step computes in; a larger number would be infinite there, and a smaller one 0.
FLOAT32_MAX = float(np.finfo(np.float32).max)
FLOAT32_TINY = float(np.finfo(np.float32).tiny)


LONGEST_PATH = 4096


class RefusedError(Exception):
    """A value that is not of its kind; `error` is the exception type to raise."""

    def __init__(self, error: type[Exception], allowed: str) -> None:
        super().__init__(allowed)
        self.error = error
        self.allowed = allowed


def refuse(owner: str, name: str, allowed: str, value: Any, error: type[Exception] = ValueError) -> NoReturn:
    """Raise ``Owner: `name` must be <allowed>, got <value>``."""
    raise error(f"{owner}: `{name}` must be {allowed}, got {shown(value)}")


def shown(value: Any) -> str:
    """The repr of a value, cut short; of one without a repr, its type."""
    try:
        return reprlib.repr(value)
    except Exception:  # an integer of more than 4300 digits, or whatever an object's own repr raises
        return f"a value of type {type(value).__name__}"


def check(kind: Kind, owner: str, name: str, value: Any) -> Any:
    """Return `value` as its `kind` stores it, or raise the sentence that refuses it."""
    try:
        return kind.coerce(value)
    except RefusedError as refused:
        refuse(owner, name, refused.allowed, value, refused.error)
    except Exception:  # an object may raise anything when it is converted or compared
        refuse(owner, name, kind.allowed, value, TypeError)


class Kind:
    """One kind of argument. `allowed` completes the sentence "must be …"."""

    allowed: str

    def coerce(self, value: Any) -> Any:
        raise NotImplementedError

    def wrong_type(self) -> RefusedError:
        return RefusedError(TypeError, self.allowed)

    def wrong_value(self) -> RefusedError:
        return RefusedError(ValueError, self.allowed)


@dataclass(frozen=True)
class Real(Kind):
    """A finite number in an interval."""

    allowed: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False

    def coerce(self, value: Any) -> float:
        # bool is an int to Python, but `StepDecay(True, …)` is a mistake.
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
            raise self.wrong_type()
        try:
            number = float(value)
        except OverflowError:
            raise self.wrong_value() from None
        below = number <= self.low if self.open_low else number < self.low
        if not math.isfinite(number) or below or number > self.high:
            raise self.wrong_value()
        if abs(number) > FLOAT32_MAX:
            raise RefusedError(ValueError, f"{self.allowed}, and not beyond {FLOAT32_MAX:.5g}, the largest float32")
        if self.open_low and abs(number) < FLOAT32_TINY:
            raise RefusedError(ValueError, f"{self.allowed}, and not below {FLOAT32_TINY:.5g}, the smallest float32")
        return number


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number in [low, high), or, if `steps`, a duration in another unit.

    ``1000.0`` is a whole number, ``0.5`` is not.
    """

    allowed: str
    low: int
    high: int = STEP_LIMIT
    steps: bool = True

    def coerce(self, value: Any) -> int | Duration:
        if self.steps and isinstance(value, Duration):
            if value.amount == 0.0 and self.low > 0:
                raise self.wrong_value()
            return value
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
            raise self.wrong_type()
        # The value itself and not a float of it, which may be whole although the value is not.
        number: Any = value
        if not self.low <= number < self.high or number != int(number):
            raise self.wrong_value()
        return int(number)


@dataclass(frozen=True)
class Several(Kind):
    """A sequence of one kind, stored as a tuple."""

    allowed: str
    item: Kind
    order: Callable[[Any, Any], bool] | None = None
    at_least: int = 1

    def coerce(self, value: Any) -> tuple[Any, ...]:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if not isinstance(value, (list, tuple)):
            raise self.wrong_type()
        try:
            items = tuple(self.item.coerce(item) for item in value)
        except RefusedError as refused:
            raise RefusedError(refused.error, self.allowed) from None
        if len(items) < self.at_least:
            raise self.wrong_value()
        if self.order is not None and not all(self._in_order(a, b) for a, b in itertools.pairwise(items)):
            raise self.wrong_value()
        return items

    def _in_order(self, a: Any, b: Any) -> bool:
        """Whether two neighbours are in order, as far as their units let one know."""
        assert self.order is not None
        if isinstance(a, Duration) and isinstance(b, Duration) and a.unit == b.unit:
            return self.order(a.amount, b.amount)
        return isinstance(a, Duration) or isinstance(b, Duration) or self.order(a, b)


@dataclass(frozen=True)
class OneOf(Kind):
    """One of a few strings."""

    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:  # type: ignore[override]
        return "one of " + ", ".join(map(repr, self.choices))

    def coerce(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.wrong_type()
        if value not in self.choices:
            raise self.wrong_value()
        return str(value)


@dataclass(frozen=True)
class Flag(Kind):
    """True or False."""

    allowed: str = "True or False"

    def coerce(self, value: Any) -> bool:
        if not isinstance(value, (bool, np.bool_)):
            raise self.wrong_type()
        return bool(value)


@dataclass(frozen=True)
class Text(Kind):
    """A string."""

    allowed: str = "a string"

    def coerce(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.wrong_type()
        return str(value)


@dataclass(frozen=True)
class FilePath(Kind):
    """The path of a file or folder."""

    allowed: str = "a path"

    def coerce(self, value: Any) -> str:
        if not isinstance(value, str | os.PathLike):
            raise self.wrong_type()
        path = os.fspath(value)
        if not isinstance(path, str):
            raise self.wrong_type()
        if not 0 < len(path) <= LONGEST_PATH or not path.isprintable():  # NUL, and what cannot be encoded
            raise self.wrong_value()
        return str(path)


@dataclass(frozen=True)
class Optional(Kind):
    """Another kind, or None."""

    kind: Kind

    @property
    def allowed(self) -> str:  # type: ignore[override]
        return f"{self.kind.allowed}, or None"

    def coerce(self, value: Any) -> Any:
        if value is None:
            return None
        try:
            return self.kind.coerce(value)
        except RefusedError as refused:
            raise RefusedError(refused.error, self.allowed) from None


@dataclass(frozen=True)
class Inner(Kind):
    """A schedule (ours, Keras's or a user's), or a number, which is a constant rate."""

    allowed: str = "a learning-rate schedule or a learning rate"

    def coerce(self, value: Any) -> LearningRateSchedule:
        if isinstance(value, LearningRateSchedule):
            if type(value) is LearningRateSchedule:  # Keras's base class, which has no rates
                raise self.wrong_type()
            return value
        if callable(value):
            raise RefusedError(
                TypeError, f"{self.allowed} (a function cannot be saved with a model; subclass `Schedule`)"
            )
        from keras_lr.schedules.stepwise import Constant

        return Constant(RATE.coerce(value))


RATE = Real("a finite learning rate >= 0", low=0.0)

Rate = Annotated[float, RATE]
OptionalRate = Annotated[float | None, Optional(RATE)]
Rates = Annotated[Sequence[float], Several("a non-empty sequence of finite learning rates >= 0", RATE)]
STEPS = Whole("a whole number of steps in [1, 2**31)", 1)
Steps = Annotated[int, STEPS]
StepsOrNone = Annotated[int | None, Optional(Whole("a whole number of steps in [1, 2**31)", 1))]
StepsOrZero = Annotated[int, Whole("a whole number of steps in [0, 2**31)", 0)]
Milestones = Annotated[
    Sequence[int],
    Several(
        "a strictly increasing, non-empty sequence of whole numbers of steps in [0, 2**31)",
        Whole("a whole number of steps in [0, 2**31)", 0),
        order=operator.lt,
    ),
]
Boundaries = Annotated[
    Sequence[int],
    Several(
        "a sequence of whole numbers of steps in [0, 2**31), none smaller than the one before",
        Whole("a whole number of steps in [0, 2**31)", 0),
        order=operator.le,
        at_least=0,
    ),
]
Shift = Annotated[int, Whole("a whole number of steps in (-2**31, 2**31)", 1 - STEP_LIMIT)]
Factor = Annotated[float, Real("a number in (0, 1]", low=0.0, high=1.0, open_low=True)]
Fraction = Annotated[float, Real("a number in [0, 1]", low=0.0, high=1.0)]
Momentum = Annotated[float, Real("a number in [0, 1)", low=0.0, high=math.nextafter(1.0, 0.0))]
NON_NEGATIVE = Real("a finite number >= 0", low=0.0)
NonNegative = Annotated[float, NON_NEGATIVE]
POSITIVE = Real("a finite number > 0", low=0.0, open_low=True)
Positive = Annotated[float, POSITIVE]
FLAG = Flag()
TEXT = Text()
PATH = FilePath()
Switch = Annotated[bool, FLAG]
COUNT = Whole("a whole number in [1, 2**31)", 1, steps=False)
Count = Annotated[int, COUNT]
CountOrZero = Annotated[int, Whole("a whole number in [0, 2**31)", 0, steps=False)]
Name = Annotated[str | None, Optional(Text())]
SCHEDULE = Inner()
AnySchedule = Annotated[LearningRateSchedule, SCHEDULE]
Schedules = Annotated[
    Sequence[LearningRateSchedule],
    Several("a non-empty sequence of learning-rate schedules or learning rates", Inner()),
]


def kind_of(annotation: Any) -> Kind | None:
    """The kind in an annotated type, or None when there is none."""
    if get_origin(annotation) is not Annotated:
        return None
    return next((extra for extra in get_args(annotation)[1:] if isinstance(extra, Kind)), None)
