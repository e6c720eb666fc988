"""Lagging statistics of batch normalization: along a one-cycle run, and what a plateau makes of them.

    KERAS_BACKEND=jax python -m benchmarks batch_normalization        the runs; those that are done are not made again
    python -m benchmarks.batch_normalization                          the pictures, from the file of results

A residual network is trained with real handwritten digits of 8 × 8 pixels (scikit-learn's `load_digits`, 1,797 images).

one-cycle   After each epoch the network is evaluated with its moving statistics, with statistics over all training data
            (`refresh_batch_norm`), and with the moving ones again, so that the training is not changed.
plateau     `ReduceOnPlateau` watches the loss on half of the held-out images, with moving statistics or with
            `refresh_batch_norm=8`. The other half is the judge, with statistics over all training data: a reduction is
            false if the judge's loss has reached a new best in the `PATIENCE` epochs up to it. The judge's images are
            not those of the callback, so neither way of watching is right by definition.
cost        What `BatchNormMomentum` adds to the training step: instructions of the compiled program (TensorFlow, JAX),
            or operations that torch carries out.

Seeds, rates and lengths are below, and were chosen before the first run of each part.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common

PART = "batch_normalization"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
SEEDS = range(8)
BATCH = 32
ONE_CYCLE = {"epochs": 16, "peak": 0.5}
PLATEAU = {"epochs": 24, "rate": 0.2, "factor": 0.5, "seeds": 6}
PATIENCE = 3
Data = tuple[np.ndarray, np.ndarray]


def digits() -> tuple[Data, Data, Data]:
    """Training, monitored and judging images with their classes; one split for all seeds."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = (data.images[order, ..., None] / 16.0).astype("float32"), data.target[order].astype("int32")
    ends = [896, 896 + 450, len(y)]
    return (x[: ends[0]], y[: ends[0]]), (x[ends[0] : ends[1]], y[ends[0] : ends[1]]), (x[ends[1] :], y[ends[1] :])


def network(rate: Any) -> keras.Model:
    """Two residual blocks of 16 and 32 channels; norms and biases do not decay."""
    layers = keras.layers

    def convolved(x: Any, channels: int, size: int, strides: int = 1) -> Any:
        x = layers.Conv2D(channels, size, strides, "same", use_bias=False, kernel_initializer="he_normal")(x)
        return layers.BatchNormalization()(x)

    def block(x: Any, channels: int, strides: int) -> Any:
        inner = convolved(layers.ReLU()(convolved(x, channels, 3, strides)), channels, 3)
        return layers.ReLU()(layers.Add()([inner, x if strides == 1 else convolved(x, channels, 1, strides)]))

    inputs = keras.Input((8, 8, 1))
    x = block(block(layers.ReLU()(convolved(inputs, 16, 3)), 16, 1), 32, 2)
    model = keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, weight_decay=5e-4)
    optimizer.exclude_from_weight_decay(var_list=klr.norms_and_biases(model))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


class Runs:
    """One compiled network for all runs: weights, optimizer and rate begin anew in each."""

    def __init__(self, rate: Any) -> None:
        self.rate = rate
        self.model = network(rate)

    def begin(self, seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        self.model.set_weights(network(0.1).get_weights())
        self.model.optimizer.build(self.model.trainable_variables)
        for variable in self.model.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        if isinstance(self.rate, float):
            self.model.optimizer.learning_rate = self.rate
        return self.model


class Judge(keras.callbacks.Callback):
    """Evaluates with moving and with true statistics after each epoch, and puts everything back."""

    def __init__(self, train: Data, held_out: Data) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self._train, self._held_out = train, held_out

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        model = self.model
        statistics = [variable for variable in model.non_trainable_variables if "moving" in variable.name]
        before = [np.array(keras.ops.convert_to_numpy(variable)) for variable in statistics]
        lagging = model.evaluate(*self._held_out, batch_size=450, verbose=0)
        klr.refresh_batch_norm(model, self._train[0], batch_size=BATCH)
        refreshed = model.evaluate(*self._held_out, batch_size=450, verbose=0)
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(value)
        rate = klr.get_learning_rate(model)
        names = ("loss", "accuracy", "refreshed_loss", "refreshed_accuracy")
        self.rows.append({"rate": rate, **dict(zip(names, [*lagging, *refreshed], strict=True))})


def one_cycle(quick: bool, known: list[dict[str, Any]]) -> None:
    train, _, held_out = digits()
    epochs = 2 if quick else ONE_CYCLE["epochs"]
    runs = Runs(klr.OneCycle(ONE_CYCLE["peak"], int(epochs) * len(train[0]) // BATCH))
    for seed in missing(SEEDS, [row["seed"] for row in known], quick):
        judge = Judge(train, held_out)
        model = runs.begin(seed)
        model.fit(*train, batch_size=BATCH, epochs=int(epochs), verbose=0, callbacks=[judge])
        known.append({"seed": seed, "epochs": judge.rows})
        common.save(PART, "one-cycle", known, quick)
        print("one-cycle", seed, judge.rows[len(judge.rows) // 3], judge.rows[-1], flush=True)


def plateau(quick: bool, known: list[dict[str, Any]]) -> None:
    train, monitored, held_out = digits()
    epochs = 2 if quick else int(PLATEAU["epochs"])
    runs = Runs(float(PLATEAU["rate"]))
    arms = [(seed, batches) for seed in range(int(PLATEAU["seeds"])) for batches in (None, 8)]
    for seed, batches in missing(arms, [(row["seed"], row["refresh"]) for row in known], quick):
        judge, model = Judge(train, held_out), runs.begin(seed)
        reduce = klr.ReduceOnPlateau(
            "val_loss", float(PLATEAU["factor"]), PATIENCE, min_delta=0.0, refresh_batch_norm=batches
        )
        model.fit(
            *train, batch_size=BATCH, epochs=epochs, validation_data=monitored, verbose=0, callbacks=[judge, reduce]
        )
        row = {"seed": seed, "refresh": batches, "epochs": judge.rows, **counted(judge.rows)}
        known.append(row)
        common.save(PART, "plateau", known, quick)
        print({name: row[name] for name in ("seed", "refresh", "reductions", "false")}, judge.rows[-1], flush=True)


def counted(rows: list[dict[str, float]]) -> dict[str, list[int]]:
    """The epochs whose end brought a reduction, and those of them that were false."""
    rates, losses = [row["rate"] for row in rows], [row["refreshed_loss"] for row in rows]
    reductions = [epoch for epoch in range(len(rows) - 1) if rates[epoch + 1] < rates[epoch]]
    # The judge stands before the callback: the rate of its row is the one that the epoch was trained with.
    best = [int(np.argmin(losses[: epoch + 1])) for epoch in range(len(rows))]
    return {"reductions": reductions, "false": [epoch for epoch in reductions if epoch - best[epoch] < PATIENCE]}


def missing(wanted: Any, there: list[Any], quick: bool) -> list[Any]:
    return list(wanted)[:1] if quick else [it for it in wanted if it not in there]


class Count(keras.callbacks.Callback):
    """How much the training step does, counted when it is installed."""

    def __init__(self, data: Data) -> None:
        super().__init__()
        self.count = 0
        self._data = tuple(keras.ops.convert_to_tensor(part[:BATCH]) for part in data)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.count:
            self.count = getattr(self, f"_{keras.config.backend()}")(self.model, self._data)

    def _jax(self, model: Any, data: Any) -> int:
        import jax

        groups = [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]
        state = tuple([variable.value for variable in group] for group in [*groups, model.metrics_variables])
        compiled = jax.jit(lambda state, data: model.train_step(state, data)).lower(state, data).compile()
        return instructions(compiled.as_text())

    def _tensorflow(self, model: Any, data: Any) -> int:
        import tensorflow as tf

        step = tf.function(lambda *data: model.train_step(data), jit_compile=True)
        return instructions(step.experimental_get_compiler_ir(*data)(stage="optimized_hlo"))

    def _torch(self, model: Any, data: Any) -> int:
        # Not by a dispatch mode: within one, schedules cannot read the counter and are computed with tensors.
        import torch

        with torch.autograd.profiler.profile() as profile:
            model.train_step(data)
        return sum(event.name.startswith("aten::") for event in profile.function_events)


def instructions(program: str) -> int:
    """Instructions of a compiled program's entry: kernels and what feeds them."""
    entry = program[program.index("ENTRY") :]
    return sum(" = " in line and " parameter(" not in line for line in entry.splitlines())


def cost(quick: bool) -> None:
    train, *_ = digits()
    found = {}
    rising = klr.PiecewiseConstantDecay([klr.epochs(4), klr.epochs(8)], [0.5, 0.9, 0.99])
    for name, extra in {"without": [], "again": [], "with": [klr.BatchNormMomentum(rising)]}.items():
        count = Count(train)
        network(klr.CosineDecay(0.1, 1000)).fit(
            train[0][:BATCH], train[1][:BATCH], batch_size=BATCH, verbose=0, callbacks=[*extra, count]
        )
        found[name] = count.count
    row = {**found, "ratio": found["with"] / found["without"]}
    print("cost", common.backend(), row, flush=True)
    common.save(PART, f"cost on {common.backend()}", [row], quick)


def main(quick: bool = False) -> None:
    known = common.load(PART)
    cost(quick)
    if common.backend() == "jax":
        one_cycle(quick, known.get("one-cycle", {}).get("rows", []))
        plateau(quick, known.get("plateau", {}).get("rows", []))


def interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the seeds (the first axis) and its 95 % interval, by the bootstrap."""
    draws = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5], axis=0)
    return values.mean(axis=0), low, high


def draw() -> None:
    """Draw the two pictures, and print the figures that the page has."""
    pyplot = common.pyplot()
    found = common.load(PART)
    cycle = [run["epochs"] for run in found["one-cycle"]["rows"]]
    arms = {
        name: [run for run in found["plateau"]["rows"] if run["refresh"] == batches]
        for name, batches in (("moving statistics", None), ("refresh_batch_norm=8", 8))
    }
    draw_cycle(pyplot, {name: np.array([[row[name] for row in run] for run in cycle]) for name in cycle[0][0]})
    draw_plateau(pyplot, arms)


def draw_cycle(pyplot: Any, columns: dict[str, np.ndarray]) -> None:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    epochs = np.arange(1, columns["loss"].shape[1] + 1)
    for name, label in (("loss", "moving statistics"), ("refreshed_loss", "refreshed statistics")):
        mean, low, high = interval(columns[name])
        (line,) = left.plot(epochs, mean, label=label)
        left.fill_between(epochs, low, high, color=line.get_color(), alpha=0.25)
    gap = columns["accuracy"] - columns["refreshed_accuracy"]
    mean, low, high = interval(100.0 * gap)
    right.plot(epochs, mean, color="tab:red")
    right.fill_between(epochs, low, high, color="tab:red", alpha=0.25)
    right.axhline(0.0, color="gray", linewidth=0.8)
    rate = right.twinx()
    rate.plot(epochs, columns["rate"].mean(axis=0), color="gray", linestyle=":")
    rate.set_ylabel("learning rate (dotted)")
    left.set(xlabel="epoch", ylabel="loss on held-out digits", yscale="log")
    right.set(xlabel="epoch", ylabel="accuracy lost to lagging, points")
    left.legend()
    figure.savefig(IMAGES / "batch_norm_one_cycle.svg", metadata={"Date": None})
    rows = np.transpose([mean, low, high, columns["loss"].mean(axis=0), columns["refreshed_loss"].mean(axis=0)])
    for epoch, row in zip(epochs, rows, strict=True):
        print(epoch, row.round(3).tolist())


def draw_plateau(pyplot: Any, arms: dict[str, list[dict[str, Any]]]) -> None:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for place, (name, runs) in enumerate(arms.items()):
        counts = {kind: np.array([len(run[kind]) for run in runs]) for kind in ("reductions", "false")}
        means = {kind: interval(values.astype(float)) for kind, values in counts.items()}
        for at, kind, color in ((place - 0.2, "reductions", "tab:gray"), (place + 0.2, "false", "tab:red")):
            mean, low, high = (float(it) for it in means[kind])
            label = {"reductions": "all", "false": "false"}[kind] if place == 0 else None
            left.bar([at], mean, 0.4, yerr=[[mean - low], [high - mean]], capsize=4, color=color, label=label)
        rates = np.array([[row["rate"] for row in run["epochs"]] for run in runs])
        right.plot(np.arange(1, rates.shape[1] + 1), np.exp(np.log(rates).mean(axis=0)), label=name)
        last = {key: interval(np.array([run["epochs"][-1][key] for run in runs])) for key in runs[0]["epochs"][-1]}
        first = [run["reductions"][0] + 1 if run["reductions"] else None for run in runs]
        print(name, {kind: [round(float(it), 2) for it in mean] for kind, mean in means.items()}, "first", first)
        print(name, {key: [round(float(it), 4) for it in mean] for key, mean in last.items()})
    left.set_xticks(range(len(arms)), list(arms))
    left.set(ylabel="reductions in a run, mean")
    right.set(xlabel="epoch", ylabel="learning rate, geometric mean", yscale="log")
    left.legend()
    right.legend()
    figure.savefig(IMAGES / "batch_norm_plateau.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(draw())
