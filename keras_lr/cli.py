"""The commands of `keras-lr`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Learning-rate scheduling for Keras 3.")


@app.command("list")
def list_schedules() -> None:
    """List every schedule with what its curve looks like."""
    import keras_lr

    table = Table("schedule", "curve", title="Schedules of keras_lr", title_justify="left")
    for name in keras_lr.__all__:
        thing = getattr(keras_lr, name)
        if inspect.isclass(thing) and issubclass(thing, keras_lr.Schedule) and thing is not keras_lr.Schedule:
            table.add_row(name, (thing.__doc__ or "").strip().splitlines()[0])
    Console().print(table)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for log, picture and model.")] = Path("demo-output"),
    epochs: Annotated[int, typer.Option(min=4, help="Epochs in all; the first half before the reload.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Train a digit classifier: warmup, cosine, plateau and logger; save, reload in a new process, go on."""
    from keras_lr import demo as job

    raise typer.Exit(job.run(out, epochs, seed))


@app.command("demo-resume", hidden=True)
def demo_resume(out: Path, epochs: int, seed: int) -> None:
    """Carry out the second half of the demo, in its own process."""
    from keras_lr import demo as job

    job.resume(out, epochs, seed)
