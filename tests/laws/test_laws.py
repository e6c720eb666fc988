"""The laws that every schedule of the catalogue must obey."""

import copy
import dataclasses
import doctest
import functools
import importlib
import inspect
import json
import math
import pickle
import pkgutil

import keras
import numpy as np
import pandas as pd
import pytest
from support.backend import COUNTER, Together, compiled, counter, graph
from support.catalogue import ROWS

import keras_lr as klr
from keras_lr import schedules
from keras_lr.core import units
from keras_lr.core.curves import power
from keras_lr.core.fields import Rate, Steps
from keras_lr.core.frozen import declared_arguments

EVAL = {"keras": keras, **{name: getattr(klr, name) for name in klr.__all__}}
LAST = 2**31 - 2
FAR = [2**31, 2**33 + 5, 2**40]
NEAR = list(range(130))


RATES = {row.id: row.schedule.rate for row in ROWS}
CALLS = {row.id: row.schedule for row in ROWS}

MAPPED = {row.id: row.schedule for row in ROWS if keras.config.backend() == "jax" or not row.schedule.has_external}

laws = pytest.mark.xdist_group("laws")
"""One process for the laws that share a traced function."""


@functools.cache
def compiled_rates():
    return Together(RATES)


@functools.cache
def compiled_calls():
    return Together(CALLS)


@functools.cache
def calls_in_another_tracing():
    return Together(CALLS, graph)


@functools.cache
def mapped_calls():
    def mapped(function):
        return functools.partial(keras.ops.vectorized_map, function)

    each = {name: mapped(schedule) for name, schedule in MAPPED.items()}
    return Together(each if keras.config.backend() == "torch" else MAPPED, mapped)


@functools.cache
def calls_in(dtype):
    """Set `floatx`, which is a part of the trace."""
    return Together(CALLS, graph)


class HalfLife(klr.Schedule, package="my_tests"):
    """A user's schedule."""

    template = "{learning_rate}, halved every {half_life} steps"
    learning_rate: Rate
    half_life: Steps

    def rate(self, step):
        return self.learning_rate * power(0.5 ** (1 / self.half_life), step)


@pytest.fixture(params=ROWS, ids=lambda row: row.id)
def row(request):
    return request.param


@pytest.fixture
def schedule(row):
    return row.schedule


def grid():
    """Steps near 0, at powers of two, at the limit of exact float32 steps, and the last ones of an int32."""
    rng = np.random.default_rng(7)
    anywhere = (2 ** (rng.random(600) * 31)).astype(np.int64)
    special = [2**24 - 1, 2**24 + 1, 2**24 + 3, 2**30, LAST - 1, LAST]
    steps = np.unique(np.concatenate([np.arange(400), anywhere, special]))
    # Steps beyond an int32, where the counter can hold them.
    return np.append(steps, FAR) if COUNTER == "int64" else steps


def peak(schedule):
    return float(schedule.values(np.arange(400)).max())


def assert_close(got, want, top):
    """The accuracy that the package promises for float32: 2e-7 of the peak, and 2e-6 of values above a millionth of it."""
    got, want = np.asarray(got, np.float64), np.asarray(want)
    error = np.abs(got - want)
    assert np.all(np.isfinite(got))
    assert np.all(got >= 0)
    assert error.max() <= 2e-7 * top
    visible = want > 1e-6 * top
    assert np.all(error[visible] <= 2e-6 * want[visible])


# Values.


@pytest.mark.once
def test_host_values_equal_the_points_computed_by_hand(row):
    for step, rate in row.points.items():
        assert float(row.schedule.values(step)) == pytest.approx(rate, rel=1e-5, abs=1e-12), step


@pytest.mark.once
def test_host_values_equal_the_independent_formula(row):
    steps = np.array([*NEAR, 1000, 12_345, 2**24 + 3])
    expected = [row.oracle(int(step)) for step in steps]
    tolerance = 1e-6 if "Keras" in row.id else 1e-11
    top = max(expected)
    np.testing.assert_allclose(row.schedule.values(steps), expected, rtol=tolerance, atol=tolerance * 1e-2 * top)


@laws
def test_compiled_step_equals_host(row):
    steps = grid()
    got = keras.ops.convert_to_numpy(compiled_rates()(row.id, steps))
    assert got.dtype == np.float32
    assert_close(got, row.schedule.values(steps), peak(row.schedule))


@laws
def test_mapped_over_steps_equals_host(row):
    """`vectorized_map` gives each step of a batch to the schedule by itself."""
    if row.id not in MAPPED:
        pytest.skip("Keras's own conditions are not mapped there")
    steps = np.array([0, 3, 41, 99, 1000])
    got = keras.ops.convert_to_numpy(mapped_calls()(row.id, steps))
    assert_close(got, row.schedule.values(steps), peak(row.schedule))


@pytest.mark.slow
@laws
@pytest.mark.parametrize("step", [0, 7, 2**24 + 3, LAST])
def test_compiled_scalar_call_equals_host(row, step):
    got = compiled_calls()(row.id, step)
    assert tuple(got.shape) == ()
    assert_close(keras.ops.convert_to_numpy(got), row.schedule.values(step), peak(row.schedule))


@pytest.mark.slow
@laws
def test_other_tracing_equals_host(row):
    steps = np.array([0, 3, 41, 99])
    got = keras.ops.convert_to_numpy(calls_in_another_tracing()(row.id, steps))
    assert_close(got, row.schedule.values(steps), peak(row.schedule))


@pytest.mark.once
def test_vector_equals_scalars_in_any_order(schedule):
    steps = np.random.default_rng(3).permutation([*NEAR, 5000, 2**24 + 3, LAST])
    one_by_one = [float(schedule.values(int(step))) for step in steps]
    np.testing.assert_allclose(schedule.values(steps), one_by_one, rtol=1e-6 if "keras" in repr(schedule) else 0)


@pytest.mark.parametrize("shape", [(), (1,), (6,), (2, 3), (0,)])
def test_rates_have_the_shape_of_the_steps(schedule, shape):
    steps = np.arange(math.prod(shape)).reshape(shape)
    assert schedule.values(steps).shape == shape
    assert schedule.values(steps).dtype == np.float64
    assert tuple(schedule(counter(steps)).shape) == shape


def test_every_type_of_step_gives_the_same_rate(schedule):
    want = np.float32(schedule.values(17))
    kinds = [17, np.int64(17), np.int32(17), 17.0, np.array(17), counter(17), keras.ops.convert_to_tensor(17, "int32")]
    kinds.append(keras.Variable(17, dtype=COUNTER, trainable=False))
    for kind in kinds:
        rate = schedule(kind)
        assert keras.ops.is_tensor(rate)
        assert keras.backend.standardize_dtype(rate.dtype) == "float32"
        assert np.float32(keras.ops.convert_to_numpy(rate)) == want, kind


@pytest.mark.slow
@laws
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_floatx_rounds_only_the_result(row, floatx, dtype):
    schedule = row.schedule
    floatx(dtype)
    steps = np.array([257, 70_000, 2**24 + 1])
    want = keras.ops.cast(keras.ops.convert_to_tensor(schedule.values(steps), dtype="float32"), dtype)
    unit = {"float16": 2**-10, "bfloat16": 2**-7}[dtype]
    for got in (schedule(counter(steps)), calls_in(dtype)(row.id, steps)):
        assert keras.backend.standardize_dtype(got.dtype) == dtype
        a, b = (keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")) for x in (got, want))
        np.testing.assert_allclose(a, b, rtol=unit, atol=1e-7)


@pytest.mark.once
def test_far_steps_are_finite(schedule):
    """The compiled step gets the far steps that fit into a counter from `grid`."""
    assert np.all(np.isfinite(schedule.values(FAR)))
    assert np.all(schedule.values(FAR) >= 0)


@pytest.mark.once
@pytest.mark.parametrize(
    ("steps", "error"),
    [
        (-1, ValueError),
        (0.5, ValueError),
        ([3, -2], ValueError),
        (float("nan"), ValueError),
        ("7", TypeError),
        (None, TypeError),
    ],
)
def test_wrong_steps_are_refused(schedule, steps, error):
    with pytest.raises(error, match="`steps` must be whole numbers >= 0, got"):
        schedule.values(steps)


@pytest.mark.once
def test_after_the_end_the_rate_stays(schedule):
    if schedule.duration is None:
        return
    after = schedule.values([schedule.duration, schedule.duration + 1, schedule.duration + 5000, LAST])
    assert len(set(after.tolist())) == 1


# Value semantics.


@pytest.mark.once
def test_json_round_trip_gives_an_equal_schedule(schedule):
    config = json.loads(json.dumps(schedule.get_config()))
    again = type(schedule).from_config(config)
    assert again == schedule
    assert again.get_config() == schedule.get_config()


@pytest.mark.once
def test_keras_round_trip_gives_an_equal_schedule(schedule):
    text = json.dumps(keras.saving.serialize_keras_object(schedule))
    assert json.loads(text)["registered_name"] == f"keras_lr>{type(schedule).__name__}"
    assert keras.saving.deserialize_keras_object(json.loads(text)) == schedule


@pytest.mark.once
def test_repr_is_source(schedule):
    assert eval(repr(schedule), dict(EVAL)) == schedule


@pytest.mark.once
@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_are_equal(schedule, make):
    if make is not copy.copy and "keras.optimizers" in repr(schedule):
        assert make(schedule).get_config() == schedule.get_config()
    assert make(schedule) == schedule
    assert hash(make(schedule)) == hash(schedule)


@pytest.mark.once
def test_equality_is_by_class_and_arguments(row):
    for other in ROWS:
        assert (other.schedule == row.schedule) == (other is row)
    assert row.schedule != row.schedule.get_config()


@pytest.mark.once
def test_a_schedule_is_immutable(schedule):
    name = next(iter(dataclasses.fields(schedule))).name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(schedule, name, 0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(schedule, name)
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.anything = 1


@pytest.mark.once
def test_every_argument_is_in_the_config(schedule):
    assert list(inspect.signature(type(schedule)).parameters) == list(schedule.get_config())


@pytest.mark.once
def test_describe_is_one_sentence(schedule):
    text = schedule.describe()
    assert text.endswith(".")
    assert "\n" not in text
    assert "{" not in text
    assert len(text) > 10


@pytest.mark.once
def test_descriptions_differ():
    texts = [row.schedule.describe() for row in ROWS]
    assert len(set(texts)) >= len(texts) - 6


# Tables.


@pytest.mark.once
@pytest.mark.parametrize("steps", [[], range(5), [3, 7, 1]])
def test_frame(schedule, steps):
    frame = schedule.to_frame(steps)
    chosen = list(steps)
    expected = pd.DataFrame(
        {"step": np.array(chosen, np.int64), "learning_rate": schedule.values(np.array(chosen, int))}
    )
    pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.once
def test_plot_draws_the_values(schedule):
    from matplotlib import pyplot

    axes = schedule.plot(range(50))
    (drawn,) = axes.get_lines()
    np.testing.assert_array_equal(drawn.get_ydata(), schedule.values(np.arange(50)))
    assert schedule.plot([1, 2, 3], ax=axes) is axes
    assert len(axes.get_lines()) == 2
    pyplot.close(axes.figure)


# The whole catalogue and the whole package.


@pytest.mark.once
def test_every_exported_schedule_has_a_row():
    exported = {
        name
        for name in klr.__all__
        if inspect.isclass(getattr(klr, name)) and issubclass(getattr(klr, name), klr.Schedule) and name != "Schedule"
    }
    assert {type(row.schedule).__name__ for row in ROWS} == exported


@pytest.mark.once
def test_every_mode_has_a_row():
    for row in ROWS:
        for name, argument in declared_arguments(type(row.schedule)).items():
            for choice in getattr(argument.kind, "choices", ()):
                same = [r.schedule for r in ROWS if type(r.schedule) is type(row.schedule)]
                assert any(s.arguments()[name] == choice for s in same), (row.id, name, choice)


def modules():
    names = [f"keras_lr.schedules.{module.name}" for module in pkgutil.iter_modules(schedules.__path__)]
    return [importlib.import_module(name) for name in [*names, "keras_lr.core.algebra"]]


@pytest.mark.once
@pytest.mark.parametrize("module", [*modules(), units], ids=lambda module: module.__name__)
def test_docstring_examples(module):
    result = doctest.testmod(module, extraglobs=EVAL)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.once
def test_every_schedule_has_an_example_and_its_arguments_documented():
    for row in ROWS:
        text = type(row.schedule).__doc__
        assert ">>>" in text, row.id
        for name in declared_arguments(type(row.schedule)):
            assert f"{name}:" in text, (row.id, name)


def test_a_users_schedule_has_all_features():
    mine = HalfLife(0.4, 10)
    assert mine.values([0, 10, 20]).tolist() == pytest.approx([0.4, 0.2, 0.1])
    config = keras.saving.serialize_keras_object(mine)
    assert config["registered_name"] == "my_tests>HalfLife"
    assert keras.saving.deserialize_keras_object(config) == mine
    assert repr(mine) == "HalfLife(0.4, 10)"
    assert mine.describe() == "0.4, halved every 10 steps."
    got = keras.ops.convert_to_numpy(compiled(mine.rate)(counter(grid())))
    assert_close(got, mine.values(grid()), 0.4)
    with pytest.raises(ValueError, match=r"^HalfLife: `half_life` must be a number of steps in \[1, 2\*\*31\), got 0$"):
        HalfLife(0.4, 0)


@pytest.mark.once
def test_a_schedule_class_is_final():
    with pytest.raises(TypeError, match="a schedule class is final, so StepDecay cannot be subclassed"):

        class Mine(klr.StepDecay):
            pass


@pytest.mark.once
def test_a_field_needs_a_kind():
    with pytest.raises(TypeError, match="annotate `rate_` with a type of `keras_lr.custom`"):

        class Mine(klr.Schedule):
            rate_: float


@pytest.mark.once
def test_a_schedule_without_a_formula_raises():
    class Empty(klr.Schedule):
        learning_rate: Rate

    with pytest.raises(NotImplementedError, match=r"Empty must define `rate\(self, step\)`"):
        Empty(0.1).values(0)
    with pytest.raises(TypeError, match="Schedule is the base class"):
        klr.Schedule()


@pytest.mark.once
def test_numpy_numbers_become_python_numbers():
    schedule = klr.StepDecay(np.float32(0.5), np.int32(7), np.float64(0.25))
    assert [type(value) for value in schedule.get_config().values()] == [float, int, float]
    assert schedule == klr.StepDecay(0.5, 7, 0.25)
    assert klr.LinearDecay(1, 7).get_config()["initial_learning_rate"] == 1.0
    assert type(klr.LinearDecay(1, 7).initial_learning_rate) is float
    assert klr.LinearDecay(0.1, 1000.0).decay_steps == 1000


@pytest.mark.once
def test_a_warmup_reaches_the_first_rate_of_a_cosine():
    schedule = klr.Warmup(klr.CosineDecay(0.4, 50), 9)
    assert float(schedule.values(9)) == float(klr.CosineDecay(0.4, 50).values(0))
    assert abs(np.diff(schedule.values(np.arange(60)))).max() <= 0.4 / 9 + 1e-12
    assert np.array_equal(klr.Warmup(klr.CosineDecay(0.4, 50), 0).values(NEAR), klr.CosineDecay(0.4, 50).values(NEAR))


@pytest.mark.parametrize(("first", "t_mul"), [(10, 2.0), (7, 1.5), (100, 1.003), (3, 1.0), (50, 0.999)])
def test_each_of_1000_restarts_is_exact(first, t_mul):
    schedule = klr.CosineDecayRestarts(0.5, first, t_mul)
    total, starts = float(first), []
    for cycle in range(1, 1001):
        start = math.floor(math.fsum(first * t_mul**i for i in range(cycle)) + 0.5) if cycle < 1200 else total
        if start > LAST:
            break
        starts.append(start)
    starts = np.unique(starts)
    got = keras.ops.convert_to_numpy(compiled(schedule.rate)(counter(starts)))
    assert len(starts) >= 20
    np.testing.assert_array_equal(got, np.float32(0.5))
    before = keras.ops.convert_to_numpy(compiled(schedule.rate)(counter(starts - 1)))
    assert np.all(before < 0.5)
