"""Edge cases: the limits of arguments, durations, joins, shifts, and rates close to 0."""

import math
import re
from fractions import Fraction

import keras
import numpy as np
import pytest
from support.backend import BACKEND, compiled, counter

import keras_lr as klr
from keras_lr.core.algebra import bound_parts
from keras_lr.core.fields import FLOAT32_MAX
from keras_lr.schedules.cyclical import MOST_RESTARTS, restarts
from keras_lr.schedules.installed import Installed

KERAS = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)


# Arguments at a limit, and just beyond it.


@pytest.mark.parametrize(
    ("make", "at", "rate"),
    [
        (lambda: klr.CyclicalLearningRate(0.1, 0.1, 5), 5, 0.1),
        (lambda: klr.SinusoidalLearningRate(0.1, 0.1, 5), 5, 0.1),
        (lambda: klr.OppositePhase(klr.OneCycle(0.1, 10), 0.9, 0.9), 5, 0.9),
        (lambda: klr.Clip(klr.LinearDecay(0.1, 5), 0.05, 0.05), 0, 0.05),
        (lambda: klr.OneCycle(1.0, 10, pct_start=0.5, three_phase=True), 4, 1.0),
        (lambda: klr.WarmupStableDecay(0.6, 30, 10, 20), 10, 0.6),
        (lambda: klr.CyclicalLearningRate(0.1, 0.2, 2**30, 2**30 - 1), 2**30, 0.2),
        (lambda: klr.TanhDecay(1.0, 10, lower=-0.5, upper=0.5), 5, 0.5),
        (lambda: klr.LinearDecay(0.1, 5, 0.1), 3, 0.1),
        (lambda: klr.TanhDecay(1.0, 10, lower=0.0, upper=1e-6), 0, 0.5),
        (lambda: klr.OneCycle(FLOAT32_MAX, 9, div_factor=1.0, final_div_factor=1.0), 8, FLOAT32_MAX),
    ],
)
def test_the_limit_itself_is_allowed(make, at, rate):
    assert float(make().values(at)) == pytest.approx(rate, rel=1e-9)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: klr.CyclicalLearningRate(0.1, 0.2, 2**30, 2**30),
            "CyclicalLearningRate: `step_size_down` must be so short that a cycle has fewer than 2**31 steps",
        ),
        (
            lambda: klr.LinearDecay(0.1, 2**30) >> klr.LinearDecay(0.1, 2**30) >> 0.1,
            "Chain: `schedules` must be schedules with fewer than 2**31 steps in total before the last one begins, got (",
        ),
        (
            lambda: klr.Chain([klr.LinearDecay(0.1, 5), KERAS, 0.1]),
            "Chain: `schedules` must be schedules with an end, except for the last, and <",
        ),
        (
            lambda: klr.Chain([KERAS, 0.1]),
            "Chain: `schedules` must be schedules with an end, except for the last, and <",
        ),
        (
            lambda: klr.Chain([klr.LinearDecay(0.1, 5), 0.2, 0.1]),
            "Chain: `schedules` must be schedules with an end, except for the last, and Constant(0.2) has none "
            "(use `Sequential`), got (",
        ),
        (
            lambda: klr.ExponentialDecay(0.1, klr.epochs(2), 0.5) >> 0.1,
            "Chain: `schedules` must be schedules with an end, except for the last, and "
            "ExponentialDecay(0.1, epochs(2), 0.5) has none (use `Sequential`), got (",
        ),
        (
            lambda: klr.LinearDecay(0.1, 5).from_step(3) >> klr.ExponentialDecay(0.1, 5, 0.5) >> 0.1,
            "Chain: `schedules` must be schedules with an end, except for the last, and "
            "ExponentialDecay(0.1, 5, 0.5) has none (use `Sequential`), got (",
        ),
        (
            lambda: klr.OneCycle(FLOAT32_MAX, 9, div_factor=0.999),
            "OneCycle: `div_factor` must be large enough for a finite start, got 0.999",
        ),
        (
            lambda: klr.OneCycle(FLOAT32_MAX, 9, div_factor=1.0, final_div_factor=0.999),
            "OneCycle: `final_div_factor` must be large enough for a finite end, got 0.999",
        ),
        (
            lambda: klr.WarmupStableDecay(0.6, 30, 10, 21),
            "WarmupStableDecay: `total_steps` must be at least warmup and decay together (31), got 30",
        ),
    ],
)
def test_just_beyond_the_limit_is_refused(make, sentence):
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the sentence is compared
        make()
    assert str(raised.value)[: len(sentence)] == sentence


def test_a_chain_of_one():
    alone = klr.Chain([klr.LinearDecay(0.1, 5)])
    assert (alone.duration, alone.values(0)) == (5, 0.1)


def test_as_many_restarts_as_are_allowed():
    low, high = 1.0 + 1e-6, 1.001  # `low` has too many restarts. Bisection brings `high` to the largest allowed number.
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if len(restarts(1000, middle)) <= MOST_RESTARTS else (middle, high)
        if len(restarts(1000, high)) == MOST_RESTARTS:
            break
    assert len(restarts(1000, high)) == MOST_RESTARTS
    klr.CosineDecayRestarts(0.1, 1000, t_mul=high)
    with pytest.raises(ValueError, match=r"`t_mul` must be 1, or such that there are at most 100,000 restarts"):
        klr.CosineDecayRestarts(0.1, 1000, t_mul=low)


# Durations.


@pytest.mark.parametrize(
    ("schedule", "duration"),
    [
        (klr.Sequential([0.3, klr.LinearDecay(0.2, 5), klr.LinearDecay(0.1, 7)], [4, 6]), 13),
        (klr.Sequential([0.3, 0.2, 0.1, klr.LinearDecay(0.1, 7)], [2, 4, 6]), 13),
        (klr.Sequential([klr.LinearDecay(0.2, 5)], []), 5),
        (klr.Sequential([klr.LinearDecay(0.2, 5), 0.1], [3]), None),
        (klr.LinearDecay(0.1, 5) >> klr.LinearDecay(0.1, 11) >> klr.LinearDecay(0.1, 23), 39),
        (klr.LinearDecay(0.1, 5) >> klr.LinearDecay(0.1, 11) >> 0.1, None),
        (klr.LinearDecay(0.1, 5).from_step(3), 2),
        (klr.LinearDecay(0.1, 5).from_step(5), 0),
        (klr.LinearDecay(0.1, 5).from_step(9), 0),
        (klr.LinearDecay(0.1, 5).from_step(-9), 14),
        (klr.ExponentialDecay(0.1, 5, 0.5).from_step(3), None),
        (klr.Constant(0.1).from_step(-3), None),
        (klr.PerUpdate(klr.LinearDecay(0.1, 5), 4), 20),
        (klr.PerUpdate(klr.ExponentialDecay(0.1, 5, 0.5), 4), None),
        (klr.Warmup(klr.LinearDecay(0.1, 5), 4), 9),
        (klr.Warmup(klr.ExponentialDecay(0.1, 5, 0.5), 4), None),
        (klr.ExponentialDecay(0.1, 5, 0.5).cooldown(7, 4), 11),
        (klr.Repeat(klr.LinearDecay(0.1, 5), 7), None),
        (klr.PiecewiseInterpolation([0, 10, 25], [0.1, 0.2, 0.3]), 25),
        (klr.LinearDecay(0.1, 5) + klr.LinearDecay(0.1, 8), 8),
        (klr.LinearDecay(0.1, 5) * klr.LinearDecay(0.1, 8), 8),
        (klr.LinearDecay(0.1, 5) + klr.ExponentialDecay(0.1, 5, 0.5), None),
        (klr.LinearDecay(0.1, 5).clip(0.05), 5),
        (klr.ExponentialDecay(0.1, 5, 0.5).clip(0.05), None),
    ],
    ids=repr,
)
def test_durations(schedule, duration):
    assert schedule.duration == duration


# Operators and shifts merge equal parts.

A, B, C = klr.LinearDecay(0.1, 5), klr.LinearDecay(0.2, 6), klr.LinearDecay(0.3, 7)


@pytest.mark.parametrize(
    ("made", "plain"),
    [
        (lambda: A + (B + C), lambda: klr.Sum([A, B, C])),
        (lambda: (A + B) + (B + C), lambda: klr.Sum([A, B, B, C])),
        (lambda: (2 * A) * 3, lambda: klr.Product([A], 6.0)),
        (lambda: (2 * A) * (3 * B), lambda: klr.Product([A, B], 6.0)),
        (lambda: A * B * C, lambda: klr.Product([A, B, C])),
        (lambda: A / 4 * 2, lambda: klr.Product([A], 0.5)),
        (lambda: A >> (B >> C), lambda: klr.Chain([A, B, C])),
        (lambda: A.from_step(3).from_step(4), lambda: klr.Shifted(A, 7)),
        (lambda: A.from_step(-3).from_step(-4), lambda: klr.Shifted(A, -7)),
        (lambda: A.from_step(-3).from_step(3), lambda: klr.Shifted(A, 0)),
        (lambda: A.from_step(-3).from_step(5), lambda: klr.Shifted(A, 2)),
        (lambda: A.from_step(0).from_step(-5), lambda: klr.Shifted(A, -5)),
        (lambda: A.from_step(1).from_step(-5), lambda: klr.Shifted(klr.Shifted(A, 1), -5)),
        (lambda: A.from_step(2**30).from_step(2**30), lambda: klr.Shifted(klr.Shifted(A, 2**30), 2**30)),
        (lambda: A.from_step(2**30).from_step(2**30 - 1), lambda: klr.Shifted(A, 2**31 - 1)),
        (lambda: A.from_step(-(2**30)).from_step(-(2**30)), lambda: klr.Shifted(klr.Shifted(A, -(2**30)), -(2**30))),
    ],
)
def test_the_results_of_operators_and_shifts(made, plain):
    assert made() == plain()
    steps = np.arange(20)
    np.testing.assert_allclose(made().values(steps), plain().values(steps), rtol=1e-12)


def test_a_shift_back_waits_at_the_step_of_the_first_shift():
    steps = np.arange(9)
    np.testing.assert_array_equal(A.from_step(2).from_step(-3).values(steps), A.values(np.maximum(steps - 3, 0) + 2))
    np.testing.assert_array_equal(A.from_step(-3).values(steps), A.values(np.maximum(steps - 3, 0)))


@pytest.mark.parametrize("low", [0.0, 0.05])
def test_clip_without_an_upper_end(low):
    steps = np.arange(7)
    expected = np.maximum(0.1 * (1 - np.minimum(steps, 5) / 5), low)
    np.testing.assert_allclose(klr.LinearDecay(0.1, 5).clip(low).values(steps), expected, rtol=1e-12, atol=1e-17)
    got = keras.ops.convert_to_numpy(compiled(klr.LinearDecay(0.1, 5).clip(low).rate)(counter(steps)))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9)


def test_the_ends_of_cycles_after_a_shift_and_of_one_step():
    restarts_of_one = klr.CosineDecayRestarts(0.1, 1, t_mul=2.0)
    assert restarts_of_one.cycle_ends(8) == [1, 3, 7]
    assert restarts_of_one.from_step(-3).cycle_ends(11) == [4, 6, 10]
    assert restarts_of_one.from_step(2).cycle_ends(6) == [1, 5]
    assert klr.LinearDecay(0.1, 5).from_step(2).cycle_ends(9) == []
    # It reaches its lowest rate at each multiple of its length, and begins again one step later.
    assert klr.PolynomialDecay(0.1, 1, cycle=True).cycle_ends(4) == [2, 3, 4]
    assert klr.PolynomialDecay(0.1, 3, cycle=True).cycle_ends(10) == [4, 7, 10]


def test_the_bound_parts_of_a_schedule():
    bound = klr.LinearDecay(0.1, klr.epochs(2)).bind(steps_per_epoch=5, epochs=9)
    assert bound_parts(bound) == [bound]
    assert bound_parts((0.5 * bound).clip(0.01)) == [bound]
    assert bound_parts(klr.Constant(0.1)) == bound_parts(keras.optimizers.schedules.CosineDecay(0.1, 5)) == []


def test_a_bound_without_numbers_is_refused():
    schedule = klr.LinearDecay(0.1, klr.epochs(2))
    message = "Bound: `steps_per_epoch` must be given if there are durations in epochs or fractions, such as epochs(2), got None"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        klr.Bound(schedule, None, None)


def test_the_layers_of_callbacks_come_apart_and_together():
    """In their order, each with its own limits."""
    schedule = klr.CosineDecay(0.4, 100)
    once = klr.Reduced(schedule, 0.5, min_lr=0.01, by="plateau")
    twice = klr.Rescaled(once, 2.0, min_lr=0.02, max_lr=0.3, by="greedy")
    thrice = klr.Reduced(twice, 0.25, by="another")
    for layers in (schedule, once, twice, thrice):
        assert Installed.around(layers).schedule() == layers
    assert [scaling.by for scaling in Installed.around(thrice).scalings] == ["plateau", "greedy", "another"]


def test_clip_with_only_an_upper_end_and_with_none():
    schedule = klr.LinearDecay(0.1, 5)
    assert schedule.clip(high=0.05).values([0, 1, 5]).tolist() == [0.05, 0.05, 0.0]
    assert schedule.clip().values([0, 5]).tolist() == [0.1, 0.0]


def test_the_changes_of_a_reduced_schedule():
    assert klr.Reduced(klr.MultiStepDecay(0.1, [3, 9]), 0.5).changes() == (3, 9)
    assert klr.Reduced(klr.LinearDecay(0.1, 5), 0.5).changes() == ()
    assert klr.Reduced(KERAS, 0.5).changes() == ()


# Very few steps, where the formulas have special cases.


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (klr.OneCycle(1.0, 10, pct_start=1.0), {9: 1.0, 10: 4e-6, 50: 4e-6}),
        (klr.OneCycle(1.0, 10, pct_start=0.1), {0: 1.0, 9: 4e-6, 10: 4e-6}),
        (klr.OneCycle(1.0, 10, pct_start=0.15, anneal_strategy="linear"), {0: 0.04, 1: 1 - 0.5 / 8.5 * (1 - 4e-6)}),
        (klr.OneCycle(1.0, 10, pct_start=0.1, anneal_strategy="linear"), {0: 1.0, 1: 1 - (1 - 4e-6) / 9}),
        (klr.PiecewiseConstantDecay([0], [0.7, 0.5]), {0: 0.7, 1: 0.5, 2: 0.5}),
        (klr.PiecewiseConstantDecay([1, 2], [0.7, 0.5, 0.2]), {0: 0.7, 1: 0.7, 2: 0.5, 3: 0.2}),
        (klr.PiecewiseInterpolation([4], [0.3]), {0: 0.3, 4: 0.3, 9: 0.3}),
        (klr.PiecewiseInterpolation([4, 6], [0.3, 0.1]), {0: 0.3, 4: 0.3, 5: 0.2, 6: 0.1, 9: 0.1}),
        (klr.MultiStepDecay(0.8, [0, 1], 0.5), {0: 0.4, 1: 0.2, 5: 0.2}),
        (klr.OneCycle(1.0, 4, pct_start=0.25), {0: 1.0, 1: 1 - 0.25 * (1 - 4e-6), 2: 0.25 + 0.75 * 4e-6, 3: 4e-6}),
        (
            klr.OneCycle(1.0, 20, pct_start=0.05, three_phase=True, anneal_strategy="linear"),
            {0: 1.0, 1: 0.04 - (0.04 - 4e-6) / 19, 19: 4e-6},
        ),
        (klr.OneCycle(1.0, 1), {0: 4e-6, 1: 4e-6}),
        (klr.LinearDecay(0.4, 1), {0: 0.4, 1: 0.0}),
        (klr.Chain([klr.LinearDecay(0.4, 2)]), {0: 0.4, 1: 0.2, 2: 0.0, 9: 0.0}),
        (
            klr.CosineDecayRestarts(0.8, 8, t_mul=0.5),
            {0: 0.8, 4: 0.4, 8: 0.8, 10: 0.4, 12: 0.8, 13: 0.4, 16: 0.0, 999: 0.0},
        ),
        (klr.KDecay(1.0, 4, k=2.0), {0: 1.0, 1: 0.9375, 2: 0.75, 3: 0.4375, 4: 0.0}),
    ],
    ids=repr,
)
def test_corners(schedule, rates):
    steps = np.array(list(rates))
    np.testing.assert_allclose(schedule.values(steps), list(rates.values()), rtol=1e-9, atol=1e-15)
    got = keras.ops.convert_to_numpy(compiled(schedule.rate)(counter(steps)))
    np.testing.assert_allclose(got, list(rates.values()), rtol=2e-6, atol=1e-9)


@pytest.mark.few(8)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "uint32", "float32"])
@pytest.mark.parametrize(
    "schedule",
    [
        klr.LinearDecay(0.1, 1000),
        klr.CosineDecayRestarts(0.1, 700),
        klr.PiecewiseInterpolation([3, 900], [0.1, 0.2]),
        klr.PiecewiseConstantDecay([0, 3000], [0.3, 0.2, 0.1]),
    ],
    ids=repr,
)
def test_a_step_in_a_small_dtype_does_not_make_the_numbers_small(schedule, dtype):
    """Step 0 is included, because an unsigned dtype has nothing below it."""
    for step in (0, 17, 120):
        got = compiled(schedule)(keras.ops.convert_to_tensor(step, dtype=dtype))
        assert float(keras.ops.convert_to_numpy(got)) == pytest.approx(float(schedule.values(step)), rel=1e-6), step


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has input signatures")
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_an_input_signature_of_every_integer_dtype(dtype):
    """One trace serves all steps of a dtype, including the largest."""
    import tensorflow as tf

    schedules = [
        klr.Warmup(klr.CosineDecay(0.1, 200), 20),
        klr.PiecewiseConstantDecay([3, 3000], [0.3, 0.2, 0.1]),
        klr.CyclicalLearningRate(0.01, 0.1, 70),
        klr.OneCycle(0.1, 4000) * 2 >> klr.LinearDecay(0.1, 50),
    ]
    together = tf.function(
        lambda steps: [schedule(steps) for schedule in schedules], input_signature=[tf.TensorSpec((None,), dtype)]
    )
    steps = np.array([0, 1, 2, 3, 4, 19, 20, 100, 127, min(np.iinfo(dtype).max, 2**31 - 2)])
    for schedule, got in zip(schedules, together(tf.constant(steps, dtype)), strict=True):
        np.testing.assert_allclose(got.numpy(), schedule.values(steps), rtol=2e-6, atol=1e-9)


# Rates close to 0 are as precise as others, because no formula subtracts two large numbers.


def half_cosine(left: float) -> float:
    """(1 + cos(π(1 − left)))/2, precise near left = 0."""
    return math.sin(math.pi / 2 * left) ** 2


LONG = 100_000


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (klr.CosineDecay(1.0, LONG), {LONG - n: half_cosine(n / LONG) for n in (1, 2, 30)}),
        (klr.CosineDecayRestarts(1.0, LONG), {LONG - n: half_cosine(n / LONG) for n in (1, 2, 30)}),
        (
            klr.CosineDecayRestarts(1.0, LONG, t_mul=1.0, m_mul=1.0),
            {3 * LONG - n: half_cosine(n / LONG) for n in (1, 2, 30)},
        ),
        (
            klr.CosineDecayRestarts(1.0, LONG, t_mul=2.0),
            {3 * LONG - n: half_cosine(n / (2 * LONG)) for n in (1, 2, 30)},
        ),
        (
            klr.SinusoidalLearningRate(0.0, 1.0, LONG),
            {2 * LONG - n: half_cosine(n / LONG) for n in (1, 2, 30)} | {n: half_cosine(n / LONG) for n in (1, 2, 30)},
        ),
        (
            klr.PiecewiseInterpolation([5, 5 + LONG], [1.0, 0.0], shape="cosine"),
            {5 + LONG - n: half_cosine(n / LONG) for n in (1, 2, 30)},
        ),
        (klr.LinearDecay(1.0, LONG), {LONG - n: n / LONG for n in (1, 2, 30)}),
        (klr.PolynomialDecay(1.0, LONG, 0.0, power=2.0), {LONG - n: (n / LONG) ** 2 for n in (1, 2, 30)}),
        (klr.CyclicalLearningRate(0.0, 1.0, LONG), {2 * LONG - n: n / LONG for n in (1, 2, 30)} | {3: 3 / LONG}),
        (klr.REXDecay(1.0, LONG), {LONG - n: (n / LONG) / (0.5 + 0.5 * n / LONG) for n in (1, 2, 30)}),
        (klr.KDecay(1.0, LONG, k=3.0), {LONG - n: -math.expm1(3 * math.log1p(-n / LONG)) for n in (1, 2, 30)}),
        (
            klr.TanhDecay(1.0, LONG, lower=-4.0, upper=9.0),
            {t: (1 - math.tanh(-4 + 13 * t / LONG)) / 2 for t in (0, 30_000, 60_000, 80_000)},
        ),
    ],
    ids=repr,
)
def test_small_rates_are_precise(schedule, rates):
    steps, expected = np.array(list(rates)), np.array(list(rates.values()))
    assert expected.min() < 1e-4
    got = keras.ops.convert_to_numpy(compiled(schedule.rate)(counter(steps)))
    np.testing.assert_allclose(got, expected, rtol=2e-6)


def test_a_steep_tanh_is_precise_in_its_middle():
    """An argument of ±2000 loses its digits in the middle, unless it is measured from there."""
    steps = 2**29 + np.array([-300_000, -40_001, -3, 0, 3, 40_001, 300_000])
    schedule = klr.TanhDecay(1.0, 2**30, lower=-1000.0, upper=1000.0)
    expected = [(1 - math.tanh(-1000 + 2000 * int(step) / 2**30)) / 2 for step in steps]
    got = keras.ops.convert_to_numpy(compiled(schedule.rate)(counter(steps)))
    np.testing.assert_allclose(got, expected, rtol=2e-6)


# The clock of a schedule under a time budget.

MOST = 46_340
"""The largest whole number whose square an int32 holds."""


@pytest.mark.parametrize(
    ("pace", "nearest"),
    [
        (Fraction(1), Fraction(1)),
        (Fraction(3, 2), Fraction(3, 2)),
        (Fraction(2, 3), Fraction(2, 3)),
        (Fraction(10**6), Fraction(MOST)),
        (Fraction(1, 10**6), Fraction(1, MOST)),
        (Fraction(46_000) + Fraction(1, 3), Fraction(46_000)),
        (Fraction(46_001, 2), Fraction(46_001, 2)),
        (Fraction(math.pi), Fraction(355, 113)),
        (1 / Fraction(math.pi), Fraction(14093, 44275)),
    ],
)
def test_a_pace_is_a_fraction_of_two_small_numbers(pace, nearest):
    found = klr.Paced.nearest(pace)
    assert found == nearest or abs(found - pace) < abs(nearest - pace)
    assert max(found.numerator, found.denominator) <= MOST


def test_every_pace_has_small_numbers_and_is_near():
    random = np.random.default_rng(0)
    for share in np.exp(random.uniform(-math.log(MOST), math.log(MOST), 2000)):
        pace = Fraction(float(share))
        found = klr.Paced.nearest(pace)
        assert max(found.numerator, found.denominator) <= MOST
        # Fractions with denominators up to n come closer than 1/n. For a pace above 1, n is about MOST / pace.
        assert abs(found - pace) <= max(pace + 2, 1) / MOST, pace


def test_a_clock_stands_still_at_the_last_step():
    last = 2**31 - 2
    quick = klr.Paced(klr.LinearDecay(1.0, 100), [0, 10], [0, 10], [1, 3], [1, 1])
    ticks = quick.ticks_at(np.array([9, 10, 11, 100, last // 3, last // 2, last]))
    assert ticks[:4].tolist() == [9, 10, 13, 280]
    assert np.all((ticks[4:] >= 2**31 - 50) & (ticks[4:] < 2**31))
    assert np.all(np.diff(ticks) >= 0)
    half = klr.Paced(klr.LinearDecay(1.0, 100), [0], [0], [1], [2])
    assert half.ticks_at(np.array([0, 1, 2, 3, last])).tolist() == [0, 0, 1, 1, 2**30 - 1]
    whole = klr.Paced(klr.LinearDecay(1.0, 100), [0], [5], [1], [1])
    assert whole.ticks_at(np.array([0, 2**31 - 10])).tolist() == [5, 2**31 - 5]


def test_a_pace_from_here():
    clock = klr.Paced(klr.LinearDecay(0.8, 80), [0], [0], [1], [1])
    slow = clock.from_here(10, Fraction(1, 2))
    assert slow.pieces() == {"steps": [0, 10], "ticks": [0, 10], "numerators": [1, 1], "denominators": [1, 2]}
    quick = slow.from_here(14, Fraction(3))
    assert quick.pieces() == {
        "steps": [0, 10, 14],
        "ticks": [0, 10, 12],
        "numerators": [1, 1, 3],
        "denominators": [1, 2, 1],
    }
    assert quick.from_here(14, Fraction(1)).pieces()["denominators"] == [1, 2, 1]
    assert quick.from_here(14, Fraction(1)).pieces()["steps"] == [0, 10, 14]
    assert quick.from_here(11, Fraction(1)).pieces()["steps"] == [0, 10, 11]
    assert quick.from_here(12, Fraction(1)).pieces()["ticks"] == [0, 10, 11]
    assert quick.pace() == 3
    steps = np.array([0, 9, 10, 11, 12, 13, 14, 15, 16])
    np.testing.assert_allclose(quick.values(steps), 0.8 * (1 - np.array([0, 9, 10, 10, 11, 11, 12, 15, 18]) / 80))


@pytest.mark.parametrize("length", [2.5, 7 / 3, 3.75, 4.4, 1.25, 10 / 3, 1.5, 2.6])
def test_cycles_of_a_fraction_begin_at_the_nearest_whole_step(length):
    exact = Fraction(length).limit_denominator(1000)
    starts = [math.floor(number * exact + Fraction(1, 2)) for number in range(40)]
    expected = []
    for step in range(31):
        cycle = max(number for number, start in enumerate(starts) if start <= step)
        share = (step - starts[cycle]) / (starts[cycle + 1] - starts[cycle])
        expected.append(0.4 * 0.9**cycle * 0.5 * (1.0 + math.cos(math.pi * share)))
    schedule = klr.CosineDecayRestarts(0.4, length, t_mul=1.0, m_mul=0.9)
    np.testing.assert_allclose(schedule.values(range(31)), expected, rtol=1e-12)
    np.testing.assert_allclose([float(schedule(step)) for step in range(31)], expected, rtol=1e-5)


def test_a_polynomial_with_cycles_of_one_step_ends_at_once():
    schedule = klr.PolynomialDecay(0.4, 1, 0.1, cycle=True)
    np.testing.assert_allclose(schedule.values([0, 1, 2, 3]), [0.4, 0.1, 0.1, 0.1], rtol=1e-12)


@pytest.mark.once
@pytest.mark.parametrize("make", [lambda it: klr.PerEpoch(it, 3), lambda it: klr.PerUpdate(it, 3)])
def test_a_schedule_without_end_or_cycles_has_none_by_epoch_or_update(make):
    schedule = make(klr.Constant(0.1))
    assert schedule.duration is None
    assert schedule.cycle_end_after(0) is None


@pytest.mark.once
def test_equal_limits_are_allowed():
    assert klr.Rescaled(0.1, 2.0, min_lr=0.1, max_lr=0.1).values(0) == pytest.approx(0.1)
