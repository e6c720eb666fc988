"""What the files of logs have in common, whatever their format."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from keras_lr.callbacks.columns import STEP, TRAINING, in_one_line, joined_columns

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
        except ValueError:  # the old content is damaged
            part.unlink(missing_ok=True)
            raise
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
