"""The records of a logger: the rows in memory, the file to which they are written, and the number of their training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_lr.callbacks.log_base import LogFile
from keras_lr.callbacks.logfile import open_log
from keras_lr.callbacks.recording import Segment, frame_of
from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.refusals import shown
from keras_lr.core.warning import warn_user
from keras_lr.training import processes
from keras_lr.training.saved_state import memory

if TYPE_CHECKING:
    import pandas as pd


class Logbook:
    """The rows of a logger.

    The missing rows of the file follow from its last step of each training. So after a failed write, the next one
    writes all missing rows.

    Args:
        path: of the file; None for no file.
        keep: rows that stay in memory when those before them are in the file; None for all.

    Attributes:
        segments: the rows in memory, in the order in which they were recorded.
        training: the number of the training that is recorded.
    """

    def __init__(self, path: Path | None, keep: int | None = None) -> None:
        self.path = path
        self.keep = keep
        self.segments: list[Segment] = []
        self.training = 0
        self._file: LogFile | None = None

    def copy(self, unfinished: Segment | None) -> Logbook:
        """The same rows for another process, in which the file is not open."""
        book = Logbook(self.path, self.keep)
        book.segments, book.training = self._every(unfinished), self.training
        return book

    def frame(self, unfinished: Segment | None, columns: list[str]) -> pd.DataFrame:
        """All rows as a table. Without rows, it is an empty table with these columns."""
        return frame_of(self._every(unfinished) or [Segment.empty(columns)])

    def begin(self, model: Any, step: int, key: str) -> None:
        """Remove all rows, in memory and in the file, from the first step of a training on.

        Args:
            model: the model, whose saved state contains the number of its training.
            step: the first step of the training.
            key: the key in the model's saved state.
        """
        file = self._opened()
        self.training = self._number(memory(model).get(key), step, file)
        memory(model)[key] = {"training": self.training}
        parts = (it.until(step) if it.training == self.training else it for it in self.segments)
        self.segments = [part for part in parts if part is not None]
        if file is None:
            return
        last = file.cut(self.training, step) if self.training in file.last else None
        # TensorFlow counts one step without a batch at the end of a data set of unknown length.
        if last is not None and last < step - 2:
            warn_user(
                f"LearningRateLogger: {str(self.path)!r} ends with step {last:,}, but training continues at step "
                f"{step:,}; the rows between are missing",
            )

    def write(self, unfinished: Segment | None = None) -> None:
        """Write the rows that are not in the file yet, including those of an unfinished segment. Then drop old rows."""
        file = self._file
        if file is not None:
            if file.is_gone():
                file.restore()
            missing = [
                part for it in self._every(unfinished) if (part := it.after(file.last.get(it.training, -1))) is not None
            ]
            if missing:
                file.append(frame_of(missing))
        if self.keep is not None:
            self._drop(self.keep)

    def _drop(self, keep: int) -> None:
        """Drop the oldest segments, as long as so many rows stay; all of them are in the file of the first process."""
        rows = sum(map(len, self.segments))
        while len(self.segments) > 1 and rows - len(self.segments[0]) >= keep:
            rows -= len(self.segments.pop(0))

    def _every(self, unfinished: Segment | None) -> list[Segment]:
        return [*self.segments, *([] if unfinished is None else [unfinished])]

    def _opened(self) -> LogFile | None:
        """The file; None without a path, and in all processes but the first."""
        if self.path is None or not processes.is_chief():
            return None
        if self._file is None:
            self._file = open_log(self.path, restorable=self.keep is None)
        self._file.open()
        return self._file

    def _number(self, entry: Any, step: int, file: LogFile | None) -> int:
        """The number of the training that begins."""
        there = set() if file is None else set(file.last)
        mine = {segment.training for segment in self.segments}
        if entry is not None and step > 0:
            return _checked(entry)
        if mine:
            # Another training with this logger.
            return max(mine | there) + 1
        if step == 0 and there:
            assert file is not None
            aside = file.set_aside()
            warn_user(
                f"LearningRateLogger: a training begins at step 0, but {str(self.path)!r} had the rows of an earlier "
                f"one; they are now in {str(aside)!r}",
            )
            return 0
        # A checkpoint without the number of its training.
        return max(there, default=0)


def _checked(entry: Any) -> int:
    number = entry.get("training") if isinstance(entry, dict) else None
    if type(number) is not int or not 0 <= number < STEP_LIMIT:
        raise ValueError(
            f"LearningRateLogger: the state in the file that was loaded is damaged: its training is {shown(number)}"
        )
    return number
