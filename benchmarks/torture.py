"""Kill trainings with SIGKILL at random moments, resume them, and compare with one that was left alone.

    python benchmarks/torture.py                       every backend, 60 kills each
    python benchmarks/torture.py --kills 4 --backends torch

A training is a process of its own that runs the documented recipe (the same script again, with
`keras_lr.BackupAndRestore`). It is killed in a random hook of a random place in the list of
callbacks, or at a random moment by a clock, until it comes to its end. There are plateaus, two of them,
a metric that a callback of the user's own puts into the logs, `GreedyLearningRate`, backups within an
epoch, Keras's `EarlyStopping` and `ModelCheckpoint`, a second training of a logger, fine-tuning in two
phases with kills in both, and a GAN (but on JAX, where Keras gives `train_step` one optimizer). Then the
rates of all steps, the states of the callbacks, the weights and the log file must be those of a training
that was never killed, bit by bit. Each backend runs every case in turn until its kills are used up.
Prints a line for each training; exit code 1 if anything differs.

The processes are forked from one that has imported the libraries and has done nothing else.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

CASES = [
    {
        "rate": "klr.Warmup(klr.CosineDecay(0.2, klr.epochs(9)), klr.epochs(1))",
        "plateau": {"monitor": "val_loss", "patience": 1, "min_delta": 0.05},
        "order": ["backup", "bind", "plateau", "log"],
        "log": "log.csv",
    },
    {
        "rate": "0.2",
        "plateau": {"monitor": "loss", "patience": 1, "min_delta": 0.05, "cooldown": 1},
        "order": ["backup", "plateau", "log"],
        "log": "log.csv",
    },
    {
        "rate": "klr.CyclicalLearningRate(0.02, 0.2, 17)",
        "plateau": {"monitor": "val_loss", "patience": 2, "window": 3, "min_delta": 0.05, "restore_best_weights": True},
        "order": ["log", "plateau", "backup"],
        "log": "log.parquet",
    },
    {
        "rate": "keras.optimizers.schedules.ExponentialDecay(0.2, 50, 0.5)",
        "plateau": {"monitor": "loss", "patience": 1, "start_after": 20, "min_delta": 0.05},
        "order": ["plateau", "backup", "log"],
        "log": "log.csv",
    },
    {
        "rate": "klr.Warmup(klr.CosineDecay(0.2, klr.epochs(9)), klr.epochs(1))",
        "plateau": {"monitor": "loss", "patience": 1, "every": 9, "min_delta": 0.05},
        "order": ["backup", "bind", "plateau", "log"],
        "log": "log.csv",
        "backup": {"save_freq": 4, "double_checkpoint": True},
    },
    {
        "rate": "0.2",
        "plateau": {"monitor": "val_loss", "patience": 1, "min_delta": 0.05},
        "order": ["log", "plateau", "backup"],
        "log": "log.csv",
        "backup": {"save_freq": 1},
    },
    {
        "rate": "0.2",
        "plateau": {"monitor": "val_loss", "patience": 1, "min_delta": 0.05},
        "order": ["backup", "stop", "best", "plateau", "log"],
        "log": "log.csv",
    },
    {
        "rate": "klr.CosineDecay(0.2, 130)",
        "plateau": {"monitor": "loss", "patience": 1, "min_delta": 0.05},
        "order": ["log", "plateau", "best", "stop", "backup"],
        "log": "log.parquet",
        "backup": {"save_freq": 5},
        "first": 2,
    },
    {
        "rate": "klr.CosineDecay(0.2, 130)",
        "plateau": {"monitor": "loss", "patience": 1, "min_delta": 0.05},
        "second": {"monitor": "val_loss", "patience": 2, "min_delta": 0.05},
        "order": ["plateau", "backup", "second", "log"],
        "log": "log.csv",
    },
    {
        "rate": "0.2",
        "plateau": {"monitor": "f1", "mode": "max", "patience": 1, "min_delta": 0.05},
        "second": {"monitor": "f1", "mode": "max", "patience": 3, "min_delta": 0.01},
        "order": ["f1", "backup", "plateau", "second", "log"],
        "log": "log.csv",
    },
    {
        "rate": "klr.Warmup(klr.CosineDecay(0.1, klr.samples(1000)), klr.samples(200))",
        "greedy": {
            "monitor": "loss",
            "factor": 0.8,
            "patience": 0,
            "max_lr": 0.3,
            "every": 7,
            "window": 2,
            "warmup": 1,
        },
        "order": ["bind", "backup", "greedy", "log"],
        "log": "log.csv",
        "backup": {"save_freq": 3},
    },
    {
        "rate": "klr.Warmup(klr.CosineDecay(0.2, 140), 10)",
        "plateau": {"monitor": "loss", "patience": 1, "min_delta": 0.05},
        "order": ["backup", "plateau", "log"],
        "log": "log.csv",
        "phase": 3,
    },
    {
        "rate": "klr.CosineDecay(0.2, 130)",
        "plateau": {"monitor": "loss", "mode": "min", "patience": 1, "min_delta": 0.5},
        "order": ["plateau", "backup", "log"],
        "log": "log.csv",
        "backup": {"save_freq": 4},
        "gan": True,
    },
]
EPOCHS, BATCHES = 7, 13
MOST = 4
"""Kills of one training, so that all cases have their share."""


def child(folder: Path, case: dict[str, Any], kill: dict[str, Any] | None) -> None:
    """One run of the training script."""
    import keras
    import numpy as np

    import keras_lr as klr

    keras.utils.set_random_seed(3)
    numbers = np.random.default_rng(5)
    x = numbers.normal(size=(BATCHES * 8 - 3, 6)).astype("float32")
    y = np.tanh(x @ numbers.normal(size=(6, 1))).astype("float32")
    rate = eval(case["rate"], {"klr": klr, "keras": keras})
    model = gan() if "gan" in case else small_model()
    parts = callbacks_of(case, folder)
    killer = killer_of(kill)

    def compile_model(rate):
        # On TensorFlow without XLA, which takes a second for each reduction and changes nothing of what is asked here.
        jit = keras.config.backend() == "jax"
        optimizer = rate if "gan" in case else keras.optimizers.SGD(rate, momentum=0.9)
        model.compile(optimizer, **{} if "gan" in case else {"loss": "mse", "jit_compile": jit})

    def fit(first, last, names, options):
        callbacks = [parts[name] for name in names]
        callbacks.insert(kill["place"] if kill else 0, killer)
        validation = {} if "gan" in case else {"validation_data": (x[:16], y[:16])}
        options = {"batch_size": 8, "shuffle": False, "verbose": 0} | validation | options
        model.fit(x, y, initial_epoch=first, epochs=last, callbacks=callbacks, **options)

    begun = case.get("phase", 0)
    compile_model(rate)
    if "first" in case or begun:
        # The second training begins with a new model and the file of the first one, in whatever process: a file of
        # weights has no seeds of layers, so a model that goes on in the same process would have others.
        if begun:
            model.layers[0].trainable = False
            compile_model(rate)
        once(
            folder,
            model,
            (lambda: fit(0, begun, ["head", *case["order"][1:]], {}))
            if begun
            else (lambda: model.fit(x, y, 8, case["first"], 0, [parts["log"]], shuffle=False)),
        )
        keras.utils.set_random_seed(4)
        model = small_model()
        compile_model(0.5 * rate if begun else rate)
        model.load_weights(folder / "first.weights.h5")
        compile_model(0.5 * rate if begun else rate)
        klr.set_step(model, begun * BATCHES)
    fit(begun, EPOCHS, case["order"], {})
    result = {
        "state": {name: part.get_state() for name, part in parts.items() if hasattr(part, "get_state")},
        "weights": [array.tolist() for array in model.get_weights()],
        "step": klr.optimizers.lookup.rated_optimizers(model)[0].step(),
    }
    (folder / "result.json").write_text(json.dumps(result))


def once(folder: Path, model: Any, train: Any) -> None:
    """A training before the one that is compared, which ends with a file."""
    done = folder / "first.weights.h5"
    if done.exists():
        return
    train()
    model.save_weights(folder / "part.weights.h5")
    os.replace(folder / "part.weights.h5", done)


def small_model() -> Any:
    import keras

    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.1), keras.layers.Dense(1)]
    )


def gan() -> Any:
    """A critic and a generator, both linear, with optimizers of their own and gradients written out."""
    import keras

    class Gan(keras.Model):
        def __init__(self):
            super().__init__()
            self.d, self.g = (keras.layers.Dense(1, use_bias=False, name=name) for name in "dg")
            self.tracker = keras.metrics.Mean(name="loss")
            self.build((None, 6))

        def build(self, shape):
            self.d.build(shape)
            self.g.build(shape)

        def call(self, x):
            return self.d(x)

        def compile(self, rate):
            super().compile(jit_compile=False)
            self.d_optimizer, self.g_optimizer = keras.optimizers.SGD(rate, name="d"), keras.optimizers.Adam(0.05)
            self.d_optimizer.build([self.d.kernel])
            self.g_optimizer.build([self.g.kernel])

        def train_step(self, data):
            ops, (real, _) = keras.ops, data
            d, g = ops.convert_to_tensor(self.d.kernel), ops.convert_to_tensor(self.g.kernel)
            middle = ops.expand_dims(ops.mean(real, axis=0), 1)
            self.d_optimizer.apply([g - middle + 0.1 * d], [self.d.kernel])
            self.g_optimizer.apply([0.1 * g - d], [self.g.kernel])
            self.tracker.update_state(ops.sum(ops.square(g - middle)))
            return {"loss": self.tracker.result()}

    return Gan()


def callbacks_of(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The callbacks of a case by name."""
    import keras

    import keras_lr as klr

    class F1(keras.callbacks.Callback):
        """A metric of the user's own, which only the logs of the epoch have."""

        def on_epoch_end(self, epoch, logs=None):
            logs["f1"] = 1.0 / (1.0 + logs["val_loss"])

    parts = {
        "backup": klr.BackupAndRestore(folder / "backup", **case.get("backup", {})),
        "head": klr.BackupAndRestore(folder / "head", **case.get("backup", {})),
        "bind": klr.BindSchedule(audit=False),
        "log": klr.LearningRateLogger(("loss",), folder / case["log"], audit=False),
        "f1": F1(),
        "stop": keras.callbacks.EarlyStopping("val_loss", patience=2, min_delta=0.02, restore_best_weights=True),
        "best": keras.callbacks.ModelCheckpoint(
            folder / "best.weights.h5", save_best_only=True, save_weights_only=True
        ),
    }
    if "plateau" in case:
        parts["plateau"] = klr.ReduceOnPlateau(factor=0.5, **case["plateau"])
    if "second" in case:
        parts["second"] = klr.ReduceOnPlateau(factor=0.7, **case["second"])
    if "greedy" in case:
        parts["greedy"] = klr.GreedyLearningRate(**case["greedy"])
    return parts


def killer_of(kill: dict[str, Any] | None) -> Any:
    """A callback that kills this process at the n-th call of one kind of hook, or some time after its first."""
    import keras

    class Killer(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def called(self, hook):
            if kill is None:
                return
            if "seconds" in kill:
                if self.calls == 0:
                    threading.Timer(kill["seconds"], os.kill, (os.getpid(), signal.SIGKILL)).start()
                self.calls += 1
            elif kill["hook"] == hook:
                self.calls += 1
                if self.calls == kill["calls"]:
                    os.kill(os.getpid(), signal.SIGKILL)

        def on_train_batch_begin(self, batch, logs=None):
            self.called("batch_begin")

        def on_train_batch_end(self, batch, logs=None):
            self.called("batch_end")

        def on_epoch_end(self, epoch, logs=None):
            self.called("epoch_end")

    return Killer()


def run(folder: Path, case: int, kill: dict[str, Any] | None) -> int:
    """Start a child and wait for it; its exit code, negative for a signal."""
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["keras_lr"])
    process = context.Process(target=child, args=(folder, CASES[case], kill))
    process.start()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the training of case {case} failed with exit code {process.exitcode}, see above")
    return process.exitcode


def rows(folder: Path, case: int, steps: list[int] | None = None):
    """The log as a table.

    A second training that was killed before its first backup begins anew, and the log with the first one is set aside
    under another name: then the rows of the first one, which has these steps, are there. A second training whose steps
    follow on from the first one's is the same training to a new process, and has the same rows.
    """
    import pandas as pd

    path = folder / CASES[case]["log"]
    read = pd.read_csv if path.suffix == ".csv" else pd.read_parquet
    table = read(path)
    aside = [first_of(read(other)) for other in sorted(folder.glob(f"{path.name}.*"))]
    if steps and aside and "training" not in table:
        first = next((other for other in aside if other.step.tolist() == steps), aside[0])
        table = pd.concat({0: first, 1: table}, names=["training"]).reset_index("training").reset_index(drop=True)
    return table


def first_of(table: Any) -> Any:
    """The rows of the first training in a log."""
    return table[table["training"] == 0].drop(columns="training") if "training" in table else table


def random_kill(numbers: random.Random) -> dict:
    """Where to kill: in a hook, often near the end of an epoch, or by the clock."""
    place = numbers.randrange(4)
    how = numbers.random()
    if how < 0.25:
        return {"place": place, "seconds": numbers.uniform(0.0, 1.5)}
    if how < 0.5:
        return {"place": place, "hook": "epoch_end", "calls": numbers.randint(1, 4)}
    hook = numbers.choice(["batch_begin", "batch_end"])
    return {"place": place, "hook": hook, "calls": numbers.randint(1, 3 * BATCHES)}


def torture(backend: str, kills: int, seed: int, start: int | None = None) -> list[dict[str, Any]]:
    """Kill trainings on the backend of this process; what came of each case."""
    numbers = random.Random(f"{seed}-{backend}")
    cases = [case for case in range(len(CASES)) if not (backend == "jax" and "gan" in CASES[case])]
    found, used, turn = [], 0, numbers.randrange(len(cases)) if start is None else start
    while used < kills:
        case = cases[turn % len(cases)]
        with tempfile.TemporaryDirectory() as place:
            whole, broken = Path(place) / "whole", Path(place) / "broken"
            run(whole, case, None)
            killed = 0
            while run(broken, case, random_kill(numbers) if used < kills and killed < MOST else None) != 0:
                killed += 1
                used += 1
            found.append({"backend": backend, "case": case, "kills": killed} | differences(whole, broken, case))
            print(json.dumps(found[-1]), flush=True)
        turn += 1
    return found


def differences(whole: Path, broken: Path, case: int) -> dict[str, Any]:
    """What a killed training has in common with one that was left alone."""
    expected, got = (json.loads((folder / "result.json").read_text()) for folder in (whole, broken))
    table = rows(whole, case)
    other = rows(broken, case, first_of(table).step.tolist() if "training" in table else None)
    rates = [name for name in table if name.startswith("learning_rate")]
    if expected["state"] != got["state"]:
        print("expected", expected["state"], "got", got["state"], flush=True)
    states = expected["state"].values()
    return {
        "changes": sum(state["n_reductions"] + state.get("n_raises", 0) for state in states),
        "steps once": other.step.tolist() == table.step.tolist(),
        "rates equal": bool(rates) and table[rates].to_numpy().tolist() == other[rates].to_numpy().tolist(),
        "losses equal": table.loss.tolist() == other.loss.tolist(),
        "states equal": expected["state"] == got["state"],
        "weights equal": expected["weights"] == got["weights"] and expected["step"] == got["step"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill trainings, resume them, compare.")
    parser.add_argument("--kills", type=int, default=60, help="kills for each backend")
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="the first kind of training")
    chosen = parser.parse_args()
    if len(chosen.backends) > 1:  # the children of one process have one backend
        options = ["--kills", str(chosen.kills), "--seed", str(chosen.seed), "--start", str(chosen.start)]
        codes = [
            subprocess.run([sys.executable, __file__, "--backends", name, *options], check=False).returncode
            for name in chosen.backends
        ]
        return max(map(abs, codes))
    (backend,) = chosen.backends
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": paths}
    found = torture(backend, chosen.kills, chosen.seed, chosen.start)
    good = all(value for row in found for name, value in row.items() if name.endswith(("equal", "once")))
    kills, changes = (sum(row[name] for row in found) for name in ("kills", "changes"))
    outcome = "all equal" if good else "DIFFERENT"
    print(f"{backend}: {kills} kills in {len(found)} trainings, {changes} changes of the rate: {outcome}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
