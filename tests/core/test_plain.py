"""Arguments accept numbers of NumPy, tensors of any framework and variables, and refuse other values."""

import fractions
import json
import sys

import keras
import numpy as np
import pytest
from support.backend import BACKEND
from support.needs import needs
from support.training import model_with

import keras_lr as klr
import keras_lr.tuning
from keras_lr import epochs, fraction


def of_tensorflow(number):
    import tensorflow as tf

    return tf.constant(number, dtype="int64" if isinstance(number, int) else "float32")


def of_torch(number):
    import torch

    return torch.tensor(number)


def of_jax(number):
    import jax.numpy as jnp

    return jnp.asarray(number)


def variable(number):
    return keras.Variable(number, dtype="int32" if isinstance(number, int) else "float32", trainable=False)


KINDS = {
    "np.int64": lambda number: np.asarray(number)[()],
    "np.array": np.array,
    "np.float32": np.float32,
    "backend": keras.ops.convert_to_tensor,
    "keras.Variable": variable,
    "tensorflow": of_tensorflow,
    "torch": of_torch,
    "jax": of_jax,
}


@pytest.fixture(
    params=[pytest.param(kind, marks=needs(kind)) if kind in ("tensorflow", "torch", "jax") else kind for kind in KINDS]
)
def kind(request):
    return KINDS[request.param]


PLACES = {
    "steps": (lambda n: klr.CosineDecay(0.1, n(90)), lambda: klr.CosineDecay(0.1, 90)),
    "rounded steps": (lambda n: klr.Warmup(0.1, n(90)), lambda: klr.Warmup(0.1, 90)),
    "a rate": (lambda n: klr.Constant(n(0.1)), lambda: klr.Constant(0.1)),
    "a rate as a schedule": (lambda n: klr.Warmup(n(0.3), 5), lambda: klr.Warmup(0.3, 5)),
    "a factor": (lambda n: klr.StepDecay(0.1, 9, n(0.7)), lambda: klr.StepDecay(0.1, 9, 0.7)),
    "a boundary": (
        lambda n: klr.PiecewiseConstantDecay([n(3), n(9)], [n(0.3), n(0.2), 0.1]),
        lambda: klr.PiecewiseConstantDecay([3, 9], [0.3, 0.2, 0.1]),
    ),
    "a count": (lambda n: klr.PerUpdate(0.1, n(4)), lambda: klr.PerUpdate(0.1, 4)),
    "epochs": (lambda n: klr.LinearDecay(0.1, epochs(n(3))), lambda: klr.LinearDecay(0.1, epochs(3))),
    "fraction": (lambda n: klr.LinearDecay(0.1, fraction(n(0.3))), lambda: klr.LinearDecay(0.1, fraction(0.3))),
    "bind": (
        lambda n: klr.LinearDecay(0.1, epochs(2)).bind(steps_per_epoch=n(7), epochs=n(3)),
        lambda: klr.LinearDecay(0.1, epochs(2)).bind(steps_per_epoch=7, epochs=3),
    ),
    "from_step": (lambda n: klr.StepDecay(0.1, 9).from_step(n(4)), lambda: klr.StepDecay(0.1, 9).from_step(4)),
    "clip": (lambda n: klr.StepDecay(0.1, 9).clip(n(0.02)), lambda: klr.StepDecay(0.1, 9).clip(0.02)),
    "*": (lambda n: klr.StepDecay(0.1, 9) * n(0.3), lambda: klr.StepDecay(0.1, 9) * 0.3),
    "/": (lambda n: klr.StepDecay(0.1, 9) / n(4), lambda: klr.StepDecay(0.1, 9) / 4),
    "+": (lambda n: klr.StepDecay(0.1, 9) + n(0.3), lambda: klr.StepDecay(0.1, 9) + 0.3),
    ">>": (lambda n: klr.LinearDecay(0.1, 9) >> n(0.3), lambda: klr.LinearDecay(0.1, 9) >> 0.3),
    "from_endpoints": (
        lambda n: klr.ExponentialDecay.from_endpoints(n(0.4), n(0.1), n(90)),
        lambda: klr.ExponentialDecay.from_endpoints(0.4, 0.1, 90),
    ),
    "scaled": (lambda n: klr.scaled(0.1, n(64), n(16)), lambda: klr.scaled(0.1, 64, 16)),
    "from_function": (lambda n: klr.from_function(lambda t: n(0.1), n(3)), lambda: klr.Tabulated([0.1, 0.1, 0.1])),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_form_of_a_number_is_accepted(kind, place):
    """It becomes a Python number. So config, repr and equality are those of a plain number."""
    make, plain = PLACES[place]
    made = make(kind)
    assert made == plain()
    assert repr(made) == repr(plain())
    assert json.loads(json.dumps(made.get_config())) == json.loads(json.dumps(plain().get_config()))


@pytest.mark.parametrize(
    "of",
    [
        np.array,
        keras.ops.convert_to_tensor,
        pytest.param(of_torch, marks=needs("torch")),
        pytest.param(of_jax, marks=needs("jax")),
    ],
)
def test_arrays_and_tensors_are_accepted_as_sequences(of):
    boundaries, rates = of([3, 9]), of(np.array([0.3, 0.2, 0.1], "float32"))
    assert klr.PiecewiseConstantDecay(boundaries, rates) == klr.PiecewiseConstantDecay([3, 9], [0.3, 0.2, 0.1])
    assert klr.MultiStepDecay(0.1, of([3, 9])) == klr.MultiStepDecay(0.1, [3, 9])
    assert klr.Sequential([0.1, 0.2, 0.3], of([3, 9])) == klr.Sequential([0.1, 0.2, 0.3], [3, 9])


@pytest.mark.once
@needs("tensorflow")
def test_what_published_scripts_write():
    import tensorflow as tf

    dataset = tf.data.Dataset.range(1000).batch(32)
    steps = dataset.cardinality() * 30
    assert klr.CosineDecay(0.1, steps) == klr.CosineDecay(0.1, 960)
    assert klr.CosineDecay(0.1, tf.cast(steps, "float32") * 0.9) == klr.CosineDecay(0.1, 864)
    assert klr.ExponentialDecay(0.016, 2.4 * np.float32(313), 0.97).decay_steps == pytest.approx(751.2)


@pytest.mark.once
@needs("tensorflow")
@pytest.mark.parametrize("times", [1, 10])
def test_an_unknown_cardinality_is_refused_with_a_hint(times):
    import tensorflow as tf

    for dataset in (tf.data.Dataset.range(9).repeat(), tf.data.Dataset.range(9).filter(lambda x: x > 3)):
        for steps in (dataset.cardinality() * times, (dataset.cardinality() * times).numpy()):
            with pytest.raises(
                ValueError, match=r"`decay_steps` must be .* \(`cardinality\(\)` is -1 for an endless data set "
            ):
                klr.CosineDecay(0.1, steps)


def test_callbacks_and_functions_accept_every_form_of_a_number(kind):
    plateau = klr.ReduceOnPlateau("loss", kind(0.3), kind(4), min_lr=kind(0.02), window=kind(3), every=kind(7))
    assert (plateau.factor, plateau.patience, plateau.min_lr, plateau.window, plateau.every) == (0.3, 4, 0.02, 3, 7)
    assert klr.BindSchedule(steps_per_epoch=kind(7)).steps_per_epoch == 7
    assert klr.steps_per_epoch(kind(100), kind(32)) == 4
    model = model_with(0.1)
    klr.set_learning_rate(model, kind(0.3))
    klr.set_step(model, kind(7))
    assert klr.get_learning_rate(model) == pytest.approx(0.3)
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 7
    klr.set_step(model, epoch=kind(2), steps_per_epoch=kind(5))
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 10


@pytest.mark.once
def test_tuning_and_comparing_accept_arrays():
    from keras_lr.tools.comparison.compare import trials_of

    class Tuner:
        def Choice(self, name, choices):  # noqa: N802
            return choices[0]

        def Float(self, name, low, high, sampling):  # noqa: N802
            return low

    tensor = np.array
    made = keras_lr.tuning.schedule(Tuner(), total_steps=tensor(100), peak=(tensor(0.01), tensor(0.1)))
    assert made == keras_lr.tuning.schedule(Tuner(), total_steps=100, peak=(0.01, 0.1))
    trials = trials_of({"a": klr.Constant(0.5)}, [0], [np.array(0.25), np.float32(0.1)])
    assert [trial.peak for trial in trials] == [0.25, 0.1]


@pytest.mark.skipif(BACKEND == "torch", reason="torch runs eagerly, and its tensors are numbers")
def test_a_tensor_that_is_traced_is_refused():
    seen = []

    def traced(steps):
        with pytest.raises(TypeError) as refused:
            klr.CosineDecay(0.1, steps)
        seen.append(str(refused.value))
        return steps

    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.function(traced)(tf.constant(9))
    else:
        import jax

        jax.jit(traced)(9)
    sentence = (
        "CosineDecay: `decay_steps` must be a number of steps in [1, 2**31) (this tensor is symbolic or traced and "
    )
    assert seen[0].startswith(sentence)


@pytest.mark.parametrize("place", PLACES)
def test_symbolic_tensors_are_refused(place):
    make, _ = PLACES[place]
    with pytest.raises(
        TypeError, match=r"symbolic or traced|a number( or a learning-rate schedule)? \(for the rate at a step"
    ):
        make(lambda number: keras.KerasTensor(()))


@pytest.mark.parametrize("of", [np.array, keras.ops.convert_to_tensor])
def test_an_array_of_one_number_is_not_a_number(of):
    """Keras accepts it, and returns rates of that shape."""
    array = of(np.array([9], "int32"))
    with pytest.raises(TypeError, match=r"`decay_steps` must be .* \(this is an array of shape \(1,\): .*`value\[0\]`"):
        klr.CosineDecay(0.1, array)
    assert klr.CosineDecay(0.1, array[0]) == klr.CosineDecay(0.1, 9)
    keras_rate = keras.optimizers.schedules.ExponentialDecay(0.1, np.array([9.0], "float32"), 0.5)(3)
    assert tuple(keras_rate.shape) == (1,)


@pytest.mark.once
@pytest.mark.parametrize(
    "value", [np.array(True), np.array("9"), np.array(None), np.array(9j), np.datetime64("2020"), b"9", [9], {9}, "9"]
)
def test_other_things_are_refused(value):
    for make in (lambda v: klr.CosineDecay(0.1, v), klr.Constant, lambda v: klr.PerUpdate(0.1, v)):
        with pytest.raises(TypeError):
            make(value)


@pytest.mark.once
def test_counts_are_whole():
    for number in (4.5, fractions.Fraction(10**20 + 1, 10**17), np.float32(4.5)):
        with pytest.raises(ValueError, match="`accumulation_steps` must be a whole number"):
            klr.PerUpdate(0.1, number)
    assert klr.PerUpdate(0.1, np.float32(4.0)) == klr.PerUpdate(0.1, 4)


@pytest.mark.once
def test_a_framework_that_is_not_loaded_is_not_used():
    before = set(sys.modules)
    klr.CosineDecay(0.1, np.array(9))
    assert not {"torch", "jax", "tensorflow"} & (set(sys.modules) - before)
