"""Invariants of damaged files of logs and backups, for `fuzz_files` and the test suite.

`check_log` and `Backups.check` damage a file at random and return the outcome. If an invariant is broken, they raise
`AssertionError`, or the error that escaped.
"""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pandas as pd

import keras_lr as klr
from keras_lr.callbacks import backup_seal
from keras_lr.callbacks.log_reader import read_frame
from keras_lr.callbacks.logfile import open_log
from keras_lr.optimizers.lookup import step_of

NAMES = ["loss", "a,b", 'say "x"', "two\nlines", "\x85", "\u2028", "", " ", "\0", "\r\n", "1", "nan", "\ufeff", "[/x]"]
BYTES = [b"\0", b",", b'"', b"\n", b"\r", b"\n\n", b"\xff", b"\xef\xbb\xbf", b"-", b"x", b"1e999", b"9" * 400, b" "]
Rows = list[list[str]]


def damaged(content: bytes, numbers: random.Random) -> bytes:
    """The content with one to three changes, as disks, editors and other programs make them."""
    changed = bytearray(content)
    for _ in range(numbers.randint(1, 3)):
        at = numbers.randrange(len(changed) + 1)
        kind = numbers.randrange(7)
        if kind == 0 and changed:
            changed[at % len(changed)] ^= 1 << numbers.randrange(8)
        elif kind == 1:
            del changed[at:]
        elif kind == 2:
            del changed[at : at + numbers.randint(1, 40)]
        elif kind == 3:
            changed[at:at] = numbers.choice(BYTES)
        elif kind == 4:
            changed[at : at + 64] = bytes(len(changed[at : at + 64]))
        elif kind == 5:
            changed[at:at] = changed[at : at + numbers.randint(1, 200)]
        else:
            changed = changed.replace(b"\n", b"\r\n") if numbers.random() < 0.5 else changed + changed[-at:]
    return bytes(changed)


# Logs.


def check_log(numbers: random.Random, folder: Path) -> str:
    """Damage a log, continue it, and compare its rows with those of another reader."""
    path = folder / f"log.{numbers.choice(['csv', 'csv', 'parquet'])}"
    path.unlink(missing_ok=True)
    names = ["learning_rate", *numbers.sample(NAMES, numbers.randrange(3))]
    written = _write_log(path, names, numbers)
    content = path.read_bytes()
    if numbers.random() < 0.9:
        content = damaged(content, numbers)
        path.write_bytes(content)
    last = int(written[written.training == 0].step.iloc[-1]) if "training" in written else int(written.step.iloc[-1])
    training, cut = 0, numbers.randint(0, last + 1)
    before = _rows_of(path)
    file = open_log(path)
    try:
        file.open()
        file.cut(training, cut)
        new = _rows(cut, 2, names, numbers, training if "training" in file._columns else None)
        file.append(new)
    except ValueError as error:
        _is_one_error(error, "LearningRateLogger: ", path)
        return "refused"
    after = _rows_of(path)
    assert after is not None
    kept = [] if before is None else _kept(before, training, cut)
    if len(kept) < 2:  # the training may replace a header without rows
        kept = after[:1]
    # The training may add columns.
    assert [row[: len(kept[0])] for row in after[: len(kept)]] == kept, (before, after)
    assert len(after) == len(kept) + 2, (before, after)
    frame = read_frame(path)
    assert frame.step.tolist()[-2:] == [cut, cut + 1]
    assert len(frame) == len(after) - 1
    return "continued"


def _write_log(path: Path, names: list[str], numbers: random.Random) -> pd.DataFrame:
    file = open_log(path)
    file.open()
    several = numbers.random() < 0.4
    parts = []
    for _ in range(numbers.randint(1, 3)):
        for training in (0, 1) if several else (None,):
            first = sum(len(part) for part in parts if not several or part.training.iloc[0] == training)
            parts.append(_rows(first, numbers.randint(1, 4), names, numbers, training))
            file.append(parts[-1])
    return pd.concat(parts, ignore_index=True)


def _rows(first: int, count: int, names: list[str], numbers: random.Random, training: int | None) -> pd.DataFrame:
    steps = np.arange(first, first + count, dtype=np.int64)
    start = {} if training is None else {"training": np.full(count, training)}
    values = {name: [numbers.choice([0.1, 1e-20, np.nan, np.inf, -2.5, 1 / 3]) for _ in steps] for name in names}
    return pd.DataFrame({**start, "step": steps, "epoch": 0 * steps, "batch": steps, **values})


def _rows_of(path: Path) -> Rows | None:
    """The header and the complete rows of a file as text, or None if there are none."""
    if path.suffix == ".parquet":
        try:
            frame = pd.read_parquet(path)
        except Exception:
            return None
        return [list(frame.columns), *([repr(value) for value in row] for row in frame.itertuples(index=False))]
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    whole = text[: text.rfind("\n") + 1]
    rows = list(csv.reader(io.StringIO(whole, newline="")))
    return rows or None


def _kept(rows: Rows, training: int, cut: int) -> Rows:
    """The rows that must stay: those of other trainings, and earlier ones."""
    place = rows[0].index("step")

    def number(text: str) -> int:
        return int(text.removeprefix("np.int64(").removesuffix(")"))

    def stays(row: list[str]) -> bool:
        return number(row[place]) < cut or (place == 1 and number(row[0]) != training)

    return [rows[0], *(row for row in rows[1:] if stays(row))]


def _is_one_error(error: Exception, start: str, path: Path) -> None:
    message = str(error)
    assert message.startswith(start), message
    assert str(path) in message, message
    assert "move" in message, message
    assert "\n" not in message, message


# Backups.


class Backups:
    """Backups of one training at several moments, with its step and weights, and backups of other trainings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "run"
        self._whole: dict[bytes, tuple[int, bytes]] = {}
        self._others: list[bytes] = []
        for units, optimizer in ((3, "sgd"), (4, "sgd"), (3, "adam")):
            self._train(folder / "made", units, optimizer)
        self._model = _model(3, "sgd")
        self._start = self._model.get_weights()

    def _train(self, folder: Path, units: int, optimizer: str) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        model = _model(units, optimizer)
        backup = klr.BackupAndRestore(folder, 2, delete_checkpoint=False)
        kept = self._whole

        class Keep(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
                content = backup.path.read_bytes() if backup.path.exists() else b""
                if content and content not in kept and step_of(model) % 2 == 0:
                    kept[content] = (step_of(model), _weights(model))

        callbacks = [
            klr.ReduceOnPlateau("loss", 0.5, 1),
            keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True),
            backup,
            Keep(),
        ]
        x, y = np.ones((8, 2), "float32"), np.ones((8, units), "float32")
        model.fit(x, y, batch_size=2, epochs=3, verbose=0, shuffle=False, callbacks=callbacks)
        if (units, optimizer) != (3, "sgd"):
            self._others += [content for content in kept if content not in self._mine]
            for content in self._others:
                kept.pop(content, None)
        else:
            self._mine = list(kept)

    def check(self, numbers: random.Random) -> str:
        """Put files into the folder, start a training there, and return which backup it used, or why not."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        paths = [self.folder / f"{name}.weights.h5" for name in ("latest", "previous")]
        for path in paths[: numbers.randint(1, 2)]:
            path.write_bytes(self._content(numbers))
        model = self._model
        model.set_weights(self._start)
        klr.set_step(model, 0)
        states = [self._whole.get(path.read_bytes()) for path in paths if path.exists()]
        expected = next((state for state in states if state is not None), None)
        backup = klr.BackupAndRestore(self.folder, numbers.choice(["epoch", 2]))
        backup.set_model(model)
        backup.set_params({"epochs": 5, "steps": 4, "verbose": 0})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            refused = None
            try:
                backup.on_train_begin()
                backup._restore_states()
            except ValueError as error:
                refused = error
        if refused is not None:
            _is_one_error(refused, "BackupAndRestore: ", self.folder)
            of_another = "is of a training with" in str(refused)
            assert of_another or expected is None, refused
            return "of another training" if of_another else "refused"
        if expected is None:
            # Changed content is used only if it was sealed again.
            assert any(self._is_sealed(path) for path in paths if path.exists()), "a damaged backup was used"
            return "crafted"
        if states[0] is None and not self._is_sealed(paths[0]):
            assert [str(warning.message) for warning in caught if str(paths[0]) in str(warning.message)], caught
        if states[0] is not None or not self._is_sealed(paths[0]):
            assert (step_of(model), _weights(model)) == expected
        return "previous" if states[0] is None else "latest"

    @staticmethod
    def _is_sealed(path: Path) -> bool:
        try:
            return backup_seal._is_sealed(path)
        except ValueError:
            return False

    def _content(self, numbers: random.Random) -> bytes:
        whole = numbers.choice(self._mine)
        kind = numbers.randrange(10)
        if kind <= 3:
            return damaged(whole, numbers)
        if kind <= 5:
            return whole
        if kind == 6:
            return numbers.choice(self._others)
        if kind == 7:
            return numbers.choice(
                [b"", b"\x89HDF\r\n\x1a\n", whole + b"\0", whole[: -backup_seal.LENGTH], _zip(), _bomb()]
            )
        return self._crafted(whole, numbers)

    def _crafted(self, whole: bytes, numbers: random.Random) -> bytes:
        """A backup whose entry was changed and which was sealed again."""
        path = self.folder / "crafted"
        path.write_bytes(whole[: -backup_seal.LENGTH])
        with h5py.File(path, "r+") as file:
            group = file["keras_lr_state/vars"]
            saved = json.loads(bytes(group["json"][()]))
            _change(saved, numbers)
            del group["json"]
            group["json"] = np.frombuffer(json.dumps(saved).encode(), np.uint8)
        backup_seal.seal(path)
        content = path.read_bytes()
        path.unlink()
        return content


def _change(value: Any, numbers: random.Random) -> None:
    """Change one value somewhere in JSON."""
    while isinstance(value, dict | list) and value:
        key = numbers.choice(list(value) if isinstance(value, dict) else range(len(value)))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or numbers.random() < 0.2:
            if numbers.random() < 0.2:
                del value[key]
            else:
                value[key] = numbers.choice([None, -1, 0, 10**30, 1.5, float("nan"), "x", [], {}, [1], {"a": 1}, True])
            return
        value = inner


def _model(units: int, optimizer: str) -> Any:
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(units, kernel_initializer="zeros"), keras.layers.Dropout(0.1, seed=1)]
    )
    model.compile({"sgd": keras.optimizers.SGD(0.1), "adam": keras.optimizers.Adam(0.1)}[optimizer], loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def _weights(model: Any) -> bytes:
    return b"".join(np.asarray(array).tobytes() for array in model.get_weights())


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.weights.h5", bytes(10_000_000))
    return buffer.getvalue()


_BOMBS: list[bytes] = []


def _bomb() -> bytes:
    """A sealed file of a few kilobytes whose entry claims to have 64 gigabytes."""
    if not _BOMBS:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.create_dataset("keras_lr_state/vars/json", (1 << 36,), np.uint8, chunks=(1 << 20,), compression="gzip")
        content = buffer.getvalue()
        import hashlib

        _BOMBS.append(content + backup_seal.MARK + hashlib.sha256(content).hexdigest().encode())
    return _BOMBS[0]
