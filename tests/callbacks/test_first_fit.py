"""`ReduceOnPlateau` in the first `fit` of a newly compiled model, with real metrics.

Keras creates the metrics of `compile` only in the first batch on TensorFlow.
"""

import keras
import numpy as np
import pytest
from support.training import Batches, Metric, fit, model_with

import keras_lr as klr
from keras_lr import LearningRateLogger, ReduceOnPlateau

X = np.linspace(0.0, 1.0, 64, dtype="float32").reshape(16, 4)
Y = (X[:, :1] > 0.5).astype("float32")


def one_output(**args):
    """A model with one output that runs eagerly, since the tests are about callbacks."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", **{"run_eagerly": True, **args})
    return model


def two_outputs(**args):
    inputs = keras.Input((4,))
    outputs = [keras.layers.Dense(1, "sigmoid", name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.5), ["mse", "mse"], run_eagerly=True, **args)
    return model


def first_fit(model, *callbacks, epochs=1, y=Y):
    y = [y, y] if len(model.outputs) == 2 else y
    return model.fit(
        X, y, batch_size=4, epochs=epochs, shuffle=False, validation_data=(X, y), verbose=0, callbacks=list(callbacks)
    )


def direction(plateau, model):
    """The direction that a callback assumes after one epoch."""
    first_fit(model, plateau)
    best = plateau.state.best
    rule = plateau.rule
    return "min" if rule.improves(best - 1.0, best) else "max" if rule.improves(best + 1.0, best) else None


@pytest.mark.parametrize("rate", [0.5, klr.LinearDecay(0.5, 1000)], ids=["number", "schedule"])
def test_metrics_of_compile_work_in_the_first_and_the_second_fit(rate):
    """The model is compiled as a user would, and the rate is reduced in the first and the second `fit`."""
    model = one_output(metrics=["accuracy"], run_eagerly=False)
    model.compile(keras.optimizers.SGD(rate), "binary_crossentropy", metrics=["accuracy"])
    plateau = ReduceOnPlateau("val_accuracy", 0.5, 1, min_delta=2.0)
    for fits in (1, 2):
        first_fit(model, plateau, epochs=2)
        assert plateau.state.n_reductions == 2 * fits - 1
    assert klr.get_learning_rate(model) == pytest.approx(0.0625 * (1.0 if rate == 0.5 else 0.984))


@pytest.mark.parametrize(
    ("monitor", "metrics", "better"),
    [
        ("val_accuracy", ["accuracy"], "max"),
        ("accuracy", ["accuracy"], "max"),
        ("acc", ["acc"], "max"),
        ("val_AUC", ["AUC"], "max"),
        ("mae", ["mae"], "min"),
        ("binary_crossentropy", ["binary_crossentropy"], "min"),
        ("val_area", [keras.metrics.AUC(name="area")], "max"),
        ("recall_at", [keras.metrics.Recall(name="recall_at")], "max"),
        # With one class, this metric is an array of one number.
        ("f1", [keras.metrics.F1Score(name="f1", threshold=0.5)], "max"),
    ],
)
def test_the_direction_is_found_in_the_first_fit(monitor, metrics, better):
    assert direction(ReduceOnPlateau(monitor), one_output(metrics=metrics)) == better


@pytest.mark.parametrize(
    ("monitor", "better"),
    [("weighted_accuracy", "max"), ("val_accuracy", "max"), ("val_weighted_mae", "min"), ("loss", "min")],
)
def test_the_direction_of_weighted_metrics(monitor, better):
    model = one_output(metrics=["accuracy", "mae"], weighted_metrics=["accuracy", "mae"])
    assert direction(ReduceOnPlateau(monitor), model) == better


@pytest.mark.parametrize(
    ("monitor", "better"), [("a_accuracy", "max"), ("val_b_mae", "min"), ("val_a_loss", "min"), ("b_loss", "min")]
)
def test_the_direction_of_metrics_of_several_outputs(monitor, better):
    model = two_outputs(metrics={"a": ["accuracy"], "b": ["mae"]})
    assert direction(ReduceOnPlateau(monitor), model) == better


@pytest.mark.parametrize("monitor", ["accuracy", "mae", "weighted_accuracy", "loss"])
def test_windows_of_batches_reduce_in_the_first_fit(monitor):
    """Each epoch has two windows. None improves on the first by more than `min_delta`."""
    model = one_output(metrics=["accuracy", "mae"], weighted_metrics=["accuracy"])
    plateau = ReduceOnPlateau(monitor, 0.5, 3, every=2, min_delta=9.0)
    first_fit(model, plateau, epochs=2)
    assert plateau.state.n_reductions == 1
    assert klr.get_learning_rate(model) == 0.25


def test_the_mean_of_the_first_window_is_that_of_its_batches():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((batch, plateau.state.best))

    plateau = ReduceOnPlateau("mae", every=2, mode="max")
    model = one_output(metrics=["mae"])
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=["mae"], run_eagerly=True)
    # The model predicts 0.5 and does not learn, so the error of a sample is |y - 0.5|.
    y = np.repeat([[0.5], [0.75], [1.0], [1.5]], 4, axis=0).astype("float32")
    first_fit(model, plateau, Look(), y=y)
    assert [best for batch, best in seen] == [None, pytest.approx(0.125), pytest.approx(0.125), pytest.approx(0.75)]


def test_windows_of_a_metric_that_is_not_a_mean_are_refused():
    with pytest.raises(ValueError, match="the metric must be a mean over the training data, such as 'loss', got 'AUC'"):
        first_fit(one_output(metrics=["AUC"]), ReduceOnPlateau("AUC", every=2))


def test_a_misspelled_metric_is_refused_after_the_first_batch_with_the_nearest_name():
    batches = Batches()
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the sentence is compared
        first_fit(one_output(metrics=["accuracy"]), batches, ReduceOnPlateau("val_los"))
    assert str(raised.value) == (
        "ReduceOnPlateau: cannot tell whether 'val_los' should fall or rise: it is not a metric of the model (there are: "
        "val_accuracy, val_loss; did you mean 'val_loss'?); pass `mode='min'` or `mode='max'`"
    )
    assert batches.ended == [(0, 0)]


def test_a_misspelled_metric_with_a_mode_is_warned_about_with_the_nearest_name():
    with pytest.warns(UserWarning, match="there are: accuracy, loss, val_accuracy, val_loss; did you mean 'val_loss'"):
        first_fit(one_output(metrics=["accuracy"]), ReduceOnPlateau("val_los", mode="min"))


class Reward(keras.metrics.Mean):
    """A custom mean without a direction."""

    def update_state(self, y, prediction, sample_weight=None):
        return super().update_state(prediction)


def test_a_metric_without_a_direction_needs_a_mode():
    model = one_output(metrics=[Reward(name="reward")])
    with pytest.raises(ValueError, match="cannot tell whether 'reward' should fall or rise; pass `mode='min'` or"):
        first_fit(model, ReduceOnPlateau("reward"))
    first_fit(model, plateau := ReduceOnPlateau("val_reward", mode="max"))
    assert plateau.state.best == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "None"),
        ("high", "'high'"),
        ({"a": 1.0}, "a value of type dict"),
        (np.ones(3), r"an array of shape \(3,\)"),
        (np.ones((2, 2)), r"an array of shape \(2, 2\)"),
        ([1.0, 2.0], "a value of type list"),
    ],
    ids=str,
)
def test_a_metric_that_is_not_a_number_is_refused(value, what):
    message = f"^ReduceOnPlateau: the metric 'metric' must be one number in the logs, got {what}$"
    with pytest.raises(TypeError, match=message):
        fit(model_with(0.5), Metric([value]), ReduceOnPlateau("metric", mode="min"), epochs=1)


@pytest.mark.parametrize("value", [np.float32(0.5), np.ones((1, 1)) / 2, keras.ops.convert_to_tensor([0.5])], ids=type)
def test_a_metric_may_be_one_number_in_any_form(value):
    plateau = ReduceOnPlateau("metric", mode="min")
    fit(model_with(0.5), Metric([value]), plateau, epochs=1)
    assert plateau.state.best == 0.5


def test_a_logged_metric_that_is_not_a_number_is_refused():
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            logs["metric"] = [1.0, 2.0]

    message = "LearningRateLogger: the metric 'metric' must be one number in the logs, got a value of type list"
    with pytest.raises(TypeError, match=message):
        fit(model_with(0.5), Spoil(), LearningRateLogger(("metric",), audit=False), epochs=1)
