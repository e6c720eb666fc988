"""The base of all kinds of argument: how a value is checked, and how it is refused."""

from __future__ import annotations

import numbers
import re
import reprlib
from typing import Any, NoReturn

import numpy as np

from keras_lr.core import hints
from keras_lr.core.plain import NoNumberYetError, plain


class RefusedError(Exception):
    """A value that is not allowed. `error` is the exception type to raise, `hint` what may have been meant."""

    def __init__(self, error: type[Exception], allowed: str, hint: str = "") -> None:
        super().__init__(allowed)
        self.error = error
        self.allowed = allowed
        self.hint = hint

    @property
    def sentence(self) -> str:
        return f"{self.allowed} ({self.hint})" if self.hint else self.allowed


def refuse(owner: str, name: str, allowed: str, value: Any, error: type[Exception] = ValueError) -> NoReturn:
    """Raise ``Owner: `name` must be <allowed>, got <value>``."""
    raise error(f"{owner}: `{name}` must be {allowed}, got {shown(value)}")


def compiled(owner: str, name: str, allowed: str, pattern: str) -> re.Pattern[str]:
    """A regular expression that a user wrote.

    Raises:
        ValueError: it is not a valid one. The text has the form of `refuse`.
    """
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        refuse(owner, name, allowed, pattern)


def shown(value: Any) -> str:
    """The repr of a value, shortened to one line. If it has no repr, its type."""
    try:
        return reprlib.repr(value).replace("\n", " ")
    except Exception:  # an integer of more than 4300 digits, or an error of an object's own repr
        return f"a value of type {type(value).__name__}"


def check(kind: Kind, owner: str, name: str, value: Any) -> Any:
    """Return `value` as its `kind` stores it, or raise an error that refuses it."""
    try:
        return kind.coerce(value)
    except RefusedError as refused:
        refuse(owner, name, refused.sentence, value, refused.error)
    except Exception:  # an object may raise anything when it is converted or compared
        refuse(owner, name, kind.allowed, value, TypeError)


class Kind:
    """One kind of argument. `allowed` completes the sentence "must be …"."""

    allowed: str

    def coerce(self, value: Any) -> Any:
        raise NotImplementedError

    def number(self, value: Any) -> Any:
        """The real number in a value, which `float` and `int` accept."""
        try:
            number = plain(value)
        except NoNumberYetError:
            hint = "this tensor is symbolic or traced and has no value when the schedule is made"
            raise self.wrong_type(hint) from None
        # In Python a bool is an int, but `StepDecay(True, …)` is a mistake.
        if isinstance(number, (bool, np.bool_)) or not isinstance(number, numbers.Real):
            raise self.wrong_type(hints.for_a_number(value))
        return number

    def wrong_type(self, hint: str = "") -> RefusedError:
        return RefusedError(TypeError, self.allowed, hint)

    def wrong_value(self, hint: str = "") -> RefusedError:
        return RefusedError(ValueError, self.allowed, hint)
