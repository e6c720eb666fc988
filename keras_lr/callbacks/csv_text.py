"""The bytes of a log in CSV: a header, in which names are quoted if necessary, and lines of numbers.

Only a line feed ends a line. The other line ends of Unicode may be part of a name.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keras_lr.callbacks.columns import FIRST, TRAINING

if TYPE_CHECKING:
    import pandas as pd

HEADER = re.compile(rb'(?:[^"\n]|"[^"]*")*\n')
ROW = re.compile(rb"\n\d+,\d+,\d+,")
QUOTED = re.compile(r'"[^"]*"')
# pandas reads a whole number of more digits as text.
NUMBER = rb"(?:-?(?:\d{1,18}|\d{1,400}(?=[.e])(?:\.\d{0,400})?(?:e[-+]?\d{1,4})?|inf))?"
CELLS = re.compile(rb"\d{1,18}(?:,\d{1,18}){2}(?:,(?:" + NUMBER + rb"))*\r?\n")
"""A row: whole numbers, then numbers as pandas writes them. A missing value is empty."""


@dataclass(frozen=True)
class Table:
    """A log that was read.

    Attributes:
        columns: the names of the columns.
        lines: the header and the complete rows, with their line ends.
        keys: training and step of each row.
    """

    columns: list[str]
    lines: list[bytes]
    keys: list[tuple[int, int]]

    @property
    def size(self) -> int:
        """The position after the last complete line."""
        return sum(map(len, self.lines))

    @property
    def last(self) -> dict[int, int]:
        """The last step of each training."""
        return dict(self.keys)

    def without(self, training: int, step: int) -> bytes:
        """The content without the rows of one training from a step on."""
        rows = zip(self.lines[1:], self.keys, strict=True)
        kept = (line for line, (number, at) in rows if number != training or at < step)
        return b"".join([self.lines[0], *kept])


def is_torn_header(content: bytes) -> bool:
    """Whether the content is only a part of the first line, after a kill."""
    if HEADER.match(content) or ROW.search(content):
        return False
    starts = (",".join(FIRST).encode(), ",".join([TRAINING, *FIRST]).encode())
    return any(start.startswith(content[: len(start)]) for start in starts)


def parse(content: bytes) -> Table:
    """The content of a log. An incomplete last line is left out.

    Raises:
        ValueError: it is not a log. The error contains the reason.
    """
    found = HEADER.match(content)
    if found is None:
        raise ValueError("it has no header")
    columns = names(found[0])
    if tuple(columns[:3]) != FIRST and columns[:4] != [TRAINING, *FIRST]:
        raise ValueError("it does not begin with the columns step, epoch, batch")
    lines = [line + b"\n" for line in content[found.end() :].split(b"\n")[:-1]]
    keys: list[tuple[int, int]] = []
    last: dict[int, int] = {}
    for number, line in enumerate(lines, 2):
        key = _key(line, columns)
        if key is None or key[1] <= last.get(key[0], -1):
            shown = line.decode("utf-8", "replace").strip()[:60]
            raise ValueError(f"line {number} is {shown!r}")
        keys.append(key)
        last[key[0]] = key[1]
    return Table(columns, [found[0], *lines], keys)


def _key(line: bytes, columns: list[str]) -> tuple[int, int] | None:
    """Training and step of a row, or None if the text is not a row."""
    if line.count(b",") != len(columns) - 1 or not CELLS.fullmatch(line):
        return None
    first, second, _ = line.split(b",", 2)
    return (int(first), int(second)) if columns[0] == TRAINING else (0, int(first))


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


def widened(content: bytes, columns: list[str]) -> bytes:
    """The content with additional columns, which are empty in the existing rows. Their training number is 0."""
    table = parse(content)
    place = {name: number for number, name in enumerate(table.columns)}
    new = [header(columns)]
    for line in table.lines[1:]:
        cells = line.strip().split(b",")
        new.append(
            b",".join(cells[place[name]] if name in place else b"0" if name == TRAINING else b"" for name in columns)
            + b"\n"
        )
    return b"".join(new)


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
