"""Values of a variable after each batch are fetched in groups."""

import keras
import pytest
from support.backend import BACKEND

from benchmarks import waits
from keras_lr.optimizers import deferred


def optimizer_of_a_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model, model.optimizer


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 24])
def test_each_value_is_that_of_its_batch(count, monkeypatch):
    monkeypatch.setattr(deferred, "TOGETHER", 8)
    model, optimizer = optimizer_of_a_model()
    snapshots = deferred.Snapshots(model, optimizer._learning_rate)
    for number in range(count):
        optimizer.learning_rate = number + 0.25
        snapshots.take()
    assert snapshots.numbers() == [number + 0.25 for number in range(count)]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only on TensorFlow the value shares the memory of the variable")
@pytest.mark.parametrize("compiled", [None, False, True])
@pytest.mark.parametrize("write", ["assign", "assign_add", "assign_sub"])
def test_a_later_write_does_not_change_a_value(write, compiled):
    import tensorflow as tf

    model, optimizer = optimizer_of_a_model()
    rate = optimizer._learning_rate
    snapshots = deferred.Snapshots(model, rate)

    def change():
        getattr(rate.value, write)(2 * rate.value)

    run = change if compiled is None else tf.function(change, jit_compile=compiled)
    factor = {"assign": 2, "assign_add": 3, "assign_sub": -1}[write]
    expected = [0.5]
    rate.assign(0.5)
    for _ in range(5):
        snapshots.take()
        run()
        expected.append(factor * expected[-1])
    assert snapshots.numbers() == expected[:-1]


def test_a_large_counter_is_fetched_exactly(monkeypatch):
    monkeypatch.setattr(deferred, "TOGETHER", 2)
    model, optimizer = optimizer_of_a_model()
    snapshots = deferred.Snapshots(model, optimizer._iterations)
    for number in (2**24 + 1, 2**24 + 3, 2**31 - 1):
        optimizer._iterations.assign(number)
        snapshots.take()
    assert snapshots.numbers() == [2**24 + 1, 2**24 + 3, 2**31 - 1]


def test_a_group_of_values_takes_one_wait(monkeypatch):
    monkeypatch.setattr(deferred, "TOGETHER", 8)
    model, optimizer = optimizer_of_a_model()
    snapshots = deferred.Snapshots(model, optimizer._learning_rate)
    for _ in range(8 * 3 + 2):
        snapshots.take()
    with waits.counted() as seen:
        snapshots.numbers()
    assert seen.count(waits.STEP) == 3 + 2
