"""What large schedules, models and groups cost: the time until the first step of `fit`, and the memory for it.

    KERAS_BACKEND=jax python -m benchmarks scale

Each case runs in a process of its own, so that its peak of memory is its own. The stock optimizer with a number, for
the same model, stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common
from benchmarks.growth import join


def milestones(count: int) -> klr.Schedule:
    """Stairs of ten steps each."""
    return klr.MultiStepDecay(0.1, [10 * (index + 1) for index in range(count)], 0.999)


def dense(variables: int) -> keras.Model:
    """A narrow MLP with that many variables, two of a layer."""
    layers = [keras.layers.Dense(4, name=f"layer_{index}") for index in range(variables // 2)]
    return keras.Sequential([keras.Input((4,)), *layers])


class Wide(keras.layers.Layer):
    """Many small weights in one layer: a model with many variables, but few operations between them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def build(self, shape: Any) -> None:
        self.parts = [self.add_weight(shape=shape[-1:], initializer="ones") for _ in range(self.count)]

    def call(self, x: Any) -> Any:
        return x * keras.ops.mean(keras.ops.stack([part.value for part in self.parts]), axis=0)


def wide(variables: int) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), Wide(variables)])


def groups(count: int) -> Any:
    """An optimizer with a factor for each layer."""
    factors = {f"layer_{index}/": 0.99**index for index in range(count)}
    return klr.Scheduled(keras.optimizers.SGD(klr.CosineDecay(0.1, 10**6)), multipliers=factors)


Case = tuple[Callable[[], Any], Callable[[int], keras.Model], int]
"""What makes the optimizer and the model, and the variables of the model."""


def cases(quick: bool) -> dict[str, Case]:
    """The cases by name, and those with a number as the rate, to compare them with."""
    sgd, cosine = keras.optimizers.SGD, klr.CosineDecay(0.1, 10**6)
    few, joined, parts, stairs = 2, *((3, 4, 50) if quick else (999, 100, 10_000))
    found: dict[str, Case] = {
        "a number, 1 layer": (lambda: sgd(0.1), dense, few),
        f"{stairs:,} milestones": (lambda: sgd(milestones(stairs)), dense, few),
        f"{joined:,} joined schedules": (lambda: sgd(join(joined)), dense, few),
        f"a number, {2 * parts} variables": (lambda: sgd(0.1), dense, 2 * parts),
        f"{parts} groups of {2 * parts} variables": (lambda: groups(parts), dense, 2 * parts),
    }
    deep, broad = (10, 20) if quick else (1_000, 5_000)
    found[f"a number, {deep:,} variables"] = (lambda: sgd(0.1), dense, deep)
    found[f"a cosine, {deep:,} variables"] = (lambda: sgd(cosine), dense, deep)
    if common.backend() != "jax":  # XLA compiles 200 weights in one layer for 40 seconds there, and 400 for minutes
        found[f"a number, {broad:,} weights in one layer"] = (lambda: sgd(0.1), wide, broad)
        found[f"a cosine, {broad:,} weights in one layer"] = (lambda: sgd(cosine), wide, broad)
    return found


def measured(name: str, quick: bool) -> dict[str, Any]:
    """One case, in this process."""
    make, model_of, variables = cases(quick)[name]
    model = model_of(variables)
    x = np.ones((8, 4), "float32")
    begin = time.process_time()
    model.compile(make(), loss="mse")
    made = time.process_time() - begin
    begin = time.process_time()
    model.fit(x[:1], x[:1], batch_size=1, verbose=0)
    first = time.process_time() - begin
    return {"case": name, "made_seconds": made, "first_seconds": first, "peak_mib": common.peak_mib()}


def main(quick: bool = False, only: str = "") -> None:
    """All cases, or those whose name contains something; the rows of the others stay in the file."""
    chosen = [name for name in cases(quick) if only in name]
    before = [] if quick else common.known_rows("scale", common.backend())
    rows = [row for row in before if only not in row["case"]]
    for name in chosen:
        row = common.in_new_process("scale", f"measured({name!r}, {quick})")
        rows.append(row)
        print(f"{common.backend():10} {name:40} {row['first_seconds']:7.2f} s {row['peak_mib']:7.0f} MiB", flush=True)
        common.save("scale", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
