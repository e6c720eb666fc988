"""`ReduceOnPlateau(hyperparameter=…)` reduces another hyperparameter than the rate."""

import keras
import pytest
from support.training import Metric, fit, model_with, saved_and_loaded

import keras_lr as klr

KEY = "ReduceOnPlateau/metric"
FLAT = [1.0] * 6


def sgd(momentum, rate=0.1):
    return klr.Scheduled(keras.optimizers.SGD(rate, momentum=0.9), momentum=momentum)


def plateau(**options):
    return klr.ReduceOnPlateau("metric", 0.5, 1, mode="min", hyperparameter="momentum", **options)


MOMENTA = {"number": lambda: 0.8, "schedule": lambda: klr.LinearDecay(0.8, 40, 0.4)}


@pytest.mark.parametrize("kind", MOMENTA)
def test_the_momentum_falls_in_the_compiled_step(kind):
    """The weight moves as with SGD whose momentum is halved after each epoch but the first."""
    momentum = MOMENTA[kind]()
    model, log = model_with(0.1, sgd(momentum)), klr.LearningRateLogger()
    fit(model, Metric(FLAT), plateau(), log, epochs=3)
    base = klr.Constant(momentum) if kind == "number" else momentum
    momenta = [base.values(step) * (1.0, 1.0, 0.5)[step // 5] for step in range(15)]
    weight = velocity = 0.0
    for one in momenta:
        velocity = one * velocity - 0.1
        weight += velocity
    assert float(model.get_weights()[0].item()) == pytest.approx(weight, rel=1e-5)
    assert log.to_frame().momentum.tolist() == pytest.approx(momenta)
    assert log.to_frame().learning_rate.tolist() == pytest.approx([0.1] * 15)
    assert model.optimizer.hyperparameters["momentum"] == klr.Reduced(base, 0.25, by=KEY)


@pytest.mark.parametrize("form", ["x.keras", "x.weights.h5"])
@pytest.mark.parametrize("kind", MOMENTA)
def test_a_reduced_momentum_continues_after_a_load(tmp_path, kind, form):
    def fresh():
        return model_with(0.1, sgd(MOMENTA[kind]()))

    fit(whole := fresh(), Metric(FLAT), plateau(), epochs=5)
    fit(model := fresh(), Metric(FLAT), plateau(), epochs=3)
    again = saved_and_loaded(model, tmp_path / form, fresh)
    fit(again, Metric(FLAT), plateau(), initial_epoch=3, epochs=5)
    assert again.optimizer.hyperparameters == whole.optimizer.hyperparameters
    assert again.get_weights()[0] == pytest.approx(whole.get_weights()[0], rel=1e-6)


def test_plateaus_on_rate_and_momentum_work_together():
    model, rate = model_with(0.1, sgd(0.8)), klr.ReduceOnPlateau("metric", 0.1, 1, mode="min")
    fit(model, Metric(FLAT), plateau(min_lr=0.3), rate, epochs=4)
    assert model.optimizer.hyperparameters["momentum"].values(20) == pytest.approx(0.3)
    assert klr.get_learning_rate(model) == pytest.approx(1e-4)


def test_a_reduced_momentum_in_units_is_bound_inside_the_reduction():
    model = model_with(0.1, sgd(klr.LinearDecay(0.8, klr.fraction(1.0))))
    fit(model, klr.BindSchedule(), Metric(FLAT), plateau(), epochs=3)
    source = model.optimizer.hyperparameters["momentum"]
    # There is only one reduction, because the momentum is 0 after the last epoch.
    assert source == klr.Reduced(klr.LinearDecay(0.8, klr.fraction(1.0)).bind(steps_per_epoch=5, epochs=3), 0.5, by=KEY)


@pytest.mark.once
def test_an_unscheduled_hyperparameter_is_refused_with_a_hint():
    model = model_with(0.1, keras.optimizers.SGD(0.1, momentum=0.9))
    with pytest.raises(
        ValueError, match=r"^ReduceOnPlateau: `hyperparameter` must be one of 'learning_rate' \(`Scheduled\(optim"
    ):
        fit(model, Metric(FLAT), plateau(), epochs=1)
