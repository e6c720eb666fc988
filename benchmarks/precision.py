"""Error of the compiled float32 step against float64, for every schedule of the catalogue and for Keras's own.

KERAS_BACKEND=jax python benchmarks/precision.py
"""

import sys
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from backend import BACKEND, compiled, counter
from catalogue import ROWS

STEPS = np.unique((2 ** (np.random.default_rng(0).random(20_000) * 31)).astype(np.int64))


def errors(rate, values):
    got = np.asarray(keras.ops.convert_to_numpy(compiled(rate)(counter(STEPS))), np.float64)
    peak = values.max()
    error, visible = np.abs(got - values), values > 1e-6 * peak
    return error.max() / peak, (error[visible] / values[visible]).max()


def main():
    print(f"{BACKEND}: largest error over {len(STEPS)} steps to 2**31, of the peak and of the value")
    for row in ROWS:
        print("{:40} {:.1e} {:.1e}".format(row.id, *errors(row.schedule.rate, row.schedule.values(STEPS))))
    theirs = keras.optimizers.schedules.CosineDecayRestarts(0.1, 1000)
    exact = np.array([_restarts(int(step)) for step in STEPS])
    print("{:40} {:.1e} {:.1e}".format("Keras's CosineDecayRestarts(0.1, 1000)", *errors(theirs, exact)))


def _restarts(step):
    start, length = 0, 1000
    while step >= start + length:
        start, length = start + length, 2 * length
    return 0.05 * (1 + np.cos(np.pi * (step - start) / length))


if __name__ == "__main__":
    main()
