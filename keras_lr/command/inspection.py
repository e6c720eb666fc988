"""The content of a `.keras` file (optimizer, schedule, step and rate), read without running anything in it.

Keras's own loading creates any class that a file names. Here the file is only read as JSON and
HDF5. The only classes that are created are the schedules of this package and of Keras.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.refusals import shown
from keras_lr.core.serialization import from_serialized, is_stock
from keras_lr.optimizers.multipliers import DECAY, RATE
from keras_lr.tools import parsing

LARGEST = 16 * 2**20
"""Largest config that is read, in bytes after unpacking. When parsed, it may take forty times as much."""

PACKED = 256 * 2**20
"""Largest weights that are unpacked, in bytes. Keras does not compress weights; uncompressed ones are read in place."""


@dataclass(frozen=True)
class Rate:
    """A learning rate, or another scheduled hyperparameter, in a file.

    Attributes:
        name: the name of its column in a log.
        optimizer: the class name of its optimizer.
        source: a number, a schedule, or the class name of an unknown schedule.
    """

    name: str
    optimizer: str
    source: float | LearningRateSchedule | str


@dataclass(frozen=True)
class Inspection:
    """The result of `inspect_file`.

    Attributes:
        keras_version: the version of Keras that wrote the file.
        step: the number of batches so far; None if the file has no optimizer state.
        rates: the rates; empty for a model that is not compiled.
        callbacks: the saved entries of keras_lr's callbacks, by key.
    """

    keras_version: str
    step: int | None
    rates: tuple[Rate, ...]
    callbacks: dict[str, Any]


def inspect_file(path: Path) -> Inspection:
    """Read a `.keras` file.

    Raises:
        ValueError: it is not a `.keras` file, or is damaged.
        OSError: the file does not exist or cannot be read.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{str(path)!r} is not a file")
    with path.open("rb") as stream:
        return _inspection(path, stream)


def _inspection(path: Path, stream: IO[bytes]) -> Inspection:
    try:
        with zipfile.ZipFile(stream) as archive:
            version = str(_json(archive, "metadata.json").get("keras_version", "unknown"))
            compiled = _json(archive, "config.json").get("compile_config") or {}
            rates = tuple(_rates(compiled.get("optimizer"), "learning_rate"))
            step, callbacks = _state(archive)
    except Exception as error:  # a damaged file raises errors of zlib, HDF5, JSON and Python of many kinds
        message = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{str(path)!r} is not a `.keras` file, or is damaged: {message}") from None
    return Inspection(version, step, rates, callbacks)


def _entry(archive: zipfile.ZipFile, name: str, largest: int) -> zipfile.ZipInfo:
    """An entry of the archive. Ambiguous entries and zip bombs are refused."""
    if archive.namelist().count(name) > 1:
        raise ValueError(f"it has several entries named {name}")
    info = archive.getinfo(name)
    if info.file_size > largest:
        raise ValueError(f"{name} has more than {largest >> 20} MiB")
    return info


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    return json.loads(archive.read(_entry(archive, name, LARGEST)))


def _rates(optimizer: Any, column: str) -> list[Rate]:
    """The rates in an optimizer's config, which may be that of a wrapper or of several optimizers."""
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
        named = [*config["hyperparameters"].items(), *_factors(config)]
        suffix = column.removeprefix("learning_rate")
        return found + [Rate(name + suffix, found[0].optimizer, _source(value)) for name, value in named]
    return [Rate(column, kind, _source(config.get("learning_rate")))]


def _factors(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The factors of groups of variables, each with the name of its argument and its pattern."""
    for name in (RATE, DECAY):
        for pattern, factor in config.get(name, {}).get("factors", ()):
            yield f"{name}[{pattern}]", factor


def _source(value: Any) -> float | LearningRateSchedule | str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, dict):
        return "unknown"
    try:
        return _schedule(value)
    except (ValueError, TypeError, KeyError, OverflowError, ZeroDivisionError, RecursionError, AttributeError) as error:
        return f"{shown(value.get('class_name'))} ({' '.join(str(error).split())[:300]})"


def _schedule(config: dict[str, Any]) -> LearningRateSchedule:
    """A schedule from its config, of known classes only."""
    name, arguments = config["class_name"], config["config"]
    own = parsing.classes().get(str(name))
    if own is not None and config.get("registered_name") == f"keras_lr>{name}":
        made = {key: _argument(value) for key, value in arguments.items()}
        return own.from_config(made)
    if config.get("registered_name") is None and is_stock(config):
        return from_serialized(config)
    raise ValueError("not a schedule of keras_lr or Keras, so it is not loaded here")


def _argument(value: Any) -> Any:
    """An argument. Schedules in it are created here, so that `from_config` gets them ready-made."""
    if isinstance(value, list):
        return [_argument(item) for item in value]
    return _schedule(value) if isinstance(value, dict) and "class_name" in value else value


def _state(archive: zipfile.ZipFile) -> tuple[int | None, dict[str, Any]]:
    """The step counter, and the saved state of our callbacks. No other weights are read."""
    import h5py

    name = "model.weights.h5"
    if name not in archive.namelist():
        return None, {}
    with _weights(archive, name) as stream, h5py.File(stream, "r") as file:
        counters = (_dataset(file, f"optimizer/{part}vars/0") for part in ("inner_optimizer/", ""))
        counter = next((found for found in counters if found is not None and found.shape == ()), None)
        step = None if counter is None else int(counter[()])
        if step is not None and not 0 <= step < STEP_LIMIT:
            raise ValueError(f"its step counter is at {step}")
        noted = _dataset(file, "keras_lr_state/vars/json")
        if noted is None:
            return step, {}
        if noted.dtype != np.uint8 or noted.ndim != 1:
            raise ValueError("its state of callbacks is not text")
        entries = json.loads(noted[()].tobytes().decode())["entries"]
        return step, {str(key): value for key, value in entries.items() if key != "rates"}


def _weights(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    """The HDF5 file in the archive, read in place: a stream of `zipfile` starts again to seek back."""
    info = _entry(archive, name, 2**63)
    if info.flag_bits & 1:
        raise ValueError(f"{name} is encrypted")
    if info.compress_type != zipfile.ZIP_STORED:
        return io.BytesIO(archive.read(_entry(archive, name, PACKED)))
    file = open(str(archive.filename), "rb")  # noqa: SIM115 - closed with the window
    file.seek(info.header_offset)
    header = file.read(30)
    if header[:4] != b"PK\x03\x04":
        file.close()
        raise ValueError(f"{name} is not where the archive says")
    start = info.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
    return io.BufferedReader(_Window(file, start, info.file_size))


class _Window(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(offset + (0, self._at, self._size)[whence], 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        found = self._file.read(max(min(len(buffer), self._size - self._at), 0))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()


def _dataset(file: Any, place: str) -> Any:
    """A small dataset that is in the file itself, or None.

    HDF5 supports links and data in other files, which the author of this file could choose.
    """
    import h5py

    found = file
    for name in place.split("/"):
        link = found.get(name, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{place} is a link to another place")
        found = found[name]
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"{place} is not a dataset")
    if found.external or found.is_virtual:
        raise ValueError(f"the data of {place} are in another file")
    if max(found.nbytes, math.prod(found.chunks or ()) * found.dtype.itemsize) > LARGEST:
        raise ValueError(f"{place} has more than {LARGEST >> 20} MiB")
    return found
