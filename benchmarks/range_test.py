"""Time of the range test, relative to plain `fit` of as many batches.

    KERAS_BACKEND=jax python benchmarks/range_test.py

Both in turns, in an order drawn anew each time; printed is the median of the ratios of one turn, with quartiles.
Both begin with a model that has trained already: `fit` has compiled its step, the range test compiles its own.
The difference of two lengths of both takes that compilation out; it is printed by itself.
"""

import time

import keras
import numpy as np

import keras_lr as klr

TURNS, SHORT, LONG, BATCH = 15, 100, 600, 32


def model_and_data():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(256, "relu") for _ in range(4)]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-5, momentum=0.9), loss="mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(LONG * BATCH, 64)).astype("float32")
    return model, x, x[:, :1]


def seconds(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    model, x, y = model_and_data()
    draw = np.random.default_rng(1)
    model.fit(x, y, batch_size=BATCH, verbose=0)

    def fit(count):
        model.fit(x[: count * BATCH], y[: count * BATCH], batch_size=BATCH, verbose=0)

    def test(count):
        klr.find_learning_rate(model, x, y, batch_size=BATCH, steps=count, max_rate=1e-5, progress=False)

    work = [(fit, SHORT), (fit, LONG), (test, SHORT), (test, LONG)]
    taken = np.zeros((TURNS + 1, 4))
    for turn in taken:
        for which in draw.permutation(4):
            function, count = work[which]
            turn[which] = seconds(lambda function=function, count=count: function(count))
    fit_short, fit_long, test_short, test_long = taken[1:].T
    low, middle, high = np.percentile((test_long - test_short) / (fit_long - fit_short), [25, 50, 75])
    start = np.median(test_short - (test_long - test_short) * SHORT / (LONG - SHORT))
    print(
        f"{keras.config.backend():10} a batch of the range test: {middle:.3f} ({low:.3f} to {high:.3f}) of one of fit; "
        f"start and end (compilation, keeping and putting back): {start:.2f} s"
    )
