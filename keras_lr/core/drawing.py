"""Plots with matplotlib. Every function takes and returns `Axes`; none shows a figure or prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_lr.core import optional
from keras_lr.core.refusals import refuse

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def new_axes() -> Axes:
    """The axes of a new figure.

    Raises:
        ImportError: matplotlib is missing. The message contains the command that installs it.
    """
    optional.require("matplotlib", "plot", "plotting")
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(7.0, 3.2), layout="constrained")[1]


def axes(ax: Any) -> Axes:
    """The axes to draw on: the given ones, or new ones for None."""
    if ax is None:
        return new_axes()
    kinds = getattr(sys.modules.get("matplotlib.axes"), "Axes", ())  # none before matplotlib is imported
    if not isinstance(ax, kinds):
        refuse("plot", "ax", "matplotlib's axes, or None", ax, TypeError)
    given: Axes = ax
    return given


def curve(steps: NDArray[np.int64], rates: NDArray[np.float64], label: str, ax: Axes | None = None) -> Axes:
    """Draw rates over steps."""
    ax = axes(ax)
    ax.plot(steps, rates, label=label)
    return labelled(ax)


def log(frame: pd.DataFrame, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the rates of a `LearningRateLogger` frame: one line for each rate column."""
    ax = axes(ax)
    for column in frame.columns:
        if column == "learning_rate" or column.startswith("learning_rate_"):
            ax.plot(frame["step"], frame[column], **{"label": column, **style})
    effective = [column for column in frame.columns if column.startswith("effective_learning_rate[")]
    if effective:
        _effective(frame.dropna(subset=effective, how="all"), effective, ax)
    return labelled(ax)


def _effective(frame: pd.DataFrame, columns: list[str], ax: Axes) -> None:
    """Draw rates divided by squared norms of kernels, and their median, on an axis at the right."""
    right = ax.twinx()
    for column in columns:
        right.plot(frame["step"], frame[column], color="tab:orange", alpha=0.3, linewidth=0.8)
    median = frame[columns].median(axis=1)
    right.plot(frame["step"], median, color="tab:orange", marker="o", markersize=3, label="median of η/‖w‖²")
    right.set_yscale("log")
    right.set_ylabel("η/‖w‖² of each kernel, and their median")


def labelled(ax: Axes) -> Axes:
    """Axes for rates over steps."""
    ax.set_xlabel("step (batches)")
    ax.set_ylabel("learning rate")
    ax.set_ylim(bottom=0.0)
    ax.grid(visible=True, alpha=0.3)
    return ax
