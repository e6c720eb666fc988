"""The highest rate of a schedule equals values computed by hand and those of the formulas in the catalogue."""

import math

import keras
import numpy as np
import pytest
from support.catalogue import ROWS

import keras_lr as klr
from keras_lr.core.curves import real
from keras_lr.core.fields import Rate
from keras_lr.schedules.installed import Reduced, Rescaled
from keras_lr.tools.comparison.peaks import peak_of

pytestmark = pytest.mark.once

stock = keras.optimizers.schedules


class Rising(klr.Schedule):
    """A line that rises without an end."""

    slope: Rate

    def rate(self, step):
        return self.slope * real(step)


class Ending(klr.Schedule):
    """A line that falls after a million steps."""

    slope: Rate

    def length(self):
        return 1_000_001

    def rate(self, step):
        return self.slope * real(step) * (step < 1_000_000)


class OneByOne(stock.LearningRateSchedule):
    """A Keras schedule that accepts only one step at a time."""

    def __call__(self, step):
        return 0.2 if int(step) == 5000 else 0.1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_peak_of_every_schedule_is_that_of_its_formula(row):
    assert peak_of(row.schedule) == pytest.approx(max(map(row.oracle, range(2_500))), rel=1e-6)


CYCLE = klr.CyclicalLearningRate(0.1, 1.0, 1001)


@pytest.mark.parametrize(
    ("schedule", "peak"),
    [
        (klr.Warmup(klr.Constant(0.1), 200_000), 0.1),
        (klr.Warmup(klr.Constant(0.1), 2**31 - 1), 0.1),
        (klr.Warmup(klr.CosineDecay(0.3, 500), 200), 0.3),
        (klr.PiecewiseConstantDecay([1_500_000_000, 1_500_000_001], [0.1, 5.0, 0.2]), 5.0),
        (klr.PiecewiseInterpolation([0, 3_000_000, 3_000_001], [0.1, 0.7, 0.2]), 0.7),
        (klr.CyclicalLearningRate(0.1, 0.7, 5_000_000), 0.7),
        # x·e^(−x/0.2), x = t/1,000,000, is highest at x = 0.2.
        (klr.CyclicalLearningRate(0.1, 0.7, 1_000_000, None, "exp_range", math.exp(-5e-6)), 0.1 + 0.6 * 0.2 / math.e),
        (klr.InverseSquareRootDecay(0.4, 3_000_000), 0.4),
        (klr.WarmupStableDecay(0.4, 9_000_000, 3_000_000, 1), 0.4),
        (klr.CosineDecay(0.1, 100, warmup_target=0.5, warmup_steps=4_000_000), 0.5),
        (klr.CosineDecayRestarts(0.4, 10).from_step(7), 0.4),
        (klr.OneCycle(0.3, 10_000_000), 0.3),
        (klr.Tabulated([0.1] * 200_000 + [0.3, 0.2]), 0.3),
        # One line rises while another falls. The product 0.4·x·(1 − x) is highest at x = 1/2, and the sum at the end of the
        # rise, where it is 0.05 + 0.1.
        (klr.LinearDecay(1.0, 1_000_000) * klr.Warmup(klr.Constant(0.4), 1_000_000), 0.1),
        (klr.LinearDecay(0.1, 1_000_000) + klr.Warmup(klr.Constant(0.1), 500_000), 0.15),
        # Both are at their tops at step 1001·1303, which is an odd multiple of each length.
        (CYCLE * klr.CyclicalLearningRate(0.1, 0.9, 1303), 0.9),
        (klr.LinearDecay(0.1, 5_000_000) >> klr.LinearDecay(0.3, 2_000_000), 0.3),
        (klr.Sequential([0.1, 0.2, 0.9, 0.3], [1_000_000, 2_000_000, 2_000_000]), 0.3),
        (klr.Repeat(klr.Warmup(klr.Constant(0.1), 200_000), 300_000, 0.5), 0.1),
        (klr.PerUpdate(klr.Warmup(klr.Constant(0.1), 200_000), 8), 0.1),
        (klr.Warmup(klr.Constant(0.1), 200_000).from_step(-400_000), 0.1),
        (klr.LinearDecay(0.4, 100).from_step(25), 0.3),
        (klr.Warmup(klr.Constant(0.4), 1_000_000).cooldown(500_000, 10), 0.2),
        (klr.Warmup(klr.Constant(0.4), 1_000_000).clip(0.0, 0.3), 0.3),
        (Reduced(klr.Warmup(klr.Constant(0.4), 1_000_000), 0.5, min_lr=0.1), 0.2),
        (Rescaled(klr.Warmup(klr.Constant(0.4), 1_000_000), 3.0, min_lr=0.1, max_lr=1.0), 1.0),
        (Rescaled(klr.Warmup(klr.Constant(0.4), 1_000_000), 3.0, min_lr=0.1, max_lr=2.0), 1.2),
        (3 * klr.Warmup(klr.Constant(0.4), 1_000_000), 1.2),
        (klr.Constant(0.0), 0.0),
        (klr.Warmup(klr.CosineDecay(0.3, klr.fraction(0.9)), 200_000), 0.3),
        (klr.WarmupStableDecay(0.3, klr.fraction(1.0), 200_000, 100), 0.3),
        (klr.OneCycle(0.3, klr.fraction(1.0)), 0.3),
        (Rising(0.1).clip(0.0, 0.3), 0.3),
        (Rising(0.1).cooldown(2_000_000, 10), 200_000.0),
        (Ending(0.1), 99_999.9),
        (klr.Warmup(Ending(0.1) + 1.0, 3_000_000), 100_000.9),
    ],
    ids=lambda value: type(value).__name__,
)
def test_peaks_computed_by_hand(schedule, peak):
    assert peak_of(schedule) == pytest.approx(peak, rel=1e-6)


@pytest.mark.parametrize(
    ("schedule", "peak"),
    [
        (stock.ExponentialDecay(0.2, 10, 0.9), 0.2),
        (stock.CosineDecay(0.0, 1_000_000, warmup_target=0.5, warmup_steps=300_000), 0.5),
        (stock.PolynomialDecay(0.001, 200_000, 0.1), 0.1),  # it rises, which this package refuses
        (klr.Warmup(stock.CosineDecay(0.4, 1_000_000), 3_000_000), 0.4),
        (klr.Sequential([0.1, OneByOne()], [400_000]), 0.2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_peaks_of_schedules_of_keras(schedule, peak):
    assert peak_of(schedule) == pytest.approx(peak, rel=1e-6)


def test_peaks_with_noise():
    """The highest rate is the highest of a million draws."""
    schedule = klr.Noise(klr.Constant(0.1), 0.5)
    assert peak_of(schedule) == pytest.approx(schedule.values(np.arange(1_000_000)).max(), rel=1e-4)
    both = schedule + klr.Noise(klr.Constant(0.1), 0.5, seed=3)
    assert peak_of(both) == pytest.approx(both.values(np.arange(1_000_000)).max(), rel=1e-3)
    short = klr.Noise(klr.Warmup(klr.LinearDecay(0.1, 60_000), 300_000), 0.2)
    assert peak_of(short) == pytest.approx(short.values(np.arange(360_000)).max(), rel=1e-7)


def test_a_peak_may_depend_on_the_length_of_the_training():
    schedule = klr.LinearDecay(0.1, 1000) + klr.Warmup(klr.Constant(0.1), klr.epochs(5))
    with pytest.raises(ValueError, match="depends on the length of the training"):
        peak_of(schedule)
    # The rise ends at step 500, where the other line is half way down.
    assert peak_of(schedule, (100, 10)) == pytest.approx(0.15, rel=1e-6)
    with pytest.raises(ValueError, match="`total_steps` must be"):
        peak_of(klr.WarmupStableDecay(0.3, klr.fraction(1.0), 200, 100), (10, 2))


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (Rising(0.1), "still rises after 1,000,000 steps, and has no end"),
        (klr.Warmup(Rising(0.1), 500) + 1.0, "still rises"),
        (stock.ExponentialDecay(0.2, 1000, 1.1), "not a number everywhere"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_schedules_without_a_highest_rate_are_refused(schedule, sentence):
    with pytest.raises(ValueError, match=sentence):
        peak_of(schedule)
