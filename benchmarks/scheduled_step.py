"""Time of a training step with scheduled hyperparameters, relative to the stock optimizer.

    KERAS_BACKEND=jax python -m benchmarks scheduled_step

Three models are trained in turns, in an order drawn anew each time, a stretch of steps at a time:
two with the stock optimizer and one with the schedule. The figures are medians of the ratios of stretches of
one turn: scheduled over stock, and as the measure's own error the second stock model over the first.
"""

import functools
import time

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common
from benchmarks.steps import BATCH, WIDTH, model_of

TURNS, STEPS = 60, 40
SCHEDULE = klr.CosineDecay(0.9, 10_000)


def stock(kind):
    """The stock optimizer."""
    return keras.optimizers.SGD(1e-3, momentum=0.9) if kind == "SGD momentum" else keras.optimizers.AdamW(1e-3)


def scheduled(kind):
    """The same with a schedule."""
    if kind == "SGD momentum":
        return klr.Scheduled(keras.optimizers.SGD(1e-3), momentum=SCHEDULE)
    return klr.Scheduled(keras.optimizers.AdamW(1e-3), beta_1=SCHEDULE, weight_decay=SCHEDULE)


def times(kind, variables, turns, steps):
    """Seconds of each stretch: turns × (stock, stock again, scheduled)."""
    x = np.random.default_rng(0).normal(size=(steps * BATCH, WIDTH)).astype("float32")
    models = [model_of(optimizer, variables) for optimizer in (stock(kind), stock(kind), scheduled(kind))]
    fits = [functools.partial(model.fit, x, x[:, :1], BATCH, verbose=0, shuffle=False) for model in models]
    return common.stretches(fits, turns, time.perf_counter)


def main(quick=False):
    keras.utils.set_random_seed(0)
    rows = []
    for kind in ("SGD momentum", "AdamW beta_1, weight_decay"):
        for variables in (10, 200):
            turns, steps = (2, 2) if quick else (TURNS if variables == 10 else TURNS // 4, STEPS)
            first, second, with_schedule = times(kind, min(variables, 20) if quick else variables, turns, steps).T
            found = {"scheduled": common.ratio(with_schedule, first), "stock again": common.ratio(second, first)}
            for case, figures in found.items():
                rows.append({"kind": kind, "variables": variables, "case": case, **figures})
                print(
                    f"{common.backend():10} {kind:27} {variables:3} variables: {case} {figures['median']:.3f}",
                    flush=True,
                )
            common.save("scheduled_step", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
