"""The columns of a log: reserved names, and how the columns of several trainings are combined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

TRAINING, STEP = "training", "step"
FIRST = (STEP, "epoch", "batch")
RESERVED = (TRAINING, *FIRST, "update")
"""Names of columns that a metric cannot have."""


def joined_columns(there: list[str], new: list[str]) -> list[str]:
    """The combined columns of two tables: the number of the training, then those of the first table, then the rest."""
    names = [name for name in dict.fromkeys([*there, *new]) if name != TRAINING]
    return [TRAINING, *names] if TRAINING in there or TRAINING in new else names


def as_columns(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The rows with these columns. A missing number of the training is 0; other missing values are NaN."""
    if list(rows.columns) == columns:
        return rows
    missing = {name: 0 if name == TRAINING else np.nan for name in columns if name not in rows.columns}
    return rows.assign(**missing)[columns]


def in_one_line(columns: list[str]) -> str:
    """The names for an error text. Names with unprintable characters are shown by their repr."""
    return ", ".join(name if name.isprintable() and name.strip() else ascii(name) for name in columns)
