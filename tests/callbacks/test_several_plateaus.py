"""Several `ReduceOnPlateau` in one `fit`: each has its own factor, state and key."""

from pathlib import Path

import keras
import pytest
from support.training import Metric, Weight, assert_applied, fit, model_with, saved_and_loaded, with_weights

import keras_lr as klr

BAD = [1.0] * 8
RATES = {"number": lambda: 0.5, "schedule": lambda: klr.Constant(0.5)}


class Two(keras.callbacks.Callback):
    """Adds the metrics "a" and "b" to the logs of each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        logs["a"] = 1.0
        logs["b"] = 1.0


def quick():
    return klr.ReduceOnPlateau("metric", 0.5, 1, mode="min")


def patient():
    return klr.ReduceOnPlateau("metric", 0.9, 4, mode="min")


def both():
    """Two plateaus, of which the one on "a" reduces first."""
    return [klr.ReduceOnPlateau("b", 0.5, 3, mode="min"), klr.ReduceOnPlateau("a", 0.5, 2, mode="min")]


@pytest.mark.parametrize("form", ["x.keras", "x.weights.h5"])
@pytest.mark.parametrize("rate", RATES)
def test_plateaus_on_two_metrics_reduce_independently(tmp_path, rate, form):
    whole = model_with(RATES[rate]())
    fit(whole, Two(), *both(), epochs=5)
    model = model_with(RATES[rate]())
    fit(model, Two(), *both(), epochs=4)
    again = saved_and_loaded(model, tmp_path / form, lambda: model_with(RATES[rate]()))
    fit(again, Two(), *both(), initial_epoch=4, epochs=5)
    # The first epoch sets the best value. "a" reduces after epochs 3 and 5, "b" after epoch 4.
    assert klr.get_learning_rate(whole) == pytest.approx(0.5 * 0.5**3)
    assert klr.get_learning_rate(again) == pytest.approx(klr.get_learning_rate(whole))


@pytest.mark.parametrize("form", ["x.keras", "x.weights.h5"])
@pytest.mark.parametrize("rate", RATES)
def test_two_plateaus_on_one_metric_continue_after_a_load(tmp_path, rate, form):
    whole, first, second = model_with(RATES[rate]()), Weight(), Weight()
    fit(whole, first, Metric(BAD), quick(), patient(), epochs=8)
    model = model_with(RATES[rate]())
    fit(model, Metric(BAD), quick(), patient(), epochs=5)
    again = saved_and_loaded(model, tmp_path / form, lambda: model_with(RATES[rate]()))
    second.seen = [float(again.get_weights()[0].item())]
    fit(again, second, Metric(BAD), quick(), patient(), initial_epoch=5, epochs=8)
    assert_applied(second, first.applied[5 * 5 :])


def test_a_name_identifies_the_state_in_any_order(tmp_path):
    def named(name, factor):
        return klr.ReduceOnPlateau("metric", factor, 1, mode="min", name=name)

    model = model_with(klr.Constant(0.5))
    fit(model, Metric(BAD), named("half", 0.5), named("tenth", 0.9), epochs=3)
    model.save_weights(tmp_path / "x.weights.h5")
    again = with_weights(model_with(klr.Constant(0.5)), tmp_path / "x.weights.h5")
    tenth, half = named("tenth", 0.9), named("half", 0.5)
    fit(again, Metric(BAD), tenth, half, initial_epoch=3, epochs=4)
    assert half.get_state()["scales"] == {"learning_rate": 0.125}
    assert tenth.get_state()["scales"] == {"learning_rate": pytest.approx(0.9**3)}


def test_two_with_the_same_name_are_refused():
    two = [klr.ReduceOnPlateau("loss", name="mine"), klr.ReduceOnPlateau("loss", name="mine")]
    with pytest.raises(
        ValueError, match="^ReduceOnPlateau: `name` must be different for each of these callbacks, got 'mine'$"
    ):
        fit(model_with(0.5), *two)


def test_a_state_that_is_set_within_an_epoch_is_continued():
    class Give(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if not given:
                given.append(plateau.set_state({**plateau.get_state(), "best": 0.5, "n_reductions": 7}))

    given, plateau = [], quick()
    fit(model_with(klr.Constant(0.5)), Metric(BAD), Give(), plateau, epochs=2)
    # Both epochs are worse than the given best value.
    assert plateau.get_state()["n_reductions"] == 9
    assert plateau.get_state()["scales"] == {"learning_rate": 0.25}


def test_another_schedule_is_not_scaled_by_old_reductions(tmp_path):
    model = model_with(klr.Constant(0.5))
    fit(model, Metric(BAD), quick(), epochs=3)
    line = klr.LinearDecay(0.01, 1000)
    klr.set_learning_rate(model, line)
    model.save_weights(tmp_path / "x.weights.h5")
    again = with_weights(model_with(line), tmp_path / "x.weights.h5")
    fit(again, log := klr.LearningRateLogger(audit=False), Metric([0.1] * 9), quick(), initial_epoch=3, epochs=4)
    assert log.to_frame().learning_rate.tolist() == pytest.approx(line.values(range(15, 20)).tolist())


def test_the_floor_of_the_users_own_reduction_stays():
    mine = klr.Reduced(klr.LinearDecay(0.1, 100), 0.5, min_lr=0.02)
    model = model_with(mine)
    fit(model, Metric(BAD), quick(), epochs=2)
    assert klr.get_learning_rate(model) == pytest.approx(0.5 * mine.values(10))
    source = model.optimizer._learning_rate
    assert source.values(70) == pytest.approx(0.5 * 0.02)
    assert source == klr.Reduced(mine, 0.5, by="ReduceOnPlateau/metric")


FILES = Path(__file__).parents[1] / "data" / "files"


@pytest.mark.parametrize("form", ["keras", "weights.h5"])
def test_a_file_of_version_0_1_0_without_keys_is_continued(form, recwarn):
    """Version 0.1.0 wrote it after 3 epochs of 5 batches, in which the rate was halved twice."""
    schedule = klr.LinearDecay(0.5, klr.epochs(8))
    if form == "keras":
        model = keras.models.load_model(FILES / "reduced_0.1.0.keras")
        model.jit_compile = False  # it was True where the file was written
    else:
        model = with_weights(model_with(schedule), FILES / "reduced_0.1.0.weights.h5")
    log = klr.LearningRateLogger(audit=False)
    plateau = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min")
    fit(model, klr.BindSchedule(audit=False), Metric(BAD), plateau, log, initial_epoch=3, epochs=5)
    line = klr.LinearDecay(0.5, 40).values(range(15, 25))
    assert log.to_frame().learning_rate.tolist() == pytest.approx([*(line[:5] * 0.25), *(line[5:] * 0.125)])
    assert plateau.get_state()["scales"] == {"learning_rate": 0.0625}
    assert [str(warning.message) for warning in recwarn if issubclass(warning.category, klr.ScheduleWarning)] == []
