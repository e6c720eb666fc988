"""How well a law forecasts losses: eight schedules on small tasks, of which two are fitted.

    KERAS_BACKEND=jax python -m benchmarks forecast

What follows was fixed before the first of these trainings:

1. A peak rate is chosen for each task: of four, the one with which a cosine ends lowest. All schedules have it.
2. Eight schedules train, each from three seeds, for 2,000 steps with a warmup of 100. The loss on held-out data is
   taken every 25 steps. Each law is fitted to the cosine and the warmup-stable-decay, and forecasts the other six.
   The first holds all rates between the peak and 0, the second holds the peak for long and falls steeply. An earlier
   version, of 800 steps, fitted the constant rate and the cosine; on its curves this pair was compared with others.
3. The law is fitted to the mean of the three seeds, and compared with the mean of the three seeds. It is fitted to
   each seed by itself too.
4. Two schedules train for three times that length, from one seed, and are forecast by the same fits.
5. The schedule that `Forecast.best` designs trains from three fresh seeds, and so does the best of the eight.

Also the times of fits and forecasts, on logs made from a known law, and the error of thinning.

A training is a compiled loop over the batches between two evaluations, whose optimizer is given the rates of
`Schedule.values`. So it compiles once for each task, and not once for each schedule. All trainings with one seed see
the same batches.

Interrupted, it goes on where it was: each training is a line in a journal. Data: the standard library's sources, a
network with random weights, and scikit-learn's digits. Only the first two are passed once; the digits are shifted at
random and come again many times.
"""

from __future__ import annotations

import json
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

import keras_lr as klr
from benchmarks import common
from keras_lr.tools.forecast.laws import LAWS
from keras_lr.tools.forecast.sums import sums_of

STEPS, EVERY, WARMUP = 2000, 25, 100
SEEDS, FRESH, CHOOSING = (0, 1, 2), (10, 11, 12), 100
PEAKS = (1e-3, 3e-3, 1e-2, 3e-2)
CONTEXT, WIDTH, HEADS = 32, 32, 2
JOURNALS = common.RESULTS.parent / "journals"
FITTED = ("cosine", "warmup-stable-decay")


def schedules(peak: float, steps: int) -> dict[str, Any]:
    """The eight schedules, with their warmup."""
    rest = steps - WARMUP
    decays = {
        "constant": klr.Constant(peak),
        "cosine": klr.CosineDecay(peak, rest),
        "linear": klr.LinearDecay(peak, rest),
        "REX": klr.REXDecay(peak, rest),
        "exponential": klr.ExponentialDecay(peak, rest, 0.01),
        "two stairs": klr.MultiStepDecay(peak, [rest // 2, rest * 4 // 5], 0.3),
        "restarts": klr.CosineDecayRestarts(peak, rest // 3, t_mul=1.0),
    }
    warm = {name: klr.Warmup(decay, WARMUP) for name, decay in decays.items()}
    return {**warm, "warmup-stable-decay": klr.WarmupStableDecay(peak, steps, WARMUP, steps // 5)}


# The tasks: model, loss, held-out data, and batches.


class Task:
    """A model, and batches drawn at random."""

    loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    batch = 64
    held_out = 8192

    def model(self) -> Any:
        raise NotImplementedError

    def draw(self, random: np.random.Generator, count: int, held_out: bool) -> tuple[Any, Any]:
        raise NotImplementedError


class Places(keras.layers.Layer):
    """Adds a learned vector for each place of the text."""

    def build(self, shape: tuple[int, ...]) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self._vectors = self.add_weight(shape=shape[1:], initializer=start, name="vectors")

    def call(self, x: Any) -> Any:
        return x + self._vectors


class Characters(Task):
    """Each next character of the standard library's sources, by a transformer of two layers."""

    batch = 16
    held_out = 256

    def __init__(self) -> None:
        files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
        text = b"".join(file.read_bytes() for file in files)
        self._text = np.minimum(np.frombuffer(text, np.uint8), 127)
        self._cut = len(self._text) * 9 // 10

    def model(self) -> Any:
        layers = keras.layers
        text = keras.Input((CONTEXT,), dtype="int32")
        x = Places()(layers.Embedding(128, WIDTH)(text))
        for _ in range(2):
            normal = layers.LayerNormalization()(x)
            x = x + layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(normal, normal, use_causal_mask=True)
            normal = layers.LayerNormalization()(x)
            x = x + layers.Dense(WIDTH)(layers.Dense(4 * WIDTH, "gelu")(normal))
        return keras.Model(text, layers.Dense(128)(layers.LayerNormalization()(x)))

    def draw(self, random: np.random.Generator, count: int, held_out: bool) -> tuple[Any, Any]:
        low, high = (self._cut, len(self._text)) if held_out else (0, self._cut)
        start = random.integers(low, high - CONTEXT - 1, count)
        rows = self._text[start[:, None] + np.arange(CONTEXT + 1)].astype("int32")
        return rows[:, :-1], rows[:, 1:]


class Regression(Task):
    """The output of a network with random weights, with noise."""

    loss = keras.losses.MeanSquaredError()

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._first = random.normal(size=(24, 64)) / np.sqrt(24) * 2.0
        self._second = random.normal(size=(64, 1)) / 8.0

    def model(self) -> Any:
        hidden = [keras.layers.Dense(96, "gelu") for _ in range(2)]
        return keras.Sequential([keras.Input((24,)), *hidden, keras.layers.Dense(1)])

    def draw(self, random: np.random.Generator, count: int, held_out: bool) -> tuple[Any, Any]:
        x = random.normal(size=(count, 24))
        y = np.tanh(x @ self._first) @ self._second + 0.1 * random.normal(size=(count, 1))
        return x.astype("float32"), y.astype("float32")


class Images(Task):
    """Digits of 8 × 8 pixels, shifted by up to two pixels and with noise."""

    def __init__(self) -> None:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        self._x = np.pad(x[order].reshape(-1, 8, 8) / 16.0, ((0, 0), (2, 2), (2, 2)))
        self._y, self._cut = y[order].astype("int32"), 1300

    def model(self) -> Any:
        layers = keras.layers
        convolutions = [layers.Conv2D(16, 3, 2, "same", activation="relu") for _ in range(2)]
        ends = [layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10)]
        return keras.Sequential([keras.Input((8, 8, 1)), *convolutions, *ends])

    def draw(self, random: np.random.Generator, count: int, held_out: bool) -> tuple[Any, Any]:
        which = random.integers(*((self._cut, len(self._x)) if held_out else (0, self._cut)), count)
        down, right = random.integers(0, 5, (2, count, 1, 1))
        rows, columns = np.arange(8)[None, :, None], np.arange(8)[None, None, :]
        x = self._x[which[:, None, None], down + rows, right + columns] + 0.3 * random.normal(size=(count, 8, 8))
        return x[..., None].astype("float32"), self._y[which]


TASKS = {"characters": Characters, "images": Images, "regression": Regression}


# Trainings.


class Loop:
    """The compiled steps of one task: many batches with their rates, and the loss on held-out data."""

    def __init__(self, task: Task) -> None:
        import jax

        self._task, model = task, task.model()
        optimizer = keras.optimizers.AdamW(1.0, weight_decay=0.0)
        optimizer.build(model.trainable_variables)
        self._optimizer = optimizer
        place = next(i for i, it in enumerate(optimizer.variables) if it is optimizer._learning_rate)

        def loss(weights: Any, x: Any, y: Any) -> Any:
            return task.loss(y, model.stateless_call(weights, [], x)[0])

        def step(state: Any, batch: Any) -> Any:
            (weights, kept), (rate, x, y) = state, batch
            slopes = jax.grad(loss)(weights, x, y)
            return optimizer.stateless_apply([*kept[:place], rate, *kept[place + 1 :]], slopes, weights), None

        self._steps = jax.jit(lambda state, rates, x, y: jax.lax.scan(step, state, (rates, x, y))[0])
        self._loss = jax.jit(loss)

    def losses(self, rates: np.ndarray, seed: int, held_out: list[tuple[Any, Any]]) -> tuple[list[float], float]:
        """The held-out loss after every 25 steps; and that of the end, on other held-out data."""
        keras.utils.set_random_seed(seed)
        weights = [it.value for it in self._task.model().trainable_variables]
        state = weights, [it.value for it in self._optimizer.variables]
        random, found = np.random.default_rng(1000 + seed), []
        for part in np.split(rates.astype("float32"), len(rates) // EVERY):
            batches = self._task.draw(random, EVERY * self._task.batch, False)
            x, y = (it.reshape(EVERY, self._task.batch, *it.shape[1:]) for it in batches)
            state = self._steps(state, part, x, y)
            found.append(round(float(self._loss(state[0], *held_out[0])), 6))
        return found, round(float(self._loss(state[0], *held_out[1])), 6)


class Trainings:
    """Trainings of one task, each of which is made once and kept in the journal."""

    def __init__(self, name: str, quick: bool) -> None:
        self._name, self._quick = name, quick
        task = TASKS[name]()
        self._loop = Loop(task)
        count = 64 if quick else task.held_out
        self._held_out = [task.draw(np.random.default_rng(12345 + which), count, True) for which in range(2)]
        self._journal = JOURNALS / f"forecast_{name}.jsonl"
        self._known: dict[str, tuple[list[float], float]] = {}
        if self._journal.exists() and not quick:
            self._known = dict(read(self._journal))

    @property
    def evaluation_noise(self) -> float:
        """Standard deviation of the final loss between two sets of held-out data, without what all trainings share."""
        ratios = [np.log(again / losses[-1]) for losses, again in self._known.values()]
        return float(np.std(ratios) / np.sqrt(2.0))

    def log(self, schedule: Any, steps: int, *seeds: int) -> pd.DataFrame:
        """The log of a training: the rate of each step, and the held-out loss where it was taken; the seeds' mean."""
        frame = schedule.to_frame(range(steps))
        frame["held_out"] = np.nan
        losses = [self._losses(schedule, frame["learning_rate"].to_numpy(), seed) for seed in seeds]
        frame.loc[EVERY - 1 :: EVERY, "held_out"] = np.mean(losses, axis=0)
        return frame

    def final(self, schedule: Any, steps: int, seed: int) -> float:
        """The loss at the end: the mean of the last two that were taken, which is less noisy than one."""
        return float(self.log(schedule, steps, seed)["held_out"].dropna().iloc[-2:].mean())

    def _losses(self, schedule: Any, rates: np.ndarray, seed: int) -> list[float]:
        key = f"{schedule!r} | {len(rates)} | {seed}"
        if key not in self._known:
            begin = time.perf_counter()
            self._known[key] = self._loop.losses(rates, seed, self._held_out)
            if not self._quick:
                JOURNALS.mkdir(exist_ok=True)
                with self._journal.open("a") as file:
                    file.write(json.dumps([key, self._known[key]]) + "\n")
            print(f"{self._name} {self._known[key][1]:.4f} {time.perf_counter() - begin:5.1f} s {key}", flush=True)
        return self._known[key][0]


def read(journal: Path) -> list[Any]:
    """The trainings in a journal. A line that was cut off, because the run was killed while it wrote, is taken out."""
    text = journal.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        journal.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def measure(name: str, steps: int, seeds: tuple[int, ...], quick: bool) -> list[dict[str, Any]]:
    """The rows of one task: one for each law."""
    trainings = Trainings(name, quick)
    peaks = PEAKS[:1] if quick else PEAKS
    peak = min(peaks, key=lambda it: trainings.final(schedules(it, steps)["cosine"], steps, CHOOSING))
    eight = schedules(peak, steps)
    finals = {key: [trainings.final(it, steps, seed) for seed in seeds] for key, it in eight.items()}
    long = {key: schedules(peak, 3 * steps)[key] for key in ("linear", "warmup-stable-decay")}
    long_finals = {key: trainings.final(it, 3 * steps, seeds[0]) for key, it in long.items()}
    best = min(finals, key=lambda key: np.mean(finals[key]))
    fresh = FRESH[: len(seeds)]
    rows: list[dict[str, Any]] = []
    for law in LAWS:
        fits = [
            klr.fit_forecast({it: trainings.log(eight[it], steps, *chosen) for it in FITTED}, law, "held_out")
            for chosen in (seeds, *([seed] for seed in seeds))
        ]
        designed = fits[0].best(steps, peak=peak, warmup_steps=WARMUP)
        rows.append(
            {
                "task": name,
                "law": law,
                "peak": peak,
                "measured": finals,
                "forecast": {key: end(fits[0], it, steps) for key, it in eight.items()},
                "forecast_of_seeds": {key: [end(fit, it, steps) for fit in fits[1:]] for key, it in eight.items()},
                "measured_long": long_finals,
                "forecast_long": {key: end(fits[0], it, 3 * steps) for key, it in long.items()},
                "best": best,
                "best_fresh": [trainings.final(eight[best], steps, seed) for seed in fresh],
                "designed": repr(designed),
                "designed_fresh": [trainings.final(designed, steps, seed) for seed in fresh],
                "parameters": fits[0].parameters,
                "curves": curves(trainings, fits[0], eight, steps, seeds),
            }
        )
    return [{**row, "evaluation_noise": trainings.evaluation_noise} for row in rows]


def end(forecast: Any, schedule: Any, steps: int) -> float:
    """The forecast of what `final` measures."""
    loss = forecast.loss(schedule, steps)["loss"]
    return float((loss.iloc[-1] + loss.iloc[-1 - EVERY]) / 2.0)


def curves(trainings: Trainings, forecast: Any, eight: dict[str, Any], steps: int, seeds: Any) -> dict[str, Any]:
    """For the picture: steps, measured losses, and the law's, of four schedules."""
    found = {}
    for key in (*FITTED, "linear", "two stairs"):
        at = trainings.log(eight[key], steps, *seeds)["held_out"].dropna()
        by_law = forecast.loss(eight[key], steps)["loss"].iloc[at.index]
        found[key] = {
            "step": at.index.tolist(),
            "measured": [round(it, 5) for it in at],
            "law": [None if np.isnan(it) else round(it, 5) for it in by_law],
        }
    return found


# Times.


def speed(quick: bool) -> dict[str, Any]:
    """Seconds of a fit and of a forecast, and the error of thinning, for logs made from a known law."""
    rows, ahead = (2_000, 10_000) if quick else (100_000, 1_000_000)
    law, known = LAWS["multi-power"], np.array([1.2, 0.8, 0.5, 150.0, 0.1, 0.5, 0.5])
    random = np.random.default_rng(0)
    logs, error = [], 0.0
    for schedule in (klr.Constant(2e-3), klr.CosineDecay(2e-3, rows)):
        frame = schedule.to_frame(range(rows))
        rates = frame["learning_rate"].to_numpy()
        at = np.unique(np.geomspace(1, rows - 1, 400).astype(np.int64))
        exact = [law.loss(known, sums_of(rates, at[part : part + 20], groups=10**9)) for part in range(0, len(at), 20)]
        thinned = law.loss(known, sums_of(rates, at))
        error = max(error, float(np.abs(np.concatenate(exact) / thinned - 1.0).max()))
        frame["batch_loss"] = np.interp(np.arange(rows), at, thinned) * np.exp(0.02 * random.normal(size=rows))
        logs.append(frame)
    found: dict[str, Any] = {"rows": rows, "steps": ahead, "thinning_error": error}
    for title in LAWS:
        taken = common.interleaved(
            {"fit": lambda title=title: klr.fit_forecast(logs, title, "batch_loss")}, 1 if quick else 5
        )
        fitted = klr.fit_forecast(logs, title, "batch_loss")
        schedule = klr.WarmupStableDecay(2e-3, ahead, ahead // 100, ahead // 5)
        ahead_of = {"forecast": lambda fitted=fitted, schedule=schedule: fitted.loss(schedule, ahead)}
        taken |= common.interleaved(ahead_of, 1 if quick else 5)
        found[title] = {key: float(np.median(seconds)) for key, seconds in taken.items()}
    return found


def main(quick: bool = False, tasks: tuple[str, ...] = tuple(TASKS)) -> None:
    steps, seeds = (500, SEEDS[:1]) if quick else (STEPS, SEEDS)
    common.save("forecast", "speed", [speed(quick)], quick)
    for name in tasks[:1] if quick else tasks:
        common.save("forecast", name, measure(name, steps, seeds, quick), quick)


if __name__ == "__main__":
    main(tasks=tuple(sys.argv[1:]) or tuple(TASKS))
