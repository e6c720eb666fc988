"""The common arguments of all callbacks that change the rate by a metric."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, ClassVar, Literal

from keras_lr.callbacks.metrics import required_direction
from keras_lr.core.fields import OrNone, Real, String, Whole
from keras_lr.core.frozen import Frozen
from keras_lr.core.refusals import Kind
from keras_lr.optimizers.choice import OptimizerChoice


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
Optimizers = Annotated[Any, OptimizerChoice()]
CallbackName = Annotated[str | None, OrNone(String("a name for the callback"))]


class MetricOptions(Frozen, abstract=True):
    """The arguments of a callback that changes the rate by a metric. All have these."""

    _rule: ClassVar[Any]
    """The class of the rule, a dataclass whose fields are arguments, but for the direction."""

    monitor: str
    mode: str
    every: Any
    name: str | None

    def validate(self) -> None:
        if self.batches is not None and self.monitor.startswith("val_"):
            self.refuse("monitor", "a metric of the training data when `every` counts batches")

    @property
    def batches(self) -> int | None:
        """Batches of a window; None if `every` is "epoch"."""
        return None if self.every == "epoch" else self.every

    def rule(self, model: Any) -> Any:
        """The rule, once the metrics of the model are there.

        Raises:
            ValueError: `mode` is "auto", and the direction of the metric cannot be told.
        """
        direction = required_direction(self._owner, model, self.monitor, self.mode)
        given = {it.name: getattr(self, it.name) for it in dataclasses.fields(self._rule) if it.name != "direction"}
        return self._rule(direction, **given)

    def key(self) -> str:
        """The key of the saved state. A second callback with the same key gets a number after it."""
        return f"{self._owner}/{self.name or self.monitor}"
