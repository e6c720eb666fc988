"""Statistics are refreshed before validations, at cycle ends, and after weights were swapped or restored."""

import keras
import numpy as np
import pytest

import keras_lr as klr
from keras_lr import RefreshBatchNorm

DRAW = np.random.default_rng(0)
X = DRAW.normal(2.0, 3.0, (16, 2)).astype("float32")
Y = (X[:, :1] - X[:, 1:]) / 3.0
VALIDATION = (X + 1.0, Y)
ALL = {"batch_size": 16, "epochs": 3, "verbose": 0}


def model_of(optimizer=None):
    """A layer and a normalization of its output. For one batch of all data, the statistics follow from the weights."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(3, name="dense"), keras.layers.BatchNormalization(name="norm")]
    model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1, name="last")])
    optimizer = keras.optimizers.SGD(0.05) if optimizer is None else optimizer
    model.compile(optimizer, "mse", run_eagerly=keras.config.backend() != "jax")
    return model


def host(variable):
    return np.array(keras.ops.convert_to_numpy(variable)).astype(float)


def true_statistics(model):
    kernel, bias = map(host, model.get_layer("dense").weights)
    hidden = X.astype(float) @ kernel + bias
    return [hidden.mean(axis=0), hidden.var(axis=0)]


def statistics(model):
    norm = model.get_layer("norm")
    return [host(norm.moving_mean), host(norm.moving_variance)]


def is_refreshed(model):
    return np.allclose(statistics(model), true_statistics(model), rtol=1e-4, atol=1e-5)


class Seen(keras.callbacks.Callback):
    """Whether the statistics belong to the weights at each batch of a validation."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_test_batch_begin(self, batch, logs=None):
        self.seen.append(is_refreshed(self.model))


def fit(model, *callbacks, **options):
    return model.fit(X, Y, validation_data=VALIDATION, callbacks=list(callbacks), **{**ALL, **options})


def test_validations_see_refreshed_statistics_and_the_training_is_unchanged():
    plain, model = model_of(), model_of()
    without, seen = Seen(), Seen()
    keras.utils.set_random_seed(2)
    fit(plain, without)
    keras.utils.set_random_seed(2)
    history = fit(model, klr.ReduceOnPlateau(refresh_batch_norm=4), seen)
    assert without.seen == [False] * 3
    assert seen.seen == [True] * 3
    assert is_refreshed(model)
    assert not is_refreshed(plain)
    assert history.history["val_loss"][-1] == pytest.approx(model.evaluate(*VALIDATION, verbose=0), rel=1e-5)
    for one, other in zip(plain.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(host(one), host(other))
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_it_comes_last_after_swapped_averages_and_at_the_end_of_training():
    optimizer = keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5)
    model, seen = model_of(optimizer), Seen()
    fit(model, RefreshBatchNorm(4), keras.callbacks.SwapEMAWeights(), seen)
    assert seen.seen == [True] * 3
    assert is_refreshed(model)  # Keras leaves the averages in the model


def test_after_early_stopping_has_restored_weights():
    model = model_of()
    stop = keras.callbacks.EarlyStopping("loss", mode="max", patience=1, restore_best_weights=True)
    fit(model, RefreshBatchNorm(4), stop)
    assert is_refreshed(model)


class Spoil(keras.callbacks.Callback):
    """Sets wrong statistics, which are then stored with the best weights."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.get_layer("norm").moving_mean.assign([9.0, 9.0, 9.0])


def test_after_a_plateau_has_restored_the_best_weights():
    model = model_of()
    ends, options = (
        Ends(),
        {"monitor": "loss", "mode": "max", "patience": 1, "restore_best_weights": True, "min_delta": 0.0},
    )
    model.fit(X, Y, callbacks=[Spoil(), klr.ReduceOnPlateau(**options), ends], **{**ALL, "epochs": 2})
    assert ends.seen == [False, False]
    model.fit(X, Y, callbacks=[Spoil(), klr.ReduceOnPlateau(refresh_batch_norm=4, **options), ends], **ALL)
    assert ends.seen == [False, True, True]


class Ends(keras.callbacks.Callback):
    """Whether the statistics belong to the weights at the end of each epoch."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(is_refreshed(self.model))


def test_at_the_end_of_each_cycle_and_of_training(tmp_path):
    restarts = klr.CosineDecayRestarts(0.05, 3, t_mul=1.0)
    model, seen = model_of(keras.optimizers.SGD(restarts)), Seen()
    save = klr.SaveAtCycleEnds(tmp_path / "{step}.weights.h5", refresh_batch_norm=4)
    # Each epoch has two batches of the same data, so the first cycle of three steps ends within the second epoch.
    x, y = np.concatenate([X, X]), np.concatenate([Y, Y])
    model.fit(x, y, validation_data=VALIDATION, shuffle=False, callbacks=[save, seen], **ALL)
    weights = [host(variable) for variable in model.variables]
    assert is_refreshed(model)
    assert seen.seen == [False] * 3  # this callback does not refresh before validations
    for step in (3, 6):
        model.load_weights(tmp_path / f"{step}.weights.h5")
        assert is_refreshed(model)
    assert all(np.array_equal(a, host(b)) for a, b in zip(weights, model.variables, strict=True))


def test_the_data_of_fit_without_that_of_validation_split(monkeypatch):
    from keras_lr.callbacks import refreshing

    calls = []
    monkeypatch.setattr(refreshing, "refresh_batch_norm", lambda model, x, **options: calls.append((x, options)))
    model = model_of()
    model.fit(X, Y, validation_split=0.25, callbacks=[RefreshBatchNorm(2)], **{**ALL, "batch_size": 4})
    assert len(calls) == 4
    for x, options in calls:
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(x), X[:12])
        assert options == {"batch_size": 4, "steps": 2}
    calls.clear()
    # With two such callbacks, only one refreshes.
    fit(model, RefreshBatchNorm(2, X[:4], batch_size=2), klr.ReduceOnPlateau(refresh_batch_norm=3), epochs=1)
    assert [options["steps"] for _, options in calls] == [3, 3]
    fit(model, RefreshBatchNorm(2, X[:4], batch_size=2), epochs=1)
    assert calls[-1][0].shape == (4, 2)
    assert calls[-1][1] == {"batch_size": 2, "steps": 2}


def batches():
    while True:
        yield X, Y


@pytest.mark.once
def test_wrong_arguments_and_models_are_refused():
    bare = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    bare.compile("sgd", "mse")
    text = "^ReduceOnPlateau: `refresh_batch_norm` must be None without a model with a BatchNormalization, got 4$"
    with pytest.raises(ValueError, match=text):
        fit(bare, klr.ReduceOnPlateau(refresh_batch_norm=4))
    with pytest.raises(
        ValueError, match="^RefreshBatchNorm: `model` must be a model with a BatchNormalization, got <S"
    ):
        fit(bare, RefreshBatchNorm())
    with pytest.raises(ValueError, match="^RefreshBatchNorm: `x` must be None if `fit` has a generator, .*, got <gen"):
        model_of().fit(batches(), steps_per_epoch=1, shuffle=False, callbacks=[RefreshBatchNorm()], verbose=0)
    model_of().fit(batches(), steps_per_epoch=1, shuffle=False, callbacks=[RefreshBatchNorm(2, X)], verbose=0)
    with pytest.raises(ValueError, match="^SaveAtCycleEnds: `refresh_batch_norm` must be a whole number .*, got 0$"):
        klr.SaveAtCycleEnds("{cycle}.keras", refresh_batch_norm=0)
