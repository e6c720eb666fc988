"""The checked arguments of `GreedyLearningRate`, and the rule that they define for a model."""

from __future__ import annotations

from typing import Annotated, ClassVar

from keras_lr.callbacks.greedy_rule import GreedyRule
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
from keras_lr.core.fields import CountOrNone, CountOrZero, NonNegative, Rate, Real, Switch

OWNER = "GreedyLearningRate"

Highest = Annotated[float, Real("a finite learning rate > 0", low=0.0, open_low=True)]


class GreedyOptions(MetricOptions):
    """The arguments of `GreedyLearningRate`, where they are explained."""

    _owner: ClassVar[str] = OWNER
    _rule: ClassVar[type[GreedyRule]] = GreedyRule

    monitor: MetricName
    factor: Shrink
    patience: CountOrZero
    mode: Mode
    min_delta: NonNegative
    threshold_mode: ThresholdMode
    cooldown: CountOrZero
    warmup: CountOrZero
    min_lr: Rate
    max_lr: Highest
    verbose: CountOrZero
    window: Window
    reset_start: CountOrNone
    start_after: Start
    every: Every
    on_nan: OnNan
    reset_on_train_begin: Switch
    name: CallbackName
    eps: NonNegative
    optimizer: Optimizers

    def validate(self) -> None:
        if self.max_lr < self.min_lr:
            self.refuse("max_lr", f"at least `min_lr` ({self.min_lr!r})")
        super().validate()
