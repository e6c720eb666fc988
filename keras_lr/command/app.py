"""The commands of `keras-lr`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from keras_lr.core import optional

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Learning-rate scheduling for Keras 3.")

BARS = "▁▂▃▄▅▆▇█"
ENDLESS = 1000

BLOCK = 100_000
"""Rates that are computed at once for CSV."""

Plot = Annotated[Path | None, typer.Option(help="Write a picture to this file instead (.png, .svg, .pdf).")]
Log = Annotated[list[Path], typer.Argument(help="Logs of LearningRateLogger (.csv or .parquet).", show_default=False)]


@contextmanager
def user_errors() -> Iterator[None]:
    """What a user did wrong is one line on stderr and exit code 2, without a traceback."""
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        text = printable(f"keras-lr: {error}")
        Console(stderr=True, soft_wrap=True).print(text, style="red", markup=False, highlight=False)
        raise typer.Exit(2) from None


def printable(text: str) -> str:
    """A text in one line, without what would command the terminal: files may say anything."""
    shown = ("\\x1b" if char == "\x1b" else char if char.isprintable() else " " for char in text)
    return "".join(shown)


def sparkline(rates: Any) -> str:
    """A curve as one line of bars, from 0 to its highest rate; from the lowest if it varies by less than half."""
    low, top = float(np.min(rates)), max(float(np.max(rates)), 1e-300)
    low = low if top / 2 < low < top else 0.0
    return "".join(BARS[min(int((rate - low) / (top - low) * len(BARS)), len(BARS) - 1)] for rate in rates)


def example_of(schedule_class: type) -> tuple[Any, int | None]:
    """The schedule in the example of a class's docstring, None if none can be parsed; and its last step there."""
    from keras_lr.command import source

    for line in re.findall(r"^\s*>>> (.*)$", schedule_class.__doc__ or "", re.MULTILINE):
        asked = re.search(r"\.values\(\[(?:.*, )?(\d+)\]", line)
        for text in (re.split(r"\.(?:values|bind|duration|momentum)\b", line)[0], line.split(" = ", 1)[-1]):
            try:
                return source.parse(text), int(asked[1]) if asked else None
            except ValueError:
                continue
    return None, None


def has_end(schedule: Any) -> bool:
    """Whether a schedule has an end, or will have one when it is bound."""
    return schedule.bind(steps_per_epoch=100, epochs=10).duration is not None


def curve(schedule: Any, count: int, steps: int | None = None) -> tuple[Any, Any]:
    """Some steps of a schedule up to its end, and its rates there."""
    from keras_lr.core.algebra import Schedule
    from keras_lr.core.fields import STEP_LIMIT
    from keras_lr.core.inner import length_of

    if isinstance(schedule, Schedule) and not schedule.is_bound:
        schedule = schedule.bind(steps_per_epoch=100, epochs=10)
    length = steps or length_of(schedule) or ENDLESS
    at = np.unique(np.linspace(0, min(length, STEP_LIMIT - 1), count).astype(np.int64))
    return at, rates_at(schedule, at)


def rates_at(schedule: Any, steps: Any) -> Any:
    """Rates of any schedule.

    Raises:
        ValueError: one of Keras's own cannot be evaluated, or its rates are not finite.
    """
    from keras_lr.core.inner import values_of

    try:
        rates = np.asarray(values_of(schedule, steps))
    except Exception as error:  # Keras does not check the arguments of its schedules
        raise ValueError(f"{type(schedule).__name__} cannot be evaluated: {str(error)[:200]}") from error
    if not np.all(np.isfinite(rates)):
        raise ValueError(f"the rates of {type(schedule).__name__} are not all finite")
    return rates


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
    """List every schedule, with a sparkline of its example and what the curve looks like."""
    from keras_lr.command import source
    from keras_lr.schedules.installed import MADE_FOR_YOU

    table = Table("schedule", "example", "curve", title="Schedules of keras_lr", title_justify="left")
    for name, schedule_class in sorted(source.classes().items()):
        if name in MADE_FOR_YOU:
            continue
        example, last = example_of(schedule_class)
        line = "" if example is None else sparkline(curve(example, 16, None if has_end(example) else last)[1])
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
    csv: Annotated[bool, typer.Option("--csv", help="Print step and learning_rate of every step instead.")] = False,
    plot: Plot = None,
) -> None:
    """Show a schedule: in words and as a curve in the terminal, as a picture, or as CSV."""
    from keras_lr.command import source
    from keras_lr.core.algebra import Schedule
    from keras_lr.core.fields import STEP_LIMIT
    from keras_lr.core.inner import length_of

    with user_errors():
        if csv and plot is not None:
            raise ValueError("--csv and --plot are two kinds of output: give one of them")
        parsed = source.parse(schedule)
        if isinstance(parsed, Schedule) and not parsed.is_bound:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    "the schedule has durations in epochs or fractions: give --epochs and --steps-per-epoch"
                )
            parsed = parsed.bind(steps_per_epoch=steps_per_epoch, epochs=epochs)
        length = length_of(parsed)
        count = steps or (ENDLESS if length is None else min(length + 1, STEP_LIMIT))
        if csv:
            typer.echo("step,learning_rate")
            for first in range(0, count, BLOCK):
                at = range(first, min(first + BLOCK, count))
                for step, rate in zip(at, rates_at(parsed, np.array(at)).tolist(), strict=True):
                    typer.echo(f"{step},{rate!r}")
            return
        console = Console(soft_wrap=True)
        console.print(parsed.describe() if isinstance(parsed, Schedule) else schedule, markup=False, highlight=False)
        at, rates = curve(parsed, 400, max(count - 1, 1))
        if plot is not None:
            _picture(plot, [(schedule, at, rates)])
            console.print(f"Written: {plot}", markup=False, highlight=False)
            return
        typer.echo(_terminal_plot([("", at, rates)]))


@app.command()
def inspect(
    model: Annotated[Path, typer.Argument(help="A model saved as .keras.", show_default=False)],
    ahead: Annotated[
        int | None, typer.Option(min=1, help="Show the rates of that many steps from the present one.")
    ] = None,
) -> None:
    """Say what a saved model trains with: optimizer, schedule, step, present rate and what comes next.

    The file is only read: no weights are loaded, and nothing in it is run or imported.
    """
    from keras_lr.command import inspection
    from keras_lr.core.algebra import Schedule
    from keras_lr.core.fields import STEP_LIMIT
    from keras_lr.core.inner import length_of
    from keras_lr.core.tree import is_bound

    with user_errors():
        found = inspection.inspect_file(model)
        console = Console(soft_wrap=True)

        def say(text: str) -> None:
            console.print(printable(text), markup=False, highlight=False)

        say(f"{model}, saved by Keras {found.keras_version}")
        if not found.rates:
            say("The model is not compiled: no optimizer.")
            return
        step = found.step or 0
        say("Step: " + (f"{found.step:,}" if found.step is not None else "unknown (no optimizer state)"))
        for rate in found.rates:
            if isinstance(rate.source, float | str):
                number = rate.source if isinstance(rate.source, str) else f"{rate.source:.6g}"
                say(f"{rate.name} of {rate.optimizer}: {number}")
                continue
            say(f"{rate.name} of {rate.optimizer}: {rate.source!r}")
            if not is_bound(rate.source):
                say("  not bound yet: it has durations in epochs or fractions")
                continue
            length = length_of(rate.source)
            if isinstance(rate.source, Schedule):
                say("  " + rate.source.describe())
            say(f"  now {float(rates_at(rate.source, step)):.6g}")
            until = step + (ahead or (max(length - step, 0) if length is not None else ENDLESS))
            until = min(until, STEP_LIMIT - 1)
            if until > step:
                at = np.unique(np.linspace(step, until, 9).astype(np.int64))
                say(
                    "  next "
                    + ", ".join(f"{r:.4g} at {s:,}" for s, r in zip(at, rates_at(rate.source, at), strict=True))
                )
            else:
                say("  the schedule is at its end")
        for key, entry in found.callbacks.items():
            say(f"{key}: {json.dumps(entry)[:400]}")


@app.command()
def compare(logs: Log, plot: Plot = None) -> None:
    """Compare the logs of several runs: length, rates, last metrics, and where the rates part."""
    from keras_lr.callbacks import logfile

    with user_errors():
        frames = {str(path): logfile.read_frame(path) for path in logs}
        for path, frame in frames.items():
            _check_log(path, frame)
        columns = list(dict.fromkeys(name for frame in frames.values() for name in frame.columns))
        rates = [name for frame in frames.values() for name in _rates_of(frame)]
        rates = list(dict.fromkeys(rates))
        metrics = [name for name in columns if name not in ("step", "epoch", "batch", "update", *rates)]
        first = frames[str(logs[0])]
        table = Table(
            "run", "steps", "epochs", "first rate", "highest", "last", "mean", *metrics, "rates part from the first run"
        )
        for path, frame in frames.items():
            rate = frame[_rates_of(frame)[0]] if len(frame) else None
            numbers = ["-"] * 4 if rate is None else [rate.iloc[0], rate.max(), rate.iloc[-1], rate.mean()]
            ends = [frame[name].dropna().tolist()[-1:] if name in frame else [] for name in metrics]
            table.add_row(
                path,
                f"{len(frame):,}",
                f"{frame['epoch'].nunique():,}",
                *[text if isinstance(text, str) else f"{text:.4g}" for text in numbers],
                *[f"{end[0]:.4g}" if end else "-" for end in ends],
                "" if frame is first else _parting(first, frame, rates),
            )
        Console(width=None).print(table)
        if plot is not None:
            _picture(plot, [(path, frame["step"], frame[_rates_of(frame)[0]]) for path, frame in frames.items()])
            typer.echo(f"Written: {plot}")


def _rates_of(frame: Any) -> list[str]:
    return [name for name in frame.columns if name == "learning_rate" or name.startswith("learning_rate_")]


def _check_log(path: str, frame: Any) -> None:
    """Refuse a log without rates."""
    if not _rates_of(frame):
        raise ValueError(f"{path!r} is no log: it has no column 'learning_rate'")


def _parting(first: Any, other: Any, rates: list[str]) -> str:
    """Where the rates of two logs first differ, and by how much at most."""
    both = first.merge(other, on="step", suffixes=("", " other"))
    parts = []
    for name in rates:
        if name not in both or name + " other" not in both:
            continue
        a, b = both[name].to_numpy(), both[name + " other"].to_numpy()
        apart = np.flatnonzero(~np.isclose(a, b, rtol=1e-6, atol=0.0))
        if len(apart):
            most = int(apart[np.argmax(np.abs(b - a)[apart])])
            steps = both["step"].to_numpy()
            parts.append(f"from step {steps[apart[0]]:,}, most at {steps[most]:,}: {a[most]:.4g} and {b[most]:.4g}")
        else:
            parts.append(f"nowhere in {len(both):,} steps")
    return "; ".join(parts) or "no common steps"


def _terminal_plot(curves: list[tuple[str, Any, Any]]) -> str:
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
    except (ArithmeticError, ValueError, IndexError):  # it cannot label an axis of a range of 1e-320
        return "\n".join(sparkline(rates) for _, _, rates in curves)


def _picture(path: Path, curves: list[tuple[str, Any, Any]]) -> None:
    if not path.suffix:
        raise ValueError(f"--plot {str(path)!r}: the name of a picture ends in .png, .svg or .pdf")
    optional.require("matplotlib", "plot", "plotting")
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    from keras_lr.core import drawing

    ax = drawing.new_axes()
    for label, steps, rates in curves:
        ax.plot(steps, rates, label=label)
    drawing.labelled(ax)
    ax.legend(fontsize="x-small")
    figure = pyplot.gcf()
    figure.savefig(path)
    pyplot.close(figure)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for log, picture and model.")] = Path("demo-output"),
    epochs: Annotated[int, typer.Option(min=4, help="Epochs in all; the first half before the reload.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Train a digit classifier: warmup, cosine, plateau and logger; save, reload in a new process, go on."""
    from keras_lr.command import demo as job

    with user_errors():
        job.require_libraries()
        out.mkdir(parents=True, exist_ok=True)
    raise typer.Exit(job.run(out, epochs, seed))


@app.command("demo-resume", hidden=True)
def demo_resume(out: Path, epochs: int, seed: int) -> None:
    """Carry out the second half of the demo, in its own process."""
    from keras_lr.command import demo as job

    job.resume(out, epochs, seed)
