"""`Scheduled(multipliers=…)` in `fit`: compiled, saved, resumed, wrapped, and with callbacks."""

import copy
import pickle

import keras
import numpy as np
import pytest
from support.backend import BACKEND
from support.training import prediction_sum, saved_and_loaded

import keras_lr as klr
from keras_lr import Scheduled
from keras_lr.optimizers.scheduled import ScheduledOptimizer

STEPS = 8
X = np.random.default_rng(5).normal(size=(STEPS, 3)).astype("float32")
Y = np.zeros((STEPS, 1), "float32")
START = np.array([[0.5], [-1.0], [2.0]], "float32")
RATE = klr.LinearDecay(0.1, 40)
THAW = klr.Sequential([0.0, 1.0], [3])
FACTORS = {"low/": THAW, "head": 10.0}


def model_with(optimizer, **options):
    """A model of three kernels, whose gradients are the input."""
    inputs = keras.Input((3,))
    parts = [keras.layers.Dense(1, use_bias=False, name=name)(inputs) for name in ("low", "mid", "head")]
    model = keras.Model(inputs, keras.layers.Concatenate()(parts), name="whole")
    model.set_weights([START] * 3)
    model.compile(optimizer, loss=prediction_sum, **{"jit_compile": False, **options})
    return model


def fit(model, *callbacks, epochs=1, **options):
    model.fit(X, Y, batch_size=1, shuffle=False, verbose=0, epochs=epochs, callbacks=list(callbacks), **options)
    return model


def sgd(rate=RATE, factors=FACTORS, **options):
    return Scheduled(keras.optimizers.SGD(rate, **options), multipliers=factors)


def expected(steps=STEPS, rates=RATE.values, low=THAW.values, first=0):
    """The three kernels after SGD, in plain NumPy."""
    kernels = {name: START[:, 0].astype("float64") for name in ("low", "mid", "head")}
    for step in range(first, first + steps):
        for name, factor in (("low", float(low(step))), ("mid", 1.0), ("head", 10.0)):
            kernels[name] = kernels[name] - float(rates(step)) * factor * X[step % STEPS]
    return kernels


def assert_kernels(model, kernels, rtol=1e-5):
    for variable, (name, kernel) in zip(model.get_weights(), kernels.items(), strict=True):
        np.testing.assert_allclose(variable[:, 0], kernel, rtol=rtol, atol=1e-5, err_msg=name)


COMPILED = [{}] if BACKEND == "torch" else [{"jit_compile": True}, {"jit_compile": False}, {"run_eagerly": True}]


@pytest.mark.parametrize("options", COMPILED, ids=lambda options: "-".join(options) or "eager")
def test_factors_apply_with_and_without_compilation(options):
    assert_kernels(fit(model_with(sgd(), **options)), expected())


def test_inside_a_loss_scale_optimizer():
    optimizer = keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=4.0)
    assert_kernels(fit(model_with(optimizer)), expected())


@pytest.mark.parametrize("decay", [None, 0.5])
def test_under_gradient_accumulation(decay):
    """Rate, factor and decay are those of the batch at which the gradients are applied."""
    model = fit(model_with(sgd(gradient_accumulation_steps=2, weight_decay=decay)))
    kernels = expected(0)
    for step in range(1, STEPS, 2):
        for name, factor in (("low", float(THAW.values(step))), ("mid", 1.0), ("head", 10.0)):
            gradient = (X[step - 1] + X[step]) / 2
            rate = float(RATE.values(step)) * factor
            kernels[name] = kernels[name] * (1 - rate * (decay or 0.0)) - rate * gradient
    assert_kernels(model, kernels)


def test_with_an_average_of_the_weights():
    """Keras updates the average of a frozen variable too, and after `fit` the averages are the weights."""
    model = fit(model_with(sgd(use_ema=True, ema_momentum=0.5)))
    average = None
    for step in range(1, STEPS + 1):
        kernels = expected(step)
        # In the first step Keras's momentum of the average is 0.
        average = kernels if average is None else {name: 0.5 * average[name] + 0.5 * it for name, it in kernels.items()}
    assert_kernels(model, average)


def test_in_a_multi_optimizer():
    """Each optimizer compares its patterns only with its own variables."""
    chosen = keras.optimizers.OptimizerMap(
        default_optimizer=sgd(name="a"), optimizer_map={"mid/.*": keras.optimizers.SGD(RATE, name="b")}
    )
    log = klr.LearningRateLogger(groups=True, audit=False)
    assert_kernels(fit(model_with(keras.optimizers.MultiOptimizer(chosen)), log), expected())
    frame = log.to_frame()
    rates = RATE.values(range(STEPS))
    np.testing.assert_allclose(frame["learning_rate_a[low/]"], rates * THAW.values(range(STEPS)))
    np.testing.assert_allclose(frame["learning_rate_a[head]"], rates * 10)
    assert not any(name.startswith("learning_rate_b[") for name in frame.columns)


# Files.


def adamw():
    return Scheduled(
        keras.optimizers.AdamW(RATE, weight_decay=0.1, name="decaying"),
        multipliers={"whole/low|^low": THAW, "head": klr.Constant(3.0)},
        weight_decay_multipliers={"mid": 0.0},
    )


@pytest.fixture(scope="module")
def trained():
    """A model after one epoch, and its weights after two."""
    model = fit(model_with(adamw()))
    after_one = model.get_weights()
    return after_one, fit(model, epochs=2, initial_epoch=1).get_weights()


@pytest.mark.parametrize("form", ["keras", "weights.h5"])
def test_a_resume_is_exact(tmp_path, form, trained):
    half = fit(model_with(adamw()))
    again = saved_and_loaded(half, tmp_path / f"model.{form}", lambda: model_with(adamw()))
    assert again.optimizer.multipliers == adamw().multipliers
    assert list(again.optimizer.multipliers) == list(adamw().multipliers)
    assert again.optimizer.weight_decay_multipliers == {"mid": 0.0}
    fit(again, epochs=2, initial_epoch=1)
    for a, b in zip(again.get_weights(), trained[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_training_with_factors_continues_from_a_backup(tmp_path, trained):
    callback = lambda: klr.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)  # noqa: E731
    fit(model_with(adamw()), callback())
    again = fit(model_with(adamw()), callback(), epochs=2)
    assert again.optimizer.iterations == 2 * STEPS
    for a, b in zip(again.get_weights(), trained[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_model_whose_paths_change_when_it_is_loaded(tmp_path):
    """If a `Sequential` was built after its creation, the paths of the loaded model lack its name."""
    model = keras.Sequential([keras.layers.Dense(3, name="low"), keras.layers.Dense(1, name="top")], name="late")
    model.compile(sgd(0.1, {"^late/low": 0.0}), loss=prediction_sum, run_eagerly=True)
    fit(model)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert model.trainable_variables[0].path == "late/low/kernel"
    assert again.trainable_variables[0].path == "low/kernel"
    before = again.get_weights()
    after = fit(again).get_weights()
    np.testing.assert_array_equal(after[0], before[0])
    assert (after[2] != before[2]).all()
    # The patterns are checked against another model.
    other = type(model.optimizer).from_config(model.optimizer.get_config())
    with pytest.raises(ValueError, match=r"got '\^late/low', which matches none"):
        other.build([keras.Variable(START, name="low")])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))], ids=["copy", "pickle"])
def test_copies_have_the_same_config_and_factors(copied):
    optimizer = copied(adamw())
    assert optimizer.get_config() == adamw().get_config()
    assert optimizer.multipliers == adamw().multipliers


def test_a_config_without_factors_has_no_entry_for_them():
    optimizer = Scheduled(keras.optimizers.SGD(0.1), momentum=0.9)
    config = optimizer.get_config()
    assert set(config) == {"optimizer", "hyperparameters", "momentum_correction", "independent_weight_decay"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda config: [], TypeError),
        (lambda config: {**config, "more": 1}, TypeError),
        (lambda config: {**config, "factors": {"a": 1}}, TypeError),
        (lambda config: {**config, "factors": [["a"]]}, TypeError),
        (lambda config: {**config, "factors": [["(", 1.0]]}, ValueError),
        (lambda config: {**config, "factors": [[3, 1.0]]}, TypeError),
        (lambda config: {**config, "factors": [["a", -1.0]]}, ValueError),
        (lambda config: {**config, "places": 3}, ValueError),
        (lambda config: {**config, "places": [7]}, ValueError),
    ],
)
def test_invalid_configs_of_factors_are_refused(change, error):
    config = sgd().get_config()
    with pytest.raises(error, match="Scheduled: `multipliers"):
        ScheduledOptimizer.from_config({**config, "multipliers": change(config["multipliers"])})


# Callbacks and tools.


def test_units_are_bound_and_groups_logged():
    factors = {"low/": klr.Sequential([0.0, 1.0], [klr.epochs(1)]), "head": 10.0}
    log = klr.LearningRateLogger(groups=True, audit=False)
    plain = klr.LearningRateLogger(audit=False)
    model = model_with(sgd(klr.LinearDecay(0.1, klr.fraction(1.0)), factors))
    fit(model, log, plain, klr.BindSchedule(), epochs=2)
    rates, thaw = klr.LinearDecay(0.1, 2 * STEPS).values(range(2 * STEPS)), np.repeat([0.0, 1.0], STEPS)
    frame = log.to_frame()
    assert list(frame.columns)[3:] == ["learning_rate", "learning_rate[low/]", "learning_rate[head]"]
    assert list(plain.to_frame().columns)[3:] == ["learning_rate"]
    np.testing.assert_allclose(frame["learning_rate"], rates)
    np.testing.assert_allclose(frame["learning_rate[low/]"], rates * thaw)
    np.testing.assert_allclose(frame["learning_rate[head]"], rates * 10)
    assert_kernels(model, expected(2 * STEPS, lambda step: rates[step], lambda step: thaw[step]))
    assert model.history.history["learning_rate[head]"] == pytest.approx([10 * rates[STEPS - 1], 10 * rates[-1]])


def test_unbound_factors_are_refused():
    model = model_with(sgd(0.1, {"low": klr.Sequential([0.0, 1.0], [klr.epochs(1)])}), run_eagerly=True)
    with pytest.raises(ValueError, match="has durations in epochs, fractions or samples"):
        fit(model)


def test_a_plateau_reduces_all_groups():
    plateau = klr.ReduceOnPlateau("loss", factor=0.5, patience=1, min_delta=1e9, name="p")
    log = klr.LearningRateLogger(groups=True, audit=False)
    model = fit(model_with(sgd(0.01)), plateau, log, epochs=3)
    rates = log.to_frame()["learning_rate"].to_numpy()
    assert rates[-1] < rates[0]
    assert_kernels(model, expected(3 * STEPS, lambda step: rates[step]), rtol=1e-4)
    np.testing.assert_allclose(log.to_frame()["learning_rate[head]"], 10 * rates)


def test_a_range_test_does_not_change_the_model():
    model = fit(model_with(sgd(0.01)))
    before = model.get_weights()
    klr.find_learning_rate(model, X, Y, batch_size=1, steps=10)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer.multipliers == sgd().multipliers
    kernels = expected(2 * STEPS, lambda step: 0.01)
    assert_kernels(fit(model), kernels)


def test_factors_follow_a_counter_that_was_set():
    model = fit(model_with(sgd()))
    klr.set_step(model, 1)
    before = model.get_weights()
    model.fit(X[:3], Y[:3], batch_size=1, shuffle=False, verbose=0)
    after = model.get_weights()
    moved = [(b - a)[:, 0] for a, b in zip(after, before, strict=True)]
    rates = RATE.values([1, 2, 3])
    np.testing.assert_allclose(moved[1], rates @ X[:3], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(moved[0], (rates * [0, 0, 1]) @ X[:3], rtol=1e-4, atol=1e-6)


def test_lora_variables_have_separate_rates():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False, name="q")])
    model.layers[0].enable_lora(1)
    start = model.get_weights()
    optimizer = Scheduled(keras.optimizers.Lion(0.1), multipliers={"lora_kernel_b": 16.0})
    model.compile(optimizer, loss=prediction_sum, run_eagerly=True)
    model.train_on_batch(X[:1], Y[:1])
    names = [variable.path for variable in model.variables]
    changes = {
        name.split("/")[-1]: np.abs(b - a).max() for name, a, b in zip(names, start, model.get_weights(), strict=True)
    }
    # Lion moves each number by the rate, but not if its gradient is 0. The gradient of A is 0 while B is 0.
    assert changes["lora_kernel_b"] == pytest.approx(1.6, rel=1e-5)
    assert changes["lora_kernel_a"] == 0.0
    assert changes["kernel"] == 0.0
