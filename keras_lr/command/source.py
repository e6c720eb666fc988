"""A schedule from its Python source, as `repr` writes it, without running anything.

The source is parsed, and only what can make a schedule is carried out: constructors of the
schedules of this package and of Keras, `epochs` and `fraction`, numbers, strings, sequences, and
the operators and methods of schedules.
"""

from __future__ import annotations

import ast
import inspect
import operator
import warnings
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

import keras_lr
from keras_lr.core.algebra import Schedule
from keras_lr.core.refusals import shown
from keras_lr.core.serialization import is_stock

LONGEST = 20_000
METHODS = ("from_endpoints", "from_step", "clip", "cooldown", "bind", "momentum")
OPERATORS: dict[type[ast.operator], Any] = {
    ast.Mult: operator.mul,
    ast.Add: operator.add,
    ast.Div: operator.truediv,
    ast.RShift: operator.rshift,
}


def classes() -> dict[str, type[Schedule]]:
    """The schedules of this package, by name."""
    found = {name: getattr(keras_lr, name) for name in keras_lr.__all__}
    return {
        name: thing
        for name, thing in found.items()
        if inspect.isclass(thing) and issubclass(thing, Schedule) and thing is not Schedule
    }


def parse(text: str) -> LearningRateSchedule:
    """The schedule that a text such as ``Warmup(CosineDecay(0.1, 900), 100)`` stands for.

    Raises:
        ValueError: it is not one; the message says what is wrong with it.
    """
    if len(text) > LONGEST:
        raise ValueError(f"the text of a schedule has at most {LONGEST:,} characters, and this one {len(text):,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python about doubtful literals, which are refused below if they matter
            tree = ast.parse(text.strip(), mode="eval")
        schedule = _value(tree.body)
    except (SyntaxError, RecursionError, MemoryError, UnicodeEncodeError) as error:
        raise ValueError(f"{shown(text)} is no Python expression: {str(error)[:200]}") from None
    except (TypeError, OverflowError, ZeroDivisionError, AttributeError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(schedule, LearningRateSchedule):
        raise ValueError(f"{shown(text)} is no schedule; write one such as `CosineDecay(0.1, 1000)`")
    return schedule


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _value(node.operand)
        if isinstance(number, int | float):
            return -number
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = _value(node.left), _value(node.right)
        if isinstance(left, LearningRateSchedule) or isinstance(right, LearningRateSchedule):
            return OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.Call):
        return _call(node)
    raise ValueError(f"`{_text(node)}` is not part of a schedule: it has schedules, numbers, strings and lists")


def _call(node: ast.Call) -> Any:
    function = _function(node.func)
    arguments = [_value(argument) for argument in node.args]
    named = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError(f"`{_text(node)}`: write the arguments out")
        named[keyword.arg] = _value(keyword.value)
    return function(*arguments, **named)


def _function(node: ast.expr) -> Any:
    known = {**classes(), "epochs": keras_lr.epochs, "fraction": keras_lr.fraction}
    if isinstance(node, ast.Name):
        if node.id in known:
            return known[node.id]
        raise ValueError(f"there is no schedule {node.id!r}; `keras-lr list` shows those that there are")
    if isinstance(node, ast.Attribute):
        path = _text(node)
        prefix = "keras.optimizers.schedules."
        is_named = path == prefix + node.attr
        if is_named and is_stock({"module": "keras.optimizers.schedules", "class_name": node.attr}):
            return getattr(keras.optimizers.schedules, node.attr)
        if node.attr in METHODS:
            owner = _function(node.value) if isinstance(node.value, ast.Name) else _value(node.value)
            if isinstance(owner, Schedule) or (inspect.isclass(owner) and node.attr == "from_endpoints"):
                return getattr(owner, node.attr)
    raise ValueError(f"`{_text(node)}` cannot be called here; schedules, `epochs` and `fraction` can")


def _text(node: ast.AST) -> str:
    try:
        text = ast.unparse(node)
    except (RecursionError, ValueError):  # too deep, or a number of more digits than Python writes
        return "…"
    return text if len(text) <= 60 else text[:57] + "…"
