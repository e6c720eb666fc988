"""The time of a training step with a schedule, a plateau or a logger, relative to a constant rate.

    KERAS_BACKEND=jax python -m benchmarks steps

Models that differ in nothing else take turns, in an order drawn anew each time, a stretch of steps of `fit` a
turn. "constant again" is a second model with a constant rate: what the machine's noise makes of 1. "an empty
callback" has one whose hooks do nothing: Keras then no longer hands the hooks of its own callbacks to a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common

BATCH, WIDTH = 32, 64
FAR = 1_000_000


class Empty(keras.callbacks.Callback):
    """A hook that does nothing."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


class PerBatchSetter(keras.callbacks.Callback):
    """A cyclical rate assigned before every batch, as callbacks for Keras 1 and 2 did it (bckenstler's CLR)."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        step = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
        cycle = np.floor(1 + step / 4000)
        self.model.optimizer.learning_rate = 1e-4 + 9e-4 * max(0.0, 1 - abs(step / 2000 - 2 * cycle + 1))


class NaiveLogger(keras.callbacks.Callback):
    """The logger that everyone writes: it reads the rate after every batch (and gets that of the next one)."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def five() -> klr.Schedule:
    """A join of five."""
    parts = [klr.LinearDecay(1e-3, FAR, 9e-4), klr.CosineDecay(9e-4, FAR), klr.Constant(5e-4)]
    return klr.Sequential([*parts, klr.ExponentialDecay(4e-4, FAR, 0.5), klr.REXDecay(3e-4, FAR)], [9, 99, 999, 9999])


def keras_five() -> Any:
    return keras.optimizers.schedules.PiecewiseConstantDecay([9, 99, 999, 9999], [1e-3, 9e-4, 5e-4, 4e-4, 3e-4])


def plateau() -> keras.callbacks.Callback:
    return klr.ReduceOnPlateau("loss", patience=10**6)


stock = keras.optimizers.schedules
Case = tuple[Callable[[], Any], Callable[[], list[Any]]]
OURS: dict[str, Case] = {
    "cosine": (lambda: klr.CosineDecay(1e-3, FAR), list),
    "restarts": (lambda: klr.CosineDecayRestarts(1e-3, 1000), list),
    "join of five": (five, list),
    "plateau on a cosine": (lambda: klr.Reduced(klr.CosineDecay(1e-3, FAR), 0.5), lambda: [plateau()]),
    "logger, number": (lambda: 1e-3, lambda: [klr.LearningRateLogger(audit=False)]),
    "logger, cosine": (lambda: klr.CosineDecay(1e-3, FAR), lambda: [klr.LearningRateLogger(audit=False)]),
    "logger with loss, cosine": (
        lambda: klr.CosineDecay(1e-3, FAR),
        lambda: [klr.LearningRateLogger(["loss"], audit=False)],
    ),
}
PEERS: dict[str, Case] = {
    "Keras's CosineDecay": (lambda: stock.CosineDecay(1e-3, FAR), list),
    "Keras's CosineDecayRestarts": (lambda: stock.CosineDecayRestarts(1e-3, 1000), list),
    "Keras's PiecewiseConstantDecay": (keras_five, list),
    "LearningRateScheduler": (lambda: 1e-3, lambda: [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate)]),
    "a rate set before each batch": (lambda: 1e-3, lambda: [PerBatchSetter()]),
    "a naive logger, number": (lambda: 1e-3, lambda: [NaiveLogger()]),
    "a naive logger, Keras's cosine": (lambda: stock.CosineDecay(1e-3, FAR), lambda: [NaiveLogger()]),
}
CONSTANT, AGAIN = "constant", "constant again"
EMPTY, EMPTY_COSINE = "an empty callback", "an empty callback, cosine"
CASES: dict[str, Case] = {
    CONSTANT: (lambda: 1e-3, list),
    AGAIN: (lambda: 1e-3, list),
    EMPTY: (lambda: 1e-3, lambda: [Empty()]),
    EMPTY_COSINE: (lambda: klr.CosineDecay(1e-3, FAR), lambda: [Empty()]),
    **OURS,
    **PEERS,
}


SHORTLIST = (
    CONSTANT,
    AGAIN,
    EMPTY,
    EMPTY_COSINE,
    "cosine",
    "join of five",
    "plateau on a cosine",
    "logger, cosine",
    "Keras's CosineDecay",
    "a naive logger, Keras's cosine",
)
"""The cases for 200 variables, whose steps take long to compile."""


QUICK = (CONSTANT, "plateau on a cosine", "logger with loss, cosine", "a rate set before each batch")


def model_of(optimizer: Any, variables: int, jit_compile: Any = "auto") -> Any:
    """An MLP with that many variables, two of a layer."""
    layers = [keras.layers.Dense(WIDTH, "relu") for _ in range(variables // 2 - 1)]
    model = keras.Sequential([keras.Input((WIDTH,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse", jit_compile=jit_compile)
    return model


def variants() -> dict[str, bool]:
    """The ways in which the backend runs a step: name → jit_compile."""
    name = common.backend()
    return {"tensorflow": False, "tensorflow, XLA": True} if name == "tensorflow" else {name: name == "jax"}


def measured(names: tuple[str, ...], variables: int, xla: bool, turns: int, steps: int) -> dict[str, np.ndarray]:
    """Seconds of each turn for each case."""
    x = np.random.default_rng(0).normal(size=(steps * BATCH, WIDTH)).astype("float32")
    data, works = (x, x[:, :1]), {}
    for name in names:
        rate, callbacks = CASES[name]
        model, chosen = model_of(keras.optimizers.AdamW(rate()), variables, xla), callbacks()

        def work(model: Any = model, chosen: Any = chosen) -> None:
            model.fit(*data, batch_size=BATCH, epochs=1, verbose=0, shuffle=False, callbacks=chosen)

        works[name] = work
    return common.interleaved(works, turns, warm=2)


def main(quick: bool = False) -> None:
    keras.utils.set_random_seed(0)
    rows = []
    for variant, xla in variants().items():
        for names, variables, turns, steps in ((tuple(CASES), 10, 24, 80), (SHORTLIST, 200, 12, 20)):
            if xla and variables > 10 and common.backend() == "tensorflow":
                continue  # minutes to compile for each case
            if quick:
                names, variables, turns, steps = QUICK, 4, 1, 3
            taken = measured(names, variables, xla, turns, steps)
            base = taken[CONSTANT]
            for name in names:
                if name != CONSTANT:
                    found = common.ratio(taken[name], base)
                    rows.append({"variant": variant, "variables": variables, "case": name, **found})
                    print(f"{variant:16} {variables:3} variables, {name:32} {found['median']:.3f}", flush=True)
            per_step = float(np.median(base) / steps * 1e6)
            rows.append({"variant": variant, "variables": variables, "case": CONSTANT, "microseconds": per_step})
            common.save("steps", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
