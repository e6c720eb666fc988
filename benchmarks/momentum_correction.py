"""Draw docs/images/momentum_correction.png: how far a weight moves in each update around a fall of the rate."""

from pathlib import Path

import keras
import matplotlib
import numpy as np

import keras_lr as klr

matplotlib.use("Agg")
import matplotlib.pyplot as plt

STEPS = 60
RATE = klr.Sequential([0.1, 0.01], [20])


def moved(correction: bool) -> np.ndarray:
    """The distance of each update at a gradient of 1, from a velocity that has settled at the first rate."""
    weight = keras.Variable(np.zeros(1, "float32"))
    stock = keras.optimizers.SGD(RATE.from_step(-100), momentum=0.9)
    optimizer = klr.Scheduled(stock, momentum_correction=correction)
    seen = []
    for _ in range(STEPS + 100):
        optimizer.apply([keras.ops.ones(1)], [weight])
        seen.append(float(keras.ops.convert_to_numpy(weight)[0]))
    return -np.diff(seen)[99:]


if __name__ == "__main__":
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    axes.plot(moved(False), label="Keras: the rate inside the velocity")
    axes.plot(moved(True), label="momentum_correction=True", linestyle="--")
    axes.set(xlabel="step", ylabel="distance moved", yscale="log")
    axes.legend()
    figure.savefig(Path(__file__).parents[1] / "docs" / "images" / "momentum_correction.png", dpi=120)
    for step in (19, 20, 21, 30, 40, 50):
        print(step, [float(f"{moved(correction)[step]:.4g}") for correction in (False, True)])
