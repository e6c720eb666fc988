"""The README is followed line by line, as by a new user."""

import configparser
import contextlib
import io
import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from support import migrations
from support.public import PUBLIC

import keras_lr as klr
from keras_lr import epochs

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
LANDING = (ROOT / "docs" / "index.md").read_text()
QUICK_START, OWN_SCHEDULE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def setup():
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg")
    return parsed


def section(title):
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title):
    """The cells of a table, without its header."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


# Install.


def test_the_versions_are_those_of_setup_cfg():
    options = setup()["options"]
    python = options["python_requires"].removeprefix(">=")
    (needed,) = re.findall(r"^keras>=(\S+)$", options["install_requires"], re.MULTILINE)
    for text in (README, LANDING):
        assert f"You need Python {python} or later, Keras {needed} or later" in text


def test_the_landing_page_has_the_same_table():
    assert section("Five things that hurt").split("`tests/")[0].strip() in LANDING


def test_the_commands_name_existing_extras():
    """.ci/run runs the first line with ``python -m pytest`` in a new environment."""
    extras = set(setup()["options.extras_require"])
    named = {name for part in re.findall(r"\.\[([\w,-]+)\]", "\n".join(COMMANDS)) for name in part.split(",")}
    assert named == {"jax", "tensorflow-cpu", "demo", "test"}
    others = re.search(r"# or (.*)", COMMANDS[0])[1].split(", ")
    assert extras >= named | set(others)
    (demo,) = [line for line in README.splitlines() if "keras-lr demo" in line]
    (tests,) = [line for line in README.splitlines() if "python -m pytest" in line]
    assert demo.startswith("python3 -m venv .venv && .venv/bin/pip install -e")
    pinned = re.search(r"^torch==\S+$", setup()["options.extras_require"]["test-all"], re.MULTILINE)[0]
    assert tests.startswith(
        f'python3 -m venv .venv && .venv/bin/pip install {pinned} && .venv/bin/pip install -e ".[test]"'
    )
    assert tests in section("Contributing")


# The quick start, also after a kill.


def followed(folder, monkeypatch, code=QUICK_START):
    """Run the lines as a script in a folder. Returns their output."""
    monkeypatch.chdir(folder)
    keras.utils.set_random_seed(0)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    return printed.getvalue()


def test_the_quick_start_prints_what_the_readme_shows(tmp_path, monkeypatch):
    assert followed(tmp_path, monkeypatch) == re.search(r"```text\n(.*?)```", README, re.DOTALL)[1]
    log = pd.read_csv(tmp_path / "log.csv")
    assert log.step.tolist() == list(range(80))
    assert not (tmp_path / "backup").exists()


class Kill(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 5:
            raise KeyboardInterrupt


def whole_and_killed(folder, monkeypatch, code):
    """The log of a training, and that of a training that was killed in its sixth epoch and run again."""
    logs = []
    for name in ("whole", "killed"):
        (folder / name).mkdir()
        if name == "killed":
            monkeypatch.setattr(keras.callbacks, "Kill", Kill, raising=False)
            with pytest.raises(KeyboardInterrupt):
                followed(
                    folder / name, monkeypatch, code.replace("callbacks = [", "callbacks = [keras.callbacks.Kill(), ")
                )
            assert 0 < len(pd.read_csv(folder / name / "log.csv")) < 80
        followed(folder / name, monkeypatch, code)
        logs.append(pd.read_csv(folder / name / "log.csv"))
    return logs


def test_the_quick_start_continues_after_a_kill(tmp_path, monkeypatch):
    pd.testing.assert_frame_equal(*whole_and_killed(tmp_path, monkeypatch, QUICK_START))


def own_schedule():
    names = {"__name__": "__main__"}
    exec(compile(OWN_SCHEDULE, "README.md", "exec"), names)
    return names["HalfLife"]


def test_the_schedule_of_your_own_has_no_problems():
    assert klr.check_schedule(own_schedule()(0.4, 100)) == []


def test_your_own_schedule_works_with_a_plateau_and_a_resume(tmp_path, monkeypatch):
    """The quick start with the README's own schedule, which a plateau reduces."""
    code = OWN_SCHEDULE + QUICK_START
    for line, other in {
        "Warmup(CosineDecay(0.1, epochs(9)), epochs(1))": "HalfLife(0.4, 100)",
        'ReduceOnPlateau("loss")': 'ReduceOnPlateau("loss", 0.5, patience=3, min_delta=9.0)',
    }.items():
        assert line in code
        code = code.replace(line, other)
    whole, killed = whole_and_killed(tmp_path, monkeypatch, code)
    pd.testing.assert_frame_equal(whole, killed)
    # The first epoch is the best, so the rate is reduced after the fourth, the seventh and the tenth.
    reductions = np.repeat([0, 0, 0, 0, 1, 1, 1, 2, 2, 2], 8)
    expected = own_schedule()(0.4, 100).values(range(80)) * 0.5**reductions
    np.testing.assert_allclose(whole.learning_rate, expected, rtol=1e-12)


# Five things that hurt: Keras compared with this package. `test_readme_on_every_backend.py` has what differs by backend.


def model_with(optimizer):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizer, "mse", run_eagerly=False, jit_compile=False)
    return model


X, Y = np.ones((64, 2), "float32"), np.full((64, 1), 3.0, "float32")


def fit(model, *callbacks, **options):
    return model.fit(X, Y, batch_size=8, verbose=0, callbacks=list(callbacks), **options)


def test_the_table_has_five_rows():
    assert [row[0] for row in rows("Five things that hurt")] == [
        "A plateau on a schedule",
        "Epochs",
        "The rate of batch 700",
        "Kill and resume",
        "Momentum and layers",
    ]


def test_a_plateau_on_a_schedule_raises_in_keras_and_works_here():
    options = {"monitor": "loss", "factor": 0.5, "patience": 1, "min_delta": 100.0}
    theirs = keras.optimizers.schedules.ExponentialDecay(1e-3, 1000, 1.0)
    with pytest.raises(TypeError):
        fit(model_with(keras.optimizers.SGD(theirs)), keras.callbacks.ReduceLROnPlateau(**options), epochs=3)
    model = model_with(keras.optimizers.SGD(theirs))
    fit(model, klr.ReduceOnPlateau(**options), epochs=3)
    assert klr.get_learning_rate(model) == pytest.approx(1e-3 * 0.25)


def test_ten_epochs_are_ten_steps_in_keras_and_a_thousand_here():
    theirs = keras.optimizers.schedules.CosineDecay(0.1, 10)
    assert float(theirs(10)) == pytest.approx(0.0, abs=1e-9)
    ours = klr.CosineDecay(0.1, epochs(10)).bind(steps_per_epoch=100, epochs=10)
    assert ours.values(10) > 0.099
    assert ours.duration == 1000


class Read(keras.callbacks.Callback):
    """Reads the rate in a callback, as users usually do."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def test_the_rate_of_a_batch_is_that_in_the_log():
    schedule = klr.LinearDecay(1e-3, 100)
    read, log = Read(), klr.LearningRateLogger(audit=False)
    fit(model_with(keras.optimizers.SGD(schedule)), read, log, epochs=1)
    rates = schedule.values(range(9))
    np.testing.assert_allclose(read.rates, rates[1:], rtol=1e-6)
    np.testing.assert_array_equal(log.to_frame().learning_rate, rates[:8])


@pytest.mark.parametrize("ours", [False, True], ids=["Keras", "here"])
def test_the_patience_after_a_resume_is_lost_in_keras_and_kept_here(tmp_path, ours):
    """Three epochs are trained at once, or two, and one with a new model and new callbacks, as in a new process."""

    def callbacks(folder):
        options = {"monitor": "loss", "factor": 0.5, "patience": 2, "min_delta": 100.0}
        if ours:
            return [klr.ReduceOnPlateau(**options), klr.BackupAndRestore(str(folder))]
        return [keras.callbacks.ReduceLROnPlateau(**options), keras.callbacks.BackupAndRestore(str(folder))]

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def rate(folder, interrupted):
        if interrupted:
            with pytest.raises(KeyboardInterrupt):
                fit(model_with(keras.optimizers.SGD(1e-3)), *callbacks(folder), Stop(), epochs=3)
        model = model_with(keras.optimizers.SGD(1e-3))
        fit(model, *callbacks(folder), epochs=3)
        return klr.get_learning_rate(model)

    assert rate(tmp_path / "whole", False) == pytest.approx(0.5e-3)
    assert rate(tmp_path / "killed", True) == pytest.approx(0.5e-3 if ours else 1e-3)


def test_the_momentum_in_the_table_is_scheduled():
    (cell,) = [row[2] for row in rows("Five things that hurt") if row[0] == "Momentum and layers"]
    cycle = klr.OneCycle(0.01, 16)
    model = model_with(keras.optimizers.SGD(0.1))
    names = {**PUBLIC, "SGD": keras.optimizers.SGD, "cycle": cycle, "model": model}
    model.compile(eval(cell.strip("`"), names), "mse")
    log = klr.LearningRateLogger()
    fit(model, log, epochs=2)
    np.testing.assert_allclose(log.to_frame().momentum, cycle.momentum().values(range(16)))


# Tables.


def test_every_schedule_of_the_table_can_be_made():
    names = {**PUBLIC, "peak": 0.1, "steps": 100, "total": 1000, "warmup": 100, "decay": 200}
    made = [
        eval(line, names)
        for _, schedule in rows("Which schedule")
        for line in re.findall(r"`([A-Z]\w+\(.*?\))`", schedule)
    ]
    assert len(made) == 8
    assert klr.Warmup(0.1, 100).cooldown(500, 100).values(600) == 0.0


def test_the_lines_from_elsewhere_are_rows_of_the_migration_page():
    """`test_migrating.py` compares the curves of these rows with those of the packages."""
    equivalents = {(line.package, line.theirs): line.ours for line in migrations.lines()}
    package, found = "", []
    for name, theirs, ours in rows("Coming from elsewhere"):
        package = re.match(r"\[(\w+)\]|$", name)[1] or package
        assert equivalents[package, theirs.strip("`")] == ours.strip("`")
        found.append(package)
    assert {name: found.count(name) for name in found} == dict.fromkeys(("torch", "optax", "transformers", "timm"), 4)


def test_the_costs_are_the_measured_ones():
    from benchmarks import report

    assert report.filled(README) == README
