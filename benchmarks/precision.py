"""Error of the compiled float32 value against float64, up to step 2**31: our schedules, Keras's, optax's, torch's.

    KERAS_BACKEND=jax python -m benchmarks precision

Ours are compared with the formulas of the tests' catalogue, which are written in plain `math` and share no code
with the package; the peers with the formulas here. torch's schedulers keep state in Python floats, so they are
walked, as far as that is feasible.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks import common

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

COUNT, FEW, WALKED = 20_000, 400, 200_000
FIRST = 1000
Floats = np.ndarray


def steps_to(limit: float, count: int) -> np.ndarray:
    """Steps spread evenly over the powers of two, and the last ones."""
    drawn = (2 ** (np.random.default_rng(0).random(count) * np.log2(limit))).astype(np.int64)
    return np.unique(np.concatenate([drawn, np.arange(limit - 4, limit - 1, dtype=np.int64)]))


# Formulas in float64, by the papers and the documentation.


def cosine(t: np.ndarray) -> Floats:
    return 0.05 * (1 + np.cos(np.pi * np.minimum(t / 10**6, 1.0)))


def restarts(t: np.ndarray) -> Floats:
    """Cycles of 1000, 2000, 4000 … steps."""
    starts = np.array([FIRST * (2**i - 1) for i in range(23)])
    cycle = np.searchsorted(starts, t, side="right") - 1
    return 0.05 * (1 + np.cos(np.pi * (t - starts[cycle]) / (FIRST * 2.0**cycle)))


def exponential(t: np.ndarray) -> Floats:
    return 0.1 * 0.96 ** (t / 1e5)


def polynomial(t: np.ndarray) -> Floats:
    return 0.1 * (1 - np.minimum(t / 10**6, 1.0)) ** 2


def time_based(t: np.ndarray) -> Floats:
    return 0.1 / (1 + 0.5 * t / 1000)


def triangular(t: np.ndarray) -> Floats:
    position = t % 4000
    return 0.01 + 0.09 * np.where(position < 2000, position, 4000 - position) / 2000


def equal_restarts(t: np.ndarray) -> Floats:
    return 0.05 * (1 + np.cos(np.pi * (t % FIRST) / FIRST))


def errors(got: Floats, exact: Floats) -> dict[str, float]:
    """The largest error, of the peak, and of the value where that is more than a millionth of the peak."""
    peak, error = exact.max(), np.abs(got - exact)
    visible = exact > 1e-6 * peak
    return {"of_peak": float(error.max() / peak), "of_value": float((error[visible] / exact[visible]).max())}


def ours(steps: np.ndarray) -> list[dict[str, Any]]:
    from support.backend import compiled, counter
    from support.catalogue import ROWS

    rows = []
    for row in ROWS:
        got = np.asarray(keras.ops.convert_to_numpy(compiled(row.schedule.rate)(counter(steps))), np.float64)
        exact = np.array([row.oracle(step) for step in steps.tolist()])
        rows.append({"system": "keras_lr", "case": row.id, "foreign": row.schedule.has_external, **errors(got, exact)})
    return rows


def of_keras(steps: np.ndarray) -> list[dict[str, Any]]:
    from support.backend import compiled, counter

    stock = keras.optimizers.schedules
    cases: dict[str, tuple[Any, Callable[[np.ndarray], Floats]]] = {
        "CosineDecay": (stock.CosineDecay(0.1, 10**6), cosine),
        "CosineDecayRestarts": (stock.CosineDecayRestarts(0.1, FIRST), restarts),
        "ExponentialDecay": (stock.ExponentialDecay(0.1, 10**5, 0.96), exponential),
        "PolynomialDecay": (stock.PolynomialDecay(0.1, 10**6, 0.0, 2.0), polynomial),
        "InverseTimeDecay": (stock.InverseTimeDecay(0.1, 1000, 0.5), time_based),
    }
    rows = []
    for name, (schedule, formula) in cases.items():
        call = compiled(schedule)  # one step at a time: Keras promises scalars only
        got = np.array([float(keras.ops.convert_to_numpy(call(counter(step)))) for step in steps.tolist()])
        rows.append({"system": "Keras", "case": name, **errors(got, formula(steps))})
    return rows


def of_optax(steps: np.ndarray) -> list[dict[str, Any]]:
    import jax
    import optax

    lengths = [FIRST * 2**i for i in range(22)]
    cases: dict[str, tuple[Any, Callable[[np.ndarray], Floats]]] = {
        "cosine_decay_schedule": (optax.cosine_decay_schedule(0.1, 10**6), cosine),
        "exponential_decay": (optax.exponential_decay(0.1, 10**5, 0.96), exponential),
        "polynomial_schedule": (optax.polynomial_schedule(0.1, 0.0, 2, 10**6), polynomial),
        "join_schedules of cosines": (
            optax.join_schedules(
                [optax.cosine_decay_schedule(0.1, n) for n in lengths], np.cumsum(lengths[:-1]).tolist()
            ),
            restarts,
        ),
    }
    rows = []
    for name, (schedule, formula) in cases.items():
        got = np.asarray(jax.jit(jax.vmap(schedule))(jax.numpy.asarray(steps, "int32")), np.float64)
        rows.append({"system": "optax", "case": name, **errors(got, formula(steps))})
    return rows


def of_torch(count: int) -> list[dict[str, Any]]:
    import torch
    from torch.optim import lr_scheduler as schedulers

    cases: dict[str, tuple[Callable[[Any], Any], Callable[[np.ndarray], Floats]]] = {
        "CosineAnnealingWarmRestarts": (lambda o: schedulers.CosineAnnealingWarmRestarts(o, FIRST), equal_restarts),
        "CyclicLR": (lambda o: schedulers.CyclicLR(o, 0.01, 0.1, 2000, cycle_momentum=False), triangular),
        "ExponentialLR": (lambda o: schedulers.ExponentialLR(o, 0.96**1e-5), exponential),
    }
    rows = []
    for name, (make, formula) in cases.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about optimizer.step(), which is not wanted here
            scheduler, got = make(optimizer), []
            for _ in range(count):
                got.append(scheduler.get_last_lr()[0])
                scheduler.step()
        rows.append(
            {"system": "torch", "case": name, "steps": count, **errors(np.array(got), formula(np.arange(count)))}
        )
    return rows


def main(quick: bool = False) -> None:
    many, few = (200, 20) if quick else (COUNT, FEW)
    rows = ours(steps_to(2**31, many)) + of_keras(steps_to(2**31, few))
    if common.backend() == "jax":
        rows += of_optax(steps_to(2**31, many))
    if common.backend() == "torch":
        rows += of_torch(100 if quick else WALKED)
    for row in rows:
        print(
            f"{row['system']:9} {row['case']:36} {row['of_peak']:.1e} of the peak, {row['of_value']:.1e} of the value"
        )
    common.save("precision", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
