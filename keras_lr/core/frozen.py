"""`Frozen`: a record with annotated fields. It is checked when it is made and never changes afterwards.

It knows nothing about rates. `keras_lr.core.base` builds schedules on it.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, get_type_hints

from keras_lr.core import hints
from keras_lr.core.fields import kind_of
from keras_lr.core.refusals import Kind, check, refuse

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:
    # Only type checkers use it, and Python 3.10 does not have it.
    def dataclass_transform(**_):
        return lambda cls: cls


class Argument(NamedTuple):
    """The attribute in which an argument of the constructor is stored, and its kind."""

    attribute: str
    kind: Kind


def field(*, alias: str) -> Any:
    """A field for an argument whose own name is the name of a method already.

    Args:
        alias: the name of the argument.
    """
    return dataclasses.field(metadata={"alias": alias})


def declared_arguments(schedule_class: type) -> dict[str, Argument]:
    """The arguments that a class declares, by name and in order."""
    declared: dict[str, Argument] = schedule_class._arguments  # type: ignore[attr-defined]
    return declared


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
class Frozen:
    """A record whose annotated fields are the arguments of its constructor.

    Each annotation is a type of `keras_lr.core.fields`, which checks its argument. Two records are equal if they have
    the same class and arguments, and ``eval(repr(record)) == record``. A class with fields cannot be subclassed.
    """

    _arguments: ClassVar[dict[str, Argument]]
    """The arguments by name and in order."""

    _signature: ClassVar[inspect.Signature]
    """The signature of the constructor, without `self`."""

    _owner: ClassVar[str] = ""
    """The name with which error texts begin; the name of the class if it is empty."""

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        final = [base.__name__ for base in cls.__mro__[1:] if "_arguments" in vars(base)]
        if final:
            raise TypeError(
                f"{cls.__name__}: a schedule class is final, so {final[0]} cannot be subclassed; "
                "hold one in a field (`schedule: AnySchedule`) instead"
            )
        if abstract:
            return
        # `__setattr__` below freezes it. `frozen=True` would compile two functions for every class.
        dataclasses.dataclass(init=False, eq=False, repr=False)(cls)
        annotations = _annotations(cls)
        cls._arguments = {}
        parameters = []
        for declared in dataclasses.fields(cls):  # type: ignore[arg-type]
            name = declared.metadata.get("alias", declared.name)
            kind = kind_of(annotations[declared.name])
            if kind is None:
                raise TypeError(f"{cls.__name__}: annotate `{name}` with a type of `keras_lr.custom` (Rate, Steps, …)")
            cls._arguments[name] = Argument(declared.name, kind)
            default = inspect.Parameter.empty if declared.default is dataclasses.MISSING else declared.default
            parameters.append(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default))
        cls._signature = inspect.Signature(parameters)
        cls.__init__ = _constructor(cls._signature)  # type: ignore[method-assign]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        owner = self._owner or type(self).__name__
        if "_arguments" not in vars(type(self)):
            raise TypeError(f"{owner} is the base class; use one of its subclasses, or write one")
        try:
            given = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            text = hints.for_names(kwargs, self._arguments) or str(error)
            raise TypeError(f"{owner}: {text}; the arguments are {', '.join(self._arguments)}") from None
        given.apply_defaults()
        for name, argument in self._arguments.items():
            object.__setattr__(self, argument.attribute, check(argument.kind, owner, name, given.arguments[name]))
        self._complete()

    def _complete(self) -> None:
        """Called when all arguments have been checked one by one and stored."""
        self.validate()

    def validate(self) -> None:
        """Check fields against each other. Call ``self.refuse(name, "allowed …")`` for a wrong one."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def arguments(self) -> dict[str, Any]:
        """The arguments of the constructor by name, as they are stored."""
        return {name: getattr(self, argument.attribute) for name, argument in self._arguments.items()}

    def refuse(self, name: str, allowed: str) -> None:
        """Raise ``ValueError: Class: `name` must be <allowed>, got <value>``.

        Args:
            name: the argument.
            allowed: what is allowed; it completes the sentence "must be …".

        Raises:
            ValueError: always.
        """
        refuse(self._owner or type(self).__name__, name, allowed, self.arguments()[name])

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the arguments, so that another version of the package can load it."""
        return _made_of, (type(self), self.arguments())

    def _comparable(self, value: Any) -> Any:
        """The value by which an argument is compared."""
        return value

    def _source(self, value: Any) -> str:
        """Python source of an argument."""
        return repr(value)

    def _key(self) -> tuple[Any, ...]:
        return tuple(map(self._comparable, self.arguments().values()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frozen) or type(self) is not type(other):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __repr__(self) -> str:
        written = []
        for name, value in self.arguments().items():
            default = self._signature.parameters[name].default
            if default is inspect.Parameter.empty:
                written.append(self._source(value))
            elif value != default:
                written.append(f"{name}={self._source(value)}")
        return f"{type(self).__name__}({', '.join(written)})"


def _constructor(signature: inspect.Signature) -> Callable[..., None]:
    """The constructor of a class, with a signature for `help` and `inspect`.

    The signature must belong to the function. As an attribute of the class it would also be the
    signature of its instances, and `tf.function(schedule)` would require the constructor's arguments.
    """

    def __init__(self: Frozen, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        Frozen.__init__(self, *args, **kwargs)

    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    __init__.__signature__ = inspect.Signature([this, *signature.parameters.values()])  # type: ignore[attr-defined]
    return __init__


def _annotations(cls: type) -> dict[str, Any]:
    """The annotations of a class's own fields. `get_type_hints` compiles them, and those of all parents again."""
    written: dict[str, Any] = inspect.get_annotations(cls)
    scope = getattr(sys.modules.get(cls.__module__), "__dict__", {})
    if all(isinstance(text, str) and text in scope for text in written.values()):
        return {name: scope[text] for name, text in written.items()}
    return get_type_hints(cls, include_extras=True)


def _made_of(kind: type[Frozen], arguments: dict[str, Any]) -> Frozen:
    return kind(**arguments)
