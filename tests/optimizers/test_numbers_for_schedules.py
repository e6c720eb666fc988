"""After a number has replaced its schedule, an optimizer is like one that was made with a number."""

import keras
import numpy as np
import pytest
from support.training import Weight, assert_applied, fit, model_with, saved_and_loaded

import keras_lr as klr
from keras_lr.optimizers import lookup

LINE = klr.LinearDecay(0.5, 50)


def adam(rate):
    return keras.optimizers.Adam(rate)


def momentum(rate):
    return keras.optimizers.SGD(rate, momentum=0.5)


def changed(rate=0.25, make=momentum):
    model = model_with(LINE, make(LINE))
    model.optimizer.build(model.trainable_variables)
    klr.set_learning_rate(model, rate)
    return model


@pytest.mark.parametrize("make", [adam, momentum])
def test_the_variables_are_those_of_an_optimizer_with_a_number(make):
    new, expected = changed(make=make).optimizer, make(0.25)
    expected.build(new._trainable_variables)
    assert [variable.name for variable in new.variables] == [variable.name for variable in expected.variables]
    assert [variable.dtype for variable in new.variables] == [variable.dtype for variable in expected.variables]
    assert new.get_config() | {"name": ""} == expected.get_config() | {"name": ""}


def test_keras_can_assign_the_number():
    model, weight = model_with(LINE), Weight()
    fit(model, epochs=1)
    klr.set_learning_rate(model, 0.25)
    weight.seen = [float(model.get_weights()[0].item())]
    model.optimizer.learning_rate = 0.125
    fit(model, weight, epochs=1)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.0625)
    fit(model, scheduler, weight, epochs=1)
    fit(model, klr.ReduceOnPlateau("loss", 0.5, 1, mode="max"), weight, epochs=2)
    assert_applied(weight, np.repeat([0.125, 0.0625, 0.0625, 0.0625], 5))
    assert klr.get_learning_rate(model) == pytest.approx(0.03125)


@pytest.mark.parametrize("form", ["x.keras", "x.weights.h5"])
@pytest.mark.parametrize("make", [adam, momentum])
def test_files(tmp_path, form, make):
    model = changed(make=make)
    fit(model, epochs=1)
    again = saved_and_loaded(model, tmp_path / form, lambda: model_with(0.5, make(0.5)))
    for mine, loaded in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (mine, loaded)))
    fit(model, epochs=1)
    fit(again, epochs=1)
    np.testing.assert_array_equal(model.get_weights()[0], again.get_weights()[0])


class Set(keras.callbacks.Callback):
    """Sets rates after some batches. The keys of `rates` are the numbers of these batches."""

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def on_train_batch_end(self, batch, logs=None):
        if batch in self.rates:
            klr.set_learning_rate(self.model, self.rates[batch])


def test_numbers_and_schedules_alternate_within_an_epoch():
    model, weight = model_with(LINE), Weight()
    fit(model, weight, Set({0: 0.25, 2: klr.Constant(0.125), 3: 0.0625}), epochs=1)
    assert_applied(weight, [0.5, 0.25, 0.25, 0.125, 0.0625])


def test_a_number_replaces_the_schedule_of_one_of_two_optimizers():
    inputs = keras.Input((1,))
    parts = [keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, keras.layers.Concatenate()(parts))
    optimizers = [keras.optimizers.SGD(LINE, name="a"), keras.optimizers.SGD(LINE, name="b")]
    chosen = keras.optimizers.OptimizerMap(optimizers[0], {"b/.*": optimizers[1]})
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss=lambda y, p: keras.ops.sum(p, axis=-1))
    fit(model, epochs=1)
    klr.set_learning_rate(model, 0.25, "b")
    before = model.get_weights()
    fit(model, epochs=1)
    fallen = [old.item() - new.item() for old, new in zip(before, model.get_weights(), strict=True)]
    np.testing.assert_allclose(fallen, [LINE.values(range(5, 10)).sum(), 5 * 0.25], rtol=1e-5)
    sources = {rated.optimizer.name: rated.source for rated in lookup.rated_optimizers(model)}
    assert lookup.is_schedule(sources["a"])
    assert isinstance(sources["b"], keras.Variable)


def test_a_number_replaces_a_function():
    model, weight = model_with(0.5, keras.optimizers.SGD(lambda: 0.5)), Weight()
    klr.set_learning_rate(model, 0.25)
    fit(model, weight, epochs=1)
    assert_applied(weight, [0.25] * 5)
