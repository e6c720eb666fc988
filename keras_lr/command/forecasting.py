"""`keras-lr forecast`: final losses of schedules, by a law that is fitted to logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from keras_lr.command import render
from keras_lr.command.app import Log, app, user_errors
from keras_lr.core import optional

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
    from keras_lr.command import source
    from keras_lr.core.tree import is_bound
    from keras_lr.tools.forecast.fit import fit_forecast

    with user_errors():
        if plot is not None:
            if not plot.suffix:
                raise ValueError(f"--plot {str(plot)!r}: the name of a picture ends in .png, .svg or .pdf")
            optional.require("matplotlib", "plot", "plotting")
            import matplotlib as mpl

            mpl.use("Agg")
        schedules = {text: source.parse(text) for text in schedule}
        for text, parsed in schedules.items():
            if not is_bound(parsed):
                raise ValueError(f"{text!r} has durations in epochs or fractions: write them in steps")
        fitted = fit_forecast({str(path): path for path in logs}, law, loss)
        if best:
            designed = fitted.best(steps)
            schedules[repr(designed)] = designed
        console = Console(soft_wrap=True)
        console.print(render.printable(repr(fitted)), markup=False, highlight=False)
        table = Table("schedule", "final loss", "90 % interval", "best of all", "before the next")
        for row in fitted.compare(schedules, steps).to_dict("records"):
            follows = row["before_next"]
            table.add_row(
                row["schedule"],
                f"{row['loss']:.4g}",
                f"{row['low']:.4g} to {row['high']:.4g}",
                f"{row['best']:.0%}",
                "" if follows != follows else f"{follows:.0%}",
            )
        console.print(table)
        if plot is not None:
            _save(plot, fitted.plot(schedules=schedules, steps=steps))
            typer.echo(f"Written: {plot}")
            return
        curves = []
        for text, parsed in schedules.items():
            frame = fitted.loss(parsed, steps).dropna()
            frame = frame.iloc[:: max(len(frame) // CURVE, 1)]
            curves.append((text, frame["step"].to_numpy(), frame["loss"].to_numpy()))
        typer.echo(render.terminal_plot(curves))


def _save(path: Path, ax: Any) -> None:
    """Write the figure of some axes to a file, and close it."""
    from matplotlib import pyplot

    ax.figure.savefig(path)
    pyplot.close(ax.figure)
