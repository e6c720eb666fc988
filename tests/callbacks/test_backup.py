"""Files of the user in the folder of a backup stay. Also: arguments, a second backup, and a second `fit`."""

import contextlib
import inspect
import os
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from support.backups import Kill, killed, names, no_executions
from support.training import Batches, Weight, fit, model_with

import keras_lr as klr
from keras_lr.callbacks import backup_folder
from keras_lr.optimizers.lookup import step_of
from keras_lr.training import processes
from keras_lr.training.saved_state import memory

# The folder.


def test_other_files_in_the_folder_stay(tmp_path):
    folder = tmp_path / "run"
    (folder / "notes").mkdir(parents=True)
    (folder / "model.keras").write_text("mine")
    (folder / "part.weights.h5").write_text("left by a killed write")
    log = klr.LearningRateLogger(path=folder / "log.csv", audit=False)
    fit(model_with(0.1), klr.BackupAndRestore(folder, double_checkpoint=True), log)
    assert names(folder) == ["log.csv", "model.keras", "notes"]
    assert len(pd.read_csv(folder / "log.csv")) == 15


@pytest.mark.parametrize("options", [{}, {"save_freq": 2}, {"double_checkpoint": True}], ids=str)
def test_an_empty_folder_is_deleted(tmp_path, options):
    """As in Keras, it does not matter who created the folder. After a kill that is unknown."""
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
def test_a_link_instead_of_a_backup_is_refused(tmp_path, name, there):
    mine = tmp_path / "mine.h5"
    if there:
        mine.write_text("mine")
    link = tmp_path / "run" / f"{name}.weights.h5"
    link.parent.mkdir()
    link.symlink_to(mine)
    with pytest.raises(ValueError, match=rf"`backup_dir` must be a folder in which '{link.name}' is a file, not a"):
        fit(model_with(0.1), klr.BackupAndRestore(link.parent))
    assert link.is_symlink()
    assert mine.exists() is there


@pytest.mark.parametrize("spelled", ["relative", "absolute", "through a link"])
@pytest.mark.parametrize("place", ["current", "home"])
def test_the_current_folder_and_the_home_folder_are_not_deleted(tmp_path, monkeypatch, place, spelled):
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
def test_a_failed_deletion_warns(tmp_path, monkeypatch, method, error):
    """It does not raise, because the training is complete and the rest of the script must run."""
    model = model_with(0.1)
    real = getattr(Path, method)

    def fails(path, *args, **kwargs):
        if path.name.startswith("part"):
            return real(path, *args, **kwargs)
        raise error

    monkeypatch.setattr(Path, method, fails)
    with pytest.warns(
        UserWarning, match=rf"run' could not be deleted \({error.strerror}\); the training itself is complete"
    ):
        fit(model, klr.BackupAndRestore(tmp_path / "run"))
    assert step_of(model) == 15


def test_a_folder_that_is_missing_at_the_end_is_no_error(tmp_path):
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
        "a file": (file, "a folder, but it is a file"),
        "a link to nothing": (tmp_path / "dangling", "a folder, but it is a"),
        "below a file": (file / "run", "a folder that can be written"),
        "with a folder in the place of the file": (tmp_path / "odd", "a folder in which 'latest.weights.h5' is a file"),
        "not writable": (Path("/proc"), "a folder that can be written"),
    }


@pytest.mark.parametrize(
    "case", ["a file", "a link to nothing", "below a file", "with a folder in the place of the file", "not writable"]
)
def test_an_unusable_folder_is_refused_before_the_first_batch(tmp_path, case):
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


def test_only_the_first_process_writes_and_deletes(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    backup = klr.BackupAndRestore(folder, delete_checkpoint=False)
    fit(model_with(0.1), backup, epochs=2)
    monkeypatch.setattr(processes, "is_chief", lambda: False)
    model = model_with(0.1)
    fit(model, klr.BackupAndRestore(folder), epochs=3)
    assert (step_of(model), names(folder)) == (15, ["latest.weights.h5"])
    fit(model_with(0.1), klr.BackupAndRestore(tmp_path / "new"), epochs=1)
    assert not (tmp_path / "new").exists()


def test_two_callbacks_on_one_folder_resume_and_delete_it(tmp_path):
    folder, weight = tmp_path / "run", Weight()
    pair = [klr.BackupAndRestore(folder), klr.BackupAndRestore(folder, save_freq=2)]
    killed((1, 3), *pair)
    fit(model_with(0.1), *pair, weight)
    np.testing.assert_allclose(weight.seen[1:], -0.1 * np.arange(9, 16), rtol=1e-5)
    assert not folder.exists()


@pytest.mark.parametrize("order", [1, -1])
def test_a_second_callback_with_an_empty_folder_does_not_prevent_the_resume(tmp_path, order):
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
def test_the_former_second_argument_is_named_in_the_error(value):
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
"""The backups in 3 epochs of 5 batches. The count of batches continues over the end of an epoch."""


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_backups_are_written_as_often_as_save_freq_says(tmp_path, frequency, written):
    fit(model_with(0.1), klr.BackupAndRestore(tmp_path, frequency))
    assert written == FREQUENCIES[frequency]


@no_executions
def test_save_freq_with_steps_per_execution(tmp_path, written):
    fit(model_with(0.1, steps_per_execution=2), klr.BackupAndRestore(tmp_path, 3), epochs=2)
    assert written == [(0, 4), (1, 2), (2, 0)]


# Two backups.


def test_the_previous_backup_stays_too(tmp_path):
    seen = []
    look = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(names(tmp_path)))
    backup = klr.BackupAndRestore(tmp_path, double_checkpoint=True, delete_checkpoint=False)
    fit(model_with(0.1), backup, look)
    assert seen == [[], ["latest.weights.h5"], ["latest.weights.h5", "previous.weights.h5"]]


@pytest.mark.few(2)
@pytest.mark.parametrize("freq", ["epoch", 2])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "missing"])
def test_training_continues_from_the_backup_before_a_damaged_one(tmp_path, damage, freq):
    folder = tmp_path / "run"
    killed((2, 3), klr.BackupAndRestore(folder, freq, double_checkpoint=True))
    latest = folder / "latest.weights.h5"
    whole = latest.read_bytes()
    if damage == "missing":  # as if killed between the two renames
        latest.unlink()
    else:
        latest.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"nothing"}[damage])
    first = {"epoch": 5, 2: 10}[freq]
    weight, model = Weight(), model_with(0.1)
    place = {"epoch": "epoch 1 and batch 0", 2: "epoch 2 and batch 0"}[freq]
    warned = pytest.warns(UserWarning, match=rf"latest.weights.h5' is damaged.*previous backup, of {place}")
    with contextlib.nullcontext() if damage == "missing" else warned:
        fit(model, klr.BackupAndRestore(folder, freq, double_checkpoint=True), weight)
    np.testing.assert_allclose(weight.seen[1:], -0.1 * np.arange(first + 1, 16), rtol=1e-5)


def test_a_damaged_backup_does_not_replace_a_good_one(tmp_path):
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
def test_a_second_fit_begins_at_the_epoch_of_the_user(tmp_path, freq):
    """Keras stores the epoch of the backup on the model for all later calls of `fit`."""
    backup, seen = klr.BackupAndRestore(tmp_path / "run", freq), Batches()
    killed((2, 1), backup)
    model = model_with(0.1)
    fit(model, backup)
    fit(model, backup, seen, epochs=2)
    fit(model, seen, epochs=1)
    assert [epoch for epoch, batch in seen.begun if batch == 0] == [0, 1, 0]
    assert step_of(model) == 30


def test_a_fit_after_a_resumed_and_killed_one_begins_at_its_own_epoch(tmp_path):
    backup, seen = klr.BackupAndRestore(tmp_path, 1), Batches()
    killed((1, 3), backup)
    model = model_with(0.1)
    with pytest.raises(RuntimeError, match="killed"):
        fit(model, backup, Kill(2, 1))
    fit(model, seen, epochs=1)
    assert seen.begun == [(0, batch) for batch in range(5)]


def test_a_finished_training_does_not_shorten_the_next_one(tmp_path):
    backup, seen = klr.BackupAndRestore(tmp_path, delete_checkpoint=False), Batches()
    fit(model_with(0.1), backup)
    model = model_with(0.1)
    fit(model, backup)
    fit(model, seen, epochs=1)
    assert seen.begun == [(0, batch) for batch in range(5)]


def test_other_files_contain_nothing_of_a_backup(tmp_path):
    model = model_with(0.1)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True)
    fit(model, klr.BackupAndRestore(tmp_path / "run", 2), checkpoint, epochs=2)
    again = model_with(0.1)
    again.load_weights(tmp_path / "2.weights.h5")
    assert "backup" not in memory(again)
