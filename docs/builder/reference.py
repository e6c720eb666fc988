"""Pages of the API reference and the families of schedules: by the modules that the names come from."""

from __future__ import annotations

import inspect
from typing import NamedTuple

import keras_lr
from keras_lr.schedules.installed import MADE_FOR_YOU


class Group(NamedTuple):
    """Modules whose public names share a page."""

    page: str
    title: str
    about: str
    modules: tuple[str, ...]


FAMILIES = (
    Group("stepwise", "Constant, stairs, tables", "Rates that are given one by one.", ("schedules.stepwise",)),
    Group("decay", "Decays", "Schedules that fall from a high rate, as in Keras.", ("schedules.decay",)),
    Group("shaped", "Decays from papers", "Falls of other shapes, each from a paper.", ("schedules.shaped",)),
    Group("cyclical", "Cycles and restarts", "Schedules that rise and fall again and again.", ("schedules.cyclical",)),
    Group("recipes", "Whole trainings", "Rise, course and end of a training in one schedule.", ("schedules.recipes",)),
    Group(
        "combine",
        "Combining and changing",
        "Schedules one after another, multiplied, added, limited, repeated.",
        ("schedules.warmup", "schedules.combinators", "core.algebra"),
    ),
    Group(
        "installed",
        "What callbacks and methods make",
        "Classes that you meet in the repr of a schedule, and need not write yourself.",
        ("schedules.installed",),
    ),
)

GROUPS = (
    Group(
        "schedule",
        "Schedule, units, checks",
        "The base of all schedules.",
        ("core.units", "tools.parsing", "tools.checking"),
    ),
    *FAMILIES,
    Group(
        "callbacks",
        "Callbacks",
        "What is given to `fit`.",
        (
            "callbacks.bind",
            "callbacks.plateau",
            "callbacks.greedy",
            "callbacks.logger",
            "callbacks.backup",
            "callbacks.cycle_ends",
            "callbacks.refreshing",
            "callbacks.batch_norm_momentum",
            "training.audit",
            "training.refresh",
        ),
    ),
    Group(
        "optimizer",
        "Optimizers",
        "The rate of a compiled model, and other hyperparameters on schedules.",
        ("optimizers.access", "optimizers.scheduled", "optimizers.layerwise", "optimizers.norms"),
    ),
    Group(
        "tools",
        "Finding, comparing, forecasting, tuning",
        "A range test, comparisons of schedules, forecasts of the loss, and search spaces for tuners.",
        (
            "tools.range_test.find",
            "tools.range_test.result",
            "tools.comparison.compare",
            "tools.comparison.result",
            "tools.difference",
            "tools.forecast.fit",
            "tools.forecast.result",
            "tools.forecast.forecaster",
            "tools.forecast.refinement",
        ),
    ),
)

PLACED = {"Schedule": "schedule", "Constant": "stepwise", **dict.fromkeys(MADE_FOR_YOU, "installed")}
"""Names that are looked for on another page than that of their module."""

BESIDE = {"tools": ("keras_lr.tuning.schedule",)}
"""Documented names that are no part of `keras_lr` itself, since they need an extra."""


def group_of(name: str) -> Group:
    """The group of a public name.

    Raises:
        LookupError: its module belongs to none.
    """
    module = _module(name)
    there = [group for group in GROUPS if PLACED.get(name) == group.page]
    there += [group for group in GROUPS if module in group.modules]
    if there:
        return there[0]
    raise LookupError(
        f"`{name}` of keras_lr.{module} has no page in the reference: add its module to GROUPS in {__file__}"
    )


def members(group: Group) -> list[str]:
    """The public names of a group, in the order of its modules and of their source."""
    names = [name for name in keras_lr.__all__ if group_of(name) is group]
    return sorted(names, key=lambda name: (_place(group, name), _line(name)))


def _place(group: Group, name: str) -> int:
    """Where the module of a name stands in its group; names from elsewhere come first."""
    module = _module(name)
    return group.modules.index(module) if module in group.modules else -1


def pages() -> dict[str, str]:
    """Path → Markdown of each page of the reference."""
    found = {"reference/index.md": _index()}
    for group in GROUPS:
        entries = [f"keras_lr.{name}" for name in members(group)] + list(BESIDE.get(group.page, ()))
        body = "\n\n".join(f"::: {entry}" for entry in entries)
        found[f"reference/{group.page}.md"] = f"# {group.title}\n\n{group.about}\n\n{body}\n"
    return found


def _index() -> str:
    rows = [
        f"| [`{name}`][keras_lr.{name}] | {summary(getattr(keras_lr, name))} |"
        for name in sorted(keras_lr.__all__, key=str.lower)
    ]
    table = "\n".join(["| name | what it is |", "| --- | --- |", *rows])
    return f"# API reference\n\nEvery public name of `keras_lr`, from the docstrings.\n\n{table}\n"


def summary(thing: object) -> str:
    """The first sentence of a docstring, as it stands in a cell of a table."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def _module(name: str) -> str:
    return str(getattr(keras_lr, name).__module__).removeprefix("keras_lr.")


def _line(name: str) -> int:
    return inspect.getsourcelines(getattr(keras_lr, name))[1]
