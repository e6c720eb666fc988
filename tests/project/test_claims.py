"""Each "as Keras" and "torch's `X`" in a docstring is compared with X, over grids of arguments with edge cases.

The edge cases are step 0, the last step, steps past the end, one step, parts of no length, factors of 1, and
boundaries at 0. Statements about papers are rows of docs/migrating.md, which test_migrating.py evaluates.
"""

import inspect
import itertools
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from support.backend import compiled, counter
from support.migrations import torch_curves
from support.needs import library, needs

import keras_lr as klr
from keras_lr.optimizers.scheduled import OWN

TESTS = Path(__file__).parents[1]

pytestmark = [pytest.mark.once, needs("jax", "optax", "torch")]

jax, optax, torch = library("jax"), library("optax"), library("torch")

theirs = keras.optimizers.schedules
lr = torch.optim.lr_scheduler


def product(**choices):
    """Every combination of values, as keyword arguments."""
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


def check(ours, expected, what, rtol=1e-10):
    expected = np.asarray(expected, np.float64)
    assert np.isfinite(expected).all(), what
    got = ours.values(np.arange(len(expected)))
    np.testing.assert_allclose(got, expected, rtol=0, atol=rtol * max(expected.max(), 1e-30), err_msg=str(what))


# Keras, which computes in float32.


def keras_curve(schedule, count):
    rate = compiled(schedule)  # JAX compiles a `cond` again at each eager call
    return [float(keras.ops.convert_to_numpy(rate(counter(step)))) for step in range(count)]


KERAS = {
    klr.ExponentialDecay: (
        theirs.ExponentialDecay,
        product(initial_learning_rate=[0.3], decay_steps=[1, 7], decay_rate=[1.0, 0.4], staircase=[False, True]),
    ),
    klr.TimeBasedDecay: (
        theirs.InverseTimeDecay,
        product(initial_learning_rate=[0.3], decay_steps=[1, 7], decay_rate=[0.0, 0.4], staircase=[False, True]),
    ),
    klr.PolynomialDecay: (
        theirs.PolynomialDecay,
        product(
            initial_learning_rate=[0.3],
            decay_steps=[
                1,
                8,
            ],  # with 7 steps, Keras on XLA raises a number just below 0 to a power at the end, which is NaN
            end_learning_rate=[0.0, 0.1, 0.3],
            power=[0.5, 1.0, 2.5],
            cycle=[False, True],
        ),
    ),
    klr.PiecewiseConstantDecay: (
        theirs.PiecewiseConstantDecay,
        [
            {"boundaries": [0], "values": [0.3, 0.2]},
            {"boundaries": [1], "values": [0.2, 0.3]},
            {"boundaries": [0, 1, 2], "values": [0.3, 0.2, 0.1, 0.0]},
            {"boundaries": [6, 7, 40], "values": [0.1, 0.3, 0.2, 0.4]},
        ],
    ),
    klr.CosineDecay: (
        theirs.CosineDecay,
        [
            *product(initial_learning_rate=[0.0, 0.3], decay_steps=[1, 7], alpha=[0.0, 0.2, 1.0]),
            *product(
                initial_learning_rate=[0.02],
                decay_steps=[1, 7],
                alpha=[0.2],
                warmup_target=[0.0, 0.3],
                warmup_steps=[0, 1, 8],
            ),
        ],
    ),
    klr.CosineDecayRestarts: (
        theirs.CosineDecayRestarts,
        [
            *product(initial_learning_rate=[0.3], first_decay_steps=[1, 7], t_mul=[1.0], m_mul=[1.0, 0.5], alpha=[0.2]),
            # With whole cycles, the logarithm in Keras's formula finds the right cycle.
            *product(initial_learning_rate=[0.3], first_decay_steps=[16], t_mul=[1.5, 2.0], m_mul=[0.5], alpha=[0.2]),
        ],
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("kind", KERAS, ids=lambda kind: kind.__name__)
def test_as_keras(kind):
    other, grid = KERAS[kind]
    for arguments in grid:
        check(kind(**arguments), keras_curve(other(**arguments), 24), arguments, rtol=3e-6)


@pytest.mark.once
@pytest.mark.parametrize("kind", KERAS, ids=lambda kind: kind.__name__)
def test_arguments_have_the_names_the_order_and_the_defaults_of_keras(kind):
    mine = inspect.signature(kind).parameters.values()
    other = list(inspect.signature(KERAS[kind][0]).parameters.values())
    # In Keras's CosineDecay `name` is the fourth of six arguments. Here it is the last, by keyword.
    other.sort(key=lambda parameter: parameter.name == "name")
    assert [parameter.name for parameter in mine] == [parameter.name for parameter in other]
    for a, b in zip(mine, other, strict=True):
        assert a.default == b.default or a.name == "name"


@pytest.mark.once
def test_shrinking_cycles_stay_at_the_floor_where_keras_has_none():
    arguments = (0.3, 16, 0.5, 1.0, 0.25)
    expected = keras_curve(theirs.CosineDecayRestarts(*arguments), 40)
    ours = klr.CosineDecayRestarts(*arguments)
    np.testing.assert_allclose(ours.values(range(24)), expected[:24], rtol=1e-5)
    assert np.isnan(expected[33:]).all()
    assert (ours.values(range(32, 40)) == 0.25 * 0.3).all()


@pytest.mark.once
@pytest.mark.parametrize("decay_steps", [1, 7])
def test_stairs_are_those_of_the_exponential(decay_steps):
    stairs, exponential = klr.StepDecay(0.3, decay_steps, 0.4), klr.ExponentialDecay(0.3, decay_steps, 0.4, True)
    steps = [*range(99), 2**31 - 2]
    np.testing.assert_array_equal(stairs.values(steps), exponential.values(steps))


# torch


@pytest.mark.once
@pytest.mark.parametrize("three", [False, True])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle(strategy, three):
    """Some rises take less than one step, no step, or all steps. With a rise of exactly one step torch divides by zero."""
    shares = [0.0, 0.05, 0.1, 0.3, 0.37, 0.5] if three else [0.0, 0.05, 0.1, 0.3, 0.37, 0.5, 0.9, 1.0]
    seen = 0
    for total, share, (div, final) in itertools.product([1, 2, 3, 8, 10, 41], shares, [(25.0, 1e4), (0.5, 0.8)]):
        ours = klr.OneCycle(2.0, total, share, strategy, div, final, three)

        def make(optimizer, total=total, share=share, div=div, final=final):
            more = {"div_factor": div, "final_div_factor": final, "three_phase": three}
            return lr.OneCycleLR(optimizer, 2.0, total, pct_start=share, anneal_strategy=strategy, **more)

        if share * total == 1.0:
            with pytest.raises(ZeroDivisionError):
                torch_curves(make, total)
            assert ours.values(0) == 2.0
            continue
        rates, momenta = torch_curves(make, total)
        check(ours, rates, ours)
        check(ours.momentum(), momenta, ours)
        seen += share * total < 1.0
    assert seen > 20


@pytest.mark.once
def test_one_cycle_with_a_rise_of_less_than_one_step():
    """1e-4 + (25 − 1e-4) · (1 + cos(π·x))/2 at x = (t + 0.2)/7.2, worked out by hand for t = 0 and 1."""
    values = klr.OneCycle(25.0, 8, pct_start=0.1).values(range(8))
    np.testing.assert_allclose(values[:2], [24.9524339, 23.3253242], rtol=1e-8)
    rates, _ = torch_curves(lambda optimizer: lr.OneCycleLR(optimizer, 25.0, 8, pct_start=0.1), 8)
    np.testing.assert_allclose(values, rates, rtol=1e-12)


@pytest.mark.once
@pytest.mark.parametrize(("strategy", "beyond"), [("cos", 0.0495), ("linear", -0.1429)])
def test_torch_goes_beyond_the_end_of_its_one_cycle(strategy, beyond):
    ours = klr.OneCycle(1.0, 10, anneal_strategy=strategy)

    def make(optimizer):
        return lr.OneCycleLR(optimizer, 1.0, 10, anneal_strategy=strategy)

    assert torch_curves(make, 11)[0][10] == pytest.approx(beyond, abs=1e-4)
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        torch_curves(make, 12)
    assert ours.values([9, 10, 11, 99]) == pytest.approx([4e-6] * 4, rel=1e-12)


@pytest.mark.once
@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_cyclic(mode):
    gammas = [1.0, 0.9] if mode == "exp_range" else [1.0]
    for up, down, low, gamma in itertools.product([1, 2, 7, 40], [None, 1, 3, 19], [0.0, 0.1, 0.4], gammas):
        ours = klr.CyclicalLearningRate(low, 0.4, up, down, mode, gamma)

        def make(optimizer, up=up, down=down, low=low, gamma=gamma):
            return lr.CyclicLR(optimizer, low, 0.4, up, down, mode, gamma, base_momentum=0.7, max_momentum=0.95)

        rates, momenta = torch_curves(make, 50)
        check(ours, rates, ours)
        check(ours.momentum(0.7, 0.95), momenta, ours)


@pytest.mark.once
def test_stairs():
    for steps, rate in itertools.product([1, 7, 30, 31], [1.0, 0.3]):
        rates, _ = torch_curves(lambda o, steps=steps, rate=rate: lr.StepLR(o, steps, rate), 31)
        check(klr.StepDecay(0.4, steps, rate), rates, (steps, rate))
    for milestones, rate in itertools.product([[0], [1], [0, 1, 2], [3, 9], [30], [31]], [1.0, 0.3]):
        rates, _ = torch_curves(lambda o, at=milestones, rate=rate: lr.MultiStepLR(o, at, rate), 31)
        check(klr.MultiStepDecay(0.4, milestones, rate), rates, (milestones, rate))


# Sequences and pieces in torch and optax

BOUNDARIES = [[0], [1], [20], [30], [31], [0, 20], [20, 21], [20, 20], [0, 0]]


@pytest.mark.once
@pytest.mark.parametrize("boundaries", BOUNDARIES, ids=str)
def test_sequential(boundaries):
    """A part between equal boundaries is skipped, also at 0."""
    count = len(boundaries) + 1
    ours = klr.Sequential([klr.Constant(0.2), klr.ExponentialDecay(0.4, 1, 0.9), klr.Constant(0.1)][:count], boundaries)

    def make(optimizer):
        parts = [
            lr.ConstantLR(optimizer, 0.5, 99),
            lr.ExponentialLR(optimizer, 0.9),
            lr.ConstantLR(optimizer, 0.25, 99),
        ]
        return lr.SequentialLR(optimizer, parts[:count], boundaries)

    check(ours, torch_curves(make, 31)[0], boundaries)
    parts = [optax.constant_schedule(0.2), optax.exponential_decay(0.4, 1, 0.9), optax.constant_schedule(0.1)]
    joined = optax.join_schedules(parts[:count], boundaries)
    check(ours, jax.vmap(joined)(np.arange(31)), boundaries, rtol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("boundaries", [[1], [1, 2, 3], [10, 30], [39]], ids=str)
def test_pieces(boundaries):
    factors = dict(zip(boundaries, [2.0, 0.25, 3.0], strict=False))
    rates = np.cumprod([0.4, *factors.values()]).tolist()
    for shape in ("linear", "cosine"):
        reference = optax.piecewise_interpolate_schedule(shape, 0.4, factors)
        ours = klr.PiecewiseInterpolation([0, *boundaries], rates, shape)
        check(ours, jax.vmap(reference)(np.arange(41)), (boundaries, shape), rtol=1e-6)
    constant = optax.piecewise_constant_schedule(0.4, factors)
    shifted = klr.PiecewiseConstantDecay([boundary - 1 for boundary in boundaries], rates)
    check(shifted, jax.vmap(constant)(np.arange(41)), boundaries, rtol=1e-6)


# Weight decay

DECAYING = sorted(set(OWN) - {"Ftrl"})


@pytest.mark.parametrize("name", DECAYING)
def test_the_weight_decay_of_keras(name):
    """At a gradient of 0, the weight becomes w − lr · wd · w."""
    assert decayed(name) == pytest.approx(2.0 * (1 - 0.5 * 0.1), rel=1e-6)


def test_optimizers_that_replace_the_weights_do_not_decay_them():
    assert decayed("ScheduleFreeAdamW") == 2.0
    assert decayed("Ftrl") == 0.0 == decayed("Ftrl", None)


def decayed(name, weight_decay=0.1):
    """A weight of 2 after one update without a gradient at a rate of 0.5."""
    optimizer = getattr(keras.optimizers, name)(learning_rate=0.5, weight_decay=weight_decay)
    weight = keras.Variable(np.full((2, 2), 2.0, "float32"))
    optimizer.build([weight])
    optimizer.apply([keras.ops.zeros((2, 2))])
    return float(keras.ops.convert_to_numpy(weight.value)[0, 0])


@pytest.mark.once
def test_the_weight_decay_of_torch_and_optax():
    weight = torch.full((1,), 2.0, requires_grad=True)
    weight.grad = torch.zeros(1)
    torch.optim.AdamW([weight], lr=0.5, weight_decay=0.1).step()
    assert weight.item() == pytest.approx(1.9, rel=1e-6)
    transform, weights = optax.adamw(0.5, weight_decay=0.1), np.full(1, 2.0, np.float32)
    update, _ = transform.update(np.zeros(1, np.float32), transform.init(weights), weights)
    assert float(weights[0] + update[0]) == pytest.approx(1.9, rel=1e-6)


# Every claim has its test.

GUARDS = {
    "Keras InverseTimeDecay": "test_claims.py::test_as_keras",
    "Keras ReduceLROnPlateau": "test_plateau.py::test_golden_traces_equal_keras",
    "Megatron-LM decay style": "test_migrating.py::test_line",
    "fastai SchedExp": "test_migrating.py::test_line",
    "optax join_schedules": "test_claims.py::test_sequential",
    "optax piecewise_interpolate_schedule": "test_claims.py::test_pieces",
    "timm CosineLRScheduler": "test_migrating.py::test_line",
    "timm PolyLRScheduler": "test_migrating.py::test_line",
    "torch CyclicLR": "test_claims.py::test_cyclic",
    "torch MultiStepLR": "test_claims.py::test_stairs",
    "torch OneCycleLR": "test_claims.py::test_one_cycle",
    "torch SequentialLR": "test_claims.py::test_sequential",
    "torch StepLR": "test_claims.py::test_stairs",
    "torch cycled momentum": "test_claims.py::test_cyclic",
}
"""What a docstring names as equal, and the test that compares the two."""

OTHER = {
    "Keras LearningRateScheduler",
    "mmengine ReduceOnPlateauMomentum",
    "optax atol",
    "optax rtol",
    "timm cycle_decay",
    "timm lr-noise",
}
"""Names that a docstring mentions because of a difference, or as a reason."""

AS_KERAS = {"ExponentialDecay", "PolynomialDecay", "PiecewiseConstantDecay", "CosineDecay", "CosineDecayRestarts"}


def docstrings():
    for name in klr.__all__:
        value = getattr(klr, name)
        yield name, inspect.getdoc(value) or ""
        for member in vars(value).values() if isinstance(value, type) else ():
            if inspect.isfunction(member) and not member.__name__.startswith("_"):
                yield name, inspect.getdoc(member) or ""


@pytest.mark.once
def test_every_claim_has_a_test():
    packages = "Keras|torch|optax|timm|transformers|fastai|mmengine|Composer|Megatron-LM"
    found, as_keras = set(), set()
    for name, text in docstrings():
        text = " ".join(text.split())
        # For example "torch's `A`", "timm's `A` and `B`", or in words "torch's cycled momentum".
        for package, names in re.findall(rf"\b({packages})'s ((?:`[\w-]+`(?: and )?)+)", text):
            found |= {f"{package} {other}" for other in re.findall(r"`([\w-]+)`", names)}
        found |= {
            f"{package} {thing}" for package, thing in re.findall(rf"\b({packages})'s (cycled \w+|decay \w+)", text)
        }
        if re.search(r"\bAs Keras\b", text):
            as_keras.add(name)
    assert found == {*GUARDS, *OTHER}
    assert as_keras == AS_KERAS <= {kind.__name__ for kind in KERAS}
    for guard in GUARDS.values():
        module, test = guard.split("::")
        assert f"\ndef {test}(" in next(TESTS.glob(f"*/{module}")).read_text(), guard
