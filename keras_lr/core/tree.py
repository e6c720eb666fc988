"""The abstract schedule, and functions for the tree of schedules inside schedules.

`Formula` is the abstract schedule of this package. Schedules of Keras and of users are *external*: their parts cannot
be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from numpy.typing import NDArray

from keras_lr.core.duration import Duration

if TYPE_CHECKING:

    class LearningRateSchedule:
        """Keras's class, for type checkers.

        Keras has no type information. A class with an unknown base is compatible with every type:
        `2 * schedule` would be an `int`, and no argument of a schedule would be checked.
        """

        def __call__(self, step: Any) -> Any: ...

        def get_config(self) -> dict[str, Any]: ...

else:
    from keras.optimizers.schedules import LearningRateSchedule

DEEPEST = 64
"""How deep schedules can be nested. A few hundred levels more would exceed Python's recursion limit."""

MOST_PARTS = 1000
"""How many schedules one can be made of. Loading one from a file takes a millisecond."""


class Cache:
    """Rates that a schedule has computed and that are likely to be needed again.

    Nothing else in a schedule changes after it is made. All of it follows from the arguments, so it is left out of
    comparisons, copies and files.

    Attributes:
        block: the first step of a block, and the rates in it (`evaluation.value_at`).
        tensor: the last tensor on torch, and its step (`evaluation.evaluate`).
        starts: rates at single steps, by step (`inner.rate_at`).
    """

    __slots__ = ("block", "starts", "tensor")

    def __init__(self) -> None:
        self.block: tuple[int, list[float]] | None = None
        self.tensor: Any = None
        self.starts: dict[int, float] = {}


class Formula(LearningRateSchedule):
    """The interface of a schedule of this package: what its class defines, and what other code uses of it.

    Names with an underscore are for `keras_lr.core` alone. They leave the other names free for fields of schedules.
    """

    template: ClassVar[str] = ""
    """The sentence of `describe`, with arguments in braces (see `keras_lr.core.describe`)."""

    is_bound: bool
    """Whether every duration is in steps. Durations in `epochs`, `samples` or `fraction` need `bind`."""

    has_external: bool
    """Whether it contains an external schedule."""

    _depth: int
    """Levels of nested schedules, including this one."""

    _count: int
    """Number of schedules that it is made of, including this one."""

    _cache: Cache

    # What the class of a schedule defines.

    def rate(self, step: Any) -> Any:
        """The formula of the schedule, which a subclass defines.

        Args:
            step: steps of any shape, as NumPy integers (on the host) or a backend integer tensor.

        Returns:
            The rates, of the same shape: float64 on the host, float32 in a tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `rate(self, step)`")

    def length(self) -> int | None:
        """Steps until the curve has reached its end, or None. A schedule with an end overrides it."""
        return None

    def changes(self) -> tuple[int, ...]:
        """Steps at which a rate that was flat until then first changes. The audit uses them."""
        return ()

    def cycle_end_after(self, step: int) -> int | None:
        """The first end of a cycle after a step, or None. A schedule with cycles overrides it.

        The end is a number of updates. When so many have been made, the next update has the first
        rate of the next cycle.
        """
        return None

    # What every schedule gets.

    def values(self, steps: Any) -> NDArray[Any]:
        """The rates as float64, computed on the host."""
        raise NotImplementedError

    def bind(self, *, steps_per_epoch: int, epochs: int) -> Formula:
        """The same schedule with durations in steps."""
        raise NotImplementedError

    def _require_bound(self) -> None:
        if not self.is_bound:
            raise ValueError(
                f"{self!r} has durations in epochs, fractions or samples, and is not bound to a training: pass the "
                "callback `BindSchedule()` to `fit`, or use `schedule.bind(steps_per_epoch=…, epochs=…, batch_size=…)`"
            )

    def arguments(self) -> dict[str, Any]:
        """The arguments of the constructor, as they are stored."""
        raise NotImplementedError

    def _phrase(self) -> str:
        """What the schedule does, as a part of a sentence."""
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
    """Whether the schedule, or one inside it, is an instance of one of the classes."""
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
    """Whether all durations in a schedule, or in another value of an argument, are in steps."""
    if isinstance(value, tuple):
        return all(map(is_bound, value))
    return value.is_bound if isinstance(value, Formula) else not isinstance(value, Duration)


def durations(value: Any) -> Iterator[Duration]:
    """The durations in other units than steps, in an unbound schedule or in another value of an argument."""
    if isinstance(value, Duration):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from durations(part)
    elif isinstance(value, Formula) and not value.is_bound:
        for part in value.arguments().values():
            yield from durations(part)


def count_of(value: Any) -> int:
    """How many schedules the value of an argument is made of. One that is used twice counts twice."""
    if isinstance(value, tuple):
        return sum(map(count_of, value))
    return value._count if isinstance(value, Formula) else int(isinstance(value, LearningRateSchedule))


def depth_of(value: Any) -> int:
    """How deep schedules are nested in the value of an argument."""
    if isinstance(value, tuple):
        return max(map(depth_of, value), default=0)
    return value._depth if isinstance(value, Formula) else int(isinstance(value, LearningRateSchedule))
