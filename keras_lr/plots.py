"""Pictures. Every function takes and returns matplotlib `Axes`; none shows or prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_lr import optional
from keras_lr.fields import refuse

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from keras_lr.compare import Comparison
    from keras_lr.finder import RangeTest
    from keras_lr.schedule import Schedule


def new_axes() -> Axes:
    """The axes of a new figure.

    Raises:
        ImportError: matplotlib is missing; the message has the command that installs it.
    """
    optional.require("matplotlib", "plot", "plotting")
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(7.0, 3.2), layout="constrained")[1]


def _axes(ax: Any) -> Axes:
    """The axes to draw on: those that are given, or new ones."""
    if ax is None:
        return new_axes()
    kinds = getattr(sys.modules.get("matplotlib.axes"), "Axes", ())  # not imported, no axes
    if not isinstance(ax, kinds):
        refuse("plot", "ax", "matplotlib's axes, or None", ax, TypeError)
    given: Axes = ax
    return given


def curve(schedule: Schedule, steps: NDArray[np.int64], ax: Axes | None = None) -> Axes:
    """Draw a schedule's rate at `steps`."""
    ax = _axes(ax)
    ax.plot(steps, schedule.values(steps), label=repr(schedule))
    return labelled(ax)


def log(frame: pd.DataFrame, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the rates of a `LearningRateLogger` frame: one line for each rate column."""
    ax = _axes(ax)
    for column in frame.columns:
        if column == "learning_rate" or column.startswith("learning_rate_"):
            ax.plot(frame["step"], frame[column], **{"label": column, **style})
    return labelled(ax)


def range_test(test: RangeTest, ax: Axes | None = None) -> Axes:
    """Draw the smoothed losses of a range test over the rate, and the answers of the rules.

    Several repeats are one line (their median) in a band from the lowest to the highest.
    """
    ax = _axes(ax)
    count = min(len(sweep.loss) for sweep in test.sweeps)
    rates = test.sweeps[0].learning_rate[:count]
    smoothed = np.stack([sweep.smoothed_loss[:count] for sweep in test.sweeps])
    middle = np.median(smoothed, axis=0)
    if len(test.sweeps) == 1:
        ax.plot(rates, test.sweeps[0].loss[:count], ".", color="0.7", markersize=3, label="loss of the batch")
    else:
        ax.fill_between(rates, smoothed.min(axis=0), smoothed.max(axis=0), color="tab:blue", alpha=0.2, linewidth=0)
    ax.plot(rates, middle, color="tab:blue", label="smoothed loss")
    table = test.suggestions()
    for rule, rate in zip(table["rule"], table["learning_rate"].to_numpy(np.float64), strict=True):
        if np.isfinite(rate):
            height = np.interp(np.log(rate), np.log(rates), middle)
            ax.plot(rate, height, "o", label=f"{rule}: {rate:.2g}")
    ax.set_xscale("log")
    finite = middle[np.isfinite(middle)]
    if len(finite):
        # A loss that diverges would press the rest of the curve flat.
        low, high = finite.min(), max(finite[0], finite.min())
        margin = 0.25 * (high - low) or 0.1 * abs(high) or 1.0
        ax.set_ylim(low - margin, high + 2.0 * margin)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("loss")
    ax.grid(visible=True, alpha=0.3)
    ax.legend(fontsize="small")
    return ax


def comparison(result: Comparison, metric: str, summary: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw a metric over the epochs for the rows of a summary: means, in bands of one standard deviation."""
    ax = _axes(ax)
    from matplotlib.ticker import MaxNLocator

    frame = result.frame
    for name, peak in zip(summary["schedule"], summary["peak"], strict=True):
        part = frame[(frame["schedule"] == name) & (frame["peak"] == peak)]
        curves = part.groupby("epoch")[metric].agg(["mean", "std"]).fillna({"std": 0.0})
        (line,) = ax.plot(curves.index, curves["mean"], label=f"{name} ({peak:.3g})")
        low, high = curves["mean"] - curves["std"], curves["mean"] + curves["std"]
        ax.fill_between(curves.index, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel(metric)
    ax.grid(visible=True, alpha=0.3)
    ax.legend(fontsize="small", title="schedule (peak rate)")
    return ax


def labelled(ax: Axes) -> Axes:
    """Axes for rates over steps."""
    ax.set_xlabel("step (batches)")
    ax.set_ylabel("learning rate")
    ax.set_ylim(bottom=0.0)
    ax.grid(visible=True, alpha=0.3)
    return ax
