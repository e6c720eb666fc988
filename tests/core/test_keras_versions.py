"""Differences between versions of Keras, with the values expected of the installed version."""

import inspect
from types import SimpleNamespace

import keras
import pytest

import keras_lr as klr
from keras_lr.core import keras_versions
from keras_lr.core.keras_versions import (
    Variable,
    available,
    is_built,
    last_batch,
    layer_classes,
    set_random_seed,
    version_of,
)
from keras_lr.optimizers.scheduled import OWN


@pytest.mark.once
@pytest.mark.parametrize(("text", "version"), [("3.5.0", (3, 5)), ("3.16.0.dev2026112803", (3, 16)), ("4.0", (4, 0))])
def test_a_version_is_its_first_two_numbers(text, version):
    assert version_of(text) == version


def test_every_variable_is_recognized():
    """These are variables of optimizers, of layers and of the user."""
    optimizer = keras.optimizers.SGD(0.1)
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    found = [optimizer.iterations, optimizer._learning_rate, layer.kernel, keras.Variable(1.0)]
    assert all(isinstance(variable, Variable) for variable in found)
    assert not isinstance(keras.ops.convert_to_tensor(1.0), Variable)
    assert float(keras.ops.convert_to_numpy(klr.StepDecay(0.4, 1)(optimizer.iterations))) == pytest.approx(0.4)


@pytest.mark.once
def test_the_last_batch_of_an_execution_in_both_conventions(monkeypatch):
    model = SimpleNamespace(steps_per_execution=3)
    monkeypatch.setattr(keras_versions, "VERSION", (3, 10))
    assert [last_batch(model, first) for first in (0, 3, 6)] == [2, 5, 8]
    monkeypatch.setattr(keras_versions, "VERSION", (3, 11))
    assert [last_batch(model, last) for last in (2, 5, 8)] == [2, 5, 8]


def test_all_layers_of_a_built_model_are_built():
    """The Dropout inside attention counts as built. A layer without its weights does not."""
    inputs = keras.Input((6, 4))
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 3)(inputs, inputs))
    assert all(map(is_built, model._flatten_layers()))
    assert not is_built(keras.layers.Dense(1))


def test_the_global_seed_applies_to_operations_without_a_seed():
    """Such operations draw the same again, whether their generator existed before or not. So do initializers."""

    def draws():
        set_random_seed(7)
        numbers = keras.random.normal((2,)), keras.initializers.RandomNormal()((2,)), keras.random.normal((2,))
        return [keras.ops.convert_to_numpy(number).tolist() for number in numbers]

    keras.src.backend.common.global_state.set_global_attribute("global_seed_generator", None)
    first = draws()
    assert draws() == first
    keras.random.normal((3,))
    assert draws() == first


@pytest.mark.once
def test_only_what_keras_has_can_be_scheduled():
    asked = {"SGD": ("momentum", "no_such_argument"), "NoSuchOptimizer": ("momentum",), "Adagrad": ()}
    assert available(asked) == {"SGD": ("momentum",), "Adagrad": ()}
    for name, hyperparameters in OWN.items():
        assert set(hyperparameters) <= set(inspect.signature(getattr(keras.optimizers, name)).parameters)


@pytest.mark.once
def test_only_existing_layer_classes_are_returned():
    assert layer_classes("Dense", "NoSuchLayer") == (keras.layers.Dense,)


@pytest.mark.once
def test_an_optimizer_that_this_keras_lacks_is_named_when_a_file_has_it():
    config = klr.Scheduled(keras.optimizers.SGD(0.1), momentum=klr.LinearDecay(0.9, 10)).get_config()
    config["optimizer"] = {**config["optimizer"], "class_name": "OptimizerOfTomorrow"}
    with pytest.raises(ValueError, match=r"`optimizer` must be the config of one of SGD, .*OptimizerOfTomorrow"):
        klr.Scheduled(keras.optimizers.SGD(0.1), momentum=0.9).from_config(config)
