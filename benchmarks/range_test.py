"""Time of the range test, relative to plain `fit` of as many batches.

    KERAS_BACKEND=jax python -m benchmarks range_test

Both in turns, in an order drawn anew each time; the figure is the median of the ratios of single turns.
Both begin with a model that has trained already: `fit` has compiled its step, the range test compiles its own.
The difference of two lengths of both takes that compilation out; it is printed by itself.
"""

import functools
import math

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common

TURNS, SHORT, LONG, BATCH = 11, 100, 600, 32


def model_and_data():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(256, "relu") for _ in range(4)]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-5, momentum=0.9), loss="mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(LONG * BATCH, 64)).astype("float32")
    return model, x, x[:, :1]


def compared(model, x, y, batch, counts, turns, seconds=math.inf, finish=lambda: None):
    """A batch of the range test, relative to one of `fit`, and the seconds of its start and end.

    Both are trained for two numbers of batches. `finish` waits until the device has finished.
    """

    def fit(count):
        model.fit(x[: count * batch], y[: count * batch], batch_size=batch, verbose=0)
        finish()

    def test(count):
        klr.find_learning_rate(model, x, y, batch_size=batch, steps=count, max_rate=1e-5, progress=False)
        finish()

    short, long = counts
    works = {(work, count): functools.partial(work, count) for work in (fit, test) for count in counts}
    taken = common.interleaved(works, turns, seconds=seconds)
    of_batches = taken[test, long] - taken[test, short]
    start = float(np.median(taken[test, short] - of_batches * short / (long - short)))
    return common.ratio(of_batches, taken[fit, long] - taken[fit, short]), start


def main(quick=False):
    turns, counts = (1, (10, 20)) if quick else (TURNS, (SHORT, LONG))
    model, x, y = model_and_data()
    model.fit(x[: 2 * BATCH], y[: 2 * BATCH], batch_size=BATCH, verbose=0)
    figures, start = compared(model, x, y, BATCH, counts, turns)
    print(
        f"{common.backend():10} a batch of the range test: {figures['median']:.3f} of one of fit; start and end "
        f"(compilation, keeping and putting back): {start:.2f} s"
    )
    common.save("range_test", common.backend(), [{**figures, "start_seconds": start}], quick)


if __name__ == "__main__":
    main()
