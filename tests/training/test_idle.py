"""Optimizers that train nothing, because their pattern matches no variable or only frozen ones.

Keras does not advance their step counter, so their rate does not change. There must be a warning.
"""

import itertools
import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from support.backend import BACKEND
from support.training import Metric, Weight, assert_applied, fit, prediction_sum

import keras_lr as klr

SCHEDULE = klr.LinearDecay(0.2, 20)
IDLE = klr.LinearDecay(0.3, 20)
NOTHING = "optimizer 'idle' trains nothing, and its learning rate does not change: "


def sgd(rate, name):
    return keras.optimizers.SGD(rate, name=name)


def idle_model(busy=SCHEDULE, idle=IDLE, *, default="busy", input_first=True, scaled=False, others=None):
    """A model with one weight, which `busy` trains. `idle` is the default optimizer or has a pattern without a match."""
    layers = [keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="line")]
    model = keras.Sequential([keras.Input((1,)), *layers] if input_first else layers)
    busy, idle = sgd(busy, "busy"), sgd(idle, "idle")
    if default == "busy":
        chosen = keras.optimizers.OptimizerMap(busy, {"nowhere/.*": idle, **(others or {})})
    else:
        chosen = keras.optimizers.OptimizerMap(idle, {".*line/.*": busy})
    optimizer = keras.optimizers.MultiOptimizer(chosen)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)
    model.compile(optimizer, loss=prediction_sum)
    return model


def warned(model, *callbacks, **args):
    """The warnings of the package in a training, except those of the audit about lengths."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(model, *callbacks, **args)
    messages = [str(warning.message) for warning in caught if warning.category is klr.ScheduleWarning]
    return [message for message in messages if not message.startswith("the schedule ")]


@pytest.mark.few(5)
@pytest.mark.parametrize(
    "facts",
    [{}, {"default": "idle"}, {"input_first": False}, {"scaled": True}, {"scaled": True, "input_first": False}],
    ids=str,
)
@pytest.mark.parametrize(("busy", "idle"), [(SCHEDULE, IDLE), (SCHEDULE, 0.3), (0.2, IDLE), (0.2, 0.3)], ids=str)
def test_an_idle_optimizer_has_the_rate_of_step_0(busy, idle, facts):
    model, log, weight = idle_model(busy, idle, **facts), klr.LearningRateLogger(), Weight()
    # Each `fit` warns once: the first one of a new model, and another one.
    for first in (0, 1):
        (message,) = warned(model, log, weight, initial_epoch=2 * first, epochs=2 + 2 * first)
        assert message.startswith(NOTHING)
    rows = log.to_frame()
    assert rows.step.tolist() == list(range(20))
    np.testing.assert_allclose(rows.learning_rate_idle, np.full(20, 0.3), rtol=1e-6)
    assert_applied(weight, rows.learning_rate_busy)
    assert klr.get_learning_rate(model, "idle") == pytest.approx(0.3)
    assert model.history.history["learning_rate_idle"] == pytest.approx([0.3, 0.3])


def test_the_warning_gives_the_reason():
    model = idle_model()
    (message,) = warned(model, klr.LearningRateLogger())
    assert message == NOTHING + (
        "no trainable variable matches 'nowhere/.*'; a pattern must match the whole path of a variable, such as "
        f"'{model.layers[0].kernel.path}'"
    )
    (message,) = warned(idle_model(default="idle"), klr.LearningRateLogger())
    assert (
        message == NOTHING + "it is the default, and every trainable variable matches the pattern of another optimizer"
    )
    others = {"lines?": sgd(0.1, "more")}
    found = warned(idle_model(others=others), klr.LearningRateLogger())
    assert [message.split(" trains nothing")[0] for message in found] == ["optimizer 'idle'", "optimizer 'more'"]


@pytest.mark.parametrize("names", [["bind"], ["bind", "log"], ["log", "bind"]], ids=str)
def test_several_callbacks_warn_once(names):
    made = {"bind": klr.BindSchedule, "log": klr.LearningRateLogger}
    model = idle_model()
    for _ in range(2):
        assert len(warned(model, *(made[name]() for name in names))) == 1
    assert warned(model, *(made[name](audit=False) for name in names)) == []
    assert warned(idle_model(others=None), klr.ReduceOnPlateau("loss")) == []


def test_an_optimizer_of_frozen_layers_is_idle():
    """It has trained before, so it is built, and its counter is above 0."""
    inputs = keras.Input((1,))
    body, head = (
        keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name=name) for name in ("body", "head")
    )
    model, log = keras.Model(inputs, head(body(inputs))), klr.LearningRateLogger()
    slow, fast = sgd(IDLE, "idle"), sgd(SCHEDULE, "busy")

    def compiled():
        chosen = keras.optimizers.OptimizerMap(fast, {"body/.*": slow})
        model.compile(keras.optimizers.MultiOptimizer(chosen), loss=prediction_sum)

    compiled()
    assert warned(model, log, epochs=1) == []
    body.trainable = False
    compiled()
    (message,) = warned(model, log, initial_epoch=1, epochs=2)
    assert "no trainable variable matches 'body/.*'" in message
    rows = log.to_frame()
    assert rows.step.tolist() == list(range(10))
    np.testing.assert_allclose(rows.learning_rate_busy, SCHEDULE.values(range(10)))
    np.testing.assert_allclose(rows.learning_rate_idle, IDLE.values([0, 1, 2, 3, 4, *5 * [5]]))


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("rate", [0.2, SCHEDULE], ids=str)
def test_an_optimizer_of_a_wholly_frozen_model_is_idle(rate):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, trainable=False)])
    model.compile(sgd(rate, "plain"), loss=prediction_sum)
    log = klr.LearningRateLogger()
    for _ in range(2):
        assert warned(model, log, klr.BindSchedule(), klr.ReduceOnPlateau("loss")) == [
            "the model has no trainable variable, so optimizer 'plain' trains nothing and makes no steps"
        ]
    assert len(log.to_frame()) == 0
    assert klr.get_learning_rate(model) == pytest.approx(0.2)


@pytest.mark.parametrize(("busy", "idle"), [(SCHEDULE, IDLE), (0.2, 0.3)], ids=str)
def test_a_plateau_reduces_an_idle_optimizer_too(busy, idle):
    model, log, plateau = idle_model(busy, idle), klr.LearningRateLogger(audit=False), klr.ReduceOnPlateau
    fit(model, Metric([1.0] * 3), plateau("metric", 0.5, 1, mode="min"), log)
    np.testing.assert_allclose(log.to_frame().learning_rate_idle, np.repeat([0.3, 0.3, 0.15], 5), rtol=1e-6)
    assert klr.get_learning_rate(model, "idle") == pytest.approx(0.075)


def test_an_idle_optimizer_is_bound_to_the_whole_training():
    half = klr.CosineDecay(0.3, klr.fraction(0.5))
    model = idle_model(half, half)
    fit(model, klr.BindSchedule(audit=False), epochs=2)
    fit(model, klr.BindSchedule(audit=False), initial_epoch=2, epochs=4)
    busy, idle = (klr.optimizers.lookup.rated_optimizers(model)[index].source for index in (1, 0))
    assert idle == busy
    assert idle.duration == 10


def test_a_time_budget_ignores_an_idle_optimizer(monkeypatch):
    clock = itertools.count(0.0, 0.25)
    monkeypatch.setattr("keras_lr.callbacks.time_budget.clock", clock.__next__)
    log = klr.LearningRateLogger(audit=False)
    fit(idle_model(), klr.BindSchedule(40, audit=False), log, epochs=20)
    rows = log.to_frame()
    assert len(rows) > 20
    np.testing.assert_allclose(rows.learning_rate_idle, np.full(len(rows), 0.3))
    assert rows.learning_rate_busy.iloc[-1] < 0.1


@pytest.mark.filterwarnings("ignore:the schedule ends at")
def test_a_resume_keeps_the_rows_of_an_idle_optimizer(tmp_path):
    first, second = idle_model(), idle_model()
    fit(first, klr.LearningRateLogger(path=tmp_path / "log.csv", audit=False), epochs=2)
    first.save_weights(tmp_path / "a.weights.h5")
    second.load_weights(tmp_path / "a.weights.h5")
    (message,) = warned(second, klr.LearningRateLogger(path=tmp_path / "log.csv"), initial_epoch=2, epochs=4)
    assert message.startswith(NOTHING)
    rows = pd.read_csv(tmp_path / "log.csv")
    assert rows.step.tolist() == list(range(20))
    np.testing.assert_allclose(rows.learning_rate_idle, np.full(20, 0.3))
    np.testing.assert_allclose(rows.learning_rate_busy, SCHEDULE.values(range(20)))


def test_a_range_test_of_an_idle_optimizer_is_refused():
    model, x = idle_model(), np.ones((40, 1))
    message = r"find_learning_rate: `only` must be names of optimizers that train something, got \['idle'\]"
    with pytest.raises(ValueError, match=message):
        klr.find_learning_rate(model, x, x, only=["idle"], steps=10, batch_size=4, progress=False)
    assert klr.get_learning_rate(model, "idle") == pytest.approx(0.3)


# A `MultiOptimizer` with a function has no optimizers before it is built.


def chosen_by_a_function(rate, *, input_first=True):
    layers = [keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name) for name in ("line", "rest")]
    model = keras.Sequential([keras.Input((1,)), *layers] if input_first else layers)
    busy, other = sgd(rate, "busy"), sgd(0.1, "other")
    model.compile(
        keras.optimizers.MultiOptimizer(lambda variable: busy if "line" in variable.path else other),
        loss=prediction_sum,
    )
    return model


def test_optimizers_chosen_by_a_function_are_bound_reduced_and_logged():
    model, log = chosen_by_a_function(klr.LinearDecay(0.2, klr.fraction(1.0))), klr.LearningRateLogger()
    plateau = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min", optimizers=["other"])
    assert warned(model, klr.BindSchedule(), Metric([1.0] * 3), plateau, log) == []
    rows = log.to_frame()
    np.testing.assert_allclose(rows.learning_rate_busy, klr.LinearDecay(0.2, 15).values(range(15)))
    np.testing.assert_allclose(rows.learning_rate_other, np.repeat([0.1, 0.1, 0.05], 5), rtol=1e-6)


def test_optimizers_chosen_by_a_function_need_a_built_model_on_tensorflow():
    model, log = chosen_by_a_function(SCHEDULE, input_first=False), klr.LearningRateLogger(audit=False)
    if BACKEND == "tensorflow":
        with pytest.raises(
            ValueError, match=r"has no optimizers before the model is built: begin the model with a `keras.Input`"
        ):
            fit(model, log)
        return
    fit(model, log)
    assert len(log.to_frame()) == 15


def test_a_range_test_works_with_optimizers_chosen_by_a_function():
    model, x = chosen_by_a_function(0.1), np.ones((40, 1))
    model.set_weights([np.full((1, 1), 2.0), np.full((1, 1), 3.0)])
    args = {"steps": 10, "max_rate": 0.1, "batch_size": 4, "progress": False}
    result = klr.find_learning_rate(model, x, x, **args)
    losses, rates, a, b = [], np.geomspace(1e-7, 0.1, 10), 2.0, 3.0
    for rate in rates:  # gradient descent for both weights, whose product is the loss
        losses.append(a * b)
        a, b = a - rate * b, b - rate * a
    np.testing.assert_allclose(result.to_frame().loss, losses, rtol=1e-5)
    with pytest.raises(ValueError, match=r"before the model is built: .*call `model.build`"):
        klr.find_learning_rate(chosen_by_a_function(0.1, input_first=False), x, x, **args)
