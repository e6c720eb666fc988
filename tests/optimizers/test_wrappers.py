"""Logger, plateau and binding with a plain optimizer, a `LossScaleOptimizer`, a `MultiOptimizer`, and both."""

import keras
import numpy as np
import pytest
from support.backend import BACKEND, COUNTER
from support.training import Metric, fit, prediction_sum, with_weights

import keras_lr as klr
from keras_lr.core import by_backend
from keras_lr.optimizers import lookup

WRAPPERS = ["plain", "scaled", "multi", "scaled-multi"]
RATES = {"number": lambda: 0.32, "schedule": lambda: klr.LinearDecay(0.32, 100)}


def wrapped(wrapper, rate, other=None):
    """A model of two weights with gradients of 1. "multi" gives the second an optimizer with the rate `other`."""
    inputs = keras.Input((1,))
    layers = [
        keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name)(inputs) for name in ("a", "b")
    ]
    model = keras.Model(inputs, keras.layers.Concatenate()(layers))
    optimizer = keras.optimizers.SGD(rate, name="slow")
    if "multi" in wrapper:
        chosen = keras.optimizers.OptimizerMap(
            default_optimizer=optimizer,
            optimizer_map={"b/.*": keras.optimizers.SGD(rate if other is None else other, name="fast")},
        )
        optimizer = keras.optimizers.MultiOptimizer(chosen)
    if "scaled" in wrapper:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
    model.compile(optimizer, loss=prediction_sum)
    return model


def rates_of(rate, count):
    rate = RATES[rate]()
    return np.full(count, rate) if isinstance(rate, float) else rate.values(range(count))


def columns(wrapper):
    # Keras's `MultiOptimizer` has the default optimizer last.
    return ["learning_rate_fast", "learning_rate_slow"] if "multi" in wrapper else ["learning_rate"]


class Weights(keras.callbacks.Callback):
    """Both weights after each batch."""

    def __init__(self):
        super().__init__()
        self.seen = [[0.0, 0.0]]

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append([float(value.ravel()[0]) for value in self.model.get_weights()])

    @property
    def applied(self):
        return -np.diff(np.array(self.seen), axis=0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_logger_under_every_wrapper(wrapper, rate):
    log, weights = klr.LearningRateLogger(audit=False), Weights()
    fit(wrapped(wrapper, RATES[rate]()), log, weights)
    frame = log.to_frame()
    assert [name for name in frame.columns if name.startswith("learning_rate")] == columns(wrapper)
    base = rates_of(rate, 15)
    for name in columns(wrapper):
        np.testing.assert_allclose(frame[name], base, rtol=1e-6)
    np.testing.assert_allclose(weights.applied, np.stack([base, base], axis=1), rtol=2e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras refuses `steps_per_execution` on torch")
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_batches_are_numbered_with_several_steps_per_execution(wrapper):
    log = klr.LearningRateLogger(audit=False)
    model = wrapped(wrapper, 0.1)
    model.compile(model.optimizer, loss=prediction_sum, steps_per_execution=3)
    fit(model, log, epochs=2, batches=8)
    assert log.to_frame().batch.tolist() == [*range(8), *range(8)]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_plateau_under_every_wrapper(wrapper, rate):
    log, weights = klr.LearningRateLogger(audit=False), Weights()
    plateau = klr.ReduceOnPlateau("metric", 0.5, 2, mode="min")
    fit(wrapped(wrapper, RATES[rate]()), Metric([1.0] * 6), plateau, log, weights, epochs=6)
    base = rates_of(rate, 30)
    expected = base * np.where(np.arange(30) < 15, 1.0, np.where(np.arange(30) < 25, 0.5, 0.25))
    np.testing.assert_allclose(weights.applied, np.stack([expected, expected], axis=1), rtol=5e-5)
    for name in columns(wrapper):
        np.testing.assert_allclose(log.to_frame()[name], expected, rtol=1e-6)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_binding_under_every_wrapper(wrapper):
    log, weights = klr.LearningRateLogger(audit=False), Weights()
    model = wrapped(wrapper, klr.LinearDecay(0.32, klr.epochs(3)))
    fit(model, klr.BindSchedule(), log, weights)
    expected = klr.LinearDecay(0.32, 15).values(range(15))
    np.testing.assert_allclose(weights.applied, np.stack([expected, expected], axis=1), rtol=5e-5)
    for name in columns(wrapper):
        np.testing.assert_allclose(log.to_frame()[name], expected, rtol=1e-6)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("wrapper", ["multi", "scaled-multi"])
def test_plateau_on_named_optimizers(wrapper, rate):
    weights = Weights()
    plateau = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min", optimizers=["fast"])
    model = wrapped(wrapper, RATES[rate]())
    fit(model, Metric([1.0] * 3), plateau, weights)
    base = rates_of(rate, 15)
    cut = np.where(np.arange(15) < 10, 1.0, 0.5)
    np.testing.assert_allclose(weights.applied, np.stack([base, base * cut], axis=1), rtol=5e-5)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="`optimizers` must be one of 'fast', 'slow', got 'middle'"):
        fit(wrapped("multi", 0.1), klr.ReduceOnPlateau("loss", optimizers=["slow", "middle"]))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_state_of_each_optimizer_is_loaded(tmp_path, wrapper):
    model = wrapped(wrapper, klr.LinearDecay(0.32, 100), klr.LinearDecay(0.16, 100))
    fit(model, Metric([1.0, 1.0]), klr.ReduceOnPlateau("metric", 0.5, 1, mode="min"), epochs=2)
    rates = [owner.rate() for owner in lookup.rated_optimizers(model)]
    model.save_weights(tmp_path / "x.weights.h5")
    again = wrapped(wrapper, klr.LinearDecay(0.32, 100), klr.LinearDecay(0.16, 100))
    with_weights(again, tmp_path / "x.weights.h5")
    weights = Weights()
    weights.seen = [[float(value.ravel()[0]) for value in again.get_weights()]]
    plateau = klr.ReduceOnPlateau("metric", 0.5, 9, mode="min")
    fit(again, Metric({2: 1.0}), plateau, weights, initial_epoch=2, epochs=3)
    np.testing.assert_allclose(weights.applied[0], [rates[-1], rates[0]], rtol=1e-5)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_reading_and_setting(wrapper):
    model = wrapped(wrapper, 0.32)
    names = ["slow", "fast"] if "multi" in wrapper else [None]
    for name in names:
        klr.set_learning_rate(model, klr.Constant(0.04), name)
        assert klr.get_learning_rate(model, name) == pytest.approx(0.04)
    klr.set_step(model, 7)
    assert [owner.step() for owner in lookup.rated_optimizers(model)] == [7] * len(names)
    weights = Weights()
    fit(model, weights, epochs=1)
    np.testing.assert_allclose(weights.applied, 0.04, rtol=1e-5)


def test_steps_are_tried_in_the_dtype_in_which_optimizers_count():
    model = wrapped("plain", 0.1)
    fit(model, epochs=1)
    (owner, *_) = lookup.rated_optimizers(model)
    assert keras.backend.standardize_dtype(owner.counter.dtype) == COUNTER == by_backend.counter_dtype()


def test_a_counter_that_changes_within_a_step():
    """A rate is computed once per step, and again only after the counter has changed."""
    falling = klr.Sequential([klr.CosineDecay(0.1, 100), 0.05], [50])
    other = klr.LinearDecay(0.1, 100)
    step = keras.Variable(7, dtype=COUNTER, trainable=False)

    def rates():
        seen = [falling(step), falling(step), other(step)]
        step.assign_add(5)
        seen += [falling(step), other(step)]
        if BACKEND == "tensorflow":
            import tensorflow as tf

            tf.cond(step.value > 0, lambda: step.value.assign_add(3), lambda: step.value.assign_add(0))
        else:
            step.assign_add(3)
        return [*seen, falling(step), falling(step)]

    now = falling.values([7, 7, 12, 15, 15])
    want = [now[0], now[1], other.values(7), now[2], other.values(12), now[3], now[4]]
    np.testing.assert_allclose([float(rate) for rate in rates()], want, rtol=1e-6)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        for how in (tf.function(rates), tf.function(rates, jit_compile=True)):
            step.assign(7)
            np.testing.assert_allclose([float(rate) for rate in how()], want, rtol=1e-6)
        operations = [one.type for one in how.get_concrete_function().graph.get_operations()]
        assert operations.count("Sin") == 3
