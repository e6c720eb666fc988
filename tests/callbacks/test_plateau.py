"""`ReduceOnPlateau` decides as Keras's callback does for numbers, and makes the same decisions for schedules."""

import itertools
import math
import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.training import Batches, Metric, Weight, assert_applied, fit, model_with, saved_and_loaded, two_optimizers

import keras_lr as klr
from keras_lr import ReduceOnPlateau
from keras_lr.callbacks.plateau_rule import PlateauRule, PlateauState
from keras_lr.optimizers import lookup


def sequences():
    rng = np.random.default_rng(5)
    yield from ([3.0] * 12, [float(k) for k in range(12)], [12.0 - k for k in range(12)], [-1.0] * 9)
    for _ in range(10):
        yield rng.normal(size=14).round(3).tolist()
        yield np.cumsum(rng.normal(size=14)).round(2).tolist()
        yield (np.exp(-np.arange(14) / 4) + rng.normal(size=14) * 0.02).round(4).tolist()
        yield np.repeat(rng.normal(size=5), 3).round(2).tolist()


SETTINGS = [
    {"patience": patience, "min_delta": min_delta, "min_lr": min_lr, "mode": mode, "cooldown": cooldown}
    for patience, (min_delta, min_lr), mode, cooldown in itertools.product(
        (0, 1, 2, 4), ((1e-4, 0.0), (0.05, 0.013)), ("min", "max"), (0, 2)
    )
]


def rates_after(callback, model, values, name="metric"):
    """The rate after each epoch, if the hooks are called by hand."""
    model.optimizer.learning_rate = 0.5
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {name: value})
        rates.append(np.float32(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
    return rates


@pytest.mark.few(8)
@pytest.mark.parametrize("options", SETTINGS, ids=lambda o: "-".join(map(str, o.values())))
def test_golden_traces_equal_keras(options):
    model = model_with(0.5)
    cuts = 0
    for values in sequences():
        theirs = keras.callbacks.ReduceLROnPlateau("metric", factor=0.3, **options)
        ours = ReduceOnPlateau("metric", factor=0.3, **(options | {"cooldown": max(options["cooldown"] - 1, 0)}))
        expected = rates_after(theirs, model, values)
        np.testing.assert_allclose(rates_after(ours, model, values), expected, rtol=1e-6)
        cuts += len(set(expected)) - 1
    assert cuts > 10


def test_golden_traces_equal_keras_with_defaults():
    model = model_with(0.5)
    values = [1.0] * 45
    theirs = rates_after(keras.callbacks.ReduceLROnPlateau(), model, values, "val_loss")
    assert rates_after(ReduceOnPlateau(), model, values, "val_loss") == theirs
    assert len(set(theirs)) == 5


def test_a_cooldown_of_n_is_n_quiet_epochs():
    rates = rates_after(ReduceOnPlateau("metric", 0.1, 2, mode="min", cooldown=1), model_with(0.5), [1.0] * 8)
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.05, 0.05, 0.05, 0.005, 0.005, 0.005], rtol=1e-6)


@pytest.mark.parametrize(
    ("metrics", "monitor", "falls"),
    [([], "val_loss", True), (["accuracy"], "val_accuracy", False), (["mae"], "mae", True)],
)
def test_auto_uses_the_direction_of_the_metric(metrics, monitor, falls):
    model = model_with(0.5, metrics=metrics)
    fit(model, epochs=1)
    rising = rates_after(ReduceOnPlateau(monitor, 0.1, 2), model, [1.0, 2.0, 3.0, 4.0], monitor)
    assert (rising[-1] < 0.5) == falls


def flat(patience=2, **options):
    return ReduceOnPlateau("metric", 0.5, patience, mode="min", **options)


SCHEDULES = {
    "ours": lambda: klr.CosineDecay(0.3, 60),
    "keras": lambda: keras.optimizers.schedules.CosineDecay(0.3, 60),
    "keras-cond": lambda: keras.optimizers.schedules.CosineDecay(0.02, 40, warmup_target=0.3, warmup_steps=8),
    "bound": lambda: klr.LinearDecay(0.3, klr.epochs(9)).bind(steps_per_epoch=5, epochs=9),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_applied_rate_is_the_scaled_schedule(name):
    schedule, weight = SCHEDULES[name](), Weight()
    plateau, log = flat(), klr.LearningRateLogger(audit=False)
    # Epoch 0 is the best and all others are bad. The rate is reduced after epochs 2 and 4.
    fit(model_with(schedule), Metric([1.0] * 6), plateau, log, weight, epochs=6)
    steps = np.arange(30)
    base = np.array([float(keras.ops.convert_to_numpy(schedule(int(step)))) for step in steps])
    scale = np.where(steps < 15, 1.0, np.where(steps < 25, 0.5, 0.25))
    assert_applied(weight, scale * base)
    assert_applied(weight, log.to_frame().learning_rate)
    assert plateau.state.n_reductions == 2


def test_the_applied_rate_is_the_scaled_number():
    weight = Weight()
    fit(model_with(0.32), Metric([1.0] * 6), flat(), weight, epochs=6)
    assert_applied(weight, np.repeat([0.32, 0.32, 0.32, 0.16, 0.16, 0.08], 5))


def test_min_lr_limits_the_reduction_of_a_schedule_and_not_the_schedule():
    schedule, weight, plateau = klr.LinearDecay(0.3, 30), Weight(), flat(patience=1, min_lr=0.05)
    fit(model_with(schedule), Metric([1.0] * 7), plateau, weight, epochs=7)
    base = schedule.values(range(35))
    # The rate is reduced after epoch 1, and after epoch 2 to a quarter, but not below 0.05. Then no rate is above 0.05.
    scale = np.repeat([1.0, 1.0, 0.5, 0.25, 0.25, 0.25, 0.25], 5)
    scaled = np.maximum(base * scale, np.minimum(base, 0.05))
    assert_applied(weight, scaled)
    assert plateau.state.n_reductions == 2


def test_at_min_lr_there_is_no_message_and_no_cooldown(capsys):
    plateau = flat(patience=1, min_lr=0.25, cooldown=3, verbose=1)
    rates = rates_after(plateau, model_with(0.5), [1.0] * 12)
    assert rates[1:] == [0.25] * 11
    assert capsys.readouterr().out.count("ReduceOnPlateau") == 1
    assert plateau.state.cooldown_counter == 0


def test_verbose_only_prints(capsys):
    values = next(itertools.islice(sequences(), 7, None))
    quiet = rates_after(flat(), model_with(0.5), values)
    assert capsys.readouterr().out == ""
    assert rates_after(flat(verbose=1), model_with(0.5), values) == quiet
    assert "ReduceOnPlateau: learning_rate 0.5 -> 0.25" in capsys.readouterr().out


def test_a_schedule_is_reduced_under_loss_scaling():
    schedule = klr.LinearDecay(0.3, 60)
    model = model_with(None, keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(schedule), initial_scale=2.0))
    weight = Weight()
    fit(model, Metric([1.0] * 4), flat(), weight, epochs=4)
    assert_applied(weight, schedule.values(range(20)) * np.where(np.arange(20) < 15, 1.0, 0.5))


def test_all_optimizers_of_a_multi_optimizer_are_reduced():
    model = two_optimizers(0.5, klr.StepDecay(0.5, 100))
    fit(model, Metric([1.0] * 4), flat(), epochs=4)
    for kernel in model.get_weights():
        assert kernel.ravel()[0] == pytest.approx(-(15 * 0.5 + 5 * 0.25), rel=1e-6)


def test_not_finite_metrics_are_bad_and_never_the_best():
    plateau = flat(patience=3)
    rates = rates_after(plateau, model_with(0.5), [math.nan, 2.0, math.inf, 1.0, -math.inf, 0.5, math.nan, 0.25])
    assert set(rates) == {np.float32(0.5)}
    assert plateau.state == PlateauState(best=0.25)
    assert rates_after(flat(), model_with(0.5), [math.nan] * 4)[1] == 0.25


def test_a_relative_threshold_is_right_for_negative_metrics():
    options = {"min_delta": 0.1, "threshold_mode": "rel"}
    flat_negative = rates_after(flat(**options), model_with(0.5), [-1.0] * 3)
    assert flat_negative[-1] == 0.25
    small = rates_after(flat(**options), model_with(0.5), [-1.0, -1.05, -1.09])
    large = rates_after(flat(**options), model_with(0.5), [-1.0, -1.11, -1.23])
    assert small[-1] == 0.25
    assert large[-1] == 0.5


def test_a_missing_metric_warns_once_with_the_existing_ones():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(model_with(0.5), ReduceOnPlateau(), epochs=3)
    (message,) = [str(warning.message) for warning in caught if "ReduceOnPlateau" in str(warning.message)]
    assert message == (
        "ReduceOnPlateau: the metric 'val_loss' is not in the logs of 3 epochs, so the learning rate is not changed; "
        "there are: loss; metrics of the validation need `validation_data` in `fit`"
    )


def test_min_lr_above_the_rate_warns_at_the_start():
    with pytest.warns(UserWarning, match=r"learning rate is not above `min_lr` \(0.6\)"):
        fit(model_with(0.5), Metric([1.0] * 3), flat(min_lr=0.6), epochs=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="ReduceOnPlateau")
        fit(model_with(klr.Warmup(0.5, 4)), Metric([1.0] * 3), flat(min_lr=0.1), epochs=1)


def test_a_function_as_rate_is_refused_before_the_first_batch():
    batches = Batches()
    with pytest.raises(TypeError, match="learning rate of optimizer 'SGD' is a function"):
        fit(model_with(None, keras.optimizers.SGD(lambda: 0.5, name="SGD")), flat(), batches)
    assert batches.begun == []


def test_an_unknown_direction_is_refused():
    model = model_with(0.5)
    fit(model, epochs=1)
    batches = Batches()
    with pytest.raises(
        ValueError,
        match=r"cannot tell whether 'reward' should fall or rise: it is not a metric of the model \(there are: loss\); "
        "pass `mode='min'` or `mode='max'`$",
    ):
        fit(model, ReduceOnPlateau("reward"), batches)
    assert batches.begun == []


def test_two_fits_equal_one():
    for rate in (0.5, klr.LinearDecay(0.5, 100)):
        whole, parts = Weight(), Weight()
        fit(model_with(rate), Metric([1.0] * 6), flat(), whole, epochs=6)
        model, plateau = model_with(rate), flat()
        for begin, end in ((0, 1), (1, 3), (3, 6)):
            fit(model, Metric([1.0] * 6), plateau, parts, initial_epoch=begin, epochs=end)
        np.testing.assert_array_equal(whole.seen, parts.seen)


def test_a_new_model_a_reset_and_a_compile_begin_with_a_new_state():
    plateau = flat(patience=9)
    model = model_with(0.5)
    fit(model, Metric([1.0] * 4), plateau, epochs=4)
    assert plateau.state.wait == 3
    fit(model_with(0.5), Metric([1.0] * 2), plateau, epochs=2)
    assert plateau.state.wait == 1
    fresh = flat(patience=9, reset_on_train_begin=True)
    fit(model, Metric([1.0] * 4), fresh, epochs=4)
    fit(model, Metric([1.0] * 4), fresh, epochs=2)
    assert fresh.state.wait == 1
    model.compile(keras.optimizers.SGD(0.5), loss="mse")
    other = flat(patience=9)
    fit(model, Metric([1.0] * 4), other, epochs=2)
    assert other.state.wait == 1


@pytest.mark.few(4)
@pytest.mark.parametrize("rate", [0.5, klr.LinearDecay(0.5, 100)], ids=["number", "schedule"])
@pytest.mark.parametrize("form", ["keras", "weights.h5"])
@pytest.mark.parametrize("after", [1, 3, 4])
def test_the_state_continues_after_a_load(tmp_path, rate, form, after):
    whole = Weight()
    fit(model_with(rate), Metric([1.0] * 8), flat(patience=3), whole, epochs=8)
    model, first = model_with(rate), Weight()
    fit(model, Metric([1.0] * 8), flat(patience=3), first, epochs=after)
    again = saved_and_loaded(model, tmp_path / f"saved.{form}", lambda: model_with(rate))
    plateau, rest = flat(patience=3), Weight()
    rest.seen = [first.seen[-1]]
    fit(again, Metric([1.0] * 8), plateau, rest, initial_epoch=after, epochs=8)
    np.testing.assert_array_equal(first.seen + rest.seen[1:], whole.seen)
    assert plateau.state.n_reductions == 2


@pytest.mark.few(3)
@pytest.mark.parametrize("rate", [0.5, klr.LinearDecay(0.5, 100)], ids=["number", "schedule"])
@pytest.mark.parametrize("crash", range(1, 7))
def test_a_crash_changes_nothing_with_keras_backup_and_restore(tmp_path, rate, crash):
    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == crash:
                raise RuntimeError("killed")

    def callbacks(*more):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        return Metric([1.0] * 7), flat(patience=2), backup, *more

    whole, first, rest = Weight(), Weight(), Weight()
    fit(model_with(rate), Metric([1.0] * 7), flat(patience=2), whole, epochs=7)
    with pytest.raises(RuntimeError, match="killed"):
        fit(model_with(rate), *callbacks(first, Crash()), epochs=7)
    rest.seen = [first.seen[-1]]
    fit(model_with(rate), *callbacks(rest), epochs=7)
    np.testing.assert_array_equal(first.seen + rest.seen[1:], whole.seen)


def test_the_state_can_be_saved_and_set():
    plateau = flat(patience=9)
    fit(model_with(0.5), Metric([3.0, 1.0, 2.0]), plateau, epochs=3)
    assert plateau.get_state() == {
        "best": 1.0,
        "wait": 1,
        "cooldown_counter": 0,
        "n_reductions": 0,
        "recent": [],
        "last_epoch": 2,
        "scales": {},
    }
    other = flat()
    other.set_state(plateau.get_state())
    assert other.state == plateau.state
    with pytest.raises(ValueError, match="`state` must be what `get_state` returns, got {'best': 1.0}"):
        other.set_state({"best": 1.0})


def model_of_the_rule(metrics, direction, patience, min_delta, relative, cooldown):
    """The rule as a loop, written from the documentation. Returns the epochs with a reduction."""
    best, bad, quiet, reductions = None, 0, 0, []
    for epoch, metric in enumerate(metrics):
        was_quiet = quiet > 0
        quiet = max(quiet - 1, 0)
        good = math.isfinite(metric)
        if good and best is not None:
            needed = min_delta * (abs(best) if relative else 1.0)
            good = best - metric > needed if direction == "min" else metric - best > needed
        if good:
            best, bad = metric, 0
        elif was_quiet:
            bad = 0
        else:
            bad += 1
            if bad >= max(patience, 1):
                reductions.append(epoch)
                bad, quiet = 0, cooldown
    return reductions


@pytest.mark.parametrize("sign", [1, -1])
def test_the_best_of_a_window_is_its_highest_or_lowest_metric(sign):
    rule = PlateauRule("max" if sign == 1 else "min", 9, 0.0, "abs", 0, window=3)
    state, best = PlateauState(), []
    for metric in (5, 1, 2, 1, 1, 1, 3):
        state, _ = rule.observe(state, sign * metric)
        best.append(sign * state.best)
    assert best == [5, 5, 5, 2, 2, 1, 3]


@settings(max_examples=300, deadline=None)
@given(
    metrics=st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 4.0, math.nan, math.inf]), max_size=30),
    direction=st.sampled_from(["min", "max"]),
    patience=st.integers(0, 4),
    min_delta=st.sampled_from([0.0, 0.25, 0.5]),
    relative=st.booleans(),
    cooldown=st.integers(0, 3),
)
def test_the_rule_equals_an_independent_model(metrics, direction, patience, min_delta, relative, cooldown):
    rule = PlateauRule(direction, patience, min_delta, "rel" if relative else "abs", cooldown)
    state, reductions = PlateauState(), []
    for epoch, metric in enumerate(metrics):
        state, due = rule.observe(state, metric)
        if due:
            reductions.append(epoch)
            state = rule.reduced(state)
    assert reductions == model_of_the_rule(metrics, direction, patience, min_delta, relative, cooldown)
    assert state.n_reductions == len(reductions)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ({"factor": 1.0}, ValueError, "`factor` must be a number in (0, 1), got 1.0"),
        ({"factor": 0}, ValueError, "`factor` must be a number in (0, 1), got 0"),
        ({"factor": "half"}, TypeError, "`factor` must be a number in (0, 1), got 'half'"),
        ({"patience": -1}, ValueError, "`patience` must be a whole number in [0, 2**31), got -1"),
        ({"patience": 1.5}, ValueError, "`patience` must be a whole number in [0, 2**31), got 1.5"),
        ({"mode": "down"}, ValueError, "`mode` must be one of 'auto', 'min', 'max', got 'down'"),
        ({"min_delta": -0.1}, ValueError, "`min_delta` must be a finite number >= 0, got -0.1"),
        ({"threshold_mode": 1}, TypeError, "`threshold_mode` must be one of 'abs', 'rel', got 1"),
        ({"cooldown": None}, TypeError, "`cooldown` must be a whole number in [0, 2**31), got None"),
        ({"min_lr": -1e-9}, ValueError, "`min_lr` must be a finite learning rate >= 0, got -1e-09"),
        ({"monitor": 3}, TypeError, "`monitor` must be the name of a metric, such as 'val_loss', got 3"),
        ({"verbose": True}, TypeError, "`verbose` must be a whole number in [0, 2**31), got True"),
        ({"reset_on_train_begin": 1}, TypeError, "`reset_on_train_begin` must be True or False, got 1"),
    ],
)
def test_wrong_arguments_are_refused(args, error, message):
    with pytest.raises(error) as caught:
        ReduceOnPlateau(**args)
    assert str(caught.value) == "ReduceOnPlateau: " + message


def test_the_rate_in_the_logs_is_the_last_applied():
    history = fit(model_with(klr.LinearDecay(0.5, 100)), Metric([1.0] * 3), flat(), epochs=3).history
    np.testing.assert_allclose(history["learning_rate"], klr.LinearDecay(0.5, 100).values([4, 9, 14]))
    assert lookup.is_schedule(klr.Constant(0.1))
