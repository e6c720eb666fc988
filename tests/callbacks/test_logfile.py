"""Every logging callback of Keras receives the rate, wherever our logger is in the list."""

import csv
import itertools
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from support.events import scalars
from support.needs import needs
from support.training import Metric, data, fit, model_with

import keras_lr as klr
from keras_lr import LearningRateLogger

BATCHES, EPOCHS = 5, 3
LAST = BATCHES * np.arange(1, EPOCHS + 1) - 1
"""The last step of each epoch."""


def two_optimizers(slow, fast):
    inputs = keras.Input((1,))
    outputs = [keras.layers.Dense(1, use_bias=False, name=name)(inputs) for name in ("body", "head")]
    model = keras.Model(inputs, keras.layers.Concatenate()(outputs))
    chosen = keras.optimizers.OptimizerMap(
        default_optimizer=keras.optimizers.SGD(slow, name="slow"),
        optimizer_map={"head/.*": keras.optimizers.Adam(fast, name="fast")},
    )
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss="mse")
    return model


SCHEDULE = klr.LinearDecay(0.32, 40)
SLOW, FAST = klr.StepDecay(0.08, 4), klr.CosineDecay(0.3, 12)
SOURCES = {
    "number": (lambda: model_with(0.125), {"learning_rate": klr.Constant(0.125)}),
    "schedule": (lambda: model_with(SCHEDULE), {"learning_rate": SCHEDULE}),
    "two": (lambda: two_optimizers(SLOW, FAST), {"learning_rate_slow": SLOW, "learning_rate_fast": FAST}),
}


@pytest.fixture(params=SOURCES)
def source(request):
    build, schedules = SOURCES[request.param]
    return build(), schedules


@pytest.fixture(params=["before", "after"])
def in_order(request):
    """A function that puts our logger before or after other callbacks."""
    return lambda *others: [logger(), *others] if request.param == "before" else [*others, logger()]


def logger(**args):
    return LearningRateLogger(audit=False, **args)


def assert_last_rates(shown, schedules):
    """Each column has the rate of the last update of each epoch."""
    for column, schedule in schedules.items():
        np.testing.assert_allclose([float(value) for value in shown[column]], schedule.values(LAST), rtol=1e-6)


def rows(path):
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_history_has_the_last_rate_of_each_epoch_in_any_order(source, in_order):
    model, schedules = source
    given = keras.callbacks.History()
    fit(model, *in_order(given), epochs=EPOCHS, batches=BATCHES)
    assert set(given.history) == {"loss", *schedules}
    assert all(type(rate) is float for column in schedules for rate in given.history[column])
    assert_last_rates(given.history, schedules)


def test_csv_logger_has_the_last_rate_of_each_epoch(tmp_path, source, in_order):
    model, schedules = source
    fit(model, *in_order(keras.callbacks.CSVLogger(tmp_path / "log.csv")), epochs=EPOCHS, batches=BATCHES)
    table = rows(tmp_path / "log.csv")
    # Keras adds `val_loss`, in case a later epoch has validation.
    assert list(table[0]) == ["epoch", *schedules, "loss", "val_loss"] or len(schedules) == 2
    assert set(table[0]) == {"epoch", "loss", "val_loss", *schedules}
    assert_last_rates({column: [row[column] for row in table] for column in schedules}, schedules)


def test_csv_logger_with_validation_and_a_metric_of_another_callback(tmp_path, in_order):
    for validated, columns in ((False, {"val_loss", "val_metric"}), (True, {"val_loss"})):
        file = tmp_path / f"{validated}.csv"
        callbacks = in_order(Metric([1.0, 2.0, 3.0]), keras.callbacks.CSVLogger(file))
        validation = {"validation_data": data(1)} if validated else {}
        fit(model_with(SCHEDULE), *callbacks, epochs=EPOCHS, batches=BATCHES, **validation)
        table = rows(file)
        assert set(table[0]) == {"epoch", "loss", "learning_rate", "metric"} | columns
        assert [float(row["metric"]) for row in table] == [1.0, 2.0, 3.0]
        assert_last_rates({"learning_rate": [row["learning_rate"] for row in table]}, {"learning_rate": SCHEDULE})


def test_csv_logger_of_a_resumed_training(tmp_path, in_order):
    file, model = tmp_path / "log.csv", model_with(SCHEDULE)
    for first in range(EPOCHS):
        callbacks = in_order(keras.callbacks.CSVLogger(file, append=True))
        fit(model, *callbacks, epochs=first + 1, initial_epoch=first, batches=BATCHES)
    table = rows(file)
    assert [row["epoch"] for row in table] == ["0", "1", "2"]
    assert_last_rates({"learning_rate": [row["learning_rate"] for row in table]}, {"learning_rate": SCHEDULE})


@pytest.mark.parametrize("verbose", [1, 2])
def test_the_progress_bar_shows_the_last_rate_of_each_epoch(capsys, source, in_order, verbose):
    model, schedules = source
    x, y = data(BATCHES)
    bar = keras.callbacks.ProgbarLogger()
    model.fit(x, y, batch_size=4, epochs=EPOCHS, verbose=verbose, shuffle=False, callbacks=in_order(bar))
    printed = capsys.readouterr().out
    for column, schedule in schedules.items():
        shown = [float(value) for value in re.findall(rf"{column}: ([0-9.e+-]+)", printed)]
        np.testing.assert_allclose(shown, schedule.values(LAST), atol=5.1e-5)


@needs("tensorboard")
def test_tensorboard_has_the_rate_of_the_next_update(tmp_path, source, in_order):
    """At the end of the epoch, Keras reads the rate of the next update. There is one tag for each rate."""
    model, schedules = source
    fit(model, *in_order(keras.callbacks.TensorBoard(tmp_path)), epochs=EPOCHS, batches=BATCHES)
    found = scalars(tmp_path / "train")
    assert set(found) == {f"epoch_{column}" for column in schedules}
    for column, schedule in schedules.items():
        steps, values = found[f"epoch_{column}"]
        assert steps == list(range(EPOCHS))
        np.testing.assert_allclose(values, schedule.values(LAST + 1), rtol=1e-5)


@needs("tensorboard")
def test_tensorboard_has_other_scheduled_hyperparameters(tmp_path, in_order):
    momentum = klr.LinearDecay(0.9, 30)
    model = model_with(None, klr.Scheduled(keras.optimizers.SGD(SCHEDULE), momentum=momentum))
    fit(model, *in_order(keras.callbacks.TensorBoard(tmp_path)), epochs=EPOCHS, batches=BATCHES)
    # Keras does not read the momentum, so the value is that of the logger, from the last update.
    steps, values = scalars(tmp_path / "train", "momentum")["epoch_momentum"]
    assert steps == list(range(EPOCHS))
    np.testing.assert_allclose(values, momentum.values(LAST), rtol=1e-5)


@pytest.mark.slow
def test_all_destinations_in_every_order(tmp_path):
    """One of them is a checkpoint with the rate in its name."""
    for number, order in enumerate(itertools.permutations(range(4))):
        folder = tmp_path / str(number)
        history = keras.callbacks.History()
        callbacks = [
            logger(),
            history,
            keras.callbacks.CSVLogger(folder / "log.csv"),
            keras.callbacks.ModelCheckpoint(folder / "{learning_rate:.3f}.weights.h5", save_weights_only=True),
        ]
        folder.mkdir()
        fit(model_with(SCHEDULE), *[callbacks[place] for place in order], epochs=EPOCHS, batches=BATCHES)
        assert_last_rates(history.history, {"learning_rate": SCHEDULE})
        assert [float(row["learning_rate"]) for row in rows(folder / "log.csv")] == history.history["learning_rate"]
        names = {path.name for path in folder.glob("*.h5")}
        assert names == {f"{rate:.3f}.weights.h5" for rate in SCHEDULE.values(LAST)}


def test_two_loggers_show_the_rate_before_a_reduction(tmp_path):
    """The rate of an epoch does not include a reduction at its end."""
    plateau = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min")
    history = keras.callbacks.History()
    callbacks = [history, plateau, logger(), Metric([1.0, 1.0, 1.0]), logger(metrics=["loss"])]
    fit(model_with(SCHEDULE), Metric([1.0, 1.0, 1.0]), *callbacks, epochs=EPOCHS, batches=BATCHES)
    expected = SCHEDULE.values(LAST) * [1.0, 1.0, 0.5]
    np.testing.assert_allclose(history.history["learning_rate"], expected, rtol=1e-6)
    assert set(history.history) == {"loss", "metric", "learning_rate"}


def test_the_users_lists_are_unchanged():
    """A `CallbackList` of the user may serve several trainings."""
    log, history = logger(), keras.callbacks.History()
    mine = [history, log]
    fit(model_with(SCHEDULE), *mine)
    assert mine == [history, log]
    model = model_with(SCHEDULE)
    x, y = data(BATCHES)
    running = keras.callbacks.CallbackList([history, log], model=model, epochs=1, steps=BATCHES, verbose=0)
    before = list(running.callbacks)
    for _ in range(2):
        model.fit(x, y, batch_size=4, epochs=1, verbose=0, shuffle=False, callbacks=running)
        assert running.callbacks == before


def test_a_training_that_failed_leaves_one_callback_at_each_end():
    """Keras does not call `on_train_end` after an error, and the user may use the list again."""

    class Fail(keras.callbacks.Callback):
        armed = True

        def on_epoch_end(self, epoch, logs=None):
            if self.armed:
                raise RuntimeError("out of power")

    log, fail, history, model = logger(), Fail(), keras.callbacks.History(), model_with(SCHEDULE)
    x, y = data(BATCHES)
    running = keras.callbacks.CallbackList([fail, history, log], model=model, epochs=1, steps=BATCHES, verbose=0)
    with pytest.raises(RuntimeError, match="out of power"):
        model.fit(x, y, batch_size=4, verbose=0, callbacks=running)
    assert len(running.callbacks) == 5
    fail.armed = False

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.count = len(running.callbacks)

    count = Count()
    count.set_model(model)
    running.callbacks.append(count)
    model.fit(x, y, batch_size=4, verbose=0, callbacks=running)
    assert count.count == 6
    assert running.callbacks == [fail, history, log, count]


def test_a_custom_loop_gets_the_rate_in_its_logs():
    """Without a `CallbackList`, the rate is put into the logs that the loop passes."""
    model, log, logs = model_with(SCHEDULE), logger(), {}
    x, y = data(1)
    model.make_train_function()
    log.set_model(model)
    log.on_train_begin()
    log.on_epoch_begin(0)
    for batch in range(BATCHES):
        log.on_train_batch_begin(batch)
        model.train_on_batch(x, y)
        log.on_train_batch_end(batch)
    log.on_epoch_end(0, logs)
    assert logs["learning_rate"] == pytest.approx(SCHEDULE.values(BATCHES - 1))
