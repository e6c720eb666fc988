"""A call of `compile` begins another training and drops all state of the previous one."""

import contextlib
import warnings

import keras
import numpy as np
import pytest
from support.training import (
    Metric,
    Weight,
    assert_applied,
    data,
    drive,
    fit,
    model_with,
    prediction_sum,
    two_optimizers,
)

import keras_lr as klr
from keras_lr import BindSchedule, ReduceOnPlateau, ScheduleWarning
from keras_lr.callbacks import time_budget

RATES = {"number": lambda: 0.5, "schedule": lambda: klr.LinearDecay(0.5, 1000)}
IMPROVING = [9.0, 8.0, 7.0, 6.0]


def plateau(**options):
    return ReduceOnPlateau("metric", 0.5, 1, mode="min", **options)


def sum_of_two(number, schedule):
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(
            keras.optimizers.SGD(number, name="number"), {"b/.*": keras.optimizers.SGD(schedule, name="schedule")}
        )
    )


def from_keras_file(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


def from_keras_file_not_compiled(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras", compile=False)


def from_weights(model, folder):
    """Load the weights into a new model that was compiled in the same way."""
    model.save_weights(folder / "model.weights.h5")
    again = model_with(RATES["schedule"]())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns about an optimizer with another number of variables
        again.load_weights(folder / "model.weights.h5")
    return again


def the_same_model(model, folder):
    return model


WAYS = [from_keras_file, from_keras_file_not_compiled, from_weights, the_same_model]


def trained(rate, **options):
    """An old task, in which the metric was as low as 0.01 and the rate was reduced three times."""
    model = model_with(rate)
    fit(model, Metric([0.01, 1.0, 1.0, 1.0]), plateau(**options), epochs=4)
    return model


@pytest.mark.few(4)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("old", RATES)
@pytest.mark.parametrize("new", RATES)
def test_a_new_task_begins_at_its_own_rate(tmp_path, way, old, new):
    model = way(trained(RATES[old]()), tmp_path)
    model.set_weights([np.zeros((1, 1))])
    model.compile(keras.optimizers.SGD(RATES[new]()), prediction_sum)
    weight, new_plateau = Weight(), plateau()
    fit(model, Metric(IMPROVING), new_plateau, weight, epochs=4)
    assert_applied(weight, klr.LinearDecay(0.5, 1000).values(range(20)) if new == "schedule" else [0.5] * 20)
    assert new_plateau.state.n_reductions == 0


@pytest.mark.parametrize("way", [from_keras_file, the_same_model])
def test_the_best_weights_of_an_old_task_do_not_come_back(tmp_path, way):
    model = way(trained(0.5, restore_best_weights=True), tmp_path)
    model.set_weights([np.zeros((1, 1))])
    model.compile(keras.optimizers.SGD(0.5), prediction_sum)
    weight = Weight()
    fit(model, Metric([np.nan, np.nan]), plateau(restore_best_weights=True), weight, epochs=2)
    assert_applied(weight, [0.5] * 5 + [0.25] * 5)
    assert model.get_weights()[0].item() == weight.seen[-1]


@pytest.mark.parametrize("way", [from_keras_file, the_same_model])
def test_a_new_task_with_several_optimizers_begins_at_its_own_rates(tmp_path, way):
    model = two_optimizers(0.5, klr.LinearDecay(0.5, 1000))
    fit(model, Metric([0.01, 1.0, 1.0]), plateau(), epochs=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras", compile=False) if way is from_keras_file else model
    model.compile(sum_of_two(0.5, klr.LinearDecay(0.5, 1000)), prediction_sum)
    fit(model, Metric(IMPROVING), plateau(), epochs=4)
    assert klr.get_learning_rate(model, "number") == 0.5
    assert klr.get_learning_rate(model, "schedule") == pytest.approx(0.5 * 0.98)


def test_another_compile_with_the_same_optimizer_keeps_its_scale():
    """The optimizer keeps its reduced rate, but the best value is dropped."""
    model = trained(klr.LinearDecay(0.5, 1000))
    model.compile(model.optimizer, prediction_sum)
    fit(model, Metric(IMPROVING), again := plateau(), epochs=4)
    assert again.get_state()["scales"] == {"learning_rate": 0.125}
    assert klr.get_learning_rate(model) == pytest.approx(0.125 * 0.5 * 0.96)


def test_a_load_after_compile_is_a_resume(tmp_path):
    model = trained(klr.LinearDecay(0.5, 1000))
    model.save_weights(tmp_path / "model.weights.h5")
    again = model_with(klr.LinearDecay(0.5, 1000))
    again.load_weights(tmp_path / "model.weights.h5")
    fit(again, Metric({4: 1.0}), resumed := plateau(), initial_epoch=4, epochs=5)
    assert resumed.state.n_reductions == 4
    assert resumed.state.best == 0.01


@pytest.mark.parametrize("old", RATES)
def test_rates_of_an_old_training_are_not_a_mismatch(tmp_path, old):
    """There is no mismatch at once, and none when the new training is resumed from its file."""
    trained(RATES[old]()).save_weights(tmp_path / "old.weights.h5")
    model = model_with(0.001, keras.optimizers.SGD(0.001))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.load_weights(tmp_path / "old.weights.h5")
    model.compile(keras.optimizers.SGD(0.25), prediction_sum)
    fit(model, BindSchedule(), Metric([1.0]), plateau(), epochs=1)
    assert klr.get_learning_rate(model) == 0.25
    model.save_weights(tmp_path / "new.weights.h5")
    again = model_with(0.25)
    again.load_weights(tmp_path / "new.weights.h5")
    fit(again, BindSchedule(), epochs=1)
    assert klr.get_learning_rate(again) == 0.25


class Clock:
    """A clock that advances by half a second with each batch."""

    now = 0.0

    def __call__(self):
        return self.now


class Tick(keras.callbacks.Callback):
    def __init__(self, clock):
        super().__init__()
        self.clock, self.batches = clock, 0

    def on_train_batch_begin(self, batch, logs=None):
        self.clock.now += 0.5
        self.batches += 1


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time_budget, "clock", clock)
    return clock


def budgeted(model, clock, callback=None):
    """The number of batches of a training with a budget of ten seconds."""
    tick = Tick(clock)
    drive(model, tick, callback or BindSchedule(10, audit=False), epochs=100)
    return tick.batches


@pytest.mark.parametrize("way", [from_keras_file, from_keras_file_not_compiled, the_same_model])
def test_the_time_of_an_old_training_does_not_count_after_compile(tmp_path, clock, way):
    model = model_with(klr.LinearDecay(0.5, 1000))
    assert budgeted(model, clock) == 20
    model = way(model, tmp_path)
    model.compile(keras.optimizers.SGD(klr.LinearDecay(0.5, 1000)), prediction_sum)
    assert budgeted(model, clock) == 20
    assert klr.get_learning_rate(model) < 0.1


@pytest.mark.parametrize("way", [from_keras_file, from_weights, the_same_model])
@pytest.mark.parametrize("new_callback", [False, True])
def test_a_used_up_budget_does_not_affect_the_next_one(tmp_path, clock, way, new_callback):
    model, callback = model_with(klr.LinearDecay(0.5, 1000)), BindSchedule(10, audit=False)
    assert budgeted(model, clock, callback) == 20
    assert budgeted(way(model, tmp_path), clock, None if new_callback else callback) == 20


@pytest.mark.parametrize("ends", ["epochs", "an error"])
def test_a_budget_that_is_left_continues_with_its_callback(clock, ends):
    class Fail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 4 and ends == "an error":
                raise KeyboardInterrupt

    model, callback = model_with(klr.LinearDecay(0.5, 1000)), BindSchedule(10, audit=False)
    with contextlib.suppress(KeyboardInterrupt):
        drive(model, Tick(clock), callback, Fail(), epochs=1)
    assert budgeted(model, clock, callback) == 15


def test_a_schedule_that_is_over_when_another_budget_begins_warns(clock):
    model = model_with(klr.LinearDecay(0.5, 1000))
    drive(model, Tick(clock), BindSchedule(100), epochs=100)
    with pytest.warns(ScheduleWarning, match=r"of `learning_rate` ended at step 200 already, .* stays at 0:"):
        fit(model, Tick(clock), BindSchedule(100), epochs=1)


def test_the_audit_checks_another_schedule_again():
    model = model_with(klr.LinearDecay(0.5, 15))
    fit(model, BindSchedule())
    model.compile(keras.optimizers.SGD(klr.LinearDecay(0.5, 5)), prediction_sum)
    with pytest.warns(ScheduleWarning, match="the schedule ends at step 5, 33% of a training that ends at step 15"):
        fit(model, BindSchedule())


def test_evaluation_and_saving_keep_the_state(tmp_path):
    model = trained(0.5)
    x, y = data()
    model.evaluate(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    again.evaluate(x, y, verbose=0)
    fit(again, Metric({4: 1.0}), resumed := plateau(), initial_epoch=4, epochs=5)
    assert resumed.state.n_reductions == 4
