"""A comparison of many small trainings on a Dask cluster of two workers on this machine.

    KERAS_BACKEND=torch python -m benchmarks many_trainings

The first of them are trained again on processes of this machine, and must come out alike.
"""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common

SCHEDULES: dict[str, Any] = {
    "constant": lambda peak: peak,
    "cosine": lambda peak: klr.CosineDecay(peak, 4),
    "line": lambda peak: klr.LinearDecay(peak, 4),
    "cooldown": lambda peak: klr.WarmupStableDecay(peak, 4, 1, 2),
}
PEAKS = [0.01, 0.02, 0.05, 0.1, 0.2]
AGAIN = 2
"""Seeds with which it is trained again."""


def build(rate: Any) -> Any:
    """A model of two numbers."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), loss="mse", run_eagerly=True)
    return model


def train(model: Any, callbacks: list[Any]) -> None:
    """Four steps."""
    x = np.linspace(-1, 1, 16, dtype="float32")[:, None]
    model.fit(x, 3 * x, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)


def compared(seeds: int, executor: Any = None) -> Any:
    """The rows of a comparison, without the times."""
    found = klr.compare(build, SCHEDULES, train, seeds, executor, rates=PEAKS, workers=2, progress=False)
    frame = found.to_frame()
    columns = ["schedule", "peak", "seed", "epoch"]
    return frame.sort_values(columns)[[*columns, "loss"]].reset_index(drop=True)


def main(quick: bool = False, seeds: int = 50) -> None:
    from dask.distributed import Client, LocalCluster

    seeds = AGAIN if quick else seeds
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        begin = time.perf_counter()
        frame = compared(seeds, client.get_executor(retries=3))
        seconds = time.perf_counter() - begin
    first = frame[frame["seed"] < AGAIN].reset_index(drop=True)
    row = {
        "trainings": len(frame) // 2,
        "seconds": seconds,
        "trained_again": len(first) // 2,
        "alike": bool(first.equals(compared(AGAIN))),
    }
    print(f"{common.backend():10} {row}", flush=True)
    common.save("many_trainings", common.backend(), [row], quick)


if __name__ == "__main__":
    main()
