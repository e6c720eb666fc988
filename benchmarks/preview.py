"""The time to compute a million rates before a training: `values`, and what the peers have for it.

    KERAS_BACKEND=jax python -m benchmarks preview

Keras has a call for one step, torch a loop that keeps state: both are timed over fewer steps and scaled to a
million. optax's schedules are compiled under ``jit(vmap(…))``; that compilation is not counted.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks import common

COUNT = 1_000_000
FEW = {
    "Keras's CosineDecay, a call for each": 300,
    "torch's CosineAnnealingLR, a loop": 3000,
    "torch's OneCycleLR, a loop": 3000,
}


def catalogue() -> list[Any]:
    """The rows of the tests' catalogue: one instance of every schedule at least."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from support.catalogue import ROWS

    return ROWS


def best(work: Callable[[], Any], turns: int) -> float:
    """The shortest of some runs, in milliseconds: the work is the same each time, the rest is noise."""
    taken = []
    for _ in range(turns):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return 1e3 * min(taken)


def torch_loop(make: Callable[[Any], Any], count: int) -> None:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optimizer.step() is not wanted here
        scheduler = make(optimizer)
        for _ in range(count):
            scheduler.get_last_lr()
            scheduler.step()


def peers(count: int, quick: bool) -> dict[str, float]:
    """Milliseconds for `count` steps, by the peers that are installed."""
    from torch.optim import lr_scheduler as torch_schedules

    cosine = keras.optimizers.schedules.CosineDecay(0.1, count)
    works: dict[str, Callable[[int], Any]] = {
        "Keras's CosineDecay, a call for each": lambda n: [
            float(keras.ops.convert_to_numpy(cosine(step))) for step in range(n)
        ],
        "torch's CosineAnnealingLR, a loop": lambda n: torch_loop(
            lambda optimizer: torch_schedules.CosineAnnealingLR(optimizer, count), n
        ),
        "torch's OneCycleLR, a loop": lambda n: torch_loop(
            lambda optimizer: torch_schedules.OneCycleLR(optimizer, 0.1, count), n
        ),
    }
    found = {}
    for name, work in works.items():
        few = 3 if quick else FEW[name]
        found[name] = best(lambda work=work, few=few: work(few), 3) * count / few
    import jax
    import optax

    for name, schedule in {
        "optax's cosine_decay_schedule, jit(vmap)": optax.cosine_decay_schedule(0.1, count),
        "optax's cosine_onecycle_schedule, jit(vmap)": optax.cosine_onecycle_schedule(count, 0.1),
    }.items():
        compiled, steps = jax.jit(jax.vmap(schedule)), jax.numpy.arange(count)
        np.asarray(compiled(steps))
        found[name] = best(lambda compiled=compiled, steps=steps: np.asarray(compiled(steps)), 5)
    return found


def main(quick: bool = False) -> None:
    count = 1000 if quick else COUNT
    steps, rows = np.arange(count), []
    for row in catalogue():
        milliseconds = best(lambda row=row: row.schedule.values(steps), 1 if quick else 7)
        rows.append({"case": row.id, "ours": True, "milliseconds": milliseconds, "foreign": row.schedule.has_external})
    rows += [
        {"case": name, "ours": False, "milliseconds": value, "foreign": False}
        for name, value in peers(count, quick).items()
    ]
    for row in sorted(rows, key=lambda row: row["milliseconds"]):
        print(f"{row['milliseconds']:12.1f} ms  {'' if row['ours'] else '(peer) '}{row['case']}")
    common.save("preview", "all", rows, quick)


if __name__ == "__main__":
    main()
