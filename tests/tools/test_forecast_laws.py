"""The laws and their fast sums are compared with double loops over the equations of the papers."""

import numpy as np
import pytest
from support.loss_laws import ANNEALING, LAWS, MULTI_POWER

import keras_lr as klr
from keras_lr.tools.forecast import laws
from keras_lr.tools.forecast.sums import sums_of, sums_of_line, warmup_of

pytestmark = pytest.mark.once

STEPS = 120
AT = np.array([30, 31, 70, 118, 119])
SCHEDULES = {
    "constant": (klr.Constant(2e-3), 0),
    "cosine": (klr.CosineDecay(2e-3, STEPS), 0),
    "to zero": (klr.Warmup(klr.LinearDecay(2e-3, 80), 20), 20),
    "stairs": (klr.StepDecay(2e-3, 33, 0.3), 0),
    "restarts": (klr.CosineDecayRestarts(2e-3, 40), 0),
    "up and down": (klr.CyclicalLearningRate(1e-3, 2e-3, 15), 15),
    "noise": (klr.Noise(klr.Constant(2e-3), 0.5), None),
}


@pytest.fixture(params=SCHEDULES)
def rates_and_warmup(request):
    schedule, warmup = SCHEDULES[request.param]
    rates = schedule.values(np.arange(STEPS))
    return rates, warmup_of(rates) if warmup is None else warmup


@pytest.fixture(params=LAWS)
def law(request):
    return request.param


def parameters(law):
    return np.array(list(LAWS[law][0].values()))


def test_a_law_is_the_double_sum_of_its_paper(law, rates_and_warmup):
    rates, warmup = rates_and_warmup
    known, naive, quick = LAWS[law]
    expected = naive(known, rates.tolist(), AT, warmup)
    np.testing.assert_allclose(quick(known, rates, AT, warmup), expected, rtol=1e-12)
    np.testing.assert_allclose(laws.LAWS[law].loss(parameters(law), sums_of(rates, AT)), expected, rtol=1e-12)


def test_joining_falls_hardly_changes_the_loss(law, rates_and_warmup):
    rates, warmup = rates_and_warmup
    known, _, quick = LAWS[law]
    is_noise = np.count_nonzero(np.diff(np.sign(np.diff(rates)))) > 30
    groups = 100 if is_noise else 30
    few = sums_of(rates, AT, groups=groups)
    assert len(few.change) <= (4 if is_noise else 2) * groups or np.count_nonzero(np.diff(rates)) < 60
    got = laws.LAWS[law].loss(parameters(law), few)
    np.testing.assert_allclose(got, quick(known, rates, AT, warmup), rtol=2e-3)


def test_joining_falls_of_a_noisy_rate_hardly_changes_the_loss(law):
    """Falls and rises are combined separately, because a fall from a high rate and a rise from a low one do not cancel."""
    rates = klr.Noise(klr.LinearDecay(2e-3, 3_000, 1e-3), 0.1).values(np.arange(3_000))
    at = np.array([1_000, 2_999])
    exact, joined = (laws.LAWS[law].loss(parameters(law), sums_of(rates, at, groups)) for groups in (10**9, 300))
    np.testing.assert_allclose(joined, exact, rtol=1e-3)


@pytest.mark.parametrize("schedule", [klr.CosineDecay(2e-3, 20_000), klr.REXDecay(2e-3, 20_000)], ids=repr)
def test_the_error_of_thinning_in_a_long_run(law, schedule):
    """This is the accuracy that `Forecast.loss` promises. The known parameters belong to shorter runs, so C is scaled down."""
    rates = schedule.values(np.arange(20_000))
    at = np.array([5_000, 12_000, 19_999])
    known = {**MULTI_POWER, "C": 0.2} if law == "multi-power" else {**ANNEALING, "tau": 1_000.0, "C": 0.1}
    got = laws.LAWS[law].loss(np.array(list(known.values())), sums_of(rates, at))
    np.testing.assert_allclose(got, LAWS[law][2](known, rates, at), rtol=5e-4)


def test_falls_after_a_point_have_no_effect_on_it(law):
    """Otherwise part of a fall would have an effect before it happens."""
    rates = klr.CosineDecay(2e-3, 4_000).values(np.arange(4_000))
    at = np.array([1_000, 2_000])
    later = rates.copy()
    later[2_001:] = 5e-3
    a, b = (laws.LAWS[law].loss(parameters(law), sums_of(it, at, groups=50)) for it in (rates, later))
    np.testing.assert_allclose(a, b, rtol=5e-3)
    np.testing.assert_allclose(a[0], b[0], rtol=2e-4)


@pytest.mark.parametrize("which", range(7))
def test_slopes_equal_finite_differences(law, which):
    if which >= len(LAWS[law][0]):
        return
    rates = klr.Warmup(klr.CosineDecay(2e-3, 90, alpha=0.1), 20).values(np.arange(STEPS))
    sums = sums_of(rates, AT)
    loss, slopes = laws.LAWS[law].slopes(parameters(law), sums)
    np.testing.assert_allclose(loss, laws.LAWS[law].loss(parameters(law), sums), rtol=1e-12)
    small = 1e-6
    ends = []
    for sign in (1.0, -1.0):
        moved = parameters(law)
        moved[which] = moved[which] + sign * small if which == 0 else moved[which] * np.exp(sign * small)
        ends.append(laws.LAWS[law].loss(moved, sums))
    np.testing.assert_allclose(slopes[:, which], (ends[0] - ends[1]) / (2 * small), rtol=1e-4, atol=1e-7)


def test_parameters_of_scaled_sums_are_converted_back(law):
    rates = klr.CosineDecay(2e-3, STEPS, alpha=0.05).values(np.arange(STEPS))
    sums = sums_of(rates, AT)
    scaled = sums.scaled(2e-3, 0.15)
    found = np.array([0.5, 0.3, 0.4, 0.2, *([3.0, 0.7, 0.4] if law == "multi-power" else [25.0])])
    back = laws.LAWS[law].unscaled(found, 2e-3, 0.15)
    np.testing.assert_allclose(laws.LAWS[law].loss(back, sums), laws.LAWS[law].loss(found, scaled), rtol=1e-12)


def test_a_line_through_corners_has_nearly_the_loss_of_the_run(law):
    schedule = klr.PiecewiseInterpolation([0, 400, 999], [2e-3, 1.5e-3, 1e-4])
    steps = np.unique(np.concatenate([np.linspace(0, 999, 300), 999 - np.geomspace(1, 500, 100)]).astype(int))
    line = sums_of_line(steps.astype(float), schedule.values(steps))
    whole = sums_of(schedule.values(np.arange(1_000)), np.array([999]))
    of_line, of_whole = (laws.LAWS[law].loss(parameters(law), it)[0] for it in (line, whole))
    assert of_line == pytest.approx(of_whole, rel=1e-3)


@pytest.mark.parametrize(
    ("rates", "step"),
    [([1, 1, 1], 0), ([0, 1, 2, 2, 1], 2), ([2, 1, 2], 0), ([0, 1, 2], 2), ([1], 0), ([0, 2, 1, 3], 1)],
)
def test_the_warmup_is_the_first_rise(rates, step):
    assert warmup_of(np.array(rates, float)) == step
