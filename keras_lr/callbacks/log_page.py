"""A log in a notebook: a chart of its rates, and a sentence about it."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_lr.core import svg
from keras_lr.core.describe import number


def html_of(frame: Any, metrics: list[str]) -> str:
    """The sentence and the chart of a log, as HTML.

    Args:
        frame: the rows of a logger.
        metrics: columns whose last values are in the sentence.
    """
    if not len(frame):
        return svg.without_chart("A log without rows: nothing has been trained with this logger yet.")
    columns = rate_columns(frame)
    # Several trainings are drawn one after the other.
    several = "training" in frame and frame["training"].nunique() > 1
    x = np.arange(len(frame)) if several else frame["step"].to_numpy()
    lines = [svg.Line(x, frame[name].to_numpy(), name if len(columns) > 1 else "") for name in columns]
    axes = svg.Axes("update of all trainings" if several else "step", "learning rate", from_zero=True)
    return svg.figure(_sentence(frame, columns, metrics), lines, axes)


def rate_columns(frame: Any) -> list[str]:
    """The columns with rates."""
    return [name for name in frame.columns if name == "learning_rate" or name.startswith("learning_rate_")]


def _sentence(frame: Any, columns: list[str], metrics: list[str]) -> str:
    """The length of the log, its lowest and highest rate, and the last values of the metrics."""
    keys = [name for name in ("training", "epoch") if name in frame]
    epochs = len(frame[keys].drop_duplicates())
    rates = frame[columns].to_numpy()
    told = f"{_count(len(frame), 'update')} in {_count(epochs, 'epoch')}"
    if np.isfinite(rates).any():
        low, high = float(np.nanmin(rates)), float(np.nanmax(rates))
        told += f", with learning rates from {number(low, 4)} to {number(high, 4)}"
    for name in metrics:
        values = frame[name].dropna().tolist() if name in frame else []
        if values:
            told += f"; {name} {values[-1]:.4g} at the end"
    return told + "."


def _count(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}" + ("" if amount == 1 else "s")
