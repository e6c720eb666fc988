"""A training as a law sees it: the rate of each step, and the loss at some of them, read from a log."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_lr.callbacks import log_reader
from keras_lr.core.refusals import refuse, shown
from keras_lr.tools.forecast.sums import Floats, Steps, Sums, sums_of, warmup_of

ALLOWED = "a log of LearningRateLogger (a DataFrame, a logger, or a .csv or .parquet file), or a list or dict of them"

POINTS = 100
"""Losses of a run that a law is fitted to. More of them are averaged over equal stretches of steps."""

SKIPPED = 0.05
"""The part of a log at its start that is left out, where its warmup is shorter."""


@dataclass(frozen=True, eq=False)
class Run:
    """One training: the rates of all steps from step 0, and smoothed losses at some of them."""

    name: str
    rates: Floats
    steps: Steps
    losses: Floats

    @property
    def sums(self) -> Sums:
        return sums_of(self.rates, self.steps)

    @property
    def warmup(self) -> int:
        return warmup_of(self.rates)


def runs_of(owner: str, logs: Any, loss: str, running_mean: bool | None, skip: int | None) -> list[Run]:
    """The trainings in logs.

    Raises:
        TypeError, ValueError: they are no logs, or have no loss.
    """
    if isinstance(logs, Mapping):
        named = {str(name): log for name, log in logs.items()}
    elif isinstance(logs, list | tuple):
        named = {_name(log, number): log for number, log in enumerate(logs, 1)}
    else:
        named = {_name(logs, 1): logs}
    if not named:
        refuse(owner, "logs", ALLOWED, logs)
    return [_run(owner, name, frame_of(owner, log), loss, running_mean, skip) for name, log in named.items()]


def _name(log: Any, number: int) -> str:
    return str(log) if isinstance(log, str | os.PathLike) else f"run {number}"


def frame_of(owner: str, log: Any) -> Any:
    """The table of a log: a DataFrame, a logger, or a file."""
    import pandas as pd

    if isinstance(log, str | os.PathLike):
        return log_reader.read_frame(Path(log))
    if not isinstance(log, pd.DataFrame) and hasattr(log, "to_frame"):
        log = log.to_frame()
    if not isinstance(log, pd.DataFrame):
        refuse(owner, "logs", ALLOWED, log, TypeError)
    return log


def _run(owner: str, name: str, frame: Any, loss: str, running_mean: bool | None, skip: int | None) -> Run:
    for column in ("step", "learning_rate", loss):
        if column not in frame:
            there = ", ".join(map(str, frame.columns))
            raise ValueError(f"{owner}: {name}: a log must have a column {column!r}, got the columns {there}")
    frame = frame.sort_values("step", kind="stable")
    steps = frame["step"].to_numpy(np.int64)
    rates = _every_step(owner, name, steps, frame["learning_rate"].to_numpy(np.float64))
    losses = frame[loss].to_numpy(np.float64)
    # `LearningRateLogger` records what Keras reports after a batch: means over the epoch so far.
    if running_mean is None:
        running_mean = loss == "loss" and {"epoch", "batch"} <= set(frame.columns)
    if running_mean:
        losses, counts = _of_batches(owner, name, frame, losses)
    else:
        counts = np.ones(len(losses))
    first = max(warmup_of(rates), int(SKIPPED * len(rates))) if skip is None else skip
    used = np.isfinite(losses) & (steps >= first)
    points, smooth = _smoothed(steps[used], losses[used], counts[used])
    if len(smooth) and smooth.min() <= 0.0:
        raise ValueError(f"{owner}: {name}: a loss must be > 0, since its logarithm is fitted, got {smooth.min():.4g}")
    return Run(name, rates, points, smooth)


def _every_step(owner: str, name: str, steps: Steps, rates: Floats) -> Floats:
    """The rate of each step from 0 to the last row; a step without a row has the rate of the row before it."""
    if len(steps) == 0:
        raise ValueError(f"{owner}: {name}: a log must have rows, got an empty one")
    if steps[0] < 0 or np.any(np.diff(steps) <= 0):
        raise ValueError(
            f"{owner}: {name}: the steps of a log must be numbers >= 0, each of them once, got one twice or below 0; "
            "give the trainings of a log with several of them one by one"
        )
    if not np.all(np.isfinite(rates)) or rates.min() < 0.0:
        raise ValueError(f"{owner}: {name}: the rates of a log must be finite and >= 0")
    if steps[0] > SKIPPED * steps[-1]:
        raise ValueError(
            f"{owner}: {name}: a log must begin with the training, since the sum of all rates counts, got step "
            f"{steps[0]:,} first"
        )
    row = np.searchsorted(steps, np.arange(steps[-1] + 1), "right") - 1
    return np.asarray(rates[np.maximum(row, 0)])


def _of_batches(owner: str, name: str, frame: Any, means: Floats) -> tuple[Floats, Floats]:
    """The mean loss of the batches since the last loss that was reported, and how many they are."""
    for column in ("epoch", "batch"):
        if column not in frame:
            raise ValueError(f"{owner}: {name}: with running means a log must have a column {column!r}")
    losses, counts = np.full(len(means), np.nan), np.zeros(len(means))
    rows = np.flatnonzero(np.isfinite(means))
    if len(rows) == 0:
        return losses, counts
    epoch, seen = frame["epoch"].to_numpy()[rows], frame["batch"].to_numpy(np.float64)[rows] + 1.0
    totals = means[rows] * seen
    new = np.concatenate([[True], (np.diff(epoch) != 0) | (np.diff(seen) <= 0.0)])
    counts[rows] = np.where(new, seen, np.diff(seen, prepend=0.0))
    losses[rows] = np.where(new, totals, np.diff(totals, prepend=0.0)) / counts[rows]
    return losses, counts


def _smoothed(steps: Steps, losses: Floats, counts: Floats) -> tuple[Steps, Floats]:
    """Means over equal stretches of steps, where there are more losses than points."""
    if len(steps) <= POINTS:
        return steps, losses
    span = steps[-1] - steps[0] + 1
    part = (steps - steps[0]) * POINTS // span
    edges = np.flatnonzero(np.diff(part, prepend=-1))
    total = np.add.reduceat(counts, edges)
    means = np.add.reduceat(losses * counts, edges) / total
    return np.rint(np.add.reduceat(steps * counts, edges) / total).astype(np.int64), means


def names_of(runs: Iterable[Run]) -> str:
    return ", ".join(shown(run.name) for run in runs)
