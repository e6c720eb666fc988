"""The file of a log: unusual names, failed writes, changes by other programs, several trainings, damage."""

import contextlib
import os
import pickle
import re
import stat
import sys
import tracemalloc
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.backups import Kill, KillAtEnd
from support.needs import needs
from support.training import fit, model_with

import keras_lr as klr
from keras_lr.callbacks.log_reader import read_frame
from keras_lr.callbacks.logfile import open_log

resource = pytest.importorskip("resource") if sys.platform != "win32" else None
ENDINGS = ["csv", pytest.param("parquet", marks=needs("pyarrow"))]
EAGER = {"run_eagerly": True}


def model(rate=0.125, **args):
    return model_with(rate, **EAGER, **args)


def logger(path, metrics=(), **args):
    return klr.LearningRateLogger(metrics, path, audit=False, **args)


def rows(first, count, training=None, **columns):
    """Rows of a log as the logger writes them."""
    numbers = np.arange(first, first + count, dtype=np.int64)
    start = {} if training is None else {"training": np.full(count, training)}
    return pd.DataFrame({**start, "step": numbers, "epoch": 0 * numbers, "batch": numbers, **columns})


def named(name, first, count):
    return rows(first, count, **{"learning_rate": np.full(count, 0.1), name: np.arange(count) / 7})


# Names.


@pytest.mark.parametrize("name", ["a,b", 'say "x"', "two\nlines", "feed\x0cfeed", "next\x85line", "\u2028"])
def test_a_metric_may_have_an_odd_name(tmp_path, name):
    path = tmp_path / "log.csv"
    metric = keras.metrics.MeanSquaredError(name=name)
    log, trained = logger(path, (name,)), model(metrics=[metric])
    fit(trained, log, epochs=2)
    pd.testing.assert_frame_equal(read_frame(path), log.to_frame())
    # A resumed training removes one row and continues.
    klr.set_step(trained, 9)
    fit(trained, logger(path, (name,)), epochs=1)
    assert read_frame(path).step.tolist() == list(range(14))
    assert list(read_frame(path).columns)[-1] == name


@pytest.mark.once
@settings(max_examples=40)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=8), torn=st.integers(0, 30))
@example(name="\x85", torn=3)
@example(name="\r", torn=0)
@example(name="\ufeff", torn=0)
@example(name="\0", torn=0)
@example(name="", torn=0)
@example(name='"', torn=0)
@example(name="Unnamed: 4", torn=0)
@example(name="learning_rate.1", torn=0)
def test_any_text_can_be_the_name_of_a_column(tmp_path_factory, name, torn):
    if name in ("training", "step", "epoch", "batch", "learning_rate"):
        return
    path = tmp_path_factory.mktemp("names") / "log.csv"
    file = open_log(path)
    file.open()
    file.append(named(name, 0, 3))
    file.append(named(name, 3, 2))
    path.write_bytes(path.read_bytes() + b"5,0,5,0.1,0.123456789012345678901234567"[:torn])
    again = open_log(path)
    again.open()
    assert again.cut(0, 4) == 3
    again.append(named(name, 4, 2))
    expected = pd.concat([named(name, 0, 3), named(name, 3, 1), named(name, 4, 2)], ignore_index=True)
    pd.testing.assert_frame_equal(read_frame(path), expected)


@pytest.mark.once
@pytest.mark.parametrize("name", ["\ud800", "\udc80", "\udfff"], ids=ascii)  # noqa: PT014 - ruff takes them for equal
def test_a_name_that_cannot_be_written_is_refused(name):
    message = f"LearningRateLogger: `metrics` must be names that can be written in UTF-8, got {name!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        klr.LearningRateLogger((name,))


@pytest.mark.once
@pytest.mark.parametrize("name", ["step", "epoch", "batch", "update", "training"])
def test_a_metric_cannot_have_the_name_of_another_column(name):
    message = f"`metrics` must be names other than training, step, epoch, batch, update, got '{name}'"
    with pytest.raises(ValueError, match=f"^LearningRateLogger: {message}$"):
        klr.LearningRateLogger((name,))


# Writes that fail.


@contextlib.contextmanager
def full(size):
    """Limit the size of files, in bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(resource is None, reason="Windows has no limit for the size of files")
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_write_after_a_failed_one_adds_the_missing_rows(tmp_path, ending):
    path, trained = tmp_path / f"log.{ending}", model(klr.LinearDecay(0.1, 100))
    log = logger(path, ("loss",))
    fit(trained, log, epochs=2)
    before = path.read_bytes()
    # The limit is in the middle of a line, as each line is longer than 20 bytes.
    with (
        full(len(before) + 30),
        pytest.raises(OSError, match=rf"log.{ending}' could not be written \(.*File too large"),
    ):
        fit(trained, log, epochs=1)
    assert path.read_bytes() == before
    assert [it.name for it in tmp_path.iterdir()] == [path.name]
    fit(trained, log, epochs=1)
    assert log.to_frame().step.tolist() == list(range(20))
    pd.testing.assert_frame_equal(read_frame(path), log.to_frame())
    # A new process continues.
    fit(trained, logger(path, ("loss",)), epochs=1)
    assert read_frame(path).step.tolist() == list(range(25))


# Rows that were lost.


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("rate", [0.125, klr.LinearDecay(0.1, 100)], ids=["number", "schedule"])
def test_a_batch_is_logged_although_a_callback_before_the_logger_raised(tmp_path, rate, error):
    path = tmp_path / "log.csv"
    trained, log = model_with(rate), logger(path, ("loss",))
    with pytest.raises(error, match="killed"):
        fit(trained, Kill(0, 3, error), log, epochs=1)
    fit(trained, log, epochs=1)
    frame = log.to_frame()
    assert frame.step.tolist() == list(range(9))
    assert frame.batch.tolist() == [*range(4), *range(5)]
    assert np.isfinite(frame.loss).all()
    pd.testing.assert_frame_equal(read_frame(path), frame)


def test_an_update_before_an_interrupt_is_logged(monkeypatch):
    """Ctrl-C may come after the update and before any callback."""
    trained, log = model(klr.LinearDecay(0.1, 100)), logger(None, ("loss",))

    class Patch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 3:
                run = trained.train_function

                def interrupted(*data):
                    trained.train_function = run
                    run(*data)
                    raise KeyboardInterrupt

                trained.train_function = interrupted

    if keras.config.backend() == "jax":
        pytest.skip("on JAX the result of an interrupted step is lost")
    with pytest.raises(KeyboardInterrupt):
        fit(trained, log, Patch(), epochs=1)
    fit(trained, log, epochs=1)
    frame = log.to_frame()
    assert frame.step.tolist() == list(range(9))
    assert frame.loss.isna().tolist() == [False] * 3 + [True] + [False] * 5
    np.testing.assert_allclose(frame.learning_rate, klr.LinearDecay(0.1, 100).values(range(9)), rtol=1e-6)


def test_to_frame_within_an_epoch_has_no_side_effect():
    lengths, log = [], logger(None)

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            lengths.append(len(log.to_frame()))

    fit(model(), Look(), log, Look(), epochs=2)
    assert lengths == [count for step in range(1, 11) for count in (step, step)]
    assert log.to_frame().batch.tolist() == [*range(5), *range(5)]


# Files that others change.


@pytest.mark.parametrize("ending", ENDINGS)
def test_links_and_permissions_of_a_file_stay(tmp_path, ending):
    target, link = tmp_path / f"target.{ending}", tmp_path / f"log.{ending}"
    link.symlink_to(target)
    trained = model()
    fit(trained, logger(link), epochs=2)
    target.chmod(0o600)
    klr.set_step(trained, 7)
    fit(trained, logger(link), epochs=1)
    assert link.is_symlink()
    assert read_frame(target).step.tolist() == list(range(12))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("resumed", [False, True])
def test_a_deleted_log_is_written_again_completely(tmp_path, ending, resumed):
    path, trained = tmp_path / f"log.{ending}", model()
    if resumed:
        fit(trained, logger(path), epochs=1)

    class Delete(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                path.unlink()

    fit(trained, logger(path), Delete(), epochs=3)
    assert read_frame(path).step.tolist() == list(range(20 if resumed else 15))


@pytest.mark.parametrize("ending", ENDINGS)
def test_one_of_two_writers_is_refused(tmp_path, ending):
    path = tmp_path / f"log.{ending}"
    with pytest.raises(ValueError, match=rf"log.{ending}' was written to by another logger or another process"):
        fit(model(), logger(path), logger(path), epochs=2)
    assert read_frame(path).step.tolist() == list(range(5))

    class Other(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                fit(model(), logger(other), epochs=1)

    other = tmp_path / f"other.{ending}"
    with (
        pytest.warns(UserWarning, match="had the rows of an earlier one"),
        pytest.raises(ValueError, match=rf"other.{ending}' was written to by another logger or another process"),
    ):
        fit(model(), logger(other), Other(), epochs=2)
    assert read_frame(other).step.tolist() == list(range(5))
    assert read_frame(tmp_path / f"other.{ending}.1").step.tolist() == list(range(5))


def test_the_folder_may_change_while_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    class Go(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            os.chdir(tmp_path / "elsewhere")

    log = logger("log.csv")
    backup = klr.BackupAndRestore("backup", delete_checkpoint=False)
    fit(model(), log, backup, Go(), epochs=2)
    assert log.path == tmp_path / "log.csv"
    assert read_frame(log.path).step.tolist() == list(range(10))
    assert backup.path == tmp_path / "backup" / "latest.weights.h5"
    assert backup.path.exists()
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_new_training_keeps_the_existing_log(tmp_path, ending):
    path = tmp_path / f"log.{ending}"
    for number, rate in enumerate([0.5, 0.25, 0.125]):
        warned = pytest.warns(
            UserWarning, match=rf"begins at step 0, but .*log.{ending}' had the rows .* now in .*log.{ending}.{number}'"
        )
        with warned if number else contextlib.nullcontext():
            fit(model(rate), logger(path), epochs=1)
    found = {name: read_frame(tmp_path / name).learning_rate.unique().tolist() for name in os.listdir(tmp_path)}
    assert found == {f"log.{ending}": [0.125], f"log.{ending}.1": [0.5], f"log.{ending}.2": [0.25]}


# Several trainings.


@pytest.mark.parametrize("ending", ENDINGS)
def test_two_models_in_turn_have_separate_rows(tmp_path, ending):
    """Two models are trained in turn with one logger. Each has its own steps and can be resumed."""
    path = tmp_path / f"log.{ending}"
    log, first, second = logger(path), model(0.5), model(0.25)
    for _ in range(2):
        fit(first, log, epochs=1)
        fit(second, log, epochs=1)
    frame = log.to_frame()
    assert list(frame.columns) == ["training", "step", "epoch", "batch", "learning_rate"]
    assert frame.training.tolist() == [0] * 5 + [1] * 5 + [0] * 5 + [1] * 5
    assert frame.step.tolist() == [*range(5), *range(5), *range(5, 10), *range(5, 10)]
    pd.testing.assert_frame_equal(read_frame(path), frame)
    # A new process continues the first training from step 7. The rows of the other training stay.
    klr.set_step(first, 7)
    fit(first, logger(path), epochs=1)
    found = read_frame(path)
    assert found[found.training == 0].step.tolist() == list(range(12))
    assert found[found.training == 1].step.tolist() == list(range(10))


def two_phases(folder, *crash, ending="csv", columns=False):
    """Run a script that trains, compiles again for fine-tuning, and trains on. It does not repeat a finished phase."""
    log = logger(folder / f"log.{ending}", ("loss",))
    done = folder / "first.weights.h5"
    trained = model(0.5)
    if done.exists():
        trained.load_weights(done)
    else:
        fit(trained, log, epochs=2)
        trained.save_weights(done)
    rate = keras.optimizers.SGD(0.25, gradient_accumulation_steps=2) if columns else keras.optimizers.SGD(0.25)
    trained.compile(rate, loss=trained.loss, run_eagerly=True)
    fit(trained, log, klr.BackupAndRestore(folder / "backup"), *crash, epochs=4)
    return log


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("columns", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fine_tuning_with_one_logger_is_resumed(tmp_path, ending, columns):
    (tmp_path / "whole").mkdir()
    expected = two_phases(tmp_path / "whole", ending=ending, columns=columns).to_frame()
    assert expected.training.tolist() == [0] * 10 + [1] * 20
    with pytest.raises(RuntimeError, match="killed"):
        two_phases(tmp_path, KillAtEnd(2), ending=ending, columns=columns)
    two_phases(tmp_path, ending=ending, columns=columns)
    pd.testing.assert_frame_equal(read_frame(tmp_path / f"log.{ending}"), expected)


@pytest.mark.once
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_second_training_may_have_other_columns(tmp_path, ending):
    path = tmp_path / f"log.{ending}"
    file, first, second = open_log(path), named("a,b", 0, 3), rows(0, 2, 1, learning_rate=[0.5, 0.25], c=[1.0, 2.0])
    file.open()
    file.append(first)
    file.append(second)
    file.append(named("a,b", 3, 1))
    expected = [first.assign(training=0), second, named("a,b", 3, 1).assign(training=0)]
    columns = ["training", "step", "epoch", "batch", "learning_rate", "a,b", "c"]
    pd.testing.assert_frame_equal(read_frame(path), pd.concat(expected, ignore_index=True)[columns])
    assert file.last == {0: 3, 1: 1}
    with pytest.raises(ValueError, match=r"its columns are training, step, .*, not .*other"):
        file.append(rows(2, 1, 1, other=[1.0]))
    path.unlink()
    assert file.is_gone()
    file.restore()
    if ending == "csv":  # the caller writes the rows that were appended since it was opened
        assert (file.last, path.exists()) == ({}, False)


def test_each_fold_has_its_own_training_number(tmp_path):
    log = logger(tmp_path / "log.csv")
    for _ in range(3):
        fit(model(), log, epochs=1)
    assert read_frame(tmp_path / "log.csv").training.tolist() == [0] * 5 + [1] * 5 + [2] * 5


def test_a_log_without_the_training_column_is_continued(tmp_path):
    """Earlier versions wrote such a log, and so does a training without a number."""
    path = tmp_path / "log.csv"
    path.write_text("step,epoch,batch,learning_rate\n" + "".join(f"{n},0,{n},0.5\n" for n in range(8)))
    trained = model(0.25)
    klr.set_step(trained, 5)
    fit(trained, logger(path), epochs=1)
    assert read_frame(path).learning_rate.tolist() == [0.5] * 5 + [0.25] * 5
    assert list(read_frame(path).columns) == ["step", "epoch", "batch", "learning_rate"]


@pytest.mark.parametrize("entry", [{"training": -1}, {"training": "0"}, {"training": 2**31}, {"training": True}, {}])
def test_an_invalid_training_number_in_a_loaded_state_is_refused(tmp_path, entry):
    trained = model()
    klr.training.saved_state.memory(trained)["log/log.csv"] = entry
    klr.set_step(trained, 5)
    with pytest.raises(ValueError, match="LearningRateLogger: the state in the file that was loaded is damaged"):
        fit(trained, logger(tmp_path / "log.csv"), epochs=1)


# Pickling.


def test_a_logger_can_be_pickled_after_fit_and_within(tmp_path):
    log, copies = logger(tmp_path / "log.csv", ("loss",)), []

    class Pickle(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            copies.append(pickle.dumps(log))

    trained = model()
    fit(trained, log, Pickle(), epochs=1)
    assert [len(pickle.loads(copy).to_frame()) for copy in copies] == [1, 2, 3, 4, 5]
    again = pickle.loads(pickle.dumps(log))
    pd.testing.assert_frame_equal(again.to_frame(), log.to_frame())
    fit(trained, again, epochs=1)
    assert again.to_frame().step.tolist() == list(range(10))
    pd.testing.assert_frame_equal(read_frame(tmp_path / "log.csv"), again.to_frame())


def test_the_error_of_a_file_names_it_once(tmp_path):
    with pytest.raises(ValueError, match=re.escape("must be a file ending in .csv or .parquet, got 'log.txt'")):
        klr.LearningRateLogger(path="log.txt")


# Damage; tests/fuzz/damage.py has more.

LINES = ["step,epoch,batch,learning_rate,loss", "0,0,0,0.1,0.5", "1,0,1,0.1,", "2,0,2,1e-20,inf", "3,0,3,0.1,0.5", ""]


@pytest.mark.once
@pytest.mark.parametrize(
    ("line", "content"),
    [
        (0, "step,epoch,batch,learning_rate,lo\0\0"),
        (2, "1,0,1,0.1,0.5x"),
        (2, "1,0,1,,nothing"),
        (2, f"1,0,1,0.1,{'9' * 400}"),
        (2, "1,0,1,\0\0\0,0.5"),
        (3, "2,0,2.5,0.1,0.5"),
        (3, "2,,2,0.1,0.5"),
    ],
)
def test_a_damaged_line_is_refused_before_the_log_is_continued(tmp_path, line, content):
    """Otherwise `keras-lr compare` could not read the log later."""
    path, lines = tmp_path / "log.csv", list(LINES)
    path.write_text("\n".join(lines))
    file = open_log(path)
    file.open()
    assert file.cut(0, 3) == 2
    lines[line] = content
    path.write_text("\n".join(lines))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"log.csv' is not a complete log of this training: .*move it away"):
        open_log(path).open()
    assert path.read_bytes() == before


@pytest.mark.once
@needs("pyarrow")
def test_a_parquet_log_whose_values_have_changed_is_refused(tmp_path):
    """Each page of a Parquet file has a checksum."""
    path = tmp_path / "log.parquet"
    file = open_log(path)
    file.open()
    file.append(rows(0, 200, learning_rate=np.linspace(0.1, 0.9, 200)))
    expected, content, refused = read_frame(path), path.read_bytes(), 0
    for at in range(100, len(content) // 2, 97):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        with contextlib.suppress(ValueError):
            open_log(path).open()
            pd.testing.assert_frame_equal(read_frame(path), expected)
            continue
        refused += 1
    assert refused > 10
    pd.DataFrame({"step": [0, 2, 1], "epoch": 0, "batch": 0, "learning_rate": 0.1}).to_parquet(path)
    with pytest.raises(ValueError, match="its steps do not rise"):
        open_log(path).open()


@pytest.mark.once
def test_an_error_about_columns_has_one_line(tmp_path):
    file = open_log(tmp_path / "log.csv")
    file.open()
    file.append(named("two\nlines", 0, 1))
    with pytest.raises(ValueError, match=r"its columns are .*, 'two\\nlines', not .*, b; move it away"):
        file.append(named("b", 1, 1))


# A bounded memory.


def test_with_keep_older_rows_are_only_in_the_file(tmp_path):
    path, whole = tmp_path / "log.csv", logger(None)
    log, trained = logger(path, keep=7), model(klr.LinearDecay(0.1, 50))
    epochs = 5
    fit(trained, log, whole, epochs=epochs)
    rows = whole.to_frame()
    steps = len(rows) // epochs
    kept = -(-7 // steps) * steps  # whole epochs
    assert kept < len(rows)
    pd.testing.assert_frame_equal(read_frame(path), rows)
    pd.testing.assert_frame_equal(log.to_frame(), rows[-kept:].reset_index(drop=True))


def test_the_file_is_continued_after_rows_were_dropped(tmp_path):
    path = tmp_path / "log.csv"
    log, trained = logger(path, ("loss",), keep=1), model(klr.LinearDecay(0.1, 50))
    all_rows = logger(None, ("loss",))
    fit(trained, log, all_rows, epochs=3)
    fit(trained, log, all_rows, epochs=2)
    again = model()
    fit(again, log, all_rows, epochs=3)  # a second training
    pd.testing.assert_frame_equal(read_frame(path), all_rows.to_frame())
    klr.set_step(again, 1)
    fit(again, log, all_rows, epochs=1)  # the rows from this step on were dropped
    pd.testing.assert_frame_equal(read_frame(path), all_rows.to_frame())


def test_a_line_that_is_damaged_while_training_is_refused_with_new_columns(tmp_path):
    """The file is then written anew, from lines that are checked again."""
    path = tmp_path / "log.csv"
    file = open_log(path)
    file.open()
    file.append(rows(0, 3, learning_rate=[0.1, 0.2, 0.3]))
    damaged = path.read_bytes().replace(b"1,0,1,0.2", b"1,0,1,0.x")
    path.write_bytes(damaged)
    message = (
        f"LearningRateLogger: {str(path)!r} is not a complete log of this training: line 3 is '1,0,1,0.x'; move it away"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        file.append(rows(0, 2, 1, learning_rate=[0.5, 0.25]))
    assert path.read_bytes() == damaged
    assert os.listdir(tmp_path) == ["log.csv"]


@pytest.mark.parametrize("restorable", [True, False])
@pytest.mark.parametrize("trainings", [1, 2])
def test_a_long_log_is_read_and_cut_line_by_line(tmp_path, restorable, trainings):
    """With one training the file is cut, with two it is written anew. The content stays in memory if it may be needed."""
    path, count = tmp_path / "log.csv", 30_000
    head, number = ("step", "{}") if trainings == 1 else ("training,step", "{},{}")
    lines = [
        number.format(*([training, step][2 - trainings :])) + f",0,{step},0.123456789\n"
        for training in range(trainings)
        for step in range(count)
    ]
    path.write_text(f"{head},epoch,batch,learning_rate\n" + "".join(lines) + "7,")
    size = path.stat().st_size
    file = open_log(path, restorable)
    tracemalloc.start()
    file.open()
    assert file.cut(0, count - 10) == count - 11
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size < peak < 3 * size if restorable else peak < size / 5
    kept = [line for at, line in enumerate(lines) if not count - 10 <= at < count]
    assert path.read_text() == f"{head},epoch,batch,learning_rate\n" + "".join(kept)
    assert file.last == {training: count - (11 if training == 0 else 1) for training in range(trainings)}


def test_a_deleted_log_begins_anew_with_the_rows_in_memory(tmp_path):
    """With `keep` the content of the file is not in memory."""
    path = tmp_path / "log.csv"
    trained = model(klr.LinearDecay(0.1, 50))
    fit(trained, logger(path, keep=1), epochs=2)
    log = logger(path, keep=1)
    fit(trained, log, epochs=1)
    path.unlink()
    fit(trained, log, epochs=2)
    steps = read_frame(path).step.tolist()
    assert steps == list(range(steps[0], int(trained.optimizer.iterations)))
    assert 0 < steps[0] <= len(steps)


def test_a_write_that_fails_drops_nothing(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    log, trained = logger(path, keep=1), model(klr.LinearDecay(0.1, 50))
    fit(trained, log, epochs=1)
    book, before = log._book, len(log.to_frame())
    with monkeypatch.context() as patched:
        patched.setattr(type(book._file), "append", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with contextlib.suppress(OSError):
            fit(trained, log, epochs=3)
    assert len(log.to_frame()) > before
    fit(trained, log, epochs=1)
    assert read_frame(path).step.tolist() == list(range(len(read_frame(path))))


def test_keep_needs_a_csv_file():
    for path in (None, "log.parquet"):
        with pytest.raises(
            ValueError, match=r"^LearningRateLogger: `keep` must be None without a `path` that ends in \.csv, got 5$"
        ):
            klr.LearningRateLogger(path=path, keep=5)
    with pytest.raises(ValueError, match="`keep` must be"):
        klr.LearningRateLogger(path="log.csv", keep=0)
