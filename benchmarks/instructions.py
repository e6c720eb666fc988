"""The instructions of a training step with a schedule, a plateau or a logger, relative to a constant rate.

    KERAS_BACKEND=jax python -m benchmarks instructions

The same cases as in `steps`, and one with `Scheduled`, counted with Callgrind, a tool of Valgrind, which runs the
instructions of a processor one by one. It counts all threads, in Python and in the libraries, and no other process. So
the counts are exact where a clock is not. They are no times: an instruction may wait for memory.

A step is the difference between a long `fit` and a short one, divided by the difference in steps. The cases take
turns. "constant again" is a second model with a constant rate. Install Valgrind first (`apt-get install valgrind`).
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks import common
from benchmarks.scheduled_step import scheduled
from benchmarks.steps import BATCH, CASES, CONSTANT, WIDTH, model_of, variants

SCHEDULED = "Scheduled beta_1 and weight decay"
VARIABLES = 10
FEW, MANY, TURNS = 5, 25, 3
SAME_HASHES = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
"""Sets are walked in the same order in each run, and torch does not wait for its other threads."""

ONE_CORE = "import os; os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})"
"""A backend then starts fewer threads, whose waiting is counted too."""


def control(*arguments: str) -> None:
    """Tell the Callgrind that runs this process something."""
    subprocess.run(["callgrind_control", *arguments, str(os.getpid())], check=True, capture_output=True)


def total(folder: Path) -> int:
    """The instructions in Callgrind's latest file of a folder, which is deleted."""
    (file,) = folder.glob("counts.*")
    found = re.search(r"^totals: (\d+)$", file.read_text(), flags=re.MULTILINE)
    file.unlink()
    if found is None:
        raise ValueError(f"Callgrind's file {file.name} has no total")
    return int(found[1])


def fits(xla: bool, steps: int) -> dict[str, Callable[[int], Any]]:
    """For each case a function that trains for so many steps, at most `steps`."""
    x = np.random.default_rng(0).normal(size=(steps * BATCH, WIDTH)).astype("float32")
    made = {}
    cases = {name: (keras.optimizers.AdamW(rate()), callbacks()) for name, (rate, callbacks) in CASES.items()}
    for name, (optimizer, chosen) in {**cases, SCHEDULED: (scheduled("AdamW"), [])}.items():
        model = model_of(optimizer, VARIABLES, xla)

        def fit(steps: int, model: Any = model, chosen: Any = chosen) -> None:
            part = x[: steps * BATCH]
            model.fit(part, part[:, :1], batch_size=BATCH, verbose=0, shuffle=False, callbacks=chosen)

        made[name] = fit
    return made


def counted(folder: str, xla: bool, turns: int, few: int, many: int) -> None:
    """Write the instructions of a step, for each case and turn; to run under Callgrind."""
    keras.utils.set_random_seed(0)
    all_fits = fits(xla, many)
    for fit in all_fits.values():
        fit(few)
        fit(many)
    found: dict[str, list[float]] = {name: [] for name in all_fits}
    draw = np.random.default_rng(0)
    control("-i", "on")
    for _ in range(turns):
        for which in draw.permutation(len(all_fits)):
            name = list(all_fits)[which]
            ends = []
            for steps in (few, many):
                gc.collect()
                gc.disable()
                control("-z")
                all_fits[name](steps)
                control("-d")
                gc.enable()
                ends.append(total(Path(folder)))
            found[name].append((ends[1] - ends[0]) / (many - few))
    control("-i", "off")
    (Path(folder) / "found.json").write_text(json.dumps(found))


def under_callgrind(xla: bool, turns: int, few: int, many: int) -> dict[str, np.ndarray]:
    """The instructions of a step in each turn, by case, counted in a new process."""
    if shutil.which("valgrind") is None:
        raise SystemExit("this part needs Valgrind: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        tool = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/counts"]
        call = f"instructions.counted({folder!r}, {xla}, {turns}, {few}, {many})"
        code = f"{ONE_CORE}; from benchmarks import instructions; {call}"
        environment = {**os.environ, **SAME_HASHES}
        root = Path(__file__).parents[1]
        subprocess.run([*tool, sys.executable, "-c", code], cwd=root, env=environment, check=True)
        found = json.loads((Path(folder) / "found.json").read_text())
    return {name: np.array(counts) for name, counts in found.items()}


def main(quick: bool = False) -> None:
    turns, few, many = (1, 1, 2) if quick else (TURNS, FEW, MANY)
    rows = []
    for variant, xla in variants().items():
        found = under_callgrind(xla, turns, few, many)
        base = float(np.median(found[CONSTANT]))
        for name, counts in found.items():
            of_base = counts / base
            row = {"median": float(np.median(of_base)), "low": float(of_base.min()), "high": float(of_base.max())}
            rows.append({"variant": variant, "case": name, "instructions": float(np.median(counts)), **row})
            print(f"{variant:16} {name:32} {row['median']:.4f} ({row['low']:.4f} to {row['high']:.4f})", flush=True)
        common.save("instructions", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
