"""The time to read the present learning rate in a callback, as a number, step after step.

    KERAS_BACKEND=jax python -m benchmarks reads

The counter moves on before each read; what moving it takes is not counted. The cases take turns, so that each read
finds the processor's caches as a callback does: full of something else. "eagerly" is
``float(optimizer.learning_rate)`` and its twin `get_learning_rate`.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common
from benchmarks.logger import model_with
from benchmarks.steps import five

stock = keras.optimizers.schedules


def number(rate: Any) -> float:
    return float(keras.ops.convert_to_numpy(rate))


def cases() -> dict[str, tuple[Any, Any]]:
    """Name → (model, what reads its rate)."""
    ours = {
        "cosine": klr.CosineDecay(0.1, 10**6),
        "restarts": klr.CosineDecayRestarts(0.1, 1000),
        "join of five": five(),
    }
    theirs = {
        "Keras's ExponentialDecay": stock.ExponentialDecay(0.1, 1000, 0.9),
        "Keras's CosineDecay": stock.CosineDecay(0.1, 10**6),
        "Keras's CosineDecay with warmup": stock.CosineDecay(0.0, 10**6, warmup_target=0.1, warmup_steps=100),
        "Keras's CosineDecayRestarts": stock.CosineDecayRestarts(0.1, 1000),
    }
    found = {}
    for name, schedule in {**ours, **theirs}.items():
        model = model_with(schedule)
        found[f"{name}, eagerly"] = (model, lambda model=model: number(model.optimizer.learning_rate))
        if name in ours:
            found[f"{name}, get_learning_rate"] = (model, lambda model=model: klr.get_learning_rate(model))
    return found


def main(quick: bool = False) -> None:
    turns, rows = (3 if quick else 100), []
    chosen = cases()
    taken: dict[str, list[float]] = {name: [] for name in chosen}
    draw, names = np.random.default_rng(0), list(chosen)
    for turn in range(turns):
        gc.collect()  # what a compilation leaves behind is not charged to the read after it
        gc.disable()
        for which in draw.permutation(len(names)):
            name = names[which]
            model, read = chosen[name]
            model.optimizer._iterations.assign(turn)
            begin = time.perf_counter()
            read()
            taken[name].append((time.perf_counter() - begin) * 1e6)
        gc.enable()
    for name, times in taken.items():
        low, middle, high = np.percentile(times[len(times) // 10 :], [25, 50, 75])
        rows.append({"case": name, "microseconds": middle, "low": low, "high": high})
        print(f"{common.backend():10} {name:44} {middle:9.1f} µs ({low:.1f} to {high:.1f})", flush=True)
    common.save("reads", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
