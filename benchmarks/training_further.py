"""Can a schedule do in a quarter of the epochs what the constant rate does in all of them? A wider search.

    KERAS_BACKEND=jax python -m benchmarks training_further

`training` gives each schedule the same four peak rates and one weight decay. Here the two schedules that do best there
get what the literature advises for short trainings (Smith & Topin 2017, arXiv 1708.07120): a cycled momentum (with
one-cycle), larger peak rates, the rates that a range test suggests, and other weight decays. For each task and
optimizer, and each of the two schedules:

1. The peak is chosen among the four of `training`, two larger ones and the suggestions of the range test.
2. With that peak, the weight decay is chosen among three.
3. With both, five other seeds train on the whole training set. Only these are reported, by the test set.

Stages 1 and 2 train on three quarters of the training set with two seeds, and choose by the accuracy on the last
quarter after the last epoch. All of this was fixed before the first training. The goal is the best accuracy of the
constant rate in 60 epochs, as `training` measured it: run that one first. An interrupted run continues from its
journals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import pandas as pd

import keras_lr as klr
from benchmarks import training

SCHEDULES = ("one-cycle", "warmup-stable-decay")
LARGER = (10**0.5, 10.0)
"""Peak rates above the largest one of `training`, in its multiples."""

RULES: tuple[Any, ...] = ("valley", "steepest", "minimum")
DECAYS: dict[str, tuple[float, ...]] = {"sgd": (0.0, 5e-4, 5e-3), "adamw": (0.01, 0.1, 0.3)}
"""Weight decays, separate from the loss, as Keras applies them. The first is that of `training`."""


def suggested(task: str, optimizer: str) -> dict[str, float]:
    """What the range test suggests, by rule, as a median of three runs on the data that peaks are chosen with."""
    x, y, _, _ = training.parts(task, held_out=True)
    keras.utils.set_random_seed(training.CHOOSING[0])
    model = training.build(task, optimizer, 1e-3)
    test = klr.find_learning_rate(
        model, x, y, batch_size=training.BATCH, max_rate=10.0, repeats=3, seed=0, progress=False
    )
    rates = {rule: test.suggestion(rule) for rule in RULES}
    return {rule: float(f"{rate:.2g}") for rule, rate in rates.items() if rate is not None}


def trainings(
    task: str, optimizer: str, names: Sequence[str], decays: Sequence[float], rates: Any, stage: str, quick: bool
) -> pd.DataFrame:
    """The trainings of one stage with some schedules, weight decays and peak rates."""
    held_out = not stage.startswith("report")
    seeds = training.CHOOSING if held_out else training.REPORTED
    seeds = seeds[: 1 if held_out else 2] if quick else seeds
    schedules, epochs = {name: training.SCHEDULES[name] for name in names}, 2 if quick else training.SHORT
    frames = []
    for decay in decays:
        name = f"further-{stage}-{decay:g}"
        found = training.compared(task, optimizer, schedules, rates, epochs, held_out, seeds, decay, name)
        frames.append(found.to_frame().assign(decay=decay))
    return pd.concat(frames, ignore_index=True)


def best(frame: pd.DataFrame, name: str) -> tuple[float, float]:
    """The weight decay and the peak of the best mean accuracy after the last epoch."""
    last = frame[(frame["schedule"] == name) & (frame["epoch"] == frame["epoch"].max())]
    means = last.groupby(["decay", "peak"])["val_accuracy"].mean()
    decay, peak = means.idxmax()
    return float(decay), float(peak)


def cell(task: str, optimizer: str, quick: bool) -> list[dict[str, Any]]:
    """All of one task and optimizer: a row for each schedule."""
    rates = training.PEAKS[optimizer]
    found = suggested(task, optimizer)
    tried = sorted({*rates, *(float(f"{rates[-1] * factor:.2g}") for factor in LARGER), *found.values()})
    decays = DECAYS[optimizer]
    peaks = trainings(task, optimizer, SCHEDULES, decays[:1], tried[:2] if quick else tried, "peaks", quick)
    rows = []
    for name in SCHEDULES:
        _, peak = best(peaks, name)
        decay, _ = best(trainings(task, optimizer, [name], decays, [peak], f"decays-{name}", quick), name)
        frame = trainings(task, optimizer, [name], [decay], [peak], f"report-{name}", quick)
        curves = frame.pivot_table(index="epoch", columns="seed", values="val_accuracy")
        made = training.row(task, optimizer, name, training.SHORT, peak, curves)
        rows.append({**made, "weight_decay": decay, "peaks": tried, "suggested": found})
    return rows


def main(quick: bool = False, tasks: tuple[str, ...] = training.TASKS) -> None:
    """Some tasks, or all."""
    training.run("training_further", lambda task, optimizer: cell(task, optimizer, quick), quick, tasks)


if __name__ == "__main__":
    main()
