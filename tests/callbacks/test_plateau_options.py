"""The options of `ReduceOnPlateau` that Keras's callback does not have."""

import contextlib
import math
import sys

import keras
import numpy as np
import pytest
from support.training import Metric, Weight, assert_applied, data, fit, model_with, two_optimizers

import keras_lr as klr
from keras_lr import ReduceOnPlateau
from keras_lr.callbacks.metric_entry import MetricEntry
from keras_lr.callbacks.metrics import required_direction
from keras_lr.callbacks.plateau_rule import PlateauRule, PlateauState
from keras_lr.callbacks.plateau_window import WindowMean, unfinished_window
from keras_lr.optimizers.lookup import step_of
from keras_lr.training.saved_state import memory, of


def reductions(rule, metrics):
    """The epochs at which a rule reduces."""
    state, found = PlateauState(), []
    for epoch, metric in enumerate(metrics):
        state, due = rule.observe(state, metric)
        if due:
            state = rule.reduced(state)
            found.append(epoch)
    return found


def rule(patience=2, **options):
    return PlateauRule("min", patience, 0.0, "abs", options.pop("cooldown", 0), **options)


# start_after


@pytest.mark.parametrize("start", [15, 13, klr.epochs(3), klr.epochs(2.6), klr.fraction(3 / 8)], ids=repr)
def test_the_metric_is_ignored_during_the_warmup(start):
    """The warmup of 15 steps ends with the third epoch. The loss rises in it and never falls to its first value again."""
    values = [1.0, 2.0, 3.0, 2.5, 2.4, 2.4, 2.4, 2.4]
    schedule, weight = klr.Warmup(klr.LinearDecay(0.3, 85), 15), Weight()
    plateau = ReduceOnPlateau("metric", 0.5, 2, mode="min", start_after=start)
    fit(model_with(schedule), Metric(values), plateau, weight, epochs=8)
    # Only epochs from the fourth on count, or from the third, whose 3.0 is then the best value for one epoch.
    assert plateau.state == PlateauState(best=2.4, wait=1, n_reductions=1)
    assert_applied(weight, schedule.values(range(40)) * np.where(np.arange(40) < 35, 1.0, 0.5))


def test_without_start_after_the_warmup_counts():
    plateau = ReduceOnPlateau("metric", 0.5, 2, mode="min")
    fit(model_with(klr.Warmup(0.3, 15)), Metric([1.0, 2.0, 3.0, 2.5]), plateau, epochs=4)
    assert plateau.state.n_reductions == 1


def test_start_after_needs_steps_if_the_length_of_an_epoch_is_unknown():
    x, y = data(3)

    def batches():
        yield x[:4], y[:4]

    plateau = ReduceOnPlateau("loss", start_after=klr.epochs(2))
    with pytest.raises(ValueError, match=r"`start_after` must be in steps for a data set .*, got epochs\(2\)"):
        model_with(0.1).fit(batches(), epochs=1, verbose=0, shuffle=False, callbacks=[plateau])


# window and on_nan


def test_a_window_forgets_the_best_value_before_a_spike():
    spiked = [1.0, 0.2, 9.0, 5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0]
    assert reductions(rule(3), spiked) == [4, 7]
    # With a window of 3, the best value of 0.2 still counts in epochs 2 to 4.
    assert reductions(rule(3, window=3), spiked) == [4]
    assert reductions(rule(4, window=3), spiked) == []
    assert reductions(rule(2, window=1), [1.0, 2.0, 3.0, 2.5, 2.6, 2.7]) == [2, 5]
    state = PlateauState()
    for metric in spiked:
        state, _ = rule(99, window=3).observe(state, metric)
    assert (state.best, state.recent) == (2.0, (3.0, 2.5, 2.0))


@pytest.mark.parametrize(
    ("on_nan", "expected"), [("count", [2, 4]), ("stop", [2, 4]), ("ignore", [5]), ("reduce", [1, 2, 4])]
)
def test_on_nan_decides_about_a_nan(on_nan, expected):
    assert reductions(rule(2, on_nan=on_nan), [1.0, math.nan, math.inf, 1.5, math.nan, 1.5]) == expected


def test_bad_epochs_are_counted_from_the_last_quiet_one():
    """A state that was set by the user may have both counters above 0."""
    state, due = rule(3).observe(PlateauState(best=1.0, wait=2, cooldown_counter=1), 2.0)
    assert (state, due) == (PlateauState(best=1.0), False)


def test_a_quiet_epoch_is_quiet_for_a_nan_too():
    assert reductions(rule(2, on_nan="reduce", cooldown=1), [1.0, math.nan, math.nan, math.nan]) == [1, 3]


@pytest.mark.parametrize(("on_nan", "epochs"), [("stop", 3), ("count", 5)])
def test_a_nan_can_stop_the_training(on_nan, epochs):
    model, weight = model_with(0.1), Weight()
    plateau = ReduceOnPlateau("metric", 0.5, 9, mode="min", on_nan=on_nan)
    fit(model, Metric([1.0, 2.0, math.nan, 1.0, 1.0]), plateau, weight, epochs=5)
    assert len(weight.applied) == 5 * epochs


# every


class Means(ReduceOnPlateau):
    """Records the mean of each window."""

    def __init__(self, means, *args, **options):
        super().__init__(*args, **options)
        self._means = means

    def _decide(self, metric):
        self._means.append(metric)
        return super()._decide(metric)


@pytest.mark.parametrize("rate", [0.02, klr.LinearDecay(0.02, 1000)], ids=["number", "schedule"])
@pytest.mark.parametrize("first", ["plateau", "log"])
@pytest.mark.parametrize("every", [3, 5, 7])
def test_a_window_of_batches_has_their_mean_and_can_reduce(rate, first, every):
    """The loss of a batch is the weight before it, so the mean of each window follows from the weights."""
    weight, means = Weight(), []
    plateau = Means(means, "loss", 0.5, 2, mode="max", every=every)
    log = klr.LearningRateLogger(audit=False)
    callbacks = [plateau, log] if first == "plateau" else [log, plateau]
    fit(model_with(rate), *callbacks, weight, epochs=5, batches=4)
    losses = np.array(weight.seen[:-1])
    full = len(losses) // every
    np.testing.assert_allclose(means, losses[: full * every].reshape(full, every).mean(axis=1), rtol=1e-5, atol=1e-7)
    # The first window is the best. After it, each second window reduces, from the next batch on.
    cuts = [(window + 1) * every for window in range(2, full, 2)]
    base = 0.02 if isinstance(rate, float) else rate.values(range(20))
    scale = 0.5 ** np.sum([np.arange(20) >= cut for cut in cuts], axis=0) if cuts else np.ones(20)
    assert_applied(weight, scale * base)
    np.testing.assert_allclose(log.to_frame().learning_rate, scale * base, rtol=1e-6)
    assert plateau.state.n_reductions == len(cuts)


def test_a_window_mean_weighs_a_short_last_batch():
    weight, means = Weight(), []
    fit(model_with(0.02), Means(means, "loss", 0.5, 99, mode="max", every=4), weight, epochs=2, batches=3, last=1)
    np.testing.assert_allclose(means[0], np.average(weight.seen[:4], weights=[4, 4, 1, 4]), rtol=1e-5)


def test_every_needs_a_mean_of_the_training_data():
    with pytest.raises(ValueError, match="`monitor` must be a metric of the training data when `every` counts batches"):
        ReduceOnPlateau("val_loss", every=5)
    model = model_with(0.1, metrics=[keras.metrics.AUC(name="auc")])
    with pytest.raises(ValueError, match="must be a mean over the training data, such as 'loss', got 'auc'"):
        fit(model, ReduceOnPlateau("auc", every=5, mode="max"))


# restore_best_weights


@pytest.mark.parametrize("rate", [0.32, klr.LinearDecay(0.32, 200)], ids=["number", "schedule"])
def test_a_reduction_restores_the_best_weights(rate):
    ends = []

    class Ends(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            ends.append(float(self.model.get_weights()[0].ravel()[0]))

    model, weight = model_with(rate), Weight()
    before = Ends()
    plateau = ReduceOnPlateau("metric", 0.5, 2, mode="min", restore_best_weights=True)
    fit(model, Metric([2.0, 1.0, 1.5, 1.5, 0.5]), before, plateau, weight, epochs=5)
    # After the fourth epoch the weights are those of the end of the second. The step is not reset.
    base = np.full(25, 0.32) if isinstance(rate, float) else rate.values(range(25))
    assert weight.seen[21] == pytest.approx(ends[1] - 0.5 * base[20], rel=1e-5)
    assert step_of(model) == 25


def test_the_best_weights_come_back_with_the_model(tmp_path):
    model = model_with(0.32)
    options = {"patience": 2, "mode": "min", "restore_best_weights": True}
    fit(model, Metric([1.0, 2.0]), ReduceOnPlateau("metric", 0.5, **options), epochs=2)
    best = -5 * 0.32
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    fit(again, Metric({2: 2.0}), ReduceOnPlateau("metric", 0.5, **options), initial_epoch=2, epochs=3)
    assert float(again.get_weights()[0].ravel()[0]) == pytest.approx(best)


def test_evaluate_after_a_reduction_equals_the_best_epoch():
    model, seen = model_with(0.32), []

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(self.model.evaluate(*data(2), verbose=0))

    # The validation loss falls with every step, so for "max" the first epoch is the best.
    plateau = ReduceOnPlateau("val_loss", 0.5, 2, mode="max", restore_best_weights=True)
    history = fit(model, plateau, Evaluate(), epochs=4, validation_data=data(2)).history
    assert seen[3] == pytest.approx(history["val_loss"][0], rel=1e-6)


# EarlyStopping


@pytest.mark.parametrize(
    ("monitor", "patience", "warns"), [("loss", 2, True), ("loss", 3, True), ("loss", 4, False), ("accuracy", 1, False)]
)
@pytest.mark.parametrize("order", [1, -1])
def test_early_stopping_that_comes_first_warns(monitor, patience, warns, order):
    stopping = keras.callbacks.EarlyStopping(monitor, patience=patience, mode="min")
    callbacks = [ReduceOnPlateau("loss", patience=3), stopping][::order]
    expected = pytest.warns(UserWarning, match=f"has a patience of {patience} and this one of 3, so training stops")
    with expected if warns else contextlib.nullcontext():
        fit(model_with(0.1, metrics=["accuracy"]), *callbacks)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ({"every": 0}, ValueError, '`every` must be "epoch", or a whole number of batches in [1, 2**31), got 0'),
        (
            {"every": "batch"},
            TypeError,
            "`every` must be \"epoch\", or a whole number of batches in [1, 2**31), got 'batch'",
        ),
        ({"window": 0}, ValueError, "`window` must be a whole number in [1, 2**31), or None, got 0"),
        ({"on_nan": "skip"}, ValueError, "`on_nan` must be one of 'count', 'ignore', 'reduce', 'stop', got 'skip'"),
        (
            {"start_after": -1},
            ValueError,
            "`start_after` must be a whole number of steps in [0, 2**31), or a duration in `epochs`, `samples` or a `fraction`, got -1",
        ),
        ({"restore_best_weights": 1}, TypeError, "`restore_best_weights` must be True or False, got 1"),
        ({"optimizers": "slow"}, TypeError, "`optimizers` must be a non-empty sequence of names, or None, got 'slow'"),
        ({"optimizers": []}, ValueError, "`optimizers` must be a non-empty sequence of names, or None, got []"),
    ],
)
def test_wrong_arguments_are_refused(args, error, message):
    with pytest.raises(error) as caught:
        ReduceOnPlateau("loss", **args)
    assert str(caught.value) == "ReduceOnPlateau: " + message


# Printed lines and several optimizers


def printed(capsys):
    return [line for line in capsys.readouterr().out.splitlines() if line]


def test_the_epoch_and_the_rates_are_printed(capsys):
    fit(model_with(0.5), Metric([1.0] * 6), ReduceOnPlateau("metric", 0.25, 2, mode="min", verbose=1), epochs=6)
    assert printed(capsys) == [
        "Epoch 3: ReduceOnPlateau: learning_rate 0.5 -> 0.125",
        "Epoch 5: ReduceOnPlateau: learning_rate 0.125 -> 0.03125",
    ]


@pytest.mark.parametrize("first", ["a", "b"])
def test_every_optimizer_is_reduced_and_printed_whichever_comes_first(capsys, first):
    model = two_optimizers(0.5, klr.Constant(0.8), first)
    fit(model, Metric([1.0] * 4), ReduceOnPlateau("metric", 0.25, 2, mode="min", verbose=1), epochs=4)
    assert sorted(printed(capsys)) == [
        "Epoch 3: ReduceOnPlateau: learning_rate_number 0.5 -> 0.125",
        "Epoch 3: ReduceOnPlateau: learning_rate_schedule 0.8 -> 0.2",
    ]
    fallen = {weight.path[0]: -float(keras.ops.convert_to_numpy(weight).item()) for weight in model.weights}
    assert fallen["a"] == pytest.approx(15 * 0.5 + 5 * 0.125, rel=1e-5)
    assert fallen["b"] == pytest.approx(15 * 0.8 + 5 * 0.2, rel=1e-5)


@pytest.mark.parametrize("first", ["a", "b"])
@pytest.mark.parametrize("low", ["number", "schedule"])
def test_an_optimizer_at_min_lr_does_not_block_the_others(capsys, first, low):
    number, schedule = (0.1, klr.Constant(0.8)) if low == "number" else (0.8, klr.Constant(0.1))
    plateau = ReduceOnPlateau("metric", 0.25, 2, mode="min", verbose=1, min_lr=0.1)
    fit(two_optimizers(number, schedule, first), Metric([1.0] * 3), plateau, epochs=3)
    (other,) = {"number", "schedule"} - {low}
    assert printed(capsys) == [f"Epoch 3: ReduceOnPlateau: learning_rate_{other} 0.8 -> 0.2"]


@pytest.mark.parametrize("first", ["a", "b"])
def test_within_an_epoch_every_optimizer_is_reduced_and_printed(capsys, first):
    """The loss falls although it should rise, so every window from the second one on reduces."""
    model = two_optimizers(0.5, klr.Constant(0.8), first)
    fit(model, ReduceOnPlateau("loss", 0.25, 1, mode="max", verbose=1, every=4), epochs=3)
    assert printed(capsys) == [
        "Step 8: ReduceOnPlateau: learning_rate_schedule 0.8 -> 0.2",
        "Step 8: ReduceOnPlateau: learning_rate_number 0.5 -> 0.125",
        "Step 12: ReduceOnPlateau: learning_rate_schedule 0.2 -> 0.05",
        "Step 12: ReduceOnPlateau: learning_rate_number 0.125 -> 0.03125",
    ]
    fallen = {weight.path[0]: -float(keras.ops.convert_to_numpy(weight).item()) for weight in model.weights}
    assert fallen["a"] == pytest.approx(8 * 0.5 + 4 * 0.125 + 3 * 0.03125, rel=1e-5)
    assert fallen["b"] == pytest.approx(8 * 0.8 + 4 * 0.2 + 3 * 0.05, rel=1e-5)


# Edge cases


def test_start_after_ends_one_step_later():
    """An epoch that ends with the last of these steps is ignored too."""
    plateau = ReduceOnPlateau("metric", 0.5, 1, mode="min", start_after=10)
    fit(model_with(0.1), Metric([1.0, 0.5, 2.0, 2.0]), plateau, epochs=4)
    assert plateau.state == PlateauState(best=2.0, wait=0, n_reductions=1)
    assert klr.ReduceOnPlateau("metric", start_after=9).start_after == 9


def test_at_min_lr_the_weights_stay():
    """A callback that does not reduce restores no weights either."""
    model = model_with(0.125)
    plateau = ReduceOnPlateau("metric", 0.5, 1, mode="min", min_lr=0.125, restore_best_weights=True)
    with pytest.warns(UserWarning, match="is not above `min_lr`"):
        fit(model, Metric([1.0, 2.0, 2.0, 2.0]), plateau, epochs=4)
    assert -float(model.get_weights()[0].item()) == pytest.approx(20 * 0.125, rel=1e-5)
    assert plateau.state.n_reductions == 0


def test_an_epoch_without_logs_warns():
    plateau = ReduceOnPlateau("metric", mode="min")
    plateau.set_model(model_with(0.1))
    plateau.on_train_begin()
    plateau.on_epoch_begin(0)
    with pytest.warns(UserWarning, match=r"'metric' is not in the epoch's logs, .* there are: none$"):
        plateau.on_epoch_end(0, None)


def test_the_warning_lists_the_names_in_the_logs():
    plateau = ReduceOnPlateau("metric", mode="min")
    plateau.set_model(model_with(0.1))
    plateau.on_train_begin()
    plateau.on_epoch_begin(0)
    with pytest.warns(UserWarning) as caught:  # noqa: PT030, PT031  one warning, at the caller
        plateau.on_epoch_end(0, {"loss": 1.0, "accuracy": 0.5, "learning_rate": 0.1})
        plateau.on_epoch_end(1, {"loss": 1.0})
    assert [str(warning.message) for warning in caught if warning.category is UserWarning] == [
        "ReduceOnPlateau: the metric 'metric' is not in the epoch's logs, so the learning rate is not changed; there are: "
        "accuracy, loss"
    ]


def two_means(names):
    """A model with two custom means of different directions."""

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.line = keras.layers.Dense(1, use_bias=False)
            self.means = [keras.metrics.Mean(name) for name in names]
            self.means[0]._direction, self.means[1]._direction = "up", "down"

        @property
        def metrics(self):
            return self.means

        def call(self, x):
            return self.line(x)

    model = Model()
    model(np.ones((1, 1), np.float32))
    model.optimizer = keras.optimizers.SGD(0.5)
    return model


@pytest.mark.parametrize(("monitor", "better"), [("a", [1.0, 2.0, 3.0]), ("b", [3.0, 2.0, 1.0])])
def test_the_direction_is_that_of_the_metric_with_the_name(monitor, better):
    for values, count in ((better, 0), (better[::-1], 2)):
        plateau = ReduceOnPlateau(monitor, 0.5, 1)
        plateau.set_model(two_means("ab"))
        plateau.on_train_begin()
        for epoch, value in enumerate(values):
            plateau.on_epoch_begin(epoch)
            plateau.on_epoch_end(epoch, {monitor: value})
        assert plateau.state.n_reductions == count


def test_loss_is_not_taken_for_a_compiled_metric():
    model = model_with(0.02, metrics=["mae", "mse"])
    plateau = ReduceOnPlateau("loss", 0.5, 1, mode="max", every=4)
    fit(model, plateau, epochs=2)
    assert plateau.state.n_reductions == 1
    with pytest.raises(
        ValueError, match="the metric must be a mean over the training data, such as 'loss', got 'other'"
    ):
        fit(model, ReduceOnPlateau("other", mode="max", every=4))


def test_a_metric_without_a_weight_is_not_a_mean():
    class Total(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="total")
            self.total = self.add_weight(name="sum", initializer="zeros")

        def update_state(self, y, prediction, sample_weight=None):
            self.total.assign_add(keras.ops.sum(prediction))

        def result(self):
            return self.total + 0.0

    message = (
        "ReduceOnPlateau: with `every` in batches the metric must be a mean over the training data, such as 'loss'"
    )
    with pytest.raises(ValueError, match=f"^{message}, got 'total'$"):
        fit(model_with(0.02, metrics=[Total()]), ReduceOnPlateau("total", mode="max", every=4))


def test_a_window_without_weight_has_no_mean():
    model = two_means("ab")
    window = WindowMean("ReduceOnPlateau", model, "a", 2, (0, 0.0, 0.0))
    assert window.after_batch(0) is None
    assert math.isnan(window.after_batch(1))
    model.means[0].update_state(3.0)
    assert window.after_batch(3) == 3.0


def test_a_window_that_begins_within_an_epoch_leaves_out_the_batches_before():
    """A backup brings back the sums that Keras keeps for its epoch means. They include the earlier batches."""
    model = two_means("ab")
    mean = model.means[0]
    for _ in range(3):
        mean.update_state(9.0)
    window, found = WindowMean("ReduceOnPlateau", model, "a", 2, (0, 0.0, 0.0)), []
    for batch, value in ((3, 1.0), (4, 2.0), (5, 3.0), (6, 4.0)):
        window.before_batch(batch)
        mean.update_state(value)
        found.append(window.after_batch(batch))
    assert found == [None, 1.5, None, 3.5]


@pytest.mark.parametrize("metric", [0.5, 2, math.nan, math.inf])
def test_a_pending_epoch_must_be_whole_and_have_a_metric(metric):
    """The metric may be any number. The epoch must be whole."""
    assert str(MetricEntry.pop_pending("ReduceOnPlateau", {"pending": {"epoch": 3, "metric": metric}})) == str(
        (3, float(metric))
    )
    for wrong in ({"epoch": 3.0, "metric": metric}, {"epoch": True, "metric": metric}, {"epoch": 3}, [3, metric], None):
        with pytest.raises(
            ValueError, match="ReduceOnPlateau: `pending` must be an epoch and a metric in the saved state"
        ):
            MetricEntry.pop_pending("ReduceOnPlateau", {"pending": wrong})


def test_the_error_shows_the_refused_pending_epoch():
    with pytest.raises(ValueError, match=r"got \{'epoch': 3\}$"):
        MetricEntry.pop_pending("ReduceOnPlateau", {"pending": {"epoch": 3}})


def test_the_error_shows_the_refused_unfinished_window():
    for wrong in ([1, 2.0], [1, 2.0, "x"], 3):
        with pytest.raises(ValueError) as raised:  # noqa: PT011  the sentence is compared
            unfinished_window("ReduceOnPlateau", wrong)
        sentence = f"ReduceOnPlateau: `unfinished` must be three numbers in the saved state, got {wrong!r}"
        assert str(raised.value) == sentence


def test_an_unfinished_window_continues():
    assert unfinished_window("ReduceOnPlateau", [3, 1.5, 2.5]) == (3, 1.5, 2.5)
    window = WindowMean("ReduceOnPlateau", two_means("ab"), "a", 2, (1, 2.0, 4.0))
    assert window.unfinished() == (1, 2.0, 4.0)
    assert window.after_batch(0) == 0.5


def test_the_direction_of_a_metric_and_of_its_validation():
    model = two_means("ab")
    for prefix in ("", "val_"):
        assert required_direction("X", model, f"{prefix}a", "auto") == "max"
        assert required_direction("X", model, f"{prefix}b", "auto") == "min"
        model.means[1]._direction = None
        with pytest.raises(
            ValueError, match=f"^X: cannot tell whether '{prefix}b' should fall or rise; pass `mode='min'` or"
        ):
            required_direction("X", model, f"{prefix}b", "auto")
        model.means[1]._direction = "down"


@pytest.mark.parametrize("name", "ab")
def test_windows_work_for_a_metric_that_exists_only_after_the_start(name):
    """The direction for "auto" is determined at the first window."""
    model = two_means("ab")
    means, model.means = model.means, []
    plateau = ReduceOnPlateau(name, 0.5, 1, every=1)
    plateau.set_model(model)
    plateau.on_train_begin()
    model.means = means
    plateau.on_epoch_begin(0)
    for batch, value in enumerate([1.0, 3.0]):
        plateau.on_train_batch_begin(batch)
        for mean in means:
            mean.update_state(value)
        plateau.on_train_batch_end(batch)
    assert plateau.state.n_reductions == (name == "b")


def test_a_callback_has_a_new_state_before_its_first_training():
    plateau = ReduceOnPlateau("metric", 0.5, 2, mode="min")
    fresh = {
        "best": None, "wait": 0, "cooldown_counter": 0, "n_reductions": 0, "recent": [], "last_epoch": -1, "scales": {},
    }  # fmt: skip
    assert plateau.get_state() == fresh
    model = model_with(0.1)
    x, y = data()
    model.evaluate(x, y, verbose=0, callbacks=[plateau])  # as with one list of callbacks for `fit` and `evaluate`
    fit(model, Metric([1.0, 2.0, 2.0]), plateau)
    assert plateau.get_state() == fresh | {"best": 1.0, "n_reductions": 1, "last_epoch": 2}
    plateau.set_model(model_with(0.1))
    plateau.on_train_begin()
    assert plateau.get_state() == fresh


def test_windows_start_from_a_state_set_by_the_user():
    plateau = ReduceOnPlateau("loss", 0.5, 2, every=3)
    plateau.set_state({**ReduceOnPlateau("loss").get_state(), "best": -1e9, "wait": 1})
    fit(model_with(0.1), plateau, epochs=1)
    assert plateau.state.n_reductions == 1


STATE = ReduceOnPlateau().get_state()
FLOAT_MAX = sys.float_info.max


@pytest.mark.parametrize(
    "part",
    [
        {"last_epoch": -1},
        {"last_epoch": 2**31 - 1, "wait": 0},
        {"scales": {"learning_rate": 0.0}},
        {"scales": {"learning_rate": 1.0}},
        {"best": -FLOAT_MAX, "recent": [FLOAT_MAX, int(FLOAT_MAX)]},
        {"pending": None, "unfinished": [1, 2.0, 3.0]},
    ],
    ids=str,
)
def test_states_at_the_limits_are_accepted(part):
    plateau = ReduceOnPlateau()
    plateau.set_state({**STATE, **part})
    assert plateau.get_state() == {**STATE, **{name: part[name] for name in part if name in STATE}}


@pytest.mark.parametrize(
    "part",
    [
        {"last_epoch": -2},
        {"wait": 2**31},
        {"wait": True},
        {"wait": 1.0},
        {"scales": {"learning_rate": 1.5}},
        {"scales": {"learning_rate": -0.5}},
        {"scales": [1.0]},
        {"recent": [math.inf]},
        {"recent": [True]},
        {"recent": {}},
        {"best": math.nan},
        {"best": 10**400},
        {"other": 1},
    ],
    ids=lambda part: str(part)[:40],
)
def test_states_beyond_the_limits_are_refused(part):
    with pytest.raises(ValueError, match="^ReduceOnPlateau: `state` must be what `get_state` returns, got {"):
        ReduceOnPlateau().set_state({**STATE, **part})


def test_a_file_written_within_an_epoch_has_the_metrics_known_by_then():
    model, plateau = model_with(0.5), ReduceOnPlateau("val_loss")
    plateau.set_model(model)
    plateau.on_train_begin()
    plateau.on_epoch_begin(4)
    of(model).hooks["ReduceOnPlateau/val_loss"]()
    assert "pending" not in memory(model)["ReduceOnPlateau/val_loss"]
    plateau.on_test_end({"loss": 2.5})
    of(model).hooks["ReduceOnPlateau/val_loss"]()
    assert memory(model)["ReduceOnPlateau/val_loss"]["pending"] == {"epoch": 4, "metric": 2.5}
    plateau.on_test_end(None)
    plateau.on_train_end()
    assert "ReduceOnPlateau/val_loss" not in of(model).hooks
