"""The arguments of the callbacks that change the rate by a metric, which are explained there."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

from keras_lr.callbacks.metrics import required_direction
from keras_lr.core.fields import (
    COUNT_OR_NONE,
    COUNT_OR_ZERO,
    FLAG,
    NON_NEGATIVE,
    RATE,
    STRING,
    OrNone,
    Real,
    Several,
    String,
    Whole,
    one_of,
)
from keras_lr.core.refusals import Kind, check, refuse
from keras_lr.optimizers.choice import OptimizerChoice

Mode = Literal["auto", "min", "max"]
ThresholdMode = Literal["abs", "rel"]
OnNan = Literal["count", "ignore", "reduce", "stop"]


class EpochOrBatches(Kind):
    """The word "epoch", or a number of batches."""

    allowed = '"epoch", or a whole number of batches in [1, 2**31)'

    def coerce(self, value: Any) -> int | str:
        if isinstance(value, str) and str(value) == "epoch":
            return "epoch"
        batches = Whole(self.allowed, 1, steps=False).coerce(value)
        assert isinstance(batches, int)
        return batches


STARTS = "a whole number of steps in [0, 2**31), or a duration in `epochs`, `samples` or a `fraction`"

KINDS: dict[str, Kind] = {
    "monitor": String("the name of a metric, such as 'val_loss'"),
    "factor": Real("a number in (0, 1)", low=0.0, high=math.nextafter(1.0, 0.0), open_low=True),
    "patience": COUNT_OR_ZERO,
    "mode": one_of(Mode),
    "min_delta": NON_NEGATIVE,
    "threshold_mode": one_of(ThresholdMode),
    "cooldown": COUNT_OR_ZERO,
    "warmup": COUNT_OR_ZERO,
    "min_lr": RATE,
    "max_lr": Real("a finite learning rate > 0", low=0.0, open_low=True),
    "verbose": COUNT_OR_ZERO,
    "start_after": Whole(STARTS, 0, steps=True),
    "every": EpochOrBatches(),
    "window": OrNone(Whole("a whole number in [1, 2**31)", 1, steps=False)),
    "reset_start": COUNT_OR_NONE,
    "on_nan": one_of(OnNan),
    "restore_best_weights": FLAG,
    "optimizers": OrNone(Several("a non-empty sequence of names", STRING)),
    "reset_on_train_begin": FLAG,
    "name": OrNone(String("a name for the callback")),
    "rtol": NON_NEGATIVE,
    "eps": NON_NEGATIVE,
    "optimizer": OptimizerChoice(),
    "refresh_batch_norm": COUNT_OR_NONE,
    "hyperparameter": String("the name of a hyperparameter, such as 'learning_rate' or 'momentum'"),
}
"""The kind of each argument, whichever callback has it."""


class MetricOptions:
    """The checked arguments of a callback that changes the rate by a metric.

    Args:
        owner: the callback, for errors.
        arguments: its arguments by name.

    Raises:
        TypeError, ValueError: one of them is not allowed.
    """

    def __init__(self, owner: str, arguments: dict[str, Any]) -> None:
        self._owner = owner
        self.arguments = {name: check(KINDS[name], owner, name, value) for name, value in arguments.items()}
        given = self.arguments
        self.batches: int | None = None if given["every"] == "epoch" else given["every"]
        if "max_lr" in given and given["max_lr"] < given["min_lr"]:
            refuse(owner, "max_lr", f"at least `min_lr` ({given['min_lr']!r})", given["max_lr"])
        if given.get("optimizers") is not None and given["optimizer"] is not None:
            refuse(owner, "optimizer", "left out if `optimizers` is given", given["optimizer"])
        if self.batches is not None and given["monitor"].startswith("val_"):
            refuse(owner, "monitor", "a metric of the training data when `every` counts batches", given["monitor"])

    def rule(self, kind: Any, model: Any) -> Any:
        """The rule, once the metrics of the model are there.

        Args:
            kind: the class of the rule, a dataclass whose fields are arguments, except for the direction.
            model: the model.

        Raises:
            ValueError: `mode` is "auto", and the direction of the metric is unknown.
        """
        given = self.arguments
        direction = required_direction(self._owner, model, given["monitor"], given["mode"])
        names = [part.name for part in dataclasses.fields(kind) if part.name in given]
        return kind(direction, **{name: given[name] for name in names})

    def key(self) -> str:
        """The key of the saved state. A second callback with the same key gets a number after it."""
        return f"{self._owner}/{self.arguments['name'] or self.arguments['monitor']}"
