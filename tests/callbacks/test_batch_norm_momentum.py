"""`BatchNormMomentum`: the moving statistics of the compiled step follow from the schedule."""

import keras
import numpy as np
import pytest
from support.training import Fail

import keras_lr as klr
from keras_lr import BatchNormMomentum, LearningRateLogger, epochs

X = np.random.default_rng(0).normal(2.0, 3.0, (16, 2)).astype("float32")
BATCHES = X.reshape(4, 4, 2)
RISING = klr.Tabulated([0.5, 0.6, 0.75, 0.9, 0.95, 0.97, 0.98, 0.99], every=1)


def model_of(*norms, optimizer=None, **options):
    norms = norms or (keras.layers.BatchNormalization(name="norm"),)
    model = keras.Sequential([keras.Input((2,)), *norms, keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.01) if optimizer is None else optimizer
    model.compile(optimizer, loss="mse", **options)
    return model


def fit(model, *callbacks, epochs=2, **options):
    return model.fit(
        X, X[:, :1], batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks), **options
    )


def moving(momenta, start=0.0, first=0):
    """The moving mean after each batch with these momenta. The input of the first layer is the data."""
    mean = np.zeros(2) + start
    for place, momentum in enumerate(momenta, first):
        mean = momentum * mean + (1.0 - momentum) * BATCHES[place % 4].astype(float).mean(axis=0)
    return mean


def mean_of(model, name="norm"):
    return np.array(keras.ops.convert_to_numpy(model.get_layer(name).moving_mean))


def test_each_step_has_the_momentum_of_the_schedule_and_it_is_restored_afterwards():
    model = model_of()
    log = LearningRateLogger(audit=False)
    # The momentum changes within an epoch, after the step was compiled.
    history = fit(model, log, BatchNormMomentum(RISING))
    momenta = RISING.values(np.arange(8))
    np.testing.assert_allclose(mean_of(model), moving(momenta), rtol=1e-5)
    assert model.get_layer("norm").momentum == 0.99
    frame = log.to_frame()
    assert frame.columns.tolist() == ["step", "epoch", "batch", "learning_rate", "batch_norm_momentum"]
    np.testing.assert_allclose(frame["batch_norm_momentum"], momenta)
    np.testing.assert_allclose(history.history["batch_norm_momentum"], momenta[[3, 7]])
    # The next training, without the callback, has the layer's momentum again.
    before = mean_of(model)
    fit(model, epochs=1)
    np.testing.assert_allclose(mean_of(model), moving([0.99] * 4, before), rtol=1e-5)


def test_a_schedule_in_epochs_is_bound_and_continues_after_a_resume(tmp_path):
    rising = klr.PiecewiseConstantDecay([epochs(1), epochs(2)], [0.5, 0.8, 0.95])
    momenta = rising.bind(steps_per_epoch=4, epochs=3).values(np.arange(12))
    assert set(momenta) == {0.5, 0.8, 0.95}
    model = model_of(run_eagerly=True)
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    fit(model, BatchNormMomentum(rising), save, epochs=3)
    np.testing.assert_allclose(mean_of(model), moving(momenta), rtol=1e-5)
    resumed = keras.saving.load_model(tmp_path / "1.keras")
    assert resumed.get_layer("norm").momentum == 0.99
    resumed.run_eagerly = True
    fit(resumed, BatchNormMomentum(rising), epochs=3, initial_epoch=1)
    np.testing.assert_allclose(mean_of(resumed), mean_of(model), rtol=1e-6)


def test_fractions_count_the_whole_training_and_restore_is_optional():
    rising = klr.PiecewiseConstantDecay([klr.fraction(0.5)], [0.5, 0.8])
    model = model_of(run_eagerly=True)
    fit(model, BatchNormMomentum(rising, restore=False), epochs=2)
    momenta = rising.bind(steps_per_epoch=4, epochs=2).values(np.arange(8))
    assert set(momenta) == {0.5, 0.8}
    np.testing.assert_allclose(mean_of(model), moving(momenta), rtol=1e-5)
    assert model.get_layer("norm").momentum == pytest.approx(0.8)


def test_two_callbacks_set_layers_chosen_by_name():
    names = ("block_1", "block_2", "head")
    norms = [keras.layers.BatchNormalization(name=name, scale=False, center=False) for name in names]
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()([norm(inputs) for norm in norms])))
    model.compile("sgd", "mse", run_eagerly=True)
    log = LearningRateLogger(audit=False)
    fit(model, BatchNormMomentum(0.5, "block"), log, BatchNormMomentum(0.25, ["d$"]), epochs=1)
    for name, momentum in zip(names, (0.5, 0.5, 0.25), strict=True):
        np.testing.assert_allclose(mean_of(model, name), moving([momentum] * 4), rtol=1e-5)
    assert log.to_frame().columns.tolist()[-2:] == ["batch_norm_momentum", "batch_norm_momentum_2"]
    assert set(log.to_frame()["batch_norm_momentum_2"]) == {0.25}


class Half(keras.layers.Layer):
    """A nested layer in mixed precision."""

    def __init__(self):
        super().__init__()
        self.norm = keras.layers.BatchNormalization(dtype="mixed_float16", name="norm")

    def call(self, x, training=None):
        return self.norm(x, training=training)


def test_nested_and_mixed_precision_layers_are_scheduled_and_frozen_ones_not():
    half = Half()
    precision = "float32" if keras.config.backend() == "jax" else "float64"  # JAX has no float64 by default
    double = keras.layers.BatchNormalization(dtype=precision, name="double")
    frozen = keras.layers.BatchNormalization(name="frozen")
    frozen.trainable = False
    model = model_of(frozen, half, double, run_eagerly=keras.config.backend() != "jax")
    fit(model, BatchNormMomentum(0.5), epochs=1)
    np.testing.assert_array_equal(mean_of(model, "frozen"), 0.0)
    means = np.array(keras.ops.convert_to_numpy(half.norm.moving_mean))
    np.testing.assert_allclose(means, moving([0.5] * 4) / np.sqrt(1.001), rtol=2e-3)
    assert double.moving_mean.dtype == precision
    assert [layer.momentum for layer in (half.norm, double, frozen)] == [0.99] * 3


def test_the_momentum_survives_a_reduction_by_a_plateau():
    model = model_of(optimizer=keras.optimizers.SGD(klr.Constant(0.01)))
    plateau = klr.ReduceOnPlateau("loss", 0.5, patience=0, min_delta=1e9)
    fit(model, plateau, BatchNormMomentum(RISING))
    assert klr.get_learning_rate(model) < 0.01
    np.testing.assert_allclose(mean_of(model), moving(RISING.values(np.arange(8))), rtol=1e-5)


def test_a_failed_training_restores_the_momentum():
    model = model_of(run_eagerly=True)
    with pytest.raises(RuntimeError, match="out of power"):
        fit(model, BatchNormMomentum(0.5), Fail())
    assert model.get_layer("norm").momentum == 0.99
    before = mean_of(model)
    fit(model, epochs=1)
    np.testing.assert_allclose(mean_of(model), moving([0.99] * 4, before), rtol=1e-5)


def test_the_momentum_is_scheduled_with_several_optimizers():
    parts = keras.optimizers.OptimizerMap(
        keras.optimizers.SGD(0.01, name="a"), {".*kernel": keras.optimizers.SGD(0.1, name="b")}
    )
    model = model_of(optimizer=keras.optimizers.MultiOptimizer(parts), run_eagerly=keras.config.backend() != "jax")
    fit(model, BatchNormMomentum(RISING))
    np.testing.assert_allclose(mean_of(model), moving(RISING.values(np.arange(8))), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: BatchNormMomentum("high"), "`schedule` must be a learning-rate schedule or .*, got 'high'"),
        (lambda: BatchNormMomentum(1.5), r"`schedule` must be a schedule of numbers in \[0, 1\], got 1.5"),
        (lambda: BatchNormMomentum(0.5, 3), r"`layers` must be a regular expression, .*, got 3"),
        (lambda: BatchNormMomentum(0.5, "("), r"`layers` must be a regular expression, .*, got '\('"),
        (lambda: BatchNormMomentum(0.5, restore=1), r"`restore` must be .*, got 1"),
        (lambda: fit(model_of(), BatchNormMomentum(0.5, "x")), r"`layers` must be .*, such as 'norm', got 'x'"),
        (lambda: fit(model_of(keras.layers.Dense(1)), BatchNormMomentum(0.5)), "`model` must be a model with a Bat"),
    ],
)
@pytest.mark.once
def test_wrong_arguments_are_refused(make, text):
    with pytest.raises((TypeError, ValueError), match=f"^BatchNormMomentum: {text}"):
        make()
