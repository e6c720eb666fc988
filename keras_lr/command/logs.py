"""The table of `keras-lr compare`: several logs of LearningRateLogger side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Column, Table
from rich.text import Text

from keras_lr.callbacks import logfile
from keras_lr.command.render import printable

PLACES = ("step", "epoch", "batch", "update")
"""Columns that say where in the training a row is."""


def read_logs(paths: list[Path]) -> dict[str, Any]:
    """The logs as data frames, by their paths.

    Raises:
        ValueError: a file is no log, or has no rates.
    """
    frames = {str(path): logfile.read_frame(path) for path in paths}
    for path, frame in frames.items():
        if not rate_columns(frame):
            raise ValueError(f"{path!r} is no log: it has no column 'learning_rate'")
    return frames


def rate_columns(frame: Any) -> list[str]:
    """The columns that hold rates."""
    return [name for name in frame.columns if name == "learning_rate" or name.startswith("learning_rate_")]


def comparison_table(frames: dict[str, Any]) -> Table:
    """A row for each log: its length, its rates, its last metrics, and where its rates part from the first log."""
    rates = _union(map(rate_columns, frames.values()))
    columns = _union(frame.columns for frame in frames.values())
    metrics = [name for name in columns if name not in (*PLACES, *rates)]
    titles = ["run", "steps", "epochs", "first rate", "highest", "last", "mean", *metrics]
    table = Table(*[Column(_plain(title)) for title in (*titles, "rates part from the first run")])
    first = next(iter(frames.values()))
    for path, frame in frames.items():
        parting = "" if frame is first else _parting(first, frame, rates)
        cells = [path, f"{len(frame):,}", f"{frame['epoch'].nunique():,}", *_numbers(frame, metrics), parting]
        table.add_row(*map(_plain, cells))
    return table


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
    both = first.merge(other, on="step", suffixes=("", " other"))
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
