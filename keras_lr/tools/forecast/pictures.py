"""Plots of a forecast: measured losses, and the curves of the law."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from keras_lr.core import drawing, svg
from keras_lr.tools.forecast.fitted import FittedRun

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def draw(column: str, runs: Iterable[FittedRun], curves: Mapping[str, pd.DataFrame], ax: Axes | None) -> Axes:
    """Draw the measured losses of runs as dots, their fits as lines, and forecasts as curves in bands."""
    ax = drawing.axes(ax)
    for run in runs:
        (line,) = ax.plot(run.loss_steps, run.fitted, label=run.name)
        ax.plot(run.loss_steps, run.losses, ".", color=line.get_color(), markersize=3, alpha=0.6)
    for name, frame in curves.items():
        (line,) = ax.plot(frame["step"], frame["loss"], "--", label=name)
        ax.fill_between(frame["step"], frame["low"], frame["high"], color=line.get_color(), alpha=0.15, linewidth=0)
    ax.set_xlabel("step (batches)")
    ax.set_ylabel(column)
    ax.grid(visible=True, alpha=0.3)
    ax.legend(fontsize="small")
    return ax


def html_of(column: str, law: str, runs: tuple[FittedRun, ...], cautions: tuple[str, ...]) -> str:
    """A sentence, and measured and fitted losses as SVG."""
    trainings = f"{len(runs)} trainings" if len(runs) > 1 else "one training"
    doubts = "".join(f" Caution: {text}." for text in cautions)
    sentence = f"A forecast of {column} by the {law} law, fitted to {trainings}.{doubts}"
    measured = [svg.Line(run.loss_steps, run.losses, f"{run.name}, measured", "dots") for run in runs]
    fitted = [svg.Line(run.loss_steps, run.fitted, f"{run.name}, fitted") for run in runs]
    pairs = [line for pair in zip(measured, fitted, strict=True) for line in pair]
    return svg.figure(sentence, pairs, svg.Axes("step", column))
