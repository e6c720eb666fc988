"""Costs of rates for groups of variables: CPU time of a step, that until the first one, bytes of the optimizer.

    KERAS_BACKEND=jax python -m benchmarks groups

An MLP of 200 variables, the kernels 256 × 256, is trained with 12 groups (layer-wise decay over twelfths of the
layers) and with the stock optimizer, which stands beside itself as the measure's own error. The models take turns, in
an order drawn anew each time, a stretch of steps at a time; the figures are medians of the ratios of stretches of one
turn. CPU time, of all threads of the process, is what other work on the machine changes least.

The operations of an update are also counted, as in the part `counts`. A count is the same in each run.
"""

import functools
import time

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common, counts

KINDS = ("SGD momentum", "AdamW, cosine")
TURNS, STEPS, BATCH, GROUPS, LAYERS, UNITS, STARTS = 20, 10, 32, 12, 100, 256, 3


def stock(kind):
    """The stock optimizer."""
    if kind == "SGD momentum":
        return keras.optimizers.SGD(1e-3, momentum=0.9)
    return keras.optimizers.AdamW(klr.CosineDecay(1e-3, 100_000))


def grouped(kind, layers):
    """The same with factors for as many groups of layers; `layer_0` to `layer_8` are the first of them."""
    size = -(-layers // GROUPS)
    blocks = [range(first, min(first + size, layers)) for first in range(0, layers, size)]
    factors = {
        f"layer_({'|'.join(map(str, block))})/": 0.9 ** (len(blocks) - number) for number, block in enumerate(blocks)
    }
    return klr.Scheduled(stock(kind), multipliers=factors)


def model_of(optimizer, layers):
    """An MLP of that many dense layers, each with two variables."""
    dense = [keras.layers.Dense(UNITS, "relu", name=f"layer_{place}") for place in range(layers)]
    model = keras.Sequential([keras.Input((UNITS,)), *dense])
    model.compile(optimizer, loss="mse")
    return model


def first_step(model, x):
    """CPU seconds of the first batch: building, tracing and compiling."""
    begin = time.process_time()
    model.train_on_batch(x[:BATCH], x[:BATCH])
    return time.process_time() - begin


def times(kind, layers, turns, steps):
    """CPU seconds of each stretch, turns × (stock, stock again, groups), and the bytes of the optimizers' variables."""
    x = np.random.default_rng(0).normal(size=(steps * BATCH, UNITS)).astype("float32")
    models = [model_of(make, layers) for make in (stock(kind), stock(kind), grouped(kind, layers))]
    fits = [functools.partial(model.fit, x, x, BATCH, verbose=0, shuffle=False) for model in models]
    taken = common.stretches(fits, turns, time.process_time)
    sizes = [sum(int(np.prod(it.shape)) * 4 for it in model.optimizer.variables) for model in models]
    return taken, sizes


def starts(kind, layers, count):
    """CPU seconds until the first step is made, of new models: count × (stock, groups)."""
    x = np.zeros((BATCH, UNITS), "float32")
    taken = []
    for _ in range(count + 1):
        pair = []
        for optimizer in (stock(kind), grouped(kind, layers)):
            keras.backend.clear_session()
            pair.append(first_step(model_of(optimizer, layers), x))
        taken.append(pair)
    return np.array(taken[1:])


def counted(kind, layers):
    """What one update consists of, with the stock optimizer and with groups."""
    unit = {"jax": "kernels", "tensorflow": "operations", "torch": "Python calls"}[common.backend()]
    found = []
    for optimizer in (stock(kind), grouped(kind, layers)):
        weights = model_of(optimizer, layers).trainable_variables
        found.append(counts.count_of_update(optimizer, weights))
    return {"kind": kind, "unit": unit, "stock": found[0], "groups": found[1]}


def main(quick=False):
    keras.utils.set_random_seed(0)
    rows = [counted(kind, 24 if quick else LAYERS) for kind in KINDS]
    print(*rows, sep="\n", flush=True)
    common.save("groups_counted", common.backend(), rows, quick)
    layers, turns, steps, count = (24, 2, 2, 1) if quick else (LAYERS, TURNS, STEPS, STARTS)
    rows = []
    for kind in KINDS:
        taken, sizes = times(kind, layers, turns, steps)
        first, second, groups = taken.T
        of_start = starts(kind, layers, count).T
        found = {
            "groups": common.ratio(groups, first),
            "stock again": common.ratio(second, first),
            "first step": common.ratio(of_start[1], of_start[0]),
        }
        for case, figures in found.items():
            rows.append({"kind": kind, "case": case, "bytes": sizes[2] / sizes[0], **figures})
            print(f"{common.backend():10} {kind:14} {case:12} {figures['median']:.3f}", flush=True)
        print(f"bytes of the optimizer: {sizes[2] / sizes[0]:.4f} of the stock one's", flush=True)
        common.save("groups", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
