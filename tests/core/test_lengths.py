"""Numbers of steps that are not whole: what they mean, how formulas use them, and where they are rounded."""

import json
import math
from fractions import Fraction

import keras
import numpy as np
import pytest
from support.backend import BACKEND, compiled, counter

import keras_lr as klr
from keras_lr import epochs
from keras_lr.core.fields import Rate, Steps
from keras_lr.core.ratios import meant

theirs = keras.optimizers.schedules
LAST = 2**31 - 2


@pytest.mark.once
@pytest.mark.parametrize(
    ("number", "fraction"),
    [
        (751.2, Fraction(3756, 5)),
        (2.4 * 313, Fraction(3756, 5)),  # 751.1999999999999
        (0.9 * 1565, Fraction(2817, 2)),
        (1.1 * 100, Fraction(110)),  # 110.00000000000001
        (2000 / 3, Fraction(2000, 3)),
        (200 / 3, Fraction(200, 3)),
        (100 / 7 * 3, Fraction(300, 7)),
        (1.25, Fraction(5, 4)),
        (1234.000123456, Fraction(1234000123456, 10**9)),
        (np.float32(751.2), Fraction(3756, 5)),
        (np.float16(7.1), Fraction(71, 10)),
        (Fraction(22, 7), Fraction(22, 7)),
        (2**30 + 0.1, 2**30 + Fraction(1, 10)),
        (7, Fraction(7)),
        (7.0, Fraction(7)),
    ],
)
def test_a_number_means_the_simplest_fraction_nearby(number, fraction):
    assert meant(number) == fraction


@pytest.mark.once
def test_every_short_decimal_means_exactly_that():
    random = np.random.default_rng(0)
    for _ in range(3000):
        whole, digits = int(2 ** (random.random() * 29)), int(random.integers(1, 7))  # at most 15 digits in all
        decimal = whole + Fraction(int(random.integers(10**digits)), 10**digits)
        assert meant(float(decimal)) == decimal
        if 16 * math.ulp(float(decimal)) * decimal.denominator**2 < 1:  # no simpler fraction is as close
            assert meant(float(decimal) * (1 + 2**-52)) == decimal


def first_steps(length, count):
    """The first whole step after a number of lengths, in exact arithmetic."""
    return math.ceil(count * length)


LENGTHS = [751.2, 1.5, 1.0000001, 1408.37, 200 / 3, 1.23456789, 46341.00001, 1234.000123456, 2**30 + 0.1, 2147483646.5]


@pytest.mark.parametrize("length", LENGTHS)
def test_each_stair_begins_where_it_should(length):
    """This includes the last stairs that a counter can reach, on the host and in a compiled step."""
    exact = meant(length)
    last = int(LAST / exact)
    turns = {k for k in (1, 2, 3, 5, 99, 5000, 12345, 10**6, 10**8, last - 1, last) if 0 < k <= last}
    steps = np.array(sorted({first_steps(exact, k) + off for k in turns for off in (-1, 0)} - {LAST + 1}))
    stairs = np.array([int(step) * exact.denominator // exact.numerator for step in steps])
    assert len(set(stairs)) > 1 or last == 0
    # The rate is 1/(1 + stairs), which differs between stairs even in float32.
    schedule = klr.TimeBasedDecay(1.0, length, 1.0, staircase=True)
    np.testing.assert_allclose(schedule.values(steps), 1 / (1 + stairs), rtol=1e-15)
    got = keras.ops.convert_to_numpy(compiled(schedule.rate)(counter(steps)))
    np.testing.assert_array_equal(got, np.float32(1) / (1 + stairs.astype(np.float32)))


def test_the_stairs_of_efficientnet():
    """A rate of 0.016, multiplied by 0.97 every 2.4 epochs of 313 steps, over 350 epochs."""
    schedule = klr.ExponentialDecay(0.016, 751.2, 0.97, staircase=True)
    edges = [first_steps(Fraction(3756, 5), k) for k in range(1, 146)]
    assert edges[:5] == [752, 1503, 2254, 3005, 3756]
    steps = np.array([edge + off for edge in edges for off in (-1, 0)])
    want = np.array([0.016 * 0.97**k for edge in range(145) for k in (edge, edge + 1)])
    np.testing.assert_allclose(schedule.values(steps), want, rtol=1e-13)
    got = keras.ops.convert_to_numpy(compiled(schedule)(counter(steps)))
    np.testing.assert_allclose(got, want, rtol=2e-6)
    computed = klr.ExponentialDecay(0.016, 2.4 * 313, 0.97, staircase=True)
    np.testing.assert_array_equal(computed.values(steps), schedule.values(steps))
    assert eval(repr(schedule), vars(klr).copy()) == schedule
    assert json.loads(json.dumps(schedule.get_config()))["decay_steps"] == 751.2


# A float32 holds these lengths exactly, so the edges in Keras are where they should be.
KERAS = [
    (klr.ExponentialDecay, theirs.ExponentialDecay, (0.3, 7.25, 0.4), {"staircase": True}),
    (klr.ExponentialDecay, theirs.ExponentialDecay, (0.3, 7.25, 0.4), {}),
    (klr.TimeBasedDecay, theirs.InverseTimeDecay, (0.3, 7.25, 0.7), {"staircase": True}),
    (klr.TimeBasedDecay, theirs.InverseTimeDecay, (0.3, 7.25, 0.7), {}),
    (klr.PolynomialDecay, theirs.PolynomialDecay, (0.3, 40.25, 0.02, 2.0), {}),
    (klr.PolynomialDecay, theirs.PolynomialDecay, (0.3, 40.25, 0.02, 1.5), {"cycle": True}),
    (klr.CosineDecay, theirs.CosineDecay, (0.3, 40.25, 0.2), {}),
    (klr.CosineDecay, theirs.CosineDecay, (0.02, 40.25, 0.2), {"warmup_target": 0.3, "warmup_steps": 9.5}),
    (klr.PiecewiseConstantDecay, theirs.PiecewiseConstantDecay, ([9.5, 9.5, 40.75], [0.3, 0.2, 0.1, 0.05]), {}),
    (klr.PiecewiseConstantDecay, theirs.PiecewiseConstantDecay, ([9, 9, 40], [0.3, 0.2, 0.1, 0.05]), {}),
    (klr.PiecewiseConstantDecay, theirs.PiecewiseConstantDecay, ([9.0, 40.0], [0.3, 0.2, 0.05]), {}),
]


def values_of_keras(schedule, steps):
    """Rates of a compiled Keras schedule. On JAX each eager call with a condition would take a compilation."""
    step = compiled(schedule)
    return [float(keras.ops.convert_to_numpy(step(counter(int(number))))) for number in steps]


@pytest.mark.parametrize("number", range(len(KERAS)))
def test_as_keras(number):
    ours, other, arguments, more = KERAS[number]
    expected = values_of_keras(other(*arguments, **more), range(130))
    got = ours(*arguments, **more).values(range(130))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


def test_restarts_are_those_of_keras_to_half_a_step():
    """If the length is not whole, Keras restarts between two steps. Here the nearest step is at the peak."""
    ours, other = (kind(0.3, 16.4, 2.0, 0.5) for kind in (klr.CosineDecayRestarts, theirs.CosineDecayRestarts))
    starts = [0, 16.4, 49.2, 114.8]
    steps = [step for step in range(180) if min(abs(step - start) for start in starts) > 0.5]
    steepest = 0.3 * math.pi / 2 / 16.4
    np.testing.assert_allclose(ours.values(steps), values_of_keras(other, steps), rtol=0, atol=steepest / 2)
    assert ours.values([0, 16, 49, 115]).tolist() == pytest.approx([0.3, 0.15, 0.075, 0.0375])


# Parts that must begin at a whole step begin at the nearest one. A boundary that is compared with the step acts at the
# first whole step after it.


@pytest.mark.once
@pytest.mark.parametrize(
    ("made", "plain"),
    [
        (lambda: klr.Warmup(0.1, 78.25), lambda: klr.Warmup(0.1, 78)),
        (lambda: klr.Warmup(0.1, 78.5), lambda: klr.Warmup(0.1, 79)),
        (lambda: klr.LinearDecay(0.1, 9).cooldown(5.5, 4.4), lambda: klr.LinearDecay(0.1, 9).cooldown(6, 4)),
        (lambda: klr.Constant(0.1).from_step(-7.3), lambda: klr.Constant(0.1).from_step(-7)),
        (lambda: klr.Repeat(0.1, 5.2), lambda: klr.Repeat(0.1, 5)),
        (lambda: klr.OneCycle(0.1, 90.5), lambda: klr.OneCycle(0.1, 91)),
        (lambda: klr.WarmupStableDecay(0.1, 100.2, 9.9, 20.1), lambda: klr.WarmupStableDecay(0.1, 100, 10, 20)),
        (lambda: klr.PiecewiseInterpolation([1.4, 8.6], [1, 2]), lambda: klr.PiecewiseInterpolation([1, 9], [1, 2])),
        (lambda: klr.MultiStepDecay(0.1, [3.2, 9]), lambda: klr.MultiStepDecay(0.1, [4, 9])),
        (lambda: klr.Sequential([0.1, 0.2], [3.2]), lambda: klr.Sequential([0.1, 0.2], [4])),
        (lambda: klr.PiecewiseConstantDecay([3.8], [1, 2]), lambda: klr.PiecewiseConstantDecay([3], [1, 2])),
        (lambda: klr.CosineDecay(0.1, 110.00000000000001), lambda: klr.CosineDecay(0.1, 110)),
    ],
)
def test_steps_are_rounded_at_construction(made, plain):
    assert made() == plain()
    assert repr(made()) == repr(plain())


@pytest.mark.once
def test_an_own_schedule_gets_whole_steps():
    class Half(klr.Schedule, package="lengths"):
        """Falls to half of the rate after some steps."""

        learning_rate: Rate
        after: Steps

        def rate(self, step):
            return self.learning_rate * 0.5 ** (step // self.after)

    assert type(Half(0.1, 7.6).after) is int
    assert Half(0.1, 7.6) == Half(0.1, 8)


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "duration"),
    [
        (lambda: klr.CosineDecay(0.1, 40.2), 41),
        (lambda: klr.CosineDecay(0.1, 40.25, warmup_target=0.2, warmup_steps=9.5), 50),
        (lambda: klr.CosineDecay(0.1, 40.5, warmup_target=0.2, warmup_steps=9.5), 50),
        (lambda: klr.LinearDecay(0.1, 40.2) >> klr.LinearDecay(0.1, 9.5), 51),
        (lambda: klr.Warmup(klr.LinearDecay(0.1, 40.2), 9.5), 51),
        (lambda: klr.KDecay(0.1, 40.2, 2.0), 41),
        (lambda: klr.StepDecay(0.1, 7.3), None),
    ],
)
def test_durations_end_at_whole_steps(make, duration):
    schedule = make()
    assert schedule.duration == duration
    if duration is not None:
        end = schedule.values([duration, duration + 1, LAST])
        assert len(set(end.tolist())) == 1
        assert schedule.values(duration - 1) > end[0]
    assert klr.StepDecay(0.1, 7.3).changes() == (8,)


@pytest.mark.once
def test_the_largest_lengths_are_accepted():
    for length in (2147483646.5, 2147483647):
        schedule = klr.CosineDecay(0.1, length, warmup_target=0.2, warmup_steps=length)
        assert schedule.duration == math.ceil(2 * length)
        assert float(schedule.values(LAST)) == pytest.approx(0.2)
    with pytest.raises(
        ValueError, match=r"`decay_steps` must be a number of steps in \[1, 2\*\*31\), got 2147483647.5"
    ):
        klr.CosineDecay(0.1, 2147483647.5)


def test_a_warmup_and_a_fall_as_long_as_a_counter_can_count():
    schedule = klr.CosineDecay(0.1, 2147483646.5, warmup_target=0.2, warmup_steps=2147483646.5)
    steps = np.array([0, 2**30, LAST])
    got = keras.ops.convert_to_numpy(compiled(schedule.rate)(counter(steps)))
    np.testing.assert_allclose(got, schedule.values(steps), rtol=2e-6)


def test_a_training_applies_rates_of_fractional_lengths():
    """As in scripts, a length is 0.9 of all steps. Two milestones are equal."""
    from support.training import Weight, fit, model_with

    schedule = klr.CosineDecay(0.5, 0.9 * 15)
    weight = Weight()
    fit(model_with(schedule), weight)
    want = [0.25 * (1 + math.cos(math.pi * min(step / 13.5, 1.0))) for step in range(15)]
    np.testing.assert_allclose(weight.applied, want, rtol=2e-5, atol=2e-7)
    stairs = klr.MultiStepDecay(0.8, [0.3 * 15, 9, 9], 0.5)
    fit(model_with(stairs), weight := Weight())
    np.testing.assert_allclose(weight.applied, [0.8] * 5 + [0.4] * 4 + [0.1] * 6, rtol=2e-5)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow counts in 64 bits")
def test_the_counter_has_32_bits_here():
    assert "int32" in str(counter([1]).dtype)


@pytest.mark.once
def test_epochs_are_rounded_when_they_are_bound():
    schedule = klr.ExponentialDecay(0.016, epochs(2.4), 0.97, staircase=True).bind(steps_per_epoch=313, epochs=350)
    assert schedule.in_steps.decay_steps == 751
