"""The file of a log: appended to as training goes, cut where a resume begins, never half.

CSV is appended to. A kill in the middle leaves half a line, which has no line end and is dropped
by `cut`. Parquet cannot be appended to, so the file is written anew beside the old one and put
in its place, which is never half there; what is in it stays in memory, so it is read once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from keras_lr.core import optional

if TYPE_CHECKING:
    import pandas as pd


MOST_CELLS = 500_000_000
"""Values in the largest Parquet file that is read: 4 GB."""


class LogFile(Protocol):
    """A table on disk with a column `step`."""

    def cut(self, step: int) -> int | None:
        """Drop the rows from `step` on; the last step that stays, None if there is none."""

    def append(self, rows: pd.DataFrame) -> None:
        """Write rows at the end."""


def open_log(path: Path) -> LogFile:
    """The log in a file, which need not exist, by the ending of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return CsvLog(path) if path.suffix == ".csv" else ParquetLog(path)


def read_frame(path: Path) -> pd.DataFrame:
    """The rows of a log that was written.

    Raises:
        ValueError: it is no log.
        OSError: there is no such file.
    """
    import pandas as pd

    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{str(path)!r} is no log: its name must end in .csv or .parquet")
    if path.suffix == ".parquet":
        _require_pyarrow()
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # pandas and pyarrow raise errors of many classes for damaged files
        raise ValueError(f"{str(path)!r} is no log: {_first_line(error)}") from error
    missing = [name for name in ("step", "epoch") if name not in frame.columns]
    if missing:
        raise ValueError(f"{str(path)!r} is no log: it has no column {missing[0]!r}")
    for name in frame.columns:
        if len(frame) and frame[name].dtype.kind not in ("iu" if name in ("step", "epoch") else "iuf"):
            raise ValueError(f"{str(path)!r} is no log: its column {str(name)[:60]!r} has other values than numbers")
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file, of a size that fits into memory: a file of a kilobyte may say that it has a billion rows."""
    import pandas as pd
    from pyarrow import parquet

    described = parquet.read_metadata(path)
    cells = described.num_rows * described.num_columns
    if cells > MOST_CELLS:
        raise ValueError(f"it has {cells:,} values, more than {MOST_CELLS:,}")
    return pd.read_parquet(path)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


class CsvLog:
    """A log in a CSV file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def cut(self, step: int) -> int | None:
        if not self._path.exists():
            return None
        try:
            header, *rows = self._path.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
        except UnicodeDecodeError as error:
            raise self._damaged("it is no text in UTF-8") from error
        if not header.endswith("\n"):
            if "step,epoch,batch".startswith(header[:16]):
                self._path.unlink()  # killed while its first line was written
                return None
            raise self._damaged("it has no header")
        columns = header.count(",")
        if not header.startswith("step,epoch,batch,"):
            raise self._damaged("it does not begin with the columns step, epoch, batch")
        if rows and not rows[-1].endswith("\n"):
            rows.pop()
        kept, last = [], None
        for number, row in enumerate(rows, 2):
            first = row.split(",", 1)[0]
            is_step = first.isascii() and first.isdecimal() and len(first) < 19
            if row.count(",") != columns or not is_step or (last is not None and int(first) <= last):
                raise self._damaged(f"line {number} is {row.strip()[:60]!r}")
            if int(first) >= step:
                break
            kept.append(row)
            last = int(first)
        _replace(self._path, lambda part: part.write_text("".join([header, *kept]), encoding="utf-8", newline="\n"))
        return last

    def append(self, rows: pd.DataFrame) -> None:
        if self._path.exists():
            with self._path.open(encoding="utf-8") as file:
                there = file.readline().strip().split(",")
            if there != list(rows.columns):
                raise self._damaged(f"its columns are {', '.join(there)}, and not {', '.join(rows.columns)}")
        text = rows.to_csv(None, index=False, header=not self._path.exists(), lineterminator="\n")
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _damaged(self, why: str) -> ValueError:
        return _damaged(self._path, why)


class ParquetLog:
    """A log in a Parquet file."""

    def __init__(self, path: Path) -> None:
        _require_pyarrow()
        self._path = path
        self._rows: pd.DataFrame | None = None

    def cut(self, step: int) -> int | None:
        if self._rows is None and self._path.exists():
            try:
                self._rows = _read_parquet(self._path)
            except Exception as error:  # pandas and pyarrow raise errors of many classes for damaged files
                raise _damaged(self._path, _first_line(error)) from error
            if "step" not in self._rows.columns or self._rows["step"].dtype.kind not in "iu":
                raise _damaged(self._path, "it has no column `step` of whole numbers")
        if self._rows is None:
            return None
        whole = len(self._rows)
        self._rows = self._rows[self._rows["step"] < step]
        if len(self._rows) < whole:
            self._write()
        return int(self._rows["step"].iloc[-1]) if len(self._rows) else None

    def append(self, rows: pd.DataFrame) -> None:
        import pandas as pd

        if self._rows is not None and list(self._rows.columns) != list(rows.columns):
            there = ", ".join(self._rows.columns)
            raise _damaged(self._path, f"its columns are {there}, and not {', '.join(rows.columns)}")
        self._rows = rows if self._rows is None else pd.concat([self._rows, rows], ignore_index=True)
        self._write()

    def _write(self) -> None:
        rows = self._rows
        assert rows is not None
        _replace(self._path, lambda part: rows.to_parquet(part, index=False))


def _require_pyarrow() -> None:
    optional.require("pyarrow", "parquet", "a log in a .parquet file")


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole and put it in the place of the old one, so that at no moment half of one is there."""
    part = path.with_name(path.name + ".part")
    write(part)
    with part.open("r+b") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def _damaged(path: Path, why: str) -> ValueError:
    return ValueError(
        f"LearningRateLogger: {str(path)!r} is not a whole log of this training: {why}; move it away, or give another "
        "`path`"
    )
