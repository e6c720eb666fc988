"""Optimizers of `Scheduled` in files, copies and other processes, and with a function as the rate."""

import copy
import functools
import pickle

import keras
import numpy as np
import pytest
from support.decaying import (
    BIAS,
    GRADIENTS,
    KINDS,
    STEPS,
    applied,
    by_name,
    decaying,
    fit,
    model_with,
    numbers,
    saved_and_loaded,
    variables,
)
from support.processes import printed_lines

import keras_lr as klr
from keras_lr import Scheduled
from keras_lr.optimizers import scheduled


@keras.saving.register_keras_serializable("tests")
def half():
    return 0.5


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
    with pytest.raises(ValueError, match="deserialization of a (Python lambda|`lambda` object)"):
        saved_and_loaded(model(lambda: 0.5), tmp_path)
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=False)
    assert again.optimizer._learning_rate() == 0.5
    with pytest.raises(TypeError, match="Scheduled: `learning_rate` must be a number, a schedule or a function that "):
        saved_and_loaded(model(functools.partial(float, 0.5)), tmp_path)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("rate", [0.25, klr.LinearDecay(0.5, 9), half, lambda: 0.5])
def test_an_optimizer_can_be_pickled_with_every_kind_of_rate(rate):
    optimizer = Scheduled(keras.optimizers.SGD(learning_rate=rate), momentum=0.9)
    again = pickle.loads(pickle.dumps(optimizer))
    for a, b in zip(applied(again, variables()), applied(optimizer, variables()), strict=True):
        np.testing.assert_array_equal(a, b)


# Other processes.


@pytest.mark.filterwarnings("ignore:Skipping variable loading")
@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_contains_the_same_as_that_of_the_stock_optimizer(kind):
    """That is so before and after training. Keras does not pickle the slots, and builds the copy again."""

    def kept(optimizer):
        again = pickle.loads(pickle.dumps(optimizer))
        weights = applied(again, variables(), GRADIENTS[:1])
        return [again.name, *(weight.tolist() for weight in weights), *(value.tolist() for value in numbers(again))]

    stock = getattr(keras.optimizers, kind)(0.1, weight_decay=0.3, name="mine")
    mine = Scheduled(stock, weight_decay=klr.Constant(0.3))
    for optimizer in (stock, mine):
        assert pickle.loads(pickle.dumps(optimizer)).get_config() == optimizer.get_config()
    assert type(pickle.loads(pickle.dumps(mine))) is type(mine) is vars(scheduled)[f"Scheduled{kind}"]
    assert kept(mine) == kept(stock)
    for optimizer in (stock, mine):
        applied(optimizer, variables(), GRADIENTS[:2])
    assert kept(mine) == kept(stock)


@pytest.mark.slow
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
    schedule = {"beta_1": klr.LinearDecay(0.9, 9)}
    assert printed_lines(code)[-2:] == [
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
"""The config of version 1, in which all classes were named `Scheduled`."""


@pytest.mark.parametrize("load", [keras.saving.deserialize_keras_object, keras.optimizers.deserialize])
def test_a_config_of_an_older_version_can_be_read(load):
    optimizer = load(copy.deepcopy(OLD))
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert isinstance(optimizer, klr.optimizers.scheduled.ScheduledOptimizer)
    assert optimizer.hyperparameters == {"momentum": klr.LinearDecay(0.9, 9), "weight_decay": klr.Constant(0.5)}
    assert (optimizer.name, optimizer.nesterov, optimizer.momentum_correction) == ("mine", True, True)
    expected = copy.deepcopy(OLD["config"])
    expected["hyperparameters"]["weight_decay"]["module"] = "keras_lr.core.algebra"
    assert optimizer.get_config() == expected
    # An older version can read a new config, because it looks for the registered name.
    assert keras.saving.serialize_keras_object(optimizer)["registered_name"] == OLD["registered_name"]
