"""What is in a `.keras` file: optimizer, schedule, step and rate, read without running anything of it.

Keras's own loading imports the modules that a file names. Here the file is only read as JSON and
HDF5, and of its classes only the schedules of this package and of Keras are made.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import keras
import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr import source
from keras_lr.schedule import Schedule

LARGEST = 64 * 2**20
"""Bytes of a config that is read."""


@dataclass(frozen=True)
class Rate:
    """A learning rate, or another scheduled hyperparameter, in a file.

    Attributes:
        name: the column that a log would have for it.
        optimizer: class name of its optimizer.
        source: a number, a schedule, or the class name of a schedule that is not known here.
    """

    name: str
    optimizer: str
    source: float | LearningRateSchedule | str


@dataclass(frozen=True)
class Inspection:
    """What `inspect_file` finds.

    Attributes:
        keras_version: the version that wrote the file.
        step: batches seen; None if the file has no optimizer state.
        rates: the rates; empty for a model that is not compiled.
        callbacks: what callbacks of keras_lr remember, by key.
    """

    keras_version: str
    step: int | None
    rates: tuple[Rate, ...]
    callbacks: dict[str, Any]


def inspect_file(path: Path) -> Inspection:
    """Read a `.keras` file.

    Raises:
        ValueError: it is not one, or is damaged.
        OSError: there is no such file.
    """
    with path.open("rb") as stream:
        return _inspection(path, stream)


def _inspection(path: Path, stream: IO[bytes]) -> Inspection:
    try:
        with zipfile.ZipFile(stream) as archive:
            version = str(_json(archive, "metadata.json").get("keras_version", "unknown"))
            compiled = _json(archive, "config.json").get("compile_config") or {}
            rates = tuple(_rates(compiled.get("optimizer"), "learning_rate"))
            step, callbacks = _state(archive)
    except (
        zipfile.BadZipFile,
        KeyError,
        OSError,
        RecursionError,
        AttributeError,
        TypeError,
        NotImplementedError,
    ) as error:
        raise ValueError(f"{str(path)!r} is no `.keras` file, or is damaged: {error}") from None
    return Inspection(version, step, rates, callbacks)


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > LARGEST:
        raise ValueError(f"{name} has more than {LARGEST >> 20} MiB")
    return json.loads(archive.read(name))


def _rates(optimizer: Any, column: str) -> list[Rate]:
    """The rates in an optimizer's config, that of a wrapper or of several included."""
    if optimizer is None:
        return []
    if isinstance(optimizer, str):
        return [Rate(column, optimizer, "the optimizer's default")]
    kind, config = str(optimizer["class_name"]), optimizer["config"]
    if kind == "LossScaleOptimizer":
        return _rates(config["inner_optimizer"], column)
    if kind == "MultiOptimizer":
        chosen = config["optimizer_map"]["config"]
        parts = [chosen["default_optimizer"], *chosen["optimizer_map"].values()]
        parts = [part for part in parts if part]
        return [rate for part in parts for rate in _rates(part, f"learning_rate_{part['config'].get('name')}")]
    if optimizer.get("registered_name") == "keras_lr>Scheduled":
        found = _rates(config["optimizer"], column)
        suffix = column.removeprefix("learning_rate")
        more = [
            Rate(name + suffix, found[0].optimizer, _source(value)) for name, value in config["hyperparameters"].items()
        ]
        return found + more
    return [Rate(column, kind, _source(config.get("learning_rate")))]


def _source(value: Any) -> float | LearningRateSchedule | str:
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, dict):
        return "unknown"
    try:
        return _schedule(value)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return f"{value.get('class_name')} ({error})"


def _schedule(config: dict[str, Any]) -> LearningRateSchedule:
    """A schedule from its config, made of known classes only."""
    name, arguments = config["class_name"], config["config"]
    own = source.classes().get(str(name))
    if own is not None and config.get("registered_name") == f"keras_lr>{name}":
        made = {key: _argument(value) for key, value in arguments.items()}
        return own.from_config(made)
    stock = getattr(keras.optimizers.schedules, str(name), None)
    if config.get("module") == "keras.optimizers.schedules" and config.get("registered_name") is None and stock:
        if any(isinstance(value, dict) for value in arguments.values()):
            raise ValueError("with arguments that are not plain")
        made_stock: LearningRateSchedule = stock(**arguments)
        return made_stock
    raise ValueError("not a schedule of keras_lr or Keras, so it is not loaded here")


def _argument(value: Any) -> Any:
    """An argument; a schedule inside one is made here, and so passes through `from_config` as it is."""
    if isinstance(value, list):
        return [_argument(item) for item in value]
    return _schedule(value) if isinstance(value, dict) and "class_name" in value else value


def _state(archive: zipfile.ZipFile) -> tuple[int | None, dict[str, Any]]:
    """The step counter, and the memory of our callbacks; of the rest of the weights nothing is read."""
    import h5py

    name = "model.weights.h5"
    if name not in archive.namelist():
        return None, {}
    with archive.open(name) as stream, h5py.File(stream, "r") as file:
        step = None
        for place in ("optimizer/inner_optimizer/vars/0", "optimizer/vars/0"):
            if place in file and step is None and file[place].shape == ():
                step = int(file[place][()])
        noted = file.get("keras_lr_state/vars/json")
        if noted is None or noted.size > LARGEST:
            return step, {}
        entries = json.loads(np.asarray(noted).astype(np.uint8).tobytes().decode())["entries"]
        return step, {key: value for key, value in entries.items() if key != "rates"}


def bound(schedule: Any) -> bool:
    """Whether the rates of a schedule are known."""
    return not isinstance(schedule, Schedule) or schedule.is_bound
