"""`ReduceOnPlateau` together with Keras's callbacks and settings, and in custom loops."""

import contextlib
import logging

import keras
import numpy as np
import pytest
from support.backend import BACKEND
from support.training import Metric, data, fit, model_with

import keras_lr as klr
from keras_lr.callbacks.best_weights import metric_of_best
from keras_lr.callbacks.plateau_rule import PlateauRule, PlateauState

SILENT = contextlib.nullcontext


def flat(**options):
    return klr.ReduceOnPlateau("metric", 0.5, 1, mode="min", **options)


@pytest.fixture(scope="module")
def eager():
    """A model whose training step is not compiled, for tests that do not depend on it."""
    return model_with(0.5, run_eagerly=True)


# A validation metric that is missing in some epochs


class Validation(keras.callbacks.Callback):
    """Adds `val_loss` to the logs of every n-th epoch, as `validation_freq` does."""

    def __init__(self, every):
        super().__init__()
        self.every = every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            logs["val_loss"] = 1.0


@pytest.mark.once
@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("patience", [1, 3])
def test_no_warning_for_an_epoch_without_validation(eager, every, patience):
    plateau = klr.ReduceOnPlateau(patience=patience)
    fit(eager, Validation(every), plateau, epochs=4)
    assert plateau.get_state()["last_epoch"] == 3


@pytest.mark.once
@pytest.mark.parametrize(("patience", "epochs"), [(3, 1), (3, 3), (3, 7), (1, 2), (1, 7)])
def test_a_warning_if_there_is_no_validation(eager, patience, epochs):
    count = min(epochs, max(patience, 2))
    when = "the epoch's logs" if count == 1 else f"the logs of {count} epochs"
    with pytest.warns(UserWarning, match=f"'val_loss' is not in {when}, .*need `validation_data`") as caught:
        fit(eager, klr.ReduceOnPlateau(patience=patience), epochs=epochs, batches=1)
    assert len([warning for warning in caught if "val_loss" in str(warning.message)]) == 1


@pytest.mark.once
def test_a_metric_missing_in_a_validation_warns_at_once(eager):
    callback = klr.ReduceOnPlateau("val_accuracy", mode="max")
    with pytest.warns(UserWarning, match="'val_accuracy' is not in the epoch's logs, .* did you mean|there are"):
        fit(eager, Validation(1), callback, epochs=2, batches=1)


# A duration in epochs, where only `BindSchedule` has the length of an epoch


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("order", [1, -1])
def test_bind_schedule_provides_the_length_of_an_epoch_for_the_start(eager, order):
    x, y = data(3)

    def three():
        for start in (0, 4, 8):
            yield x[start : start + 4], y[start : start + 4]

    plateau = flat(start_after=klr.epochs(2))
    callbacks = [Metric([1.0]), *[klr.BindSchedule(steps_per_epoch=3), plateau][::order]]
    eager.fit(three(), epochs=1, verbose=0, shuffle=False, callbacks=callbacks)
    assert plateau._start == 6


# Callbacks that work against it


@pytest.mark.once
@pytest.mark.parametrize(
    ("function", "undoes"),
    [
        (lambda epoch: 0.1, True),
        (lambda epoch, lr: lr * 0.9, False),
        (lambda epoch, rate=0.1: rate, False),
        (lambda epoch, *, factor=2: 0.1 * factor, True),
        (max, False),
    ],
    ids=["epoch", "epoch and rate", "default", "keyword", "no signature"],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_scheduler_that_undoes_every_reduction_warns(function, undoes, order):
    # The scheduler's hooks are replaced, since only the check of its function is tested.
    scheduler = keras.callbacks.LearningRateScheduler(function)
    scheduler.on_epoch_begin = lambda epoch, logs=None: None
    scheduler.on_epoch_end = lambda epoch, logs=None: None
    callbacks = [flat(), scheduler][::order]
    message = (
        "ReduceOnPlateau: `LearningRateScheduler` sets the learning rate in each epoch from the number of the epoch alone, "
        "which undoes every reduction; give the optimizer a schedule, or multiply the rate that the function gets as its "
        "second argument"
    )
    expected = pytest.warns(UserWarning, match=f"^{message}$")
    model = model_with(0.5, run_eagerly=True)
    with expected if undoes else SILENT():
        fit(model, Metric([1.0]), *callbacks, epochs=1, batches=1)


def test_a_scheduler_that_uses_the_rate_does_not_warn():
    model = model_with(0.5, run_eagerly=True)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.8)
    fit(model, Metric([1.0] * 3), scheduler, flat(), epochs=3, batches=1)
    assert klr.get_learning_rate(model) == pytest.approx(0.5 * 0.8**3 * 0.5**2)


# Keras's setting for printed lines


@pytest.mark.once
def test_lines_are_printed_or_logged_as_those_of_keras(capsys, caplog, eager):
    eager.optimizer.learning_rate = 0.5
    caplog.set_level(logging.INFO, logger="absl")
    logging.getLogger("absl").propagate = True
    keras.config.disable_interactive_logging()
    try:
        fit(eager, Metric([1.0] * 2), flat(verbose=1), epochs=2, batches=1)
    finally:
        keras.config.enable_interactive_logging()
    line = "\nEpoch 2: ReduceOnPlateau: learning_rate 0.5 -> 0.25"
    assert "ReduceOnPlateau" not in capsys.readouterr().out
    assert line in [record.getMessage() for record in caplog.records]
    eager.optimizer.learning_rate = 0.5
    fit(eager, Metric([1.0] * 2), flat(verbose=1), epochs=2, batches=1)
    assert line in capsys.readouterr().out


# Best weights with a window


@pytest.mark.few(3)
@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("window", [None, 1, 2])
def test_the_best_epoch_is_that_of_all_epochs(tmp_path, window, resumed):
    """A window forgets the best value of epoch 1. Then 0.8 in epoch 3 is an improvement, but not the best value."""
    metrics = [0.5, 0.3, 0.9, 0.8, 0.85, 0.86, 0.87]
    model = model_with(klr.Constant(0.5), run_eagerly=True)
    plateau = klr.ReduceOnPlateau("metric", 0.5, 2 + 3 * (window is None), mode="min", window=window, **RESTORE)
    seen, later = Seen(), Seen()
    if resumed:
        fit(model, seen, Metric(metrics), plateau, epochs=4, batches=1)
        model.save(tmp_path / "model.keras")
        model = keras.models.load_model(tmp_path / "model.keras")
        plateau = klr.ReduceOnPlateau("metric", 0.5, 2 + 3 * (window is None), mode="min", window=window, **RESTORE)
    fit(model, seen, Metric(metrics), plateau, later, initial_epoch=4 * resumed, epochs=7, batches=1)
    assert plateau.get_state()["n_reductions"] >= 1
    # A reduction at the end of an epoch restores the weights of epoch 1.
    assert {later.after[epoch] for epoch in later.after if later.after[epoch] != seen.after[epoch]} == {seen.after[1]}
    assert metric_of_best("ReduceOnPlateau", model, "ReduceOnPlateau/metric") == 0.3


RESTORE = {"restore_best_weights": True}


class Seen(keras.callbacks.Callback):
    """The weight at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.after = {}

    def on_epoch_end(self, epoch, logs=None):
        self.after[epoch] = float(self.model.get_weights()[0].item())


@pytest.mark.once
def test_a_damaged_metric_of_the_best_weights_is_refused(eager):
    from keras_lr.training.saved_state import memory

    memory(eager)["ReduceOnPlateau/metric/best_weights"] = {"metric": "low"}
    with pytest.raises(ValueError, match="`metric` must be a number in the saved state of the best weights, got 'low'"):
        metric_of_best("ReduceOnPlateau", eager, "ReduceOnPlateau/metric")
    del memory(eager)["ReduceOnPlateau/metric/best_weights"]


# Custom training loops


@pytest.mark.parametrize("how", ["compiled", "eager", "fit"])
@pytest.mark.parametrize("rate", [0.5, klr.Constant(0.5)], ids=["number", "schedule"])
def test_a_custom_loop_warns_if_the_compiled_step_misses_a_reduction(rate, how):
    model, plateau = model_with(rate, run_eagerly=how == "eager"), flat()
    model.optimizer.build(model.trainable_variables)
    acts = how != "compiled" or isinstance(rate, float) or BACKEND == "torch"
    expected = SILENT() if acts else pytest.warns(UserWarning, match="in your own training loop a step under")
    with expected as caught:
        if how == "fit":
            fit(model, Metric([1.0] * 3), plateau, epochs=3, batches=1)
        else:
            plateau.set_model(model)
            plateau.on_train_begin()
            for epoch in range(3):
                plateau.on_epoch_begin(epoch)
                plateau.on_train_batch_begin(0)
                plateau.on_train_batch_end(0)
                plateau.on_epoch_end(epoch, {"metric": 1.0})
            plateau.on_train_end()
    assert plateau.get_state()["n_reductions"] == 2
    assert acts or len([warning for warning in caught if "in your own training loop" in str(warning.message)]) == 1


# The thresholds of torch and optax


@pytest.mark.once
@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize(("atol", "rtol"), [(0.0, 0.1), (0.5, 0.0), (0.5, 0.1)])
def test_both_tolerances_are_those_of_optax(direction, atol, rtol):
    """In optax.contrib.reduce_on_plateau, better means ``value < (1 - rtol) * best - atol``."""
    rule = PlateauRule(direction, 1, atol, "abs", 0, rtol=rtol)
    sign = 1.0 if direction == "min" else -1.0
    for best in (10.0, 2.0):
        for value in np.linspace(0.0, 12.0, 97):
            better = value < (1 - rtol) * best - atol if sign > 0 else value > (1 + rtol) * best + atol
            assert rule.observe(PlateauState(best=best), float(value))[0].wait == (0 if better else 1)


@pytest.mark.few(3)
@pytest.mark.parametrize("rate", [0.5, klr.Constant(0.5)], ids=["number", "schedule"])
@pytest.mark.parametrize(("eps", "reductions"), [(0.0, 4), (0.1, 2), (0.3, 0), (0.124, 2)])
def test_a_change_below_eps_is_not_made(rate, eps, reductions):
    """As in torch, a change of at most `eps` is not made. The changes are 0.25, 0.125, 0.0625 and 0.03125."""
    model, plateau = model_with(rate, run_eagerly=True), flat(eps=eps)
    fit(model, Metric([1.0] * 5), plateau, epochs=5, batches=1)
    assert klr.get_learning_rate(model) == pytest.approx(0.5 * 0.5**reductions)
    assert plateau.get_state()["n_reductions"] == reductions


@pytest.mark.once
def test_a_missing_metric_of_a_validation_that_ran_is_reported_in_the_first_epoch(eager):
    """Without any metric of a validation, `patience` epochs pass first: it may run in every third epoch."""
    x, y = data(5)
    plateau = klr.ReduceOnPlateau("val_accuracy", patience=5, mode="max")
    with pytest.warns(UserWarning, match="'val_accuracy' is not in the epoch's logs"):
        eager.fit(x, y, validation_data=(x, y), epochs=2, callbacks=[plateau], verbose=0)
