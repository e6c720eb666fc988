"""Variables that are excluded from weight decay: in training, copies, files and configs."""

import copy
import pickle

import keras
import numpy as np
import pytest
from support.decaying import (
    BIAS,
    COPIES,
    KERNEL,
    KINDS,
    NO_GRADIENTS,
    STEPS,
    applied,
    assert_decayed,
    by_name,
    by_variable,
    decaying,
    fit,
    model_with,
    model_with_weights,
    saved_and_loaded,
    variables,
)

from keras_lr import Scheduled
from keras_lr.optimizers.scheduled import ScheduledOptimizer


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("exclude", [by_name, by_variable])
def test_an_excluded_bias_stays_in_the_first_and_the_second_fit(exclude, where):
    model = fit(decaying(exclude, where))
    assert_decayed(model, STEPS)
    assert_decayed(fit(model), 2 * STEPS)


def test_an_excluded_bias_has_no_independent_weight_decay():
    assert_decayed(fit(decaying(by_name, independent_weight_decay=True)), STEPS, 0.9)


def test_an_excluded_bias_does_not_decay_with_momentum_correction():
    stock = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)
    by_name(stock)
    assert_decayed(fit(model_with(Scheduled(stock, momentum_correction=True))), STEPS)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Ftrl"])  # Ftrl moves weights without a gradient
def test_nothing_decays_if_everything_is_excluded(kind):
    """With nothing to decay, Keras's AdamW fails on torch."""
    stock = getattr(keras.optimizers, kind)(0.0, weight_decay=0.5)
    stock.exclude_from_weight_decay(var_names=["kernel", "bias"])
    optimizer = Scheduled(stock, weight_decay=0.5, independent_weight_decay=True)
    kernel, bias = applied(optimizer, variables(), NO_GRADIENTS)
    np.testing.assert_array_equal(kernel, np.asarray(KERNEL, "float32"))
    np.testing.assert_array_equal(bias, BIAS)


@pytest.mark.few(4)
@pytest.mark.filterwarnings("ignore:Skipping variable loading")
@pytest.mark.parametrize("exclude", [by_name, by_variable])
@pytest.mark.parametrize("name", COPIES)
def test_exclusions_are_copied(name, exclude, tmp_path):
    model = fit(decaying(exclude))
    again = COPIES[name](model, tmp_path)
    assert type(again.optimizer) is type(model.optimizer)
    assert again.optimizer is not model.optimizer
    assert_decayed(fit(again), 2 * STEPS)


def test_keras_loses_exclusions_in_a_file(tmp_path):
    """docs/momentum_and_weight_decay.md says so. If this test fails, Keras saves them, and this package need not."""
    stock = keras.optimizers.AdamW(0.1, weight_decay=0.1)
    by_name(stock)
    again = saved_and_loaded(fit(model_with(stock)), tmp_path)
    assert fit(again).get_weights()[1] == pytest.approx(BIAS[0] * 0.99**STEPS)


@pytest.mark.filterwarnings("ignore:Skipping variable loading")
def test_exclusions_are_replaced_by_later_ones():
    model = fit(decaying(by_variable))
    again = copy.deepcopy(model.optimizer)
    again.exclude_from_weight_decay(var_names=["kernel"])
    model = fit(model_with_weights(model, again))
    np.testing.assert_allclose(model.get_weights()[0], np.asarray(KERNEL) * 0.99**STEPS, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[1], np.asarray(BIAS) * 0.99**STEPS, rtol=1e-5)


def test_excluded_variables_of_an_optimizer_that_is_not_built_cannot_be_saved(tmp_path):
    model = decaying(by_variable)
    message = "Scheduled: `var_list` of `exclude_from_weight_decay` .1 variables. cannot be saved or copied before "
    for copied in (copy.deepcopy, pickle.dumps, lambda optimizer: model.save(tmp_path / "model.keras")):
        with pytest.raises(ValueError, match=message):
            copied(model.optimizer)
    model.optimizer.build(model.trainable_variables)
    assert_decayed(fit(saved_and_loaded(model, tmp_path)), STEPS)


@pytest.mark.filterwarnings("ignore:Skipping variable loading")
def test_excluded_variables_are_refused_in_a_model_of_another_size():
    optimizer = copy.deepcopy(fit(decaying(by_variable)).optimizer)
    with pytest.raises(ValueError, match="Scheduled: `variables` must be 2, some of which are excluded .*, got 1"):
        optimizer.build(variables()[:1])


EXCLUDED = {"pattern": None, "variables": [1], "of": 2}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {**EXCLUDED, "more": 1},
        {**EXCLUDED, "pattern": 3},
        {**EXCLUDED, "pattern": "("},
        {**EXCLUDED, "variables": 1},
        {**EXCLUDED, "variables": ["1"]},
        {**EXCLUDED, "variables": [True]},
        {**EXCLUDED, "variables": [2]},
        {**EXCLUDED, "variables": [-1]},
        {**EXCLUDED, "of": 1.5},
    ],
)
def test_a_config_with_wrong_exclusions_is_refused(wrong):
    config = Scheduled(keras.optimizers.SGD(0.1), momentum=0.9).get_config()
    assert "excluded_from_weight_decay" not in config
    ScheduledOptimizer.from_config({**config, "excluded_from_weight_decay": EXCLUDED})
    with pytest.raises((TypeError, ValueError), match="Scheduled: `excluded_from_weight_decay` must be a dict of"):
        ScheduledOptimizer.from_config({**config, "excluded_from_weight_decay": wrong})
