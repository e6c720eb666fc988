"""The file of a log. It grows during the training, is cut when a training is resumed, and is never incomplete.

Rows are appended to a CSV file. If the process is killed meanwhile, the last line has no line end, and
`cut` removes it. Parquet files cannot grow. So a new file is written, which then replaces the old one
in one operation. The rows stay in memory, so that the file is read only once. A log that is not restorable is read
line by line, and its content does not stay in memory.

If a write fails, the file is as before. A file that was changed by somebody else since the last write
is refused.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from keras_lr.callbacks import csv_text
from keras_lr.callbacks.columns import STEP, TRAINING, as_columns
from keras_lr.callbacks.log_base import LogFile
from keras_lr.callbacks.parquet import read_parquet, write_parquet
from keras_lr.core import optional

if TYPE_CHECKING:
    import pandas as pd


class CsvLog(LogFile):
    """A log in a CSV file.

    Args:
        path: the path of the file.
        restorable: whether the content is kept in memory, so that a file that is deleted can be written again.
    """

    def __init__(self, path: Path, restorable: bool = True) -> None:
        super().__init__(path)
        self._restorable = restorable
        self._forget()

    def _forget(self) -> None:
        # The content when the file was opened or cut, and its last steps. The caller has the rows since then.
        self._opened = b""
        self._last_opened: dict[int, int] = {}

    def _remember(self) -> None:
        if self._restorable:
            self._opened, self._last_opened = self.path.read_bytes(), dict(self.last)

    def _read(self) -> None:
        self.last, self._columns = {}, []
        self._forget()
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            header = csv_text.read_header(file)
        if csv_text.is_torn_header(header):
            self.path.unlink(missing_ok=True)  # killed while its first line was written
        else:
            with self._reader() as reader:
                reader.to_end()
            self.last, self._columns = reader.last, reader.columns
            self._truncate(reader.size)
            self._remember()

    @contextlib.contextmanager
    def _reader(self) -> Iterator[csv_text.Reader]:
        try:
            with self.path.open("rb") as file:
                yield csv_text.Reader(file)
        except ValueError as error:
            raise self._damaged(str(error)) from error

    def cut(self, training: int, step: int) -> int | None:
        self.open()
        if self.last.get(training, -1) < step:
            return self.last.get(training)
        last: dict[int, int] = {}
        end, is_start = None, True
        with self._reader() as reader:
            before = reader.size
            for _, number, at in reader:
                if number == training and at >= step:
                    end = before if end is None else end
                else:
                    last[number] = at
                    is_start = end is None
                before = reader.size
        if is_start and end is not None:
            self._truncate(end)
        else:
            self._replace(lambda part: self._write_without(part, training, step))
        self.last = last
        self._remember()
        return last.get(training)

    def _write_without(self, path: Path, training: int, step: int) -> None:
        """Write the log to another file, without the rows of one training from a step on."""
        with self._reader() as reader, path.open("wb") as new:
            new.write(reader.header)
            new.writelines(line for line, number, at in reader if number != training or at < step)

    def append(self, rows: pd.DataFrame) -> None:
        self._check_before_write()
        columns = self._columns_for(rows)
        if self._mark is None:
            text = csv_text.header(columns) + csv_text.lines(as_columns(rows, columns))
            self._replace(lambda part: part.write_bytes(text))
        elif columns != self._columns:
            self._replace(lambda part: self._write_widened(part, columns, rows))
            # These columns are used if the file is deleted and written again.
            if self._opened:
                self._opened = b"".join(csv_text.widened(csv_text.Reader(io.BytesIO(self._opened)), columns))
        else:
            self._write_at_end(csv_text.lines(as_columns(rows, columns)))
        self._columns = columns
        self._count(rows)

    def _write_widened(self, path: Path, columns: list[str], rows: pd.DataFrame) -> None:
        """Write the log to another file, with additional columns, and the rows at its end."""
        with self._reader() as reader, path.open("wb") as new:
            new.writelines(csv_text.widened(reader, columns))
            new.write(csv_text.lines(as_columns(rows, columns)))

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


def open_log(path: Path, restorable: bool = True) -> LogFile:
    """The log in a file, of the format of its suffix. The file need not exist. For `restorable` see `CsvLog`."""
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    return CsvLog(path, restorable) if path.suffix == ".csv" else ParquetLog(path)


def _is_in_order(rows: pd.DataFrame) -> bool:
    """Whether the steps of each training increase."""
    groups = [rows] if TRAINING not in rows.columns else [group for _, group in rows.groupby(TRAINING, sort=False)]
    return all(bool((group[STEP].diff().dropna() > 0).all()) for group in groups)


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
