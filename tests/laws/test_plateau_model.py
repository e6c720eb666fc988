"""`ReduceOnPlateau` against a model of its documentation, over generated sequences of epochs.

There are a few hundred sequences. `KERAS_LR_LONG=1` generates more than 10,000, new ones each time.
"""

import collections
import json
import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generated import LONG, examples
from support.plateau_model import PlateauModel
from support.training import Metric, Weight, assert_applied, fit, model_with

import keras_lr as klr
from keras_lr import ReduceOnPlateau
from keras_lr.callbacks.plateau_rule import PlateauRule, PlateauState

RATE = 0.5
FLOOR = 0.11
COUNTS = collections.Counter()


# Numbers with few binary digits, so that a metric can improve by exactly the threshold.
EXACT = st.integers(-12, 12).map(lambda k: k / 4)
METRICS = st.one_of(
    EXACT,
    st.floats(-100.0, 100.0),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.sampled_from([0.0, 1.0, 1e-5, -1e-5, 1e30]),
)
OPTIONS = st.fixed_dictionaries(
    {
        "factor": st.sampled_from([0.5, 0.1, 0.9]),
        "patience": st.integers(0, 4),
        "mode": st.sampled_from(["min", "max"]),
        "min_delta": st.sampled_from([0.0, 0.25, 0.5, 1e-4, 0.1]),
        "threshold_mode": st.sampled_from(["abs", "rel"]),
        "cooldown": st.sampled_from([0, 0, 1, 2, 3]),
        "min_lr": st.sampled_from([0.0, 0.0, FLOOR, RATE, 1.0]),
        "start_after": st.sampled_from([0, 0, 0, 1, 9, 10, 11]),
        "window": st.sampled_from([None, None, 1, 2, 3]),
        "on_nan": st.sampled_from(["count", "ignore", "reduce", "stop"]),
    }
)
EVENTS = st.one_of(
    *6 * [st.tuples(st.just("epoch"), METRICS)],
    st.tuples(st.just("plateau"), st.tuples(EXACT, st.integers(2, 7))),
    st.tuples(st.just("missing"), st.none()),
    st.tuples(st.just("fit"), st.none()),
    st.tuples(st.just("restore"), st.none()),
)
SCHEDULES = {
    "number": None,
    "constant": klr.Constant(RATE),
    "falling": klr.LinearDecay(RATE, 90),
    "stairs": klr.StepDecay(RATE, 15),
    "keras": keras.optimizers.schedules.PiecewiseConstantDecay([20, 50], [RATE, 0.2, 0.3]),
}
BATCHES = 5


class Driver:
    """The callback on a compiled model. Its hooks are called as `fit` calls them."""

    def __init__(self, rate, options):
        self.options = options
        self.model = model_with(RATE if rate is None else rate)
        self.model.optimizer.build(self.model.trainable_variables)
        self.step = 0
        self.callback = self.fresh()

    def fresh(self):
        return ReduceOnPlateau("metric", **self.options)

    def begin(self):
        self.callback.set_model(self.model)
        self.callback.set_params({"epochs": 99, "steps": BATCHES, "verbose": 0})
        self.model.stop_training = False
        self.callback.on_train_begin()

    def restore(self):
        """As in another process, give the state to a new callback as JSON."""
        state = json.loads(json.dumps(self.callback.get_state()))
        self.callback.on_train_end()
        self.callback = self.fresh()
        self.callback.set_state(state)
        self.begin()

    def epoch(self, number, metric):
        self.callback.on_epoch_begin(number)
        self.step += BATCHES
        self.model.optimizer._iterations.assign(self.step)
        self.callback.on_epoch_end(number, {} if metric is None else {"metric": metric})

    def rate(self):
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


def play(name, options, events):
    """Run callback and model side by side. They must agree after each epoch."""
    schedule = SCHEDULES[name]
    driver, model = Driver(schedule, options), PlateauModel(**options)
    number, expected = 0, RATE
    driver.begin()
    model.begin()
    for kind, value in events:
        if kind == "fit":
            driver.callback.on_train_end()
            driver.begin()
            model.begin()
            model.stopped = False
        elif kind == "restore":
            driver.restore()
            model.stopped = False
        metrics = {"epoch": [value], "missing": [None], "plateau": [value[0]] * value[1] if kind == "plateau" else []}
        for metric in metrics.get(kind, []):
            driver.epoch(number, metric)
            number += 1
            step = number * BATCHES
            base = None if schedule is None else float(keras.ops.convert_to_numpy(schedule(step)))
            if schedule is not None:
                expected = max(model.scale * base, min(base, model.min_lr))
            expected = model.epoch(metric, step, expected)
            if schedule is not None:
                expected = max(model.scale * base, min(base, model.min_lr))
            assert_agree(driver, model, expected)
    COUNTS["sequences"] += 1
    COUNTS["epochs"] += number
    COUNTS["reductions"] += model.reductions


def assert_agree(driver, model, rate):
    state = driver.callback.get_state()
    assert driver.rate() == pytest.approx(rate, rel=2e-6)
    assert state["n_reductions"] == model.reductions
    assert state["best"] == model.best()
    assert state["wait"] == model.bad_in_a_row()
    assert state["cooldown_counter"] == model.quiet_left()
    assert driver.model.stop_training == model.stopped


# Other tests check the warnings about a missing metric and about `min_lr`.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:ReduceOnPlateau")
@pytest.mark.xdist_group("sequences")
@examples(150, 6000)
@given(OPTIONS, st.lists(EVENTS, min_size=4, max_size=24))
def test_on_a_number(options, events):
    play("number", options, events)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:ReduceOnPlateau")
@pytest.mark.xdist_group("sequences")
@examples(150, 6000)
@given(st.sampled_from(sorted(set(SCHEDULES) - {"number"})), OPTIONS, st.lists(EVENTS, min_size=4, max_size=24))
def test_on_a_schedule(name, options, events):
    play(name, options, events)


RULE = ("patience", "min_delta", "threshold_mode", "cooldown", "window", "on_nan")


@pytest.mark.once
@examples(300, 6000)
@given(OPTIONS, st.lists(METRICS | EXACT, min_size=8, max_size=40))
def test_the_rule_by_itself(options, metrics):
    """The rule needs no Keras, no rate and no steps, so the sequences are longer."""
    rule = PlateauRule(options["mode"], **{name: options[name] for name in RULE})
    state, model = PlateauState(), PlateauModel(**options | {"min_lr": 0.0, "start_after": 0})
    for metric in metrics:
        state, due = rule.observe(state, metric)
        before = model.reductions
        model.epoch(metric, 1, RATE)
        assert due == (model.reductions > before)
        if due:
            state = rule.reduced(state)
        assert (state.best, state.wait, state.cooldown_counter) == (
            model.best(),
            model.bad_in_a_row(),
            model.quiet_left(),
        )


# Real trainings, compared with the model in the same way.

GOOD, BAD = 1.0, 2.0
LIVES = [
    ("reduces and cools down", {"patience": 2, "cooldown": 2}, [[GOOD, BAD, BAD, BAD, BAD, BAD, BAD, GOOD, 0.5, BAD]]),
    ("continues in a second fit", {"patience": 3, "mode": "max"}, [[BAD, GOOD], [GOOD, GOOD, GOOD], [GOOD, 3.0]]),
    ("ignores the warmup", {"patience": 2, "start_after": 10}, [[0.1, 0.2, GOOD, BAD, BAD, BAD, BAD]]),
    ("forgets a spike", {"patience": 2, "window": 2}, [[0.1, BAD, BAD, 1.5, 1.4, 1.5, 1.6, 1.7]]),
    ("receives a NaN", {"patience": 3, "on_nan": "reduce", "cooldown": 1}, [[GOOD, math.nan, math.nan, math.nan, 0.5]]),
    ("reaches min_lr", {"patience": 1, "min_lr": FLOOR}, [[GOOD, BAD, BAD, BAD, BAD]]),
]


@pytest.mark.few(8)
@pytest.mark.filterwarnings("ignore:ReduceOnPlateau")
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("options", "fits"), [life[1:] for life in LIVES], ids=[life[0] for life in LIVES])
@pytest.mark.parametrize("anew", [False, True], ids=["same callback", "state saved elsewhere"])
def test_trainings_apply_the_rates_of_the_model(name, options, fits, anew):
    """At each step the weight falls by the rate of the model, also after a new callback was given the state."""
    options = {
        "factor": 0.5, "mode": "min", "min_delta": 0.0, "threshold_mode": "abs", "cooldown": 0, "min_lr": 0.0,
        "start_after": 0, "window": None, "on_nan": "count",
    } | options  # fmt: skip
    schedule = SCHEDULES[name]
    document, callback, weight = PlateauModel(**options), ReduceOnPlateau("metric", **options), Weight()
    net = model_with(RATE if schedule is None else schedule)
    step, rate, rates = 0, RATE, []
    for metrics in fits:
        for metric in metrics:
            steps = np.arange(step, step := step + BATCHES)
            rates += applied(schedule, steps, rate, document).tolist()
            now = rate if schedule is None else float(applied(schedule, np.array([step]), rate, document)[0])
            rate = document.epoch(metric, step, now)
        if anew:
            callback, state = ReduceOnPlateau("metric", **options), callback.get_state()
            callback.set_state(json.loads(json.dumps(state)))
        fit(net, Metric(metrics), callback, weight, epochs=len(metrics), batches=BATCHES)
    assert_applied(weight, rates)
    assert callback.state.n_reductions == document.reductions > 0


def applied(schedule, steps, rate, document):
    """The rates at some steps, with the reductions so far."""
    if schedule is None:
        return np.full(len(steps), rate)
    base = np.array([float(keras.ops.convert_to_numpy(schedule(int(step)))) for step in steps])
    return np.maximum(document.scale * base, np.minimum(base, document.min_lr))


def test_a_state_saved_elsewhere_scales_the_schedule_of_a_new_model():
    """As documented for a state that you save yourself, with a new process, a new model and a new callback."""
    schedule, first = klr.LinearDecay(RATE, 90), ReduceOnPlateau("metric", 0.5, 2, mode="min")
    fit(model_with(schedule), Metric([GOOD, BAD, BAD]), first, epochs=3)
    second, weight = ReduceOnPlateau("metric", 0.5, 2, mode="min"), Weight()
    second.set_state(json.loads(json.dumps(first.get_state())))
    fit(model_with(schedule.from_step(15)), Metric([BAD, BAD, BAD]), second, weight, epochs=3)
    assert_applied(weight, schedule.values(range(15, 30)) * np.repeat([0.5, 0.5, 0.25], 5))
    assert second.get_state()["n_reductions"] == 2


@pytest.mark.slow
@pytest.mark.xdist_group("sequences")
def test_the_generated_sequences_cover_enough():
    """This test runs after those with generated sequences."""
    if not COUNTS:
        pytest.skip("no sequences were generated in this process")
    print(dict(COUNTS))
    assert COUNTS["reductions"] > COUNTS["sequences"] / 2
    assert COUNTS["sequences"] >= (10_000 if LONG else 250)
