"""The output of the commands: texts, sparklines, plots in the terminal, pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from keras_lr.core import optional
from keras_lr.core.algebra import Schedule
from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.inner import length_of, values_of
from keras_lr.core.presentation import ENDLESS, EXAMPLE

BARS = "▁▂▃▄▅▆▇█"


def printable(text: str) -> str:
    """A text in one line, without control sequences for the terminal: files may contain anything."""
    return "".join("\\x1b" if char == "\x1b" else char if char.isprintable() else " " for char in text)


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print a text without markup and without control sequences for the terminal."""
    console.print(printable(text), style=style, markup=False, highlight=False)


def sparkline(rates: Any) -> str:
    """A curve as one line of bars, from 0 to its highest rate, or from the lowest if it varies by less than half."""
    low, top = float(np.min(rates)), max(float(np.max(rates)), 1e-300)
    low = low if top / 2 < low < top else 0.0
    return "".join(BARS[min(int((rate - low) / (top - low) * len(BARS)), len(BARS) - 1)] for rate in rates)


def has_end(schedule: Any) -> bool:
    """Whether a schedule has an end, or will have one when it is bound."""
    return bound(schedule).duration is not None


def bound(schedule: Any) -> Any:
    """A schedule bound to an example of a training."""
    return schedule.bind(**EXAMPLE, batch_size=32)


def curve(schedule: Any, count: int, steps: int | None = None) -> tuple[Any, Any]:
    """Some steps of a schedule up to its end, and the rates at these steps."""
    if isinstance(schedule, Schedule) and not schedule.is_bound:
        schedule = bound(schedule)
    length = steps or length_of(schedule) or ENDLESS
    at = np.unique(np.linspace(0, min(length, STEP_LIMIT - 1), count).astype(np.int64))
    return at, rates_at(schedule, at)


def rates_at(schedule: Any, steps: Any) -> Any:
    """Rates of any schedule.

    Raises:
        ValueError: a schedule of Keras cannot be evaluated, or its rates are not finite.
    """
    try:
        rates = np.asarray(values_of(schedule, steps))
    except Exception as error:  # Keras does not check the arguments of its schedules
        raise ValueError(f"{type(schedule).__name__} cannot be evaluated: {str(error)[:200]}") from error
    if not np.all(np.isfinite(rates)):
        raise ValueError(f"the rates of {type(schedule).__name__} are not all finite")
    return rates


def terminal_plot(curves: list[tuple[str, Any, Any]]) -> str:
    """Curves with their labels, drawn with characters."""
    optional.require("plotext", "cli", "the plot in the terminal")
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(min(Console().width, 100), 18)
    for label, steps, rates in curves:
        plotext.plot(list(map(int, steps)), list(map(float, rates)), label=label or None)
    marks = np.unique(np.linspace(0, max(int(steps[-1]) for _, steps, _ in curves), 5).astype(np.int64)).tolist()
    plotext.xticks(marks, [f"{step:,}" for step in marks])
    plotext.xlabel("step")
    try:
        return str(plotext.build())
    except (ArithmeticError, ValueError, IndexError):  # plotext cannot label an axis with a range of 1e-320
        return "\n".join(sparkline(rates) for _, _, rates in curves)


def prepare_picture(path: Path) -> None:
    """Prepare to draw to a file, without a window.

    Raises:
        ValueError: the file does not end in .png, .svg or .pdf.
        ImportError: matplotlib is missing.
    """
    if not path.suffix:
        raise ValueError(f"--plot {str(path)!r}: the name of a picture ends in .png, .svg or .pdf")
    optional.require("matplotlib", "plot", "plotting")
    import matplotlib as mpl

    mpl.use("Agg")


def save_picture(path: Path, ax: Any) -> None:
    """Write the figure of the axes to a file, and close it."""
    from matplotlib import pyplot

    ax.figure.savefig(path)
    pyplot.close(ax.figure)


def picture(path: Path, curves: list[tuple[str, Any, Any]]) -> None:
    """Draw curves with their labels to a file.

    Raises:
        ValueError: the file does not end in .png, .svg or .pdf.
    """
    prepare_picture(path)
    from keras_lr.core import drawing

    ax = drawing.new_axes()
    for label, steps, rates in curves:
        ax.plot(steps, rates, label=label)
    drawing.labelled(ax)
    ax.legend(fontsize="x-small")
    save_picture(path, ax)
