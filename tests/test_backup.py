"""The folder of a backup is the user's, and a training that is killed within an epoch goes on as if it had not been."""

import contextlib
import inspect
import os
import re
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from backend import BACKEND
from training import Weight, data, fit, model_with

import keras_lr as klr
from keras_lr import processes
from keras_lr.callbacks import backup_folder
from keras_lr.optimizer import step_of
from keras_lr.state import memory

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import torture

no_executions = pytest.mark.skipif(BACKEND == "torch", reason="torch has no `steps_per_execution`")


class Kill(keras.callbacks.Callback):
    """Raises at one batch of one epoch."""

    def __init__(self, epoch, batch, error=RuntimeError):
        super().__init__()
        self.at, self.error = (epoch, batch), error

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise self.error("killed")


class Batches(keras.callbacks.Callback):
    """The epoch and the batch of every hook of a batch."""

    def __init__(self):
        super().__init__()
        self.begun, self.ended = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append((self.epoch, batch))

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append((self.epoch, batch))


def killed(*arguments, error=RuntimeError, **options):
    """A `fit` of the test model that is killed, with the place of the kill first."""
    place, *callbacks = arguments
    with pytest.raises(error, match="killed"):
        fit(model_with(0.1), *callbacks, Kill(*place, error), **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# The folder.


def test_what_else_is_in_the_folder_stays(tmp_path):
    folder = tmp_path / "run"
    (folder / "notes").mkdir(parents=True)
    (folder / "model.keras").write_text("mine")
    (folder / "part.weights.h5").write_text("what a killed write has left")
    log = klr.LearningRateLogger(path=folder / "log.csv", audit=False)
    fit(model_with(0.1), klr.BackupAndRestore(folder, double_checkpoint=True), log)
    assert names(folder) == ["log.csv", "model.keras", "notes"]
    assert len(pd.read_csv(folder / "log.csv")) == 15


@pytest.mark.parametrize("options", [{}, {"save_freq": 2}, {"double_checkpoint": True}], ids=str)
def test_a_folder_that_is_empty_then_goes(tmp_path, options):
    """As in Keras, whoever has made it: after a kill nobody knows."""
    for folder in (tmp_path / "new" / "run", tmp_path / "there"):
        if folder.name == "there":
            folder.mkdir()
        fit(model_with(0.1), klr.BackupAndRestore(folder, **options))
        assert not folder.exists()
    assert (tmp_path / "new").exists()


def test_a_folder_that_is_a_link_stays(tmp_path):
    target, link = tmp_path / "elsewhere", tmp_path / "run"
    target.mkdir()
    link.symlink_to(target)
    model = model_with(0.1)
    seen = []
    look = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(names(target)))
    fit(model, klr.BackupAndRestore(link), look)
    assert seen == [[], ["latest.weights.h5"], ["latest.weights.h5"]]
    assert link.is_symlink()
    assert names(target) == []
    assert step_of(model) == 15


@pytest.mark.parametrize("name", ["latest", "previous", "part"])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_the_place_of_a_backup_is_refused(tmp_path, name, there):
    mine = tmp_path / "mine.h5"
    if there:
        mine.write_text("mine")
    link = tmp_path / "run" / f"{name}.weights.h5"
    link.parent.mkdir()
    link.symlink_to(mine)
    with pytest.raises(ValueError, match=rf"`backup_dir` must be a folder in which '{link.name}' is a file and not a"):
        fit(model_with(0.1), klr.BackupAndRestore(link.parent))
    assert link.is_symlink()
    assert mine.exists() is there


@pytest.mark.parametrize("spelled", ["relative", "absolute", "through a link"])
@pytest.mark.parametrize("place", ["current", "home"])
def test_the_current_folder_and_the_home_stay(tmp_path, monkeypatch, place, spelled):
    folder = tmp_path / "here"
    folder.mkdir()
    if place == "current":
        monkeypatch.chdir(folder)
    else:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(folder))
    (tmp_path / "around").symlink_to(tmp_path)
    spellings = {
        "relative": Path(os.path.relpath(folder)),
        "absolute": folder,
        "through a link": tmp_path / "around" / "here",
    }
    fit(model_with(0.1), klr.BackupAndRestore(spellings[spelled]))
    assert names(folder) == []


@pytest.mark.parametrize(
    ("method", "error"), [("unlink", PermissionError(13, "Permission denied")), ("rmdir", OSError(30, "Read-only"))]
)
def test_a_deletion_that_fails_is_warned_of(tmp_path, monkeypatch, method, error):
    """The training is done, and what comes after `fit` in the script must run."""
    model = model_with(0.1)
    real = getattr(Path, method)

    def fails(path, *args, **kwargs):
        if path.name.startswith("part"):
            return real(path, *args, **kwargs)
        raise error

    monkeypatch.setattr(Path, method, fails)
    with pytest.warns(UserWarning, match=rf"run' could not be deleted \({error.strerror}\); training is done"):
        fit(model, klr.BackupAndRestore(tmp_path / "run"))
    assert step_of(model) == 15


def test_a_folder_that_is_gone_at_the_end_is_no_fault(tmp_path):
    class Remove(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for path in (tmp_path / "run").iterdir():
                path.unlink()
            (tmp_path / "run").rmdir()

    fit(model_with(0.1), klr.BackupAndRestore(tmp_path / "run"), Remove())
    assert not (tmp_path / "run").exists()


def unusable(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "odd" / "latest.weights.h5").mkdir(parents=True)
    return {
        "a file": (file, "a folder, and it is a file"),
        "a link to nothing": (tmp_path / "dangling", "a folder, and it is a"),
        "below a file": (file / "run", "a folder that can be written"),
        "with a folder in the place of the file": (tmp_path / "odd", "a folder in which 'latest.weights.h5' is a file"),
        "not writable": (Path("/proc"), "a folder that can be written"),
    }


@pytest.mark.parametrize(
    "case", ["a file", "a link to nothing", "below a file", "with a folder in the place of the file", "not writable"]
)
def test_a_folder_that_cannot_be_used_is_refused_before_the_first_batch(tmp_path, case):
    if case == "not writable" and not sys.platform.startswith("linux"):
        pytest.skip("needs a folder that even root cannot write to")
    folder, sentence = unusable(tmp_path)[case]
    model = model_with(0.1)
    with pytest.raises(
        ValueError, match=rf"BackupAndRestore: `backup_dir` must be {sentence}.*, got '.*{folder.name}'"
    ):
        fit(model, klr.BackupAndRestore(folder))
    assert step_of(model) == 0
    assert (tmp_path / "file").read_text() == "mine"


def test_another_process_than_the_first_neither_writes_nor_deletes(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    backup = klr.BackupAndRestore(folder, delete_checkpoint=False)
    fit(model_with(0.1), backup, epochs=2)
    monkeypatch.setattr(processes, "is_chief", lambda: False)
    model = model_with(0.1)
    fit(model, klr.BackupAndRestore(folder), epochs=3)
    assert (step_of(model), names(folder)) == (15, ["latest.weights.h5"])
    fit(model_with(0.1), klr.BackupAndRestore(tmp_path / "new"), epochs=1)
    assert not (tmp_path / "new").exists()


def test_two_callbacks_on_one_folder(tmp_path):
    folder, weight = tmp_path / "run", Weight()
    pair = [klr.BackupAndRestore(folder), klr.BackupAndRestore(folder, save_freq=2)]
    killed((1, 3), *pair)
    fit(model_with(0.1), *pair, weight)
    np.testing.assert_allclose(weight.seen[1:], -0.1 * np.arange(9, 16), rtol=1e-5)
    assert not folder.exists()


@pytest.mark.parametrize("order", [1, -1])
def test_a_second_callback_whose_folder_is_empty(tmp_path, order):
    killed((1, 3), klr.BackupAndRestore(tmp_path / "a", save_freq=2))
    weight = Weight()
    pair = [klr.BackupAndRestore(tmp_path / "a", save_freq=2), klr.BackupAndRestore(tmp_path / "b")]
    fit(model_with(0.1), *pair[::order], weight)
    np.testing.assert_allclose(weight.seen[1:], -0.1 * np.arange(9, 16), rtol=1e-5)
    assert names(tmp_path) == []


# The arguments.


def test_the_arguments_are_those_of_keras():
    ours, theirs = (
        inspect.signature(one).parameters for one in (klr.BackupAndRestore, keras.callbacks.BackupAndRestore)
    )
    assert [(it.name, it.default) for it in ours.values()] == [(it.name, it.default) for it in theirs.values()]


@pytest.mark.parametrize("value", [True, False, np.True_])
def test_the_second_argument_of_before_is_named(value):
    with pytest.raises(TypeError, match=r'`save_freq` must be "epoch", or .*`delete_checkpoint=`, got .*(True|False)'):
        klr.BackupAndRestore("run", value)


@pytest.mark.parametrize("value", [0, -1, 1.5, 2**31, "batch", None])
def test_a_wrong_frequency_is_refused(value):
    with pytest.raises(
        (TypeError, ValueError), match='BackupAndRestore: `save_freq` must be "epoch", or a whole number'
    ):
        klr.BackupAndRestore("run", value)


@pytest.fixture
def written(monkeypatch):
    """The epochs and batches at which backups are written."""
    places = []
    real = backup_folder.BackupFolder.write

    def write(folder, save, **options):
        def spied(path):
            save(path)
            entry = memory(save.__closure__[0].cell_contents)["backup"]
            places.append((entry["epoch"], entry["batch"]))

        real(folder, spied, **options)

    monkeypatch.setattr(backup_folder.BackupFolder, "write", write)
    return places


FREQUENCIES = {
    "epoch": [(1, 0), (2, 0), (3, 0)],
    1: [(0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (2, 0), (2, 1), (2, 2), (2, 3), (2, 4),
        (3, 0)],
    3: [(0, 3), (1, 1), (1, 4), (2, 2), (3, 0)],
    5: [(1, 0), (2, 0), (3, 0)],
    7: [(1, 2), (2, 4)],
    100: [],
}  # fmt: skip
"""Of 3 epochs of 5 batches: the batches are counted over the ends of epochs."""


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_how_often(tmp_path, frequency, written):
    fit(model_with(0.1), klr.BackupAndRestore(tmp_path, frequency))
    assert written == FREQUENCIES[frequency]


@no_executions
def test_how_often_with_several_steps_in_an_execution(tmp_path, written):
    fit(model_with(0.1, steps_per_execution=2), klr.BackupAndRestore(tmp_path, 3), epochs=2)
    assert written == [(0, 4), (1, 2), (2, 0)]


# Exact within an epoch.

BATCHES, EPOCHS = 5, 3


def network(rate, **compile_args):
    """A classifier with a Dropout, whose seed is drawn by the seed of the process, and metrics of two kinds."""
    layers = [keras.layers.Dense(4, "tanh"), keras.layers.Dropout(0.3), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    metrics = ["accuracy", keras.metrics.AUC(num_thresholds=7, name="auc")]
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=metrics, **compile_args)
    return model


def samples(size=8):
    numbers = np.random.default_rng(5)
    x = numbers.normal(size=(BATCHES * size - 3, 3)).astype("float32")
    return x, (x.sum(axis=1, keepdims=True) > 0).astype("float32")


def script(folder, rate, order, every, *more, freq=1, options=None, arguments=None, **compile_args):
    """One run of a script that is run again after a kill; all that came of it."""
    keras.utils.set_random_seed(7)
    x, y = samples()
    model = network(rate(), **compile_args)
    log = klr.LearningRateLogger(("loss", "auc"), folder / "log.csv", audit=False)
    parts = {
        "backup": klr.BackupAndRestore(folder / "backup", freq, **options or {}),
        "plateau": klr.ReduceOnPlateau("loss", 0.5, 1, mode="max", every=every),
        "log": log,
        "bind": klr.BindSchedule(),
    }
    arguments = {"x": x, "y": y, "batch_size": 8, "shuffle": False} | (arguments or {})
    if every == "epoch":
        arguments["validation_data"] = (x[:8], y[:8])
    callbacks = [*(parts[name] for name in order), *more]
    history = model.fit(**arguments, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    return {
        "history": history.history,
        "state": parts["plateau"].get_state(),
        "step": step_of(model),
        "rate": klr.get_learning_rate(model),
        "weights": [*model.get_weights(), *(keras.ops.convert_to_numpy(it.value) for it in model.optimizer.variables)],
        "seeds": [
            keras.ops.convert_to_numpy(variable.value) for variable in model.variables if "seed" in variable.name
        ],
        "file": pd.read_csv(folder / "log.csv"),
        "table": log.to_frame(),
    }


def assert_same(whole, resumed):
    """A training that was killed and resumed, and one that was not, bit by bit."""
    for name in ("state", "step", "rate"):
        assert resumed[name] == whole[name], name
    for name in ("weights", "seeds"):
        for one, other in zip(whole[name], resumed[name], strict=True):
            np.testing.assert_array_equal(one, other)
    pd.testing.assert_frame_equal(resumed["file"], whole["file"], check_exact=True)
    rows = len(resumed["table"])
    pd.testing.assert_frame_equal(resumed["table"], whole["table"].tail(rows).reset_index(drop=True), check_exact=True)
    for name, values in resumed["history"].items():
        assert values == whole["history"][name][-len(values) :], name


def run_and_kill(folder, kills, *case, **options):
    """The script as a whole, and killed at each of several batches."""
    for name in ("whole", "killed"):
        (folder / name).mkdir()
    whole = script(folder / "whole", *case, **options)
    for place in kills:
        with pytest.raises(RuntimeError, match="killed"):
            script(folder / "killed", *case, Kill(*place), **options)
    return whole, script(folder / "killed", *case, **options)


def schedule():
    return klr.Warmup(klr.CosineDecay(0.05, klr.epochs(2)), klr.epochs(1))


CASES = {
    "number by epochs, backup first": (lambda: 0.05, ("backup", "plateau", "log"), "epoch"),
    "number in windows, backup last": (lambda: 0.05, ("log", "plateau", "backup"), 3),
    "units in windows, backup first": (schedule, ("backup", "bind", "plateau", "log"), 7),
    "units by epochs, backup between": (schedule, ("plateau", "backup", "bind", "log"), "epoch"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_kill_at_any_batch_changes_nothing(tmp_path, case):
    whole, resumed = run_and_kill(tmp_path, [(0, 2), (1, 0), (2, 1)], *CASES[case])
    assert_same(whole, resumed)
    assert whole["state"]["n_reductions"] >= 1
    # The last kill was in the second batch of the third epoch.
    assert resumed["table"][["epoch", "batch"]].iloc[0].tolist() == [2, 1]
    assert not (tmp_path / "killed" / "backup").exists()


@pytest.mark.parametrize("freq", [2, 3, 4])
def test_backups_every_few_batches(tmp_path, freq):
    """Among them those whose turn comes with the last batch of an epoch."""
    case = (lambda: 0.05, ("plateau", "backup", "log"), 3)
    assert_same(*run_and_kill(tmp_path, [(1, 1), (2, 0)], *case, freq=freq))


@no_executions
@pytest.mark.parametrize("case", list(CASES)[1:3])
def test_several_steps_in_an_execution(tmp_path, case):
    """Executions end with batches 1, 3 and, a short one, 4."""
    whole, resumed = run_and_kill(tmp_path, [(0, 3), (1, 1), (2, 3)], *CASES[case], freq=2, steps_per_execution=2)
    assert_same(whole, resumed)
    assert resumed["table"]["batch"].iloc[0] == 2


def test_seeds_of_layers_go_on_at_the_end_of_an_epoch_too(tmp_path):
    case = (lambda: 0.05, ("backup", "plateau", "log"), "epoch")
    assert_same(*run_and_kill(tmp_path, [(1, 2)], *case, freq="epoch"))


@pytest.mark.skipif(BACKEND == "tensorflow", reason="`tf.data` shuffles by states that nobody can read")
@pytest.mark.parametrize("kill", [(1, 2), (2, 0)])
def test_arrays_that_fit_shuffles(tmp_path, kill):
    case = (lambda: 0.05, ("backup", "plateau", "log"), "epoch")
    assert_same(*run_and_kill(tmp_path, [kill], *case, arguments={"shuffle": True}))


class Ordered(keras.utils.PyDataset):
    """Batches in an order that follows from the number of the epoch."""

    epoch = 0

    def __len__(self):
        return BATCHES

    def __getitem__(self, batch):
        x, y = samples()
        order = np.random.default_rng([3, self.epoch]).permutation(len(x))
        rows = order[batch * 8 : batch * 8 + 8]
        return x[rows], y[rows]


def test_a_data_set_whose_order_follows_from_the_epoch(tmp_path):
    class Tell(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            dataset.epoch = epoch

    results = []
    for folder, kills in (("whole", []), ("killed", [Kill(1, 2)])):
        (tmp_path / folder).mkdir()
        case = (tmp_path / folder, lambda: 0.05, ("backup", "plateau", "log"), "epoch", Tell())
        for kill in kills:
            dataset = Ordered()
            with pytest.raises(RuntimeError, match="killed"):
                script(*case, kill, arguments={"x": dataset, "y": None, "batch_size": None})
        dataset = Ordered()
        results.append(script(*case, arguments={"x": dataset, "y": None, "batch_size": None}))
    assert_same(*results)


def generated():
    x, y = samples()
    for start in range(0, len(x), 8):
        yield x[start : start + 8], y[start : start + 8]


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length(tmp_path):
    """A generator, of which there is one epoch."""
    weights = []
    for folder, kill in (("whole", []), ("killed", [Kill(0, 3)]), ("killed", [])):
        keras.utils.set_random_seed(7)
        model = network(0.05)
        backup = klr.BackupAndRestore(tmp_path / folder, 2)
        try:
            model.fit(generated(), epochs=1, shuffle=False, verbose=0, callbacks=[backup, *kill])
        except RuntimeError:
            continue
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_process_that_is_killed_within_an_epoch(tmp_path):
    """In the 21st batch of 130, with backups every 4 batches and a plateau that looks at windows of 9."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert torture.run(whole, 4, None, BACKEND) == 0
    assert torture.run(broken, 4, {"place": 1, "hook": "batch_end", "calls": 21}, BACKEND) == -signal.SIGKILL
    assert names(broken / "backup") == ["latest.weights.h5", "previous.weights.h5"]
    assert torture.run(broken, 4, None, BACKEND) == 0
    assert (broken / "result.json").read_text() == (whole / "result.json").read_text()
    assert (broken / "log.csv").read_text() == (whole / "log.csv").read_text()
    assert not (broken / "backup").exists()


# What the batches that are skipped do to the rest.


def test_callbacks_see_no_skipped_batch(tmp_path):
    killed((1, 3), klr.BackupAndRestore(tmp_path, 1))
    seen, weight = Batches(), Weight()
    fit(model_with(0.1), seen, klr.BackupAndRestore(tmp_path, 1), weight, epochs=2)
    assert seen.begun == seen.ended == [(1, 3), (1, 4)]
    np.testing.assert_allclose(weight.seen[1:], [-0.9, -1.0], rtol=1e-5)


def test_the_progress_bar_goes_on(tmp_path, capsys):
    killed((1, 3), klr.BackupAndRestore(tmp_path, 1))
    x, y = data()
    callbacks = [klr.BackupAndRestore(tmp_path, 1)]
    model_with(0.1).fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=1, callbacks=callbacks)
    assert re.search(r"4/5.*5/5", capsys.readouterr().out, re.DOTALL)


class Broken(keras.utils.PyDataset):
    """Its second batch cannot be read for some time."""

    broken = False

    def __len__(self):
        return BATCHES

    def __getitem__(self, batch):
        if self.broken and batch == 1:
            raise OSError("cannot be read")
        return np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")


def test_an_error_among_the_skipped_batches_leaves_a_model_that_trains(tmp_path):
    dataset = Broken()
    with pytest.raises(RuntimeError, match="killed"):
        model_with(0.1).fit(
            dataset, epochs=1, shuffle=False, verbose=0, callbacks=[klr.BackupAndRestore(tmp_path, 3), Kill(0, 4)]
        )
    model, dataset.broken = model_with(0.1), True
    backup = klr.BackupAndRestore(tmp_path, 3)
    with pytest.raises(Exception, match="cannot be read"):
        model.fit(dataset, epochs=1, shuffle=False, verbose=0, callbacks=[backup])
    dataset.broken = False
    step, weight = step_of(model), Weight()
    fit(model, weight, epochs=1)
    assert (step, step_of(model)) == (3, 8)
    np.testing.assert_allclose(weight.seen[1:], -0.1 * np.arange(4, 9), rtol=1e-5)
    # And the backup is still there to go on from.
    model.fit(dataset, epochs=1, shuffle=False, verbose=0, callbacks=[backup])
    assert step_of(model) == 5


def test_the_keyboard_interrupts(tmp_path):
    killed((1, 3), klr.BackupAndRestore(tmp_path / "run", 2), error=KeyboardInterrupt)
    assert names(tmp_path / "run") == ["latest.weights.h5"]
    weight = Weight()
    fit(model_with(0.1), klr.BackupAndRestore(tmp_path / "run", 2), weight)
    np.testing.assert_allclose(weight.seen[1:], -0.1 * np.arange(9, 16), rtol=1e-5)


def test_no_warning_about_a_schedule_that_fits(tmp_path):
    """The steps of the epoch so far are part of it: 10 steps, of which the schedule has all."""
    with pytest.raises(RuntimeError, match="killed"):
        fit(model_with(klr.LinearDecay(0.1, 10)), klr.BackupAndRestore(tmp_path, 1), Kill(1, 4), epochs=2)
    log = klr.LearningRateLogger()
    fit(model_with(klr.LinearDecay(0.1, 10)), klr.BackupAndRestore(tmp_path, 1), log, klr.BindSchedule(), epochs=2)
    assert log.to_frame().step.tolist() == [9]


def test_the_logger_may_stand_after_it(tmp_path):
    """Keras's own saves when the logger has not seen the batch yet, of which the logger warns."""
    backup = klr.BackupAndRestore(tmp_path / "run", 1)
    killed((0, 3), backup, klr.LearningRateLogger(path=tmp_path / "log.csv", audit=False))
    assert pd.read_csv(tmp_path / "log.csv").step.tolist() == [0, 1, 2]


# Where a training cannot go on.


@pytest.fixture
def within(tmp_path):
    """A backup after batch 3 of epoch 0."""
    killed((0, 4), klr.BackupAndRestore(tmp_path / "run", 3))
    return klr.BackupAndRestore(tmp_path / "run", 3)


@pytest.mark.parametrize("batches", [1, 3])
def test_fewer_batches_than_before_the_backup(within, batches):
    model = model_with(0.1)
    sentence = rf"made after batch 3 of epoch 0 \(the first one is 0\), and an epoch has {batches} now; give `fit`"
    with pytest.raises(ValueError, match=sentence):
        fit(model, within, batches=batches)
    assert within.path.exists()


@pytest.mark.parametrize("batches", [1, 2])
def test_data_of_unknown_length_that_end_before_the_backup(within, batches):
    def few():
        for _ in range(batches):
            yield np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")

    saw = []
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: saw.append(epoch))
    with (
        pytest.raises(ValueError, match="made after batch 3 .*, and the data have come to their end before it"),
        pytest.warns(UserWarning, match="ran out of data") if BACKEND == "torch" else contextlib.nullcontext(),
    ):
        model_with(0.1).fit(few(), epochs=1, shuffle=False, verbose=0, callbacks=[look, within])
    assert saw == []


def test_another_number_of_batches_is_warned_of(within):
    weight = Weight()
    with pytest.warns(UserWarning, match="batch 3 of epoch 0 .* of 5, and an epoch has 7 batches now: the first 3 of"):
        fit(model_with(0.1), within, weight, batches=7, epochs=1)
    assert len(weight.seen) == 5


def test_another_first_epoch_is_refused(within):
    with pytest.raises(ValueError, match="within epoch 0, and `fit` begins with epoch 2; `initial_epoch` must be"):
        fit(model_with(0.1), within, initial_epoch=2)


def test_the_first_epoch_of_the_user_counts_where_there_is_no_backup(tmp_path):
    seen = Batches()
    fit(model_with(0.1), klr.BackupAndRestore(tmp_path / "run"), seen, initial_epoch=2)
    assert {epoch for epoch, _ in seen.begun} == {2}


def test_other_metrics_are_refused(within):
    with pytest.raises(ValueError, match="with other metrics: its metrics have the shapes .*; give `compile` those of"):
        fit(model_with(0.1, metrics=["mae"]), within)


@no_executions
def test_executions_that_end_elsewhere_are_refused(within):
    with pytest.raises(ValueError, match="no execution ends with `steps_per_execution=2`; it must be a divisor of 3"):
        fit(model_with(0.1, steps_per_execution=2), within)


def test_without_fit_it_is_refused(within):
    model = model_with(0.1)
    within.set_model(model)
    within.on_train_begin()
    with pytest.raises(ValueError, match="within an epoch can only be taken up by `fit`"):
        within.on_epoch_begin(0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch", -1),
        ("batch", 1.5),
        ("batches", "5"),
        ("random", {}),
        ("random", {"python": [3, [1], None]}),
        ("seeds", 9),
    ],
    ids=str,
)
def test_a_wrong_entry_is_refused(within, monkeypatch, name, value):
    real = type(within)._load_from

    def load(callback, path):
        model = callback._net

        def loaded(path, load_weights=model.load_weights):
            load_weights(path)
            memory(model)["backup"][name] = value

        monkeypatch.setattr(model, "load_weights", loaded)
        return real(callback, path)

    monkeypatch.setattr(type(within), "_load_from", load)
    with pytest.raises(ValueError, match="is damaged, or is no backup of this model: its (batch|batches|random|seeds)"):
        fit(model_with(0.1), within)


# Two backups.


def test_the_backup_before_stays_too(tmp_path):
    seen = []
    look = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(names(tmp_path)))
    backup = klr.BackupAndRestore(tmp_path, double_checkpoint=True, delete_checkpoint=False)
    fit(model_with(0.1), backup, look)
    assert seen == [[], ["latest.weights.h5"], ["latest.weights.h5", "previous.weights.h5"]]


@pytest.mark.parametrize("freq", ["epoch", 2])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "missing"])
def test_training_goes_on_from_the_backup_before_a_damaged_one(tmp_path, damage, freq):
    folder = tmp_path / "run"
    killed((2, 3), klr.BackupAndRestore(folder, freq, double_checkpoint=True))
    latest = folder / "latest.weights.h5"
    whole = latest.read_bytes()
    if damage == "missing":  # killed between the two renamings
        latest.unlink()
    else:
        latest.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"nothing"}[damage])
    first = {"epoch": 5, 2: 10}[freq]
    weight, model = Weight(), model_with(0.1)
    place = {"epoch": "epoch 1 and batch 0", 2: "epoch 2 and batch 0"}[freq]
    warned = pytest.warns(UserWarning, match=rf"latest.weights.h5' is damaged.*backup before it, of {place}")
    with contextlib.nullcontext() if damage == "missing" else warned:
        fit(model, klr.BackupAndRestore(folder, freq, double_checkpoint=True), weight)
    np.testing.assert_allclose(weight.seen[1:], -0.1 * np.arange(first + 1, 16), rtol=1e-5)


def test_a_damaged_backup_does_not_take_the_place_of_a_good_one(tmp_path):
    backup = klr.BackupAndRestore(tmp_path, double_checkpoint=True, delete_checkpoint=False)
    fit(model_with(0.1), backup, epochs=2)
    good = (tmp_path / "previous.weights.h5").read_bytes()
    backup.path.write_bytes(b"nothing")
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append((tmp_path / "previous.weights.h5").read_bytes() == good)
    )
    with pytest.warns(UserWarning, match="is damaged"):
        fit(model_with(0.1), backup, look, epochs=4)
    assert seen == [True, True, False]


def test_two_damaged_backups_are_both_named(tmp_path):
    for name in ("latest", "previous"):
        (tmp_path / f"{name}.weights.h5").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"latest.weights.h5' is damaged.*, and so is '.*previous.weights.h5'.*move"):
        fit(model_with(0.1), klr.BackupAndRestore(tmp_path))


# A second fit.


@pytest.mark.parametrize("freq", ["epoch", 2])
def test_a_second_fit_begins_where_the_user_says(tmp_path, freq):
    """Keras keeps the epoch of the backup on the model for every `fit` to come."""
    backup, seen = klr.BackupAndRestore(tmp_path / "run", freq), Batches()
    killed((2, 1), backup)
    model = model_with(0.1)
    fit(model, backup)
    fit(model, backup, seen, epochs=2)
    fit(model, seen, epochs=1)
    assert [epoch for epoch, batch in seen.begun if batch == 0] == [0, 1, 0]
    assert step_of(model) == 30


def test_a_done_training_leaves_the_next_one_its_epochs(tmp_path):
    backup, seen = klr.BackupAndRestore(tmp_path, delete_checkpoint=False), Batches()
    fit(model_with(0.1), backup)
    model = model_with(0.1)
    fit(model, backup)
    fit(model, seen, epochs=1)
    assert seen.begun == [(0, batch) for batch in range(5)]


def test_nothing_of_a_backup_is_in_other_files(tmp_path):
    model = model_with(0.1)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True)
    fit(model, klr.BackupAndRestore(tmp_path / "run", 2), checkpoint, epochs=2)
    again = model_with(0.1)
    again.load_weights(tmp_path / "2.weights.h5")
    assert "backup" not in memory(again)
