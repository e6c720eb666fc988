"""`Scheduled` keeps the settings of the optimizer that it is given, and those that are made on the result."""

import copy

import keras
import numpy as np
import pytest
from support.backend import BACKEND
from support.decaying import (
    GRADIENTS,
    KINDS,
    STEPS,
    applied,
    assert_decayed,
    by_name,
    decaying,
    fit,
    model_with,
    numbers,
    saved_and_loaded,
    variables,
)

import keras_lr as klr
from keras_lr import Scheduled


class Unregistered(keras.optimizers.schedules.LearningRateSchedule):
    """A user's schedule that cannot be saved."""

    def __call__(self, step):
        return 0.5 / (keras.ops.cast(step, "float32") + 1.0)


def attribute(**values):
    def change(optimizer, weights):
        for name, value in values.items():
            setattr(optimizer, name, value)

    return change


SET_BEFORE = {
    "exclusions by name": lambda optimizer, weights: optimizer.exclude_from_weight_decay(var_names=["bias"]),
    "exclusions by variable": lambda optimizer, weights: optimizer.exclude_from_weight_decay(var_list=[weights[1]]),
    "both exclusions": lambda optimizer, weights: optimizer.exclude_from_weight_decay([weights[1]], ["none"]),
    "the counter": lambda optimizer, weights: optimizer.iterations.assign(7),
    "another number as rate": attribute(learning_rate=0.5),
    "a schedule as rate": attribute(learning_rate=klr.LinearDecay(0.5, 9)),
    "a schedule that cannot be saved": attribute(learning_rate=Unregistered()),
    "a function as rate": attribute(learning_rate=lambda: 0.5),
    "a weight decay": attribute(weight_decay=0.9),
    "none, which the constructor refuses": attribute(weight_decay=None),
    "clipping": attribute(clipvalue=0.01),
    "two kinds of clipping": attribute(clipnorm=0.01, clipvalue=0.5),
    "an epsilon": attribute(epsilon=0.5),
    "amsgrad": attribute(amsgrad=True, beta_2=0.1),
    "accumulation": attribute(gradient_accumulation_steps=2),
    "an average": attribute(use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
    "a loss scale": attribute(loss_scale_factor=4.0, epsilon=0.5),
}


@pytest.mark.parametrize("name", SET_BEFORE)
def test_earlier_settings_are_kept(name):
    def trained(change, wrap):
        weights, optimizer = variables(), keras.optimizers.AdamW(0.1, weight_decay=0.3)
        change(optimizer, weights)
        made = Scheduled(optimizer, beta_1=klr.Constant(0.9)) if wrap else optimizer
        return [*applied(made, weights), *numbers(made)]

    expected, unset = trained(SET_BEFORE[name], False), trained(lambda *_: None, False)
    for mine, theirs in zip(trained(SET_BEFORE[name], True), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert any(not np.array_equal(a, b) for a, b in zip(expected[:2], unset[:2], strict=True))


def prepared(kind, weights):
    """A Keras optimizer on which one setting of each kind was changed after its creation."""
    optimizer = getattr(keras.optimizers, kind)(0.1, weight_decay=0.3, use_ema=True, name="mine")
    attribute(ema_momentum=0.4, ema_overwrite_frequency=3, clipvalue=0.8, learning_rate=0.25)(optimizer, weights)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.iterations.assign(7)
    optimizer.note, optimizer.notes = "of the user", ["a"]
    return optimizer


@pytest.mark.parametrize("kind", KINDS)
def test_every_stock_optimizer_keeps_everything(kind):
    weights, others = variables(), variables()
    stock = prepared(kind, weights)
    before = copy.copy(vars(stock))
    mine = Scheduled(stock, weight_decay=klr.Constant(0.3))
    assert vars(stock) == before
    assert (mine.name, mine.note, mine.notes) == ("mine", "of the user", ["a"])
    mine.notes.append("b")
    assert stock.notes == ["a"]
    for a, b in zip(applied(mine, others), applied(stock, weights), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(numbers(mine), numbers(stock), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(keras.ops.convert_to_numpy(mine.iterations)) == 7 + STEPS


ARGUMENTS = {
    "exclude_layers": ["a"],
    "gradient_accumulation_steps": 2,
    "ema_overwrite_frequency": 3,
    "name": "mine",
    "ns_steps": 3,
    "learning_rate_power": -0.25,
    "beta_2_decay": -0.7,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_argument_of_every_stock_optimizer(kind):
    stock = getattr(keras.optimizers, kind)
    defaults = stock(0.1).get_config()
    for name in ("learning_rate", "clipnorm", "global_clipnorm"):
        del defaults[name]
    values = {
        name: (not default) if isinstance(default, bool) else ARGUMENTS.get(name, 0.125)
        for name, default in defaults.items()
    }
    assert all(values[name] != default for name, default in defaults.items())
    made = stock(0.1, **values)
    assert Scheduled(made, clipnorm=0.5).get_config()["optimizer"]["config"] == made.get_config()


# Changes of the result.


@pytest.mark.parametrize("outer", ["LossScaleOptimizer", "MultiOptimizer"])
def test_a_wrapped_optimizer_keeps_its_exclusions_and_loss_scale(outer, tmp_path):
    inner = decaying(by_name).optimizer
    if outer == "LossScaleOptimizer":
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0)
    else:
        optimizer = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(inner), loss_scale_factor=4.0)
    model = saved_and_loaded(fit(model_with(optimizer)), tmp_path)
    assert_decayed(fit(model), 2 * STEPS)
    inner = model.optimizer.inner_optimizer if outer == "LossScaleOptimizer" else model.optimizer.optimizers[0]
    assert inner.loss_scale_factor == (None if outer == "LossScaleOptimizer" else 4.0)


def test_assignments_to_the_result_are_saved():
    optimizer = Scheduled(keras.optimizers.SGD(0.1, clipnorm=1.0), momentum=0.9)
    optimizer.clipnorm, optimizer.weight_decay, optimizer.learning_rate = 0.5, 0.25, 0.75
    again = copy.deepcopy(optimizer)
    rate = float(keras.ops.convert_to_numpy(again.learning_rate))
    assert (again.clipnorm, again.weight_decay, rate) == (0.5, 0.25, 0.75)


def test_a_rate_that_was_set_is_saved(tmp_path):
    model = fit(model_with(Scheduled(keras.optimizers.SGD(0.1), momentum=0.9)))
    klr.set_learning_rate(model, 0.25)
    assert klr.get_learning_rate(saved_and_loaded(model, tmp_path)) == 0.25
    klr.set_learning_rate(model, klr.LinearDecay(0.5, 2 * STEPS))
    again = saved_and_loaded(model, tmp_path)
    assert again.optimizer._learning_rate == klr.LinearDecay(0.5, 2 * STEPS)
    assert klr.get_learning_rate(again) == pytest.approx(0.25)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="Keras has no `stateless_apply` on TensorFlow")
def test_stateless_apply_gives_the_same_weights_as_apply():
    weights, others = variables(), variables()
    stock = prepared("AdamW", weights)
    mine = Scheduled(stock, beta_1=klr.LinearDecay(0.9, 20))
    mine.build(weights)
    state = [weight.value for weight in weights], [variable.value for variable in mine.variables]
    for pair in GRADIENTS:
        state = mine.stateless_apply(state[1], [keras.ops.convert_to_tensor(gradient) for gradient in pair], state[0])
    expected = applied(Scheduled(stock, beta_1=klr.LinearDecay(0.9, 20)), others)
    for a, b in zip(state[0], expected, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(a), b, rtol=1e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="distribution strategies are TensorFlow's")
def test_the_distribution_strategy_is_kept():
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with strategy.scope():
        stock = keras.optimizers.SGD(0.25, weight_decay=0.3)
    by_name(stock)
    optimizer = Scheduled(stock, momentum=0.9)
    assert optimizer._distribution_strategy is strategy
    assert "MirroredVariable" in type(optimizer._iterations.value).__name__
    assert optimizer.get_config()["optimizer"]["config"]["learning_rate"] == 0.25
    with strategy.scope():
        model = model_with(optimizer)
    assert_decayed(fit(model), STEPS, 1 - 0.25 * 0.3)


# Settings that cannot be copied.


def with_a_method():
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.update_step = lambda *args: None
    return optimizer


def with_a_variable():
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.add_variable((3,))
    return optimizer


class OfTheUser(keras.optimizers.SGD):
    """A user's subclass, which may contain anything."""


INSIDE = r"`optimizer` must be one of SGD, .* itself \(schedule the inner optimizer, and wrap the result\), got "


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (with_a_method, ValueError, "an optimizer with the methods of its class, without its own `update_step`, got "),
        (with_a_variable, ValueError, "`optimizer` must be an optimizer to which no variable was added, got "),
        (lambda: OfTheUser(0.1), TypeError, "`optimizer` must be one of SGD, .* itself, got "),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), TypeError, INSIDE),
        (
            lambda: keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))),
            TypeError,
            INSIDE,
        ),
        (lambda: Scheduled(keras.optimizers.SGD(0.1), momentum=0.9), TypeError, "`optimizer` must be one of SGD, .* "),
    ],
)
def test_optimizers_that_cannot_be_copied_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        Scheduled(make(), momentum=0.9)
