"""A user's code for mypy: every line is correct, and every type is as asserted."""

from __future__ import annotations

from fractions import Fraction
from typing import assert_type

import keras  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

import keras_lr as klr
from keras_lr.custom import Milestones, OptionalRate, Rate, Steps, StepsOrNone

decay = klr.CosineDecay(0.1, 900, alpha=0.01)
assert_type(decay, klr.CosineDecay)
assert_type(decay.initial_learning_rate, float)
assert_type(decay.decay_steps, float)
in_epochs = klr.Warmup(klr.CosineDecay(0.1, klr.epochs(9)), klr.fraction(0.1), shape="cosine")
klr.Warmup(keras.optimizers.schedules.CosineDecay(0.1, 900), 100)
pieces = klr.PiecewiseConstantDecay([100, 200], [1.0, 0.1, 0.01])
klr.PiecewiseConstantDecay(boundaries=(100, 200), values=(1.0, 0.1, 0.01))
klr.Sequential([decay, 0.01], [900])

# Arguments accept numbers of NumPy, whole floats and fractions. Attributes are floats and ints.
of_numpy = klr.CosineDecay(np.float32(0.1), np.int64(900), alpha=np.float16(0.01), warmup_target=np.float64(0.2))
assert_type(of_numpy.initial_learning_rate, float)
assert_type(of_numpy.warmup_target, float | None)
assert_type(klr.Warmup(decay, 100.0, start=np.float32(0.5)).warmup_steps, int)
klr.CosineDecay(0.1, np.prod([30, 30]))
klr.StepDecay(Fraction(1, 10), 0.3 * 900, Fraction(1, 2))
klr.WarmupStableDecay(0.1, np.int32(1000), 100.0, 0.2 * 1000, shape="halving", half_life=np.int64(50))
milestones = klr.MultiStepDecay(0.1, [np.int64(30), 60.0, 90])
klr.MultiStepDecay(0.1, np.arange(30, 90, 30), np.float32(0.1))
klr.PiecewiseConstantDecay([100], np.array([0.1, 0.01], np.float32))
klr.Shifted(decay, np.int64(-10))
assert_type(np.float64(2) * decay >> np.float64(0.01), klr.Schedule)
assert_type(decay * np.float32(2) / np.int64(3) + np.float32(0.1), klr.Schedule)
decay.clip(np.float32(0.01), np.int64(1)).from_step(np.int64(3)).cooldown(np.int64(500), 100.0, np.float32(0.0))
in_epochs.bind(steps_per_epoch=np.int64(100), epochs=10.0)
klr.Warmup(klr.epochs(np.float32(0.5)) and decay, klr.fraction(np.float32(0.1)) - np.int64(3))
klr.ExponentialDecay.from_endpoints(np.float32(0.1), np.float32(0.01), np.int64(900)).cycle_ends(np.int64(9))
klr.scaled(decay, np.int64(64), 32.0)
klr.ReduceOnPlateau(
    "loss", np.float32(0.5), patience=np.int64(3), cooldown=2.0, min_lr=np.float32(1e-5), every=np.int64(9)
)

assert_type(decay >> pieces, klr.Schedule)
assert_type(decay >> 0.001, klr.Schedule)
assert_type(2 * decay, klr.Schedule)
assert_type(decay * decay, klr.Schedule)
assert_type(0.5 + decay, klr.Schedule)
assert_type(decay / 2, klr.Schedule)
assert_type(decay.clip(0.001, 0.1), klr.Schedule)
assert_type(decay.from_step(10), klr.Schedule)
assert_type(decay.cooldown(at=500, steps=100, shape="sqrt"), klr.Schedule)
assert_type(in_epochs.bind(steps_per_epoch=100, epochs=10), klr.Schedule)
assert_type(klr.from_function(lambda step: 0.1 / (1 + step), 100), klr.Tabulated)
assert_type(klr.CosineDecay.from_config(decay.get_config()), klr.CosineDecay)

rates: NDArray[np.float64] = decay.values(np.arange(900))
assert_type(decay.duration, int | None)
assert_type(decay.describe(), str)
assert_type(decay.to_frame(), pd.DataFrame)
assert_type(decay.to_frame(range(900)), pd.DataFrame)
assert_type(decay.plot([0, 100]), Axes)
assert_type(decay == pieces, bool)
klr.WarmupStableDecay(0.1, 1000, 100, 200, shape="halving", half_life=50)
assert_type(klr.Warmup(decay, 10, shape="cosine").shape == "cosine", bool)
assert_type(klr.OneCycle(0.1, 900).momentum(low=0.85), klr.OppositePhase)


class HalfLife(klr.Schedule):
    """A user's schedule."""

    learning_rate: Rate
    half_life: Steps = 100
    end: OptionalRate = None
    quiet: StepsOrNone = 30
    places: Milestones = (100, 200)

    def rate(self, step: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(self.learning_rate * 0.5 ** (step / self.half_life))


assert_type(HalfLife(0.1), HalfLife)
assert_type(HalfLife(np.float32(0.1), 10.0).half_life, int)
assert_type(HalfLife(0.1, half_life=10) >> decay, klr.Schedule)
assert_type(HalfLife(0.1).places[0], int)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(klr.Scheduled(keras.optimizers.SGD(decay), momentum=klr.Constant(0.9)), loss="mse")
log = klr.LearningRateLogger(metrics=("loss",), path="log.csv")
callbacks = [klr.BindSchedule("30min"), klr.ReduceOnPlateau("loss", patience=2), klr.BackupAndRestore("backup"), log]
model.fit(np.zeros((4, 8)), np.zeros((4, 1)), callbacks=callbacks)
assert_type(log.to_frame(), pd.DataFrame)
assert_type(log.plot(), Axes)
assert_type(klr.get_learning_rate(model), float)
assert_type(klr.steps_per_epoch(100, 10), int)

found = klr.find_learning_rate(model, np.zeros((4, 8)), np.zeros((4, 1)), steps=50)
assert_type(found, klr.RangeTest)
assert_type(found.suggestion("steepest"), float | None)
assert_type(found.to_frame(), pd.DataFrame)


def build(hp: object) -> klr.Schedule:
    return klr.tuning.schedule(hp, total_steps=1000, families=["cosine"])
