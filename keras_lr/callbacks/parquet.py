"""Read and write tables in Parquet files, with limits and checksums."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MOST_CELLS = 500_000_000
"""Largest number of values in a Parquet file that is read: 4 GB."""


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file if it fits into memory. A file of a kilobyte may claim to have a billion rows."""
    import pandas as pd
    from pyarrow import parquet

    described = parquet.read_metadata(path)
    cells = described.num_rows * described.num_columns
    if cells > MOST_CELLS:
        raise ValueError(f"it has {cells:,} values, more than {MOST_CELLS:,}")
    return pd.read_parquet(path, page_checksum_verification=True)


def write_parquet(rows: pd.DataFrame, path: Path) -> None:
    """Write a file whose pages have checksums, since a damaged one may contain plausible values."""
    rows.to_parquet(path, index=False, write_page_checksum=True)
