"""Units, binding, the time budget, the audit, and the laws of composition."""

import datetime
import math
import re
import time
import warnings
from fractions import Fraction

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.backend import BACKEND
from support.training import Weight, assert_applied, calls, data, drive, fit, model_with, two_optimizers

import keras_lr as klr
from keras_lr import BindSchedule, LearningRateLogger, epochs, fraction
from keras_lr.callbacks import time_budget
from keras_lr.core.algebra import rebound
from keras_lr.core.tree import contains
from keras_lr.training.saved_state import memory

UNITS = klr.Warmup(klr.CosineDecay(0.3, epochs(3)), fraction(0.25))
IN_STEPS = klr.Warmup(klr.CosineDecay(0.3, 15), 5)
quiet = {"audit": False}


def source(model):
    return model.optimizer._learning_rate


@pytest.mark.parametrize("per_execution", [1] if BACKEND == "torch" else [1, 3])
@pytest.mark.parametrize("last", [None, 1])
@pytest.mark.parametrize("binder_first", [True, False])
def test_epochs_equal_steps_in_a_real_fit(per_execution, last, binder_first):
    model = model_with(UNITS, steps_per_execution=per_execution)
    log, binder, weight = LearningRateLogger(**quiet), BindSchedule(), Weight()
    fit(model, *([binder, log] if binder_first else [log, binder]), weight, epochs=4, last=last)
    np.testing.assert_array_equal(log.to_frame().learning_rate, IN_STEPS.values(range(20)))
    np.testing.assert_allclose(weight.applied.sum(), IN_STEPS.values(range(20)).sum(), rtol=1e-5)
    assert source(model) == UNITS.bind(steps_per_epoch=5, epochs=4)


@pytest.mark.filterwarnings("ignore::keras_lr.ScheduleWarning")
def test_a_longer_fit_binds_again():
    model = model_with(UNITS)
    fit(model, BindSchedule(), epochs=4)
    for more in ({"epochs": 8, "initial_epoch": 4}, {"epochs": 4}):
        weight, log = Weight(), LearningRateLogger(**quiet)
        start = klr.optimizers.lookup.rated_optimizers(model)[0].step()
        weight.seen = [float(model.get_weights()[0][0, 0])]
        fit(model, BindSchedule(), weight, log, **more)
        whole = (start + 20) // 5
        assert source(model) == UNITS.bind(steps_per_epoch=5, epochs=whole)
        assert_applied(weight, source(model).values(range(start, start + 20)))


def test_binding_takes_one_compilation_and_none_without_a_change(monkeypatch):
    made = calls(monkeypatch, "retrace", "replace", "sync")
    momentum = klr.Scheduled(keras.optimizers.SGD(0.1, momentum=0.5), momentum=klr.LinearDecay(0.9, epochs(4)))
    for model, compilations in (
        (model_with(UNITS), 1),
        (model_with(IN_STEPS), 0),
        (model_with(0.1), 0),
        (model_with(None, momentum), 1),
        (two_optimizers(UNITS, UNITS), 1),
        (two_optimizers(UNITS, IN_STEPS), 1),
        (two_optimizers(IN_STEPS, UNITS), 1),
    ):
        for begun in (0, 20):  # the second time it is already bound to the 40 steps
            made.clear()
            binder = BindSchedule(audit=False)
            binder.set_model(model)
            binder.set_params({"steps": 5, "epochs": 8})
            binder.on_train_begin()
            binder.on_epoch_begin(begun // 5)
            klr.set_step(model, 20)
            assert [name for name, _ in made].count("retrace") == (0 if begun else compilations)
            assert all(given is model for _, given in made)


def test_the_length_must_be_known():
    x, y = data(1)

    def batches():
        while True:
            yield x, y

    with pytest.raises(ValueError, match="the number of batches in the data is unknown"):
        model_with(UNITS).fit(batches(), verbose=0, shuffle=False, callbacks=[BindSchedule()])
    binder = BindSchedule()
    binder.set_model(model_with(UNITS))
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the sentence is compared
        binder.on_train_begin()
    assert str(raised.value) == (
        "BindSchedule: the number of batches in the data is unknown; pass `BindSchedule(steps_per_epoch=…)` or "
        "`fit(steps_per_epoch=…)`"
    )
    model = model_with(UNITS)
    args = {"steps_per_epoch": 5, "epochs": 4, "verbose": 0, "shuffle": False}
    model.fit(batches(), callbacks=[BindSchedule(steps_per_epoch=5)], **args)
    assert source(model).in_steps == IN_STEPS


def test_unbound_use_is_refused_before_the_first_update():
    weight = Weight()
    with pytest.raises(ValueError, match="has durations in epochs, fractions or samples"):
        fit(model_with(UNITS), weight)
    assert weight.seen == [0.0]
    for use in (lambda: UNITS(3), lambda: UNITS.values(3), lambda: UNITS.duration):
        with pytest.raises(ValueError, match="has durations in epochs, fractions or samples"):
            use()


def test_rounding_is_to_the_nearest_step_half_up():
    def steps(duration):
        return klr.LinearDecay(0.1, duration).bind(steps_per_epoch=7, epochs=9).duration

    assert [steps(epochs(0.5)), steps(epochs(0.49)), steps(fraction(0.5)), steps(fraction(0.1))] == [4, 3, 32, 6]


def test_a_schedule_without_units_is_bound_to_itself():
    assert IN_STEPS.bind(steps_per_epoch=3, epochs=2) is IN_STEPS


class Clock:
    """A clock that advances only in training, by a number of seconds for each batch."""

    def __init__(self, seconds):
        self.now, self.seconds = 1000.0, seconds

    def __call__(self):
        return self.now


class Tick(keras.callbacks.Callback):
    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_train_batch_begin(self, batch, logs=None):
        self.clock.now += self.clock.seconds


@pytest.mark.few(1)
@pytest.mark.parametrize("logger_first", [True, False])
def test_a_time_budget_ends_schedule_and_training_together(monkeypatch, logger_first):
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    model = model_with(klr.OneCycle(0.3, fraction(1.0)))
    log, weight = LearningRateLogger(**quiet), Weight()
    callbacks = [log, BindSchedule("1min")] if logger_first else [BindSchedule("1min"), log]
    fit(model, Tick(clock), *callbacks, weight, epochs=200)
    rates = log.to_frame().learning_rate.to_numpy()
    assert len(rates) == 240
    assert_applied(weight, rates)
    assert rates.max() > 0.29
    assert rates[-1] < 0.003
    assert np.abs(np.diff(rates)).max() < 0.02
    assert len(source(model).steps) <= 5


@pytest.mark.slow
def test_a_time_budget_with_the_real_clock():
    """Training ends after the budget, at the end of the schedule and before the last epoch."""
    # The step is compiled several times. That takes longer on a busy machine, so the budget grows with it.
    begun = time.monotonic()
    fit(model_with(klr.LinearDecay(0.3, fraction(1.0))), BindSchedule(), epochs=1)
    budget = max(3.0, 20 * (time.monotonic() - begun))
    log = LearningRateLogger(**quiet)
    model = model_with(klr.LinearDecay(0.3, fraction(1.0)))
    begun = time.monotonic()
    history = fit(model, BindSchedule(datetime.timedelta(seconds=budget)), log, epochs=100_000)
    assert time.monotonic() - begun >= budget
    assert len(history.epoch) < 100_000
    rates = log.to_frame().learning_rate.to_numpy()
    assert rates[0] == pytest.approx(0.3)
    assert rates[-1] < 0.1
    assert np.all(np.diff(rates) <= 0)


@pytest.mark.slow
@pytest.mark.parametrize("plateau_first", [True, False])
def test_a_time_budget_with_a_plateau(monkeypatch, plateau_first):
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    model = model_with(klr.LinearDecay(0.3, fraction(1.0)))
    plateau = klr.ReduceOnPlateau("loss", 0.5, 9, mode="max")
    log, weight = LearningRateLogger(**quiet), Weight()
    callbacks = [plateau, BindSchedule("1min")] if plateau_first else [BindSchedule("1min"), plateau]
    fit(model, Tick(clock), *callbacks, log, weight, epochs=200)
    assert_applied(weight, log.to_frame().learning_rate)
    assert type(source(model)).__name__ == "Reduced"
    assert type(source(model).schedule).__name__ == "Paced"
    assert plateau.state.n_reductions > 3
    assert source(model).scale == 0.5**plateau.state.n_reductions


@pytest.mark.slow
def test_a_resume_counts_the_time_already_used(monkeypatch, tmp_path):
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)

    def make():
        model = model_with(klr.OneCycle(0.3, fraction(1.0)))
        model.optimizer.build(model.trainable_variables)
        return model

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 24:
                raise KeyboardInterrupt

    model, log = make(), LearningRateLogger(**quiet)
    backup = keras.callbacks.BackupAndRestore
    with pytest.raises(KeyboardInterrupt):
        fit(model, backup(tmp_path), Tick(clock), BindSchedule(60), log, Kill(), epochs=200)
    clock.now += 1e6
    again, rest = make(), LearningRateLogger(**quiet)
    fit(again, backup(tmp_path), Tick(clock), BindSchedule(60), rest, epochs=200)
    rates = np.concatenate([log.to_frame().learning_rate, rest.to_frame().learning_rate])
    assert 230 <= len(rates) <= 242
    assert rates[-1] < 0.003
    assert np.abs(np.diff(rates)).max() < 0.02


def paces(seconds, budget, end):
    """The clock under a time budget, as documented, for batches that take `seconds(number)`.

    After 2, 25, 50, 75 and 90 % of the budget, the rest of the schedule is spread over the remaining batches. Five
    batches must have been measured since the last correction; the first one after it compiles and does not count. The
    time to compile once more is set aside. A change of less than 5 % is not made.
    """
    pieces, now, done, slowest = [(0, 0, Fraction(1))], 0.0, 0, 0.0
    due, since = [share * budget for share in (0.02, 0.25, 0.5, 0.75, 0.9)], []
    while True:
        took = seconds(done)
        now, done = now + took, done + 1
        since.append(took)
        if len(since) == 1:
            slowest = max(slowest, took)
        if now >= budget:
            return pieces, done
        if len(since) < 6 or not due or now < due[0]:
            continue
        while due and due[0] <= now:
            due.pop(0)
        left = max(budget - now - slowest, 0.0) * (len(since) - 1) / sum(since[1:])
        start, ticks, pace = pieces[-1]
        ticks += math.floor((done - start) * pace)
        wanted = Fraction(max(end - ticks, 1), max(math.floor(left), 1))
        if abs(wanted / pace - 1) >= 0.05:
            pieces.append((done, ticks, wanted))
            since = []


SPEEDS = {
    "always the same": lambda batch: 0.25,
    "a slow first batch": lambda batch: 4.0 if batch == 0 else 0.25,
    "a first batch that takes longer than what is left at the end": lambda batch: 8.0 if batch == 0 else 0.25,
    "slower later": lambda batch: 0.25 if batch < 70 else 0.5,
    "quicker later": lambda batch: 0.5 if batch < 70 else 0.125,
    "slow in the middle": lambda batch: 2.0 if 60 < batch < 75 else 0.25,
    "very slow": lambda batch: 8.0,
    "slow at the end": lambda batch: 0.25 if batch < 190 else 4.0,
}


@pytest.mark.parametrize(
    ("name", "endless"), [*((name, False) for name in SPEEDS), ("slower later", True), ("quicker later", True)]
)
def test_the_paces_of_a_time_budget_equal_an_independent_model(monkeypatch, name, endless):
    clock = Clock(0.0)
    monkeypatch.setattr(time_budget, "clock", clock)

    class Timed(keras.callbacks.Callback):
        batch = 0

        def on_train_batch_end(self, batch, logs=None):
            self.ran = self.batch = self.batch + 1

        def on_train_batch_begin(self, batch, logs=None):
            clock.now += SPEEDS[name](self.batch)

    timed, log = Timed(), LearningRateLogger(**quiet)
    plain = klr.ExponentialDecay(0.3, fraction(0.5), 0.1) if endless else klr.LinearDecay(0.3, fraction(1.0))
    model = model_with(plain)
    drive(model, BindSchedule(60), timed, log, epochs=200)
    pieces, batches = paces(SPEEDS[name], 60.0, 1000)
    assert timed.ran == batches
    if len(pieces) > 1:
        assert memory(model)["time_budget"]["clocks"]["learning_rate"] == source(model).pieces()
    unpaced = {"steps": [0], "ticks": [0], "numerators": [1], "denominators": [1]}
    found = source(model).pieces() if isinstance(source(model), klr.Paced) else unpaced
    assert found["steps"] == [step for step, _, _ in pieces]
    assert found["ticks"] == [ticks for _, ticks, _ in pieces]
    got = [Fraction(*pair) for pair in zip(found["numerators"], found["denominators"], strict=True)]
    assert got == [pace for _, _, pace in pieces]
    at = [next(t + math.floor((n - s) * p) for s, t, p in reversed(pieces) if n >= s) for n in range(batches)]
    expected = [0.3 * 0.1 ** (tick / 500) if endless else 0.3 * (1 - min(tick, 1000) / 1000) for tick in at]
    np.testing.assert_allclose(log.to_frame().learning_rate, expected, rtol=1e-5, atol=1e-9)


def test_each_correction_of_the_pace_takes_one_compilation(monkeypatch):
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    made = calls(monkeypatch, "retrace", "sync", "replace")
    for rate, corrections in ((klr.LinearDecay(0.3, 400), 1), (0.3, 0)):
        made.clear()
        model = model_with(rate)
        drive(model, BindSchedule(60), Tick(clock), epochs=200)
        assert [name for name, _ in made].count("retrace") == corrections
        assert all(given is model for _, given in made)
        # The pace is checked five times. Each check reads the step, which must be synchronized before.
        assert [name for name, _ in made].count("sync") >= 5


def test_a_correction_due_at_a_kill_is_not_repeated():
    model = model_with(0.3)
    memory(model)["time_budget"] = {"seconds": 15.0, "clocks": {}}
    assert time_budget.TimeBudget(model, 60.0, 1000, continues=True)._due == [30.0, 45.0, 54.0]


def test_the_pace_depends_on_the_schedule_not_on_the_epochs(monkeypatch):
    """400 steps of a schedule in 240 batches. A reduced schedule stays reduced when its pace is corrected."""
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    model = model_with(klr.Reduced(klr.LinearDecay(0.3, 400), 0.5, by="ReduceOnPlateau/loss"))
    log = LearningRateLogger(**quiet)
    drive(model, BindSchedule(60), Tick(clock), log, epochs=200)
    pieces, batches = paces(lambda batch: 0.25, 60.0, 400)
    assert source(model).schedule.pieces()["numerators"] == [1, pieces[1][2].numerator]
    rates = log.to_frame().learning_rate.to_numpy()
    assert len(rates) == batches == 240
    assert rates[0] == pytest.approx(0.15)
    assert rates[-1] < 0.002
    assert source(model).scale == 0.5


def test_the_model_of_the_paces_by_hand():
    pieces, batches = paces(SPEEDS["always the same"], 60.0, 1000)
    # After 6 batches, 60 − 1.5 − 0.25 seconds are left. These are 233 batches, for 994 ticks.
    assert pieces == [(0, 0, 1), (6, 6, Fraction(994, 233))]
    assert batches == 240


def test_a_saved_clock_is_not_wrapped_again(monkeypatch, tmp_path):
    """A file of a model contains the schedule with its clock. A file of weights contains only the clock."""
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    model = model_with(klr.LinearDecay(0.3, 100))
    drive(model, Tick(clock), BindSchedule(60), epochs=20)
    before = source(model)
    assert len(before.steps) > 1
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "only.weights.h5")
    whole = keras.models.load_model(tmp_path / "model.keras")
    alone = model_with(klr.LinearDecay(0.3, 100))
    alone.optimizer.build(alone.trainable_variables)
    alone.load_weights(tmp_path / "only.weights.h5")
    made = calls(monkeypatch, "retrace", "replace")
    for again, compilations in ((whole, 0), (alone, 1)):
        made.clear()
        # The callback runs without a training and installs the clock at the first epoch.
        binder = BindSchedule(60, steps_per_epoch=5)
        binder.set_model(again)
        binder.set_params({"epochs": 200, "steps": 5})
        binder.on_train_begin()
        binder.on_epoch_begin(20)
        assert made == [("replace", again), ("retrace", again)][: 2 * compilations]
        assert type(source(again)).__name__ == "Paced"
        assert not isinstance(source(again).schedule, klr.Paced)
        np.testing.assert_allclose(source(again).values(range(300)), before.values(range(300)), rtol=1e-12)


@pytest.mark.parametrize(
    ("saved", "sentence"),
    [
        ({"seconds": -1.0, "clocks": {}}, "`seconds` must be a finite number >= 0, got -1.0"),
        ({"clocks": {}}, "`seconds` must be a finite number >= 0, got None"),
        ({"seconds": 0.0, "clocks": 3}, "`clocks` must be the paces by optimizer in the saved state, got 3"),
        (
            {"seconds": 0.0, "clocks": {"learning_rate": [0]}},
            "`clocks` must be the paces by optimizer in the saved state, got {'learning_rate': [0]}",
        ),
        (
            {"seconds": 0.0, "clocks": {"learning_rate": {"steps": [0]}}},
            "`clocks` must be the paces by optimizer in the saved state, got {'learning_rate': {'steps': [0]}}",
        ),
    ],
)
def test_a_damaged_state_of_a_time_budget_is_refused(saved, sentence):
    model = model_with(klr.LinearDecay(0.3, fraction(1.0)))
    memory(model)["time_budget"] = saved
    with pytest.raises((TypeError, ValueError)) as raised:
        fit(model, BindSchedule(60))
    assert str(raised.value) == "BindSchedule: " + sentence


@pytest.mark.parametrize(
    ("budget", "error"),
    [
        (True, TypeError),
        ([60], TypeError),
        (1j, TypeError),
        (0, ValueError),
        ("soon", ValueError),
        (np.inf, ValueError),
    ],
)
def test_a_time_budget_must_be_a_time(budget, error):
    with pytest.raises(error) as raised:
        BindSchedule(budget)
    allowed = "BindSchedule: `time_budget` must be seconds > 0, a timedelta, or a string such as '30min', got "
    assert str(raised.value) == allowed + repr(budget)


def test_a_time_budget_may_be_less_than_a_second():
    assert BindSchedule(0.25).time_budget == 0.25


@pytest.mark.parametrize("budget", [90, 90.0, np.float32(90), "90s", "1.5min", datetime.timedelta(seconds=90)])
def test_a_time_budget_in_every_form(budget):
    assert BindSchedule(budget).time_budget == 90.0


def test_a_used_up_time_budget_ends_with_the_epoch(monkeypatch):
    clock = Clock(0.0)
    monkeypatch.setattr(time_budget, "clock", clock)

    class Slow(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            clock.now += 20.0

    history = fit(model_with(0.3), Slow(), BindSchedule(60), epochs=10)
    assert len(history.epoch) == 3


@pytest.mark.parametrize("more", [1, 200])
def test_a_schedule_that_has_ended_is_reported_at_the_start(monkeypatch, more):
    """The clock of the first training stays. One sentence for each schedule that cannot change any more."""
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    model = model_with(klr.LinearDecay(0.3, 100, 0.003))
    drive(model, Tick(clock), BindSchedule(60), epochs=200)
    assert source(model).pieces()["numerators"] != [1]
    step = int(model.optimizer.iterations)
    text = (
        f"BindSchedule: the schedule of `learning_rate` ended at step {step} already, so this training stays at 0.003: "
        "compile the model again, or set another schedule with `set_learning_rate`"
    )
    with pytest.warns(klr.ScheduleWarning, match=f"^{re.escape(text)}$") as caught:
        drive(model, Tick(clock), BindSchedule(60), epochs=more)
    assert [type(it.message) for it in caught] == [klr.ScheduleWarning]


@pytest.mark.parametrize("first", "ab")
def test_an_ended_schedule_is_reported_next_to_a_number(monkeypatch, first):
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    model = two_optimizers(0.1, klr.LinearDecay(0.3, 100, 0.003), first)
    fit(model, Tick(clock), BindSchedule(60), epochs=200)
    with pytest.warns(
        klr.ScheduleWarning, match="^BindSchedule: the schedule of `learning_rate_schedule` ended at step"
    ):
        fit(model, Tick(clock), BindSchedule(60), epochs=1)


def test_a_schedule_that_has_not_ended_is_not_reported(monkeypatch):
    """As in a new training, at a rate that is a number, and without a clock."""
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    for rate in (klr.LinearDecay(0.3, 1000), 0.1):
        model = model_with(rate)
        drive(model, Tick(clock), BindSchedule(600), epochs=4)
        drive(model, Tick(clock), BindSchedule(600), epochs=1)


def test_a_schedule_without_an_end_is_over_with_its_ticks(monkeypatch):
    """It has as many ticks as the first training had steps at most."""
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    model = model_with(klr.InverseSquareRootDecay(0.3, 10))
    drive(model, Tick(clock), BindSchedule(60), epochs=200)
    assert len(source(model).pieces()["steps"]) > 1
    with pytest.warns(klr.ScheduleWarning, match="^BindSchedule: the schedule of `learning_rate` ended at step 240"):
        drive(model, Tick(clock), BindSchedule(60), epochs=200)


def test_another_callback_and_a_used_up_one_have_the_whole_budget(monkeypatch):
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    model = model_with(0.3)
    drive(model, Tick(clock), BindSchedule(60), epochs=4)
    binder = BindSchedule(60)
    for batches in (20 + 240, 20 + 2 * 240):
        drive(model, Tick(clock), binder, epochs=200)
        assert int(model.optimizer.iterations) == batches


def test_a_model_loaded_from_a_training_without_a_budget_has_all_of_it(monkeypatch, tmp_path):
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    first = model_with(0.3)
    fit(first, BindSchedule(), epochs=1)
    first.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    drive(again, Tick(clock), BindSchedule(60), epochs=200)
    assert int(again.optimizer.iterations) == 5 + 240


def test_a_resumed_training_still_corrects_its_pace(monkeypatch, tmp_path):
    """Three quarters of the budget are left, and the machine is only half as fast."""
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    first = model_with(klr.LinearDecay(0.3, 1000))
    drive(first, Tick(clock), BindSchedule(60), epochs=12)
    first.save(tmp_path / "model.keras")
    again, log = keras.models.load_model(tmp_path / "model.keras"), LearningRateLogger(**quiet)
    clock.seconds = 0.5
    drive(again, Tick(clock), BindSchedule(60), log, epochs=200)
    rates = log.to_frame().learning_rate.to_numpy()
    assert len(rates) == (60 - 15) / 0.5
    assert rates[0] == pytest.approx(first.optimizer._learning_rate.values(60), rel=1e-6)
    assert rates[-1] < 0.006


# What is bound to which numbers


KERAS = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)


def test_binding_again_reaches_inner_bound_schedules():
    inner = klr.LinearDecay(0.3, epochs(2)).bind(steps_per_epoch=5, epochs=4)
    plain = klr.LinearDecay(0.3, 7)
    within = [inner, klr.Warmup(inner, 3), klr.Chain([plain, inner]), klr.Warmup(klr.Sum([plain, inner]), 2)]
    for schedule, is_inside in [*((it, True) for it in within[1:]), (plain, False), (klr.Chain([plain, plain]), False)]:
        assert contains(schedule, klr.Bound) is is_inside
    for schedule, length in zip(within, [6, 9, 13, 9], strict=True):
        assert rebound(schedule, 3, 4).duration == length
    assert rebound(klr.LinearDecay(0.3, fraction(0.5)), 3, 4).duration == 6
    assert rebound(plain, 3, 4) == plain
    assert rebound(KERAS, 3, 4) is KERAS


def test_the_changes_of_a_bound_schedule():
    assert klr.MultiStepDecay(0.1, [epochs(1), epochs(3)]).bind(steps_per_epoch=5, epochs=4).changes() == (5, 15)
    assert klr.Bound(klr.MultiStepDecay(0.1, [3, 9]), 5, 4).changes() == (3, 9)
    assert klr.Bound(KERAS, 5, 4).changes() == ()


def test_a_binder_without_numbers_from_fit():
    """A custom loop may not pass the number of epochs. Then the current epoch is the last one."""
    model = model_with(klr.LinearDecay(0.3, fraction(1.0)))
    binder = BindSchedule(steps_per_epoch=5, audit=False)
    binder.set_model(model)
    binder.on_train_begin()
    binder.on_epoch_begin(3)
    assert source(model).duration == 5
    klr.set_step(model, 10)
    binder.on_train_begin()
    binder.on_epoch_begin(2)
    assert source(model).duration == 15
    model, logger = model_with(klr.LinearDecay(0.3, 50)), LearningRateLogger()
    logger.set_model(model)
    logger.set_params({"steps": 5})
    logger.on_train_begin()
    logger.on_epoch_begin(0)
    with pytest.warns(klr.ScheduleWarning, match="ends at step 50, but this `fit` ends before it, at step 5 "):
        logger.on_train_batch_begin(0)


def test_hyperparameters_are_bound_whatever_the_rate_is():
    momentum = klr.LinearDecay(0.9, fraction(1.0))
    for rate in (0.1, klr.LinearDecay(0.1, 9), klr.LinearDecay(0.1, epochs(1))):
        optimizer = klr.Scheduled(keras.optimizers.SGD(rate, momentum=0.5), momentum=momentum)
        model = model_with(None, optimizer)
        fit(model, BindSchedule(audit=False), epochs=2)
        assert optimizer.hyperparameters["momentum"].duration == 10
        fit(model, BindSchedule(audit=False), initial_epoch=2, epochs=6)  # the momentum is bound again
        assert optimizer.hyperparameters["momentum"].duration == 30


def test_a_new_momentum_is_bound_with_a_rate_that_is_bound_already():
    momentum = klr.LinearDecay(0.9, fraction(1.0))
    optimizer = klr.Scheduled(keras.optimizers.SGD(klr.LinearDecay(0.1, epochs(1)), momentum=0.5), momentum=momentum)
    model = model_with(None, optimizer)
    for _ in range(2):
        binder = BindSchedule(audit=False)
        binder.set_model(model)
        binder.set_params({"steps": 5, "epochs": 2})
        binder.on_train_begin()
        binder.on_epoch_begin(0)
        assert optimizer.hyperparameters["momentum"].duration == 10
        optimizer.hyperparameters["momentum"] = momentum


def test_errors_name_the_callback():
    for make, beginning in (
        (lambda: BindSchedule(audit=3), "BindSchedule: `audit` must be "),
        (lambda: BindSchedule(on_mismatch=3), "BindSchedule: `on_mismatch` must be "),
        (lambda: LearningRateLogger(audit=3), "LearningRateLogger: `audit` must be "),
        (lambda: LearningRateLogger(path=3), "LearningRateLogger: `path` must be "),
        (lambda: LearningRateLogger(metrics=3), "LearningRateLogger: `metrics` must be "),
    ):
        with pytest.raises((TypeError, ValueError)) as raised:
            make()
        assert str(raised.value).startswith(beginning)


@pytest.mark.parametrize("number", [0, -1, 2.5, "5"])
def test_the_steps_of_an_epoch_are_whole(number):
    with pytest.raises((TypeError, ValueError)) as raised:
        BindSchedule(steps_per_epoch=number)
    assert str(raised.value).startswith("BindSchedule: `steps_per_epoch` must be ")


def found(model, **args):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(model, LearningRateLogger(), **args)
    return [str(warning.message) for warning in caught if warning.category is klr.ScheduleWarning]


def test_the_audit():
    assert found(model_with(klr.LinearDecay(0.3, 15))) == []
    assert found(model_with(klr.Warmup(0.3, 3))) == []
    assert found(model_with(0.3)) == []
    assert found(model_with(klr.LinearDecay(0.3, 5))) == [
        "the schedule ends at step 5, 33% of a training that ends at step 15"
    ]
    assert found(model_with(klr.LinearDecay(0.3, 50))) == [
        "the schedule ends at step 50, but this `fit` ends before it, at step 15 (for several calls of `fit`, pass their total "
        "number of epochs: `BindSchedule(epochs=…)`)"
    ]
    assert found(model_with(klr.MultiStepDecay(0.3, [100, 200]))) == [
        "the schedule first changes at step 100, but this `fit` ends at step 15"
    ]
    for first, late in {
        "100": klr.StepDecay(0.3, 100),
        "101": klr.Reduced(klr.MultiStepDecay(0.3, [101]), 0.5),
        "102": klr.PiecewiseConstantDecay([102], [0.3, 0.1]),
    }.items():
        assert found(model_with(late)) == [
            f"the schedule first changes at step {first}, but this `fit` ends at step 15"
        ]
    accumulating = model_with(None, keras.optimizers.SGD(klr.LinearDecay(0.3, 7), gradient_accumulation_steps=2))
    assert found(accumulating) == [
        "the optimizer applies its gradients every 2 batches, and a schedule counts batches: training has 15 of them and "
        "7 updates; `PerUpdate(schedule, 2)` counts updates"
    ]
    per_update = klr.PerUpdate(klr.LinearDecay(0.3, 7), 2)
    assert found(model_with(None, keras.optimizers.SGD(per_update, gradient_accumulation_steps=2))) == []


def test_the_audit_of_the_binder():
    """The audit warns as that of the logger does, unless it is switched off."""

    def warned(**options):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit(model_with(klr.LinearDecay(0.3, 5)), BindSchedule(**options))
        return [str(warning.message) for warning in caught if warning.category is klr.ScheduleWarning]

    assert warned() == warned(audit=True) == ["the schedule ends at step 5, 33% of a training that ends at step 15"]
    assert warned(audit=False) == []
    assert BindSchedule().audit is True
    assert BindSchedule(audit=False).audit is False


UNKNOWN = (
    r"^BindSchedule: the number of batches in the data is unknown; pass `BindSchedule\(steps_per_epoch=…\)` or "
    r"`fit\(steps_per_epoch=…\)`$"
)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_dataset_of_finite_but_unknown_length():
    def batches():
        for _ in range(6):
            yield np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32)

    with pytest.raises(ValueError, match=r"pass `BindSchedule\(steps_per_epoch=…\)` or `fit\(steps_per_epoch=…\)`"):
        model_with(UNITS).fit(batches(), verbose=0, shuffle=False, callbacks=[BindSchedule()])
    model = model_with(UNITS)
    model.fit(batches(), verbose=0, shuffle=False, callbacks=[BindSchedule(steps_per_epoch=6, audit=False)])
    bound = UNITS.bind(steps_per_epoch=6, epochs=1)
    np.testing.assert_array_equal(source(model).values(range(9)), bound.values(range(9)))
    with_nothing_to_bind = BindSchedule(audit=False)
    model_with(IN_STEPS).fit(batches(), verbose=0, shuffle=False, callbacks=[with_nothing_to_bind])


def test_the_audit_of_a_counter_that_was_left_behind():
    model = model_with(klr.LinearDecay(0.3, 15))
    (message,) = found(model, initial_epoch=2, epochs=5)[:1]
    assert message.startswith("training starts at epoch 2, but the optimizer's step counter is 0")
    model = model_with(klr.LinearDecay(0.3, 15))
    klr.set_step(model, epoch=2, steps_per_epoch=5)
    weight = Weight()
    assert found(model, initial_epoch=2, epochs=3) == []
    fit(model_with(klr.LinearDecay(0.3, 15)), weight, epochs=1)
    assert klr.get_learning_rate(model) == 0.0


def test_the_audit_leaves_out_an_optimizer_that_trains_nothing():
    """Keras never builds it, so its counter is always 0."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, name="all")])
    chosen = keras.optimizers.OptimizerMap(
        default_optimizer=keras.optimizers.SGD(klr.LinearDecay(0.1, 20), name="busy"),
        optimizer_map={"nowhere/.*": keras.optimizers.SGD(klr.LinearDecay(0.1, 20), name="idle")},
    )
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss="mse")
    fit(model, epochs=2)
    (message,) = found(model, initial_epoch=2, epochs=4)
    assert message.startswith("optimizer 'idle' trains nothing")


@pytest.mark.once
def test_a_half_life_in_a_unit():
    def minicpm(total, warmup, decay, half_life):
        return klr.WarmupStableDecay(0.4, total, warmup, decay, 0.02, "halving", half_life)

    schedule = minicpm(fraction(1.0), fraction(0.05), epochs(3), epochs(0.5))
    bound = schedule.bind(steps_per_epoch=20, epochs=9)
    np.testing.assert_array_equal(bound.values(range(200)), minicpm(180, 9, 60, 10).values(range(200)))
    assert bound.values([120, 130, 140]).tolist() == pytest.approx([0.4, 0.21, 0.115])
    with pytest.raises(ValueError, match=r"`half_life` must be .* in \[1, 2\*\*31\)"):
        minicpm(fraction(1.0), 2, epochs(3), epochs(0.01)).bind(steps_per_epoch=20, epochs=9)


# Composition.

LEAVES = [
    klr.LinearDecay(0.4, 9, 0.1),
    klr.CosineDecay(0.3, 14),
    klr.Warmup(klr.LinearDecay(0.5, 8), 5),
    klr.REXDecay(0.7, 11, 0.2),
    klr.WarmupStableDecay(0.6, 20, 3, 7),
]
schedules = st.sampled_from(LEAVES)
T = np.arange(90)


def same(a, b):
    np.testing.assert_allclose(a.values(T), b.values(T), rtol=1e-12, atol=1e-15)


@settings(deadline=None)
@given(schedules, schedules, schedules, st.integers(0, 30), st.integers(0, 30))
def test_laws_of_composition(a, b, c, m, n):
    assert (a >> b) >> c == a >> (b >> c)
    same((a * b) * c, a * (b * c))
    same((a + b) + c, a + (b + c))
    same(1 * a, a)
    same(a * b, b * a)
    same(a.clip(0.1, 0.3).clip(0.1, 0.3), a.clip(0.1, 0.3))
    same(a.from_step(m).from_step(n), a.from_step(m + n))
    assert a.from_step(m).from_step(n) == a.from_step(m + n)
    same(a.from_step(-m), klr.Sequential([float(a.values(0)), a], [m]))
    first, second = sorted((m, n))
    nested = klr.Sequential([klr.Sequential([a, b], [first]), c], [second])
    same(nested, klr.Sequential([a, b, c], [first, second]))
    joined = a >> b
    assert joined.duration == a.duration + b.duration
    np.testing.assert_allclose(joined.values(T + a.duration), b.values(T))
    np.testing.assert_allclose(joined.values(np.arange(a.duration)), a.values(np.arange(a.duration)))


def test_operators_leave_other_types_to_python():
    with pytest.raises(TypeError):
        LEAVES[0] + "1"
    assert (LEAVES[0] / 2).values(0) == pytest.approx(0.2)
    assert (2 * LEAVES[0]).factor == 2.0
    assert (0.5 + LEAVES[0]).values(0) == pytest.approx(0.9)


@pytest.mark.parametrize("budget_first", [True, False])
def test_two_binders_both_act(monkeypatch, budget_first):
    clock = Clock(0.25)
    monkeypatch.setattr(time_budget, "clock", clock)
    model, both = model_with(klr.LinearDecay(0.3, fraction(1.0))), [BindSchedule(60), BindSchedule(audit=False)]
    drive(model, *(both if budget_first else both[::-1]), Tick(clock), epochs=200)
    assert model.stop_training
    assert klr.optimizers.lookup.step_of(model) == 240
