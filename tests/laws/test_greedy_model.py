"""`GreedyLearningRate` step by step against the paper's algorithm (`support/greedy_model.py`)."""

import collections
import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generated import examples
from support.greedy_model import GreedyModel
from support.training import Metric, Weight, assert_applied, drive, fit, model_with

import keras_lr as klr
from keras_lr.callbacks.greedy_rule import DOWN, STAY, UP, GreedyRule, GreedyState

RATE = 0.5
COUNTS = collections.Counter()
sequences = pytest.mark.xdist_group("greedy sequences")
"""One process runs them all, so that it counts them all."""


METRICS = st.one_of(
    *4 * [st.integers(-12, 12).map(lambda k: k / 4)],
    st.floats(-100.0, 100.0),
    st.sampled_from([math.nan, math.inf, -math.inf]),
)
RUNS = st.one_of(
    st.lists(METRICS, min_size=1, max_size=4),
    st.tuples(st.integers(2, 8), st.integers(-8, 8)).map(lambda run: [run[1] - number / 2 for number in range(run[0])]),
    st.tuples(st.integers(2, 8), st.integers(-8, 8)).map(lambda run: run[0] * [run[1]]),
)
SEQUENCES = st.lists(RUNS, min_size=2, max_size=8).map(lambda runs: [float(metric) for run in runs for metric in run])
OPTIONS = st.fixed_dictionaries(
    {
        "factor": st.sampled_from([0.5, 0.9, 0.95]),
        "patience": st.integers(0, 3),
        "mode": st.sampled_from(["min", "min", "max"]),
        "min_delta": st.sampled_from([0.0, 0.25, 1e-6]),
        "threshold_mode": st.sampled_from(["abs", "rel"]),
        "cooldown": st.sampled_from([0, 0, 1, 3]),
        "warmup": st.sampled_from([0, 0, 1, 3]),
        "min_lr": st.sampled_from([0.0, 0.3, RATE]),
        "max_lr": st.sampled_from([RATE, 0.8, 100.0]),
        "window": st.sampled_from([None, None, 1, 2, 4]),
        "reset_start": st.sampled_from([None, 1, 2]),
        "on_nan": st.sampled_from(["count", "ignore", "reduce", "stop"]),
    }
)
RULE = ("patience", "min_delta", "threshold_mode", "warmup", "cooldown", "window", "on_nan")


@pytest.mark.once
@sequences
@examples(200, 6000)
@given(OPTIONS, SEQUENCES)
def test_the_rule_by_itself(options, metrics):
    """The rule has no rate, so the bounds and the reset are left out."""
    rule = GreedyRule(options["mode"], **{name: options[name] for name in RULE})
    model, state = GreedyModel(**options | {"min_lr": 0.0, "max_lr": math.inf, "reset_start": None}), GreedyState()
    for metric in metrics:
        state, direction = rule.observe(state, metric)
        before = len(model.history)
        model.epoch(metric, RATE)
        change = model.history[-1].change if len(model.history) > before else ""
        assert direction == {"raise": UP, "reduce": DOWN, "": STAY}[change]
        COUNTS[direction] += 1


class Rates(keras.callbacks.Callback):
    """The rate when each epoch begins, and after the last one."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(klr.get_learning_rate(self.model))

    def on_train_end(self, logs=None):
        self.seen.append(klr.get_learning_rate(self.model))


def expected_rates(model, metrics):
    rates = [RATE]
    for metric in metrics:
        rates.append(model.epoch(metric, rates[-1]))
    return rates


# Another test checks the warning about a rate that starts at its bound.
@pytest.mark.once
@sequences
@pytest.mark.filterwarnings("ignore:GreedyLearningRate. the learning rate is not above")
@examples(40, 1500)
@given(st.booleans(), OPTIONS, SEQUENCES)
def test_the_rates_of_a_number_and_of_a_constant_schedule(is_schedule, options, metrics):
    """`drive` needs no compiled step."""
    if options["on_nan"] == "stop":
        options["on_nan"] = "count"
    model, callback = GreedyModel(**options), klr.GreedyLearningRate("metric", **options)
    net = model_with(klr.Constant(RATE) if is_schedule else RATE)
    drive(net, Metric(metrics), callback, rates := Rates(), epochs=len(metrics), batches=1)
    assert rates.seen == pytest.approx(expected_rates(model, metrics), rel=1e-5)
    state = callback.get_state()
    assert (state["n_raises"], state["n_reductions"]) == (model.raises, model.reductions)
    assert state["n_at_min"] == (model.at_bottom if options["reset_start"] else 0)
    COUNTS["resets"] += model.resets


@pytest.mark.once
@sequences
def test_the_generated_sequences_cover_enough():
    """This test runs after those with generated sequences."""
    if not COUNTS:
        pytest.skip("no sequences were generated in this process")
    assert min(COUNTS[UP], COUNTS[DOWN]) > 150
    assert COUNTS["resets"] > 3


FALLING_THEN_FLAT = [6.0, 5.0, 4.0, 3.0, *[3.0] * 8, 1.0, 0.5, 0.25]
QUICK = {"factor": 0.5, "patience": 1, "mode": "min", "min_lr": 0.2, "max_lr": 1.5}
COMMON = {"min_delta": 1e-6, "threshold_mode": "abs", "cooldown": 0, "warmup": 0, "window": None, "reset_start": None}


@pytest.mark.parametrize("rate", ["number", "constant"])
def test_a_training_applies_the_rates(rate):
    model = GreedyModel(**COMMON, **QUICK, on_nan="count")
    rates = expected_rates(model, FALLING_THEN_FLAT)[:-1]
    net = model_with(RATE if rate == "number" else klr.Constant(RATE))
    fit(net, weight := Weight(), Metric(FALLING_THEN_FLAT), klr.GreedyLearningRate("metric", **QUICK), epochs=15)
    assert_applied(weight, np.repeat(rates, 5))
    # The rate rises to `max_lr` and then falls to `min_lr`.
    assert (max(rates), min(rates)) == (1.5, 0.2)


def test_a_schedule_is_scaled_as_a_number_would_be():
    """Without bounds, the rates are those of the schedule times those of a number that starts at 1."""
    options = QUICK | {"min_lr": 0.0, "max_lr": 100.0}
    scales = np.array(expected_rates(GreedyModel(**COMMON, **options, on_nan="count"), FALLING_THEN_FLAT)[:-1]) / RATE
    line = klr.LinearDecay(RATE, 90)
    fit(net := model_with(line), weight := Weight(), Metric(FALLING_THEN_FLAT),
        klr.GreedyLearningRate("metric", **options), epochs=15)  # fmt: skip
    assert_applied(weight, np.repeat(scales, 5) * line.values(range(75)))
    source = net.optimizer._learning_rate
    assert isinstance(source, klr.Rescaled)
    assert source.schedule == line


def test_the_bounds_limit_only_the_scaling_of_a_schedule():
    """Computed by hand: a staircase that begins above `max_lr` and ends below `min_lr`."""
    stairs = klr.PiecewiseConstantDecay([9, 29, 44], [2.0, 1.0, 0.5, 0.1])
    callback = klr.GreedyLearningRate("metric", **QUICK | {"patience": 0})
    metrics = [*(9.0 - epoch for epoch in range(10)), *[5.0] * 5]
    fit(model_with(stairs), weight := Weight(), Metric(metrics), callback, epochs=15)
    # Ten epochs improve. At 2 the rate is above `max_lr` and not raised. On the stair at 1 it is raised to 1.5, and on the
    # stair at 0.5 to 1.5 again. On the last stair it is 3 · 0.1 and raised twice. Then it falls to `min_lr`, 0.2.
    rates = [2.0, 2.0, *[1.5] * 7, 0.6, 1.2, 0.6, 0.3, 0.2, 0.2]
    assert_applied(weight, np.repeat(rates, 5))
