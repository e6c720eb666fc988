"""`compare` has equal conditions and the same result on every executor. Nothing is lost or counted twice. Also: `diff`."""

import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from support.svg import legend, points, read_back, sentence, ticks

import keras_lr as klr
from keras_lr.tools.comparison import trials
from keras_lr.tools.comparison.display import Display
from keras_lr.tools.comparison.trials import Outcome


def build_model(rate):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(10, "softmax")])
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def digits():
    x, y = load_digits(return_X_y=True)
    return x[:400].astype("float32") / 16, y[:400]


def fit(model, callbacks, epochs=3):
    x, y = digits()
    model.fit(
        x[:300],
        y[:300],
        batch_size=50,
        epochs=epochs,
        validation_data=(x[300:], y[300:]),
        verbose=0,
        callbacks=callbacks,
    )


def fit_and_note(folder, model, callbacks):
    """Record each training in a folder, and kill the process in the first one."""
    with (folder / "begun").open("a") as file:
        file.write("x\n")
    try:
        (folder / "died").touch(exist_ok=False)
    except FileExistsError:
        fit(model, callbacks, 1)
        with (folder / "ended").open("a") as file:
            file.write("x\n")
        return
    os.kill(os.getpid(), signal.SIGKILL)


CALLS: list[int] = []


def counting(model, callbacks):
    """End the whole comparison at the third call."""
    CALLS.append(1)
    if len(CALLS) == 3:
        raise SystemExit
    fit(model, callbacks, 1)


class Dying:
    """A function for `fit` that can be pickled. It kills the process of the first training."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, model, callbacks):
        fit_and_note(self.folder, model, callbacks)


class Deadly:
    """Kills the process of every training at one rate."""

    def __call__(self, model, callbacks):
        if klr.get_learning_rate(model) > 0.5:
            os.kill(os.getpid(), signal.SIGKILL)
        fit(model, callbacks, 1)


def fit_once(model, callbacks):
    fit(model, callbacks, 1)


SCHEDULES = {
    "constant": 0.1,
    "cosine": klr.CosineDecay(1.0, klr.epochs(3)),
    "one-cycle": lambda peak: klr.OneCycle(peak, 18),
}
BOUND = {"constant": 0.1, "cosine": klr.CosineDecay(0.1, 6)}
PICKLABLE = {"constant": 0.1, "cosine": klr.CosineDecay(0.1, klr.fraction(1.0))}


def here(*args, **kwargs):
    """`compare` in this process."""
    with ThreadPoolExecutor(1) as executor:
        return klr.compare(*args, executor=executor, progress=False, **kwargs)


def timeless(frame):
    return frame[[name for name in frame.columns if "seconds" not in name]]


@pytest.mark.slow
def test_every_schedule_seed_and_peak_is_trained_as_by_hand():
    result = here(build_model, SCHEDULES, fit, seeds=2, rates=[0.05, 0.2])
    frame = result.to_frame()
    assert list(frame.columns) == [
        *("schedule", "peak", "seed", "epoch", "seconds", "learning_rate"),
        *("accuracy", "loss", "val_accuracy", "val_loss"),
    ]
    assert len(frame) == 3 * 2 * 2 * 3
    assert set(frame["epoch"]) == {1, 2, 3}
    for name, rate in (
        ("constant", 0.2),
        ("cosine", klr.CosineDecay(0.2, 18)),
        ("one-cycle", klr.OneCycle(0.2, 18)),
    ):
        keras.utils.set_random_seed(1)
        model = build_model(rate)
        history = keras.callbacks.History()
        fit(model, [history])
        part = frame[(frame["schedule"] == name) & (frame["peak"] == 0.2) & (frame["seed"] == 1)]
        np.testing.assert_allclose(part["val_loss"], history.history["val_loss"], rtol=1e-4)
        last = rate if isinstance(rate, float) else rate.values(17)
        np.testing.assert_allclose(part["learning_rate"].iloc[-1], last, rtol=1e-6)
    assert (frame.groupby(["schedule", "peak", "seed"])["seconds"].diff().dropna() > 0).all()


@pytest.mark.slow
@pytest.mark.once
def test_the_process_pool_and_dask_give_the_same_summary():
    distributed = pytest.importorskip("distributed")
    pool = klr.compare(build_model, PICKLABLE, fit, seeds=2, rates=[0.05, 0.2], workers=2, progress=False)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor(retries=3)
        dask = klr.compare(build_model, PICKLABLE, fit, seeds=2, rates=[0.05, 0.2], executor=executor, progress=False)
        used = client.run(lambda: "keras_lr" in __import__("sys").modules)
    assert all(used.values())
    assert len(used) == 2
    pd.testing.assert_frame_equal(timeless(pool.summary()), timeless(dask.summary()), rtol=1e-6)
    pd.testing.assert_frame_equal(timeless(pool.to_frame()), timeless(dask.to_frame()), rtol=1e-5)
    local = here(build_model, PICKLABLE, fit, seeds=2, rates=[0.05, 0.2])
    pd.testing.assert_frame_equal(timeless(pool.to_frame()), timeless(local.to_frame()), rtol=1e-3)


def assert_nothing_lost(result, folder):
    frame = result.to_frame()
    assert len(result.failures) == 0
    assert len(frame) == 4
    assert not frame.duplicated(["schedule", "seed"]).any()
    begun, ended = ((folder / name).read_text().split() for name in ("begun", "ended"))
    assert len(ended) >= 4
    assert len(begun) > len(ended)


@pytest.mark.slow
@pytest.mark.once
def test_a_worker_that_dies_ends_the_comparison_and_the_same_call_continues(tmp_path):
    call = {"seeds": 2, "workers": 1, "progress": False, "journal": tmp_path / "journal"}
    with pytest.raises(RuntimeError, match="a worker died.*the same call continues with the missing trainings"):
        klr.compare(build_model, BOUND, Dying(tmp_path), **call)
    assert_nothing_lost(klr.compare(build_model, BOUND, Dying(tmp_path), **call), tmp_path)
    assert (tmp_path / "journal").read_text().count('"trial"') == 4


@pytest.mark.slow
@pytest.mark.once
def test_trainings_finished_before_a_worker_died_are_not_repeated(tmp_path):
    call = {"seeds": 2, "workers": 1, "progress": False, "journal": tmp_path / "journal"}
    with pytest.raises(RuntimeError, match="a worker died"):
        klr.compare(build_model, {"good": 0.1, "deadly": 0.9}, Deadly(), **call)
    assert (tmp_path / "journal").read_text().count('"trial"') == 2
    again = klr.compare(build_model, {"good": 0.1}, Deadly(), **call)
    assert again.to_frame()["seed"].tolist() == [0, 1]
    assert (tmp_path / "journal").read_text().count('"trial"') == 2


@pytest.mark.slow
@pytest.mark.once
def test_a_dask_worker_that_dies_loses_nothing(tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor(retries=3)
        result = klr.compare(build_model, BOUND, Dying(tmp_path), seeds=2, executor=executor, progress=False)
    assert_nothing_lost(result, tmp_path)


def test_a_journal_continues_an_interrupted_comparison(tmp_path):
    journal = tmp_path / "journal"
    CALLS.clear()
    with pytest.raises(SystemExit):
        here(build_model, PICKLABLE, counting, seeds=2, journal=journal)
    assert len(CALLS) >= 3
    done = journal.read_text().count('"trial"')
    assert done >= 2
    with journal.open("a") as file:
        file.write('{"trial": "cut o')
    CALLS.clear()
    CALLS.extend([0] * 10)
    result = here(build_model, PICKLABLE, counting, seeds=2, journal=journal)
    assert len(CALLS) - 10 == 4 - done
    assert len(result.to_frame()) == 4
    assert not result.to_frame().duplicated(["schedule", "seed"]).any()
    # Nothing is trained again, except another schedule with the same name.
    CALLS.clear()
    CALLS.extend([0] * 10)
    again = here(build_model, PICKLABLE, counting, seeds=2, journal=journal)
    assert len(CALLS) == 10
    pd.testing.assert_frame_equal(again.to_frame(), result.to_frame())
    here(build_model, {**PICKLABLE, "constant": 0.2}, counting, seeds=2, journal=journal)
    assert len(CALLS) == 12


@pytest.mark.parametrize("content", ["something\n", '{"keras_lr journal": 99}\n', '{"keras_lr journal": 1}\n[]\n'])
def test_a_file_that_is_not_a_journal_is_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(ValueError, match="is not a journal of this version"):
        here(build_model, PICKLABLE, fit, journal=path)
    assert path.read_text() == content


def test_a_training_that_raises_does_not_end_the_others():
    def failing(model, callbacks):
        if klr.get_learning_rate(model) > 0.5:
            raise ValueError("too fast")
        fit(model, callbacks, 1)

    with pytest.warns(UserWarning, match="1 of 2 trainings failed, the first one with ValueError: too fast"):
        result = here(build_model, {"slow": 0.1, "fast": 0.9}, failing, seeds=1)
    assert result.failures.to_dict("records") == [
        {"schedule": "fast", "peak": 0.9, "seed": 0, "error": "ValueError: too fast"}
    ]
    with pytest.raises(RuntimeError, match="every training failed, the first one with ValueError: too fast"):
        here(build_model, {"fast": 0.9}, failing, seeds=1)


def test_fit_may_be_a_dict_and_the_builder_may_take_no_rate():
    x, y = digits()

    def build():
        return build_model(0.3)

    result = here(build, {"half": klr.Constant(0.05)}, {"x": x, "y": y, "epochs": 2}, seeds=[7])
    frame = result.to_frame()
    assert frame["seed"].tolist() == [7, 7]
    np.testing.assert_allclose(frame["learning_rate"], 0.05)
    assert "val_loss" not in frame


# The summary.


def crafted():
    def run(schedule, peak, seed, values):
        return [
            {
                "schedule": schedule,
                "peak": peak,
                "seed": seed,
                "epoch": epoch + 1,
                "seconds": 2.0 * (epoch + 1),
                "learning_rate": 0.1,
                "val_accuracy": value,
                "val_loss": 1 - value,
            }
            for epoch, value in enumerate(values)
        ]

    rows = [
        *run("a", 0.1, 0, [0.2, 0.4, 0.5]),
        *run("a", 0.1, 1, [0.2, 0.5, 0.7]),
        *run("a", 0.3, 0, [0.1, 0.1, 0.1]),
        *run("a", 0.3, 1, [0.9, 0.9, np.nan]),
        *run("b", 0.1, 0, [0.5, 0.65, 0.8]),
        *run("b", 0.1, 1, [0.3, 0.4, 0.55]),
        *run("b", 0.3, 0, [0.7, 0.7, 0.75]),
        *run("b", 0.3, 1, [0.5, 0.6, 0.65]),
    ]
    return klr.Comparison(("a", "b"), pd.DataFrame(rows), pd.DataFrame())


def test_the_summary_has_the_best_peak_of_each_schedule():
    summary = crafted().summary()
    assert summary.attrs == {"metric": "val_accuracy", "target": pytest.approx(0.6)}
    assert summary["schedule"].tolist() == ["b", "a"]
    b, a = summary.to_dict("records")
    # The mean of b is 0.7 at 0.3 and 0.675 at 0.1. The target is the best mean of a, 0.6 at 0.1.
    assert (b["peak"], a["peak"]) == (0.3, 0.1)
    assert (b["mean"], a["mean"]) == (pytest.approx(0.7), pytest.approx(0.6))
    assert b["std"] == pytest.approx(0.05 * 2**0.5)
    assert (b["reached"], a["reached"]) == (2, 1)
    assert (b["epochs_to_target"], a["epochs_to_target"]) == (1.5, 3.0)
    assert (b["seconds_to_target"], a["seconds_to_target"]) == (3.0, 6.0)
    assert (b["seeds"], a["seeds"]) == (2, 2)


def test_a_summary_may_have_another_metric_target_or_all_peaks():
    result = crafted()
    lower = result.summary("val_loss", target=0.32)
    assert lower["schedule"].tolist() == ["b", "a"]
    assert lower["reached"].tolist() == [1, 1]
    assert result.summary("val_accuracy", mode="min")["schedule"].tolist() == ["a", "b"]
    everything = result.summary(all_peaks=True)
    assert len(everything) == 4
    assert np.isnan(everything["mean"].iloc[-1])
    assert np.isnan(result.summary(target=0.99)["epochs_to_target"]).all()
    with pytest.raises(ValueError, match="`metric` must be one of 'val_accuracy', 'val_loss', got 'f1'"):
        result.summary("f1")
    with pytest.raises(ValueError, match="`mode` must be"):
        result.summary(mode="best")


def test_a_notebook_shows_the_curves_of_a_comparison():
    result = crafted()
    html, best = result._repr_html_(), result.summary().iloc[0]
    names = result.summary()["schedule"]
    assert sentence(html).startswith(
        f"{len(names)} schedules. Best in val_accuracy: {best['schedule']}, {best['mean']:.4g}"
    )
    assert [name.split(" (")[0] for name in legend(html)] == list(names)
    part = result.frame[(result.frame.schedule == best["schedule"]) & (result.frame.peak == best["peak"])]
    means = part.groupby("epoch")["val_accuracy"].mean()
    np.testing.assert_allclose(read_back(points(html)[:, 1], ticks(html, "end")), means, atol=0.005)
    empty = klr.Comparison(("a",), result.frame.iloc[:0], pd.DataFrame({"error": ["x"]}))
    assert empty._repr_html_() == "<div>A comparison without results. 1 training failed.</div>"


def test_the_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    ax = crafted().plot()
    assert ax.get_ylabel() == "val_accuracy"
    assert ax.get_legend_handles_labels()[1] == ["b (0.3)", "a (0.1)"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.6, 0.65, 0.7])
    assert len(ax.collections) == 2
    matplotlib.pyplot.close("all")


def test_a_schedule_is_scaled_by_its_highest_rate_however_late_that_comes():
    x, y = digits()
    schedules = {
        "late": klr.Warmup(klr.Constant(0.1), 200_000),
        # The highest rate is 0.05 + 0.1 at step 5, the end of the first epoch.
        "in epochs": klr.LinearDecay(0.1, 10) + klr.Warmup(klr.Constant(0.1), klr.epochs(1)),
    }
    arguments = {"x": x[:25], "y": y[:25], "validation_split": 0.2, "batch_size": 4, "epochs": 2}
    frame = here(build_model, schedules, arguments, seeds=1, rates=[0.3]).to_frame()
    last = frame[frame["epoch"] == 2].set_index("schedule")["learning_rate"]
    np.testing.assert_allclose(last["late"], 0.3 * 9 / 200_000, rtol=1e-6)
    np.testing.assert_allclose(last["in epochs"], (0.01 + 0.1) * 0.3 / 0.15, rtol=1e-6)


def test_a_schedule_without_a_highest_rate_is_trained_as_it_is():
    rising = klr.LinearDecay(0.1, 1000) + klr.Warmup(klr.Constant(0.1), klr.epochs(5))
    one, zero = here(build_model, {"rising": rising, "zero": klr.Constant(0.0)}, fit_once, seeds=1).to_frame()["peak"]
    assert (one, zero) == (pytest.approx(0.1), 0.0)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"build_model": 3}, TypeError, "`build_model` must be"),
        ({"fit": 3}, TypeError, "`fit` must be"),
        ({"schedules": {}}, TypeError, "`schedules` must be"),
        ({"schedules": [0.1]}, TypeError, "`schedules` must be"),
        ({"schedules": {"a": -0.1}}, ValueError, "must be a finite number > 0"),
        ({"schedules": {"a": "cosine"}}, TypeError, "must be a finite number > 0"),
        ({"schedules": {"a": lambda peak: peak}}, ValueError, "`rates` must be given"),
        (
            {"schedules": {"a": klr.Warmup(klr.Constant(0.0), 10)}, "rates": [0.1]},
            ValueError,
            r"compare: `schedules\['a'\]` must be a schedule with a highest rate, .* \(it is 0 at every step\), got Warmup",
        ),
        (
            {
                "schedules": {"a": klr.LinearDecay(0.1, 1000) + klr.Warmup(klr.Constant(0.1), klr.epochs(5))},
                "rates": [0.1],
            },
            ValueError,
            "its highest rate depends on the length of the training",
        ),
        ({"rates": []}, TypeError, "`rates` must be"),
        ({"rates": [0.0]}, ValueError, "`rates` must be"),
        ({"seeds": 0}, ValueError, "`seeds` must be"),
        ({"seeds": [1, 1]}, ValueError, "`seeds` must be"),
        ({"seeds": "3"}, TypeError, "`seeds` must be"),
        ({"executor": 3}, TypeError, "`executor` must be"),
        ({"workers": 0}, ValueError, "`workers` must be"),
        ({"progress": None}, TypeError, "`progress` must be"),
        (
            {"schedules": {"a": keras.optimizers.schedules.ExponentialDecay(0.1, 9, 0.5)}, "rates": [0.1]},
            ValueError,
            "`schedules` must be schedules of keras_lr if `rates` are given",
        ),
    ],
)
def test_wrong_arguments_are_refused(change, error, sentence):
    arguments = {"build_model": build_model, "schedules": PICKLABLE, "fit": fit, **change}
    with pytest.raises(error, match=sentence):
        klr.compare(**arguments)


def test_functions_that_cannot_be_pickled_are_refused():
    lock = threading.Lock()

    def locked(model, callbacks):
        lock.acquire()

    with pytest.raises(TypeError, match="must be picklable"):
        klr.compare(build_model, PICKLABLE, locked, progress=False)


def test_an_executor_whose_workers_fail_raises(monkeypatch):
    monkeypatch.setattr(trials, "run", lambda payload: 1 / 0)
    with pytest.raises(RuntimeError, match="a worker could not run"):
        here(build_model, PICKLABLE, fit, seeds=1)


def test_the_display_shows_the_results_so_far(capsys):
    rates = {"a": 0.1, "b": 0.2}
    made = [trials.Trial(name, rate, seed, rate) for name, rate in rates.items() for seed in (0, 1)]
    wanted = {trial.key(): trial for trial in made}
    keys = list(wanted)
    outcomes = {
        keys[0]: Outcome([{"epoch": 1, "val_accuracy": 0.25}]),
        keys[1]: Outcome([{"epoch": 1, "val_accuracy": 0.75}]),
        keys[2]: Outcome([], "Error: x"),
    }
    display = Display(wanted, outcomes, visible=True)
    assert display.standings() == {"a": 0.5}
    display.update()
    assert re.search(r"3/4.* - a: 0\.5000", capsys.readouterr().out)


def test_the_display_is_silent_without_progress(capsys):
    Display({}, {}, visible=False).update()
    assert capsys.readouterr().out == ""


# diff


def test_diff():
    found = klr.diff(klr.LinearDecay(0.1, 100), klr.LinearDecay(0.1, 200))
    assert (found.steps, found.differing, found.first, found.last, found.largest_at) == (201, 199, 1, 199, 100)
    assert found.largest == pytest.approx(0.05)
    assert found.rates == (pytest.approx(0.0), pytest.approx(0.05))
    assert found.means == (pytest.approx(5.05 / 201), pytest.approx(0.05))
    assert found.arguments == (("decay_steps", 100, 200),)
    assert bool(found)
    text = str(found)
    assert "199 of 201 steps" in text
    assert "decay_steps: 100 and 200." in text


def test_diff_of_equal_and_of_nested_schedules():
    same = klr.diff(klr.Constant(0.1), klr.LinearDecay(0.1, 100, 0.1))
    assert not same
    assert (same.first, same.largest_at, same.largest) == (None, None, 0.0)
    assert str(same).startswith("The same rates at all of 101 steps.")
    nested = klr.diff(klr.Warmup(klr.CosineDecay(0.1, 90), 10), klr.Warmup(klr.CosineDecay(0.2, 90), 20), steps=50)
    assert {path for path, _, _ in nested.arguments} == {"schedule.initial_learning_rate", "warmup_steps"}
    assert klr.diff(0.1, keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)).steps == 10_000
    milestones = klr.diff(klr.MultiStepDecay(0.1, [3, 5], 0.5), klr.MultiStepDecay(0.1, [3, 6], 0.5), steps=20)
    assert milestones.arguments == (("milestones[1]", 5, 6),)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((0.1, "x"), TypeError, "`b` must be"),
        ((-0.1, 0.1), ValueError, "`a` must be"),
        ((0.1, 0.2, 0), ValueError, "`steps` must be"),
        ((0.1, 0.2, 10, -1.0), ValueError, "`tolerance` must be"),
        ((0.1, klr.LinearDecay(0.1, klr.epochs(3))), ValueError, "durations are in steps"),
        ((0.1, klr.LinearDecay(0.1, 20_000_000)), ValueError, "`steps` must be given"),
    ],
)
def test_diff_with_wrong_arguments(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        klr.diff(*arguments)
