"""The demo: real data, warmup and decay, plateau and logger, save, reload in a new process, continue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import keras_lr
from keras_lr.core import drawing, optional, quiet
from keras_lr.core.keras_versions import set_random_seed
from keras_lr.optimizers import lookup

BATCH = 32
PEAK = 0.1
FACTOR, PATIENCE, MIN_DELTA = 0.3, 3, 0.002

LIGHT, DARK = "learning_rate.png", "learning_rate_dark.png"
"""The pictures, for light and for dark pages."""


def require_libraries() -> None:
    """Check before the training that the libraries for the data and the picture are installed."""
    optional.require("sklearn", "demo", "the demo", package="scikit-learn")
    optional.require("matplotlib", "demo", "the demo")


# Keras may import TensorFlow later, even if it runs on another backend.
@quiet.without_startup_lines()
def run(out: Path, epochs: int, seed: int) -> int:
    """Train the first half, save, train the rest in a new process, report. Returns the exit status."""
    console = Console()
    for name in ("log.csv", "history.json", "model.keras", LIGHT, DARK):
        (out / name).unlink(missing_ok=True)
    set_random_seed(seed)
    half, schedule = epochs // 2, the_schedule(epochs)
    console.print(f"Schedule: {schedule.describe()}")
    model = build(schedule)
    train(model, out, range(half), seed)
    model.save(out / "model.keras")
    step, following = lookup.step_of(model), keras_lr.get_learning_rate(model)
    console.print(f"Saved after epoch {half}: step {step}, next rate {following:.6f}. Continuing in a new process.")
    command = [sys.executable, "-m", "keras_lr", "demo-resume", str(out), str(epochs), str(seed)]
    if subprocess.run(command, check=False).returncode != 0:
        console.print("[red]The second process failed.[/red]")
        return 1
    return report(console, out, step, following)


@quiet.without_startup_lines()
def resume(out: Path, epochs: int, seed: int) -> None:
    """Reload the model and train the second half."""
    model = keras.models.load_model(out / "model.keras")
    train(model, out, range(epochs // 2, epochs), seed)


def the_schedule(epochs: int) -> keras_lr.Schedule:
    """Two epochs of warmup, then a cosine to the end."""
    steps = -(-len(digits()[0][0]) // BATCH)
    return keras_lr.Warmup(keras_lr.CosineDecay(PEAK, (epochs - 2) * steps, alpha=0.02), 2 * steps)


def digits() -> tuple[Any, Any]:
    """The 1,797 handwritten digits of scikit-learn, a quarter of them held out."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    labels = labels.astype("int32")  # JAX warns of int64, which it does not have
    parts = train_test_split(pixels.astype("float32") / 16, labels, test_size=0.25, random_state=0, stratify=labels)
    return (parts[0], parts[2]), (parts[1], parts[3])


def build(schedule: keras_lr.Schedule) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


class _Watch(keras.callbacks.Callback):
    """Records the epochs (from 1) after which the plateau reduced, and its best validation loss at that time."""

    def __init__(self, plateau: keras_lr.ReduceOnPlateau) -> None:
        super().__init__()
        self._plateau = plateau
        self._seen = 0
        self.reduced_after: list[int] = []
        self.best: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._seen = self._plateau.state.n_reductions

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        state = self._plateau.state
        if state.n_reductions != self._seen:
            self.reduced_after.append(epoch + 1)
            self.best.append(float(state.best or 0.0))


class _Bar(keras.callbacks.Callback):
    def __init__(self, progress: Progress, epochs: int) -> None:
        super().__init__()
        self._progress = progress
        self._task = progress.add_task("training", total=epochs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._progress.advance(self._task)


def train(model: keras.Model, out: Path, epochs: range, seed: int) -> None:
    """Train some of the epochs, and write the results to the folder."""
    (x, y), held_out = digits()
    set_random_seed(seed + epochs.start)
    plateau = keras_lr.ReduceOnPlateau("val_loss", FACTOR, PATIENCE, min_delta=MIN_DELTA, min_lr=1e-3)
    # Without the audit, which would warn that this process ends in the middle of the schedule.
    logger = keras_lr.LearningRateLogger(metrics=("loss",), path=out / "log.csv", audit=False)
    watch = _Watch(plateau)
    with Progress(transient=True) as progress:
        history = model.fit(
            x,
            y,
            batch_size=BATCH,
            epochs=epochs.stop,
            initial_epoch=epochs.start,
            validation_data=held_out,
            verbose=0,
            callbacks=[plateau, logger, watch, _Bar(progress, len(epochs))],
        ).history
    path = out / "history.json"
    before: dict[str, list[Any]] = {"epochs": [], "reduced_after": [], "best": [], "resumed_at": []}
    if path.exists():
        before = json.loads(path.read_text())
    rows = [
        {"epoch": epoch, **{name: float(values[index]) for name, values in history.items()}}
        for index, epoch in enumerate(epochs)
    ]
    before["epochs"] += rows
    before["reduced_after"] += watch.reduced_after
    before["best"] += watch.best
    before["resumed_at"].append(epochs.start)
    path.write_text(json.dumps(before, indent=1))


def report(console: Console, out: Path, step: int, following: float) -> int:
    """Check that rate and step continued, print the table, draw the picture."""
    import pandas as pd

    log, history = pd.read_csv(out / "log.csv"), json.loads((out / "history.json").read_text())
    table = Table("epoch", "steps", "first rate", "last rate", "loss", "held-out accuracy", title="Training")
    for row in history["epochs"]:
        part = log[log.epoch == row["epoch"]]
        mark = " reduced" if row["epoch"] + 1 in history["reduced_after"] else ""
        table.add_row(
            str(row["epoch"] + 1),
            f"{part.step.iloc[0]}-{part.step.iloc[-1]}",
            f"{part.learning_rate.iloc[0]:.5f}",
            f"{part.learning_rate.iloc[-1]:.5f}{mark}",
            f"{row['loss']:.4f}",
            f"{row['val_accuracy']:.4f}",
        )
    console.print(table)
    for name, style in ((LIGHT, "default"), (DARK, "dark_background")):
        draw(log, history, step, out / name, style)
    resumed = log[log.step == step]
    whole = log.step.tolist() == list(range(len(log)))
    if not whole or len(resumed) != 1 or not np.isclose(resumed.learning_rate.iloc[0], following, rtol=1e-6):
        console.print(f"[red]Rate or step did not continue: step {step} should have the rate {following}.[/red]")
        return 1
    console.print(f"Continued: step {step} was made by the new process with the rate {following:.6f}, as expected.")
    for line in events(log, history):
        console.print(line)
    console.print(f"Written: {out}/log.csv, {LIGHT}, {DARK}")
    return 0


def events(log: Any, history: dict[str, Any]) -> list[str]:
    """The reductions of the plateau, with reasons."""
    lines = []
    for epoch, best in zip(history["reduced_after"], history["best"], strict=True):
        before = log[log.epoch == epoch - 1].learning_rate.iloc[-1]
        following = log[log.epoch == epoch].learning_rate
        after = f"{following.iloc[0]:.5f}" if len(following) else "none, since the training ends here"
        lines.append(
            f"Plateau: after epoch {epoch} the rate changed from {before:.5f} to {after}. For {PATIENCE} epochs the "
            f"validation loss had not fallen below {best:.4f} by more than {MIN_DELTA}."
        )
    return lines


def batch_losses(log: Any, examples: int) -> Any:
    """The loss of each batch, from the running means over the epoch that Keras reports."""
    seen = np.minimum((log.batch + 1) * BATCH, examples)
    total = log.loss * seen
    # Before the first batch of an epoch, the sum is 0.
    earlier = total.shift(fill_value=0.0).where(log.batch > 0, 0.0)
    return (total - earlier) / (seen - seen.shift(fill_value=0).where(log.batch > 0, 0))


def draw(log: Any, history: dict[str, Any], step: int, path: Path, style: str) -> None:
    """Draw the rate over steps, and below it the loss of each batch and the held-out accuracy."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    with pyplot.style.context(style):
        figure, (top, bottom) = pyplot.subplots(2, 1, figsize=(8, 5.2), sharex=True, layout="constrained")
        ends = log.groupby("epoch").step.max()
        _draw_rate(top, log, [ends[epoch - 1] + 1 for epoch in history["reduced_after"]], step)
        losses = batch_losses(log, len(digits()[0][0]))
        per_epoch = int(ends.iloc[0]) + 1
        bottom.plot(log.step, losses, color="tab:orange", alpha=0.4, linewidth=0.7, label="loss of each batch")
        smooth = losses.rolling(per_epoch, center=True, min_periods=per_epoch // 2).median()
        bottom.plot(log.step, smooth, color="tab:orange", label="its median over an epoch")
        bottom.set_yscale("log")
        bottom.set_ylabel("training loss")
        bottom.set_xlabel("step (batches)")
        bottom.grid(visible=True, alpha=0.3)
        right = bottom.twinx()
        accuracy = [row["val_accuracy"] for row in history["epochs"]]
        at = [ends[row["epoch"]] for row in history["epochs"]]
        line = right.plot(at, accuracy, color="tab:green", marker=".", label="accuracy on held-out digits")
        right.set_ylabel("held-out accuracy", color="tab:green")
        lines = [*bottom.get_lines(), *line]
        bottom.legend(handles=lines, loc="center right", bbox_to_anchor=(1.0, 0.72), fontsize="small")
        figure.savefig(path, dpi=110)
        pyplot.close(figure)


def _draw_rate(ax: Any, log: Any, reduced_at: list[int], step: int) -> None:
    """Draw the rates, their reductions with the reason, and the step at which the training was reloaded."""
    drawing.log(log, ax, label="learning rate of each batch", color="tab:blue")
    ax.axvline(step, color="0.5", linestyle="--", label="saved, and reloaded in a new process")
    why = f"plateau: × {FACTOR} after {PATIENCE} epochs without a lower validation loss"
    for number, at in enumerate(reduced_at):
        ax.axvline(at, color="tab:red", linestyle=":", label=why if number == 0 else None)
    ax.set_title("Warmup, cosine and plateau on scikit-learn's digits")
    ax.set_ylim(top=1.45 * PEAK)  # room for the legend
    ax.legend(loc="upper right", fontsize="small")
    ax.set_xlabel("")
