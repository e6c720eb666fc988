"""Every warning of the package points at the user's line, where `fit` or another function is called."""

import ast
import contextlib
import inspect
import itertools
import os
import re
import subprocess
import sys
import threading
import warnings
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pandas as pd
import pytest
from support.needs import needs
from support.training import data, model_with

import keras_lr as klr
import keras_lr.core.warning
from keras_lr.tools.range_test.result import Sweep

ROOT = Path(klr.__file__).parent
MARK = "# the user's line"
SHORT = klr.LinearDecay(0.1, 2)
ARGS = {"batch_size": 4, "epochs": 1, "verbose": 0}


def line_of(function):
    """The number of the marked line in a function."""
    lines, first = inspect.getsourcelines(function)
    (number,) = [first + offset for offset, line in enumerate(lines) if MARK in line]
    return number


@contextlib.contextmanager
def recorded(monkeypatch=None):
    """The warnings of the package, and the functions that issued them."""
    caught, sites = [], []
    if monkeypatch is not None:
        find = keras_lr.core.warning.frame_of_user

        def spy(frame):
            sites.append(f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}")
            return find(frame)

        monkeypatch.setattr(keras_lr.core.warning, "frame_of_user", spy)
    with warnings.catch_warnings(record=True) as everything:
        warnings.simplefilter("always")
        yield caught, sites
    callbacks = "BackupAndRestore|BindSchedule|ReduceOnPlateau|LearningRateLogger|SaveAtCycleEnds"
    ours = f"{callbacks}|Scheduled|Forecast|compare|find_learning_rate|the schedule|learning_rate was|optimizer 'idle'|LinearDecay"
    caught += [warning for warning in everything if re.match(ours, str(warning.message))]


# A case for each place in the package that warns.


def audit_of_the_logger(folder):
    model = model_with(SHORT)
    model.fit(*data(), **ARGS, callbacks=[klr.LearningRateLogger()])  # the user's line


def audit_of_binding(folder):
    model = model_with(SHORT)
    model.fit(*data(), **ARGS, callbacks=[klr.BindSchedule()])  # the user's line


def mismatch(folder, *callbacks):
    first, second = model_with(0.5), model_with(0.25)
    first.fit(*data(), **ARGS, callbacks=[klr.LearningRateLogger(audit=False)])
    first.save_weights(folder / "a.weights.h5")
    second.load_weights(folder / "a.weights.h5")
    second.fit(*data(), **ARGS, callbacks=list(callbacks) or [klr.LearningRateLogger()])  # the user's line


def mismatch_of_the_plateau(folder):
    mismatch(folder, klr.ReduceOnPlateau("loss"))


def budget_that_is_used_up(folder):
    model, clock = model_with(SHORT), itertools.count(0.0, 0.1)
    with mock.patch("keras_lr.callbacks.time_budget.clock", clock.__next__):
        model.fit(*data(40), **ARGS, callbacks=[klr.BindSchedule(8, audit=False)])
        model.fit(*data(), **ARGS, callbacks=[klr.BindSchedule(8)])  # the user's line


def missing_metric(folder):
    model = model_with(0.1)
    model.fit(*data(), **ARGS, callbacks=[klr.ReduceOnPlateau("metric", mode="min")])  # the user's line


def lowest_rate(folder):
    model = model_with(0.1)
    model.fit(*data(), **ARGS, callbacks=[klr.ReduceOnPlateau("loss", min_lr=0.2)])  # the user's line


def early_stopping(folder):
    model, plateau = model_with(0.1), klr.ReduceOnPlateau("loss", patience=3)
    model.fit(*data(), **ARGS, callbacks=[plateau, keras.callbacks.EarlyStopping("loss")])  # the user's line


def loop_of_fit(folder):
    model, callbacks = model_with(klr.LinearDecay(0.1, klr.fraction(1.0))), [klr.BindSchedule()]
    model.fit(*data(), **ARGS, callbacks=callbacks)
    model.fit(*data(), **ARGS, callbacks=callbacks)  # the user's line


def own_loop(folder):
    model, plateau = model_with(klr.Constant(0.1)), klr.ReduceOnPlateau("loss", 0.5, 1, mode="min")
    plateau.set_model(model)
    plateau.on_train_begin()
    with mock.patch("keras.config.backend", return_value="tensorflow"):
        for epoch in range(2):
            plateau.on_epoch_begin(epoch)
            plateau.on_epoch_end(epoch, {"loss": 1.0})  # the user's line


def optimizer_that_trains_nothing(folder):
    model, optimizers = model_with(0.1), {"nowhere/.*": keras.optimizers.SGD(0.1, name="idle")}
    chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1, name="busy"), optimizers)
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss="mse")
    model.fit(*data(), **ARGS, callbacks=[klr.LearningRateLogger()])  # the user's line


def missing_rows(folder):
    model, path = model_with(0.1), folder / "log.csv"
    model.fit(*data(), **ARGS, callbacks=[klr.LearningRateLogger(path=path)])
    klr.set_step(model, 20)
    model.fit(*data(), **ARGS, callbacks=[klr.LearningRateLogger(path=path)])  # the user's line


def log_of_an_earlier_training(folder):
    path = folder / "log.csv"
    model_with(0.1).fit(*data(), **ARGS, callbacks=[klr.LearningRateLogger(path=path)])
    model_with(0.1).fit(*data(), **ARGS, callbacks=[klr.LearningRateLogger(path=path)])  # the user's line


def pattern_without_effect(folder):
    optimizer = klr.Scheduled(keras.optimizers.SGD(0.1), multipliers={"kernel": 2.0, "kernel|nowhere": 3.0})
    model = model_with(0.1, optimizer)
    model.fit(*data(), **ARGS)  # the user's line


def peak_that_was_not_seen(folder):
    steps = np.arange(2_000)
    frame = pd.DataFrame({"step": steps, "learning_rate": klr.CosineDecay(0.01, 2_000).values(steps)})
    frame["loss"] = 2.0 + 1.0 / (1.0 + frame["learning_rate"].cumsum()) ** 0.5
    forecast = klr.fit_forecast(frame, draws=2, running_mean=False)
    forecast.best(2_000, peak=1.0)  # the user's line


def cycle_that_ends_within_an_execution(folder):
    model = model_with(klr.CosineDecayRestarts(0.1, 6))
    model.steps_per_execution = 4  # torch refuses it only in `fit`
    saver = klr.SaveAtCycleEnds(folder / "{step}.keras")
    saver.set_model(model)
    saver.on_train_begin()
    klr.set_step(model, 4)
    saver.on_epoch_begin(0)
    saver.on_train_batch_begin(0)  # the user's line


def backup_of_a_longer_epoch(folder):
    def train(model, batches, *callbacks):
        options = {"batch_size": 4, "epochs": 1, "verbose": 0, "shuffle": False}
        backup = klr.BackupAndRestore(folder / "run", save_freq=3)
        model.fit(*data(batches), **options, callbacks=[backup, *callbacks])  # the user's line

    stop = keras.callbacks.LambdaCallback(on_train_batch_end=_power_fails_after_batch_3)
    with contextlib.suppress(RuntimeError):
        train(model_with(0.1), 5, stop)
    train(model_with(0.1), 7)


def _power_fails_after_batch_3(batch, logs=None):
    if batch == 3:
        raise RuntimeError("out of power")


def damaged_backup(folder):
    def train(*callbacks):
        backup = klr.BackupAndRestore(folder / "run", double_checkpoint=True)
        model_with(0.1).fit(*data(), **ARGS | {"epochs": 3}, callbacks=[backup, *callbacks])  # the user's line

    stop = keras.callbacks.LambdaCallback(on_epoch_begin=_power_fails_in_epoch_2)
    with contextlib.suppress(RuntimeError):
        train(stop)
    (folder / "run" / "latest.weights.h5").write_bytes(b"half a file")
    train()


def _power_fails_in_epoch_2(epoch, logs=None):
    if epoch == 2:
        raise RuntimeError("out of power")


def backup_that_cannot_be_deleted(folder):
    model = model_with(0.1)
    with mock.patch("pathlib.Path.unlink", side_effect=[None, PermissionError(13, "Permission denied")]):
        model.fit(*data(), **ARGS, callbacks=[klr.BackupAndRestore(folder / "run")])  # the user's line


class Here(Executor):
    """Runs each task at once in this thread."""

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        future.set_result(function(*args, **kwargs))
        return future


def build(rate):
    return model_with(rate)


def fail_at_half(model, callbacks):
    if klr.get_learning_rate(model) == 0.5:
        raise ValueError("too fast")
    model.fit(*data(), **ARGS, callbacks=callbacks)


def failed_trainings(folder):
    rates, options = {"slow": 0.1, "fast": 0.5}, {"seeds": 1, "progress": False}
    klr.compare(build, rates, fail_at_half, executor=Here(), **options)  # the user's line


def no_suggestion(folder):
    result = klr.find_learning_rate(model_with(0.1), *data(30), steps=10, progress=False)
    result.suggestion()  # the user's line


def data_that_end(folder):
    x, y = data()
    batches = ((x[:4], y[:4]) for _ in range(12))
    klr.find_learning_rate(model_with(0.1), batches, steps=30, progress=False)  # the user's line


def number_of_steps(folder):
    SHORT.to_frame(2)  # the user's line


CASES = {
    number_of_steps: "core.presentation.Presented._chosen",
    audit_of_the_logger: "training.audit.warn",
    audit_of_binding: "training.audit.warn",
    mismatch: "training.checkpoint_rates.warn",
    mismatch_of_the_plateau: "training.checkpoint_rates.warn",
    budget_that_is_used_up: "callbacks.time_budget.TimeBudget.warn_if_over",
    missing_metric: "callbacks.metric_checks.MissingMetric._warn",
    lowest_rate: "callbacks.metric_checks.warn_at_start",
    early_stopping: "callbacks.metric_checks.warn_at_start",
    loop_of_fit: "callbacks.bind.BindSchedule._warn_of_loop",
    own_loop: "callbacks.metric_checks.warn_of_own_loop",
    optimizer_that_trains_nothing: "training.idle._warn_once",
    missing_rows: "callbacks.logbook.Logbook.begin",
    log_of_an_earlier_training: "callbacks.logbook.Logbook._number",
    pattern_without_effect: "optimizers.multipliers.Multipliers.resolve",
    peak_that_was_not_seen: "tools.forecast.design.best",
    cycle_that_ends_within_an_execution: "callbacks.cycle_ends.SaveAtCycleEnds._visit",
    backup_of_a_longer_epoch: "callbacks.skipping.Skip._check",
    damaged_backup: "callbacks.backup.BackupAndRestore._load",
    backup_that_cannot_be_deleted: "callbacks.backup_folder.BackupFolder.delete",
    failed_trainings: "tools.comparison.compare._result",
    no_suggestion: "tools.range_test.result.RangeTest.suggestion",
    data_that_end: "tools.range_test.find._run",
}


# `own_loop` runs only where TensorFlow is installed.
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=needs("tensorflow") if case is own_loop else ()) for case in CASES],
    ids=lambda case: case.__name__,
)
def test_a_warning_points_at_the_users_line(tmp_path, monkeypatch, case):
    with recorded(monkeypatch) as (caught, sites):
        case(tmp_path)
    assert sites == [f"keras_lr.{CASES[case]}"]
    marked = mismatch if case is mismatch_of_the_plateau else case
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, line_of(marked))]


@pytest.mark.once
def test_every_warning_uses_warn_user_and_is_tested():
    sites = set()
    for path in ROOT.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for scope, node in calls(ast.parse(path.read_text()), ""):
            name = ast.unparse(node.func)
            if name.endswith("warn_user"):
                sites.add(f"{module}{scope}")
            elif module != "core.warning" and "DeprecationWarning" not in ast.unparse(node):
                assert name not in ("warnings.warn", "warnings.warn_explicit"), f"{path}:{node.lineno}"
        imported = [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        assert "warnings" not in imported, path
    assert sites == set(CASES.values())


def calls(tree, scope):
    """The calls in a syntax tree, each with the classes and functions that contain it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield scope, node
        named = isinstance(node, ast.ClassDef | ast.FunctionDef)
        yield from calls(node, f"{scope}.{node.name}" if named else scope)


# Frames between the user's line and the callback. The warnings come from three hooks: at the start of training, at the
# start of a batch, and at the end of an epoch.


def callbacks():
    return [klr.ReduceOnPlateau("metric", mode="min", min_lr=0.2), klr.LearningRateLogger()]


PATTERNS = ("the learning rate is not above", "the schedule ends", "'metric' is not in the epoch's logs")


def scheduled(kind=keras.Model):
    """A model that causes all three warnings with `callbacks`. The rate of one optimizer is a number."""
    inputs = keras.Input((1,))
    parts = [keras.layers.Dense(1, use_bias=False, name=name)(inputs) for name in "ab"]
    model = kind(inputs, keras.layers.Concatenate()(parts))
    optimizers = keras.optimizers.OptimizerMap(
        keras.optimizers.SGD(0.1, name="number"), {"b/.*": keras.optimizers.SGD(SHORT, name="schedule")}
    )
    model.compile(keras.optimizers.MultiOptimizer(optimizers), loss="mse")
    return model


class QuietlyReduce(klr.ReduceOnPlateau):
    """A user's subclass with hooks of each kind."""

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)


class Log(klr.LearningRateLogger):
    def on_train_batch_begin(self, batch, logs=None):
        self.pass_on(batch, logs)

    def pass_on(self, *args):
        super().on_train_batch_begin(*args)


class Several(keras.callbacks.Callback):
    """A user's callback that calls others through a helper."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, name, *args):
        for callback in self.inner:
            getattr(callback, name)(*args)

    def set_model(self, model):
        super().set_model(model)
        self.call("set_model", model)

    def set_params(self, params):
        super().set_params(params)
        self.call("set_params", params)

    def on_train_begin(self, logs=None):
        self.call("on_train_begin", logs)

    def on_epoch_begin(self, epoch, logs=None):
        self.call("on_epoch_begin", epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        self.call("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self.call("on_train_batch_end", batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self.call("on_epoch_end", epoch, logs)

    def on_train_end(self, logs=None):
        self.call("on_train_end", logs)


class Own(keras.Model):
    """A user's model with its own training step and `fit`."""

    def train_step(self, *args, **kwargs):
        return super().train_step(*args, **kwargs)

    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)


def subclass():
    mine = [QuietlyReduce("metric", mode="min", min_lr=0.2), Log()]
    scheduled().fit(*data(), **ARGS, callbacks=mine)  # the user's line


def own_callback():
    scheduled().fit(*data(), **ARGS, callbacks=[Several(callbacks())])  # the user's line


def own_model():
    scheduled(Own).fit(*data(), **ARGS, callbacks=callbacks())  # the user's line


def in_a_helper():
    def train(model, **kwargs):
        with contextlib.suppress(KeyError):
            return [model.fit(*data(), **ARGS, **kwargs) for _ in range(1)]  # the user's line

    train(scheduled(), callbacks=callbacks())


def within_another_training():
    class Inner(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            scheduled().fit(*data(), **ARGS, callbacks=callbacks())  # the user's line

    model_with(0.1).fit(*data(), **ARGS, callbacks=[Inner()])


def own_loop():
    model = scheduled()
    several = keras.callbacks.CallbackList([QuietlyReduce("metric", mode="min", min_lr=0.2), Log()], model=model)
    several.set_params({"epochs": 1, "steps": 5})
    for name, *args in [
        ("on_train_begin",),
        ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0),
        ("on_train_batch_end", 0),
        ("on_epoch_end", 0),
        ("on_train_end",),
    ]:
        getattr(several, name)(*args)  # the user's line


@pytest.mark.parametrize("way", [subclass, own_callback, own_model, in_a_helper, within_another_training, own_loop])
def test_frames_between_the_users_line_and_the_callback_do_not_matter(way):
    with recorded() as (caught, _):
        way()
    assert_the_three(caught, __file__, line_of(way))


def assert_the_three(caught, file, line):
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == len(PATTERNS)
    assert all(pattern in message for pattern, message in zip(PATTERNS, messages, strict=True)), messages
    assert {(warning.filename, warning.lineno) for warning in caught} == {(file, line)}


def test_a_suggestion_in_a_hook_points_at_the_suggestion():
    class Find(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            rates = np.geomspace(1e-5, 1.0, 40)
            losses = np.linspace(1.0, 3.0, 40)
            result = klr.RangeTest((Sweep(rates, losses, losses),), 40, True)
            result.suggestion("minimum")  # the user's line

    with recorded() as (caught, _):
        model_with(0.1).fit(*data(), **ARGS, callbacks=[Find()])
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, line_of(Find))]


NOTEBOOK = """
scheduled().fit(
    *data(), **ARGS, callbacks=callbacks()
)
"""


def test_a_warning_points_at_the_line_of_a_notebook_cell():
    names = {"scheduled": scheduled, "data": data, "ARGS": ARGS, "callbacks": callbacks}
    with recorded() as (caught, _):
        exec(compile(NOTEBOOK, "<ipython-input-1>", "exec"), names)
    assert_the_three(caught, "<ipython-input-1>", 2)


def test_a_warning_points_at_the_line_of_executed_text():
    """A short script may execute a longer text, so a line number of the text may not exist in the script."""

    class Loader:
        @staticmethod
        def get_source(name):
            return "exec(text)\n"

    def warn():
        keras_lr.core.warning.warn_user("the schedule ends")

    names = {"__name__": "__main__", "__loader__": Loader(), "warn": warn}
    with recorded() as (caught, _):
        exec(compile("\n\n\nwarn()", "<string>", "exec"), names)
    assert [(warning.filename, warning.lineno) for warning in caught] == [("<string>", 4)]


def test_without_a_line_of_the_user_a_warning_points_at_the_thread():
    with recorded() as (caught, _):
        thread = threading.Thread(target=scheduled().fit, args=data(), kwargs={**ARGS, "callbacks": callbacks()})
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(scheduled().fit, *data(), **ARGS, callbacks=callbacks()).result()
    for warning in caught:
        assert warning.filename in (threading.__file__, inspect.getfile(ThreadPoolExecutor)), warning.filename
    assert len(caught) == 2 * len(PATTERNS)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_warning_lines import ARGS, callbacks, data, scheduled

def main():
    model = scheduled()
    model.fit(*data(), **ARGS, callbacks=callbacks())  # the user's line

main()
"""


@pytest.mark.slow
def test_a_script_in_a_separate_process(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([str(ROOT.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, script, Path(__file__).parent],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    line = 1 + next(number for number, line in enumerate(SCRIPT.splitlines()) if MARK in line)
    for pattern in PATTERNS:
        (text,) = [text for text in done.stderr.splitlines() if pattern in text]
        assert text.startswith(f"{script}:{line}: ")
