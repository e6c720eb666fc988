"""The rates that a model was compiled with, as JSON. A checkpoint contains them, so that a resume can compare."""

from __future__ import annotations

import json
import math
from typing import Any

import keras

from keras_lr.core.serialization import from_serialized
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.optimizers.install import Bounds, replace, set_scale
from keras_lr.optimizers.lookup import RatedOptimizer, is_function, rated_optimizers, read_float
from keras_lr.schedules.installed import Installed

LAYERS = ("keras_lr>Reduced", "keras_lr>Rescaled", "keras_lr>Paced", "keras_lr>Bound")


def configuration(model: Any) -> dict[str, dict[str, Any]]:
    """The rates that a model was compiled with, as JSON by column; empty if it is not compiled."""
    if getattr(model, "optimizer", None) is None:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for rated in rated_optimizers(model):
        source = rated.source
        if isinstance(source, LearningRateSchedule):
            configured = Installed.around(source).configured
            found[rated.column] = {"schedule": keras.saving.serialize_keras_object(configured)}
        elif not is_function(source):
            found[rated.column] = {"rate": read_float(source)}
    return found


def is_same_configuration(saved: dict[str, Any], configured: dict[str, Any]) -> bool:
    """Whether a rate equals the saved one. Numbers are compared in float32."""
    if "rate" in saved and "rate" in configured:
        numbers = saved["rate"], saved.get("now", saved["rate"])
        return any(math.isclose(number, configured["rate"], rel_tol=1e-6) for number in numbers)
    return json.dumps(_bare(saved), sort_keys=True) == json.dumps(_bare(configured), sort_keys=True)


def _bare(configuration: Any) -> Any:
    """A serialized schedule without reductions. In files of version 0.1.0, callbacks and users wrote the same ones."""
    schedule = configuration.get("schedule")
    while isinstance(schedule, dict) and schedule.get("registered_name") in LAYERS:
        schedule = schedule["config"].get("schedule")
    return schedule if schedule is not None else configuration


def configure(model: Any, rated: RatedOptimizer, wanted: dict[str, Any]) -> None:
    """Set an optimizer's rate to one of `configuration` and keep the scale of a plateau. The caller must retrace."""
    rate = from_serialized(wanted["schedule"]) if "schedule" in wanted else wanted["rate"]
    source = rated.source
    replace(model, rated, rate)
    if isinstance(source, LearningRateSchedule) and "schedule" in wanted:
        for by, scale, min_lr, max_lr in Installed.around(source).scalings:
            set_scale(model, rated, by, scale, Bounds(min_lr, max_lr))
