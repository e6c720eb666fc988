"""A very long `fit` with the logger, the plateau callback and joined schedules: memory and rates.

    python benchmarks/soak.py                                  every backend, a million batches each
    python benchmarks/soak.py --batches 20000 --backends jax   shorter
    python benchmarks/soak.py --seconds 1200                   stops after the epoch in which the time is up
    python benchmarks/soak.py --steps-per-execution 50         not on torch, which refuses it
    python benchmarks/soak.py --control                        the same training without our callbacks
    python benchmarks/soak.py --compilations 60                what Keras and the backend keep of a compilation

The model is one weight whose gradient is 1, so it falls by exactly the rate at each update: what it
lost in an epoch is the sum of the rates that were applied, known without the logger. In the last
epoch it is read after each batch. The schedule is a warmup, a cosine, triangles and a line, joined
and repeated; the metric never improves, so the rate is reduced every `PATIENCE` epochs, at epochs
that are known beforehand. Each backend is a process of its own and prints one line of JSON:

batches, seconds, reductions
rss_mb: resident memory after the second epoch and at the quarters of the training
log_bytes: what the log holds in memory for each batch
growth_bytes: growth of the resident memory for each batch, over the last three quarters
log_deviation: largest deviation of a logged rate from the expected one, as a share of the highest rate
epoch_deviation, batch_deviation: the same of the weight's fall, in an epoch and (last epoch) in an execution

With `--compilations`, the model is compiled anew by Keras that often, which a reduction of a schedule
costs too, and trained for a batch: compiled_mb is the growth of the resident memory for each.

Exit code 1 if a deviation is above `ALLOWED`, a row is missing, or the memory grows by more than
`SLACK` bytes for each batch beyond the log's own.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE, FACTOR = 10, 0.95
ALLOWED = {"log_deviation": 1e-12, "epoch_deviation": 2e-6, "batch_deviation": 1e-3}
"""The weight is a float32 sum: of a fall of 0.01 from a weight near 100 four digits remain."""
SLACK = 64
SHORTEST = 200_000
"""Batches below which the growth of the memory says nothing, since allocators are still warming up."""


def resident() -> int:
    """Resident memory of this process, in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def joined(per_epoch: int):
    """The schedule of the training."""
    import keras_lr as klr

    part = 2 * per_epoch
    pieces = klr.Warmup(klr.CosineDecay(0.04, part, alpha=0.25), per_epoch // 3)
    chain = pieces >> klr.CyclicalLearningRate(0.01, 0.03, 170, 90).cooldown(part, per_epoch, 0.015) >> 0.02
    return klr.Sequential([klr.Repeat(chain, 7 * per_epoch + 13, factor=0.97), 0.011], [10**9])


def model_with(schedule, steps_per_execution: int):
    """One weight, without a bias; it is compiled with a loss whose gradient is 1."""
    import keras

    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")],
    )
    compile_anew(model, schedule, steps_per_execution)
    return model


def compile_anew(model, schedule, steps_per_execution: int) -> None:
    import keras

    model.compile(
        keras.optimizers.SGD(schedule),
        loss=lambda y, prediction: prediction[:, 0],
        steps_per_execution=steps_per_execution,
    )


def compilations(options: argparse.Namespace) -> dict:
    """What stays in memory of each compilation of the training step, without callbacks."""
    import keras
    import numpy as np

    schedule = joined(options.epoch)
    model, x = model_with(schedule, 1), np.ones((1, 1), "float32")
    memory = []
    for _ in range(options.compilations + 1):
        compile_anew(model, schedule, 1)
        model.fit(x, x, verbose=0)
        memory.append(resident())
    grown = memory[-1] - memory[0]
    return {
        "backend": keras.config.backend(),
        "compilations": options.compilations,
        "rss_mb": [round(size / 2**20, 1) for size in (memory[0], memory[-1])],
        "compiled_mb": round(grown / options.compilations / 2**20, 2),
    }


def train(options: argparse.Namespace, folder: str) -> dict:
    """One training on the backend of this process; what came out."""
    import keras
    import numpy as np

    import keras_lr as klr

    per_epoch = options.epoch
    schedule = joined(per_epoch)

    def scale(epoch: np.ndarray) -> np.ndarray:
        """The first epoch is the best, and each tenth after it asks for a reduction."""
        return FACTOR ** (np.maximum(epoch - 1, 0) // PATIENCE)

    def deviation(got, want) -> float:
        return float(np.abs(np.asarray(got, np.float64) - want).max() / want.max())

    class Watch(keras.callbacks.Callback):
        """Sets the weight to 0 before each epoch, and notes its fall and the memory after it."""

        def __init__(self) -> None:
            super().__init__()
            self.fallen: list[float] = []
            self.memory: list[int] = []
            self.last: list[float] = []
            self.final = False

        def on_epoch_begin(self, epoch, logs=None):
            self.net = self.model
            self.net.set_weights([np.zeros((1, 1), "float32")])
            self.final = epoch == self.params["epochs"] - 1 or time.perf_counter() - begin > options.seconds

        def on_train_batch_end(self, batch, logs=None):
            if self.final:
                self.last.append(self.weight())

        def on_epoch_end(self, epoch, logs=None):
            logs["metric"] = 1.0
            self.fallen.append(-self.weight())
            self.memory.append(resident())
            self.model.stop_training = self.final

        def weight(self):
            return float(self.model.get_weights()[0].item())

    model = model_with(schedule, options.steps_per_execution)
    watch, log = Watch(), klr.LearningRateLogger(path=Path(folder) / "log.csv")
    plateau = klr.ReduceOnPlateau("metric", FACTOR, PATIENCE, mode="min")
    x = np.ones((per_epoch, 1), "float32")
    begin = time.perf_counter()
    callbacks = [watch] if options.control else [watch, plateau, log]
    epochs = max(options.batches // per_epoch, 4)
    model.fit(x, x, batch_size=1, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks)
    seconds = time.perf_counter() - begin

    done = len(watch.fallen)
    epoch = np.repeat(np.arange(done), per_epoch)
    expected = schedule.values(np.arange(done * per_epoch)) * (1.0 if options.control else scale(epoch))
    # The weight is a sum in float32, rounded after each batch.
    weights = np.add.accumulate(expected.astype("float32").reshape(done, per_epoch), axis=1, dtype="float32")
    executed = np.diff(weights[-1, options.steps_per_execution - 1 :: options.steps_per_execution], prepend=0.0)
    falls = -np.diff(watch.last, prepend=0.0)
    quarters = [1, *(round(done * share) - 1 for share in (0.25, 0.5, 0.75, 1.0))]
    memory = [watch.memory[at] for at in quarters]
    result = {
        "backend": keras.config.backend(),
        "control": options.control,
        "steps_per_execution": options.steps_per_execution,
        "batches": done * per_epoch,
        "seconds": round(seconds, 1),
        "reductions": plateau.state.n_reductions,
        "rss_mb": [round(size / 2**20, 1) for size in memory],
        "growth_bytes": round((memory[-1] - memory[1]) / max((quarters[-1] - quarters[1]) * per_epoch, 1), 1),
        "epoch_deviation": deviation(watch.fallen, weights[:, -1]),
        "batch_deviation": deviation(falls, executed),
    }
    if not options.control:
        frame = log.to_frame()
        file = np.loadtxt(Path(folder) / "log.csv", delimiter=",", skiprows=1, usecols=(0, 3))
        result["log_deviation"] = deviation(frame.learning_rate, expected)
        result["rows"] = [len(frame), len(file)]
        in_order = bool((frame.step == np.arange(len(expected))).all() and (file[:, 0] == frame.step).all())
        same = bool(np.allclose(file[:, 1], frame.learning_rate, rtol=1e-12, atol=0.0))
        result["rows_right"] = in_order and same
        held = sum(values.nbytes for stretch in log._book.segments for values in stretch.columns.values())
        result["log_bytes"] = round(held / len(frame), 1)
    return result


def wrong(result: dict) -> list[str]:
    """What a result shows to be wrong."""
    found = [name for name, allowed in ALLOWED.items() if not result.get(name, 0.0) <= allowed]
    if not result["control"]:
        found += [] if result["rows_right"] else ["rows"]
        expected = (result["batches"] // result["per_epoch"] - 1) // PATIENCE
        found += [] if result["reductions"] == expected else ["reductions"]
    slack = result["growth_bytes"] - result.get("log_bytes", 0.0)
    return found + (["memory"] if result["batches"] >= SHORTEST and slack > SLACK else [])


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory and rates over a very long training.")
    parser.add_argument("--batches", type=int, default=1_000_000)
    parser.add_argument("--epoch", type=int, default=5_000, help="batches in an epoch")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this time, for each backend")
    parser.add_argument("--steps-per-execution", type=int, default=1)
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--control", action="store_true", help="without the callbacks of this package")
    parser.add_argument("--compilations", type=int, default=0, help="compile so often, and train only a batch each")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.epoch % options.steps_per_execution:
        parser.error("--epoch must be a multiple of --steps-per-execution")
    if options.child and options.compilations:
        print(json.dumps(compilations(options)))
        return 0
    if options.child:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(train(options, folder) | {"per_epoch": options.epoch}))
        return 0
    failed = False
    for backend in options.backends:
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, __file__, *sys.argv[1:], "--child"]
        output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout
        result = json.loads(output.splitlines()[-1])
        result["wrong"] = [] if options.compilations else wrong(result)
        print(json.dumps(result), flush=True)
        failed = failed or bool(result["wrong"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
