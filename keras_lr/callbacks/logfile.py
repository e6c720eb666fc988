"""The file of a log. It grows during the training, is cut when a training is resumed, and is never incomplete.

Rows are appended to a CSV file. If the process is killed meanwhile, the last line has no line end, and
`cut` removes it. Parquet files cannot grow. So a new file is written, which then replaces the old one
in one operation. The rows stay in memory, so that the file is read only once.

If a write fails, the file is as before. A file that was changed by somebody else since the last write
is refused.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from keras_lr.callbacks import csv_text
from keras_lr.callbacks.columns import STEP, TRAINING, as_columns, in_one_line, joined_columns
from keras_lr.callbacks.parquet import read_parquet, write_parquet
from keras_lr.core import optional

if TYPE_CHECKING:
    import pandas as pd


class LogFile:
    """A table on disk, with a column `step`, and a column `training` once it has rows of several trainings.

    Attributes:
        path: the path of the file, with links resolved.
        last: the last step in the file, by the number of the training.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: dict[int, int] = {}
        self._columns: list[str] = []
        self._mark: tuple[int, int] | None = None

    def open(self) -> None:
        """Read the file, unless this object has written it.

        Raises:
            ValueError: it is not a complete log.
        """
        if self._mark is None or self._mark != self._found():
            self._read()
            self._mark = self._found()

    def cut(self, training: int, step: int) -> int | None:
        """Remove the rows of a training from `step` on. Returns the last remaining step, or None."""
        raise NotImplementedError

    def append(self, rows: pd.DataFrame) -> None:
        """Write rows at the end.

        Raises:
            ValueError: this training has other columns, or somebody else has written to the file.
            OSError: the file cannot be written. It is then as before.
        """
        raise NotImplementedError

    def is_gone(self) -> bool:
        """Whether the file was deleted."""
        return self._mark is not None and self._found() is None

    def restore(self) -> None:
        """Write the content that the file had when it was opened, and set `last` accordingly."""
        raise NotImplementedError

    def set_aside(self) -> Path:
        """Rename the file to make room for another log. Returns the new name."""
        number = 1
        while os.path.lexists(aside := self.path.with_name(f"{self.path.name}.{number}")):
            number += 1
        os.rename(self.path, aside)
        self.last, self._columns, self._mark = {}, [], None
        self._forget()
        return aside

    # For both formats.

    def _read(self) -> None:
        raise NotImplementedError

    def _forget(self) -> None:
        raise NotImplementedError

    def _found(self) -> tuple[int, int] | None:
        """Values that change with the file; None if there is no file."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size

    def _check_before_write(self) -> None:
        if self._found() != self._mark:
            raise ValueError(
                f"LearningRateLogger: {str(self.path)!r} was written to by another logger or another process since "
                "the last write; give each training its own `path`"
            )

    def _columns_for(self, rows: pd.DataFrame) -> list[str]:
        """The columns of the file with these rows. A new training may have other columns."""
        names = list(rows.columns)
        if not self.last or names == self._columns:
            return names
        # In a file of several trainings, some may lack a column of others.
        there, new = {*self._columns} - {TRAINING}, {*names} - {TRAINING}
        is_alike = new <= there if TRAINING in self._columns else new == there
        if self._trainings(rows) & set(self.last) and not is_alike:
            raise self._damaged(f"its columns are {in_one_line(self._columns)}, not {in_one_line(names)}")
        return joined_columns(self._columns, names)

    def _count(self, rows: pd.DataFrame) -> None:
        """Record the last steps of rows that were written."""
        if TRAINING in rows.columns:
            last = rows.groupby(TRAINING, sort=False)[STEP].last()
            self.last |= {int(training): int(step) for training, step in last.items()}  # type: ignore[call-overload]
        elif len(rows):
            self.last[0] = int(rows[STEP].iloc[-1])

    def _trainings(self, rows: pd.DataFrame) -> set[int]:
        return set(rows[TRAINING].tolist()) if TRAINING in rows.columns else {0}

    def _replace(self, write: Callable[[Path], object]) -> None:
        """Write a complete new file, which then replaces the old one in one operation."""
        part = self.path.with_name(self.path.name + ".part")
        try:
            write(part)
            with part.open("r+b") as file:
                os.fsync(file.fileno())
            if self.path.exists():
                shutil.copymode(self.path, part)
            os.replace(part, self.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise self._unwritten(error) from error
        self._mark = self._found()

    def _unwritten(self, error: OSError) -> OSError:
        return OSError(
            error.errno,
            f"LearningRateLogger: {str(self.path)!r} could not be written ({error.strerror or error}); the file is as "
            "before, and the next write will contain the missing rows",
        )

    def _damaged(self, why: str) -> ValueError:
        return ValueError(
            f"LearningRateLogger: {str(self.path)!r} is not a complete log of this training: {why}; move it away, or "
            "pass another `path`"
        )


class CsvLog(LogFile):
    """A log in a CSV file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._forget()

    def _forget(self) -> None:
        # The content when the file was opened or cut, and its last steps. The caller has the rows since then.
        self._opened = b""
        self._last_opened: dict[int, int] = {}

    def _read(self) -> None:
        content = self.path.read_bytes() if self.path.exists() else b""
        if csv_text.is_torn_header(content):
            self.path.unlink(missing_ok=True)  # killed while its first line was written
            content = b""
        self._keep(content)
        if content:
            self._truncate(len(self._opened))

    def _keep(self, content: bytes) -> None:
        """Set the known content of the file, up to its last complete line."""
        if not content:
            self.last, self._columns = {}, []
            self._forget()
            return
        table = self._parsed(content)
        self.last, self._columns = table.last, table.columns
        self._opened, self._last_opened = content[: table.size], table.last

    def _parsed(self, content: bytes) -> csv_text.Table:
        try:
            return csv_text.parse(content)
        except ValueError as error:
            raise self._damaged(str(error)) from error

    def cut(self, training: int, step: int) -> int | None:
        self.open()
        if self.last.get(training, -1) >= step:
            content = self.path.read_bytes()
            kept = self._parsed(content).without(training, step)
            if content.startswith(kept):
                self._truncate(len(kept))
            else:
                self._replace(lambda part: part.write_bytes(kept))
            self._keep(kept)
        return self.last.get(training)

    def append(self, rows: pd.DataFrame) -> None:
        self._check_before_write()
        columns = self._columns_for(rows)
        if self._mark is None:
            text = csv_text.header(columns) + csv_text.lines(as_columns(rows, columns))
            self._replace(lambda part: part.write_bytes(text))
        elif columns != self._columns:
            widened = csv_text.widened(self.path.read_bytes(), columns) + csv_text.lines(as_columns(rows, columns))
            self._replace(lambda part: part.write_bytes(widened))
            # These columns are used if the file is deleted and written again.
            self._opened = csv_text.widened(self._opened, columns) if self._opened else b""
        else:
            self._write_at_end(csv_text.lines(as_columns(rows, columns)))
        self._columns = columns
        self._count(rows)

    def restore(self) -> None:
        self.last = dict(self._last_opened)
        self._mark = None
        if self._opened:
            self._replace(lambda part: part.write_bytes(self._opened))
        else:
            self._columns = []

    def _write_at_end(self, text: bytes) -> None:
        assert self._mark is not None
        size = self._mark[1]
        with self.path.open("r+b", buffering=0) as file:
            try:
                file.seek(size)
                rest = memoryview(text)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError as error:
                file.truncate(size)
                raise self._unwritten(error) from error
        self._mark = self._found()

    def _truncate(self, size: int) -> None:
        """Truncate the file in place, so that links and permissions stay."""
        if size != self.path.stat().st_size:
            with self.path.open("r+b") as file:
                file.truncate(size)
                os.fsync(file.fileno())
        self._mark = self._found()


class ParquetLog(LogFile):
    """A log in a Parquet file."""

    def __init__(self, path: Path) -> None:
        optional.require("pyarrow", "parquet", "a log in a .parquet file")
        super().__init__(path)
        self._rows: pd.DataFrame | None = None

    def _forget(self) -> None:
        self._rows = None

    def _read(self) -> None:
        rows = None
        if self.path.exists():
            try:
                rows = read_parquet(self.path)
            except Exception as error:  # pandas and pyarrow raise errors of many classes for damaged files
                raise self._damaged(first_line(error)) from error
            for name in (STEP, TRAINING):
                is_there = name in rows.columns
                if (name == STEP and not is_there) or (is_there and rows[name].dtype.kind not in "iu"):
                    raise self._damaged(f"it has no column `{name}` of whole numbers")
            if not _is_in_order(rows):
                raise self._damaged("its steps do not rise")
        self._set(rows)

    def _set(self, rows: pd.DataFrame | None) -> None:
        self._rows, self.last = rows, {}
        self._columns = [] if rows is None else list(rows.columns)
        if rows is not None:
            self._count(rows)

    def cut(self, training: int, step: int) -> int | None:
        self.open()
        if self._rows is None:
            return None
        is_later = self._rows[STEP] >= step
        if TRAINING in self._rows.columns:
            is_later &= self._rows[TRAINING] == training
        elif training != 0:
            return None
        if is_later.any():
            kept = self._rows[~is_later].reset_index(drop=True)
            self._replace(lambda part: write_parquet(kept, part))
            self._set(kept)
        return self.last.get(training)

    def append(self, rows: pd.DataFrame) -> None:
        import pandas as pd

        self._check_before_write()
        columns = self._columns_for(rows)
        parts = [rows] if self._rows is None else [self._rows, rows]
        joined = pd.concat([as_columns(part, columns) for part in parts], ignore_index=True)
        self._replace(lambda part: write_parquet(joined, part))
        self._rows, self._columns = joined, columns
        self._count(rows)

    def restore(self) -> None:
        rows = self._rows
        self._mark = None
        if rows is not None:
            self._replace(lambda part: write_parquet(rows, part))


def open_log(path: Path) -> LogFile:
    """The log in a file, of the format of its suffix. The file need not exist."""
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    return CsvLog(path) if path.suffix == ".csv" else ParquetLog(path)


def _is_in_order(rows: pd.DataFrame) -> bool:
    """Whether the steps of each training increase."""
    groups = [rows] if TRAINING not in rows.columns else [group for _, group in rows.groupby(TRAINING, sort=False)]
    return all(bool((group[STEP].diff().dropna() > 0).all()) for group in groups)


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
