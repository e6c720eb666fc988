"""The commands of `keras-lr`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from keras_lr.command import render
from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.inner import length_of
from keras_lr.core.presentation import ENDLESS
from keras_lr.core.tree import durations, is_bound
from keras_lr.schedules.installed import MADE_FOR_YOU
from keras_lr.tools import parsing

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Learning-rate scheduling for Keras 3.")

BLOCK = 100_000
"""Number of rates that are computed at once for CSV."""

Plot = Annotated[Path | None, typer.Option(help="Write a picture to this file instead (.png, .svg, .pdf).")]
Log = Annotated[list[Path], typer.Argument(help="Logs of LearningRateLogger (.csv or .parquet).", show_default=False)]


@contextmanager
def user_errors() -> Iterator[None]:
    """A context in which a mistake of the user is one line on stderr and exit code 2, without a traceback."""
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        render.say(Console(stderr=True, soft_wrap=True), f"keras-lr: {error}", "red")
        raise typer.Exit(2) from None


def example_of(schedule_class: type) -> tuple[Any, int | None]:
    """The schedule in the example of a class's docstring (None if it cannot be parsed), and the last step there."""
    for line in re.findall(r"^\s*>>> (.*)$", schedule_class.__doc__ or "", re.MULTILINE):
        asked = re.search(r"\.values\(\[(?:.*, )?(\d+)\]", line)
        for text in (re.split(r"\.(?:values|bind|duration|momentum)\b", line)[0], line.split(" = ", 1)[-1]):
            try:
                return parsing.parse(text), int(asked[1]) if asked else None
            except ValueError:
                continue
    return None, None


def _version(asked: bool) -> None:
    if asked:
        import keras_lr

        typer.echo(f"keras-lr {keras_lr.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Learning-rate scheduling for Keras 3."""


@app.command("list")
def list_schedules() -> None:
    """List every schedule, with a sparkline of its example and a description of the curve."""
    table = Table("schedule", "example", "curve", title="Schedules of keras_lr", title_justify="left")
    for name, schedule_class in sorted(parsing.classes().items()):
        if name in MADE_FOR_YOU:
            continue
        example, last = example_of(schedule_class)
        line = ""
        if example is not None:
            line = render.sparkline(render.curve(example, 16, None if render.has_end(example) else last)[1])
        table.add_row(name, line, (schedule_class.__doc__ or "").strip().splitlines()[0].replace("``", "`"))
    Console().print(table)


@app.command()
def show(
    schedule: Annotated[
        str, typer.Argument(help='A schedule as Python writes it: "Warmup(CosineDecay(0.1, 900), 100)".')
    ],
    steps: Annotated[
        int | None, typer.Option(min=1, max=2**31, help="Steps to show; by default to the end of the schedule.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs, for durations in epochs and fractions.")] = None,
    steps_per_epoch: Annotated[int | None, typer.Option(min=1, help="Batches in an epoch, for the same.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples in a batch, for durations in samples.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print step and learning_rate of every step instead.")] = False,
    plot: Plot = None,
) -> None:
    """Show a schedule as a sentence and a curve in the terminal, as a picture, or as CSV."""
    with user_errors():
        if csv and plot is not None:
            raise ValueError("--csv and --plot cannot be used together")
        parsed = _bound(schedule, epochs, steps_per_epoch, batch_size)
        length = length_of(parsed)
        count = steps or (ENDLESS if length is None else min(length + 1, STEP_LIMIT))
        if csv:
            _print_csv(parsed, count)
            return
        console = Console(soft_wrap=True)
        describe = getattr(parsed, "describe", lambda: schedule)  # Keras's own schedules have no sentence
        render.say(console, describe())
        at, rates = render.curve(parsed, 400, max(count - 1, 1))
        if plot is not None:
            render.picture(plot, [(schedule, at, rates)])
            render.say(console, f"Written: {plot}")
            return
        typer.echo(render.terminal_plot([("", at, rates)]))


def _bound(text: str, epochs: int | None, steps_per_epoch: int | None, batch_size: int | None) -> Any:
    """The schedule in a text, with its durations in steps."""
    parsed: Any = parsing.parse(text)
    if is_bound(parsed):
        return parsed
    units = list(durations(parsed))
    if (epochs is None or steps_per_epoch is None) and any(duration.needs_epochs for duration in units):
        raise ValueError("the schedule has durations in epochs or fractions: pass --epochs and --steps-per-epoch")
    if batch_size is None and any(duration.samples for duration in units):
        raise ValueError("the schedule has durations in samples: pass --batch-size")
    return parsed.bind(steps_per_epoch=steps_per_epoch, epochs=epochs, batch_size=batch_size)


def _print_csv(schedule: Any, count: int) -> None:
    """Print step and rate of every step, in blocks."""
    typer.echo("step,learning_rate")
    for first in range(0, count, BLOCK):
        at = range(first, min(first + BLOCK, count))
        for step, rate in zip(at, render.rates_at(schedule, np.array(at)).tolist(), strict=True):
            typer.echo(f"{step},{rate!r}")


@app.command()
def inspect(
    model: Annotated[Path, typer.Argument(help="A model saved as .keras.", show_default=False)],
    ahead: Annotated[
        int | None, typer.Option(min=1, help="Show the rates of so many steps from the current one.")
    ] = None,
) -> None:
    """Show how a saved model trains: optimizer, schedule, step, current rate and the next rates.

    The file is only read: no weights are loaded, and nothing in it is run or imported.
    """
    from keras_lr.command import inspection, report

    with user_errors():
        found = inspection.inspect_file(model)
        console = Console(soft_wrap=True)
        for line in report.lines(str(model), found, ahead):
            render.say(console, line)


@app.command()
def compare(logs: Log, plot: Plot = None) -> None:
    """Compare the logs of several runs: length, rates, last metrics, and where the rates differ."""
    from keras_lr.callbacks.log_page import rate_columns
    from keras_lr.command import logs as tables

    with user_errors():
        frames = tables.read_logs(logs)
        typer.echo("\n".join(tables.comparison(frames, Console().width)))
        if plot is not None:
            curves = [(path, frame["step"], frame[rate_columns(frame)[0]]) for path, frame in frames.items()]
            render.picture(plot, curves)
            typer.echo(f"Written: {plot}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for log, picture and model.")] = Path("demo-output"),
    epochs: Annotated[int, typer.Option(min=4, help="Epochs in all; the first half before the reload.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Train a digit classifier with warmup, cosine, plateau and logger; save, reload in a new process, continue."""
    from keras_lr.command import demo as job

    with user_errors():
        job.require_libraries()
        out.mkdir(parents=True, exist_ok=True)
    raise typer.Exit(job.run(out, epochs, seed))


@app.command("demo-resume", hidden=True)
def demo_resume(out: Path, epochs: int, seed: int) -> None:
    """Run the second half of the demo, in its own process."""
    from keras_lr.command import demo as job

    job.resume(out, epochs, seed)
