"""Checks whether a backup is complete, and to which training it belongs, before anything is loaded from it.

The checksum follows the HDF5 data in the same file. HDF5 ignores bytes after its own end.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import IO, Any

import numpy as np

from keras_lr.optimizers import attributes, lookup
from keras_lr.training.position import KEY

MARK = b"keras_lr sha256 "
LENGTH = len(MARK) + 64
BLOCK = 2**20
"""How many bytes of a file are read at once."""


def seal(path: Path) -> None:
    """Append the checksum of a file to it."""
    with path.open("r+b") as file:
        digest = _digest(file, path.stat().st_size)
        file.write(MARK + digest)


def entry_of(path: Path) -> dict[str, Any]:
    """The entry of `BackupAndRestore` in a file with a correct checksum.

    Raises:
        ValueError: the file is damaged. (A file of an earlier version has no checksum, and its entry says so.)
        KeyError, OSError: it is not a backup.
    """
    import h5py

    is_sealed = _is_sealed(path)
    with h5py.File(path, "r") as file:
        _check_size(file, path.stat().st_size)
        saved = json.loads(np.asarray(file["keras_lr_state/vars/json"]).astype(np.uint8).tobytes().decode())
    entry = saved["entries"][KEY]
    if not isinstance(entry, dict):
        raise ValueError("its entry is not valid")
    if entry.get("sealed") and not is_sealed:
        raise ValueError("its checksum is missing")
    return entry


def _check_size(file: Any, size: int) -> None:
    """Refuse a file whose values take more bytes than the file itself. They could fill the memory."""
    import h5py

    sizes: list[int] = []
    file.visititems(lambda _, value: sizes.append(value.nbytes) if isinstance(value, h5py.Dataset) else None)
    if sum(sizes) > size:
        raise ValueError(f"its values would take {sum(sizes):,} bytes, but it has only {size:,}")


def _is_sealed(path: Path) -> bool:
    """Whether there is a checksum. A wrong one is refused."""
    size = path.stat().st_size - LENGTH
    if size < 0:
        return False
    with path.open("rb") as file:
        file.seek(size)
        ending = file.read(LENGTH)
        if not ending.startswith(MARK):
            return False
        if _digest(file, size) != ending.removeprefix(MARK):
            raise ValueError("its checksum does not match its content")
    return True


def _digest(file: IO[bytes], size: int) -> bytes:
    """The checksum of the first bytes of a file, as text. The position is then after them."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(min(size, BLOCK)):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest().encode()


def optimizer_of(model: Any) -> str:
    """The optimizer of a model and the number of its variables, for an error text.

    For several optimizers in attributes, only their classes, since the number of variables is not fixed: the unused
    default optimizer of `compile` gets its variables late.
    """
    names = []
    optimizer = model.optimizer
    while hasattr(optimizer, "inner_optimizer"):
        names.append(type(optimizer).__name__)
        optimizer = optimizer.inner_optimizer
    if hasattr(optimizer, "optimizers"):
        names.append(type(optimizer).__name__)
    parts = ", ".join(type(rated.optimizer).__name__ for rated in lookup.rated_optimizers(model))
    if attributes.is_unused(model):
        return parts
    count = len(lookup.optimizer_of(model).variables)
    return f"{' of '.join([*names, parts])} ({count:,} variables)"
