"""Time of a training step with scheduled hyperparameters, relative to the stock optimizer.

    KERAS_BACKEND=jax python benchmarks/scheduled_step.py

Each pair of an MLP of 10 and of 200 variables is trained in turns, a stretch of steps at a time;
printed is the median of the ratios of neighbouring stretches, with its quartiles.
"""

import time

import keras
import numpy as np

import keras_lr as klr

STRETCHES, STEPS, BATCH = 40, 60, 32
SCHEDULE = klr.CosineDecay(0.9, 10_000)


def optimizers(kind):
    """The stock optimizer, and the same with a schedule."""
    if kind == "SGD momentum":
        return keras.optimizers.SGD(1e-3, momentum=0.9), klr.Scheduled(keras.optimizers.SGD(1e-3), momentum=SCHEDULE)
    stock = keras.optimizers.AdamW(1e-3)
    return stock, klr.Scheduled(keras.optimizers.AdamW(1e-3), beta_1=SCHEDULE, weight_decay=SCHEDULE)


def model_of(optimizer, variables):
    """An MLP with that many variables (two of a layer)."""
    layers = [keras.layers.Dense(64, "relu") for _ in range(variables // 2 - 1)]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse")
    return model


def ratios(kind, variables):
    x = np.random.default_rng(0).normal(size=(STEPS * BATCH, 64)).astype("float32")
    y = x[:, :1]
    models = [model_of(optimizer, variables) for optimizer in optimizers(kind)]
    taken = []
    for _ in range(STRETCHES + 2):
        pair = []
        for model in models:
            begin = time.perf_counter()
            model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0, shuffle=False)
            pair.append(time.perf_counter() - begin)
        models.reverse()
        taken.append(pair if len(taken) % 2 == 0 else pair[::-1])
    return [scheduled / stock for stock, scheduled in taken[2:]]


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    for kind in ("SGD momentum", "AdamW beta_1, weight_decay"):
        for variables in (10, 200):
            low, middle, high = np.percentile(ratios(kind, variables), [25, 50, 75])
            print(
                f"{keras.config.backend():10} {kind:27} {variables:3} variables: {middle:.3f} ({low:.3f} to {high:.3f})"
            )
