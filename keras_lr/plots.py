"""Pictures. Every function takes and returns matplotlib `Axes`; none shows or prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from keras_lr.schedule import Schedule


def new_axes() -> Axes:
    """The axes of a new figure.

    Raises:
        ImportError: matplotlib is missing; the message has the command that installs it.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError('plotting needs matplotlib: pip install "keras-lr[plot]"') from error
    return pyplot.subplots(figsize=(7.0, 3.2), layout="constrained")[1]


def curve(schedule: Schedule, steps: NDArray[np.int64], ax: Axes | None = None) -> Axes:
    """Draw a schedule's rate at `steps`."""
    ax = new_axes() if ax is None else ax
    ax.plot(steps, schedule.values(steps), label=repr(schedule))
    return _labelled(ax)


def log(frame: pd.DataFrame, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the rates of a `LearningRateLogger` frame: one line for each rate column."""
    ax = new_axes() if ax is None else ax
    for column in frame.columns:
        if column == "learning_rate" or column.startswith("learning_rate_"):
            ax.plot(frame["step"], frame[column], **{"label": column, **style})
    return _labelled(ax)


def _labelled(ax: Axes) -> Axes:
    ax.set_xlabel("step (batches)")
    ax.set_ylabel("learning rate")
    ax.set_ylim(bottom=0.0)
    ax.grid(visible=True, alpha=0.3)
    return ax
