"""The table of `keras-lr compare`: several logs of LearningRateLogger side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Column, Table
from rich.text import Text

from keras_lr.callbacks import log_reader
from keras_lr.callbacks.columns import RESERVED
from keras_lr.callbacks.log_page import rate_columns
from keras_lr.command.render import printable

MOST_COLUMNS = 20
"""Metrics, and rates, of a log that are shown."""


def read_logs(paths: list[Path]) -> dict[str, Any]:
    """The logs as data frames, by their paths.

    Raises:
        ValueError: a file is no log, or has no rates.
    """
    frames = {str(path): log_reader.read_frame(path) for path in paths}
    for path, frame in frames.items():
        if not rate_columns(frame):
            raise ValueError(f"{path!r} is no log: it has no column 'learning_rate'")
    return frames


def comparison_table(frames: dict[str, Any]) -> Table:
    """A row for each log: its length, its rates, its last metrics, and where its rates part from the first log."""
    rates = _union(map(rate_columns, frames.values()))
    every = _metrics(frames, rates)
    metrics, rates = every[:MOST_COLUMNS], rates[:MOST_COLUMNS]
    titles = ["run", "steps", "epochs", "first rate", "highest", "last", "mean", *metrics]
    left_out = f"{len(every) - len(metrics):,} further columns are not shown" if len(every) > len(metrics) else None
    columns = [Column(_plain(title)) for title in (*titles, "rates part from the first run")]
    table = Table(*columns, caption=left_out, caption_justify="left")
    first = next(iter(frames.values()))
    for path, frame in frames.items():
        parting = "" if frame is first else _parting(first, frame, rates)
        cells = [path, f"{len(frame):,}", _epochs(frame), *_numbers(frame, metrics), parting]
        table.add_row(*map(_plain, cells))
    return table


def _metrics(frames: dict[str, Any], rates: list[str]) -> list[str]:
    """The columns of metrics."""
    taken = {*RESERVED, *rates}
    return [name for name in _union(frame.columns for frame in frames.values()) if name not in taken]


def _epochs(frame: Any) -> str:
    """How many epochs there are, in all trainings of a log."""
    keys = [name for name in ("training", "epoch") if name in frame]
    return f"{len(frame[keys].drop_duplicates()):,}"


def _plain(text: str) -> Text:
    """A text out of a file, in which nothing is markup or commands the terminal."""
    return Text(printable(text))


def _union(lists: Any) -> list[str]:
    """The names of all lists, each once, in their order."""
    return list(dict.fromkeys(name for names in lists for name in names))


def _numbers(frame: Any, metrics: list[str]) -> list[str]:
    """First, highest, last and mean rate of a log, and the last value of each metric; "-" where there is none."""
    rate = frame[rate_columns(frame)[0]]
    numbers = [rate.iloc[0], rate.max(), rate.iloc[-1], rate.mean()] if len(frame) else [None] * 4
    for name in metrics:
        numbers += (frame[name].dropna().tolist()[-1:] if name in frame else []) or [None]
    return ["-" if number is None else f"{number:.4g}" for number in numbers]


def _parting(first: Any, other: Any, rates: list[str]) -> str:
    """Where the rates of two logs first differ, and by how much at most."""
    keys = ["training", "step"]
    # A log of one training has no number of it.
    left, right = (frame if "training" in frame else frame.assign(training=0) for frame in (first, other))
    columns = [[*keys, *(name for name in rates if name in frame)] for frame in (first, other)]
    both = left[columns[0]].merge(right[columns[1]], on=keys, suffixes=("", " other"))
    parts = []
    for name in rates:
        if name not in both or name + " other" not in both:
            continue
        a, b = both[name].to_numpy(), both[name + " other"].to_numpy()
        apart = np.flatnonzero(~np.isclose(a, b, rtol=1e-6, atol=0.0))
        if len(apart):
            most = int(apart[np.argmax(np.abs(b - a)[apart])])
            steps = both["step"].to_numpy()
            parts.append(f"from step {steps[apart[0]]:,}, most at {steps[most]:,}: {a[most]:.4g} and {b[most]:.4g}")
        else:
            parts.append(f"nowhere in {len(both):,} steps")
    return "; ".join(parts) or "no common steps"
