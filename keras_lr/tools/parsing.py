"""`parse`: a schedule from its Python source, as `repr` writes it, without running other code.

Only this is evaluated: constructors of the schedules of this package and of Keras, `epochs`, `fraction` and `samples`,
numbers, strings, sequences, and the operators and methods of schedules.
"""

from __future__ import annotations

import ast
import inspect
import operator
import re
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from keras_lr.core.algebra import Schedule
from keras_lr.core.duration import Duration
from keras_lr.core.refusals import refuse, shown
from keras_lr.core.serialization import UNITS, is_stock
from keras_lr.core.tree import LearningRateSchedule

LONGEST = 20_000
STOCK = "keras.optimizers.schedules"
METHODS = ("from_endpoints", "untuned", "from_step", "clip", "cooldown", "bind", "momentum")
OF_CLASSES = ("from_endpoints", "untuned")
"""Methods of the class, not of an instance."""

OPERATORS: dict[type[ast.operator], Any] = {
    ast.Mult: operator.mul,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Div: operator.truediv,
    ast.RShift: operator.rshift,
}


OPERANDS = (LearningRateSchedule, Duration)
"""One operand must be one of these, since arithmetic of plain numbers is not supported."""


def classes() -> dict[str, type[Schedule]]:
    """The schedules of this package, by name."""
    return {cls.__name__: cls for cls in Schedule.__subclasses__() if cls.__module__.split(".")[0] == "keras_lr"}


class NotPartOfScheduleError(Exception):
    """A part of a text that cannot be in a schedule. The message is the reason in the error of `parse`."""


def parse(text: str, custom_objects: Mapping[str, type] | None = None) -> Any:
    """A schedule from its Python source, for config files and command lines. The inverse of `repr`.

    ``parse(repr(schedule)) == schedule``. The text is not run as a program. Only these parts are
    evaluated: constructors of schedules (of this package, ``keras.optimizers.schedules.…``, and
    `custom_objects`), `epochs`, `fraction`, `samples`, and the operators and methods that combine
    schedules or durations. So the text may come from a source that you do not trust.

    Args:
        text: source such as ``Warmup(CosineDecay(0.001, epochs(9)), epochs(1))``, of at most
            20,000 characters. For longer tables of rates use `Schedule.from_json`.
        custom_objects: a dict of additional schedule classes by name, such as your own. Their
            constructors are called.

    Returns:
        The schedule: a `Schedule`, or one of Keras's.

    Raises:
        TypeError: `text` is not a string, or `custom_objects` contains anything but schedule classes.
        ValueError: the text is not the source of a schedule, or an argument is refused.

    Example:
        >>> parse("Warmup(CosineDecay(1e-3, epochs(9)), epochs(1))").describe()
        'A linear warmup from 0 over 1 epoch, then a cosine from 0.001 to 0 over 9 epochs.'
    """
    if not isinstance(text, str):
        refuse("parse", "text", "a string", text, TypeError)
    known = {**classes(), **UNITS, **_checked(custom_objects)}
    if len(text) > LONGEST:
        refuse("parse", "text", f"at most {LONGEST:,} characters long", text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about doubtful literals, which are refused below if they matter
            tree = ast.parse(text.strip(), mode="eval")
        schedule = _Reader(known).value(tree.body)
    except (SyntaxError, RecursionError, MemoryError, UnicodeEncodeError) as error:
        reason = str(error)[:200] or "it is nested too deeply"  # Python's parser raises a bare `MemoryError` then
    except (NotPartOfScheduleError, OverflowError, ZeroDivisionError, AttributeError) as error:
        reason = str(error)[:200]
    except TypeError as error:
        if re.match(r"\S+: ", str(error)):  # an error of a schedule, which names the schedule and the argument
            raise ValueError(str(error)) from None
        reason = str(error)[:200]
    else:
        if isinstance(schedule, LearningRateSchedule):
            return schedule
        reason = "this is something else"
    return refuse("parse", "text", f"the source of a schedule, such as `CosineDecay(0.1, 1000)` ({reason})", text)


def _checked(custom_objects: Any) -> dict[str, Any]:
    """The argument `custom_objects`, checked: classes by name."""
    found = {} if custom_objects is None else custom_objects
    is_mapping = isinstance(found, Mapping) and all(isinstance(name, str) for name in found)
    if not is_mapping or not all(inspect.isclass(it) and issubclass(it, LearningRateSchedule) for it in found.values()):
        refuse("parse", "custom_objects", "a dict of schedule classes by name, or None", custom_objects, TypeError)
    return dict(found)


class _Reader:
    """Evaluates a syntax tree.

    Args:
        known: everything that can be called, by name.
    """

    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
            return node.value
        if isinstance(node, ast.List | ast.Tuple):
            return [self.value(item) for item in node.elts]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = self.value(node.operand)
            if isinstance(number, int | float):
                return -number
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            left, right = self.value(node.left), self.value(node.right)
            if isinstance(left, OPERANDS) or isinstance(right, OPERANDS):
                return OPERATORS[type(node.op)](left, right)
        if isinstance(node, ast.Call):
            return self._call(node)
        raise NotPartOfScheduleError(f"`{_text(node)}` is not a schedule, a number, a string or a list of these")

    def _call(self, node: ast.Call) -> Any:
        function = self._function(node.func)
        arguments = [self.value(argument) for argument in node.args]
        named = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise NotPartOfScheduleError(f"`{_text(node)}`: write the arguments out")
            named[keyword.arg] = self.value(keyword.value)
        return function(*arguments, **named)

    def _function(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            if node.id in self._known:
                return self._known[node.id]
            name = shown(node.id)
            raise NotPartOfScheduleError(f"there is no schedule {name}; `keras-lr list` shows all schedules")
        if isinstance(node, ast.Attribute):
            is_named = _text(node) == f"{STOCK}.{node.attr}"
            if is_named and is_stock({"module": STOCK, "class_name": node.attr}):
                return getattr(keras.optimizers.schedules, node.attr)
            if node.attr in METHODS:
                owner = self._function(node.value) if isinstance(node.value, ast.Name) else self.value(node.value)
                if isinstance(owner, Schedule) or (inspect.isclass(owner) and node.attr in OF_CLASSES):
                    return getattr(owner, node.attr)
        raise NotPartOfScheduleError(
            f"`{_text(node)}` cannot be called here, only schedules, `epochs`, `fraction` and `samples`"
        )


def _text(node: ast.AST) -> str:
    try:
        text = ast.unparse(node)
    except (RecursionError, ValueError):  # too deep, or a number of more digits than Python converts
        return "…"
    return text if len(text) <= 60 else text[:57] + "…"
