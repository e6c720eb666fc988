"""`Scheduled` keeps what was set on an optimizer before, and goes through files, copies and processes with it."""

import copy
import functools
import json
import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from backend import BACKEND

import keras_lr as klr
from keras_lr import Scheduled, scheduled

STEPS = 4
KERNEL, BIAS = [[0.5], [-1.0], [0.25]], [2.0]
RNG = np.random.default_rng(5)
GRADIENTS = [(RNG.normal(size=(3, 1)).astype("float32"), RNG.normal(size=1).astype("float32")) for _ in range(STEPS)]
NO_GRADIENTS = [(np.zeros((3, 1), "float32"), np.zeros(1, "float32"))] * STEPS
KINDS = list(scheduled.OWN)


class Unregistered(keras.optimizers.schedules.LearningRateSchedule):
    """A user's schedule that cannot be saved."""

    def __call__(self, step):
        return 0.5 / (keras.ops.cast(step, "float32") + 1.0)


@keras.saving.register_keras_serializable("tests")
def half():
    return 0.5


def nothing(y, prediction):
    """A loss whose gradient is 0."""
    return 0.0 * keras.ops.sum(prediction, axis=-1)


keras.saving.register_keras_serializable("tests")(nothing)


def variables():
    return [keras.Variable(KERNEL, name="kernel"), keras.Variable(BIAS, name="bias")]


def applied(optimizer, weights, gradients=GRADIENTS):
    """The weights after some steps."""
    for pair in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in pair], weights)
    return [keras.ops.convert_to_numpy(weight) for weight in weights]


def numbers(optimizer):
    return [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]


def attribute(**values):
    def change(optimizer, weights):
        for name, value in values.items():
            setattr(optimizer, name, value)

    return change


SET_BEFORE = {
    "exclusions by name": lambda optimizer, weights: optimizer.exclude_from_weight_decay(var_names=["bias"]),
    "exclusions by variable": lambda optimizer, weights: optimizer.exclude_from_weight_decay(var_list=[weights[1]]),
    "both exclusions": lambda optimizer, weights: optimizer.exclude_from_weight_decay([weights[1]], ["none"]),
    "the counter": lambda optimizer, weights: optimizer.iterations.assign(7),
    "another number as rate": attribute(learning_rate=0.5),
    "a schedule as rate": attribute(learning_rate=klr.LinearDecay(0.5, 9)),
    "a schedule that cannot be saved": attribute(learning_rate=Unregistered()),
    "a function as rate": attribute(learning_rate=lambda: 0.5),
    "a weight decay": attribute(weight_decay=0.9),
    "none, which the constructor refuses": attribute(weight_decay=None),
    "clipping": attribute(clipvalue=0.01),
    "two kinds of clipping": attribute(clipnorm=0.01, clipvalue=0.5),
    "an epsilon": attribute(epsilon=0.5),
    "amsgrad": attribute(amsgrad=True, beta_2=0.1),
    "accumulation": attribute(gradient_accumulation_steps=2),
    "an average": attribute(use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
    "a loss scale": attribute(loss_scale_factor=4.0, epsilon=0.5),
}


@pytest.mark.parametrize("name", SET_BEFORE)
def test_what_was_set_before_is_kept(name):
    def trained(change, wrap):
        weights, optimizer = variables(), keras.optimizers.AdamW(0.1, weight_decay=0.3)
        change(optimizer, weights)
        made = Scheduled(optimizer, beta_1=klr.Constant(0.9)) if wrap else optimizer
        return [*applied(made, weights), *numbers(made)]

    expected, unset = trained(SET_BEFORE[name], False), trained(lambda *_: None, False)
    for mine, theirs in zip(trained(SET_BEFORE[name], True), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert any(not np.array_equal(a, b) for a, b in zip(expected[:2], unset[:2], strict=True))


def prepared(kind, weights):
    """A stock optimizer with one of everything set on it after it was made."""
    optimizer = getattr(keras.optimizers, kind)(0.1, weight_decay=0.3, use_ema=True, name="mine")
    attribute(ema_momentum=0.4, ema_overwrite_frequency=3, clipvalue=0.8, learning_rate=0.25)(optimizer, weights)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.iterations.assign(7)
    optimizer.note, optimizer.notes = "of the user", ["a"]
    return optimizer


@pytest.mark.parametrize("kind", KINDS)
def test_every_stock_optimizer_keeps_everything(kind):
    weights, others = variables(), variables()
    stock = prepared(kind, weights)
    before = copy.copy(vars(stock))
    mine = Scheduled(stock, weight_decay=klr.Constant(0.3))
    assert vars(stock) == before
    assert (mine.name, mine.note, mine.notes) == ("mine", "of the user", ["a"])
    mine.notes.append("b")
    assert stock.notes == ["a"]
    for a, b in zip(applied(mine, others), applied(stock, weights), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(numbers(mine), numbers(stock), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(keras.ops.convert_to_numpy(mine.iterations)) == 7 + STEPS


ARGUMENTS = {
    "exclude_layers": ["a"],
    "gradient_accumulation_steps": 2,
    "ema_overwrite_frequency": 3,
    "name": "mine",
    "ns_steps": 3,
    "learning_rate_power": -0.25,
    "beta_2_decay": -0.7,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_argument_of_every_stock_optimizer(kind):
    stock = getattr(keras.optimizers, kind)
    defaults = stock(0.1).get_config()
    for name in ("learning_rate", "clipnorm", "global_clipnorm"):
        del defaults[name]
    values = {
        name: (not default) if isinstance(default, bool) else ARGUMENTS.get(name, 0.125)
        for name, default in defaults.items()
    }
    assert all(values[name] != default for name, default in defaults.items())
    made = stock(0.1, **values)
    assert Scheduled(made, clipnorm=0.5).get_config()["optimizer"]["config"] == made.get_config()


def model_with(optimizer, loss=nothing):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="line")])
    model.set_weights([np.asarray(KERNEL), np.asarray(BIAS)])
    model.compile(optimizer, loss=loss)
    return model


def fit(model, steps=STEPS):
    model.fit(np.ones((steps, 3)), np.zeros((steps, 1)), batch_size=1, verbose=0)
    return model


def by_name(optimizer, model=None):
    optimizer.exclude_from_weight_decay(var_names=["bias"])


def by_variable(optimizer, model=None):
    optimizer.exclude_from_weight_decay(var_list=[model.layers[0].bias])


def decaying(exclude, where="before", **options):
    """A compiled model whose optimizer decays the kernel by 1 % a step, and not the bias."""
    model = model_with(None)
    stock = keras.optimizers.AdamW(0.1, weight_decay=0.1)
    if where == "before":
        exclude(stock, model)
    optimizer = Scheduled(stock, beta_1=klr.LinearDecay(0.9, 9), **options)
    if where == "after":
        exclude(optimizer, model)
    model.compile(optimizer, loss=nothing)
    return model


def assert_decayed(model, steps, factor=0.99):
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, np.asarray(KERNEL) * factor**steps, rtol=1e-5)
    np.testing.assert_array_equal(bias, BIAS)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("exclude", [by_name, by_variable])
def test_an_excluded_bias_stays_in_the_first_and_the_second_fit(exclude, where):
    model = fit(decaying(exclude, where))
    assert_decayed(model, STEPS)
    assert_decayed(fit(model), 2 * STEPS)


def test_excluded_from_an_independent_weight_decay():
    assert_decayed(fit(decaying(by_name, independent_weight_decay=True)), STEPS, 0.9)


def test_excluded_under_momentum_correction():
    stock = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)
    by_name(stock)
    assert_decayed(fit(model_with(Scheduled(stock, momentum_correction=True))), STEPS)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Ftrl"])  # it moves weights without a gradient
def test_everything_excluded(kind):
    """Keras's own AdamW fails on torch then."""
    stock = getattr(keras.optimizers, kind)(0.0, weight_decay=0.5)
    stock.exclude_from_weight_decay(var_names=["kernel", "bias"])
    optimizer = Scheduled(stock, weight_decay=0.5, independent_weight_decay=True)
    kernel, bias = applied(optimizer, variables(), NO_GRADIENTS)
    np.testing.assert_array_equal(kernel, np.asarray(KERNEL, "float32"))
    np.testing.assert_array_equal(bias, BIAS)


def saved_and_loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


def cloned(model, folder):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def pickled(model, folder):
    return pickle.loads(pickle.dumps(model))


def of_the_same_optimizer(change):
    def copied(model, folder):
        return model_with_weights(model, change(model.optimizer))

    return copied


def model_with_weights(model, optimizer):
    again = model_with(optimizer)
    again.set_weights(model.get_weights())
    return again


COPIES = {
    "saved": saved_and_loaded,
    "clone_model": cloned,
    "a pickled model": pickled,
    "deepcopy of a model": lambda model, folder: copy.deepcopy(model),
    "config": of_the_same_optimizer(lambda optimizer: type(optimizer).from_config(optimizer.get_config())),
    "JSON": of_the_same_optimizer(
        lambda optimizer: keras.optimizers.deserialize(json.loads(json.dumps(keras.optimizers.serialize(optimizer))))
    ),
    "deepcopy": of_the_same_optimizer(copy.deepcopy),
    "pickle": of_the_same_optimizer(lambda optimizer: pickle.loads(pickle.dumps(optimizer))),
    "twice": of_the_same_optimizer(lambda optimizer: copy.deepcopy(copy.deepcopy(optimizer))),
}


@pytest.mark.filterwarnings("ignore:Skipping variable loading")
@pytest.mark.parametrize("exclude", [by_name, by_variable])
@pytest.mark.parametrize("name", COPIES)
def test_exclusions_go_with_copies(name, exclude, tmp_path):
    model = fit(decaying(exclude))
    again = COPIES[name](model, tmp_path)
    assert type(again.optimizer) is type(model.optimizer)
    assert again.optimizer is not model.optimizer
    assert_decayed(fit(again), 2 * STEPS)


def test_keras_itself_forgets_exclusions_in_a_file(tmp_path):
    """As docs/momentum_and_weight_decay.md says. If this fails, Keras keeps them, and so need not we."""
    stock = keras.optimizers.AdamW(0.1, weight_decay=0.1)
    by_name(stock)
    again = saved_and_loaded(fit(model_with(stock)), tmp_path)
    assert fit(again).get_weights()[1] == pytest.approx(BIAS[0] * 0.99**STEPS)


@pytest.mark.filterwarnings("ignore:Skipping variable loading")
def test_exclusions_are_replaced_by_later_ones():
    model = fit(decaying(by_variable))
    again = copy.deepcopy(model.optimizer)
    again.exclude_from_weight_decay(var_names=["kernel"])
    model = fit(model_with_weights(model, again))
    np.testing.assert_allclose(model.get_weights()[0], np.asarray(KERNEL) * 0.99**STEPS, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[1], np.asarray(BIAS) * 0.99**STEPS, rtol=1e-5)


def test_excluded_variables_of_an_optimizer_that_is_not_built_cannot_be_saved(tmp_path):
    model = decaying(by_variable)
    message = "Scheduled: `var_list` of `exclude_from_weight_decay` .1 variables. cannot be saved or copied before "
    for copied in (copy.deepcopy, pickle.dumps, lambda optimizer: model.save(tmp_path / "model.keras")):
        with pytest.raises(ValueError, match=message):
            copied(model.optimizer)
    model.optimizer.build(model.trainable_variables)
    assert_decayed(fit(saved_and_loaded(model, tmp_path)), STEPS)


@pytest.mark.filterwarnings("ignore:Skipping variable loading")
def test_excluded_variables_are_those_of_a_model_of_the_same_size():
    optimizer = copy.deepcopy(fit(decaying(by_variable)).optimizer)
    with pytest.raises(ValueError, match="Scheduled: `variables` must be 2, some of which are excluded .*, got 1"):
        optimizer.build(variables()[:1])


EXCLUDED = {"pattern": None, "variables": [1], "of": 2}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {**EXCLUDED, "more": 1},
        {**EXCLUDED, "pattern": 3},
        {**EXCLUDED, "pattern": "("},
        {**EXCLUDED, "variables": 1},
        {**EXCLUDED, "variables": ["1"]},
        {**EXCLUDED, "variables": [True]},
        {**EXCLUDED, "variables": [2]},
        {**EXCLUDED, "variables": [-1]},
        {**EXCLUDED, "of": 1.5},
    ],
)
def test_a_config_with_wrong_exclusions(wrong):
    config = Scheduled(keras.optimizers.SGD(0.1), momentum=0.9).get_config()
    assert "excluded_from_weight_decay" not in config
    Scheduled.from_config({**config, "excluded_from_weight_decay": EXCLUDED})
    with pytest.raises((TypeError, ValueError), match="Scheduled: `excluded_from_weight_decay` must be a dict of"):
        Scheduled.from_config({**config, "excluded_from_weight_decay": wrong})


# Changes of the result.


@pytest.mark.parametrize("outer", ["LossScaleOptimizer", "MultiOptimizer"])
def test_inside_another_optimizer(outer, tmp_path):
    inner = decaying(by_name).optimizer
    if outer == "LossScaleOptimizer":
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0)
    else:
        optimizer = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(inner), loss_scale_factor=4.0)
    model = saved_and_loaded(fit(model_with(optimizer)), tmp_path)
    assert_decayed(fit(model), 2 * STEPS)
    inner = model.optimizer.inner_optimizer if outer == "LossScaleOptimizer" else model.optimizer.optimizers[0]
    assert inner.loss_scale_factor == (None if outer == "LossScaleOptimizer" else 4.0)


def test_what_is_assigned_to_the_result_is_saved():
    optimizer = Scheduled(keras.optimizers.SGD(0.1, clipnorm=1.0), momentum=0.9)
    optimizer.clipnorm, optimizer.weight_decay, optimizer.learning_rate = 0.5, 0.25, 0.75
    again = copy.deepcopy(optimizer)
    rate = float(keras.ops.convert_to_numpy(again.learning_rate))
    assert (again.clipnorm, again.weight_decay, rate) == (0.5, 0.25, 0.75)


def test_a_rate_that_was_set_is_saved(tmp_path):
    model = fit(model_with(Scheduled(keras.optimizers.SGD(0.1), momentum=0.9)))
    klr.set_learning_rate(model, 0.25)
    assert klr.get_learning_rate(saved_and_loaded(model, tmp_path)) == 0.25
    klr.set_learning_rate(model, klr.LinearDecay(0.5, 2 * STEPS))
    again = saved_and_loaded(model, tmp_path)
    assert again.optimizer._learning_rate == klr.LinearDecay(0.5, 2 * STEPS)
    assert klr.get_learning_rate(again) == pytest.approx(0.25)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="Keras has no `stateless_apply` on TensorFlow")
def test_stateless_apply():
    weights, others = variables(), variables()
    stock = prepared("AdamW", weights)
    mine = Scheduled(stock, beta_1=klr.LinearDecay(0.9, 20))
    mine.build(weights)
    state = [weight.value for weight in weights], [variable.value for variable in mine.variables]
    for pair in GRADIENTS:
        state = mine.stateless_apply(state[1], [keras.ops.convert_to_tensor(gradient) for gradient in pair], state[0])
    expected = applied(Scheduled(stock, beta_1=klr.LinearDecay(0.9, 20)), others)
    for a, b in zip(state[0], expected, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(a), b, rtol=1e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="distribution strategies are TensorFlow's")
def test_the_distribution_strategy_is_kept():
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with strategy.scope():
        stock = prepared("SGD", None)
    optimizer = Scheduled(stock, momentum=0.9)
    assert optimizer._distribution_strategy is strategy
    assert "MirroredVariable" in type(optimizer._iterations.value).__name__
    assert float(keras.ops.convert_to_numpy(optimizer.get_config()["optimizer"]["config"]["learning_rate"])) == 0.25
    with strategy.scope():
        model = model_with(optimizer)
    assert_decayed(fit(model), STEPS, 1 - 0.25 * 0.3)


# A function as rate.


@pytest.mark.parametrize("rate", [lambda: 0.5, half, functools.partial(float, 0.5)])
def test_a_function_as_rate_trains(rate):
    def moved(rate):
        optimizer = Scheduled(keras.optimizers.SGD(learning_rate=rate), momentum=klr.LinearDecay(0.9, 9))
        return applied(optimizer, variables())

    for a, b in zip(moved(rate), moved(0.5), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    optimizer = Scheduled(keras.optimizers.SGD(learning_rate=rate, weight_decay=0.2), momentum=0.9)
    log = klr.LearningRateLogger(audit=False)
    model = model_with(optimizer)
    model.fit(np.ones((2, 3)), np.zeros((2, 1)), batch_size=1, verbose=0, callbacks=[log])
    assert log.to_frame()["learning_rate"].tolist() == [0.5, 0.5]


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_a_function_as_rate_in_a_file(tmp_path):
    def model(rate):
        return fit(model_with(Scheduled(keras.optimizers.SGD(learning_rate=rate), momentum=0.9)))

    assert saved_and_loaded(model(half), tmp_path).optimizer._learning_rate is half
    with pytest.raises(ValueError, match="deserialization of a Python lambda"):
        saved_and_loaded(model(lambda: 0.5), tmp_path)
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=False)
    assert again.optimizer._learning_rate() == 0.5
    with pytest.raises(TypeError, match="Scheduled: `learning_rate` must be a number, a schedule or a function that "):
        saved_and_loaded(model(functools.partial(float, 0.5)), tmp_path)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("rate", [0.25, klr.LinearDecay(0.5, 9), half, lambda: 0.5])
def test_it_is_pickled_with_every_rate(rate):
    optimizer = Scheduled(keras.optimizers.SGD(learning_rate=rate), momentum=0.9)
    again = pickle.loads(pickle.dumps(optimizer))
    for a, b in zip(applied(again, variables()), applied(optimizer, variables()), strict=True):
        np.testing.assert_array_equal(a, b)


# Other processes.


@pytest.mark.filterwarnings("ignore:Skipping variable loading")
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_keeps_what_the_stock_optimizer_keeps(kind, copied):
    """Before and after training; Keras leaves out the slots, and builds the copy anew."""

    def kept(optimizer):
        return {
            "built": optimizer.built,
            "name": optimizer.name,
            "variables": [float(value) for value in numbers(optimizer)],
        }

    stock = getattr(keras.optimizers, kind)(0.1, weight_decay=0.3, name="mine")
    mine = Scheduled(stock, weight_decay=klr.Constant(0.3))
    assert type(mine) is vars(scheduled)[f"Scheduled{kind}"]
    for _ in range(2):
        again = copied(mine)
        assert kept(again) == kept(copied(stock))
        assert type(again) is type(mine)
        assert again.get_config() == mine.get_config()
        for a, b in zip(applied(again, variables()), applied(copied(stock), variables()), strict=True):
            np.testing.assert_array_equal(a, b)
        applied(stock, variables_of(stock))
        applied(mine, variables_of(mine))


def variables_of(optimizer):
    return optimizer._trainable_variables or variables()


def test_another_process_reads_pickles(tmp_path):
    model = fit(decaying(by_name))
    (tmp_path / "pickles").write_bytes(pickle.dumps([decaying(by_name).optimizer, model.optimizer, model]))
    code = (
        "import pickle, sys, warnings, numpy as np\n"
        "warnings.simplefilter('ignore')\n"
        "import keras\n"
        "@keras.saving.register_keras_serializable('tests')\n"
        "def nothing(y, prediction):\n"
        "    return 0.0 * keras.ops.sum(prediction, axis=-1)\n"
        f"fresh, trained, model = pickle.load(open({str(tmp_path / 'pickles')!r}, 'rb'))\n"
        "print(type(fresh).__name__, type(trained).__name__, fresh.hyperparameters, trained.hyperparameters)\n"
        "gradients = [keras.ops.zeros(weight.shape) for weight in model.trainable_variables]\n"
        "model.optimizer.apply(gradients, model.trainable_variables)\n"
        "print(model.get_weights()[1].tolist(), int(model.optimizer.iterations))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ.copy()
    )
    assert done.returncode == 0, done.stderr
    schedule = {"beta_1": klr.LinearDecay(0.9, 9)}
    assert done.stdout.strip().splitlines()[-2:] == [
        f"ScheduledAdamW ScheduledAdamW {schedule!r} {schedule!r}",
        f"{BIAS} {STEPS + 1}",
    ]


OLD = {
    "module": "keras_lr.scheduled",
    "class_name": "Scheduled",
    "registered_name": "keras_lr>Scheduled",
    "config": {
        "optimizer": {
            "module": "keras.optimizers",
            "class_name": "SGD",
            "registered_name": None,
            "config": {
                "name": "mine",
                "learning_rate": {
                    "module": "keras_lr.schedules.decay",
                    "class_name": "LinearDecay",
                    "config": {"initial_learning_rate": 0.1, "decay_steps": 9, "end_learning_rate": 0.0},
                    "registered_name": "keras_lr>LinearDecay",
                },
                "weight_decay": None,
                "clipnorm": None,
                "global_clipnorm": None,
                "clipvalue": None,
                "use_ema": False,
                "ema_momentum": 0.99,
                "ema_overwrite_frequency": None,
                "loss_scale_factor": None,
                "gradient_accumulation_steps": None,
                "momentum": 0.0,
                "nesterov": True,
            },
        },
        "hyperparameters": {
            "momentum": {
                "module": "keras_lr.schedules.decay",
                "class_name": "LinearDecay",
                "config": {"initial_learning_rate": 0.9, "decay_steps": 9, "end_learning_rate": 0.0},
                "registered_name": "keras_lr>LinearDecay",
            },
            "weight_decay": {
                "module": "keras_lr.schedules.stepwise",
                "class_name": "Constant",
                "config": {"learning_rate": 0.5},
                "registered_name": "keras_lr>Constant",
            },
        },
        "momentum_correction": True,
        "independent_weight_decay": False,
    },
}
"""What version 1 wrote, when all classes were named `Scheduled`."""


@pytest.mark.parametrize("load", [keras.saving.deserialize_keras_object, keras.optimizers.deserialize])
def test_a_config_of_an_older_version(load):
    optimizer = load(copy.deepcopy(OLD))
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert isinstance(optimizer, Scheduled)
    assert optimizer.hyperparameters == {"momentum": klr.LinearDecay(0.9, 9), "weight_decay": klr.Constant(0.5)}
    assert (optimizer.name, optimizer.nesterov, optimizer.momentum_correction) == ("mine", True, True)
    assert optimizer.get_config() == OLD["config"]
    # And an older version finds a new one: it looks for the registered name.
    assert keras.saving.serialize_keras_object(optimizer)["registered_name"] == OLD["registered_name"]


# What cannot be kept.


def with_a_method():
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.update_step = lambda *args: None
    return optimizer


def with_a_variable():
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.add_variable((3,))
    return optimizer


class OfTheUser(keras.optimizers.SGD):
    """A user's subclass, which may hold anything."""


INSIDE = r"`optimizer` must be one of SGD, .* itself \(schedule what is inside, and wrap the result\), got "


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (with_a_method, ValueError, "an optimizer with the methods of its class, and not another `update_step`, got "),
        (with_a_variable, ValueError, "`optimizer` must be an optimizer to which no variable was added, got "),
        (lambda: OfTheUser(0.1), TypeError, "`optimizer` must be one of SGD, .* itself, got "),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), TypeError, INSIDE),
        (
            lambda: keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))),
            TypeError,
            INSIDE,
        ),
        (lambda: Scheduled(keras.optimizers.SGD(0.1), momentum=0.9), TypeError, "`optimizer` must be one of SGD, .* "),
    ],
)
def test_what_cannot_be_kept_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        Scheduled(make(), momentum=0.9)
