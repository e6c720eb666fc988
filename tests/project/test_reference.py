"""Rates are compared step by step with those of Keras, torch and optax, where the formula is the same."""

import keras
import numpy as np
import pytest
from support.migrations import torch_curves
from support.needs import library, needs

import keras_lr as klr

pytestmark = [pytest.mark.once, needs("optax", "torch")]

optax, torch = library("optax"), library("torch")

theirs = keras.optimizers.schedules
STEPS = np.arange(130)


def assert_same(ours, expected, rtol=2e-6):
    expected = np.asarray(expected, np.float64)
    np.testing.assert_allclose(ours.values(STEPS[: len(expected)]), expected, rtol=rtol, atol=2e-7 * expected.max())


KERAS = [
    (klr.ExponentialDecay, theirs.ExponentialDecay, (0.3, 40, 0.4), {}),
    (klr.ExponentialDecay, theirs.ExponentialDecay, (0.3, 40, 0.4), {"staircase": True}),
    (klr.TimeBasedDecay, theirs.InverseTimeDecay, (0.3, 40, 0.7), {}),
    (klr.TimeBasedDecay, theirs.InverseTimeDecay, (0.3, 40, 0.7), {"staircase": True}),
    (klr.PolynomialDecay, theirs.PolynomialDecay, (0.3, 40), {}),
    (klr.PolynomialDecay, theirs.PolynomialDecay, (0.3, 40, 0.02, 2.5), {}),
    (klr.PolynomialDecay, theirs.PolynomialDecay, (0.3, 40, 0.02, 1.5), {"cycle": True}),
    (klr.CosineDecay, theirs.CosineDecay, (0.3, 40, 0.2), {}),
    (klr.CosineDecay, theirs.CosineDecay, (0.02, 40, 0.2), {"warmup_target": 0.3, "warmup_steps": 9}),
    (klr.PiecewiseConstantDecay, theirs.PiecewiseConstantDecay, ([9, 40], [0.3, 0.2, 0.05]), {}),
    (klr.CosineDecayRestarts, theirs.CosineDecayRestarts, (0.3, 16), {"m_mul": 0.5, "alpha": 0.25}),
]


@pytest.mark.parametrize("number", range(len(KERAS)))
def test_keras(number):
    ours, other, args, more = KERAS[number]
    reference = other(*args, **more)
    expected = [float(keras.ops.convert_to_numpy(reference(int(step)))) for step in STEPS]
    assert_same(ours(*args, **more), expected, rtol=1e-5)


lr = torch.optim.lr_scheduler
TORCH = {
    "StepLR": (klr.StepDecay(0.4, 7, 0.3), lambda o: lr.StepLR(o, 7, 0.3)),
    "MultiStepLR": (klr.MultiStepDecay(0.4, [3, 50], 0.3), lambda o: lr.MultiStepLR(o, [3, 50], 0.3)),
    "ExponentialLR": (klr.ExponentialDecay(0.4, 1, 0.97), lambda o: lr.ExponentialLR(o, 0.97)),
    "PolynomialLR": (klr.PolynomialDecay(0.4, 60, 0.0, 2.0), lambda o: lr.PolynomialLR(o, 60, 2.0)),
    "LinearLR": (klr.PiecewiseInterpolation([0, 60], [0.1, 0.4]), lambda o: lr.LinearLR(o, 0.25, 1.0, 60)),
    "CosineAnnealingWarmRestarts": (
        klr.CosineDecayRestarts(0.4, 9, t_mul=2, alpha=0.05),
        lambda o: lr.CosineAnnealingWarmRestarts(o, 9, 2, 0.02),
    ),
    "CyclicLR": (klr.CyclicalLearningRate(0.1, 0.4, 7), lambda o: lr.CyclicLR(o, 0.1, 0.4, 7, cycle_momentum=False)),
    "CyclicLR-asymmetric": (
        klr.CyclicalLearningRate(0.1, 0.4, 7, 12, mode="triangular2"),
        lambda o: lr.CyclicLR(o, 0.1, 0.4, 7, 12, mode="triangular2", cycle_momentum=False),
    ),
    "CyclicLR-exp_range": (
        klr.CyclicalLearningRate(0.1, 0.4, 7, mode="exp_range", gamma=0.98),
        lambda o: lr.CyclicLR(o, 0.1, 0.4, 7, mode="exp_range", gamma=0.98, cycle_momentum=False),
    ),
    "SequentialLR": (
        klr.Sequential([klr.Warmup(0.4, 20, start=0.25), klr.ExponentialDecay(0.4, 1, 0.9)], [20]),
        lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.25, 1.0, 20), lr.ExponentialLR(o, 0.9)], [20]),
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_torch(name):
    ours, make = TORCH[name]
    assert_same(ours, torch_curves(make, len(STEPS))[0])


def test_torch_cosine_up_to_its_end():
    expected, _ = torch_curves(lambda o: lr.CosineAnnealingLR(o, 60, 0.1), 61)
    assert_same(klr.CosineDecay(0.4, 60, alpha=0.25), expected)


@pytest.mark.parametrize("total", [10, 97, 130])
@pytest.mark.parametrize("three", [False, True])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("share", [0.3, 0.37])
def test_torch_one_cycle(total, three, strategy, share):
    ours = klr.OneCycle(0.4, total, share, strategy, 12.0, 300.0, three)

    def make(o):
        return lr.OneCycleLR(
            o,
            0.4,
            total,
            pct_start=share,
            anneal_strategy=strategy,
            div_factor=12.0,
            final_div_factor=300.0,
            three_phase=three,
        )

    assert_same(ours, torch_curves(make, total)[0])


@pytest.mark.parametrize("three", [False, True])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_torch_one_cycle_momentum(three, strategy):
    ours = klr.OneCycle(0.4, 97, anneal_strategy=strategy, three_phase=three).momentum()

    def make(o):
        return lr.OneCycleLR(o, 0.4, 97, anneal_strategy=strategy, three_phase=three)

    assert_same(ours, torch_curves(make, 96)[1])


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_torch_cyclical_momentum(mode):
    gamma = 0.98 if mode == "exp_range" else 1.0
    ours = klr.CyclicalLearningRate(0.1, 0.4, 7, 12, mode=mode, gamma=gamma).momentum(0.7, 0.95)

    def make(o):
        return lr.CyclicLR(o, 0.1, 0.4, 7, 12, mode=mode, gamma=gamma, base_momentum=0.7, max_momentum=0.95)

    assert_same(ours, torch_curves(make, 130)[1])


OPTAX = {
    "exponential": (klr.ExponentialDecay(0.4, 30, 0.5), optax.exponential_decay(0.4, 30, 0.5)),
    "polynomial": (klr.PolynomialDecay(0.4, 60, 0.02, 3.0), optax.polynomial_schedule(0.4, 0.02, 3.0, 60)),
    "linear": (klr.LinearDecay(0.4, 60, 0.1), optax.linear_schedule(0.4, 0.1, 60)),
    "cosine": (klr.CosineDecay(0.4, 60, 0.25), optax.cosine_decay_schedule(0.4, 60, 0.25)),
    # optax changes the rate at the boundary, PiecewiseConstantDecay (as in Keras) after it.
    "piecewise": (
        klr.PiecewiseConstantDecay([29, 59], [0.4, 0.2, 0.02]),
        optax.piecewise_constant_schedule(0.4, {30: 0.5, 60: 0.1}),
    ),
    "interpolated": (
        klr.PiecewiseInterpolation([0, 30, 60], [0.4, 0.8, 0.2]),
        optax.piecewise_interpolate_schedule("linear", 0.4, {30: 2.0, 60: 0.25}),
    ),
    "interpolated-cosine": (
        klr.PiecewiseInterpolation([0, 30, 60], [0.4, 0.8, 0.2], "cosine"),
        optax.piecewise_interpolate_schedule("cosine", 0.4, {30: 2.0, 60: 0.25}),
    ),
    # In optax, `decay_steps` include the warmup.
    "warmup-cosine": (
        klr.Warmup(klr.CosineDecay(0.4, 80, 0.25), 20, start=0.1),
        optax.warmup_cosine_decay_schedule(0.04, 0.4, 20, 100, 0.1),
    ),
    "join": (
        klr.Sequential([klr.LinearDecay(0.4, 60), klr.CosineDecay(0.3, 40)], [33]),
        optax.join_schedules([optax.linear_schedule(0.4, 0.0, 60), optax.cosine_decay_schedule(0.3, 40)], [33]),
    ),
    # The phases of optax end at whole steps. Those of torch, and of OneCycle, end one step earlier.
    "one-cycle": (
        klr.Warmup(klr.CosineDecay(0.4, 70, alpha=1 / (25 * 1e4)), 30, start=1 / 25, shape="cosine"),
        optax.cosine_onecycle_schedule(100, 0.4, 0.3, 25.0, 1e4),
    ),
}


@pytest.mark.parametrize("name", OPTAX)
def test_optax(name):
    ours, reference = OPTAX[name]
    assert_same(ours, [float(reference(int(step))) for step in STEPS], rtol=1e-5)


def test_mistakes_that_keras_accepts_are_refused():
    unsorted = theirs.PiecewiseConstantDecay([20, 10], [1.0, 0.1, 0.01])
    assert max(float(keras.ops.convert_to_numpy(unsorted(step))) for step in range(30)) > 1.0
    with pytest.raises(ValueError, match="none smaller than the one before"):
        klr.PiecewiseConstantDecay([20, 10], [1.0, 0.1, 0.01])
    rising = theirs.PolynomialDecay(1e-5, 10)
    assert float(keras.ops.convert_to_numpy(rising(10))) > 1e-5
    with pytest.raises(ValueError, match="at most `initial_learning_rate`"):
        klr.PolynomialDecay(1e-5, 10)
    ignored = theirs.CosineDecay(0.1, 10, warmup_steps=5)
    assert float(keras.ops.convert_to_numpy(ignored(0))) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="warmup_target"):
        klr.CosineDecay(0.1, 10, warmup_steps=5)
    assert klr.ExponentialDecay(1, 10, 0.5).values(10) == 0.5


def test_keras_1_decay():
    """In Keras 1, `optimizer(decay=d)` gave lr / (1 + d · batches)."""
    np.testing.assert_allclose(klr.TimeBasedDecay(0.1, 1, 1e-2).values(STEPS), 0.1 / (1 + 1e-2 * STEPS))
