"""Laws over randomly composed schedules: any class in any other, with units, operators and Keras's schedules.

The suite draws a few schedules, always the same. `KERAS_LR_LONG=1` draws thousands of new ones each time.
"""

import copy
import json
import pickle

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from support.backend import compiled, counter, graph
from support.generated import examples
from support.joints import JOINTS
from support.leaves import LEAVES
from support.pen import LAST, Training
from support.strategies import TRAININGS, schedules
from support.training import model_with

import keras_lr as klr
from keras_lr.core.algebra import rebound
from keras_lr.core.inner import values_of

EVAL = {"keras": keras, **{name: getattr(klr, name) for name in klr.__all__}}


LARGE = HealthCheck.data_too_large, HealthCheck.large_base_example
on_host = examples(120, 5000, *LARGE, on_host=True)
in_a_trace = examples(40, 1500, *LARGE)
in_a_file = examples(25, 500, *LARGE)


def assert_same_values(a, b, made):
    assert_same(a.values(made.steps()), b.values(made.steps()), made)


def assert_same(a, b, made):
    """Compare bit by bit, except where Keras's schedules return slightly different values for arrays and scalars."""
    if made.exact:
        np.testing.assert_array_equal(a, b)
    else:
        np.testing.assert_allclose(a, b, rtol=1e-6 * made.blur, atol=2e-7 * made.blur * made.size)


# Values.


@on_host
@given(schedules())
def test_values_are_those_of_the_parts(made):
    steps = made.steps()
    got, want = made.bound.values(steps), np.array([made.at(int(step)) for step in steps])
    known = ~np.isnan(want)
    assert known[:40].all()
    tolerance = 1e-11 if made.exact else 1e-6 * made.blur
    np.testing.assert_allclose(got[known], want[known], rtol=tolerance, atol=tolerance * made.size)
    event(f"depth {made.depth()}")


@on_host
@given(schedules(), st.lists(st.integers(0, LAST), min_size=8, max_size=40))
def test_rates_are_bounded_at_any_step(made, anywhere):
    for steps in (made.steps(), np.array(anywhere)):
        rates = made.bound.values(steps)
        assert np.all(np.isfinite(rates))
        assert np.all(rates >= 0.0)
        assert rates.max() <= made.top * (1 + (1e-12 if made.exact else 1e-6 * made.blur))


@on_host
@given(schedules(), st.lists(st.integers(0, LAST), min_size=8, max_size=40))
def test_past_the_end_the_rate_stays(made, anywhere):
    schedule = made.bound
    assert made.length is None or schedule.duration == made.length
    if schedule.duration is None or schedule.duration > LAST or not made.flat:
        return
    after = schedule.values(
        np.clip([schedule.duration, schedule.duration + 1, LAST, *anywhere], schedule.duration, LAST)
    )
    assert len(set(after.tolist())) == 1


@on_host
@given(schedules(), st.lists(st.integers(0, LAST), min_size=2, max_size=40))
def test_decays_never_rise(made, anywhere):
    assume(made.falls)
    for steps in (made.steps(), np.sort(anywhere)):
        assert np.all(np.diff(made.bound.values(steps)) <= 1e-12 * made.size)


@pytest.mark.slow
@in_a_trace
@given(schedules())
def test_compiled_equals_host(made):
    """Steps are an array, or scalars where Keras's schedules do not accept arrays."""
    schedule, steps = made.bound, made.steps()
    if not made.vector:
        steps = steps[:: len(steps) // 12]
    want = schedule.values(steps)
    for way in {compiled, graph}:
        traced = way(schedule.rate)
        if made.vector:
            got = keras.ops.convert_to_numpy(traced(counter(steps)))
        else:
            got = np.array([keras.ops.convert_to_numpy(traced(counter(int(step)))) for step in steps])
        assert got.dtype == np.float32
        assert_close(got.astype(np.float64), want, made)


@pytest.mark.slow
@in_a_trace
@given(schedules(), st.integers(0, LAST))
def test_a_call_equals_host(made, step):
    schedule = made.bound
    for call in (schedule, compiled(schedule)):
        got = call(counter(step))
        assert tuple(got.shape) == ()
        assert_close(np.float64(keras.ops.convert_to_numpy(got)), schedule.values(step), made)


def assert_close(got, want, made):
    """Allow for float32: 2e-7 of the magnitude for each rounding, and 2e-6 of values above a millionth of it."""
    error = np.abs(got - want)
    assert np.all(np.isfinite(got))
    assert np.all(got >= 0.0)
    assert np.all(error <= 2e-7 * made.blur * made.size)
    if made.relative:
        assert np.all(error <= np.where(want > 1e-6 * made.size, 2e-6 * made.blur * want, np.inf))


# Value semantics.


@on_host
@given(schedules())
def test_round_trips_give_an_equal_schedule(made):
    schedule = made.schedule
    config = json.loads(json.dumps(schedule.get_config()))
    serialized = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    copies = [
        type(schedule).from_config(config),
        keras.saving.deserialize_keras_object(serialized),
        eval(repr(schedule), dict(EVAL)),
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
        copy.copy(schedule),
        made.make(None),
    ]
    for again in copies:
        assert again == schedule
        assert hash(again) == hash(schedule)
        assert repr(again) == repr(schedule)
        assert again.is_bound == schedule.is_bound
    assert_same_values(
        copies[1].bind(steps_per_epoch=made.training.steps_per_epoch, epochs=made.training.epochs), made.bound, made
    )


@in_a_file
@given(made=schedules())
def test_a_keras_file_gives_an_equal_schedule(made, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "composed.keras"
    for schedule in (made.schedule, made.bound):
        model_with(schedule).save(path)
        again = keras.saving.load_model(path).optimizer._learning_rate
        assert again == schedule
        assert repr(again) == repr(schedule)


@on_host
@given(schedules(), schedules())
def test_schedules_are_equal_if_their_class_and_repr_are(a, b):
    alike = type(a.schedule) is type(b.schedule) and repr(a.schedule) == repr(b.schedule)
    assert (a.schedule == b.schedule) == alike
    assert (a.schedule != b.schedule) == (not alike)
    assert not alike or hash(a.schedule) == hash(b.schedule)
    assert a.schedule in {b.schedule: 0, a.schedule: 1}


@on_host
@given(schedules(), st.data())
def test_another_number_is_another_schedule(made, data):
    """Two schedules that differ in one argument are not equal."""
    schedule = made.schedule
    config = schedule.get_config()
    name = data.draw(st.sampled_from([name for name, value in config.items() if type(value) in (int, float)] or [None]))
    assume(name is not None)
    value = config[name]
    changed = value + 1 if type(value) is int else value / 2 if value else None
    try:
        other = type(schedule).from_config(config | {name: changed})
    except (TypeError, ValueError):
        assume(False)
    assert other != schedule
    assert repr(other) != repr(schedule)


# Units.


@on_host
@given(schedules())
def test_a_bound_schedule_is_the_one_written_in_steps(made):
    assert_same_values(made.bound, made.plain, made)
    assert made.bound.duration == made.plain.duration
    assert made.plain.is_bound


@on_host
@given(schedules(), TRAININGS)
def test_binding_to_other_numbers(made, other):
    plain, refused = attempt(lambda: made.make(other))
    bound, refused_too = attempt(lambda: bind(made.schedule, other))
    assert refused == refused_too
    if plain is not None:
        assert_same_values(bound, plain, made)


def attempt(make):
    """The schedule and None, or None and the start of the error, which names class and argument."""
    try:
        return make(), None
    except ValueError as refused:
        return None, str(refused).split(" must be")[0]


def bind(schedule, training: Training):
    return schedule.bind(steps_per_epoch=training.steps_per_epoch, epochs=training.epochs)


@pytest.mark.slow
@on_host
@given(schedules())
def test_binding_and_serializing_in_either_order(made):
    def again(schedule):
        return keras.saving.deserialize_keras_object(
            json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
        )

    assert again(made.bound) == bind(again(made.schedule), made.training)
    assert bind(made.bound, Training(3, 3)) == made.bound
    anew = values_of(rebound(made.bound, made.training.steps_per_epoch, made.training.epochs), made.steps())
    assert_same(anew, made.bound.values(made.steps()), made)


def test_binding_again_reaches_inner_bound_parts():
    """This includes a `Bound` in a `Bound`, and one around a schedule of Keras, which has no units."""
    numbers = {"steps_per_epoch": 5, "epochs": 4}
    inner = klr.LinearDecay(0.2, klr.epochs(2))
    whole = klr.Warmup(inner.bind(**numbers), klr.epochs(1)).bind(**numbers)
    anew = rebound(whole, 10, 4)
    assert whole.values([0, 5, 15]).tolist() == [0.0, 0.2, 0.0]
    assert (
        anew.values([0, 10, 30]).tolist()
        == klr.Warmup(inner, klr.epochs(1)).bind(steps_per_epoch=10, epochs=4).values([0, 10, 30]).tolist()
    )
    assert anew.values(15) == pytest.approx(0.15)
    theirs = keras.optimizers.schedules.ExponentialDecay(0.2, 10, 0.5)
    assert rebound(klr.PerUpdate(klr.Bound(theirs, 5, 4), 2), 10, 4).values(40) == pytest.approx(0.05)


@on_host
@given(schedules())
def test_unbound_schedules_raise(made):
    if made.schedule.is_bound:
        assert made.bound == made.schedule
        return
    for use in (lambda s: s.values(0), lambda s: s(0), lambda s: s.duration):
        with pytest.raises(ValueError, match="is not bound to a training"):
            use(made.schedule)


# Operators.


@on_host
@given(schedules(depth=3), schedules(depth=3), schedules(depth=3))
def test_operators_are_associative(a, b, c):
    x, y, z = a.schedule, b.schedule, c.schedule
    assert (x + y) + z == x + (y + z)
    assert (x * y) * z == x * (y * z)
    assert 2 * (x * y) == (2 * x) * y == x * (2 * y)
    x, y = (s.cooldown(30, 7, 0.1) for s in (x, y))
    assert (x >> y) >> z == x >> (y >> z)


@pytest.mark.slow
@on_host
@given(schedules(depth=3), schedules(depth=3))
def test_sums_and_products_commute(a, b):
    steps = np.union1d(a.steps(), b.steps())
    x, y = a.bound, b.bound
    np.testing.assert_allclose((x + y).values(steps), (y + x).values(steps), rtol=1e-12)
    np.testing.assert_allclose((x * y).values(steps), (y * x).values(steps), rtol=1e-12)
    np.testing.assert_allclose((x / 4).values(steps), x.values(steps) / 4, rtol=1e-12)


def test_a_sum_ends_with_its_longest_part():
    a, b = klr.LinearDecay(0.2, 30), klr.LinearDecay(0.1, 70)
    assert (a + b).duration == (b + a).duration == (a * b + 0.1).duration == 70
    assert (a + klr.StepDecay(0.1, 5)).duration is None


SHIFTS = st.one_of(st.integers(-90, 90), st.integers(-LAST, LAST))


@pytest.mark.slow
@on_host
@given(schedules(depth=3), SHIFTS, SHIFTS)
def test_from_step_of_from_step(made, m, n):
    schedule, steps = made.bound, made.steps()
    once, twice = schedule.from_step(m), schedule.from_step(m).from_step(n)
    assert_same(once.values(steps), schedule.values(np.clip(steps + m, 0, LAST)), made)
    # An int32 counter stops at its last step. Two shifts reach it sooner than one shift by their sum.
    steps = steps[steps <= LAST - max(n, 0)]
    assert_same(twice.values(steps), once.values(np.maximum(steps + n, 0)), made)


# Joins.


@on_host
@given(
    schedules(depth=3), st.integers(1, 120), st.floats(0.01, 1.0), st.sampled_from(["linear", "cosine", "exponential"])
)
def test_a_warmup_joins_without_a_jump(made, steps, start, shape):
    inner = made.bound
    rates = klr.Warmup(inner, steps, start, shape).values(np.arange(steps + 30))
    first = inner.values(np.arange(30))
    assert_same(rates[steps:], first, made)
    rise = np.diff(rates[: steps + 1])
    assert np.all(rise >= -1e-12 * made.size)
    assert rates[0] == pytest.approx(start * first[0], rel=1e-12)
    # A cosine is steepest in its middle, and equal factors at their last step.
    steepest = {"linear": 1.0, "cosine": np.pi / 2, "exponential": -np.log(start)}[shape] / steps
    assert (
        rise.max()
        <= first[0] * steepest * (1 - start if shape != "exponential" else 1) * (1 + 1e-9) + 1e-12 * made.size
    )


@on_host
@given(
    schedules(depth=3),
    st.integers(0, 90),
    st.integers(1, 90),
    st.floats(0.0, 10.0),
    st.sampled_from(["linear", "cosine", "sqrt", "exponential"]),
)
def test_a_cooldown_joins_without_a_jump(made, start, steps, end, shape):
    inner = made.bound
    rates = inner.cooldown(start, steps, end, shape).values(np.arange(start + steps + 9))
    assert_same(rates[:start], inner.values(np.arange(start)), made)
    assert rates[start] == pytest.approx(inner.values(start), rel=1e-12, abs=0 if made.exact else 1e-6 * made.size)
    assert np.all(rates[start + steps :] == end)
    course = np.diff(rates[start : start + steps + 1])
    assert np.all(course <= 1e-9 * end + 1e-12) if end <= rates[start] else np.all(course >= -1e-12 * end)


@on_host
@given(schedules(depth=3), schedules(depth=3))
def test_a_chain_of_matching_ends_has_no_jump(a, b):
    """`a` is cooled down to the first rate of `b`."""
    after = b.bound
    first = float(after.values(0))
    chain = a.bound.cooldown(17, 10, first) >> after
    rates = chain.values(np.arange(17, 60))
    assert_same(rates[10:], after.values(np.arange(33)), b)
    assert abs(rates[10] - rates[9]) <= abs(rates[0] - first) / 10 * (1 + 1e-9) + 1e-12 * first


# The strategies themselves.


@pytest.mark.once
def test_every_class_is_composed():
    exported = {getattr(klr, name) for name in klr.__all__ if isinstance(getattr(klr, name), type)}
    exported = {cls for cls in exported if issubclass(cls, klr.Schedule) and cls is not klr.Schedule}
    assert set(LEAVES) | set(JOINTS) == exported


@pytest.mark.once
def test_the_strategies_cover_everything():
    """They draw every class, Keras's schedules, each depth, units, and schedules with and without an end."""
    seen = set()

    @settings(max_examples=400, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(schedules())
    def draw(made):
        seen.update(
            made.classes(),
            {made.depth(), ("bound", made.schedule.is_bound), ("ends", made.length is not None), ("falls", made.falls)},
        )

    draw()
    names = {cls.__name__ for cls in (*LEAVES, *JOINTS)}
    theirs = {"ExponentialDecay", "InverseTimeDecay", "CosineDecay", "CosineDecayRestarts", "PiecewiseConstantDecay"}
    facts = {(name, is_so) for name in ("ends", "falls", "bound") for is_so in (True, False)}
    assert names | theirs | facts | {1, 2, 3, 4, 5} <= seen
