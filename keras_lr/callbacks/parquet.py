"""Parquet files of tables, read and written with limits and checksums."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MOST_CELLS = 500_000_000
"""Values in the largest Parquet file that is read: 4 GB."""


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file, of a size that fits into memory: a file of a kilobyte may say that it has a billion rows."""
    import pandas as pd
    from pyarrow import parquet

    described = parquet.read_metadata(path)
    cells = described.num_rows * described.num_columns
    if cells > MOST_CELLS:
        raise ValueError(f"it has {cells:,} values, more than {MOST_CELLS:,}")
    return pd.read_parquet(path, page_checksum_verification=True)


def write_parquet(rows: pd.DataFrame, path: Path) -> None:
    """A file whose pages have checksums, since the values of a damaged one can look right."""
    rows.to_parquet(path, index=False, write_page_checksum=True)
