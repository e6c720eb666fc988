"""Whether layer-wise rates and thawing help a fine-tuning: real digits, equal tuning budgets, several seeds.

    KERAS_BACKEND=torch python -m benchmarks fine_tuning

A small network is trained on the digits 0 to 4 of scikit-learn's `load_digits`, and then tuned on 10 images of each
of the digits 5 to 9. Each strategy has the same budget: the same peak rates, on the same tuning seeds, chosen by
accuracy on one half of the other images. Its accuracy is measured on the other half, with other seeds, and compared
with that of one rate for all layers, seed by seed. It writes docs/images/fine_tuning.svg.
"""

from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_lr as klr
from benchmarks import common

FIGURE = Path(__file__).parents[1] / "docs" / "images" / "fine_tuning.svg"
PEAKS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
TUNING, FINAL = range(5), range(100, 120)
STEPS, BATCH, EACH, EVERY = 60, 10, 10, 10
BODY = ("conv_1", "conv_2", "dense")


def thawing(*starts):
    """A factor that is 0 until a step, and then 1, for each layer of the body."""
    return {f"{name}/": klr.Sequential([0.0, 1.0], [start]) for name, start in zip(BODY, starts, strict=True)}


def factors(strategy, model):
    """The multipliers of one strategy."""
    return {
        "one rate": dict,
        "head ×10": lambda: {f"{name}/": 0.1 for name in BODY},
        "layer-wise decay 0.5": lambda: klr.layerwise_decay(model, 0.5),
        "gradual thawing": lambda: thawing(3 * STEPS // 4, STEPS // 2, STEPS // 4),
        "frozen body": lambda: {f"{name}/": 0.0 for name in BODY},
    }[strategy]()


STRATEGIES = ("one rate", "head ×10", "layer-wise decay 0.5", "gradual thawing", "frozen body")


def images():
    """Images of the digits 0 to 4 and of 5 to 9, each with labels from 0 to 4."""
    x, y = load_digits(return_X_y=True)
    x, small = x.reshape(-1, 8, 8, 1).astype("float32") / 16, y < 5
    return (x[small], y[small]), (x[~small], y[~small] - 5)


def network():
    """Two convolutions, a dense layer and the head."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, activation="relu", name="conv_1"),
            keras.layers.Conv2D(32, 3, activation="relu", name="conv_2"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu", name="dense"),
            keras.layers.Dense(5, name="head"),
        ]
    )


def loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def pretrained(seed, data, epochs):
    """The weights of a network that was trained on the first digits."""
    keras.utils.set_random_seed(seed)
    model = network()
    model.compile(keras.optimizers.Adam(0.002), loss())
    model.fit(*data, batch_size=64, epochs=epochs, verbose=0)
    return model.get_weights()


def split(y, seed):
    """Places of the images to train with, to choose by, and to measure with."""
    order = np.random.default_rng(seed).permutation(len(y))
    chosen = np.concatenate([order[y[order] == label][:EACH] for label in range(5)])
    rest = np.setdiff1d(order, chosen)
    return chosen, rest[::2], rest[1::2]


def accuracy(model, x, y):
    return float(np.mean(keras.ops.convert_to_numpy(model(x, training=False)).argmax(1) == y))


def tuned(strategy, peak, seed, weights, data, curve=False):
    """The accuracy of one training, to choose by and as the result; with `curve` the result every few steps."""
    x, y = data
    train, choose, measure = split(y, seed)
    keras.utils.set_random_seed(seed)
    model = network()
    new = model.get_weights()
    model.set_weights([*weights[:-2], *new[-2:]])
    schedule = klr.Warmup(klr.CosineDecay(peak, STEPS - 5), 5)
    optimizer = klr.Scheduled(keras.optimizers.Adam(schedule), multipliers=factors(strategy, model))
    model.compile(optimizer, loss())
    draw, seen = np.random.default_rng(seed), []
    for step in range(STEPS):
        if curve and step % EVERY == 0:
            seen.append(accuracy(model, x[measure], y[measure]))
        batch = draw.choice(train, BATCH, replace=False)
        model.train_on_batch(x[batch], y[batch])
    seen.append(accuracy(model, x[measure], y[measure]))
    return accuracy(model, x[choose], y[choose]), seen


def interval(values):
    """The mean, and a 95 % interval for it by bootstrap over the seeds."""
    values = np.asarray(values)
    draws = np.random.default_rng(0).choice(values, (5000, len(values))).mean(axis=1)
    return [float(values.mean()), *map(float, np.percentile(draws, [2.5, 97.5]))]


def draw_curves(curves):
    """The mean accuracy over the steps, for each strategy."""
    figure, axes = common.pyplot().subplots(figsize=(7, 3.6), layout="constrained")
    for strategy, values in curves.items():
        axes.plot(np.minimum(np.arange(len(values[0])) * EVERY, STEPS), np.mean(values, axis=0), label=strategy)
    axes.set(xlabel="step", ylabel="accuracy on images not trained with", ylim=(0.1, 1))
    axes.legend()
    figure.savefig(FIGURE, metadata={"Date": None})


def main(quick=False):
    first, data = images()
    tuning, final, peaks, epochs = (TUNING[:1], FINAL[:2], PEAKS[1:3], 1) if quick else (TUNING, FINAL, PEAKS, 10)
    weights = {seed: pretrained(seed, first, epochs) for seed in (*tuning, *final)}
    rows, curves = [], {}
    for strategy in STRATEGIES:
        means = {peak: np.mean([tuned(strategy, peak, s, weights[s], data)[0] for s in tuning]) for peak in peaks}
        best = max(means, key=means.get)
        curves[strategy] = [tuned(strategy, best, s, weights[s], data, curve=True)[1] for s in final]
        ends, base = ([it[-1] for it in curves[name]] for name in (strategy, STRATEGIES[0]))
        gain = interval(np.subtract(ends, base))
        rows.append({"strategy": strategy, "peak": best, "accuracy": interval(ends), "gain": gain, "seeds": len(final)})
        print(rows[-1], flush=True)
        common.save("fine_tuning", common.backend(), rows, quick)
    if not quick:
        draw_curves(curves)


if __name__ == "__main__":
    main()
