"""`Forecaster` in a real, tiny training, and a forecast from its log."""

import keras
import numpy as np
import pytest
from support.needs import needs

import keras_lr as klr
from keras_lr import Forecaster, LearningRateLogger, fit_forecast

pytestmark = needs("scipy")

EPOCHS, BATCHES, SIZE = 6, 30, 16
STEPS = EPOCHS * BATCHES


def trained(schedule, *more, target=None, **options):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(size=(BATCHES * SIZE, 12)).astype("float32") * (1.0 + np.arange(12)) ** -0.7
    y = x @ random.normal(size=(12, 1)) + 0.2 * random.normal(size=(len(x), 1))
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(schedule), loss="mse")
    log = LearningRateLogger(("loss",), audit=False)
    callbacks = [log, *(make(log) for make in more)]
    model.fit(x.astype("float32"), y.astype("float32"), batch_size=SIZE, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    return log, callbacks[1:]


@pytest.fixture(scope="module")
def decaying():
    return trained(klr.CosineDecay(0.1, STEPS))[0]


def test_the_forecaster_prints_the_end_the_target_and_a_cooldown(decaying, capsys):
    _, (there,) = trained(
        klr.Constant(0.1),
        lambda log: Forecaster(log, target=0.3, cooldown_steps=40, logs=[decaying], law="annealing", every=3),
    )
    assert [outlook.step for outlook in there.outlooks] == [90, 180]
    first, last = there.outlooks
    assert first.final[1] <= first.final[0] <= first.final[2]
    assert last.final is None  # the training is over
    assert first.cooldown == pytest.approx(
        tuple(first.forecast.compare({"": klr.Constant(0.1).cooldown(90, 40)}, 130).loc[0, ["loss", "low", "high"]])
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Forecaster: ")]
    assert len(lines) == 2
    assert "by the annealing law, at step 90: ends at" in lines[0]
    assert "reaches 0.3" in lines[0]
    assert "a cooldown started now would end at" in lines[0]


def test_a_constant_rate_alone_is_reported_once(capsys):
    _, (there,) = trained(0.1, Forecaster)
    assert there.outlooks == []
    assert capsys.readouterr().out.count("no forecast yet: fit_forecast: a run at a constant rate does not show") == 1


def test_a_real_training_is_forecast(decaying):
    """The tolerance is wide, because the loss of such small batches has noise of about 10 %."""
    constant = trained(klr.Constant(0.1))[0]
    forecast = fit_forecast({"constant": constant, "cosine": decaying}, "annealing", draws=4)
    held_out = klr.LinearDecay(0.1, STEPS)
    found = forecast.residuals(trained(held_out)[0])
    assert found["residual"].abs().median() < 0.2
    assert abs(found["residual"].iloc[-20:].mean()) < 0.2


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda log: Forecaster("log.csv"), "`logger` must be the LearningRateLogger of the training, got 'log.csv'"),
        (lambda log: Forecaster(log, target=0), "`target` must be a finite number > 0, or None, got 0"),
        (lambda log: Forecaster(log, cooldown_steps=0), "`cooldown_steps` must be a whole number in"),
        (lambda log: Forecaster(log, logs="log.csv"), "`logs` must be a list of logs, got 'log.csv'"),
        (lambda log: Forecaster(log, logs=[1]), "`logs` must be a log of LearningRateLogger .*, got 1"),
        (
            lambda log: Forecaster(log, loss="val_loss"),
            "`logger` must be one that records 'val_loss', the column of `l",
        ),
        (lambda log: Forecaster(log, law="linear"), "`law` must be one of 'multi-power', 'annealing'"),
        (lambda log: Forecaster(log, every=0), "`every` must be a whole number in"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises((TypeError, ValueError), match="^Forecaster: " + message):
        make(LearningRateLogger(("loss",)))


@pytest.mark.once
def test_a_logger_without_the_loss_is_refused():
    with pytest.raises(ValueError, match="`logger` must be one that records 'loss'"):
        Forecaster(LearningRateLogger())


@pytest.mark.once
def test_a_missing_file_raises_before_the_training(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"log\.csv"):
        Forecaster(LearningRateLogger(("loss",)), logs=[tmp_path / "log.csv"])
