"""`Scheduled(multipliers=…)`, compared step by step with Keras's `MultiOptimizer`, torch's groups and optax."""

import inspect
import itertools

import keras
import numpy as np
import pytest
from support.needs import needs

import keras_lr as klr
from keras_lr import Scheduled
from keras_lr.optimizers import scheduled

STEPS = 8
NAMES = ("embed", "body_kernel", "body_bias", "head")
DRAW = np.random.default_rng(3)
START = {name: DRAW.normal(size=(3, 2)).astype("float32") for name in NAMES}
GRADIENTS = [{name: DRAW.normal(size=(3, 2)).astype("float32") for name in NAMES} for _ in range(STEPS)]
RATE = klr.LinearDecay(0.1, 40)
THAW = klr.Sequential([1.0, 0.0, 0.5], [3, 6])
"""The factor moves a variable, freezes it and thaws it."""
KINDS = list(scheduled.OWN)


def numbers(variables):
    return {variable.name: keras.ops.convert_to_numpy(variable).copy() for variable in variables}


def variables_of():
    return [keras.Variable(value, name=name) for name, value in START.items()]


def apply(optimizer, variables, gradients):
    optimizer.apply([keras.ops.convert_to_tensor(gradients[variable.name]) for variable in variables], variables)


def path(optimizer, steps=GRADIENTS):
    """The variables before the first step and after each step."""
    variables = variables_of()
    optimizer.build(variables)
    seen = [numbers(variables)]
    for gradients in steps:
        apply(optimizer, variables, gradients)
        seen.append(numbers(variables))
    return seen


def assert_same(mine, theirs, rtol=1e-5, atol=1e-6):
    for step, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        for name in NAMES:
            np.testing.assert_allclose(a[name], b[name], rtol, atol, err_msg=f"{name} after {step} steps")


def stock(kind, rate, **options):
    return getattr(keras.optimizers, kind)(rate, **options)


def in_parts(make, factors):
    """Keras's `MultiOptimizer` with an optimizer for each group, at the rate of the group."""
    rest = make(RATE)
    chosen = keras.optimizers.OptimizerMap(rest, {name: make(factor * RATE) for name, factor in factors.items()})
    return keras.optimizers.MultiOptimizer(chosen)


@pytest.mark.few(4)
@pytest.mark.parametrize("kind", KINDS)
def test_each_step_is_that_of_a_multi_optimizer(kind):
    """The `MultiOptimizer` has a separate optimizer for each group, with its own slots and counter."""
    factors = {"embed": 0.1, "head": 3.0 if kind == "Ftrl" else klr.Sequential([0.5, 2.0], [4])}
    mine = path(Scheduled(stock(kind, RATE, weight_decay=0.1), multipliers=factors))
    theirs = path(in_parts(lambda rate: stock(kind, rate, weight_decay=0.1), factors))
    assert_same(mine, theirs)
    assert np.abs(mine[-1]["embed"] - path(stock(kind, RATE, weight_decay=0.1))[-1]["embed"]).max() > 1e-4


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {"weight_decay": 0.1}),
    ],
)
def test_each_step_has_the_bits_of_a_multi_optimizer(kind, options):
    """Factors that are powers of 2 cause no rounding, so even the bits are equal."""
    factors = {"embed": 0.25, "head": klr.Sequential([0.5, 2.0], [4])}
    mine = path(Scheduled(stock(kind, RATE, **options), multipliers=factors))
    theirs = path(in_parts(lambda rate: stock(kind, rate, **options), factors))
    for step, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        for name in NAMES:
            np.testing.assert_array_equal(a[name], b[name], err_msg=f"{name} after {step} steps")


def test_a_schedule_is_computed_twice_for_a_step_and_not_for_each_variable():
    """Keras computes the rate again for each variable that decays. Here all groups share one computation."""
    asked = []

    def rate():
        asked.append(1)
        return 0.1

    groups = {"embed": 0.1, "head": 2.0}
    optimizer, variables = Scheduled(stock("AdamW", rate, weight_decay=0.1), multipliers=groups), variables_of()
    optimizer.build(variables)
    asked.clear()
    apply(optimizer, variables, GRADIENTS[0])
    assert len(asked) == 2


def test_variables_may_come_in_another_order_or_without_a_gradient():
    factors = {"embed": 0.1, "head": 10.0}
    one, two = (Scheduled(stock("AdamW", RATE), multipliers=factors) for _ in range(2))
    first, second = variables_of(), variables_of()
    one.build(first)
    two.build(second)
    for step, gradients in enumerate(GRADIENTS):
        some = NAMES[: 2 + step % 3]
        apply(one, [it for it in first if it.name in some], gradients)
        apply(two, [it for it in reversed(second) if it.name in some], gradients)
    for name, value in numbers(first).items():
        np.testing.assert_array_equal(value, numbers(second)[name])
        assert (value != START[name]).any()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("RMSprop", {"momentum": 0.5, "centered": True}),
        ("Adam", {"amsgrad": True}),
    ],
)
def test_options_of_the_optimizers_work_with_factors(kind, options):
    factors = {"embed": 0.1, "head": klr.Sequential([0.5, 2.0], [4])}
    assert_same(
        path(Scheduled(stock(kind, RATE, **options), multipliers=factors)),
        path(in_parts(lambda rate: stock(kind, rate, **options), factors)),
    )


def test_scheduled_hyperparameters_and_factors_together():
    momentum = klr.LinearDecay(0.9, 10)
    factors = {"embed": 0.1, "head": klr.Sequential([0.5, 2.0], [4])}
    for options in ({}, {"momentum_correction": True}):
        assert_same(
            path(Scheduled(stock("SGD", RATE), momentum=momentum, multipliers=factors, **options)),
            path(in_parts(lambda rate, o=options: Scheduled(stock("SGD", rate), momentum=momentum, **o), factors)),
        )


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_factors_of_1_change_no_bit(kind):
    mine = path(Scheduled(stock(kind, RATE, weight_decay=0.1), multipliers={"head": 1.0}))
    for a, b in zip(mine, path(stock(kind, RATE, weight_decay=0.1)), strict=True):
        assert all((a[name] == b[name]).all() for name in NAMES)


@pytest.mark.parametrize("rate", [0.1, klr.Constant(0.1), lambda: 0.1], ids=["number", "schedule", "function"])
def test_every_form_of_the_rate(rate):
    mine = path(Scheduled(stock("SGD", rate, momentum=0.9), multipliers={"head": 2.0}))
    velocity, weight = np.zeros((3, 2)), START["head"].astype("float64")
    for gradients, seen in zip(GRADIENTS, mine[1:], strict=True):
        velocity = 0.9 * velocity - 0.2 * gradients["head"]
        weight = weight + velocity
        np.testing.assert_allclose(seen["head"], weight, rtol=1e-5, atol=1e-6)


# Other libraries.


def torch_path(make, factors, schedule):
    """The variables with torch's optimizer, a parameter group for each factor, and a `LambdaLR`."""
    import torch

    parameters = {name: torch.nn.Parameter(torch.tensor(value.copy())) for name, value in START.items()}
    groups = [{"params": [parameter], "lr": 1.0} for parameter in parameters.values()]
    optimizer = make(torch, groups)
    functions = [lambda step, f=factors.get(name, 1.0): f * float(schedule.values(step)) for name in parameters]
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, functions)
    seen = [{name: parameter.detach().numpy().copy() for name, parameter in parameters.items()}]
    for gradients in GRADIENTS:
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(gradients[name])
        optimizer.step()
        scheduler.step()
        seen.append({name: parameter.detach().numpy().copy() for name, parameter in parameters.items()})
    return seen


FACTORS = {"embed": 0.1, "body_bias": 0.5, "head": 10.0}


@needs("torch")
@pytest.mark.parametrize("rate", [klr.Constant(0.1), RATE], ids=["constant", "falling"])
def test_torchs_sgd_with_parameter_groups(rate):
    mine = path(Scheduled(stock("SGD", rate, momentum=0.9), multipliers=FACTORS, momentum_correction=True))
    theirs = torch_path(lambda torch, groups: torch.optim.SGD(groups, momentum=0.9), FACTORS, rate)
    assert_same(mine, theirs)
    if rate == klr.Constant(0.1):
        # At a constant rate it is the same without correction.
        assert_same(path(Scheduled(stock("SGD", rate, momentum=0.9), multipliers=FACTORS)), theirs)


@needs("torch")
def test_torchs_adamw_with_parameter_groups():
    mine = path(Scheduled(stock("AdamW", RATE, weight_decay=0.2, epsilon=1e-12), multipliers=FACTORS))
    make = lambda torch, groups: torch.optim.AdamW(groups, weight_decay=0.2, eps=1e-12)  # noqa: E731
    assert_same(mine, torch_path(make, FACTORS, RATE), rtol=1e-4, atol=1e-5)


@needs("optax")
@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_optaxs_multi_transform(kind):
    import jax.numpy as jnp
    import optax

    def transform(factor):
        def rate(step):
            return factor * (0.1 - 0.1 * step / 40)

        if kind == "SGD":
            return optax.sgd(rate, momentum=0.9)
        return optax.adamw(rate, weight_decay=0.2, eps=1e-12)

    whole = optax.multi_transform(
        {name: transform(FACTORS.get(name, 1.0)) for name in NAMES}, {name: name for name in NAMES}
    )
    parameters = {name: jnp.array(value) for name, value in START.items()}
    state, seen = whole.init(parameters), [dict(START)]
    for gradients in GRADIENTS:
        updates, state = whole.update({name: jnp.array(it) for name, it in gradients.items()}, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        seen.append({name: np.array(value) for name, value in parameters.items()})
    own = {"SGD": {"momentum": 0.9}, "AdamW": {"weight_decay": 0.2, "epsilon": 1e-12}}[kind]
    mine = path(Scheduled(stock(kind, RATE, **own), multipliers=FACTORS, momentum_correction=kind == "SGD"))
    assert_same(mine, seen, rtol=1e-4, atol=1e-5)


# Frozen variables.


OPTIONS = {"SGD": {"momentum": 0.9}, "RMSprop": {"momentum": 0.9}}


@pytest.mark.few(6)
@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Ftrl"])
def test_a_frozen_variable_neither_moves_nor_decays(kind, independent):
    optimizer = stock(kind, RATE, weight_decay=0.1, **OPTIONS.get(kind, {}))
    factors = {"embed": 0.0, "head": THAW}
    seen = path(Scheduled(optimizer, multipliers=factors, independent_weight_decay=independent))
    for step, (before, after) in enumerate(itertools.pairwise(seen)):
        np.testing.assert_array_equal(after["embed"], START["embed"])
        still = (after["head"] == before["head"]).all()
        assert still == (3 <= step < 6), step
        assert (after["body_bias"] != before["body_bias"]).all()


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_velocity_of_a_frozen_variable_decays(nesterov):
    """While it is frozen, v ← m·v − 0·g, as at a rate of 0. The weight does not move."""
    factors = klr.Sequential([1.0, 0.0, 1.0], [3, 6])
    mine = path(Scheduled(stock("SGD", 0.1, momentum=0.9, nesterov=nesterov), multipliers={"head": factors}))
    velocity, weight = np.zeros((3, 2)), START["head"].astype("float64")
    for step, gradients in enumerate(GRADIENTS):
        factor = 0.0 if 3 <= step < 6 else 1.0
        velocity = 0.9 * velocity - 0.1 * factor * gradients["head"]
        if factor:
            weight = weight + (0.9 * velocity - 0.1 * gradients["head"] if nesterov else velocity)
        np.testing.assert_allclose(mine[step + 1]["head"], weight, rtol=1e-5, atol=1e-6)


def test_adam_has_its_averages_when_a_variable_thaws():
    """Its slots equal those of a variable that was never frozen. At a constant factor of 0 they are not updated."""
    slots = {}
    for name, factor in (("thawing", klr.Sequential([0.0, 1.0], [6])), ("always", 1.0), ("number", 0.0)):
        optimizer, variables = Scheduled(stock("Adam", 0.1), multipliers={"head": factor}), variables_of()
        optimizer.build(variables)
        for gradients in GRADIENTS:
            apply(optimizer, variables, gradients)
        slots[name] = keras.ops.convert_to_numpy(optimizer._momentums[3])
    np.testing.assert_array_equal(slots["thawing"], slots["always"])
    assert not np.any(slots["number"])


def test_all_variables_may_be_frozen():
    for kind in ("SGD", "AdamW", "Nadam", "Lamb"):
        seen = path(Scheduled(stock(kind, RATE, weight_decay=0.1), multipliers={"": 0}))
        assert all((seen[-1][name] == START[name]).all() for name in NAMES)


# Weight decay.


ZEROS = [{name: np.zeros((3, 2), "float32") for name in NAMES}] * STEPS


@pytest.mark.parametrize("kind", ["SGD", "AdamW", "Muon"])
@pytest.mark.parametrize("independent", [False, True])
def test_each_variable_decays_by_its_factors(kind, independent):
    """w ← w·(1 − rate·factor·decay·factor of the decay). An independent decay has neither the rate nor its factor."""
    decays = {"bias": 0.0, "embed|head": klr.Sequential([1.0, 3.0], [4])}
    arguments = inspect.signature(getattr(keras.optimizers, kind)).parameters
    options = {"adam_weight_decay": 0.2} if "adam_weight_decay" in arguments else {}  # Muon has it since Keras 3.13
    optimizer = stock(kind, RATE, weight_decay=0.2, **options)
    optimizer.exclude_from_weight_decay(var_names=["body_kernel"])
    factors = {"head": 0.5, "embed": THAW}
    made = Scheduled(
        optimizer, multipliers=factors, weight_decay_multipliers=decays, independent_weight_decay=independent
    )
    seen = path(made, ZEROS)
    for step, (before, after) in enumerate(itertools.pairwise(seen)):
        extra, thaw = (1.0 if step < 4 else 3.0), float(THAW.values(step))
        rate = 1.0 if independent else float(RATE.values(step))
        of_head = 1.0 if independent else 0.5
        of_embed = float(thaw > 0) if independent else thaw
        np.testing.assert_allclose(after["head"], before["head"] * (1 - rate * of_head * 0.2 * extra), rtol=2e-6)
        np.testing.assert_allclose(after["embed"], before["embed"] * (1 - rate * of_embed * 0.2 * extra), rtol=2e-6)
        for name in ("body_bias", "body_kernel"):
            np.testing.assert_array_equal(after[name], START[name])


def test_a_scheduled_decay_and_a_factor_of_it():
    optimizer = Scheduled(stock("AdamW", RATE), weight_decay=THAW, weight_decay_multipliers={"bias": 0.0, "head": 2.0})
    seen = path(optimizer, ZEROS)
    decay = np.prod([1 - float(RATE.values(step)) * float(THAW.values(step)) for step in range(STEPS)])
    twice = np.prod([1 - 2 * float(RATE.values(step)) * float(THAW.values(step)) for step in range(STEPS)])
    np.testing.assert_allclose(seen[-1]["embed"], START["embed"] * decay, rtol=1e-5)
    np.testing.assert_allclose(seen[-1]["head"], START["head"] * twice, rtol=1e-5)
    np.testing.assert_array_equal(seen[-1]["body_bias"], START["body_bias"])


# Patterns.


def test_the_first_match_is_used():
    seen = path(Scheduled(stock("SGD", 0.1), multipliers={"bias$": 0.0, "^body": 2.0, "embed": 3.0}), GRADIENTS[:1])
    moved = {name: (START[name] - seen[1][name]) / GRADIENTS[0][name] for name in NAMES}
    expected = {"body_bias": 0.0, "body_kernel": 0.2, "embed": 0.3, "head": 0.1}
    for name, rate in expected.items():
        np.testing.assert_allclose(moved[name], rate, rtol=1e-4, atol=1e-7)


def test_a_pattern_without_a_match_names_similar_paths():
    optimizer = Scheduled(stock("SGD", 0.1), multipliers={"head": 10.0, "boddy_kernel/": 0.1})
    with pytest.raises(ValueError, match=r"got 'boddy_kernel/', which matches none; similar paths: 'body_kernel', "):
        optimizer.build(variables_of())
    decays = Scheduled(stock("AdamW", 0.1), weight_decay_multipliers={"gamma": 0.0})
    with pytest.raises(ValueError, match=r"`weight_decay_multipliers` must be patterns of paths .* got 'gamma'"):
        decays.build(variables_of())


def test_a_pattern_without_effect_warns():
    optimizer = Scheduled(stock("SGD", 0.1), multipliers={"body": 0.5, "bias": 2.0})
    with pytest.warns(UserWarning, match="'bias' in `multipliers` has no effect, since earlier patterns match all"):
        optimizer.build(variables_of())


def test_wrong_multipliers_are_refused():
    sgd = keras.optimizers.SGD(0.1)
    for name in ("multipliers", "weight_decay_multipliers"):
        for value, error, message in (
            (3, TypeError, "must be a mapping of regular expressions to factors"),
            ({3: 0.1}, TypeError, "must be a mapping of regular expressions to factors"),
            ({"(": 0.1}, ValueError, "must be a mapping of regular expressions, got '\\('"),
            ({"a": -1}, ValueError, r"\['a'\]` must be a schedule or a finite number >= 0, got -1"),
            ({"a": "x"}, TypeError, "must be a schedule or a finite number >= 0, got 'x'"),
            ({"a": float("nan")}, ValueError, "must be a schedule or a finite number >= 0, got nan"),
        ):
            with pytest.raises(error, match=message):
                Scheduled(sgd, **{name: value})
    with pytest.raises(ValueError, match="`weight_decay_multipliers` must be left out without a `weight_decay`"):
        Scheduled(sgd, weight_decay_multipliers={"a": 0.0})
    for factor in (0.0, klr.LinearDecay(1.0, 5)):
        with pytest.raises(ValueError, match=r"`multipliers\['a'\]` must be a number > 0 for Ftrl, "):
            Scheduled(keras.optimizers.Ftrl(0.1), multipliers={"a": factor})


def test_the_factors_can_be_read_and_not_changed():
    optimizer = Scheduled(stock("AdamW", 0.1), multipliers={"a": 0, "b": THAW}, weight_decay_multipliers={"c": 1})
    assert optimizer.multipliers == {"a": 0.0, "b": THAW}
    assert list(optimizer.multipliers) == ["a", "b"]
    assert optimizer.weight_decay_multipliers == {"c": 1.0}
    optimizer.multipliers["a"] = 5.0
    assert optimizer.multipliers["a"] == 0.0
