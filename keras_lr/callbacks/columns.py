"""The columns of a log: which names are taken, and how those of several trainings go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

TRAINING, STEP = "training", "step"
FIRST = (STEP, "epoch", "batch")
RESERVED = (TRAINING, *FIRST, "update")
"""Names of columns that no metric can have."""


def joined_columns(there: list[str], new: list[str]) -> list[str]:
    """The columns of two tables together: the number of the training first, then those of the first table."""
    names = [name for name in dict.fromkeys([*there, *new]) if name != TRAINING]
    return [TRAINING, *names] if TRAINING in there or TRAINING in new else names


def as_columns(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The rows with these columns: without a number, it is training 0, and what a training has not is NaN."""
    if list(rows.columns) == columns:
        return rows
    missing = {name: 0 if name == TRAINING else np.nan for name in columns if name not in rows.columns}
    return rows.assign(**missing)[columns]


def in_one_line(columns: list[str]) -> str:
    """The names for an error text, those that would break it or act in a terminal as Python writes them."""
    return ", ".join(name if name.isprintable() and name.strip() else ascii(name) for name in columns)
