"""`GreedyLearningRate`: saving and resuming, several of them, several optimizers, windows of batches, errors."""

import json

import keras
import numpy as np
import pytest
from support.training import Metric, Weight, assert_applied, fit, model_with, saved_and_loaded, two_optimizers

import keras_lr as klr
from keras_lr import GreedyLearningRate, ReduceOnPlateau

QUICK = {"factor": 0.5, "patience": 1, "mode": "min", "min_lr": 0.1, "max_lr": 2.0}
METRICS = [6.0, 5.0, 4.0, 3.0, 3.0, 3.0, 3.0, 2.0, 1.0, 1.0]
RATES = {"number": lambda: 0.5, "schedule": lambda: klr.Constant(0.5), "line": lambda: klr.LinearDecay(0.5, 90)}


def greedy(**options):
    return GreedyLearningRate("metric", **QUICK | options)


@pytest.mark.parametrize("form", ["x.keras", "x.weights.h5"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.few(3)
def test_a_saved_and_loaded_training_continues(tmp_path, rate, form):
    """The training is stopped when the state contains one good epoch, a window, and an unfinished count."""
    options = {"window": 2, "warmup": 1, "cooldown": 1}
    fit(model_with(RATES[rate]()), whole := Weight(), Metric(METRICS), greedy(**options), epochs=10)
    fit(model := model_with(RATES[rate]()), Metric(METRICS), greedy(**options), epochs=5)
    again = saved_and_loaded(model, tmp_path / form, lambda: model_with(RATES[rate]()))
    second = Weight()
    second.seen = [float(again.get_weights()[0].item())]
    fit(again, second, Metric(METRICS), greedy(**options), initial_epoch=5, epochs=10)
    assert_applied(second, whole.applied[25:])
    assert len(set(np.round(whole.applied[25::5], 4))) > 1  # the rate changes after the load


def test_two_greedy_callbacks_and_a_plateau_have_separate_factors(tmp_path):
    class Three(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs |= {"rising": float(epoch), "flat": 1.0}

    def callbacks():
        return [
            GreedyLearningRate("rising", 0.5, 1, "max", max_lr=9.0),
            GreedyLearningRate("flat", 0.8, 1, "min", max_lr=9.0),
            ReduceOnPlateau("flat", 0.9, 1, mode="min"),
        ]

    fit(whole := model_with(klr.Constant(0.5)), Three(), *callbacks(), epochs=6)
    fit(model := model_with(klr.Constant(0.5)), Three(), *callbacks(), epochs=3)
    again = saved_and_loaded(model, tmp_path / "x.weights.h5", lambda: model_with(klr.Constant(0.5)))
    fit(again, Three(), *(three := callbacks()), initial_epoch=3, epochs=6)
    # "rising" raises after epochs 1, 3 and 5. "flat" reduces after 2 and 4, since epoch 0 is its best. The plateau reduces
    # after each epoch but the first.
    scales = [one.get_state()["scales"]["learning_rate"] for one in three]
    assert scales == pytest.approx([2.0**3, 0.8**2, 0.9**5])
    assert klr.get_learning_rate(again) == pytest.approx(0.5 * 8 * 0.64 * 0.9**5)
    assert klr.get_learning_rate(whole) == pytest.approx(klr.get_learning_rate(again))


def test_the_factors_of_two_callbacks_multiply_on_a_number():
    a, b = greedy(name="a"), greedy(name="b", factor=0.8)
    fit(model := model_with(0.5), Metric([2.0, 1.0, 1.0]), a, b, epochs=3)
    assert klr.get_learning_rate(model) == pytest.approx(0.5 / 0.5 / 0.8)


@pytest.mark.parametrize("only", ["number", "schedule", None])
def test_a_greedy_callback_of_one_or_all_optimizers(only):
    model = two_optimizers(0.5, klr.Constant(0.25))
    fit(model, Metric([2.0, 1.0, 1.0]), greedy(optimizer=only), epochs=3)
    assert klr.get_learning_rate(model, "number") == pytest.approx(0.5 if only == "schedule" else 1.0)
    assert klr.get_learning_rate(model, "schedule") == pytest.approx(0.25 if only == "number" else 0.5)


@pytest.mark.parametrize("rate", ["number", "line"])
def test_a_reset_restores_the_initial_rate(rate):
    model = model_with(RATES[rate]())
    callback = greedy(reset_start=2, patience=0, min_lr=0.2)
    # The first epoch improves and raises to 1.0. Reductions give 0.5, 0.25 and 0.2. The second time at the bottom resets.
    fit(model, weight := Weight(), Metric([1.0] * 6), callback, epochs=6)
    if rate == "number":
        assert weight.applied[::5] == pytest.approx([0.5, 1.0, 0.5, 0.25, 0.2, 0.5], rel=1e-5)
        assert callback.get_state()["best"] == 1.0  # the last epoch is the first after the reset, so it raises
        assert klr.get_learning_rate(model) == pytest.approx(1.0)
    else:
        base = RATES[rate]()
        assert weight.applied[25] == pytest.approx(base.values(25), rel=1e-5)
        assert model.optimizer._learning_rate == klr.Rescaled(base, 2.0, 0.2, 2.0, by="GreedyLearningRate/metric")


@pytest.mark.parametrize("rate", ["number", "schedule"])
def test_each_window_of_batches_can_raise_the_rate(rate):
    """The loss falls with the weight at each batch, so each window of two batches improves."""
    callback = GreedyLearningRate("loss", 0.5, 0, every=2, max_lr=1.5)
    fit(model_with(RATES[rate]()), weight := Weight(), callback, epochs=2, batches=4)
    assert weight.applied == pytest.approx([0.5, 0.5, 1.0, 1.0, 1.5, 1.5, 1.5, 1.5], rel=1e-5)


@pytest.mark.once
def test_real_metrics_raise_the_rate_of_a_new_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", metrics=["accuracy"])
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    y = (x.sum(1) > 0).astype("float32")
    loss = GreedyLearningRate(patience=1, max_lr=1.0)
    accuracy = GreedyLearningRate("val_accuracy", patience=0, max_lr=1.0)
    model.fit(x, y, epochs=4, verbose=0, validation_data=(x, y), callbacks=[loss, accuracy])
    assert loss.state.n_raises == 2
    assert accuracy.state.n_raises >= 1  # accuracy should rise


@pytest.mark.once
def test_its_state_is_json_and_may_be_saved_elsewhere():
    first = greedy(window=3)
    fit(model_with(klr.Constant(0.5)), Metric(METRICS), first, epochs=3)
    second = greedy(window=3)
    second.set_state(json.loads(json.dumps(first.get_state())))
    fit(model := model_with(klr.Constant(0.5)), Metric(METRICS), second, epochs=1)
    assert second.get_state()["scales"] == first.get_state()["scales"] == {"learning_rate": 2.0}
    assert klr.get_learning_rate(model) == pytest.approx(1.0)


@pytest.mark.once
@pytest.mark.parametrize(
    ("damage", "name"),
    [({"n_good": -5}, "state"), ({"recent": "x"}, "state"), ({"scales": {"learning_rate": -1.0}}, "state"),
     ({"scales": {"learning_rate": 1e300}}, "state"), ({"best": "low"}, "state"), ({"more": 1}, "state")],
)  # fmt: skip
def test_a_damaged_state_is_refused(damage, name):
    with pytest.raises(ValueError, match=f"GreedyLearningRate: `{name}` must be what `get_state` returns"):
        greedy().set_state(greedy().get_state() | damage)


def test_both_bounds_may_be_equal():
    assert GreedyLearningRate("loss", max_lr=0.1, min_lr=0.1).min_lr == 0.1


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_lr": 0.01, "min_lr": 0.1}, r"`max_lr` must be at least `min_lr` \(0.1\), got 0.01"),
        ({"max_lr": 0.0}, "`max_lr` must be a finite learning rate > 0, got 0.0"),
        ({"factor": 1.0}, r"`factor` must be a number in \(0, 1\), got 1.0"),
        ({"window": 0}, "`window` must be"),
        ({"reset_start": 0}, "`reset_start` must be"),
        ({"warmup": -1}, "`warmup` must be"),
        ({"every": 3, "monitor": "val_loss"}, "`monitor` must be a metric of the training data"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises((TypeError, ValueError), match=f"GreedyLearningRate: {message}"):
        GreedyLearningRate(**{"monitor": "metric", **QUICK, **options})


@pytest.mark.once
def test_verbose_prints_the_rates(capsys):
    fit(model_with(0.5), Metric([2.0, 1.0]), greedy(verbose=1), epochs=2)
    assert "Epoch 2: GreedyLearningRate: learning_rate 0.5 -> 1\n" in capsys.readouterr().out


@pytest.mark.once
def test_on_nan_decides_about_metrics_that_are_not_finite():
    def rates(on_nan, metrics, **options):
        fit(model_with(0.5), weight := Weight(), Metric(metrics), greedy(on_nan=on_nan, **options), epochs=len(metrics))
        return weight.applied[::5].round(4).tolist()

    nan = float("nan")
    assert rates("count", [3.0, nan, nan, nan, 2.0]) == [0.5, 0.5, 0.5, 0.25, 0.25]
    assert rates("ignore", [3.0, nan, 2.0, nan]) == [0.5, 0.5, 0.5, 1.0]
    assert rates("reduce", [3.0, nan, nan, 2.0], cooldown=1) == [0.5, 0.5, 0.25, 0.25]
    # A NaN is left out of the mean over the window.
    assert rates("count", [3.0, nan, 2.0, 1.0, 1.0], window=2) == [0.5, 0.5, 0.5, 0.5, 1.0]
