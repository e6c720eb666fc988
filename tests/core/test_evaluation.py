"""A caller cannot change cached rates, and they never become stale. Also: steps under transformations of torch."""

import keras
import numpy as np
import pytest
from support.backend import BACKEND, COUNTER
from support.training import model_with

import keras_lr as klr
from keras_lr.core.fields import Rate

LINE = klr.LinearDecay(1.0, 10)
on_torch = pytest.mark.skipif(BACKEND != "torch", reason="of torch's tensors, which can be written to")


def number(rate):
    return float(keras.ops.convert_to_numpy(rate))


def fit_once(model):
    """How far the weight of `model_with` moves in one batch."""
    before = model.get_weights()[0].ravel()[0]
    model.fit(np.ones((1, 1)), np.ones((1, 1)), batch_size=1, verbose=0)
    return float(before - model.get_weights()[0].ravel()[0])


@pytest.mark.parametrize("schedule", [LINE, klr.Warmup(keras.optimizers.schedules.ExponentialDecay(0.5, 9, 0.5), 4)])
def test_a_rate_that_is_written_to_changes_nothing_else(schedule):
    step = keras.Variable(3, dtype=COUNTER, trainable=False)
    first = schedule(step)
    if BACKEND == "torch":
        first *= 0.5
        first.data.fill_(7.0)
    for again in (schedule(step), schedule(3), schedule(keras.ops.convert_to_tensor(3))):
        assert number(again) == pytest.approx(float(schedule.values(3)), rel=1e-6)


@on_torch
def test_writing_to_a_rate_does_not_change_the_next_update():
    model = model_with(LINE)
    fit_once(model)
    rate = model.optimizer.learning_rate
    rate *= 0.5
    assert klr.get_learning_rate(model) == pytest.approx(0.9)
    assert number(model.optimizer.learning_rate) == pytest.approx(0.9)


def test_rates_of_an_array_belong_to_the_caller():
    kept = np.arange(5) / 10

    class Kept(klr.Schedule):
        """A formula that returns an array and keeps it."""

        learning_rate: Rate

        def rate(self, step):
            return kept

    schedule = Kept(0.1)
    values = schedule.values(np.arange(5))
    values[:] = 9.0
    assert schedule.values(np.arange(5)).tolist() == [0.0, 0.1, 0.2, 0.3, 0.4]
    table = klr.Tabulated([0.3, 0.2])
    table.values([0, 1])[:] = 9.0
    frame = table.to_frame([0, 1])
    frame.loc[:, "learning_rate"] = 9.0
    assert table.values([0, 1]).tolist() == [0.3, 0.2]


def test_changing_an_array_of_steps_later_has_no_effect():
    steps = np.array([1, 2])
    frame = LINE.to_frame(steps)
    steps[:] = 7
    assert frame.step.tolist() == [1, 2]
    assert number(LINE(np.array(4))) == pytest.approx(0.6)


@on_torch
def test_a_step_that_shares_memory_with_an_array_is_read_again():
    import torch

    array = np.array(5)
    shared = torch.from_numpy(array)
    assert number(LINE(shared)) == pytest.approx(0.5)
    array[...] = 8
    assert number(LINE(shared)) == pytest.approx(0.2)
    shared.data.fill_(3)
    assert number(LINE(shared)) == pytest.approx(0.7)
    step = keras.Variable(5, dtype=COUNTER, trainable=False)
    assert number(LINE(step)) == pytest.approx(0.5)
    step.value.detach().numpy()[...] = 8
    assert number(LINE(step)) == pytest.approx(0.2)


@on_torch
def test_a_rate_read_in_inference_mode_can_be_used_afterwards():
    import torch

    step = torch.tensor(3)
    with torch.inference_mode():
        LINE(step)
        inside = torch.tensor(3)
        assert number(LINE(inside)) == pytest.approx(0.7)
        inside += 2
        assert number(LINE(inside)) == pytest.approx(0.5)
    weight = torch.tensor(2.0, requires_grad=True)
    (LINE(step) * weight).backward()
    assert float(weight.grad) == pytest.approx(0.7)


def test_a_rate_has_the_current_floatx(floatx):
    step = keras.Variable(3, dtype=COUNTER, trainable=False)
    for dtype in ("float32", "float16", "float32"):
        floatx(dtype)
        assert keras.backend.standardize_dtype(LINE(step).dtype) == dtype


JOINED = klr.Warmup(klr.Sequential([klr.CosineDecay(0.1, 40), klr.StepDecay(0.05, 7.3, 0.5)], [50]), 3)


@on_torch
@pytest.mark.filterwarnings("ignore")  # torch.jit.trace is deprecated, and warns about constants
def test_transformations_of_torch():
    """Each of them must see the formula and not a number, because a trace is used for other steps too."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    steps = torch.arange(90)
    want = JOINED.values(np.arange(90))
    tolerance = {"rtol": 2e-6, "atol": 2e-8}
    np.testing.assert_allclose(torch.func.vmap(JOINED)(steps).numpy(), want, **tolerance)
    traced = [
        torch.jit.trace(lambda step: JOINED(step), (torch.tensor(3),)),
        make_fx(JOINED)(torch.tensor(3)),
        torch.compile(JOINED, backend="eager"),
        torch.func.functionalize(JOINED),
    ]
    for function in traced:
        np.testing.assert_allclose([float(function(step)) for step in steps[::9]], want[::9], **tolerance)
    slope = torch.func.grad(lambda weight: weight * JOINED(torch.tensor(20)))(torch.tensor(2.0))
    assert float(slope) == pytest.approx(want[20], rel=2e-6)
    value, tangent = torch.func.jvp(lambda w: w * JOINED(torch.tensor(20)), (torch.tensor(2.0),), (torch.tensor(1.0),))
    assert (float(value), float(tangent)) == pytest.approx((2 * want[20], want[20]), rel=2e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of TensorFlow's graphs")
def test_python_within_a_graph_may_write_to_the_counter():
    import tensorflow as tf

    counter = tf.Variable(1, dtype="int64")

    def move():
        counter.assign(6)

    @tf.function
    def rates():
        first = LINE(counter)
        # TensorFlow cannot see that the Python function writes to the counter, so the order must be given.
        with tf.control_dependencies([first]):
            moved = tf.py_function(move, [], [])
        with tf.control_dependencies([moved]):
            return first, LINE(counter)

    assert [number(rate) for rate in rates()] == pytest.approx([0.9, 0.4])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "uint8"])
def test_steps_may_have_other_dtypes(dtype):
    assert number(LINE(keras.ops.convert_to_tensor(4, dtype=dtype))) == pytest.approx(0.6)


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), 0.5])
def test_the_error_names_the_wrong_step(wrong):
    dtype = "int32" if isinstance(wrong, int) else "float32"
    tensor = keras.ops.convert_to_tensor(wrong, dtype=dtype)
    variable = keras.Variable(wrong, dtype=dtype, trainable=False)
    for step in (wrong, np.array(wrong), tensor, variable):
        with pytest.raises(ValueError) as refused:  # noqa: PT011  the sentence is compared
            LINE(step)
        sentence = f"LinearDecay: `step` must be a whole number >= 0, or an array of them, got {wrong}"
        assert str(refused.value) == sentence
    many = [3, wrong, 4]
    for use, name in ((LINE, "`step`"), (LINE.values, "`steps`"), (LINE.to_frame, "`steps`")):
        with pytest.raises(ValueError, match=rf"^LinearDecay: {name} must be .*, got {wrong} in \[3, {wrong}, 4\]$"):
            use(many)
