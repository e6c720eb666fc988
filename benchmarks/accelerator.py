"""What a schedule, a callback or a wrapper costs on one GPU, in six minutes at most.

    python -m benchmarks.accelerator                 # on a machine with an NVIDIA GPU
    python -m benchmarks.accelerator --quick         # whether it runs, on a CPU too; a minute
    python -m benchmarks.accelerator --to FOLDER     # where accelerator.json goes

It stands alone and needs no network: Keras, NumPy and those of JAX, torch and TensorFlow that are there. Each backend
runs in a process of its own, with its share of the time, and writes each figure to the file when it has it, so that
one that hangs costs only its own. For each backend, what matters most comes first:

1. Host synchronizations of a step (`benchmarks/waits.py`); on torch also those that CUDA itself reports.
2. The time of a step in each case, relative to a constant rate: stretches of `fit` in turns, each of which ends when
   the device has finished, once with a small model, whose step the host limits, and once with a large one.
3. The same for a compiled step where the backend does not compile by itself (`torch.compile`, XLA on TensorFlow).
4. The range test, relative to as many batches of `fit`.

Without a GPU nothing is written, unless `--to` says where.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import common

BACKENDS = ("jax", "torch", "tensorflow")
PART = "accelerator"
MINUTES = 6.0
QUICK_MINUTES = 1.0
MARGIN = 5.0
"""Seconds that a process gets beyond its share before it is ended."""


class Size(NamedTuple):
    """A model and the stretch of a turn."""

    name: str
    width: int
    layers: int
    batch: int
    steps: int


SMALL = Size("10 variables, width 64", 64, 4, 32, 200)
LARGE = Size("10 variables, width 4096", 4096, 4, 1024, 20)
TINY = Size("4 variables, width 8", 8, 1, 8, 5)

SHORT = ("constant", "constant again", "an empty callback", "cosine", "logger with loss, cosine")
"""The cases of a size or a mode that takes long."""


# In the process of one backend.


def device() -> tuple[str, bool]:
    """What the backend computes on, and whether that is a GPU."""
    backend = common.backend()
    if backend == "torch":
        torch = sys.modules["torch"]
        there = torch.cuda.is_available()
        return (torch.cuda.get_device_name(0) if there else "CPU"), there
    if backend == "jax":
        first = sys.modules["jax"].devices()[0]
        return ("CPU" if first.platform == "cpu" else first.device_kind), first.platform == "gpu"
    tensorflow = sys.modules["tensorflow"]
    found = tensorflow.config.list_physical_devices("GPU")
    details = tensorflow.config.experimental.get_device_details(found[0]) if found else {}
    return details.get("device_name", "GPU" if found else "CPU"), bool(found)


def block(model: Any) -> None:
    """Wait until the device has finished."""
    backend = common.backend()
    if backend == "jax":
        sys.modules["jax"].block_until_ready([variable.value for variable in model.variables])
    elif backend == "torch" and sys.modules["torch"].cuda.is_available():
        sys.modules["torch"].cuda.synchronize()
    elif backend == "tensorflow":
        sys.modules["tensorflow"].test.experimental.sync_devices()


def model_of(optimizer: Any, size: Size, compiled: Any = "auto") -> Any:
    """An MLP."""
    import keras

    layers = [keras.layers.Dense(size.width, "relu") for _ in range(size.layers)]
    model = keras.Sequential([keras.Input((size.width,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse", jit_compile=compiled)
    return model


def data_of(size: Size, steps: int) -> tuple[Any, Any]:
    import numpy as np

    x = np.random.default_rng(0).normal(size=(steps * size.batch, size.width)).astype("float32")
    return x, x[:, :1]


def synchronized_by_cuda(name: str) -> float:
    """The synchronizations of a step that CUDA reports to torch, which sees copies too."""
    import warnings

    import numpy as np

    from benchmarks import waits

    torch = sys.modules["torch"]
    make, callbacks = waits.CASES[name]
    model, chosen = model_of(make(), TINY), callbacks()
    x = np.zeros((TINY.batch * 20, TINY.width), "float32")

    def reported(steps: int) -> int:
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                part = x[: TINY.batch * steps]
                model.fit(part, part[:, :1], batch_size=TINY.batch, verbose=0, callbacks=chosen)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return sum("synchroniz" in str(one.message) for one in seen)

    reported(3)
    return (reported(20) - reported(10)) / 10


def synchronizations(names: list[str]) -> list[dict[str, Any]]:
    """A row for each case."""
    from benchmarks import waits

    rows = []
    for name in names:
        row = {"kind": "waits", **waits.of_case(name)}
        if common.backend() == "torch" and device()[1]:
            row["CUDA"] = synchronized_by_cuda(name)
        rows.append(row)
    return rows


def steps(names: list[str], size: Size, compiled: Any, seconds: float, turns: int) -> list[dict[str, Any]]:
    """The times of a step, relative to the constant rate, and that one in microseconds."""
    import numpy as np

    from benchmarks import waits

    data, works = data_of(size, size.steps), {}
    for name in names:
        make, callbacks = waits.CASES["constant" if name == "constant again" else name]
        model, chosen = model_of(make(), size, compiled), callbacks()

        def work(model: Any = model, chosen: Any = chosen) -> None:
            model.fit(*data, batch_size=size.batch, epochs=1, verbose=0, shuffle=False, callbacks=chosen)
            block(model)

        works[name] = work
    taken = common.interleaved(works, turns, warm=2, seconds=seconds)
    base = taken["constant"]
    mode = "as Keras compiles by default" if compiled == "auto" else "jit_compile=True"
    known = {"kind": "step", "mode": mode, "size": size.name}
    rows = [{**known, "case": name, **common.ratio(times, base)} for name, times in taken.items() if name != "constant"]
    return [*rows, {**known, "case": "constant", "microseconds": float(np.median(base) / size.steps * 1e6)}]


def range_test(size: Size, seconds: float, turns: int) -> list[dict[str, Any]]:
    """A batch of the range test, relative to one of `fit`: the difference of two lengths of both."""
    import keras

    from benchmarks.range_test import compared

    model = model_of(keras.optimizers.SGD(1e-5, momentum=0.9), size)
    few = max(size.steps // 4, 10)  # the least that a range test takes
    many = max(size.steps, 2 * few)
    data, counts = data_of(size, many), (few, many)
    found, _ = compared(model, *data, size.batch, counts, turns, seconds, lambda: block(model))
    return [{"kind": "range_test", "size": size.name, **found}]


def part(what: str, work: Callable[[float], list[dict[str, Any]]], seconds: float) -> list[dict[str, Any]]:
    """The rows of one part; where it fails, or no time is left, a row that says so."""
    if seconds <= 0:
        return [{"kind": "left out", "what": what, "why": "no time was left"}]
    try:
        return work(seconds)
    except Exception as error:  # the next part may well run
        return [{"kind": "left out", "what": what, "why": f"{type(error).__name__}: {error}"[:300]}]


def measure(seconds: float, quick: bool, folder: str | None) -> None:
    """All of one backend, in this process."""
    import keras

    from benchmarks import waits

    end = time.perf_counter() + seconds
    keras.utils.set_random_seed(0)
    name, is_gpu = device()
    is_kept = folder is not None or (is_gpu and not quick)
    rows: list[dict[str, Any]] = []
    every = [name for name in waits.CASES if not name.startswith(("a rate set", "a naive"))]
    every = ["constant", "constant again", *(case for case in every if case != "constant")]
    small, large, turns = (TINY, TINY, 2) if quick else (SMALL, LARGE, 60)
    chosen = list(SHORT) if quick else every
    read = list(waits.CASES)[: 3 if quick else None]
    plan: list[tuple[str, float, Callable[[float], list[dict[str, Any]]]]] = [
        ("host synchronizations", 0.1, lambda _: synchronizations(read)),
        ("steps, small", 0.4, lambda left: steps(chosen, small, "auto", left, turns)),
        ("steps, large", 0.5, lambda left: steps(list(SHORT), large, "auto", left, turns)),
        ("range test", 0.5, lambda left: range_test(small, left, turns)),
    ]
    if common.backend() != "jax":  # which compiles always
        few = ["constant", *SHORT[-2:]]
        plan.append(("steps, jit_compile=True", 1.0, lambda left: steps(few, small, True, left, turns)))
    for what, share, work in plan:
        begin = time.perf_counter()
        found = part(what, work, (end - begin) * share)
        print(f"{common.backend():10} {what}: {time.perf_counter() - begin:.0f} s")
        for row in found:
            print(f"{common.backend():10} {row}", flush=True)
        rows += found
        if is_kept:
            path = common.RESULTS if folder is None else Path(folder)
            common.save(PART, common.backend(), rows, False, path, device=name)
    if not is_kept:
        print(f"{common.backend():10} on {name}: nothing is written", flush=True)


# In the first process.


def is_there(backend: str) -> bool:
    return importlib.util.find_spec(backend) is not None


def run(backend: str, seconds: float, quick: bool, folder: str | None) -> str:
    """Measure one backend in a process of its own; how that ended."""
    code = f"from benchmarks import accelerator; accelerator.measure({seconds!r}, {quick!r}, {folder!r})"
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # JAX would take three quarters of the memory for itself, TensorFlow all of it.
    environment |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    child = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[1], env=environment)
    try:
        child.wait(seconds + MARGIN)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return f"ended after {seconds + MARGIN:.0f} s; what it had measured is in the file"
    return "done" if child.returncode == 0 else f"failed with {child.returncode}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.accelerator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="only these")
    parser.add_argument("--minutes", type=float, help=f"for all together; {MINUTES:g}, and {QUICK_MINUTES:g} if quick")
    parser.add_argument("--quick", action="store_true", help="a few steps of everything")
    parser.add_argument("--to", metavar="FOLDER", help="where accelerator.json goes")
    given = parser.parse_args(arguments)
    folder = None if given.to is None else os.path.abspath(given.to)
    end = time.perf_counter() + 60 * (given.minutes or (QUICK_MINUTES if given.quick else MINUTES))
    wanted = [backend for backend in given.backend or BACKENDS if is_there(backend)]
    ended = {}
    for number, backend in enumerate(wanted):
        # What one backend leaves of its share is for those after it.
        share = (end - time.perf_counter()) / (len(wanted) - number) - MARGIN
        ended[backend] = run(backend, max(share, 1.0), given.quick, folder)
    for backend in BACKENDS:
        print(f"{backend:10} {ended.get(backend, 'not there, or not asked for')}")
    return 0 if ended and all(how == "done" for how in ended.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
