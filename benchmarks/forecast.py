"""How well a law forecasts losses: eight schedules on small tasks, of which two are fitted.

    KERAS_BACKEND=jax python -m benchmarks forecast

For each task:

1. A peak rate is chosen: of four, the one with which a cosine ends lowest. All schedules have it.
2. Eight schedules train, each from three seeds, for 800 steps with a warmup of 40. The loss on held-out data is
   taken every 20 steps. Each law is fitted to the constant rate and the cosine, of one seed each: three fits. The
   other six schedules are forecast, and the finals compared with the means over the seeds.
3. Two schedules train for three times that length, and are forecast by the same fits.
4. The schedule that `Forecast.best` designs from the first fit trains from three fresh seeds, and so does the best of
   the eight.

Also the times of fits and forecasts, on logs made from a known law, and the error of thinning.

Interrupted, it goes on where it was: each training is in a journal. Data: the standard library's sources, a network
with random weights, and scikit-learn's digits. Only the first two are passed once; the digits are shifted at random
and come again many times.
"""

from __future__ import annotations

import json
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

STEPS, EVERY, WARMUP, BATCH = 800, 20, 40, 64
SEEDS, FRESH, CHOOSING = (0, 1, 2), (10, 11, 12), 100
PEAKS = (1e-3, 3e-3, 1e-2, 3e-2)
CONTEXT, HELD_OUT = 16, 8192
JOURNAL = common.RESULTS.parent / "journals" / "forecast.json"
FITTED = ("constant", "cosine")


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


# The tasks: layers, loss, held-out data, and batches for ever.


class Task:
    """A model and an endless stream of batches."""

    loss: Any = "mse"

    def layers(self) -> list[Any]:
        raise NotImplementedError

    def draw(self, random: np.random.Generator, count: int, held_out: bool) -> tuple[Any, Any]:
        raise NotImplementedError


class Characters(Task):
    """The next character of the standard library's sources, from the sixteen before it."""

    def __init__(self) -> None:
        files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
        text = b"".join(file.read_bytes() for file in files)
        self._text = np.minimum(np.frombuffer(text, np.uint8), 127)
        self._cut = len(self._text) * 9 // 10
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def layers(self) -> list[Any]:
        layers = keras.layers
        hidden = [layers.Dense(192, "gelu"), layers.Dense(192, "gelu"), layers.Dense(128)]
        return [keras.Input((CONTEXT,), dtype="int32"), layers.Embedding(128, 16), layers.Flatten(), *hidden]

    def draw(self, random: np.random.Generator, count: int, held_out: bool) -> tuple[Any, Any]:
        low, high = (self._cut, len(self._text)) if held_out else (0, self._cut)
        start = random.integers(low, high - CONTEXT - 1, count)
        rows = self._text[start[:, None] + np.arange(CONTEXT + 1)].astype("int32")
        return rows[:, :-1], rows[:, -1]


class Regression(Task):
    """The output of a network with random weights, with noise."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._first = random.normal(size=(24, 64)) / np.sqrt(24) * 2.0
        self._second = random.normal(size=(64, 1)) / 8.0

    def layers(self) -> list[Any]:
        return [keras.Input((24,)), *(keras.layers.Dense(96, "gelu") for _ in range(2)), keras.layers.Dense(1)]

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
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def layers(self) -> list[Any]:
        layers = keras.layers
        convolutions = [layers.Conv2D(16, 3, 2, "same", activation="relu") for _ in range(2)]
        return [keras.Input((8, 8, 1)), *convolutions, layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10)]

    def draw(self, random: np.random.Generator, count: int, held_out: bool) -> tuple[Any, Any]:
        which = random.integers(*((self._cut, len(self._x)) if held_out else (0, self._cut)), count)
        down, right = random.integers(0, 5, (2, count, 1, 1))
        rows, columns = np.arange(8)[None, :, None], np.arange(8)[None, None, :]
        x = self._x[which[:, None, None], down + rows, right + columns] + 0.3 * random.normal(size=(count, 8, 8))
        return x[..., None].astype("float32"), self._y[which]


TASKS = {"characters": Characters, "regression": Regression, "images": Images}


# Trainings.


class Trainings:
    """Trainings of one task, each of which is made once and kept in the journal."""

    def __init__(self, name: str, quick: bool) -> None:
        self._name, self._quick = name, quick
        self._task = TASKS[name]()
        self._held_out = self._task.draw(np.random.default_rng(12345), 256 if quick else HELD_OUT, True)

    def log(self, schedule: Any, steps: int, seed: int) -> pd.DataFrame:
        """The log of a training: the rate of each step, and the held-out loss where it was taken."""
        key = f"{self._name} | {schedule!r} | {steps} | {seed}"
        known = {} if self._quick or not JOURNAL.exists() else json.loads(JOURNAL.read_text())
        if key not in known:
            known[key] = self._train(schedule, steps, seed)
            if not self._quick:
                JOURNAL.parent.mkdir(exist_ok=True)
                JOURNAL.write_text(json.dumps(known))
        frame = schedule.to_frame(range(steps))
        frame["held_out"] = np.nan
        frame.loc[EVERY - 1 :: EVERY, "held_out"] = known[key]
        return frame

    def final(self, schedule: Any, steps: int, seed: int) -> float:
        """The loss at the end: the mean of the last two that were taken, which is less noisy than one."""
        return float(self.log(schedule, steps, seed)["held_out"].dropna().iloc[-2:].mean())

    def _train(self, schedule: Any, steps: int, seed: int) -> list[float]:
        keras.utils.set_random_seed(seed)
        random = np.random.default_rng(1000 + seed)
        model = keras.Sequential(self._task.layers())
        model.compile(keras.optimizers.Adam(schedule), loss=self._task.loss)
        logger = klr.LearningRateLogger(audit=False)

        def batches() -> Any:
            while True:
                x, y = self._task.draw(random, BATCH * 50, False)
                for first in range(0, len(x), BATCH):
                    yield x[first : first + BATCH], y[first : first + BATCH]

        begin = time.perf_counter()
        history = model.fit(
            batches(),
            steps_per_epoch=EVERY,
            epochs=steps // EVERY,
            validation_data=self._held_out,
            validation_batch_size=len(self._held_out[0]),
            callbacks=[logger],
            verbose=0,
        )
        assert np.allclose(logger.to_frame()["learning_rate"], schedule.values(np.arange(steps)), atol=0.0)
        losses = [round(float(loss), 6) for loss in history.history["val_loss"]]
        print(f"{self._name} {seed} {losses[-1]:.4f} {time.perf_counter() - begin:5.1f} s {schedule!r}", flush=True)
        return losses


def measure(name: str, steps: int, seeds: tuple[int, ...], quick: bool) -> list[dict[str, Any]]:
    """The rows of one task: one for each schedule and law."""
    trainings = Trainings(name, quick)
    peaks = PEAKS[:1] if quick else PEAKS
    peak = min(peaks, key=lambda it: trainings.final(schedules(it, steps)["cosine"], steps, CHOOSING))
    eight = schedules(peak, steps)
    finals = {key: [trainings.final(it, steps, seed) for seed in seeds] for key, it in eight.items()}
    long = {key: schedules(peak, 3 * steps)[key] for key in ("linear", "warmup-stable-decay")}
    long_finals = {key: trainings.final(it, 3 * steps, seeds[0]) for key, it in long.items()}
    best = min(finals, key=lambda key: np.mean(finals[key]))
    rows: list[dict[str, Any]] = []
    for law in LAWS:
        fits = [
            klr.fit_forecast({it: trainings.log(eight[it], steps, seed) for it in FITTED}, law, "held_out")
            for seed in seeds
        ]
        designed = fits[0].best(steps, peak=peak, warmup_steps=WARMUP)
        fresh = FRESH[: len(seeds)]
        rows.append(
            {
                "task": name,
                "law": law,
                "peak": peak,
                "measured": finals,
                "forecast": {key: [end(fit, it, steps) for fit in fits] for key, it in eight.items()},
                "measured_long": long_finals,
                "forecast_long": {key: [end(fit, it, 3 * steps) for fit in fits] for key, it in long.items()},
                "best": best,
                "best_fresh": [trainings.final(eight[best], steps, seed) for seed in fresh],
                "designed": repr(designed),
                "designed_fresh": [trainings.final(designed, steps, seed) for seed in fresh],
                "parameters": fits[0].parameters,
                "curves": curves(trainings, fits[0], eight, steps, seeds[0]),
            }
        )
    return rows


def end(forecast: Any, schedule: Any, steps: int) -> float:
    """The forecast of what `final` measures."""
    loss = forecast.loss(schedule, steps)["loss"]
    return float((loss.iloc[-1] + loss.iloc[-1 - EVERY]) / 2.0)


def curves(trainings: Trainings, forecast: Any, eight: dict[str, Any], steps: int, seed: int) -> dict[str, Any]:
    """For the picture: steps, measured losses, and the law's, of four schedules."""
    found = {}
    for key in (*FITTED, "warmup-stable-decay", "two stairs"):
        at = trainings.log(eight[key], steps, seed)["held_out"].dropna()
        by_law = forecast.loss(eight[key], steps)["loss"].iloc[at.index]
        found[key] = {
            "step": at.index.tolist(),
            "measured": at.tolist(),
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
    steps, seeds = (360, SEEDS[:1]) if quick else (STEPS, SEEDS)
    common.save("forecast", "speed", [speed(quick)], quick)
    for name in tasks[:1] if quick else tasks:
        common.save("forecast", name, measure(name, steps, seeds, quick), quick)


if __name__ == "__main__":
    main()
