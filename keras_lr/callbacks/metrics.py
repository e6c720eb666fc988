"""The metrics of a model: their names in the logs, their directions, and their values."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

from keras import ops

from keras_lr.core.refusals import shown
from keras_lr.optimizers import lookup


def named_metrics(model: Any) -> dict[str, Any]:
    """The model's metrics by their names in the logs of the training.

    Keras stores the metrics of `compile` in one container, whose result is a dict. Its keys are the
    names in the logs, with a prefix for the output ("a_accuracy") or for weighted metrics
    ("weighted_accuracy"). On TensorFlow the container is empty before the first batch.
    """
    named: dict[str, Any] = {}
    for metric in model.metrics:
        parts = getattr(metric, "metrics", None)
        if parts is None:
            named.setdefault(metric.name, metric)
        elif parts:
            lookup.sync(model)
            named |= {name: part for name, part in zip(metric.result(), parts, strict=True) if name not in named}
    return named


def direction_of(model: Any, monitor: str) -> str | None:
    """Whether a metric should fall ("min") or rise ("max"); None if unknown.

    The metric's own direction is used, as in Keras's callbacks. A loss should fall: "loss", and
    "<output>_loss" of Keras and users.
    """
    name = monitor.removeprefix("val_")
    direction = getattr(named_metrics(model).get(name), "_direction", None)
    if direction is not None:
        return "max" if direction == "up" else "min"
    return "min" if name == "loss" or name.endswith("_loss") else None


def required_direction(owner: str, model: Any, monitor: str, mode: str) -> str:
    """The direction in `mode`, or, with "auto", that of the metric.

    Raises:
        ValueError: `mode` is "auto" and the direction of the metric is unknown.
    """
    direction = mode if mode != "auto" else direction_of(model, monitor)
    if direction is not None:
        return direction
    named = named_metrics(model)
    is_missing = monitor.removeprefix("val_") not in named
    if monitor.startswith("val_"):
        named = {f"val_{name}": metric for name, metric in named.items()}
    raise ValueError(
        f"{owner}: cannot tell whether '{monitor}' should fall or rise"
        + (f": it is not a metric of the model ({nearest(monitor, named)})" if is_missing else "")
        + "; pass `mode='min'` or `mode='max'`"
    )


def metric_number(owner: str, name: str, value: Any) -> float:
    """The number in an epoch's log. An array of one element counts as a number.

    Raises:
        TypeError: it is not a number (None, a dict, an array of several). The error names the metric and the callback.
    """
    try:
        if math.prod(getattr(value, "shape", (0,))) == 1:
            value = ops.convert_to_numpy(value).reshape(())
        return lookup.read_float(value)
    except Exception:  # a backend may raise anything if the value is not a number
        what = f"a value of type {type(value).__name__}"
        if value is None or isinstance(value, str):
            what = shown(value)
        elif getattr(value, "shape", None):
            what = f"an array of shape {tuple(value.shape)}"
        raise TypeError(f"{owner}: the metric '{name}' must be one number in the logs, got {what}") from None


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown metric: the existing names, and the most similar one."""
    there = sorted(other for other in names if not other.startswith("learning_rate"))
    advice = ""
    if name.startswith("val_") and not any(other.startswith("val_") for other in there):
        advice = "; metrics of the validation need `validation_data` in `fit`"
    elif similar := difflib.get_close_matches(name, there, 1):
        advice = f"; did you mean '{similar[0]}'?"
    return f"there are: {', '.join(there) or 'none'}{advice}"
