"""The arguments of `ReduceOnPlateau`, checked, and the rule that they make for a model."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from keras_lr.callbacks.metrics import required_direction
from keras_lr.callbacks.plateau_rule import PlateauRule
from keras_lr.core.fields import (
    COUNT,
    STRING,
    CountOrZero,
    NonNegative,
    OrNone,
    Rate,
    Real,
    Several,
    String,
    Switch,
    Whole,
)
from keras_lr.core.frozen import Frozen
from keras_lr.core.refusals import Kind
from keras_lr.optimizers.lookup import OptimizerChoice

OWNER = "ReduceOnPlateau"


class EpochOrBatches(Kind):
    """The word "epoch", or a number of batches."""

    allowed = '"epoch", or a whole number of batches in [1, 2**31)'

    def coerce(self, value: Any) -> int | str:
        if isinstance(value, str) and str(value) == "epoch":
            return "epoch"
        batches = Whole(self.allowed, 1, steps=False).coerce(value)
        assert isinstance(batches, int)
        return batches


MetricName = Annotated[str, String("the name of a metric, such as 'val_loss'")]
Shrink = Annotated[float, Real("a number in (0, 1)", low=0.0, high=math.nextafter(1.0, 0.0), open_low=True)]
Mode = Literal["auto", "min", "max"]
ThresholdMode = Literal["abs", "rel"]
Start = Annotated[
    Any,
    Whole("a whole number of steps in [0, 2**31), or a duration in `epochs`, `samples` or a `fraction`", 0, steps=True),
]
Every = Annotated[Any, EpochOrBatches()]
Window = Annotated[int | None, OrNone(Whole("a whole number in [1, 2**31)", 1, steps=False))]
OnNan = Literal["count", "ignore", "reduce", "stop"]
Names = Annotated[Any, OrNone(Several("a non-empty sequence of names", STRING))]
Optimizers = Annotated[Any, OptimizerChoice()]
Batches = Annotated[int | None, OrNone(COUNT)]
HyperparameterName = Annotated[str, String("the name of a hyperparameter, such as 'learning_rate' or 'momentum'")]
CallbackName = Annotated[str | None, OrNone(String("a name for the callback"))]


class PlateauOptions(Frozen):
    """The arguments of `ReduceOnPlateau`, which explains them."""

    _owner: ClassVar[str] = OWNER

    monitor: MetricName
    factor: Shrink
    patience: CountOrZero
    mode: Mode
    min_delta: NonNegative
    threshold_mode: ThresholdMode
    cooldown: CountOrZero
    min_lr: Rate
    verbose: CountOrZero
    start_after: Start
    every: Every
    window: Window
    on_nan: OnNan
    restore_best_weights: Switch
    optimizers: Names
    reset_on_train_begin: Switch
    name: CallbackName
    rtol: NonNegative
    eps: NonNegative
    optimizer: Optimizers
    refresh_batch_norm: Batches = None
    hyperparameter: HyperparameterName = "learning_rate"

    def validate(self) -> None:
        if self.optimizers is not None and self.optimizer is not None:
            self.refuse("optimizer", "left out where `optimizers` is given")
        if self.batches is not None and self.monitor.startswith("val_"):
            self.refuse("monitor", "a metric of the training data when `every` counts batches")

    @property
    def batches(self) -> int | None:
        """Batches of a window; None where the epochs count."""
        return None if self.every == "epoch" else self.every

    def key(self) -> str:
        """The key of the saved state; a second callback of the same key gets a number after it."""
        return f"{OWNER}/{self.name or self.monitor}"

    def rule(self, model: Any) -> PlateauRule:
        """The rule, once the metrics of the model are there.

        Raises:
            ValueError: `mode` is "auto", and the direction of the metric cannot be told.
        """
        return PlateauRule(
            required_direction(OWNER, model, self.monitor, self.mode),
            self.patience,
            self.min_delta,
            self.threshold_mode,
            self.cooldown,
            self.window,
            self.on_nan,
            self.rtol,
        )
