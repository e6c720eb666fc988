"""Time of a training step with scheduled hyperparameters, relative to the stock optimizer.

    KERAS_BACKEND=jax python benchmarks/scheduled_step.py

Three models are trained in turns, in an order drawn anew each time, a stretch of steps at a time:
two with the stock optimizer and one with the schedule. Printed are the medians, with quartiles, of
the ratios of stretches of one turn: scheduled over stock, and as the measure's own error the second
stock model over the first.
"""

import time

import keras
import numpy as np

import keras_lr as klr

TURNS, STEPS, BATCH = 200, 40, 32
SCHEDULE = klr.CosineDecay(0.9, 10_000)


def stock(kind):
    """The stock optimizer."""
    return keras.optimizers.SGD(1e-3, momentum=0.9) if kind == "SGD momentum" else keras.optimizers.AdamW(1e-3)


def scheduled(kind):
    """The same with a schedule."""
    if kind == "SGD momentum":
        return klr.Scheduled(keras.optimizers.SGD(1e-3), momentum=SCHEDULE)
    return klr.Scheduled(keras.optimizers.AdamW(1e-3), beta_1=SCHEDULE, weight_decay=SCHEDULE)


def model_of(optimizer, variables):
    """An MLP with that many variables (two of a layer)."""
    layers = [keras.layers.Dense(64, "relu") for _ in range(variables // 2 - 1)]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse")
    return model


def times(kind, variables):
    """Seconds of each stretch: turns × (stock, stock again, scheduled)."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(STEPS * BATCH, 64)).astype("float32")
    models = [model_of(optimizer, variables) for optimizer in (stock(kind), stock(kind), scheduled(kind))]
    taken = np.zeros((TURNS + 2, len(models)))
    for turn in taken:
        for which in draw.permutation(len(models)):
            begin = time.perf_counter()
            models[which].fit(x, x[:, :1], batch_size=BATCH, epochs=1, verbose=0, shuffle=False)
            turn[which] = time.perf_counter() - begin
    return taken[2:]


def quartiles(ratios):
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    for kind in ("SGD momentum", "AdamW beta_1, weight_decay"):
        for variables in (10, 200):
            first, second, with_schedule = times(kind, variables).T
            ours = np.concatenate([with_schedule / first, with_schedule / second])
            print(
                f"{keras.config.backend():10} {kind:27} {variables:3} variables: scheduled {quartiles(ours)}, "
                f"stock again {quartiles(second / first)}",
                flush=True,
            )
