"""Search spaces for KerasTuner and Optuna."""

import keras
import numpy as np
import pytest
from support.needs import library, needs

import keras_lr as klr
from keras_lr import tuning

pytestmark = [pytest.mark.once, needs("keras_tuner", "optuna")]

keras_tuner, optuna = library("keras_tuner"), library("optuna")


@pytest.mark.parametrize("family", tuning.FAMILIES)
@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_families_have_the_peak_and_the_length(family, warmup):
    trial = optuna.trial.FixedTrial({})
    schedule = tuning.schedule(
        trial, total_steps=200, families=[family], peak=(0.3, 0.3), warmup=(warmup, warmup), length=(1.0, 1.0)
    )
    values = schedule.values(np.arange(201))
    assert values.max() == pytest.approx(0.3)
    if family != "one_cycle":
        assert int(values.argmax()) == max(50 * (warmup > 0), family == "inverse_square_root")
    if schedule.duration is not None and family not in ("constant",):
        assert schedule.duration in (200, 199)


@pytest.mark.parametrize("kind", ["optuna", "keras_tuner"])
def test_the_schedule_has_the_choices_of_the_tuner(kind):
    chosen = {
        "schedule_family": "cosine",
        "schedule_peak": 0.02,
        "schedule_warmup": 0.1,
        "schedule_length": 0.5,
    }
    if kind == "optuna":
        tuner = optuna.trial.FixedTrial(chosen)
    else:
        tuner = keras_tuner.HyperParameters()
        for name, value in chosen.items():
            tuner.Fixed(name, value)
    schedule = tuning.schedule(tuner, total_steps=1000, length=(0.5, 1.0))
    assert schedule == klr.Warmup(klr.CosineDecay(0.02, 400), 100)


def test_the_space_that_keras_tuner_sees():
    hp = keras_tuner.HyperParameters()
    tuning.schedule(hp, total_steps=100, peak=(1e-3, 1e-1), prefix="rate")
    space = {part.name: part for part in hp.space}
    assert set(space) == {"rate_family", "rate_peak", "rate_warmup"}
    assert (space["rate_peak"].min_value, space["rate_peak"].max_value, space["rate_peak"].sampling) == (
        1e-3,
        0.1,
        "log",
    )
    assert space["rate_family"].values == ["constant", "cosine", "linear", "one_cycle", "warmup_stable_decay"]


def test_the_space_that_optuna_sees():
    study = optuna.create_study()
    trial = study.ask()
    tuning.schedule(trial, total_steps=100, families=["cosine", "linear"], length=(0.8, 1.2))
    assert set(trial.distributions) == {"schedule_family", "schedule_peak", "schedule_warmup", "schedule_length"}
    assert trial.distributions["schedule_peak"].log
    assert trial.distributions["schedule_family"].choices == ("cosine", "linear")


def test_a_chosen_schedule_trains():
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(tuning.schedule(trial, total_steps=20)), loss="mse")
        return model.fit(np.ones((40, 1)), np.ones((40, 1)), batch_size=4, epochs=2, verbose=0).history["loss"][-1]

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=3)
    assert np.isfinite(study.best_value)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"total_steps": 5}, ValueError, "`total_steps` must be"),
        ({"families": []}, ValueError, "`families` must be"),
        ({"families": ["best"]}, ValueError, "`families` must be"),
        ({"peak": 0.1}, TypeError, "`peak` must be two numbers"),
        ({"peak": (0.2, 0.1)}, ValueError, "`peak` must be two numbers"),
        ({"peak": (0.0, 0.1)}, ValueError, "`peak` must be"),
        ({"warmup": (0.0, 0.95)}, ValueError, "`warmup` must be"),
        ({"length": (0.0, 1.0)}, ValueError, "`length` must be"),
    ],
)
def test_wrong_arguments_are_refused(change, error, sentence):
    with pytest.raises(error, match=sentence):
        tuning.schedule(optuna.trial.FixedTrial({}), **{"total_steps": 100, **change})


def test_an_object_that_is_no_tuner_is_refused():
    with pytest.raises(TypeError, match="`tuner` must be KerasTuner's `hp` or Optuna's `trial`"):
        tuning.schedule(3, total_steps=100)
