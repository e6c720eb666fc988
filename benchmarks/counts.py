"""What a schedule, a callback or a wrapper adds to a training step, counted and not timed.

    KERAS_BACKEND=jax python -m benchmarks counts

A clock on a shared machine says nothing about one percent; a count is the same in each run. What is counted is what
costs on the backend:

- JAX: the kernels of the schedule in the program that XLA has optimized for the CPU.
- TensorFlow: the operations of the schedule in a graph without XLA; of a condition, those of its longer branch.
- torch: the Python calls (functions of C included) with which an optimizer gets its rate, the mean of 256 updates.
- all: the same of one update of an optimizer with four variables, beside that of the stock optimizer with numbers.
- all: the Python calls of a batch of `fit`, more than those with a constant rate and a callback that does nothing.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common
from benchmarks.steps import CASES as STEPS
from benchmarks.steps import CONSTANT, EMPTY, OURS

stock = keras.optimizers.schedules

FREE_ON_XLA = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}
"""What an instruction of XLA is called that runs nothing."""

FREE_ON_TENSORFLOW = {"Const", "Placeholder", "Identity", "NoOp", "ReadVariableOp"}
"""The same for TensorFlow, and the read of the counter, which every schedule needs."""

UPDATES = 256


class Pair(NamedTuple):
    """A schedule of ours, and the nearest of Keras's."""

    ours: Any
    keras: Any


EDGES, LEVELS = [9, 99, 999], [0.1, 0.05, 0.02, 0.01]
TABLE = [0.1 * 0.9**epoch for epoch in range(30)]
FAR = 10**6


def pairs() -> dict[str, Pair]:
    """The cases by name."""
    warm = stock.CosineDecay(0.0, FAR, warmup_target=0.1, warmup_steps=100)
    pieces = stock.PiecewiseConstantDecay(EDGES, LEVELS)
    return {
        "cosine": Pair(klr.CosineDecay(0.1, FAR), stock.CosineDecay(0.1, FAR)),
        "cosine to a floor": Pair(klr.CosineDecay(0.1, FAR, 0.1), stock.CosineDecay(0.1, FAR, 0.1)),
        "warmup and cosine": Pair(klr.Warmup(klr.CosineDecay(0.1, FAR), 100), warm),
        "restarts": Pair(klr.CosineDecayRestarts(0.1, 1000), stock.CosineDecayRestarts(0.1, 1000)),
        "restarts of one length": Pair(
            klr.CosineDecayRestarts(0.1, 1000, t_mul=1.0), stock.CosineDecayRestarts(0.1, 1000, t_mul=1.0)
        ),
        "restarts, lower and lower": Pair(
            klr.CosineDecayRestarts(0.1, 1000, m_mul=0.5), stock.CosineDecayRestarts(0.1, 1000, m_mul=0.5)
        ),
        "exponential": Pair(klr.ExponentialDecay(0.1, 1000, 0.9), stock.ExponentialDecay(0.1, 1000, 0.9)),
        "stairs": Pair(klr.StepDecay(0.1, 1000, 0.9), stock.ExponentialDecay(0.1, 1000, 0.9, staircase=True)),
        "hyperbola": Pair(klr.TimeBasedDecay(0.1, 1000, 0.9), stock.InverseTimeDecay(0.1, 1000, 0.9)),
        "hyperbola in stairs": Pair(
            klr.TimeBasedDecay(0.1, 1000, 0.9, staircase=True), stock.InverseTimeDecay(0.1, 1000, 0.9, staircase=True)
        ),
        "polynomial": Pair(klr.PolynomialDecay(0.1, FAR, power=2.0), stock.PolynomialDecay(0.1, FAR, power=2.0)),
        "straight line": Pair(klr.PolynomialDecay(0.1, FAR), stock.PolynomialDecay(0.1, FAR)),
        "polynomial, again and again": Pair(
            klr.PolynomialDecay(0.1, 1000, cycle=True), stock.PolynomialDecay(0.1, 1000, cycle=True)
        ),
        "pieces": Pair(klr.PiecewiseConstantDecay(EDGES, LEVELS), pieces),
        "milestones": Pair(klr.MultiStepDecay(0.1, EDGES, 0.5), pieces),
        "a join of five": Pair(STEPS["join of five"][0](), STEPS["Keras's PiecewiseConstantDecay"][0]()),
        "a table of 30 epochs": Pair(
            klr.Tabulated(TABLE, 100), stock.PiecewiseConstantDecay([100 * i - 1 for i in range(1, 30)], TABLE)
        ),
        "reduced by a plateau": Pair(klr.Reduced(klr.CosineDecay(0.1, FAR), 0.5), stock.CosineDecay(0.1, FAR)),
    }


DEARER = {
    "a join of five": "five formulas, where Keras's nearest has five constants",
    "polynomial, again and again": "whole numbers, so that no cycle begins a step too late",
}
"""Where TensorFlow has more operations than for the nearest of Keras, and what they are for."""


def kernels(schedule: Any) -> int:
    """Kernels that XLA makes of a schedule."""
    import jax

    return kernels_of(lambda step: schedule(step), jax.numpy.int32(5))


def kernels_of(function: Callable[..., Any], *arguments: Any) -> int:
    """Kernels that XLA makes of a function."""
    import jax

    text = jax.jit(function).lower(*arguments).compile().as_text()
    names = re.findall(r"^\s+(?:ROOT )?%\S+ = .*? ([a-z][a-z-]*)\(", text[text.index("\nENTRY") :], flags=re.MULTILINE)
    return sum(name not in FREE_ON_XLA for name in names)


def operations(schedule: Any) -> int:
    """Operations of a schedule in a graph of TensorFlow."""
    import tensorflow as tf

    counter = tf.Variable(5, dtype="int64", trainable=False)
    return operations_of(lambda: schedule(counter))


def operations_of(function: Callable[[], Any]) -> int:
    """Operations of a function in a graph of TensorFlow; of functions that it has, those of the longest."""
    import tensorflow as tf

    graph = tf.function(function).get_concrete_function().graph.as_graph_def()
    inner = [sum(node.op not in FREE_ON_TENSORFLOW for node in each.node_def) for each in graph.library.function]
    return sum(node.op not in FREE_ON_TENSORFLOW for node in graph.node) + max(inner, default=0)


def calls(work: Callable[[], Any]) -> int:
    """Python calls in this thread while something runs, functions of C included."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # what it frees calls Python too
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def calls_for_rate(schedule: Any) -> float:
    """Python calls with which an optimizer gets its rate, the mean of some updates."""
    optimizer = keras.optimizers.SGD(schedule)
    optimizer.build([keras.Variable(0.0)])
    optimizer.learning_rate  # noqa: B018

    def work() -> None:
        for _ in range(UPDATES):
            optimizer.learning_rate  # noqa: B018
            optimizer.iterations.assign_add(1)

    def counter_alone() -> None:
        for _ in range(UPDATES):
            optimizer.iterations.assign_add(1)

    return (calls(work) - calls(counter_alone)) / UPDATES


COUNTED: dict[str, tuple[str, Callable[[Any], float]]] = {
    "jax": ("kernels", kernels),
    "tensorflow": ("operations", operations),
    "torch": ("Python calls", calls_for_rate),
}


def of_schedules() -> list[dict[str, Any]]:
    """A row for each pair."""
    unit, count = COUNTED[common.backend()]
    rows = []
    for name, pair in pairs().items():
        rows.append({"kind": unit, "case": name, "ours": count(pair.ours), "keras": count(pair.keras)})
        print(f"{common.backend():10} {name:32} {rows[-1]['ours']:6.4g} {rows[-1]['keras']:6.4g} {unit}", flush=True)
    return rows


def optimizers() -> dict[str, Callable[[], Any]]:
    """The optimizers whose update is counted; each kind begins with the stock one."""
    sgd, adamw = keras.optimizers.SGD, keras.optimizers.AdamW
    cosine, factor = klr.CosineDecay(0.1, FAR), klr.CosineDecay(0.9, FAR)
    return {
        "SGD momentum, stock": lambda: sgd(0.1, momentum=0.9),
        "SGD momentum, cosine": lambda: sgd(cosine, momentum=0.9),
        "SGD momentum, Keras's cosine": lambda: sgd(stock.CosineDecay(0.1, FAR), momentum=0.9),
        "SGD momentum, scheduled momentum": lambda: klr.Scheduled(sgd(0.1), momentum=factor),
        "SGD momentum, two factors": lambda: klr.Scheduled(sgd(0.1, momentum=0.9), multipliers={"v0": 0.5, "v1": 0.7}),
        "AdamW, stock": lambda: adamw(0.1),
        "AdamW, cosine": lambda: adamw(cosine),
        "AdamW, Keras's cosine": lambda: adamw(stock.CosineDecay(0.1, FAR)),
        "AdamW, scheduled beta_1 and weight decay": lambda: klr.Scheduled(
            adamw(0.1), beta_1=factor, weight_decay=factor
        ),
    }


def count_of_update(optimizer: Any, weights: Any = None) -> float:
    """What one update costs, of four variables if none are given."""
    if weights is None:
        weights = [keras.Variable(np.ones((3, 4 + index), "float32"), name=f"v{index}") for index in range(4)]
    gradients = [keras.ops.ones(weight.shape) for weight in weights]
    optimizer.build(weights)
    backend = common.backend()
    if backend == "tensorflow":
        return operations_of(lambda: optimizer.apply(gradients, weights))
    if backend == "jax":
        state = [[each.value for each in group] for group in (optimizer.variables, weights)]
        return kernels_of(optimizer.stateless_apply, state[0], gradients, state[1])

    def updates() -> None:
        for _ in range(UPDATES // 4):
            optimizer.apply(gradients, weights)

    updates()
    return calls(updates) / (UPDATES // 4)


def of_updates() -> list[dict[str, Any]]:
    """A row for each optimizer."""
    rows: list[dict[str, Any]] = []
    base = 0.0
    for name, make in optimizers().items():
        count, is_stock = count_of_update(make()), name.endswith(", stock")
        base = count if is_stock else base
        rows.append({"kind": "update", "case": name, "count": count, "more": count - base})
        print(f"{common.backend():10} update of {name:44} {count:8.6g} {count - base:+8.4g}", flush=True)
    return rows


WARM, FEW = 3, 10
CHOSEN = (CONSTANT, *OURS, "Keras's CosineDecay", "a rate set before each batch", "a naive logger, Keras's cosine")


def calls_of_batches() -> list[dict[str, Any]]:
    """Python calls of a batch of `fit` for the cases of the part `steps`, without those of an empty callback."""
    x = np.zeros((2 * FEW, 4), "float32")
    data, counted = (x, x[:, :1]), {}
    for name in CHOSEN:
        rate, callbacks = STEPS[name]
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate()), loss="mse")
        chosen = [*callbacks(), *STEPS[EMPTY][1]()]

        def fit(count: int, model: Any = model, chosen: Any = chosen) -> Any:
            part = [it[:count] for it in data]
            return model.fit(*part, batch_size=1, verbose=0, shuffle=False, callbacks=chosen)

        fit(WARM)
        counted[name] = (calls(lambda fit=fit: fit(2 * FEW)) - calls(lambda fit=fit: fit(FEW))) / FEW
    return [
        {"kind": "batch", "case": name, "calls": count - counted[CONSTANT], "of": counted[CONSTANT]}
        for name, count in counted.items()
    ]


def main(quick: bool = False) -> None:
    keras.utils.set_random_seed(0)
    rows = of_schedules()
    if not quick:
        rows += of_updates() + calls_of_batches()
        for row in rows:
            if row["kind"] == "batch":
                print(
                    f"{common.backend():10} {row['case']:32} {row['calls']:6.2f} calls of {row['of']:.1f}", flush=True
                )
    common.save("counts", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
