"""What all of the package may ask of a schedule, and the tree that schedules inside schedules make.

`Formula` is the abstract schedule of this package. A schedule of Keras or of a user is *external*: it has no parts
that can be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from numpy.typing import NDArray

from keras_lr.core.duration import Duration

if TYPE_CHECKING:

    class LearningRateSchedule:
        """Keras's class, as a type checker should see it.

        Keras has no type information. A class with a base that is unknown fits everywhere and takes
        everything: `2 * schedule` would be an `int`, and no argument of a schedule would be checked.
        """

        def __call__(self, step: Any) -> Any: ...

        def get_config(self) -> dict[str, Any]: ...

else:
    from keras.optimizers.schedules import LearningRateSchedule

DEEPEST = 64
"""How deep schedules can be nested; Python's recursion would end a few hundred levels deeper, without a clear error."""

MOST_PARTS = 1000
"""How many schedules one can be made of; reading them out of a file takes a millisecond for each."""


class Cache:
    """Rates that a schedule has computed already, since the next step asks for them again.

    This is all that changes in a schedule after it is made. It says nothing that the arguments do not say, so it is
    left out of comparisons, copies and files.

    Attributes:
        block: the first step of a block, and the rates of its steps (`evaluation.value_at`).
        tensor: the last tensor on torch, and what it was computed from (`evaluation.evaluate`).
        starts: rates at single steps, by the step (`inner.rate_at`).
    """

    __slots__ = ("block", "starts", "tensor")

    def __init__(self) -> None:
        self.block: tuple[int, list[float]] | None = None
        self.tensor: Any = None
        self.starts: dict[int, float] = {}


class Formula(LearningRateSchedule):
    """A schedule of this package, as far as those who compute or describe it need it.

    What begins with an underscore is for `keras_lr.core` alone; the other names are left to the fields of schedules.
    """

    template: ClassVar[str] = ""
    """What `describe` says, with the arguments in braces (see `keras_lr.core.describe`)."""

    is_bound: bool
    """Whether every duration is in steps. One in `epochs`, `samples` or a `fraction` waits for `bind`."""

    has_external: bool
    """Whether a schedule that is not of this package is somewhere inside."""

    _depth: int
    """Levels of schedules, this one included."""

    _count: int
    """Schedules that it is made of, this one included."""

    _cache: Cache

    def rate(self, step: Any) -> Any:
        """The formula: steps (NumPy integers or a backend integer tensor, any shape) to rates."""
        raise NotImplementedError

    def values(self, steps: Any) -> NDArray[Any]:
        """The formula in float64, on the host."""
        raise NotImplementedError

    def length(self) -> int | None:
        """Steps until the curve has reached its end; None if it has none."""
        raise NotImplementedError

    def cycle_end_after(self, step: int) -> int | None:
        """The first end of a cycle after a step, as the number of updates made by then, or None."""
        raise NotImplementedError

    def changes(self) -> tuple[int, ...]:
        """Steps at which the rate first changes, where a schedule is flat before."""
        raise NotImplementedError

    def bind(self, *, steps_per_epoch: int, epochs: int) -> Formula:
        """The same schedule with durations in steps."""
        raise NotImplementedError

    def _require_bound(self) -> None:
        if not self.is_bound:
            raise ValueError(
                f"{self!r} has durations in epochs, fractions or samples, which are not known yet: give `fit` the "
                "callback `BindSchedule()`, or use `schedule.bind(steps_per_epoch=…, epochs=…, batch_size=…)`"
            )

    def arguments(self) -> dict[str, Any]:
        """The arguments of the constructor, as they are stored."""
        raise NotImplementedError

    def _phrase(self) -> str:
        """What it does, as a part of a sentence."""
        raise NotImplementedError

    def _parts(self) -> tuple[LearningRateSchedule, ...]:
        """The schedules that the formula uses."""
        values = self.arguments().values()
        inside = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
        return tuple(part for part in inside if isinstance(part, LearningRateSchedule))


F = TypeVar("F", bound=Formula)


def walk(schedule: LearningRateSchedule) -> Iterator[LearningRateSchedule]:
    """A schedule, and all schedules inside it."""
    yield schedule
    if isinstance(schedule, Formula):
        for part in schedule._parts():
            yield from walk(part)


def contains(schedule: Any, classes: type | tuple[type, ...]) -> bool:
    """Whether a schedule of one of the classes is the schedule or somewhere inside it."""
    return any(isinstance(part, classes) for part in walk(schedule))


def map_parts(schedule: F, change: Callable[[Any], Any]) -> F:
    """The same schedule with `change` applied to each argument, and to each item of a sequence."""
    changed = {
        name: tuple(map(change, value)) if isinstance(value, tuple) else change(value)
        for name, value in schedule.arguments().items()
    }
    return type(schedule)(**changed)


def is_external(value: Any) -> bool:
    """Whether this is a schedule of Keras or of a user."""
    return isinstance(value, LearningRateSchedule) and not isinstance(value, Formula)


def is_bound(value: Any) -> bool:
    """Whether a schedule, or another argument's value, has no duration in another unit than steps."""
    if isinstance(value, tuple):
        return all(map(is_bound, value))
    return value.is_bound if isinstance(value, Formula) else not isinstance(value, Duration)


def durations(value: Any) -> Iterator[Duration]:
    """The durations in other units than steps in a schedule that is not bound, or in the value of an argument."""
    if isinstance(value, Duration):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from durations(part)
    elif isinstance(value, Formula) and not value.is_bound:
        for part in value.arguments().values():
            yield from durations(part)


def count_of(value: Any) -> int:
    """How many schedules the value of an argument is made of; one that is used twice counts twice."""
    if isinstance(value, tuple):
        return sum(map(count_of, value))
    return value._count if isinstance(value, Formula) else int(isinstance(value, LearningRateSchedule))


def depth_of(value: Any) -> int:
    """How many schedules deep the value of an argument is."""
    if isinstance(value, tuple):
        return max(map(depth_of, value), default=0)
    return value._depth if isinstance(value, Formula) else int(isinstance(value, LearningRateSchedule))
