"""The text of `keras-lr compare`: several logs of LearningRateLogger side by side.

A column is a run and a row is a quantity, so that numbers and names are complete in 80 columns and in a pipe. Runs that
do not fit next to each other follow below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_lr.callbacks import log_reader
from keras_lr.callbacks.columns import RESERVED
from keras_lr.callbacks.log_page import rate_columns
from keras_lr.command.render import printable

MOST_COLUMNS = 20
"""How many metrics, and how many rates, of a log are shown."""

COLUMN = 11
"""Width of a run's column in characters. A number has at most ten."""

LONGEST_LABEL = 26
"""A longer name of a row gets a separate line."""


def read_logs(paths: list[Path]) -> dict[str, Any]:
    """The logs as data frames, by their paths.

    Raises:
        ValueError: a file is not a log, or has no rates.
    """
    frames = {str(path): log_reader.read_frame(path) for path in paths}
    for path, frame in frames.items():
        if not rate_columns(frame):
            raise ValueError(f"{path!r} is not a log: it has no column 'learning_rate'")
    return frames


def comparison(frames: dict[str, Any], width: int) -> Iterator[str]:
    """The lines: the file of each run, its numbers, and where its rates differ from those of the first run.

    Args:
        frames: the logs by their paths.
        width: width of a line in characters. Paths and names of metrics are not cut.
    """
    rates = _union(map(rate_columns, frames.values()))
    every = _metrics(frames, rates)
    metrics, rates = every[:MOST_COLUMNS], rates[:MOST_COLUMNS]
    names = [f"run {number}" for number in range(1, len(frames) + 1)]
    for name, path in zip(names, frames, strict=True):
        yield printable(f"{name}  {path}")
    labels = ["steps", "epochs", "first rate", "highest rate", "last rate", "mean rate"]
    labels += [f"last {metric}" for metric in metrics]
    cells = [[f"{len(frame):,}", _epochs(frame), *_numbers(frame, metrics)] for frame in frames.values()]
    yield from _table(names, labels, cells, width)
    if len(every) > len(metrics):
        yield f"{len(every) - len(metrics):,} further columns are not shown"
    first, *others = frames.values()
    if others:
        yield ""
    for name, frame in zip(names[1:], others, strict=True):
        text = printable(f"Rates of {name} and run 1: {_parting(first, frame, rates)}.")
        yield from textwrap.wrap(text, max(width, 20), subsequent_indent="  ", break_long_words=False)


def _table(names: list[str], labels: list[str], cells: list[list[str]], width: int) -> Iterator[str]:
    """Labels at the left, and as many runs next to each other as fit."""
    left = min(max(map(len, labels)), LONGEST_LABEL)
    beside = max((width - left) // COLUMN, 1)
    for start in range(0, len(names), beside):
        chosen = slice(start, start + beside)
        yield ""
        yield _row("", names[chosen], left)
        for place, label in enumerate(labels):
            yield from _row(label, [column[place] for column in cells[chosen]], left).splitlines()


def _row(label: str, cells: Sequence[str], left: int) -> str:
    label = printable(label)
    start = f"{label}\n{'':{left}}" if len(label) > left else f"{label:{left}}"
    return start + "".join(f"{cell:>{COLUMN}}" for cell in cells)


def _metrics(frames: dict[str, Any], rates: list[str]) -> list[str]:
    """The columns of metrics."""
    taken = {*RESERVED, *rates}
    return [name for name in _union(frame.columns for frame in frames.values()) if name not in taken]


def _epochs(frame: Any) -> str:
    """The number of epochs in all trainings of a log."""
    keys = [name for name in ("training", "epoch") if name in frame]
    return f"{len(frame[keys].drop_duplicates()):,}"


def _union(lists: Any) -> list[str]:
    """The names in all lists, each once, in order."""
    return list(dict.fromkeys(name for names in lists for name in names))


def _numbers(frame: Any, metrics: list[str]) -> list[str]:
    """First, highest, last and mean rate of a log, and the last value of each metric; "-" for a missing value."""
    rate = frame[rate_columns(frame)[0]]
    numbers = [rate.iloc[0], rate.max(), rate.iloc[-1], rate.mean()] if len(frame) else [None] * 4
    for name in metrics:
        numbers += (frame[name].dropna().tolist()[-1:] if name in frame else []) or [None]
    return ["-" if number is None else f"{number:.4g}" for number in numbers]


def _parting(first: Any, other: Any, rates: list[str]) -> str:
    """Where the rates of two logs first differ, and their largest difference."""
    keys = ["training", "step"]
    # A log of one training has no number of it.
    left, right = (frame if "training" in frame else frame.assign(training=0) for frame in (first, other))
    columns = [[*keys, *(name for name in rates if name in frame)] for frame in (first, other)]
    both = left[columns[0]].merge(right[columns[1]], on=keys, suffixes=("", " other"))
    common = [name for name in rates if name in both and name + " other" in both]
    parts = []
    for name in common:
        a, b = both[name].to_numpy(), both[name + " other"].to_numpy()
        apart = np.flatnonzero(~np.isclose(a, b, rtol=1e-6, atol=0.0))
        prefix = f"{name} " if len(common) > 1 else ""
        if len(apart):
            most = int(apart[np.argmax(np.abs(b - a)[apart])])
            steps = both["step"].to_numpy()
            where = f"from step {steps[apart[0]]:,}, most at step {steps[most]:,}"
            parts.append(f"{prefix}differ {where}: {b[most]:.4g} and {a[most]:.4g}")
        else:
            parts.append(f"{prefix}the same in all of {len(both):,} common steps")
    return "; ".join(parts) or "no common steps"
