"""The kinds of argument that a schedule can have.

A kind is used as the type of a field: ``decay_steps: Steps``. It defines which values
are allowed. It converts everything that holds a number (NumPy scalars, tensors without
dimensions, variables) to a plain Python number, so that a config is always JSON. And
it gives every refusal the same form:

    StepDecay: `decay_steps` must be a number of steps in [1, 2**31), got -5

A wrong type raises `TypeError`, a wrong value `ValueError`.

A number of steps need not be whole: ``0.9 * total`` seldom is. Its meaning depends on its
purpose, and is defined here for all schedules:

- `Length`, the time scale of a formula: used exactly, as in Keras. 751.2 steps are 3756/5
  steps, in t/n and in ⌊t/n⌋. What follows begins at the first whole step after them.
- `Milestones` and `Boundaries`, which begin a new part: rounded up to a whole step.
- `LastSteps`, which still belong to the old part (`PiecewiseConstantDecay`): rounded down.
- `Steps` and `StepsOrZero`, for parts that must begin at a whole step: rounded to the nearest
  one (half a step up), like durations in `epochs` and `fraction`.
"""

from __future__ import annotations

import itertools
import math
import operator
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction as Ratio
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np

from keras_lr.core import hints
from keras_lr.core.duration import Duration
from keras_lr.core.plain import NoNumberYetError, as_array
from keras_lr.core.ratios import double, meant, nearest
from keras_lr.core.refusals import Kind, RefusedError
from keras_lr.core.typed import Number, Numbers

# JAX counts steps in int32, so no duration may reach 2**31.
STEP_LIMIT = 2**31

# A compiled step computes in float32. There a larger number would be infinite, and a smaller one 0.
FLOAT32_MAX = float(np.finfo(np.float32).max)
FLOAT32_TINY = float(np.finfo(np.float32).tiny)


LONGEST_PATH = 4096


@dataclass(frozen=True)
class Real(Kind):
    """A finite number in an interval."""

    allowed: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False

    def coerce(self, value: Any) -> float:
        value = self.number(value)
        try:
            number = double(value)
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
            if value.is_nothing and self.low > 0:
                raise self.wrong_value()
            return value
        # Not a float of the value, which may be whole although the value is not.
        number = self.number(value)
        if not self.low <= number < self.high:
            raise self.wrong_value(hints.for_cardinality(value, number) if self.low >= 0 else "")
        if number != int(number):
            raise self.wrong_value()
        return int(number)


ROUNDINGS: dict[str, Callable[[Ratio], int]] = {"nearest": nearest, "up": math.ceil, "down": math.floor}


@dataclass(frozen=True)
class StepCount(Kind):
    """A number of steps in [low, high), or a duration in another unit.

    Attributes:
        rounding: how a number that is not whole is rounded: "nearest", "up", "down", or "none", which
            keeps it. A fraction between -1 and 1 is refused: it was meant as a share of the training.
    """

    allowed: str
    low: int
    high: int = STEP_LIMIT
    rounding: str = "nearest"

    def coerce(self, value: Any) -> int | float | Duration:
        if isinstance(value, Duration):
            if value.is_nothing and self.low > 0:
                raise self.wrong_value()
            return value
        steps = self.exact(value)
        if steps.denominator > 1 and self.rounding == "none":
            return double(self.number(value))
        whole = int(steps) if steps.denominator == 1 else ROUNDINGS[self.rounding](steps)
        if not self.low <= whole < self.high:
            raise self.wrong_value()
        return whole

    def exact(self, value: Any) -> Ratio:
        """The exact value that the number means. It is checked against the bounds."""
        if isinstance(value, str):
            raise self.wrong_type(hints.for_steps(value))
        number = self.number(value)
        if not self.low <= number < self.high:
            small = self.low > 0 and 0 < number < self.low
            raise self.wrong_value(hints.for_share(number) if small else self._cardinality(value, number))
        steps = meant(number)
        if 0 < abs(number) < 1 and abs(steps) != 1:
            raise self.wrong_value(hints.for_share(number) if steps > 0 else "")
        if not self.low <= steps <= self.high - 1:
            raise self.wrong_value()
        return steps

    def _cardinality(self, value: Any, number: Any) -> str:
        return hints.for_cardinality(value, number) if self.low >= 0 else ""


@dataclass(frozen=True)
class Several(Kind):
    """A sequence of one kind, or an array or tensor of one dimension, stored as a tuple."""

    allowed: str
    item: Kind
    order: Callable[[Any, Any], bool] | None = None
    at_least: int = 1

    def coerce(self, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            value = self._listed(value)
        try:
            items = tuple(map(self.item.coerce, value))
            ranks = items if self.order is None else tuple(map(self._rank, value))
        except RefusedError as refused:
            raise RefusedError(refused.error, self.allowed, refused.hint) from None
        if len(items) < self.at_least:
            raise self.wrong_value()
        # Compare them as written and as stored, since two numbers may be rounded to the same step.
        neighbours = (*itertools.pairwise(ranks), *itertools.pairwise(items))
        if self.order is not None and not all(self._in_order(a, b) for a, b in neighbours):
            raise self.wrong_value()
        return items

    def _listed(self, value: Any) -> list[Any]:
        try:
            array = as_array(value)
        except NoNumberYetError:
            raise self.wrong_type("this tensor is symbolic or traced and has no values yet") from None
        if array is None or array.ndim != 1:
            raise self.wrong_type()
        # NumPy's numbers, not Python's: from the digits of a float32 one sees which value was meant.
        return list(array)

    def _rank(self, value: Any) -> Any:
        """The value to sort by: numbers of steps before they are rounded."""
        return self.item.exact(value) if isinstance(self.item, StepCount) and not isinstance(value, Duration) else value

    def _in_order(self, a: Any, b: Any) -> bool:
        """Whether two neighbours are in order. Different units cannot be compared and count as in order."""
        assert self.order is not None
        if isinstance(a, Duration) and isinstance(b, Duration) and a.single and b.single and a.single[0] == b.single[0]:
            return self.order(a.single[1], b.single[1])
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
class String(Kind):
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
class OrNone(Kind):
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
            raise RefusedError(refused.error, self.allowed, refused.hint) from None


RATE = Real("a finite learning rate >= 0", low=0.0)

Rate = Annotated[Number[float], RATE]
OptionalRate = Annotated[Number[float] | None, OrNone(RATE)]
Rates = Annotated[Numbers[Sequence[float]], Several("a non-empty sequence of finite learning rates >= 0", RATE)]
FROM_1 = "a number of steps in [1, 2**31)"
FROM_0 = "a number of steps in [0, 2**31)"
STEPS = StepCount(FROM_1, 1)
Steps = Annotated[Number[int], STEPS]
StepsOrNone = Annotated[Number[int] | None, OrNone(STEPS)]
StepsOrZero = Annotated[Number[int], StepCount(FROM_0, 0)]
LENGTH = StepCount(FROM_1, 1, rounding="none")
Length = Annotated[Number[float], LENGTH]
LengthOrNone = Annotated[Number[float] | None, OrNone(LENGTH)]
LengthOrZero = Annotated[Number[float], StepCount(FROM_0, 0, rounding="none")]


def _places(rounding: str, at_least: int = 1, order: Callable[[Any, Any], bool] = operator.le) -> Several:
    """A sequence of steps in ascending order."""
    what = "a non-empty sequence" if at_least else "a sequence"
    how = "none smaller than the one before" if order is operator.le else "each larger than the one before"
    return Several(f"{what} of steps in [0, 2**31), {how}", StepCount(FROM_0, 0, rounding=rounding), order, at_least)


Milestones = Annotated[Numbers[Sequence[int]], _places("up")]
LastSteps = Annotated[Numbers[Sequence[int]], _places("down")]
Points = Annotated[Numbers[Sequence[int]], _places("nearest", order=operator.lt)]
Boundaries = Annotated[Numbers[Sequence[int]], _places("up", at_least=0)]
Shift = Annotated[Number[int], StepCount("a number of steps in (-2**31, 2**31)", 1 - STEP_LIMIT)]
Factor = Annotated[Number[float], Real("a number in (0, 1]", low=0.0, high=1.0, open_low=True)]
Share = Annotated[Number[float], Real("a number in [0, 1]", low=0.0, high=1.0)]
MOMENTUM = Real("a number in [0, 1)", low=0.0, high=math.nextafter(1.0, 0.0))
Momentum = Annotated[Number[float], MOMENTUM]
NON_NEGATIVE = Real("a finite number >= 0", low=0.0)
NonNegative = Annotated[Number[float], NON_NEGATIVE]
POSITIVE = Real("a finite number > 0", low=0.0, open_low=True)
Positive = Annotated[Number[float], POSITIVE]
FLAG = Flag()
STRING = String()
PATH = FilePath()
Switch = Annotated[bool, FLAG]
COUNT = Whole("a whole number in [1, 2**31)", 1, steps=False)
Count = Annotated[Number[int], COUNT]
COUNT_OR_NONE = OrNone(COUNT)
CountOrNone = Annotated[Number[int] | None, COUNT_OR_NONE]
COUNT_OR_ZERO = Whole("a whole number in [0, 2**31)", 0, steps=False)
CountOrZero = Annotated[Number[int], COUNT_OR_ZERO]
StringOrNone = Annotated[str | None, OrNone(STRING)]


def one_of(choices: Any) -> OneOf:
    """The kind of a `Literal` of strings."""
    return OneOf(get_args(choices))


def kind_of(annotation: Any) -> Kind | None:
    """The kind of an annotated type or of a `Literal` of strings, otherwise None."""
    if get_origin(annotation) is Literal:
        return one_of(annotation)
    if get_origin(annotation) is not Annotated:
        return None
    return next((extra for extra in get_args(annotation)[1:] if isinstance(extra, Kind)), None)
