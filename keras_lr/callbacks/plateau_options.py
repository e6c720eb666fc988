"""The checked arguments of `ReduceOnPlateau`, and the rule that they define for a model."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from keras_lr.callbacks.metric_options import (
    CallbackName,
    Every,
    MetricName,
    MetricOptions,
    Mode,
    OnNan,
    Optimizers,
    Shrink,
    Start,
    ThresholdMode,
    Window,
)
from keras_lr.callbacks.plateau_rule import PlateauRule
from keras_lr.core.fields import STRING, CountOrNone, CountOrZero, NonNegative, OrNone, Rate, Several, String, Switch

OWNER = "ReduceOnPlateau"


Names = Annotated[Any, OrNone(Several("a non-empty sequence of names", STRING))]
HyperparameterName = Annotated[str, String("the name of a hyperparameter, such as 'learning_rate' or 'momentum'")]


class PlateauOptions(MetricOptions):
    """The arguments of `ReduceOnPlateau`, where they are explained."""

    _owner: ClassVar[str] = OWNER
    _rule: ClassVar[type[PlateauRule]] = PlateauRule

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
    refresh_batch_norm: CountOrNone = None
    hyperparameter: HyperparameterName = "learning_rate"

    def validate(self) -> None:
        if self.optimizers is not None and self.optimizer is not None:
            self.refuse("optimizer", "left out if `optimizers` is given")
        super().validate()
