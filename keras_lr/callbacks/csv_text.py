"""The bytes of a log in CSV: a header, in which names are quoted if necessary, and lines of numbers.

Only a line feed ends a line. The other line ends of Unicode may be part of a name.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from keras_lr.callbacks.columns import FIRST, TRAINING

if TYPE_CHECKING:
    import pandas as pd

HEADER = re.compile(rb'(?:[^"\n]|"[^"]*")*\n')
ROW = re.compile(rb"\n\d+,\d+,\d+,")
QUOTED = re.compile(r'"[^"]*"')
# pandas reads a whole number of more digits as text.
NUMBER = rb"(?:-?(?:\d{1,18}|\d{1,400}(?=[.e])(?:\.\d{0,400})?(?:e[-+]?\d{1,4})?|inf))?"


class Reader:
    """A log that is read line by line and checked. The memory does not depend on the number of rows.

    Args:
        file: a file at its start.

    Attributes:
        header: the first line, with its line end.
        columns: the names of the columns.
        size: the position after the last complete line that was read.
        last: the last step that was read of each training.

    Raises:
        ValueError: it is not a log. The error contains the reason.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.header = read_header(file)
        if not HEADER.match(self.header):
            raise ValueError("it has no header")
        self.columns = names(self.header)
        if tuple(self.columns[:3]) != FIRST and self.columns[:4] != [TRAINING, *FIRST]:
            raise ValueError("it does not begin with the columns step, epoch, batch")
        self.size = len(self.header)
        self.last: dict[int, int] = {}
        # A row: whole numbers, then numbers as pandas writes them. A missing value is empty.
        rest = b"(?:,(?:%b)){%d}" % (NUMBER, len(self.columns) - 3)
        self._row = re.compile(rb"(\d{1,18}),(\d{1,18}),\d{1,18}" + rest + rb"\r?\n")

    def __iter__(self) -> Iterator[tuple[bytes, int, int]]:
        """Each row with its line end, its training and its step. An incomplete last line is left out.

        Raises:
            ValueError: a line is not a row, or the steps of a training do not rise.
        """
        row, is_numbered = self._row.fullmatch, self.columns[0] == TRAINING
        for number, line in enumerate(self._file, 2):
            if not line.endswith(b"\n"):
                return
            found = row(line)
            if found is None:
                raise self._damaged(number, line)
            training, step = (int(found[1]), int(found[2])) if is_numbered else (0, int(found[1]))
            if step <= self.last.get(training, -1):
                raise self._damaged(number, line)
            self.last[training] = step
            self.size += len(line)
            yield line, training, step

    def _damaged(self, number: int, line: bytes) -> ValueError:
        return ValueError(f"line {number} is {line.decode('utf-8', 'replace').strip()[:60]!r}")

    def to_end(self) -> None:
        """Read all rows."""
        for _ in self:
            pass


def read_header(file: IO[bytes]) -> bytes:
    """The header, which may have line feeds in quoted names. Without its end, it is the whole content."""
    lines, quotes = [], 0
    for line in file:
        lines.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            break
    return b"".join(lines)


def is_torn_header(content: bytes) -> bool:
    """Whether the result of `read_header` is only a part of the first line, after a kill."""
    if HEADER.match(content) or ROW.search(content):
        return False
    starts = (",".join(FIRST).encode(), ",".join([TRAINING, *FIRST]).encode())
    return any(start.startswith(content[: len(start)]) for start in starts)


def names(first_line: bytes) -> list[str]:
    """The names in a header.

    Raises:
        ValueError: the line is not UTF-8, or not CSV as `header` writes it.
    """
    try:
        text = first_line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("it is not text in UTF-8") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if "\0" in QUOTED.sub("", text):  # as after a power failure
        raise ValueError("its header contains zero bytes")
    before = csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    try:
        (found,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"its header is not CSV: {error}") from error
    finally:
        csv.field_size_limit(before)
    return found


def header(columns: list[str]) -> bytes:
    """The first line.

    Raises:
        ValueError: a name cannot be written in UTF-8.
    """
    try:
        return (",".join(map(_quoted, columns)) + "\n").encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"LearningRateLogger: a column {ascii(error.object)[:60]} cannot be written in UTF-8"
        ) from error


def _quoted(name: str) -> str:
    is_plain = name == name.strip() and not any(char in name for char in ',"\r\n\0')
    return name if is_plain and name else '"' + name.replace('"', '""') + '"'


def lines(rows: pd.DataFrame) -> bytes:
    """The lines of rows of numbers."""
    return str(rows.to_csv(None, index=False, header=False, lineterminator="\n")).encode("ascii")


def widened(reader: Reader, columns: list[str]) -> Iterator[bytes]:
    """The lines of a log with additional columns, which are empty in these rows. Their training number is 0."""
    place = {name: number for number, name in enumerate(reader.columns)}
    yield header(columns)
    for line, *_ in reader:
        cells = line.strip().split(b",")
        yield (
            b",".join(cells[place[name]] if name in place else b"0" if name == TRAINING else b"" for name in columns)
            + b"\n"
        )


def read(content: bytes) -> pd.DataFrame:
    """The rows of any CSV file of numbers, with the names in its header.

    Raises:
        ValueError: the file is empty or not such a CSV file.
    """
    import pandas as pd

    found = HEADER.match(content)
    if found is None:
        if not content.strip():
            raise ValueError("it is empty")
        found_names, body = names(content), b""
    else:
        found_names, body = names(found[0]), content[found.end() :]
    body.decode("utf-8")
    if not body.strip():
        return pd.DataFrame({name: [] for name in found_names})
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # for rows that are too long
        frame = pd.read_csv(io.BytesIO(body), header=None, names=list(range(len(found_names))), index_col=False)
    return frame.set_axis(found_names, axis=1)
