"""What the parts share: interleaved timing, the description of the machine, and files of results."""

from __future__ import annotations

import datetime
import gc
import importlib.metadata
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"

PACKAGES = ("keras", "tensorflow-cpu", "tensorflow", "jax", "torch", "optax", "numpy", "pandas", "pyarrow")


def in_new_process(part: str, call: str) -> Any:
    """What a function of a part returns in a new process, such as `measured(5)`. The result passes as JSON."""
    code = f"import json; from benchmarks import {part}; print(json.dumps({part}.{call}))"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def interleaved(
    works: Mapping[str, Callable[[], Any]], turns: int, warm: int = 1, seconds: float = math.inf
) -> dict[str, np.ndarray]:
    """Seconds that each work takes: in each turn all of them once, in an order drawn anew.

    After so many seconds no further turn begins, but for the first one that counts.

    The garbage collector rests while a work runs, so that it does not hit one of them by chance. What is there
    after the warm turns (compiled models) it leaves out from then on: looking through it takes longer than the work.
    """
    draw, names = np.random.default_rng(0), list(works)
    taken = {name: np.zeros(turns + warm) for name in names}
    end = time.perf_counter() + seconds
    for turn in range(turns + warm):
        if turn > warm and time.perf_counter() >= end:
            taken = {name: times[:turn] for name, times in taken.items()}
            break
        if turn == warm:
            gc.collect()
            gc.freeze()
        for which in draw.permutation(len(names)):
            if turn >= warm:
                gc.collect()
            gc.disable()
            begin = time.perf_counter()
            works[names[which]]()
            taken[names[which]][turn] = time.perf_counter() - begin
            gc.enable()
    gc.unfreeze()
    return {name: seconds[warm:] for name, seconds in taken.items()}


def stretches(works: list[Callable[[], Any]], turns: int, clock: Callable[[], float]) -> np.ndarray:
    """What a clock counts of each work, turns × works, in an order drawn anew each time, after two turns to warm up."""
    draw = np.random.default_rng(0)
    taken = np.zeros((turns + 2, len(works)))
    for turn in taken:
        for which in draw.permutation(len(works)):
            begin = clock()
            works[which]()
            turn[which] = clock() - begin
    return taken[2:]


def peak_mib() -> float:
    """The peak of this process's memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ratio(ours: np.ndarray, base: np.ndarray) -> dict[str, float]:
    """The median of the ratios of single turns, with a 95 % interval for it (bootstrap over the turns)."""
    ratios = ours / base
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return {"median": float(np.median(ratios)), "low": float(low), "high": float(high), "turns": len(ratios)}


def machine() -> dict[str, Any]:
    """What the figures were made with; nothing that names the machine."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "versions": versions,
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, {platform.system()}",
    }


def backend() -> str:
    import keras

    return keras.config.backend()


def save(part: str, key: str, rows: Any, quick: bool, folder: Path = RESULTS, **facts: Any) -> None:
    """Put the rows of one run (of a backend, or "all") into the part's file, beside those of the others.

    Args:
        part: the name of the file.
        key: the name of the run in it.
        rows: its rows.
        quick: only print them; the figures of a quick run mean nothing.
        folder: where the file is.
        facts: further entries beside the rows.
    """
    if quick:
        print(json.dumps(rows, indent=1))
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[key] = {**machine(), **facts, "rows": rows}
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def load(part: str) -> dict[str, Any]:
    path = RESULTS / f"{part}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def known_rows(part: str, key: str) -> list[dict[str, Any]]:
    """The rows of one run in the part's file; none if it was not made."""
    rows: list[dict[str, Any]] = load(part).get(key, {"rows": []})["rows"]
    return rows


def pyplot() -> Any:
    """Matplotlib's `pyplot`, without a window, and with the same names in an SVG each time."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "keras_lr"
    from matplotlib import pyplot

    return pyplot
