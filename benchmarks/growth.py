"""How costs grow: with the pieces of a join, the variables of a model, the metrics of a log, the step number.

    KERAS_BACKEND=jax python -m benchmarks growth

Each is a row of times and the exponent of the power law through them: 1 is linear growth, 0 none.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common
from benchmarks.logger import logged, model_with
from benchmarks.preview import best
from benchmarks.steps import model_of


def join(pieces: int) -> klr.Schedule:
    """Lines that follow one another, ten steps each."""
    parts = [klr.LinearDecay(1.0 / (index + 1), 10) for index in range(pieces)]
    return klr.Sequential(parts, [10 * (index + 1) for index in range(pieces - 1)]) if pieces > 1 else parts[0]


def milliseconds(work: Callable[[], Any], turns: int = 3) -> float:
    work()
    return best(work, turns)


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """The slope over the larger half of the sizes, where fixed costs count less."""
    half = min(len(sizes) // 2, len(sizes) - 2)
    return float(np.polyfit(np.log(sizes[half:]), np.log(times[half:]), 1)[0])


def compile_and_step(schedule: klr.Schedule, steps: int) -> tuple[float, float]:
    """Seconds until the first step of `fit` is done, and the milliseconds of a step after it."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(schedule), loss="mse")
    x = np.ones((steps, 4), "float32")

    def fit(count: int) -> float:
        begin = time.perf_counter()
        model.fit(x[:count], x[:count, :1], batch_size=1, verbose=0, shuffle=False)
        return time.perf_counter() - begin

    first = fit(1)
    few, many = min(fit(1) for _ in range(3)), min(fit(steps) for _ in range(3))
    return first, 1e3 * (many - few) / (steps - 1)


RATES: dict[str, Callable[[], Any]] = {
    "a schedule": lambda: klr.CosineDecay(1e-3, 10**6),
    "Keras's schedule": lambda: keras.optimizers.schedules.CosineDecay(1e-3, 10**6),
    "a number": lambda: 1e-3,
}
"""What the optimizer of a growing model has as its rate."""


def by_variables(variables: Sequence[int], turns: int) -> dict[str, list[float]]:
    """Milliseconds of a step of `fit` with AdamW for each rate; those of one size take turns."""
    x = np.ones((32 * 20, 64), "float32")
    taken: dict[str, list[float]] = {name: [] for name in RATES}
    for count in variables:
        works = {}
        for name, rate in RATES.items():
            model = model_of(keras.optimizers.AdamW(rate()), count, common.backend() == "jax")
            works[name] = lambda model=model: model.fit(x, x[:, :1], batch_size=32, verbose=0, shuffle=False)
        for name, seconds in common.interleaved(works, turns).items():
            taken[name].append(float(seconds.min() / 20 * 1e3))
    return taken


def main(quick: bool = False) -> None:
    keras.utils.set_random_seed(0)
    rows: list[dict[str, Any]] = []
    of_models(rows, quick)
    of_schedules(rows, quick)


def of_models(rows: list[dict[str, Any]], quick: bool) -> None:
    """The rows about the variables of a model."""
    variables = [4, 8] if quick else [4, 20, 100, 400]
    for name, taken in by_variables(variables, 1 if quick else 9).items():
        add(rows, f"step of fit with AdamW and {name}, by variables", variables, taken, "ms", quick)


def add(rows: list[dict[str, Any]], what: str, sizes: Sequence[int], times: Sequence[float], unit: str, quick: bool):
    """A row more."""
    slope = exponent(sizes, times)
    rows.append({"what": what, "sizes": list(sizes), "times": list(times), "unit": unit, "exponent": slope})
    shown = ", ".join(f"{size:,}: {value:.3g}" for size, value in zip(sizes, times, strict=True))
    print(f"{common.backend():10} {what} ({unit}): {shown}; exponent {slope:.2f}", flush=True)
    common.save("growth", common.backend(), rows, quick)


def of_schedules(rows: list[dict[str, Any]], quick: bool) -> None:
    """The rows about schedules and the logger."""
    note = functools.partial(add, rows, quick=quick)
    pieces = [1, 3, 10] if quick else [1, 3, 10, 30, 100, 300, 999]
    at = np.arange(1000 if quick else 100_000)
    joins = [join(count) for count in pieces]
    note("values of a join, by its pieces", pieces, [milliseconds(lambda j=j: j.values(at)) for j in joins], "ms")
    note("making a join, by its pieces", pieces, [milliseconds(lambda n=n: join(n)) for n in pieces], "ms")
    fitted = [compile_and_step(j, 10 if quick else 200) for j in joins]
    note("first step of fit, by the pieces of a join", pieces, [first for first, _ in fitted], "s")
    note("step of fit, by the pieces of a join", pieces, [max(step, 1e-6) for _, step in fitted], "ms")

    metrics = [1, 2] if quick else [1, 4, 16, 64]
    taken, model = [], model_with(0.1)
    for count in metrics:
        names = tuple(f"m{index}" for index in range(count))
        taken.append(milliseconds(lambda names=names: logged(model, 1, 2000, names)) / 2000)
    note("logger, a batch, by metrics", metrics, taken, "ms")

    numbers = [10, 10**4] if quick else [10, 10**3, 10**5, 10**7, 10**9]
    for name, schedule in {
        "restarts": klr.CosineDecayRestarts(0.1, 100),
        "a cycle": klr.CyclicalLearningRate(0.1, 1.0, 7),
    }.items():
        spans = [np.arange(number, number + 1000) for number in numbers]
        note(
            f"1,000 values of {name}, by the step",
            numbers,
            [milliseconds(lambda f=schedule.values, s=s: f(s), 20) for s in spans],
            "ms",
        )


if __name__ == "__main__":
    main()
