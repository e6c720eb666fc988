"""`keras-lr forecast`: final losses of schedules, by a law fitted to logs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_lr.command import render
from keras_lr.command.app import Log, app, user_errors
from keras_lr.core.tree import is_bound
from keras_lr.tools.parsing import parse

CURVE = 400


@app.command()
def forecast(
    logs: Log,
    schedule: Annotated[
        list[str], typer.Option(help='A schedule as Python writes it: "CosineDecay(0.1, 900)". Give one or more.')
    ],
    steps: Annotated[int, typer.Option(min=2, max=10_000_000, help="Length of the training, in steps.")],
    law: Annotated[str, typer.Option(help='The law: "multi-power" or "annealing".')] = "multi-power",
    loss: Annotated[str, typer.Option(help="The column with the loss.")] = "loss",
    best: Annotated[bool, typer.Option("--best", help="Add the best schedule by the law.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a picture to this file (.png, .svg, .pdf).")] = None,
) -> None:
    """Forecast the loss of trainings with other schedules, from the logs of one or two."""
    from keras_lr.tools.forecast.fit import fit_forecast

    with user_errors():
        if plot is not None:
            render.prepare_picture(plot)
        schedules = _parsed(schedule)
        fitted = fit_forecast({str(path): path for path in logs}, cast(Any, law), loss)
        if best:
            designed = fitted.best(steps)
            schedules[repr(designed)] = designed
        console = Console(soft_wrap=True)
        render.say(console, repr(fitted))
        console.print(_table(fitted.compare(schedules, steps)))
        if plot is not None:
            render.save_picture(plot, fitted.plot(schedules=schedules, steps=steps))
            render.say(console, f"Written: {plot}")
            return
        typer.echo(render.terminal_plot([_curve(text, fitted.loss(it, steps)) for text, it in schedules.items()]))


def _parsed(texts: list[str]) -> dict[str, Any]:
    """The schedules by their texts.

    Raises:
        ValueError: a text is not a schedule, or its durations are not in steps.
    """
    schedules = {text: parse(text) for text in texts}
    for text, parsed in schedules.items():
        if not is_bound(parsed):
            raise ValueError(f"{text!r} has durations in epochs, fractions or samples: write them in steps")
    return schedules


def _table(frame: Any) -> Table:
    """A row for each schedule, the lowest final loss first."""
    table = Table("schedule", "final loss", "90 % interval", "best of all", "before the next")
    for row in frame.to_dict("records"):
        follows = row["before_next"]
        table.add_row(
            Text(render.printable(row["schedule"])),
            f"{row['loss']:.4g}",
            f"{row['low']:.4g} to {row['high']:.4g}",
            f"{row['best']:.0%}",
            "" if math.isnan(follows) else f"{follows:.0%}",
        )
    return table


def _curve(text: str, frame: Any) -> tuple[str, Any, Any]:
    """A forecast for the terminal: label, steps and losses."""
    frame = frame.dropna()
    frame = frame.iloc[:: max(len(frame) // CURVE, 1)]
    return text, frame["step"].to_numpy(), frame["loss"].to_numpy()
