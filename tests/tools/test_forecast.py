"""`fit_forecast` is tested with logs that follow a known law. Also: wrong logs and arguments, and designed schedules."""

import dataclasses
import json
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from support.loss_laws import LAWS, log
from support.needs import needs
from support.svg import legend, points, read_back, sentence, ticks

import keras_lr as klr
from keras_lr import Forecast, fit_forecast
from keras_lr.tools.forecast import fitted
from keras_lr.tools.forecast.runs import Reading

pytestmark = [pytest.mark.once, needs("scipy")]

STEPS, PEAK, WARM = 1_500, 2e-3, 60
REST = STEPS - WARM


def warm(schedule):
    return klr.Warmup(schedule, WARM)


CONSTANT, COSINE = warm(klr.Constant(PEAK)), warm(klr.CosineDecay(PEAK, REST, alpha=0.02))
HELD_OUT = {
    "warmup-stable-decay": klr.WarmupStableDecay(PEAK, STEPS, WARM, 300, end_learning_rate=PEAK / 50),
    "linear": warm(klr.LinearDecay(PEAK, REST, PEAK / 50)),
    "stairs": warm(klr.MultiStepDecay(PEAK, [REST // 2, REST * 4 // 5], 0.3)),
    "constant": CONSTANT,
}
NOISE = 0.004


def logs_of(law, **options):
    return {
        name: log(law, schedule, STEPS, WARM, NOISE, seed=seed, **options)
        for seed, (name, schedule) in enumerate({"constant": CONSTANT, "cosine": COSINE}.items())
    }


@pytest.fixture(scope="module", params=LAWS)
def law(request):
    return request.param


@pytest.fixture(scope="module")
def forecast(law):
    return fit_forecast(logs_of(law), law, "held_out", draws=15)


@pytest.fixture(scope="module")
def multi_power():
    return fit_forecast(logs_of("multi-power"), loss="held_out", draws=8)


def truth(law, schedule, steps=STEPS):
    known, _, quick = LAWS[law]
    return quick(known, schedule.values(np.arange(steps)), [steps - 1], WARM)[0]


# Fits.


def test_fitted_parameters_are_close_to_the_known_ones(law, forecast):
    known = LAWS[law][0]
    assert list(forecast.parameters) == list(known)
    # Two runs determine the shape of G only weakly. The tests below check the losses that follow from it.
    for name in ("L0", "A", "alpha") if law == "multi-power" else known:
        assert forecast.parameters[name] == pytest.approx(known[name], rel=0.1), name
    for name, (low, high) in forecast.intervals.items():
        assert low <= high, name


@pytest.mark.parametrize("name", HELD_OUT)
def test_a_schedule_that_was_not_fitted_is_forecast(law, forecast, name):
    frame = forecast.loss(HELD_OUT[name], STEPS)
    assert frame.columns.tolist() == ["step", "learning_rate", "loss", "low", "high"]
    assert frame["step"].tolist() == list(range(STEPS))
    np.testing.assert_array_equal(frame["learning_rate"], HELD_OUT[name].values(np.arange(STEPS)))
    end = frame.iloc[-1]
    assert end["loss"] == pytest.approx(truth(law, HELD_OUT[name]), rel=0.01)
    assert end["low"] < end["loss"] < end["high"]
    known, _, quick = LAWS[law]
    at = np.arange(200, STEPS, 130)
    curve = quick(known, HELD_OUT[name].values(np.arange(STEPS)), at, WARM)
    np.testing.assert_allclose(frame["loss"][at], curve, rtol=0.015)


def test_a_training_three_times_as_long_is_forecast(law, forecast):
    schedule = klr.WarmupStableDecay(PEAK, 3 * STEPS, WARM, 900, end_learning_rate=PEAK / 50)
    assert forecast.loss(schedule, 3 * STEPS)["loss"].iloc[-1] == pytest.approx(
        truth(law, schedule, 3 * STEPS), rel=0.02
    )


def test_the_start_has_no_forecast(forecast):
    loss = forecast.loss(CONSTANT, STEPS)["loss"]
    assert loss[: WARM // 2].isna().all()
    assert loss[200:].notna().all()


def test_schedules_are_compared_in_the_right_order(law, forecast):
    frame = forecast.compare(HELD_OUT, STEPS)
    ends = {name: truth(law, schedule) for name, schedule in HELD_OUT.items()}
    assert frame["schedule"].tolist() == sorted(ends, key=ends.get)
    assert frame["loss"].is_monotonic_increasing
    assert frame["best"].sum() == pytest.approx(1.0)
    assert frame["before_next"][:-1].between(0.5, 1.0).all()
    assert np.isnan(frame["before_next"].iloc[-1])
    for row in frame.itertuples():
        assert row.loss == pytest.approx(forecast.loss(HELD_OUT[row.schedule], STEPS)["loss"].iloc[-1], rel=1e-4)


def test_residuals_of_runs_are_small(law, forecast):
    own = forecast.residuals()
    assert own["run"].unique().tolist() == ["constant", "cosine"]
    assert own["residual"].std() == pytest.approx(forecast.noise, rel=0.05)
    assert forecast.noise < 2 * NOISE
    other = forecast.residuals(log(law, HELD_OUT["linear"], STEPS, WARM), skip=100)
    assert other["step"].min() >= 100
    assert other["residual"].abs().max() < 0.015
    np.testing.assert_allclose(other["residual"], np.log(other["loss"] / other["forecast"]))


def test_the_interval_of_a_mean_covers_the_truth():
    """For five logs with different noise, at least three intervals contain the true loss."""
    hits = 0
    for seed in range(5):
        logs = [log("annealing", s, STEPS, WARM, NOISE, seed=10 * seed + i) for i, s in enumerate((CONSTANT, COSINE))]
        end = fit_forecast(logs, "annealing", "held_out", draws=8).loss(HELD_OUT["linear"], STEPS).iloc[-1]
        hits += end["low"] <= truth("annealing", HELD_OUT["linear"]) <= end["high"]
    assert hits >= 3


def test_the_same_logs_give_the_same_forecast():
    logs = logs_of("annealing")
    a, b = (fit_forecast(logs, "annealing", "held_out", draws=3) for _ in range(2))
    assert a == b
    assert a != fit_forecast(logs, "annealing", "held_out", draws=3, seed=1)


def test_losses_and_rates_in_other_units_give_the_same_fit(multi_power):
    """A loss 1,000 times as large with rates 10 times as large gives the same fit."""
    logs = [
        frame.assign(held_out=1e3 * frame["held_out"], learning_rate=10 * frame["learning_rate"])
        for frame in logs_of("multi-power").values()
    ]
    other = fit_forecast(logs, loss="held_out", draws=0)
    end = other.loss(10 * HELD_OUT["linear"], STEPS)["loss"].iloc[-1]
    assert end == pytest.approx(1e3 * multi_power.loss(HELD_OUT["linear"], STEPS)["loss"].iloc[-1], rel=1e-3)


# Logs.


def run_of(frame, loss="loss", running_mean=None, skip=0):
    return Reading("test", "logs", loss, True, running_mean, skip).runs(frame)[0]


def batches(count=600, per_epoch=100, every=1):
    """A log as the logger writes it, with running means over the epoch. `every` is the number of steps per execution."""
    step = np.arange(count)
    losses = 2.0 / (1.0 + 0.01 * step) + 1.0
    sums = np.concatenate([np.cumsum(losses[i : i + per_epoch]) for i in range(0, count, per_epoch)])
    batch = step % per_epoch
    means = np.where((batch + 1) % every == 0, sums / (batch + 1), np.nan)
    rates = klr.CosineDecay(0.1, count).values(step)
    frame = {"step": step, "epoch": step // per_epoch, "batch": batch, "learning_rate": rates, "loss": means}
    return pd.DataFrame(frame), losses


@pytest.mark.parametrize("every", [1, 10])
def test_running_means_become_means_of_batches(every):
    frame, losses = batches(every=every)
    run = run_of(frame)
    expected = np.interp(run.steps - (every - 1) / 2, np.arange(600), losses)
    np.testing.assert_allclose(run.losses, expected, rtol=4e-3)  # a run's losses are means over six steps of a curve
    as_they_are = run_of(frame, running_mean=False)
    assert np.abs(as_they_are.losses - np.interp(as_they_are.steps, np.arange(600), losses)).max() > 0.05
    other = run_of(frame.rename(columns={"loss": "held_out"}), "held_out")
    np.testing.assert_array_equal(other.losses, as_they_are.losses)


def test_many_losses_are_averaged_over_equal_intervals():
    step = np.arange(10_000)
    frame = pd.DataFrame({"step": step, "learning_rate": 0.1, "loss": np.where(step % 2, 1.0, 3.0)})
    run = run_of(frame)
    assert len(run.losses) == 100
    np.testing.assert_allclose(run.losses, 2.0)
    assert np.ptp(np.diff(run.steps)) <= 1


def test_few_losses_are_not_averaged_and_all_rates_are_used():
    frame = log("annealing", COSINE, STEPS, WARM, every=50)
    run = run_of(frame, "held_out")
    assert run.steps.tolist() == list(range(49, STEPS, 50))
    np.testing.assert_array_equal(run.rates, COSINE.values(np.arange(STEPS)))
    assert run_of(frame, "held_out", skip=None).steps[0] > 0.05 * STEPS
    assert run_of(frame.assign(held_out=frame["held_out"]), "held_out", skip=500).steps[0] >= 500


def test_the_warmup_is_left_out():
    long = klr.Warmup(klr.CosineDecay(PEAK, 900), 600)
    assert run_of(log("annealing", long, STEPS, 600), "held_out", skip=None).steps[0] >= 600


def test_logs_are_read_from_loggers_frames_and_files(tmp_path):
    frames = [frame.assign(epoch=0) for frame in logs_of("annealing").values()]
    paths = []
    for number, frame in enumerate(frames):
        paths.append(tmp_path / f"{number}.csv")
        frame.to_csv(paths[-1], index=False)

    class Logger(klr.LearningRateLogger):
        def to_frame(self):
            return frames[1]

    found = [
        fit_forecast(logs, "annealing", "held_out", draws=0)
        for logs in (frames, tuple(paths), [frames[0], Logger()], {"a": frames[0], "b": str(paths[1])})
    ]
    for other in found[1:]:
        for name, value in other.parameters.items():
            assert value == pytest.approx(found[0].parameters[name], rel=1e-3)
    assert [run.name for run in found[0].runs] == ["run 1", "run 2"]
    assert [run.name for run in found[1].runs] == list(map(str, paths))
    assert [run.name for run in found[3].runs] == ["a", "b"]


# Refusals.


def constant(**columns):
    return log("annealing", CONSTANT, STEPS, WARM).assign(**columns)


def cosine(**columns):
    return log("annealing", COSINE, STEPS, WARM).assign(**columns)


REFUSED = {
    "constant": (constant, {}, r"constant rate does not show the effect of a decay.*CosineDecay\(0.002, 1500\)"),
    "no column": (
        cosine,
        {"loss": "val_loss"},
        "`loss` must be a column of every log, got 'val_loss'; run 1 has step, learning_rate",
    ),
    "no rate": (lambda: cosine().drop(columns="learning_rate"), {}, "must have a column 'learning_rate'"),
    "few": (lambda: log("annealing", COSINE, STEPS, WARM, every=200), {}, "needs 12 losses after the warmup, got 7"),
    "rising": (lambda: cosine(held_out=np.linspace(1, 2, STEPS)), {}, "a loss that falls, got one that does not"),
    "flat": (lambda: cosine(held_out=1.0), {}, "a loss that falls, got one that does not"),
    "negative": (lambda: cosine(held_out=np.linspace(1, -1, STEPS)), {}, r"loss must be > 0.*got -0.99"),
    "twice": (lambda: pd.concat([cosine(), cosine()]), {}, "must be different numbers"),
    "late": (lambda: cosine().iloc[500:], {}, "must begin with the training.*got step 500 first"),
    "empty": (lambda: cosine().iloc[:0], {}, "must have rows, got an empty one"),
    "no rates": (lambda: cosine(learning_rate=np.nan), {}, "rates of a log must be finite and >= 0"),
    "nothing": (list, {}, "`logs` must be a log of LearningRateLogger"),
    "law": (cosine, {"law": "power"}, "`law` must be one of 'multi-power', 'annealing', got 'power'"),
    "draws": (cosine, {"draws": -1}, r"`draws` must be a whole number in \[0, 10000\], got -1"),
    "skip": (cosine, {"skip": 0.5}, "`skip` must be a whole number of steps >= 0"),
    "all skipped": (cosine, {"skip": STEPS}, "`skip` must be less than the 1,500 steps of run 1, got 1500"),
    "text": (lambda: cosine(held_out="low"), {}, "`logs` must have one column 'held_out' of numbers, got run 1 with"),
    "halves": (lambda: cosine(step=np.arange(STEPS) / 2), {}, "the steps of a log must be whole numbers"),
    "endless": (lambda: cosine(step=np.arange(STEPS) * 1e15), {}, "the steps of a log must be whole numbers below"),
    "before the start": (lambda: cosine(step=np.arange(STEPS) - 5), {}, "must be different numbers >= 0"),
    "infinite": (lambda: cosine(step=-np.inf), {}, "the steps of a log must be whole numbers below"),
    "gaps": (lambda: cosine(step=np.nan), {}, "the steps of a log must be whole numbers"),
    "two columns": (
        lambda: pd.concat([cosine(), cosine()[["held_out"]]], axis=1),
        {},
        "`logs` must have one column 'held_out' of numbers, got run 1 with another one",
    ),
    "another file": (lambda: "log.txt", {}, "`logs` must be a log of .*: 'log.txt' is not a log: its name must end in"),
    "no path": (lambda: "", {}, "`logs` must be a log of LearningRateLogger .*, got ''"),
    "means": (cosine, {"running_mean": True}, "`running_mean` must be False for run 1, a log without a column 'epoch'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_logs_that_cannot_be_fitted_are_refused(case):
    logs, options, message = REFUSED[case]
    with pytest.raises(ValueError, match=r"^fit_forecast: .*" + message):
        fit_forecast(logs(), **{"loss": "held_out", **options})


@pytest.mark.parametrize("logs", [None, 3, [1.0], {"a": object()}])
def test_an_object_that_is_no_log_is_refused(logs):
    with pytest.raises(TypeError, match="^fit_forecast: `logs` must be a log of LearningRateLogger"):
        fit_forecast(logs)


def test_a_constant_run_with_one_that_decays_is_accepted(forecast):
    assert forecast.cautions == ()


def test_cautions_are_listed():
    ends = np.arange(STEPS) > STEPS * 0.93
    one = fit_forecast(
        cosine(held_out=cosine()["held_out"] * np.where(ends, 1.3, 1.0)), "annealing", "held_out", draws=0
    )
    assert len(one.cautions) == 2
    assert "one run hardly separates" in one.cautions[0]
    assert "ends" in one.cautions[1]
    assert "caution: one run" in repr(one)


def test_a_missing_scipy_is_named_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r'^a forecast needs scipy: pip install "keras-lr\[forecast\]"$'):
        fit_forecast(cosine(), loss="held_out")


# The object.


def test_a_forecast_is_frozen_and_can_be_saved_as_json(forecast):
    with pytest.raises(dataclasses.FrozenInstanceError):
        forecast.law = "other"
    again = Forecast.from_json(forecast.to_json())
    assert again == forecast
    assert again.compare(HELD_OUT, STEPS).equals(forecast.compare(HELD_OUT, STEPS))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"runs": [], "draws": [], "law": "multi-power"}', "null"])
def test_a_text_that_is_not_a_forecast_is_refused(text):
    with pytest.raises(ValueError, match="^from_json: `text` must be the JSON text of `to_json`"):
        Forecast.from_json(text)


def test_a_forecast_of_another_law_is_refused(multi_power):
    fields = json.loads(multi_power.to_json())
    with pytest.raises(ValueError, match="other parameters than the law has"):
        Forecast.from_json(json.dumps({**fields, "law": "annealing"}))


def test_the_repr_names_the_law_and_the_trainings(law, forecast):
    text = repr(forecast)
    assert text.startswith(f"<Forecast of 'held_out' by the {law} law: L0=")
    assert "constant (1,500 steps), cosine (1,500 steps)" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.loss(0.1, 100), "^loss: `schedule` must be a schedule, got 0.1"),
        (lambda f: f.loss(klr.LinearDecay(0.1, klr.epochs(1)), 100), "^loss: `schedule` must be bound to steps"),
        (lambda f: f.loss(CONSTANT, 1), "^loss: `steps` must be a whole number of steps"),
        (lambda f: f.compare([CONSTANT], 100), "^compare: `schedules` must be a dict of schedules by name"),
        (lambda f: f.compare({}, 100), "^compare: `schedules` must be a dict of schedules by name"),
        (lambda f: f.compare({"a": 1.0}, 100), "^compare: `schedules` must be a dict of schedules by name"),
        (lambda f: f.loss(keras.optimizers.schedules.LearningRateSchedule(), 100), "^loss: `schedule` must be a sch"),
        (lambda f: f.plot(schedules=[CONSTANT]), "^plot: `schedules` must be a dict of schedules by name, or None"),
        (lambda f: f.plot(schedules={"a": 1.0}), "^plot: `schedules` must be a dict of schedules by name"),
        (lambda f: f.plot(cosine(), skip=-1), "^plot: `skip` must be a whole number of steps >= 0"),
        (lambda f: f.residuals(cosine(), running_mean=2), "^residuals: `running_mean` must be"),
        (lambda f: f.residuals(cosine()[["step"]]), "^residuals: `log` must have a column 'learning_rate', got run 1"),
        (lambda f: f.residuals(3), "^residuals: `log` must be a log of LearningRateLogger"),
        (lambda f: f.best(20), "^best: `total_steps` must be at least 80 steps after the warmup"),
        (lambda f: f.best(60, warmup_steps=10), "^best: `total_steps` must be at least 80 steps after the warmup"),
        (lambda f: f.best(500, warmup_steps=klr.epochs(1)), "^best: `warmup_steps` must be a whole number of steps"),
        (lambda f: f.best(500, family=[klr.LinearDecay]), "^best: `family` must be None or one of LinearDecay"),
        (lambda f: f.best(500, family=klr.StepDecay), "^best: `family` must be None or one of LinearDecay"),
        (lambda f: f.best(500, peak=-1.0), "^best: `peak` must be a finite number > 0, or None"),
        (
            lambda f: f.best(500, warmup_steps=500),
            r"^best: `warmup_steps` must be a whole number of steps in \[0, 420\]",
        ),
    ],
)
def test_wrong_arguments_are_refused(multi_power, call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(multi_power)


def test_a_notebook_shows_the_curves_of_a_forecast(multi_power):
    html = multi_power._repr_html_()
    assert sentence(html) == "A forecast of held_out by the multi-power law, fitted to 2 trainings."
    assert legend(html) == ["constant, measured", "constant, fitted", "cosine, measured", "cosine, fitted"]
    run = multi_power.runs[0]
    drawn = points(html)
    np.testing.assert_allclose(
        read_back(drawn[[0, -1], 1], ticks(html, "end")), [run.fitted[0], run.fitted[-1]], rtol=0.02
    )
    doubtful = dataclasses.replace(multi_power, cautions=("the runs are short",))
    assert "Caution: the runs are short." in doubtful._repr_html_()


@needs("matplotlib")
def test_the_plot_has_a_line_for_each_run_and_schedule(multi_power):
    ax = multi_power.plot(schedules={"linear": HELD_OUT["linear"]})
    labels = [line.get_label() for line in ax.get_lines() if not line.get_label().startswith("_")]
    assert labels == ["constant", "cosine", "linear"]
    assert len(ax.get_lines()) == 5
    assert ax.get_ylabel() == "held_out"
    other = multi_power.plot({"measured": log("multi-power", HELD_OUT["stairs"], STEPS, WARM)}, ax=ax)
    assert other is ax
    assert "measured" in [line.get_label() for line in ax.get_lines()]


# Design.


@pytest.mark.parametrize(
    "family",
    [klr.LinearDecay, klr.CosineDecay, klr.PolynomialDecay, klr.ExponentialDecay, klr.REXDecay, klr.WarmupStableDecay],
)
def test_the_best_of_a_family_is_at_least_as_good_as_a_fixed_one(multi_power, family):
    found = multi_power.best(STEPS, family=family)
    inner = found.schedule if isinstance(found, klr.Warmup) else found
    assert type(inner) is family
    assert eval(repr(found), vars(klr).copy()) == found
    rates = found.values(np.arange(STEPS))
    assert rates.max() == pytest.approx(PEAK, rel=1e-3)
    assert rates[WARM:].min() >= 0.9 * multi_power.rates_seen[0]
    assert rates[0] == 0.0
    known, fixed = (
        multi_power.compare({"found": found}, STEPS)["loss"][0],
        {
            klr.LinearDecay: HELD_OUT["linear"],
            klr.WarmupStableDecay: HELD_OUT["warmup-stable-decay"],
            klr.CosineDecay: COSINE,
        },
    )
    if family in fixed:
        assert known <= multi_power.compare({"fixed": fixed[family]}, STEPS)["loss"][0] * (1 + 1e-4)


def test_a_free_schedule_is_better_than_the_others_by_the_known_law(multi_power):
    found = multi_power.best(STEPS)
    assert isinstance(found.schedule, klr.PiecewiseInterpolation)
    assert eval(repr(found), vars(klr).copy()) == found
    rates = found.values(np.arange(STEPS))
    assert np.diff(rates[WARM:]).max() <= 1e-9 * PEAK
    assert rates[WARM:].min() >= multi_power.rates_seen[0] * 0.999
    ends = {name: truth("multi-power", schedule) for name, schedule in {**HELD_OUT, "cosine": COSINE}.items()}
    assert truth("multi-power", found) < min(ends.values()) * 1.002
    assert truth("multi-power", found) < ends["linear"]


def steepness(rates):
    """The largest fall in a twentieth of the run, relative to a fall from the peak to 0 over the whole run."""
    part = len(rates) // 20
    return max(20 * (rates[i] - rates[i + part]) / max(rates) for i in range(len(rates) - part))


@pytest.fixture(scope="module")
def annealing():
    return fit_forecast(logs_of("annealing"), "annealing", "held_out", draws=0)


@pytest.mark.parametrize("total", [STEPS, 4 * STEPS])
def test_by_the_annealing_law_a_design_falls_no_steeper_than_the_fitted_trainings(annealing, total):
    """By this law the best rate would stay high until the last few steps, for which a cosine is no evidence."""
    seen = steepness(COSINE.values(np.arange(WARM, STEPS)))
    assert seen == pytest.approx(np.pi / 2, rel=0.03)
    free = annealing.best(total, warmup_steps=0)
    assert steepness(free.values(np.arange(total))) <= 1.03 * seen
    assert free.values([total - 1]) <= 0.1 * PEAK  # it falls as far as in the fitted trainings
    late = annealing.best(total, warmup_steps=0, family=klr.WarmupStableDecay)
    assert (1.0 - late.end_learning_rate / PEAK) * total / late.decay_steps <= 1.03 * seen


def test_a_design_may_fall_as_steeply_as_a_fitted_training():
    late = klr.WarmupStableDecay(PEAK, STEPS, WARM, 150, end_learning_rate=PEAK / 50)
    logs = {"cosine": log("annealing", COSINE, STEPS, WARM), "late": log("annealing", late, STEPS, WARM)}
    forecast = fit_forecast(logs, "annealing", "held_out", draws=0)
    assert steepness(forecast.best(STEPS, warmup_steps=0).values(np.arange(STEPS))) > 4.0
    found = forecast.best(STEPS, family=klr.WarmupStableDecay)
    assert found.decay_steps < 400


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (np.linspace(3.0, 0.0, 1_001), 1.0),
        (np.linspace(3.0, 1.5, 1_001), 0.5),
        (np.full(1_001, 3.0), 0.0),
        (np.linspace(0.0, 3.0, 1_001), 0.0),
        (np.where(np.arange(1_001) < 500, 2.0, 1.0), 10.0),
        (2.0 + np.cos(np.arange(1_001) * 2 * np.pi / 50), 20 * 2 / 3),  # measured between the ends of each twentieth
        (np.array([2.0, 1.0]), 0.5),
        (np.array([2.0]), 0.0),
        (np.zeros(5), 0.0),
    ],
)
def test_the_steepest_fall_of_rates(rates, expected):
    assert fitted.steepest_fall(rates) == pytest.approx(expected, rel=0.01)


def test_a_design_may_have_no_warmup_and_another_length(multi_power):
    found = multi_power.best(4_000, warmup_steps=0, family=klr.LinearDecay)
    assert found == klr.LinearDecay(PEAK, 4_000, found.end_learning_rate)


def test_a_peak_outside_of_the_range_warns(multi_power):
    with pytest.warns(UserWarning, match=r"the peak 0.02 is outside of the rates from .* to 0.002 to"):
        found = multi_power.best(STEPS, peak=10 * PEAK, family=klr.LinearDecay)
    assert found.values(np.arange(STEPS)).max() == pytest.approx(10 * PEAK)


def test_the_best_of_several_fitted_peaks_is_chosen():
    low = 5e-4
    logs = [
        log("multi-power", warm(klr.CosineDecay(peak, REST, alpha=0.1)), STEPS, WARM, seed=seed)
        for seed, peak in enumerate((low, PEAK))
    ]
    forecast = fit_forecast(logs, loss="held_out", draws=0)
    rates = forecast.best(STEPS, family=klr.LinearDecay).values(np.arange(STEPS))
    assert low <= rates.max() <= PEAK * 1.001
    assert rates.max() > 1e-3  # by the known law, the larger peak is better
