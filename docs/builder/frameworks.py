"""The same schedule in other frameworks, from the tables of docs/migrating.md and a few remarks."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from support import migrations  # noqa: E402

FRAMEWORKS = ("Keras", "torch", "optax", "timm", "transformers", "fastai")
METHODS = {"clip": "Clip", "cooldown": "Cooldown", "from_step": "Shifted", "momentum": "OppositePhase"}
OPERATORS = {ast.Mult: "Product", ast.Add: "Sum", ast.RShift: "Chain"}

PLATEAU = {
    "Keras": "`ReduceLROnPlateau`, on a number only",
    "torch": "`ReduceLROnPlateau`",
    "optax": "`contrib.reduce_on_plateau`",
    "timm": "`PlateauLRScheduler`",
    "transformers": "`get_reduce_on_plateau_schedule`, which is torch's",
    "fastai": "`ReduceLROnPlateau`",
}
NUMBER = "a number as the rate"
COUNTED = "not needed: updates are what is counted"

REMARKS: dict[str, dict[str, str]] = {
    "Constant": dict.fromkeys(("Keras", "torch", "timm"), NUMBER),
    "LinearDecay": {"Keras": "`PolynomialDecay(…, power=1.0)`", "timm": "`PolyLRScheduler(…, power=1.0)`"},
    "ExponentialDecay": {"timm": "`StepLRScheduler`, in stairs"},
    "CosineDecayRestarts": {"optax": "`sgdr_schedule`, with every cycle written out"},
    "OneCycle": {
        "optax": "`cosine_onecycle_schedule` and `linear_onecycle_schedule`, with phases of other lengths",
        "fastai": "`fit_one_cycle`, with a rise over a quarter and an end of its own",
    },
    "WarmupStableDecay": {"fastai": "`fit_flat_cos`, without the warmup"},
    "Repeat": {
        "timm": "`cycle_limit=` and `cycle_decay=` of its cosine and polynomial schedulers, whose `lr_min` stays"
    },
    "Tabulated": {
        "Keras": "`LearningRateScheduler`, one value an epoch",
        "optax": "any function of the step is a schedule",
    },
    "StepDecay": {
        "Keras": "`ExponentialDecay(…, staircase=True)`",
        "optax": "`exponential_decay(…, staircase=True)`",
    },
    "MultiStepDecay": {"Keras": "`PiecewiseConstantDecay`, with rates", "optax": "`piecewise_constant_schedule`"},
    "PiecewiseConstantDecay": {"optax": "`piecewise_constant_schedule`, with factors"},
    "Noise": {"timm": "`noise_range_t` of every scheduler, which draws other numbers"},
    "Chain": {"torch": "`SequentialLR`, with milestones", "optax": "`join_schedules`, with boundaries"},
    "Sequential": {
        "torch": "`SequentialLR`",
        "optax": "`join_schedules`",
        "fastai": "`combine_scheds`, with shares of the training",
    },
    "Reduced": PLATEAU,
    "Rescaled": {"transformers": "`GreedyLR`, which changes the number itself"},
    "PerUpdate": {
        "optax": "`MultiSteps`, which counts updates",
        "torch": "not needed: `scheduler.step()` is called after each update",
        "timm": COUNTED,
        "transformers": COUNTED,
        "fastai": COUNTED,
    },
    "OppositePhase": {
        "torch": "`CyclicLR(…, cycle_momentum=True)`, `OneCycleLR(…, cycle_momentum=True)`",
        "optax": "any hyperparameter follows a schedule with `inject_hyperparams`",
        "fastai": "`moms=` of `fit_one_cycle`",
    },
    "Bound": {
        "timm": "`t_in_epochs=` of every scheduler",
        "fastai": "every schedule is a function of the share of the training",
    },
    "Shifted": {"torch": "`last_epoch=` of every scheduler"},
}
"""What the tables do not say: where there is the same thing, but not as a schedule of its own with the same curve."""

ONLY_REMARKS = frozenset({"Sequential", "Shifted"})
"""Schedules whose lines in the tables are about something else."""


class Same(NamedTuple):
    """How a framework has the schedule; `ours` is the line that gives the same curve, if that says more."""

    theirs: str
    ours: str = ""


def outermost(source: str) -> str:
    """The schedule that a line of Python makes: its last constructor, method or operator."""
    node = ast.parse(source, mode="eval").body
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)]
    assert isinstance(node, ast.Call)
    if isinstance(node.func, ast.Attribute):
        return METHODS.get(node.func.attr, ast.unparse(node.func.value))
    name = ast.unparse(node.func)
    return "Tabulated" if name == "from_function" else name


def named(source: str) -> set[str]:
    """The constructors in a line of Python."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def same(name: str) -> dict[str, list[Same]]:
    """Framework → its ways to the schedule; an empty list where it has none."""
    lines = migrations.lines()
    found = {}
    for framework in FRAMEWORKS:
        theirs = [line for line in lines if line.package == framework]
        chosen = [line for line in theirs if outermost(line.ours) == name]
        # A shape that a framework has only with a warmup or a floor is shown with it.
        chosen = chosen or [line for line in theirs if name in named(line.ours) and name not in PARTS]
        rows = [Same(f"`{line.theirs}`", f"`{line.ours}`") for line in chosen]
        if name in ONLY_REMARKS or not rows:
            rows = [Same(text) for where, text in REMARKS.get(name, {}).items() if where == framework]
        found[framework] = rows
    return found


PARTS = frozenset({"Constant", "Sequential", "Warmup", "Repeat"})
"""Schedules that stand in many lines only to put others together."""
