"""Arguments of schedules as JSON values and Python source, and schedules from Keras's serialized form."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from typing import Any

import keras

from keras_lr.core.duration import Duration
from keras_lr.core.fields import Real
from keras_lr.core.refusals import check, refuse, shown
from keras_lr.core.tree import DEEPEST, MOST_PARTS, LearningRateSchedule, is_external
from keras_lr.core.units import epochs, fraction, samples

UNITS = {"epochs": epochs, "fraction": fraction, "samples": samples}


def from_serialized(serialized: Any) -> LearningRateSchedule:
    """A schedule from the result of `keras.saving.serialize_keras_object`.

    Its class must be registered, in a `custom_objects` scope, or one of Keras's schedules. Nothing is imported, and
    only schedules are created, whatever a file contains.

    Raises:
        TypeError, ValueError: it is not a schedule, its class is unknown, or an argument is refused.
    """
    if not isinstance(serialized, dict) or not isinstance(serialized.get("config"), dict):
        raise TypeError(f"a schedule must be serialized as a dict of class_name, config …, got {shown(serialized)}")
    if (limit := broken_limit(serialized)) is not None:
        raise ValueError(f"a serialized schedule must be {limit}")
    name, config = serialized.get("class_name"), serialized["config"]
    found = keras.saving.get_registered_object(str(serialized.get("registered_name") or name))
    if found is None and is_stock(serialized):
        found = getattr(keras.optimizers.schedules, str(name))
        if not all(map(_is_plain, config.values())):
            raise ValueError(f"the arguments of Keras's {shown(name)} are not plain numbers: {shown(config)}")
    if not (inspect.isclass(found) and issubclass(found, LearningRateSchedule)) or found is LearningRateSchedule:
        raise ValueError(
            f"{shown(name)} is not the class of a known schedule; register your own class with "
            "`keras.saving.register_keras_serializable`"
        )
    kind: Any = found
    made: LearningRateSchedule = kind.from_config(config)
    return made


def to_json(schedule: LearningRateSchedule) -> str:
    """A schedule as JSON text."""
    return json.dumps(keras.saving.serialize_keras_object(schedule))


def from_json(text: str) -> LearningRateSchedule:
    """A schedule from JSON text.

    Raises:
        TypeError, ValueError: the text is not the JSON of a schedule.
    """
    allowed = "the JSON of a schedule, as `to_json` writes it"
    if not isinstance(text, str):
        refuse("from_json", "text", allowed, text, TypeError)
    try:
        serialized = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        refuse("from_json", "text", f"{allowed} ({str(error)[:200]})", text)
    if not isinstance(serialized, dict):
        refuse("from_json", "text", allowed, text)
    return from_serialized(serialized)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


def is_stock(serialized: dict[str, Any]) -> bool:
    """Whether the class is one of Keras's own schedules."""
    found = vars(keras.optimizers.schedules).get(str(serialized.get("class_name")))
    is_class = inspect.isclass(found) and issubclass(found, LearningRateSchedule) and found is not LearningRateSchedule
    return bool(is_class) and serialized.get("module") == "keras.optimizers.schedules"


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, int | float) for item in value)
    return value is None or isinstance(value, int | float | str)


def broken_limit(config: dict[str, Any]) -> str | None:
    """The limit that a config exceeds, or None: how many schedules, and how deep before Python's stack overflows."""
    level: list[Any] = [config]
    count = 0
    # A level of schedules is a dict in a dict, with a list between them for several schedules.
    for _ in range(3 * DEEPEST + 1):
        inner: list[Any] = []
        for part in level:
            count += isinstance(part, dict) and "class_name" in part
            inner += part.values() if isinstance(part, dict) else part
        if count > MOST_PARTS:
            return f"made of at most {MOST_PARTS:,} schedules"
        level = [part for part in inner if isinstance(part, dict | list)]
        if not level:
            return None
    return f"nested at most {DEEPEST} deep"


def encode(value: Any) -> Any:
    """An argument as a JSON value."""
    if isinstance(value, LearningRateSchedule):
        return keras.saving.serialize_keras_object(value)
    if isinstance(value, Duration):
        return value.amounts()
    return [encode(item) for item in value] if isinstance(value, tuple) else value


def decode(value: Any) -> Any:
    """An argument from its JSON value."""
    if isinstance(value, dict) and "class_name" in value:
        return from_serialized(value)
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in UNITS:
        unit, amount = next(iter(value.items()))
        if unit == "fraction" and type(amount) is float and 1.0 < amount < float("inf"):
            return Duration(fraction=amount)  # a sum or a multiple, which `fraction` would refuse
        return UNITS[unit](amount)
    if isinstance(value, dict) and len(value) > 1 and set(value) <= {part.name for part in fields(Duration)}:
        return Duration(
            **{unit: float(check(Real("a finite number"), "Duration", unit, it)) for unit, it in value.items()}
        )
    return [decode(item) for item in value] if isinstance(value, list) else value


def comparable(value: Any) -> Any:
    """The value to compare by. Keras's schedules define no equality, so their config is used."""
    if isinstance(value, tuple):
        return tuple(map(comparable, value))
    return json.dumps(encode(value), sort_keys=True) if is_external(value) else value


def source(value: Any) -> str:
    """Python source of an argument."""
    if is_external(value):
        arguments = ", ".join(f"{name}={argument!r}" for name, argument in value.get_config().items())
        return f"keras.optimizers.schedules.{type(value).__name__}({arguments})"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(source, value)) + "]"
    return repr(value)
