"""What the playground knows of the schedules: arguments, limits, defaults and texts, from the classes.

    python docs/playground_spec.py

writes docs/javascripts/playground_spec.js anew; tests/site/test_playground.py fails if it is not current.
A new schedule class needs an example here and a formula in docs/javascripts/playground_formulas.js;
its fields, limits and texts follow. Schedules that are made of other schedules are not on the page.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import keras_lr as klr
from keras_lr.core.algebra import Inner
from keras_lr.core.fields import FLOAT32_MAX, FLOAT32_TINY, Flag, OneOf, OrNone, Real, Several, StepCount, String, Whole
from keras_lr.core.frozen import declared_arguments
from keras_lr.core.refusals import Kind
from keras_lr.tools import parsing

TARGET = Path(__file__).parent / "javascripts" / "playground_spec.js"

# What the page shows when a class is chosen: its shape must be seen in the 1,000 steps of a fresh page.
EXAMPLES: dict[str, klr.Schedule] = {
    "Constant": klr.Constant(0.05),
    "CosineDecay": klr.CosineDecay(0.1, 900),
    "CosineDecayRestarts": klr.CosineDecayRestarts(0.1, 150, m_mul=0.8),
    "CyclicalLearningRate": klr.CyclicalLearningRate(0.01, 0.1, 100),
    "ExponentialDecay": klr.ExponentialDecay(0.1, 250, 0.5),
    "HyperbolicLR": klr.HyperbolicLR(0.1, 600, 1000),
    "InverseSquareRootDecay": klr.InverseSquareRootDecay(0.1, 100),
    "KDecay": klr.KDecay(0.1, 1000, 2.0),
    "LinearDecay": klr.LinearDecay(0.1, 900),
    "MultiStepDecay": klr.MultiStepDecay(0.1, [300, 600, 900]),
    "OneCycle": klr.OneCycle(0.1, 1000),
    "PiecewiseConstantDecay": klr.PiecewiseConstantDecay([300, 700], [0.1, 0.03, 0.01]),
    "PiecewiseInterpolation": klr.PiecewiseInterpolation([0, 200, 1000], [0.02, 0.1, 0.0]),
    "PolynomialDecay": klr.PolynomialDecay(0.1, 1000, power=2.0),
    "PowerLawDecay": klr.PowerLawDecay(0.1, 100),
    "REXDecay": klr.REXDecay(0.1, 1000),
    "SinusoidalLearningRate": klr.SinusoidalLearningRate(0.01, 0.1, 100),
    "StepDecay": klr.StepDecay(0.1, 250),
    "TanhDecay": klr.TanhDecay(0.1, 1000),
    "TimeBasedDecay": klr.TimeBasedDecay(0.1, 100, 0.5),
    "WarmupStableDecay": klr.WarmupStableDecay(0.1, 1000, 100, 250),
}

# Classes without an example.
LEFT_OUT = {"Tabulated": "a rate for each step: hundreds of them, for which there is no field"}

# Arguments without a field: the page puts `Warmup` around a cosine, which does the same in one way for all schedules.
NO_FIELD = {("CosineDecay", "warmup_target"), ("CosineDecay", "warmup_steps")}


def on_the_page() -> dict[str, type[klr.Schedule]]:
    """The schedule classes that are not made of other schedules, by name."""
    return {
        name: cls
        for name, cls in sorted(parsing.classes().items())
        if name not in LEFT_OUT
        and not any(_holds_schedules(argument.kind) for argument in declared_arguments(cls).values())
    }


def _holds_schedules(kind: Kind) -> bool:
    return isinstance(kind, Inner) or (isinstance(kind, Several) and isinstance(kind.item, Inner))


def spec() -> dict[str, Any]:
    """Everything the page is told: JSON values."""
    classes = on_the_page()
    missing = sorted(set(classes) - set(EXAMPLES))
    if missing:
        raise LookupError(f"no example for {', '.join(missing)}: add it to EXAMPLES in docs/{Path(__file__).name}")
    return {
        "warmup": _argument(klr.Warmup, "warmup_steps", 0.1) | {"default": 0, "help": "its steps; 0 for none"},
        "classes": {name: _class(cls, EXAMPLES[name]) for name, cls in classes.items()},
    }


def _class(cls: type[klr.Schedule], example: klr.Schedule) -> dict[str, Any]:
    given = example.arguments()
    largest = max((value for value in given.values() if type(value) is float), default=1.0)
    arguments = []
    for name, parameter in cls._signature.parameters.items():
        if (cls.__name__, name) in NO_FIELD or name == "name":
            continue
        argument = _argument(cls, name, given[name] or largest)
        # A rate that is 0 can be moved up to the largest one, another number to ten times what it is.
        if argument.get("log") and not given[name]:
            argument["to"] = largest
        argument["example"] = text_of(given[name])
        if parameter.default is not parameter.empty:
            argument["default"] = parameter.default
        arguments.append(argument)
    start, then = example.values([0, 1])
    return {
        "summary": (inspect.getdoc(cls) or "").splitlines()[0].replace("``", "`"),
        # A schedule that begins with a rise needs no warmup before it.
        "warmup": bool(start >= then),
        "arguments": arguments,
    }


def _argument(cls: type[klr.Schedule], name: str, size: Any) -> dict[str, Any]:
    text = argument_texts(cls)[name].rstrip(".").replace("``", "`")
    told = {"name": name, "help": text, **_kind(declared_arguments(cls)[name].kind)}
    return told | _slider(told, size) if told["type"] == "number" and not told["whole"] else told


def argument_texts(cls: type[klr.Schedule]) -> dict[str, str]:
    """The text of each argument in the docstring."""
    section = re.search(r"^Args:\n(.*?)(?:^\S|\Z)", inspect.getdoc(cls) or "", re.DOTALL | re.MULTILINE)
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", section[1] if section else "", re.DOTALL | re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _kind(kind: Kind) -> dict[str, Any]:
    """What a field takes: its type and limits, and the words of the kind itself for what is allowed."""
    told: dict[str, Any] = {"allowed": kind.allowed}
    match kind:
        case Real():
            low = max(kind.low, -FLOAT32_MAX)
            high = min(kind.high, FLOAT32_MAX)
            return told | {"type": "number", "whole": False, "min": low + FLOAT32_TINY * kind.open_low, "max": high}
        case StepCount() | Whole():
            steps = isinstance(kind, StepCount) or kind.steps
            return told | {"type": "number", "whole": True, "steps": steps, "min": kind.low, "max": kind.high - 1}
        case OneOf():
            return told | {"type": "choice", "choices": list(kind.choices)}
        case Flag():
            return told | {"type": "flag"}
        case Several():
            order = None if kind.order is None else kind.order.__name__
            return told | {"type": "list", "item": _kind(kind.item), "order": order, "atLeast": kind.at_least}
        case OrNone():
            return _kind(kind.kind) | told | {"optional": True}
        case String():
            return told | {"type": "text"}
    raise TypeError(f"the playground knows no {type(kind).__name__}")


def _slider(told: dict[str, Any], size: float) -> dict[str, Any]:
    """Where the slider of a number goes from and to; those of steps follow the picture."""
    low, high = told["min"], told["max"]
    if low < 0:
        return {"from": max(low, -2 * abs(size)), "to": min(high, 2 * abs(size)), "log": False}
    if high <= 1:
        return {"from": 0, "to": high, "log": False}
    return {"from": size / 1000, "to": 10 * size, "log": True}


def text_of(value: Any) -> str:
    """A value as it stands in a field and in the address of the page."""
    if isinstance(value, tuple):
        return ", ".join(map(text_of, value))
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return "" if value is None else str(value)


def script() -> str:
    """The spec as a script that a page can load from a file: a line for each class, to be read in a diff."""
    told = spec()
    lines = [f"{_json(name)}: {_json(value)}" for name, value in told["classes"].items()]
    return (
        "// Written by docs/playground_spec.py: do not edit.\n"
        f'window.KERAS_LR_SPEC = {{\n"warmup": {_json(told["warmup"])},\n"classes": {{\n  '
        + ",\n  ".join(lines)
        + "\n}\n};\n"
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


if __name__ == "__main__":
    TARGET.write_text(script(), encoding="utf-8")
