"""Kill trainings with SIGKILL at random moments, resume them, and compare with one that was left alone.

    python benchmarks/torture.py                       every backend, 12 kills each
    python benchmarks/torture.py --kills 4 --backends torch

A training is a process of its own that runs the documented recipe (the same script again, with
`keras_lr.BackupAndRestore`). It is killed in a random hook of a random place in the list of
callbacks, or at a random moment by a clock, until it comes to its end. Some have Keras's `EarlyStopping`
and `ModelCheckpoint`, or are the second training of their logger. Then the rates of all
steps, the state of the plateau, the weights and the log file must be those of a training that
was never killed, bit by bit. Each backend runs every case in turn until its kills are used up.
Prints a table; exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

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
]
EPOCHS, BATCHES = 10, 13
MOST = 5
"""Kills of one training, so that all cases have their share."""


def child(folder: Path, case: dict, kill: dict | None) -> None:
    """One run of the training script."""
    import keras
    import numpy as np

    import keras_lr as klr

    keras.utils.set_random_seed(3)
    numbers = np.random.default_rng(5)
    x = numbers.normal(size=(BATCHES * 8 - 3, 6)).astype("float32")
    y = np.tanh(x @ numbers.normal(size=(6, 1))).astype("float32")

    class Killer(keras.callbacks.Callback):
        """Kills this process at the n-th call of one kind of hook, or some time after its first."""

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

    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.1), keras.layers.Dense(1)]
    )
    rate = eval(case["rate"], {"klr": klr, "keras": keras})
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss="mse")
    parts = {
        "backup": klr.BackupAndRestore(folder / "backup", **case.get("backup", {})),
        "bind": klr.BindSchedule(),
        "plateau": klr.ReduceOnPlateau(factor=0.5, **case["plateau"]),
        "log": klr.LearningRateLogger(("loss",), folder / case["log"], audit=False),
        "stop": keras.callbacks.EarlyStopping("val_loss", patience=2, min_delta=0.02, restore_best_weights=True),
        "best": keras.callbacks.ModelCheckpoint(
            folder / "best.weights.h5", save_best_only=True, save_weights_only=True
        ),
    }
    if "first" in case:
        first_training(model, x, y, folder, case["first"], parts["log"])
        model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss="mse")
    callbacks = [parts[name] for name in case["order"]]
    callbacks.insert(kill["place"] if kill else 0, Killer())
    model.fit(
        x,
        y,
        batch_size=8,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        validation_data=(x[:16], y[:16]),
        callbacks=callbacks,
    )
    weights = [array.tolist() for array in model.get_weights()]
    result = {
        "state": parts["plateau"].get_state(),
        "weights": weights,
        "step": klr.optimizers.lookup.rated_optimizers(model)[0].step(),
    }
    (folder / "result.json").write_text(json.dumps(result))


def first_training(model, x, y, folder: Path, epochs: int, log) -> None:
    """A training before the one that is killed, with the same logger; once it is done, its weights are loaded."""
    done = folder / "first.weights.h5"
    if done.exists():
        model.load_weights(done)
        return
    model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=[log])
    model.save_weights(folder / "part.weights.h5")
    os.replace(folder / "part.weights.h5", done)


def run(folder: Path, case: int, kill: dict | None, backend: str) -> int:
    """Start a child and wait for it; its exit code, negative for a signal."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, __file__, "child", str(folder), str(case), json.dumps(kill)],
        env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(done.stderr[-3000:])
    return done.returncode


def rows(folder: Path, case: int):
    """The log file as a table."""
    import pandas as pd

    path = folder / CASES[case]["log"]
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


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


def torture(backend: str, kills: int, seed: int) -> list[dict]:
    """Kill trainings on one backend; what came of each case."""
    numbers = random.Random(f"{seed}-{backend}")
    found, used, case = [], 0, numbers.randrange(len(CASES))
    while used < kills:
        with tempfile.TemporaryDirectory() as place:
            whole, broken = Path(place) / "whole", Path(place) / "broken"
            run(whole, case, None, backend)
            killed = 0
            while run(broken, case, random_kill(numbers) if used < kills and killed < MOST else None, backend) != 0:
                killed += 1
                used += 1
            expected, got = (json.loads((folder / "result.json").read_text()) for folder in (whole, broken))
            table, other = rows(whole, case), rows(broken, case)
            found.append(
                {
                    "backend": backend,
                    "case": case,
                    "kills": killed,
                    "reductions": expected["state"]["n_reductions"],
                    "steps once": other.step.tolist() == table.step.tolist(),
                    "rates equal": table.learning_rate.tolist() == other.learning_rate.tolist(),
                    "losses equal": table.loss.tolist() == other.loss.tolist(),
                    "plateau equal": expected["state"] == got["state"],
                    "weights equal": expected["weights"] == got["weights"] and expected["step"] == got["step"],
                }
            )
            print(json.dumps(found[-1]), flush=True)
            if expected["state"] != got["state"]:
                print("expected", expected["state"], "got", got["state"], flush=True)
        case = (case + 1) % len(CASES)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill trainings, resume them, compare.")
    parser.add_argument("--kills", type=int, default=12, help="kills for each backend")
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    found = [row for backend in chosen.backends for row in torture(backend, chosen.kills, chosen.seed)]
    good = all(value for row in found for name, value in row.items() if name.endswith(("equal", "once")))
    print(
        f"{sum(row['kills'] for row in found)} kills in {len(found)} trainings: {'all equal' if good else 'DIFFERENT'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(Path(sys.argv[2]), CASES[int(sys.argv[3])], json.loads(sys.argv[4]))
    else:
        sys.exit(main())
