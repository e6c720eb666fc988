"""`get_learning_rate`, `set_learning_rate` and `set_step`, and what all that needs an optimizer says without one."""

import keras
import pytest
from support.training import model_with

import keras_lr as klr
from benchmarks.counts import calls


def beginning(callback):
    """A function of a model that begins a training without `fit`, which has its own check."""

    def begin(model):
        callback.set_params({"epochs": 2, "steps": 3})
        callback.set_model(model)
        callback.on_train_begin()

    return begin


FUNCTIONS = {
    "get_learning_rate": klr.get_learning_rate,
    "set_learning_rate": lambda model: klr.set_learning_rate(model, 0.1),
    "set_step": lambda model: klr.set_step(model, 3),
    "find_learning_rate": lambda model: klr.find_learning_rate(model, [[1.0]], [[1.0]]),
    "LearningRateLogger": beginning(klr.LearningRateLogger()),
    "BindSchedule": beginning(klr.BindSchedule()),
    "BackupAndRestore": beginning(klr.BackupAndRestore("backup")),
    "SaveAtCycleEnds": beginning(klr.SaveAtCycleEnds("{cycle}.keras")),
    "BatchNormMomentum": beginning(klr.BatchNormMomentum(klr.LinearDecay(0.1, 100))),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_model_without_optimizer_is_refused(name):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=rf"{name}: `model` must be a compiled Keras model \(call `model.compile"):
        FUNCTIONS[name](model)


@pytest.mark.parametrize("wrong", [None, keras.optimizers.SGD(0.1)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_anything_but_a_model_is_refused(name, wrong):
    with pytest.raises(TypeError, match=f"{name}: `model` must be a compiled Keras model"):
        FUNCTIONS[name](wrong)


def test_a_read_does_not_search_the_attributes_of_the_model():
    """Callbacks ask after each batch, and a model may have hundreds of attributes."""
    few, many = (model_with(klr.CosineDecay(0.1, 1000)) for _ in range(2))
    for number in range(100):
        setattr(many, f"attribute_{number}", number)

    def count(model):
        klr.get_learning_rate(model)
        return calls(lambda: klr.get_learning_rate(model))

    assert count(few) == count(many)
