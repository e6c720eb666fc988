"""The data of a training for a law: the rate of each step, and the loss at some steps, from a log."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_lr.callbacks import log_reader
from keras_lr.callbacks.logger import LearningRateLogger
from keras_lr.core.fields import FilePath
from keras_lr.core.presentation import MOST_STEPS
from keras_lr.core.refusals import check, refuse, shown
from keras_lr.tools.forecast.sums import Floats, Steps, Sums, sums_of, warmup_of

ONE = "a log of LearningRateLogger (a DataFrame, a logger, or a .csv or .parquet file)"
SEVERAL = f"{ONE}, or a list or dict of them"

POINTS = 100
"""Largest number of losses of a run in a fit. More losses are averaged over equal intervals of steps."""

SKIPPED = 0.05
"""The fraction of a log that is left out at its start if its warmup is shorter."""


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


@dataclass(frozen=True)
class Reading:
    """How to read logs, and names for errors.

    Attributes:
        owner: the function that gets the logs.
        argument: its argument with the logs.
        loss: the column with the loss.
        is_chosen: whether the column is the argument `loss` of the function.
        running_mean: whether the losses are means over the epoch so far; None to decide from the log.
        skip: steps at the start whose losses are left out; None for the warmup.
    """

    owner: str
    argument: str
    loss: str
    is_chosen: bool
    running_mean: bool | None
    skip: int | None

    def runs(self, logs: Any) -> list[Run]:
        """The trainings in logs.

        Raises:
            TypeError, ValueError: they are not logs, or have no loss.
            OSError: a file is missing.
        """
        return [_run(self, name, frame) for name, frame in frames_of(self.owner, self.argument, logs).items()]


def frames_of(owner: str, argument: str, logs: Any) -> dict[str, Any]:
    """The tables of logs, by the name of each."""
    if isinstance(logs, Mapping):
        named = [(str(name), log) for name, log in logs.items()]
    else:
        several = logs if isinstance(logs, list | tuple) else [logs]
        named = [(f"run {number}", log) for number, log in enumerate(several, 1)]
    if not named:
        refuse(owner, argument, SEVERAL, logs)
    found = {}
    for name, log in named:
        frame = frame_of(owner, argument, log, SEVERAL)
        is_path = isinstance(log, str | os.PathLike) and not isinstance(logs, Mapping)
        found[os.fspath(log) if is_path else name] = frame
    return found


def frame_of(owner: str, argument: str, log: Any, allowed: str = ONE) -> Any:
    """The table of a log: a DataFrame, a logger, or a file."""
    import pandas as pd

    if isinstance(log, str | os.PathLike):
        path = Path(check(FilePath(allowed), owner, argument, log))
        try:
            return log_reader.read_frame(path)
        except ValueError as error:
            raise ValueError(f"{owner}: `{argument}` must be {allowed}, got another file: {error}") from error
    if isinstance(log, LearningRateLogger):
        log = log.to_frame()
    if not isinstance(log, pd.DataFrame):
        refuse(owner, argument, allowed, log, TypeError)
    return log


def column_of(owner: str, argument: str, name: str, frame: Any, column: str) -> Floats:
    """The numbers in a column of a log.

    Raises:
        ValueError: the column is missing, exists twice, or does not contain numbers.
    """
    if column not in frame:
        there = ", ".join(map(str, frame.columns))
        raise ValueError(f"{owner}: `{argument}` must have a column {column!r}, got {name} with the columns {there}")
    found = frame[column]
    try:
        if found.ndim == 1:
            return np.asarray(found.to_numpy(np.float64))
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{owner}: `{argument}` must have one column {column!r} of numbers, got {name} with another one")


def _run(reading: Reading, name: str, frame: Any) -> Run:
    owner, loss, skip = reading.owner, reading.loss, reading.skip
    numbers = column_of(owner, reading.argument, name, frame, "step")
    if not np.all(np.abs(numbers) < MOST_STEPS) or np.any(numbers != np.floor(numbers)):  # NaN compares false
        raise ValueError(f"{owner}: {name}: the steps of a log must be whole numbers below {MOST_STEPS:,}, got others")
    order = np.argsort(numbers, kind="stable")
    frame, steps = frame.iloc[order], numbers[order].astype(np.int64)
    rates = _every_step(owner, name, steps, column_of(owner, reading.argument, name, frame, "learning_rate"))
    if reading.is_chosen and loss not in frame:
        there = ", ".join(map(str, frame.columns))
        raise ValueError(f"{owner}: `loss` must be a column of every log, got {shown(loss)}; {name} has {there}")
    losses = column_of(owner, reading.argument, name, frame, loss)
    counts = np.ones(len(losses))
    # `LearningRateLogger` records the values that Keras reports after a batch: means over the epoch so far.
    running_mean = reading.running_mean
    if running_mean is None:
        running_mean = loss == "loss" and {"epoch", "batch"} <= set(frame.columns)
    if running_mean:
        losses, counts = _of_batches(reading, name, frame, losses)
    if skip is not None and skip >= len(rates):
        refuse(owner, "skip", f"less than the {len(rates):,} steps of {name}", skip)
    first = max(warmup_of(rates), int(SKIPPED * len(rates))) if skip is None else skip
    used = np.isfinite(losses) & (steps >= first)
    points, smooth = _smoothed(steps[used], losses[used], counts[used])
    if len(smooth) and smooth.min() <= 0.0:
        raise ValueError(f"{owner}: {name}: a loss must be > 0, since its logarithm is fitted, got {smooth.min():.4g}")
    return Run(name, rates, points, smooth)


def _every_step(owner: str, name: str, steps: Steps, rates: Floats) -> Floats:
    """The rate of each step from 0 to the last row. A step without a row has the rate of the row before it."""
    if len(steps) == 0:
        raise ValueError(f"{owner}: {name}: a log must have rows, got an empty one")
    if steps[0] < 0 or np.any(np.diff(steps) <= 0):
        raise ValueError(
            f"{owner}: {name}: the steps of a log must be different numbers >= 0, got one twice or below 0; "
            "pass the trainings of a log with several of them one by one"
        )
    if not np.all(np.isfinite(rates)) or rates.min() < 0.0:
        raise ValueError(f"{owner}: {name}: the rates of a log must be finite and >= 0")
    if steps[0] > SKIPPED * steps[-1]:
        raise ValueError(
            f"{owner}: {name}: a log must begin with the training, since the sum of all rates is needed, got step "
            f"{steps[0]:,} first"
        )
    row = np.searchsorted(steps, np.arange(steps[-1] + 1), "right") - 1
    return np.asarray(rates[np.maximum(row, 0)])


def _of_batches(reading: Reading, name: str, frame: Any, means: Floats) -> tuple[Floats, Floats]:
    """The mean loss of the batches since the previous reported loss, and the number of these batches."""
    for column in ("epoch", "batch"):
        if column not in frame:
            refuse(reading.owner, "running_mean", f"False for {name}, a log without a column {column!r}", True)
    losses, counts = np.full(len(means), np.nan), np.zeros(len(means))
    rows = np.flatnonzero(np.isfinite(means))
    if len(rows) == 0:
        return losses, counts
    epoch, batch = (column_of(reading.owner, reading.argument, name, frame, it)[rows] for it in ("epoch", "batch"))
    seen = batch + 1.0
    totals = means[rows] * seen
    new = np.concatenate([[True], (np.diff(epoch) != 0) | (np.diff(seen) <= 0.0)])
    counts[rows] = np.where(new, seen, np.diff(seen, prepend=0.0))
    losses[rows] = np.where(new, totals, np.diff(totals, prepend=0.0)) / counts[rows]
    return losses, counts


def _smoothed(steps: Steps, losses: Floats, counts: Floats) -> tuple[Steps, Floats]:
    """Means over equal intervals of steps, if there are more losses than points."""
    if len(steps) <= POINTS:
        return steps, losses
    span = steps[-1] - steps[0] + 1
    part = (steps - steps[0]) * POINTS // span
    edges = np.flatnonzero(np.diff(part, prepend=-1))
    total = np.add.reduceat(counts, edges)
    means = np.add.reduceat(losses * counts, edges) / total
    return np.rint(np.add.reduceat(steps * counts, edges) / total).astype(np.int64), means
