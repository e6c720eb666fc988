"""`Schedule`: a learning-rate schedule as a small frozen value.

A schedule is its fields, a docstring, and one pure method of the step:

    class HalfLife(Schedule):
        \"\"\"Halves every `half_life` steps.\"\"\"

        words = "{learning_rate}, halved every {half_life:steps}"
        learning_rate: Rate
        half_life: Steps

        def rate(self, step):
            return self.learning_rate * power(0.5 ** (1 / self.half_life), step)

Construction and its checks, config, equality, hash, repr, both evaluations and the
registration with Keras are derived here from the fields, once for all schedules.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import numbers
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, dataclass_transform, get_type_hints

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr import evaluation, hints
from keras_lr.curves import Step, Value
from keras_lr.fields import COUNT, POSITIVE, Kind, check, kind_of, refuse, shown
from keras_lr.plain import NoNumberYetError, plain
from keras_lr.units import Duration, epochs, fraction

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    class LearningRateSchedule:
        """Keras's class, as a type checker should see it.

        Keras has no type information. A class with a base that is unknown fits everywhere and takes
        everything: `2 * schedule` would be an `int`, and no argument of a schedule would be checked.
        """

else:
    from keras.optimizers.schedules import LearningRateSchedule

UNITS = {"epochs": epochs, "fraction": fraction}

DEEPEST = 64
"""How deep schedules can be nested; Python's recursion would end a few hundred levels deeper, without a clear error."""

MOST_STEPS = 100_000_000
"""Rows of the largest table of a curve."""


class Argument(NamedTuple):
    """Where an argument of the constructor is stored, and what it may be."""

    attribute: str
    kind: Kind


def field(*, alias: str) -> Any:
    """A field whose argument has another name, where that name is taken by a method."""
    return dataclasses.field(metadata={"alias": alias})


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
class Schedule(LearningRateSchedule):
    """A learning rate as a function of the step, the number of updates already applied.

    Subclass it with annotated fields and a method ``rate(step)``, written with the
    functions of `keras_lr.curves`; the class becomes a frozen dataclass, checks its
    arguments, and is registered with Keras (as ``package>Name``; `package` is a class
    argument, ``keras_lr`` for the schedules of this package and ``Custom`` elsewhere),
    so models that use it save and load without `custom_objects`.

    A schedule is immutable, hashable, and equal to another one when class and arguments
    are. ``eval(repr(schedule)) == schedule``.
    """

    # NumPy leaves operators with a schedule to the schedule, and makes no array of schedules.
    __array_ufunc__: ClassVar[None] = None

    words: ClassVar[str] = ""
    """What `describe` says, with the fields in braces (see `keras_lr.wording`)."""

    is_bound: ClassVar[bool]
    """Whether every duration is in steps. One in `epochs` or a `fraction` waits for `bind`."""

    has_foreign: ClassVar[bool]
    """Whether a schedule that is not of this package is somewhere inside."""

    _levels: ClassVar[int]

    _arguments: ClassVar[dict[str, Argument]] = {}
    _signature: ClassVar[inspect.Signature]

    def __init_subclass__(cls, package: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        concrete = [base.__name__ for base in cls.__mro__[1:] if base is not Schedule and issubclass(base, Schedule)]
        if concrete:
            raise TypeError(
                f"{cls.__name__}: a schedule class is final, so {concrete[0]} cannot be subclassed; "
                "hold one in a field (`schedule: AnySchedule`) instead"
            )
        # Frozen by `__setattr__` below; with `frozen=True` two functions are compiled for every class.
        dataclasses.dataclass(init=False, eq=False, repr=False)(cls)
        hints = _hints(cls)
        cls._arguments = {}
        parameters = []
        for declared in dataclasses.fields(cls):  # type: ignore[arg-type]
            name = declared.metadata.get("alias", declared.name)
            kind = kind_of(hints[declared.name])
            if kind is None:
                raise TypeError(f"{cls.__name__}: annotate `{name}` with a type of `keras_lr.fields` (Rate, Steps, …)")
            cls._arguments[name] = Argument(declared.name, kind)
            default = inspect.Parameter.empty if declared.default is dataclasses.MISSING else declared.default
            parameters.append(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default))
        cls._signature = inspect.Signature(parameters)
        cls.__init__ = _constructor(cls._signature)  # type: ignore[method-assign]
        if package is None:
            package = "keras_lr" if cls.__module__.split(".")[0] == "keras_lr" else "Custom"
        keras.saving.register_keras_serializable(package)(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        owner = type(self).__name__
        if type(self) is Schedule:
            raise TypeError("Schedule is the base class; use one of its subclasses, or write one")
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            told = hints.for_names(kwargs, self._arguments) or str(error)
            raise TypeError(f"{owner}: {told}; the arguments are {', '.join(self._arguments)}") from None
        bound.apply_defaults()
        for name, argument in self._arguments.items():
            object.__setattr__(self, argument.attribute, check(argument.kind, owner, name, bound.arguments[name]))
        object.__setattr__(self, "is_bound", all(map(is_bound, self.arguments().values())))
        object.__setattr__(self, "has_foreign", any(map(_has_foreign, self.arguments().values())))
        depths = {name: _depth(value) for name, value in self.arguments().items()}
        object.__setattr__(self, "_levels", 1 + max(depths.values(), default=0))
        for name, depth in depths.items():
            if depth >= DEEPEST:
                self.refuse(name, f"nested at most {DEEPEST - 1} schedules deep")
        self.validate()
        if self.is_bound:
            self.validate_steps()

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    # What a schedule class writes.

    def rate(self, step: Step) -> Value:
        """The formula: steps (NumPy integers or a backend integer tensor, any shape) to rates."""
        raise NotImplementedError(f"{type(self).__name__} must define `rate(self, step)`")

    def validate(self) -> None:
        """Rules between fields; break one with ``self.refuse(name, "allowed …")``."""

    def validate_steps(self) -> None:
        """Rules between fields that need durations in steps: checked once all of them are."""

    def length(self) -> int | None:
        """Steps until the curve has reached its end, None if it has none. Overridden where it has."""
        return None

    def changes(self) -> tuple[int, ...]:
        """Steps at which the rate first changes, where a schedule is flat before; for the audit."""
        return ()

    def refuse(self, name: str, allowed: str) -> None:
        """Raise the standard `ValueError` for the argument `name`."""
        refuse(type(self).__name__, name, allowed, self.arguments()[name])

    def arguments(self) -> dict[str, Any]:
        return {name: getattr(self, argument.attribute) for name, argument in self._arguments.items()}

    # What every schedule gets.

    def __call__(self, step: Any) -> Any:
        """The rate at `step`, as a backend tensor in `floatx`, of the shape of `step`.

        A step whose number is known on the host is evaluated there in float64, without
        launching a single backend operation; a traced step (in `tf.function`, `jax.jit`,
        or on a GPU in torch) in float32 operations.

        Args:
            step: updates already applied: an int, an integer array, tensor or variable of
                any shape. Whole-valued floats are accepted.
        """
        self._require_bound()
        return evaluation.evaluate(self, step)

    def values(self, steps: Any) -> NDArray[np.float64]:
        """The rates at `steps`, in float64 NumPy, computed on the host without a backend.

        Args:
            steps: an int or an array-like of whole numbers >= 0, of any shape.

        Returns:
            An array of the same shape (a NumPy scalar for an int).

        Raises:
            TypeError: `steps` is not numeric.
            ValueError: `steps` are negative or not whole.
        """
        self._require_bound()
        whole = evaluation.whole_steps(steps, self)
        if self.has_foreign:
            return np.array(self.rate(whole), np.float64)[()]
        return evaluation.in_chunks(self.rate, whole)[()]

    @property
    def duration(self) -> int | None:
        """Steps until the curve has reached its end and stays flat; None if it has no end.

        Raises:
            ValueError: the schedule is not bound.
        """
        self._require_bound()
        return self.length()

    def bind(self, *, steps_per_epoch: int, epochs: int) -> Schedule:
        """The schedule for a training of `epochs` epochs of `steps_per_epoch` batches.

        Durations in `epochs` and `fraction` become steps, also in schedules inside this one.
        `BindSchedule` does this at the start of `fit`.

        Returns:
            A `Bound`, which remembers the units; a schedule without units itself.

        Raises:
            TypeError, ValueError: for numbers that are not whole and >= 1, and where a duration
                comes out as a number of steps that its argument does not allow.
        """
        from keras_lr.schedules.combine import Bound

        if not self.is_bound:
            return Bound(self, steps_per_epoch, epochs)
        check(COUNT, "bind", "steps_per_epoch", steps_per_epoch)
        check(COUNT, "bind", "epochs", epochs)
        return self

    def _require_bound(self) -> None:
        if not self.is_bound:
            raise ValueError(
                f"{self!r} has durations in epochs or fractions, which are not known yet: give `BindSchedule()` to "
                "`fit` as a callback, or use `schedule.bind(steps_per_epoch=…, epochs=…)`"
            )

    def with_parts(self, change: Callable[[Any], Any]) -> Self:
        """The same schedule with `change` applied to each argument, and to each item of a sequence."""
        parts = {
            name: tuple(map(change, value)) if isinstance(value, tuple) else change(value)
            for name, value in self.arguments().items()
        }
        return type(self)(**parts)

    def __mul__(self, other: Schedule | float) -> Schedule:
        product: Schedule = _combine("multiplied", self, other)
        return product

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> Schedule:
        if not _is_number(other):
            left: Schedule = _not_combined("/", "divisor", "a number", other)
            return left
        divisor: float = check(POSITIVE, "/", "divisor", other)
        return self * (1.0 / divisor)

    def __add__(self, other: Schedule | float) -> Schedule:
        total: Schedule = _combine("added", self, other)
        return total

    __radd__ = __add__

    def __rshift__(self, other: Schedule | float) -> Schedule:
        chain: Schedule = _combine("chained", self, other)
        return chain

    def clip(self, low: float = 0.0, high: float | None = None) -> Schedule:
        """The schedule, but never below `low` and never above `high`."""
        from keras_lr.schedules import modify

        return modify.Clip(self, low, high)

    def from_step(self, steps: int) -> Schedule:
        """The schedule `steps` steps on: f(t) = self(t + steps), and self(0) while that is negative.

        A new schedule starts at the present counter n of an optimizer with ``from_step(-n)``.
        """
        from keras_lr.schedules import modify

        return modify.shifted(self, steps)

    def cooldown(self, at: int, steps: int, end_learning_rate: float = 0.0, shape: str = "linear") -> Schedule:
        """The schedule until step `at`, and from its rate there down to the end rate over `steps`."""
        from keras_lr.schedules import combine

        return combine.Cooldown(self, at, steps, end_learning_rate, shape)

    def to_frame(self, steps: Any) -> pd.DataFrame:
        """A table of the curve: columns `step` (int64) and `learning_rate` (float64).

        Args:
            steps: how many steps from step 0, or the steps themselves (a sequence).
        """
        import pandas as pd

        chosen = self._chosen(steps)
        return pd.DataFrame({"step": chosen, "learning_rate": self.values(chosen)})

    def plot(self, steps: Any, ax: Axes | None = None) -> Axes:
        """Draw the curve with matplotlib.

        Args:
            steps: how many steps from step 0, or the steps themselves (a sequence).
            ax: where to draw; a new figure's axes when None.

        Returns:
            The axes, with one labelled line more.
        """
        from keras_lr import plots

        return plots.curve(self, self._chosen(steps), ax)

    def _chosen(self, steps: Any) -> NDArray[np.int64]:
        chosen = evaluation.whole_steps(steps, self)
        if chosen.ndim > 1 or (chosen.ndim == 0 and chosen > MOST_STEPS):
            allowed = f"a number of steps up to {MOST_STEPS:,}, or a sequence of steps"
            refuse(type(self).__name__, "steps", allowed, steps)
        return np.arange(int(chosen), dtype=np.int64) if chosen.ndim == 0 else chosen

    def describe(self) -> str:
        """The schedule in one sentence: what it does, and the rates that come out, with their mean.

        Of a schedule that is not bound only what it does is known.

        Example:
            >>> LinearDecay(0.1, 100).describe()
            'A straight line from 0.1 to 0 over 100 steps; mean 0.05.'
        """
        from keras_lr import wording

        return wording.sentence(self)

    def _in_words(self) -> str:
        from keras_lr import wording

        return wording.phrase(self)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON values."""
        return {name: _encode(value) for name, value in self.arguments().items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The schedule with these arguments.

        Raises:
            TypeError, ValueError: the config has unknown or missing arguments, or a value
                that the constructor refuses.
        """
        if not isinstance(config, dict) or not all(isinstance(name, str) for name in config):
            refuse(cls.__name__, "config", "a dict of the arguments by name", config, TypeError)
        if not _is_shallow(config):
            refuse(cls.__name__, "config", f"schedules nested at most {DEEPEST} deep", config)
        return cls(**{name: _decode(value) for name, value in config.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as what it was made of, so that another version makes it its own way."""
        return _made_of, (type(self), self.arguments())

    def _key(self) -> tuple[Any, ...]:
        return tuple(map(_comparable, self.arguments().values()))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __repr__(self) -> str:
        shown = []
        for name, value in self.arguments().items():
            default = self._signature.parameters[name].default
            if default is inspect.Parameter.empty:
                shown.append(_source(value))
            elif value != default:
                shown.append(f"{name}={_source(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _constructor(signature: inspect.Signature) -> Callable[..., None]:
    """The constructor of a schedule class, which shows its arguments to `help` and `inspect`.

    The signature must be the function's: as an attribute of the class it would be that of the
    instances too, and `tf.function(schedule)` would ask for the arguments of the constructor.
    """

    def __init__(self: Schedule, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        Schedule.__init__(self, *args, **kwargs)

    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    __init__.__signature__ = inspect.Signature([this, *signature.parameters.values()])  # type: ignore[attr-defined]
    return __init__


def _hints(cls: type) -> dict[str, Any]:
    """The annotations of a class's own fields. `get_type_hints` compiles each, and those of all parents again."""
    written: dict[str, Any] = inspect.get_annotations(cls)
    scope = getattr(sys.modules.get(cls.__module__), "__dict__", {})
    if all(isinstance(text, str) and text in scope for text in written.values()):
        return {name: scope[text] for name, text in written.items()}
    return get_type_hints(cls, include_extras=True)


def _made_of(kind: type[Schedule], arguments: dict[str, Any]) -> Schedule:
    return kind(**arguments)


def rate_of(schedule: LearningRateSchedule, step: Step) -> Value:
    """The rate of an inner schedule, ours or foreign, within another schedule's formula."""
    if isinstance(schedule, Schedule):
        return schedule.rate(step)
    return evaluation.foreign_rate(schedule, step)


def rate_at(schedule: LearningRateSchedule, at: int, step: Step) -> Value:
    """The rate of an inner schedule at one step `at`: a constant if it is ours in all its parts."""
    if isinstance(schedule, Schedule) and not schedule.has_foreign:
        # Kept, since each level of nested warmups would double the work.
        known: dict[int, float] = schedule.__dict__.setdefault("_recent_rates_at", {})
        if at not in known:
            known[at] = float(schedule.values(at))
        return known[at]
    # A foreign schedule cannot be evaluated on the host while a training step is traced.
    return rate_of(schedule, step * 0 + at)


def length_of(schedule: LearningRateSchedule) -> int | None:
    """`duration` of any schedule; one that is not ours has no end that we know of."""
    return schedule.length() if isinstance(schedule, Schedule) else None


def values_of(schedule: LearningRateSchedule, steps: Any) -> NDArray[np.float64]:
    """Float64 rates of any schedule, ours, Keras's or a user's, on the host."""
    if isinstance(schedule, Schedule):
        return np.asarray(schedule.values(steps))
    return np.asarray(rate_of(schedule, evaluation.whole_steps(steps)), np.float64)


def from_serialized(serialized: Any) -> LearningRateSchedule:
    """A schedule from what `keras.saving.serialize_keras_object` makes of one.

    Its class must be registered, or in a `custom_objects` scope, or one of Keras's schedules. Nothing is imported, and
    nothing else than a schedule is made, whatever a file says.

    Raises:
        TypeError, ValueError: it is none, of no such class, or with wrong arguments.
    """
    if not isinstance(serialized, dict) or not isinstance(serialized.get("config"), dict):
        raise TypeError(f"a schedule must be serialized as a dict of class_name, config …, got {shown(serialized)}")
    if not _is_shallow(serialized):
        raise ValueError(f"a serialized schedule must be nested at most {DEEPEST} deep")
    name, config = serialized.get("class_name"), serialized["config"]
    found = keras.saving.get_registered_object(str(serialized.get("registered_name") or name))
    if found is None and is_stock(serialized):
        found = getattr(keras.optimizers.schedules, str(name))
        if not all(map(_is_plain, config.values())):
            raise ValueError(f"the arguments of Keras's {shown(name)} are not plain numbers: {shown(config)}")
    if not (inspect.isclass(found) and issubclass(found, LearningRateSchedule)) or found is LearningRateSchedule:
        raise ValueError(
            f"{shown(name)} is not the class of a schedule that is known here; register a class of your own with "
            "`keras.saving.register_keras_serializable`"
        )
    kind: Any = found
    made: LearningRateSchedule = kind.from_config(config)
    return made


def is_stock(serialized: dict[str, Any]) -> bool:
    """Whether the class is one of Keras's own schedules."""
    found = vars(keras.optimizers.schedules).get(str(serialized.get("class_name")))
    known = inspect.isclass(found) and issubclass(found, LearningRateSchedule) and found is not LearningRateSchedule
    return bool(known) and serialized.get("module") == "keras.optimizers.schedules"


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, int | float) for item in value)
    return value is None or isinstance(value, int | float | str)


def _is_shallow(config: dict[str, Any]) -> bool:
    """Whether a config is so deep at most that taking it apart does not come to the end of Python's stack."""
    level: list[Any] = [config]
    # A level of schedules is a dict in a dict, and in a list where there are several.
    for _ in range(3 * DEEPEST + 1):
        inner: list[Any] = []
        for part in level:
            inner += part.values() if isinstance(part, dict) else part
        level = [part for part in inner if isinstance(part, dict | list)]
        if not level:
            return True
    return False


def _depth(value: Any) -> int:
    """How many schedules deep the value of an argument is."""
    if isinstance(value, tuple):
        return max(map(_depth, value), default=0)
    return value._levels if isinstance(value, Schedule) else int(isinstance(value, LearningRateSchedule))


def _combine(how: str, a: Schedule, b: Any) -> Any:
    """An operator; another kind of operand than a schedule or a number is left to Python."""
    from keras_lr.schedules import combine, modify

    sign, name, operation = {
        "multiplied": ("*", "factor", modify.multiplied),
        "added": ("+", "schedules", modify.added),
        "chained": (">>", "schedules", combine.chained),
    }[how]
    if not (_is_number(b) or isinstance(b, LearningRateSchedule)):
        return _not_combined(sign, name, "a number or a learning-rate schedule", b)
    return operation(a, b)


def _not_combined(sign: str, name: str, allowed: str, other: Any) -> Any:
    """Leaves an operand to Python, which asks its class; but no tensor, whose class would make a tensor of us."""
    if keras.ops.is_tensor(other) or isinstance(other, np.ndarray | keras.Variable | keras.KerasTensor):
        refuse(sign, name, f"{allowed} (the rate at a step, to reckon with, is schedule(step))", other, TypeError)
    return NotImplemented


def _is_number(value: Any) -> bool:
    try:
        number = plain(value)
    except NoNumberYetError:
        return False
    return isinstance(number, numbers.Real) and not isinstance(number, bool)


def is_bound(value: Any) -> bool:
    """Whether a schedule, or another argument's value, has no duration in another unit than steps."""
    if isinstance(value, tuple):
        return all(map(is_bound, value))
    return value.is_bound if isinstance(value, Schedule) else not isinstance(value, Duration)


def _is_foreign(value: Any) -> bool:
    return isinstance(value, LearningRateSchedule) and not isinstance(value, Schedule)


def _has_foreign(value: Any) -> bool:
    """Whether a schedule that is not ours is the value, or somewhere inside it."""
    if isinstance(value, tuple):
        return any(map(_has_foreign, value))
    return value.has_foreign if isinstance(value, Schedule) else _is_foreign(value)


def _comparable(value: Any) -> Any:
    """A value to compare by; a schedule of Keras has no equality of its own, so its config is taken."""
    if isinstance(value, tuple):
        return tuple(map(_comparable, value))
    return json.dumps(_encode(value), sort_keys=True) if _is_foreign(value) else value


def _encode(value: Any) -> Any:
    if isinstance(value, LearningRateSchedule):
        return keras.saving.serialize_keras_object(value)
    if isinstance(value, Duration):
        return {value.unit: value.amount}
    return [_encode(item) for item in value] if isinstance(value, tuple) else value


def _decode(value: Any) -> Any:
    if isinstance(value, dict) and "class_name" in value:
        return from_serialized(value)
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in UNITS:
        unit, amount = next(iter(value.items()))
        return UNITS[unit](amount)
    return [_decode(item) for item in value] if isinstance(value, list) else value


def _source(value: Any) -> str:
    """Python source of a field's value."""
    if _is_foreign(value):
        arguments = ", ".join(f"{name}={argument!r}" for name, argument in value.get_config().items())
        return f"keras.optimizers.schedules.{type(value).__name__}({arguments})"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_source, value)) + "]"
    return repr(value)
