"""Durations can be added, subtracted and multiplied. The result is checked when a schedule is bound."""

import math
from fractions import Fraction

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.training import fit, model_with

import keras_lr as klr
from keras_lr import CosineDecay, LinearDecay, Warmup, epochs, fraction, samples

SUMS = [
    fraction(1.0) - 10_000,
    epochs(90) - epochs(5),
    2 * epochs(3),
    epochs(3) * 2,
    epochs(3) / 2,
    epochs(2) + fraction(0.5) + 7,
    fraction(0.75) + fraction(0.75),
    0.5 * (fraction(1.0) - epochs(1)),
    12_000 - epochs(3),
    epochs(2) - epochs(2),
    samples(50_000),
    2 * samples(0.25) + 3,
    fraction(1.0) - samples(1_000),
    samples(640) + epochs(1) + fraction(0.5) + 7,
]


@pytest.mark.once
@pytest.mark.parametrize("duration", SUMS, ids=repr)
def test_the_repr_evaluates_to_an_equal_duration(duration):
    assert eval(repr(duration)) == duration
    schedule = LinearDecay(0.1, duration) if repr(duration) != "epochs(0)" else Warmup(0.1, duration)
    assert eval(repr(schedule), vars(klr)) == schedule
    assert type(schedule).from_config(schedule.get_config()) == schedule
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert again == schedule


@pytest.mark.once
@given(
    st.lists(st.tuples(st.sampled_from("efsn"), st.integers(-40, 40)), min_size=1, max_size=4),
    st.integers(1, 50),
    st.integers(1, 9),
    st.sampled_from([1, 2, 32, 512]),
)
def test_the_steps_equal_exact_sums(terms, steps_per_epoch, whole, size):
    """Terms are halves of epochs, fractions, steps and samples. Batch sizes are powers of 2, so floats are exact."""
    total, exact = epochs(1000), Fraction(1000 * steps_per_epoch)
    for unit, halves in terms:
        amount = Fraction(halves, 2)
        steps = {"e": steps_per_epoch, "f": steps_per_epoch * whole, "s": 1, "n": Fraction(1, size)}[unit]
        half = {"e": epochs(0.5), "f": fraction(0.5), "s": 0.5, "n": samples(0.5)}[unit]
        term = abs(halves) * half
        total, exact = (total + term if halves >= 0 else total - term), exact + amount * steps
    assert total.steps(steps_per_epoch, whole, size) == math.floor(exact + Fraction(1, 2))


@pytest.mark.once
def test_durations_are_added_subtracted_and_multiplied():
    assert epochs(90) - epochs(5) == epochs(85)
    assert 2 * epochs(3) == epochs(6)
    assert epochs(3) - epochs(3) + 100 == 100
    bound = LinearDecay(0.1, fraction(1.0) - 10).bind(steps_per_epoch=100, epochs=3)
    assert bound.duration == 290


@pytest.mark.once
def test_the_result_is_checked_when_it_is_bound():
    schedule = LinearDecay(0.1, fraction(1.0) - 1000)
    assert not schedule.is_bound
    with pytest.raises(ValueError, match=r"LinearDecay: `decay_steps` must be .*, got -990"):
        schedule.bind(steps_per_epoch=5, epochs=2)


@pytest.mark.once
@pytest.mark.parametrize(
    "wrong", [lambda: epochs(3) - epochs(5), lambda: -1 * epochs(1), lambda: epochs(1) - epochs(2) - 5]
)
def test_negative_durations_are_refused_at_once(wrong):
    with pytest.raises(ValueError, match="a duration must be at least 0, got -"):
        wrong()


@pytest.mark.once
@pytest.mark.parametrize("other", ["3", None, True, math.nan, [1]], ids=repr)
def test_other_types_are_left_to_python(other):
    for operation in (lambda a, b: a + b, lambda a, b: b - a, lambda a, b: a * b):
        with pytest.raises(TypeError):
            operation(epochs(1), other)


@pytest.mark.once
@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (fraction(1.0) - 10_000, "100 % of the training less 10,000 steps"),
        (epochs(2) + fraction(0.5) + 1, "2 epochs and 50 % of the training and 1 step"),
        (fraction(0.75) * 2, "150 % of the training"),
        (samples(1_281_167), "1,281,167 samples"),
        (samples(1), "1 sample"),
        (fraction(1.0) - samples(500), "100 % of the training less 500 samples"),
    ],
    ids=repr,
)
def test_describe_names_a_sum_of_durations(duration, text):
    assert LinearDecay(0.1, duration).describe() == f"A straight line from 0.1 to 0 over {text}."


@pytest.mark.once
@pytest.mark.parametrize("wrong", [{"epochs": "1", "only_steps": 2}, {"epochs": math.inf, "only_steps": 2}])
def test_a_damaged_config_is_refused(wrong):
    config = LinearDecay(0.1, epochs(1)).get_config() | {"decay_steps": wrong}
    with pytest.raises((TypeError, ValueError), match="`epochs` must be a finite number"):
        LinearDecay.from_config(config)


def test_a_warmup_in_steps_and_a_cosine_to_the_end_of_fit(tmp_path):
    schedule = Warmup(CosineDecay(0.1, fraction(1.0) - 3), 3)
    model = model_with(schedule)
    fit(model, klr.BindSchedule(), log := klr.LearningRateLogger(), epochs=4)
    np.testing.assert_allclose(
        log.to_frame().learning_rate, Warmup(CosineDecay(0.1, 17), 3).values(range(20)), rtol=1e-6
    )
    model.save(tmp_path / "model.keras")
    source = keras.models.load_model(tmp_path / "model.keras").optimizer._learning_rate
    assert source == schedule.bind(steps_per_epoch=5, epochs=4)
