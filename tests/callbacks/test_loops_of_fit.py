"""Binding and the audit when several calls of `fit` are one training."""

import warnings

import keras
import numpy as np
import pytest
from support.training import fit, model_with

import keras_lr as klr
from keras_lr.optimizers import lookup

FALLING = klr.LinearDecay(0.1, klr.fraction(1.0))


def warned(function):
    """The schedule warnings, as Python shows them by default: each once per line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        function()
    return [str(warning.message) for warning in caught if warning.category is klr.ScheduleWarning]


def loop(model, make, count=6):
    """Call `fit` for one epoch repeatedly. Returns the rates that were used."""
    log = klr.LearningRateLogger(audit=False)
    for _ in range(count):
        fit(model, log, *make(), epochs=1)
    return log.to_frame().learning_rate.to_numpy()


def eager(schedule, optimizer=keras.optimizers.SGD):
    return model_with(None, optimizer(schedule), run_eagerly=True)


def test_a_loop_can_declare_its_length():
    rates = []
    assert warned(lambda: rates.extend(loop(eager(FALLING), lambda: [klr.BindSchedule(epochs=6)]))) == []
    np.testing.assert_allclose(rates, klr.LinearDecay(0.1, 30).values(range(30)), rtol=1e-6)


@pytest.mark.once
def test_a_loop_of_undeclared_length_warns_once():
    rates = []
    (message,) = warned(lambda: rates.extend(loop(eager(FALLING), lambda: [klr.BindSchedule()], 3)))
    assert message == (
        "BindSchedule: this `fit` continues at step 5, so the schedule is bound again, to 2 epochs, and the rate changes from 0 "
        "to 0.05; for several calls of `fit`, pass their total number of epochs: `BindSchedule(epochs=…)`"
    )
    assert rates[5] == pytest.approx(0.05)


@pytest.mark.once
def test_another_model_in_the_same_line_warns_again():
    assert len(warned(lambda: [loop(eager(FALLING), lambda: [klr.BindSchedule()], 2) for _ in range(2)])) == 2


@pytest.mark.once
def test_a_first_fit_of_one_batch_counts():
    model = eager(FALLING)
    fit(model, klr.BindSchedule(audit=False), epochs=1, batches=1)
    (message,) = warned(lambda: fit(model, klr.BindSchedule(), epochs=1, batches=1))
    assert "this `fit` continues at step 1, so the schedule is bound again" in message


@pytest.mark.once
def test_a_new_training_is_no_loop():
    model = eager(FALLING.from_step(3))
    fit(model, klr.BindSchedule(audit=False), epochs=2)
    klr.set_step(model, 0)
    assert not any("bound again" in it for it in warned(lambda: fit(model, klr.BindSchedule(), epochs=4)))


class Stop(keras.callbacks.Callback):
    """An error after a batch of the first epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise InterruptedError


@pytest.mark.once
def test_a_resume_within_the_first_epoch_is_no_loop(tmp_path):
    model = eager(FALLING)

    def callbacks():
        return klr.BackupAndRestore(tmp_path, save_freq=1), klr.BindSchedule()

    with pytest.raises(InterruptedError):
        fit(model, *callbacks(), Stop(), epochs=2)
    assert warned(lambda: fit(model, *callbacks(), epochs=4)) == []
    assert lookup.rated_optimizers(model)[0].source == FALLING.bind(steps_per_epoch=5, epochs=4)


@pytest.mark.once
@pytest.mark.parametrize("args", [{"epochs": 3, "initial_epoch": 1}, {"epochs": 2}])
def test_no_warning_if_the_rate_does_not_change(args):
    model = eager(klr.LinearDecay(0.1, klr.epochs(3)))
    fit(model, klr.BindSchedule(audit=False), epochs=1)
    assert warned(lambda: fit(model, klr.BindSchedule(), **args)) == []


@pytest.mark.once
def test_no_warning_if_the_second_fit_declares_the_length():
    model = eager(FALLING)
    fit(model, klr.BindSchedule(), epochs=2)
    assert warned(lambda: fit(model, klr.BindSchedule(), initial_epoch=2, epochs=4)) == []


@pytest.mark.few(1)
@pytest.mark.parametrize("form", [None, "model.keras"])
def test_a_schedule_bound_by_the_user_stays(tmp_path, form):
    bound = FALLING.bind(steps_per_epoch=5, epochs=6)
    model = eager(bound)
    if form:
        model.save(tmp_path / form)
        model = keras.models.load_model(tmp_path / form)
    rates = []
    assert warned(lambda: rates.extend(loop(model, lambda: [klr.BindSchedule()], 2)))[1:] == []
    np.testing.assert_allclose(rates, bound.values(range(10)), rtol=1e-6)
    assert lookup.rated_optimizers(model)[0].source == bound


@pytest.mark.once
def test_a_schedule_bound_by_the_user_stays_after_a_fit_with_another_length():
    model = eager(FALLING)
    fit(model, klr.BindSchedule(audit=False), epochs=2)
    mine = FALLING.bind(steps_per_epoch=5, epochs=9)
    klr.set_learning_rate(model, mine)
    fit(model, klr.BindSchedule(audit=False), epochs=4)
    assert lookup.rated_optimizers(model)[0].source == mine


@pytest.mark.once
def test_a_schedule_bound_by_the_user_stays_next_to_one_that_is_not():
    mine = klr.LinearDecay(1.0, klr.epochs(4)).bind(steps_per_epoch=2, epochs=9)
    model = eager(mine * klr.LinearDecay(0.1, klr.fraction(1.0)))
    fit(model, klr.BindSchedule(audit=False), epochs=4)
    expected = mine.values(range(5)) * klr.LinearDecay(0.1, 20).values(range(5))
    np.testing.assert_allclose(lookup.rated_optimizers(model)[0].source.values(range(5)), expected, rtol=1e-6)
    fit(model, klr.BindSchedule(audit=False), initial_epoch=4, epochs=8)
    expected = mine.values(range(5)) * klr.LinearDecay(0.1, 40).values(range(5))
    np.testing.assert_allclose(lookup.rated_optimizers(model)[0].source.values(range(5)), expected, rtol=1e-6)


@pytest.mark.once
def test_a_schedule_bound_by_the_user_stays_next_to_one_bound_by_a_callback():
    model = eager(FALLING)
    fit(model, klr.BindSchedule(audit=False), epochs=2)
    mine = klr.LinearDecay(1.0, klr.epochs(4)).bind(steps_per_epoch=2, epochs=9)
    klr.set_learning_rate(model, mine * lookup.rated_optimizers(model)[0].source)
    for epochs in (4, 6):
        fit(model, klr.BindSchedule(audit=False), initial_epoch=epochs - 2, epochs=epochs)
        expected = mine.values(range(30)) * klr.LinearDecay(0.1, 5 * epochs).values(range(30))
        np.testing.assert_allclose(lookup.rated_optimizers(model)[0].source.values(range(30)), expected, rtol=1e-6)


@pytest.mark.once
def test_a_schedule_bound_by_the_user_stays_after_a_fit_with_a_number():
    model = eager(0.1)
    fit(model, klr.BindSchedule(audit=False), epochs=2)
    mine = FALLING.bind(steps_per_epoch=5, epochs=2)
    klr.set_learning_rate(model, mine)
    fit(model, klr.BindSchedule(audit=False), epochs=4)
    assert lookup.rated_optimizers(model)[0].source == mine


@pytest.mark.once
@pytest.mark.parametrize("form", ["model.keras", "same optimizer"])
def test_a_schedule_bound_by_a_callback_is_bound_again(tmp_path, form):
    model = eager(FALLING)
    fit(model, klr.BindSchedule(), epochs=2)
    if form == "model.keras":
        model.save(tmp_path / form)
        model = keras.models.load_model(tmp_path / form)
        args = {"initial_epoch": 2, "epochs": 4}
    else:
        model.compile(model.optimizer, loss=model.loss, run_eagerly=True)
        klr.set_step(model, 0)
        args = {"epochs": 4}
    fit(model, klr.BindSchedule(), **args)
    assert lookup.rated_optimizers(model)[0].source == FALLING.bind(steps_per_epoch=5, epochs=4)


@pytest.mark.once
def test_a_schedule_that_a_callback_bound_twice_is_bound_again_in_another_model():
    model = eager(FALLING)
    for epochs in (2, 4):
        fit(model, klr.BindSchedule(audit=False), initial_epoch=epochs - 2, epochs=epochs)
    other = eager(lookup.rated_optimizers(model)[0].source)
    fit(other, klr.BindSchedule(audit=False), epochs=3)
    assert lookup.rated_optimizers(other)[0].source == FALLING.bind(steps_per_epoch=5, epochs=3)


@pytest.mark.once
@pytest.mark.parametrize("wrong", [0, 2.5, "6"])
def test_epochs_are_whole(wrong):
    with pytest.raises((TypeError, ValueError), match=r"`epochs` must be a whole number of epochs in \[1, 2\*\*31\)"):
        klr.BindSchedule(epochs=wrong)


# The audit


@pytest.mark.once
@pytest.mark.parametrize("callback", [klr.BindSchedule, klr.LearningRateLogger])
def test_the_audit_is_right_in_a_loop(callback):
    model = eager(klr.LinearDecay(0.1, 40))
    messages = warned(lambda: loop(model, lambda: [callback()], 4))
    assert messages == [
        "the schedule ends at step 40, but this `fit` ends before it, at step 5 (for several calls of `fit`, pass their "
        "total number of epochs: `BindSchedule(epochs=…)`)"
    ]
    model = eager(klr.LinearDecay(0.1, 5))
    messages = warned(lambda: loop(model, lambda: [callback()], 3))
    assert messages == [
        f"the schedule ends at step 5, {share} of a training that ends at step {end}; this `fit` continues at step {begun}; "
        "to start the schedule again, call `keras_lr.set_step(model, 0)` first"
        for share, begun, end in [("50%", 5, 10), ("33%", 10, 15)]
    ]


@pytest.mark.once
@pytest.mark.parametrize("order", [1, -1])
def test_the_audit_uses_the_declared_length_of_a_loop(order):
    callbacks = lambda: [klr.BindSchedule(epochs=4), klr.LearningRateLogger()][::order]  # noqa: E731
    assert warned(lambda: loop(eager(klr.LinearDecay(0.1, 20)), callbacks, 4)) == []
    messages = warned(lambda: loop(eager(klr.LinearDecay(0.1, 10)), callbacks, 4))
    assert set(messages) == {"the schedule ends at step 10, 50% of a training that ends at step 20"}


@pytest.mark.once
def test_the_audit_warns_again_after_compile():
    """The warning is repeated even for the same line, as in a notebook cell that is run again."""

    def cell():
        for _ in range(2):
            model.compile(keras.optimizers.SGD(klr.LinearDecay(0.1, 5)), loss=loss, run_eagerly=True)
            fit(model, klr.BindSchedule())

    model = eager(0.1)
    loss = model.loss
    assert warned(cell) == ["the schedule ends at step 5, 33% of a training that ends at step 15"] * 2
