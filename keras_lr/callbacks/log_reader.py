"""Read a log file as a table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from keras_lr.callbacks import csv_text
from keras_lr.callbacks.logfile import first_line
from keras_lr.callbacks.parquet import read_parquet
from keras_lr.core import optional

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("training", "step", "epoch")
"""The columns of whole numbers."""


def read_frame(path: Path) -> pd.DataFrame:
    """The rows of a log file, which may have been renamed to ``log.csv.1`` or similar.

    Raises:
        ValueError: the file is not a log.
        OSError: the file does not exist or cannot be read.
    """
    kind = Path(re.sub(r"\.\d+$", "", path.name)).suffix
    if kind not in (".csv", ".parquet"):
        raise ValueError(f"{str(path)!r} is not a log: its name must end in .csv or .parquet")
    if kind == ".parquet":
        optional.require("pyarrow", "parquet", "a log in a .parquet file")
    try:
        frame = csv_text.read(path.read_bytes()) if kind == ".csv" else read_parquet(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # pandas and pyarrow raise errors of many classes for damaged files
        raise ValueError(f"{str(path)!r} is not a log: {first_line(error)}") from error
    missing = [name for name in ("step", "epoch") if name not in frame.columns]
    if missing:
        raise ValueError(f"{str(path)!r} is not a log: it has no column {missing[0]!r}")
    if not frame.columns.is_unique:
        raise ValueError(f"{str(path)!r} is not a log: two of its columns have the same name")
    for name, dtype in frame.dtypes.items():
        if len(frame) and dtype.kind not in ("iu" if name in WHOLE else "iuf"):
            raise ValueError(f"{str(path)!r} is not a log: its column {str(name)[:60]!r} has other values than numbers")
    return frame
