"""What the playground knows of the schedules: arguments, defaults, ranges and words, from the classes.

    python docs/playground_spec.py

writes docs/javascripts/playground_spec.js anew; tests/test_playground.py fails if it is not current.
A new schedule class needs a formula in docs/javascripts/playground_formulas.js (or _cycles, or _combine)
and an example here; its fields, words and refusals follow.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import keras_lr as klr
from keras_lr import source
from keras_lr.fields import Flag, Inner, Kind, OneOf, Optional, Real, Several, StepCount, Text, Whole
from keras_lr.schedule import Schedule

TARGET = Path(__file__).parent / "javascripts" / "playground_spec.js"

INNER = klr.CosineDecay(0.1, 1000)

# What the page shows when a class is chosen; the horizon of the page is 1,000 steps at first.
EXAMPLES: dict[str, Schedule] = {
    "Bound": klr.Bound(klr.Warmup(klr.CosineDecay(0.1, klr.epochs(9)), klr.fraction(0.1)), 100, 10),
    "Chain": klr.Chain([klr.LinearDecay(0.1, 500, 0.05), klr.CosineDecay(0.05, 500)]),
    "Clip": klr.Clip(INNER, 0.02, 0.08),
    "Constant": klr.Constant(0.05),
    "Cooldown": klr.Cooldown(INNER, 600, 200),
    "CosineDecay": INNER,
    "CosineDecayRestarts": klr.CosineDecayRestarts(0.1, 150, m_mul=0.8),
    "CyclicalLearningRate": klr.CyclicalLearningRate(0.01, 0.1, 100),
    "ExponentialDecay": klr.ExponentialDecay(0.1, 250, 0.5),
    "InverseSquareRootDecay": klr.InverseSquareRootDecay(0.1, 100),
    "KDecay": klr.KDecay(0.1, 1000, 2.0),
    "LinearDecay": klr.LinearDecay(0.1, 1000),
    "MultiStepDecay": klr.MultiStepDecay(0.1, [300, 600, 900]),
    "Noise": klr.Noise(INNER, 0.3),
    "OneCycle": klr.OneCycle(0.1, 1000),
    "OppositePhase": klr.OppositePhase(klr.OneCycle(0.1, 1000), 0.85, 0.95),
    "Paced": klr.Paced(INNER, [0, 400], [0, 400], [1, 3], [1, 2]),
    "PerUpdate": klr.PerUpdate(klr.CosineDecay(0.1, 250), 4),
    "PiecewiseConstantDecay": klr.PiecewiseConstantDecay([300, 700], [0.1, 0.03, 0.01]),
    "PiecewiseInterpolation": klr.PiecewiseInterpolation([0, 200, 1000], [0.02, 0.1, 0.0]),
    "PolynomialDecay": klr.PolynomialDecay(0.1, 1000, power=2.0),
    "PowerLawDecay": klr.PowerLawDecay(0.1, 100),
    "Product": klr.Product([INNER], 0.5),
    "REXDecay": klr.REXDecay(0.1, 1000),
    "Reduced": klr.Reduced(INNER, 0.5, 0.01),
    "Repeat": klr.Repeat(klr.LinearDecay(0.1, 250), 250, 0.7),
    "Sequential": klr.Sequential([klr.LinearDecay(0.1, 500, 0.05), klr.CosineDecay(0.03, 400)], [400]),
    "Shifted": klr.Shifted(INNER, 200),
    "SinusoidalLearningRate": klr.SinusoidalLearningRate(0.01, 0.1, 100),
    "StepDecay": klr.StepDecay(0.1, 250),
    "Sum": klr.Sum([INNER, klr.Constant(0.01)]),
    "Tabulated": klr.Tabulated([0.1, 0.08, 0.02, 0.05, 0.01]),
    "TanhDecay": klr.TanhDecay(0.1, 1000),
    "TimeBasedDecay": klr.TimeBasedDecay(0.1, 100, 0.5),
    "Warmup": klr.Warmup(INNER, 100),
    "WarmupStableDecay": klr.WarmupStableDecay(0.1, 1000, 100, 250),
}

# Schedule classes that the page does not have, each with its reason, which the page shows.
LEFT_OUT: dict[str, str] = {}


def spec() -> dict[str, Any]:
    """Everything the page is told: JSON values."""
    chosen = {name: cls for name, cls in source.classes().items() if name not in LEFT_OUT}
    missing = sorted(set(chosen) - set(EXAMPLES))
    if missing:
        raise KeyError(f"an example for {', '.join(missing)} in {Path(__file__).name}, or a reason to leave it out")
    return {
        "version": klr.__version__,
        "classes": {name: _class(cls) for name, cls in sorted(chosen.items())},
        "momentum": {name: _defaults(cls.momentum) for name, cls in sorted(chosen.items()) if hasattr(cls, "momentum")},
        "leftOut": LEFT_OUT,
    }


def _class(cls: type[Schedule]) -> dict[str, Any]:
    described = _described(cls)
    arguments = []
    for name, parameter in cls._signature.parameters.items():
        argument = {"name": name, "kind": _kind(cls._arguments[name].kind), "help": described[name]}
        if parameter.default is not parameter.empty:
            argument["default"] = parameter.default
        arguments.append(argument)
    return {
        "summary": (inspect.getdoc(cls) or "").splitlines()[0],
        "module": cls.__module__.rsplit(".", 1)[-1],
        "words": cls.words,
        "ends": cls.length is not Schedule.length,
        "example": repr(EXAMPLES[cls.__name__]),
        "arguments": arguments,
    }


def _described(cls: type[Schedule]) -> dict[str, str]:
    """The sentence of each argument in the docstring."""
    section = re.search(r"^Args:\n(.*?)(?:^\S|\Z)", inspect.getdoc(cls) or "", re.DOTALL | re.MULTILINE)
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", section[1] if section else "", re.DOTALL | re.MULTILINE)
    return {name: " ".join(text.split()).rstrip(".").replace("``", "`") for name, text in found}


def _kind(kind: Kind) -> dict[str, Any]:
    """A kind of argument, with its bounds and the sentence that refuses a value."""
    told: dict[str, Any] = {"type": type(kind).__name__, "allowed": kind.allowed}
    match kind:
        case Real():
            bounds = {"low": kind.low, "high": kind.high}
            told |= {name: bound for name, bound in bounds.items() if abs(bound) != float("inf")}
            told["openLow"] = kind.open_low
        case StepCount():
            told |= {"low": kind.low, "high": kind.high, "steps": True, "rounding": kind.rounding}
        case Whole():
            told |= {"low": kind.low, "high": kind.high, "steps": kind.steps}
        case OneOf():
            told["choices"] = list(kind.choices)
        case Several():
            order = None if kind.order is None else kind.order.__name__
            told |= {"item": _kind(kind.item), "order": order, "atLeast": kind.at_least}
        case Optional():
            told["kind"] = _kind(kind.kind)
        case Inner():
            from keras_lr.fields import RATE

            told["rate"] = _kind(RATE)
        case Flag() | Text():
            pass
        case _:
            raise TypeError(f"the playground knows no {type(kind).__name__}")
    return told


def _defaults(method: Any) -> dict[str, Any]:
    parameters = list(inspect.signature(method).parameters.values())[1:]
    return {parameter.name: parameter.default for parameter in parameters}


def script() -> str:
    """The spec as a script that a page can load from a file: a line for each class, to be read in a diff."""
    told = spec()
    named = told.pop("classes")
    lines = [f"{_json(name)}: {_json(value)}" for name, value in told.items()]
    lines.append(
        '"classes": {\n  ' + ",\n  ".join(f"{_json(name)}: {_json(value)}" for name, value in named.items()) + "\n}"
    )
    return (
        "// Written by docs/playground_spec.py: do not edit.\nwindow.KERAS_LR_SPEC = {\n" + ",\n".join(lines) + "\n};\n"
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


if __name__ == "__main__":
    TARGET.write_text(script(), encoding="utf-8")
