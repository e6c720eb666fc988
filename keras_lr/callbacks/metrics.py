"""The metrics of a model: their names in the logs, which way they should go, and their numbers."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

from keras import ops

from keras_lr.core.refusals import shown
from keras_lr.optimizers import lookup


def named_metrics(model: Any) -> dict[str, Any]:
    """The model's metrics by the names that they have in the logs of its training.

    Keras keeps the metrics that `compile` was given in one container, whose result is a dict. Its
    keys are the names in the logs, with the name of the output ("a_accuracy") and of a second
    use ("weighted_accuracy"). On TensorFlow the container is empty before the first batch.
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
    """Whether a metric should fall ("min") or rise ("max"); None where its name and the model do not tell.

    The metric's own direction counts, as in Keras's callbacks. A loss falls: "loss", and what
    Keras and users call "<output>_loss".
    """
    name = monitor.removeprefix("val_")
    direction = getattr(named_metrics(model).get(name), "_direction", None)
    if direction is not None:
        return "max" if direction == "up" else "min"
    return "min" if name == "loss" or name.endswith("_loss") else None


def required_direction(owner: str, model: Any, monitor: str, mode: str) -> str:
    """The direction that `mode` says, or with "auto" the metric.

    Raises:
        ValueError: `mode` is "auto", and the direction of the metric cannot be told.
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
        + (f": it is none of the model's metrics ({nearest(monitor, named)})" if is_missing else "")
        + "; pass `mode='min'` or `mode='max'`"
    )


def metric_number(owner: str, name: str, value: Any) -> float:
    """The number in an epoch's log; an array of one element counts as a number.

    Raises:
        TypeError: it is no number (None, a dict, an array of several), with the metric and the callback by name.
    """
    try:
        if math.prod(getattr(value, "shape", (0,))) == 1:
            value = ops.convert_to_numpy(value).reshape(())
        return lookup.read_float(value)
    except Exception:  # a backend may raise anything when it converts what is no number
        what = f"a value of type {type(value).__name__}"
        if value is None or isinstance(value, str):
            what = shown(value)
        elif getattr(value, "shape", None):
            what = f"an array of shape {tuple(value.shape)}"
        raise TypeError(f"{owner}: the metric '{name}' must be one number in the logs, got {what}") from None


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message about a metric that is not there: the names that are, and the most similar one."""
    there = sorted(other for other in names if not other.startswith("learning_rate"))
    advice = ""
    if name.startswith("val_") and not any(other.startswith("val_") for other in there):
        advice = "; metrics of the validation need `validation_data` in `fit`"
    elif similar := difflib.get_close_matches(name, there, 1):
        advice = f"; did you mean '{similar[0]}'?"
    return f"there are: {', '.join(there) or 'none'}{advice}"
