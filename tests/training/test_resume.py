"""An interrupted and resumed training has the same rates as one without an interruption."""

import contextlib
import itertools
import json

import keras
import numpy as np
import pandas as pd
import pytest
from support.backups import Kill, KillAtEnd
from support.needs import needs
from support.training import Metric, Weight, assert_applied, data, fit, model_with, with_weights

import keras_lr as klr
from keras_lr import ReduceOnPlateau, ScheduleWarning
from keras_lr.optimizers.lookup import step_of
from keras_lr.training import saved_state as states

RATES = {"number": lambda: 0.32, "schedule": lambda: klr.LinearDecay(0.32, 100)}
BACKUPS = {"ours": klr.BackupAndRestore, "keras": keras.callbacks.BackupAndRestore}


def worsening(monitor, **options):
    """The loss of the test model falls with every step, so with `mode="max"` each epoch is worse than the last."""
    return ReduceOnPlateau(monitor, 0.5, 2, mode="max", **options)


def train(rate, path, order, *more, backup="ours", monitor="loss", epochs=9, plateau=None):
    """Run a script that can be run again after a crash. Returns its logger and plateau."""
    log = klr.LearningRateLogger(path=path / "log.csv", audit=False)
    parts = {
        "backup": BACKUPS[backup](path / "backup"),
        "plateau": plateau or worsening(monitor, cooldown=1),
        "log": log,
    }
    callbacks = [parts[name] for name in order]
    fit(model_with(rate()), *callbacks, *more, epochs=epochs, validation_data=data(2))
    return log, parts["plateau"]


@pytest.mark.few(3)
@pytest.mark.parametrize("backup", BACKUPS)
@pytest.mark.parametrize("order", list(itertools.permutations(["backup", "plateau", "log"]))[::2])
@pytest.mark.parametrize(("rate", "monitor"), [("number", "loss"), ("schedule", "val_loss"), ("schedule", "loss")])
def test_a_crash_changes_nothing(tmp_path, rate, order, backup, monitor):
    whole, plateau = train(RATES[rate], tmp_path / "whole", order, backup=backup, monitor=monitor)
    expected = whole.to_frame()
    assert plateau.state.n_reductions == 3
    for epoch, batch in [(1, 2), (3, 0), (7, 4)]:
        with pytest.raises(RuntimeError, match="killed"):
            train(RATES[rate], tmp_path, order, Kill(epoch, batch), backup=backup, monitor=monitor)
    weight = Weight()
    log, resumed = train(RATES[rate], tmp_path, order, weight, backup=backup, monitor=monitor)
    written = pd.read_csv(tmp_path / "log.csv")
    assert written.step.tolist() == list(range(45))
    np.testing.assert_allclose(written.learning_rate, expected.learning_rate, rtol=1e-7)
    assert (resumed.state, resumed.get_state()) == (plateau.state, plateau.get_state())
    # The last run logged what it trained, and it began with the eighth epoch.
    assert log.to_frame().epoch.unique().tolist() == [7, 8]
    np.testing.assert_allclose(weight.applied[1:], log.to_frame().learning_rate[1:], rtol=1e-4)


@pytest.mark.few(2)
@pytest.mark.parametrize("crash", range(1, 8))
@pytest.mark.parametrize("order", [("backup", "plateau", "log"), ("plateau", "log", "backup")])
def test_a_crash_in_every_epoch(tmp_path, crash, order):
    _, plateau = train(RATES["number"], tmp_path / "whole", order)
    with pytest.raises(RuntimeError, match="killed"):
        train(RATES["number"], tmp_path, order, Kill(crash, 0))
    _, resumed = train(RATES["number"], tmp_path, order)
    assert resumed.get_state() == plateau.get_state()


@pytest.mark.few(3)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("epoch", [2, 5])
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_crash_between_the_callbacks(tmp_path, rate, epoch, place):
    """After a crash at the end of the last of six epochs, nothing is left to train."""

    def run(folder, *crash):
        plateau = worsening("loss")
        log = klr.LearningRateLogger(path=folder / "log.csv", audit=False)
        callbacks = [klr.BackupAndRestore(folder / "backup"), plateau, log]
        callbacks[place:place] = crash
        model = model_with(RATES[rate]())
        fit(model, *callbacks, epochs=6)
        return plateau.get_state(), klr.get_learning_rate(model), (folder / "log.csv").read_text()

    expected = run(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path, KillAtEnd(epoch))
    assert run(tmp_path) == expected
    assert expected[0]["n_reductions"] == 2


@pytest.mark.few(1)
@pytest.mark.parametrize("order", list(itertools.permutations(["backup", "bind", "plateau"])))
def test_reductions_of_a_schedule_with_units_add_up_over_resumes(tmp_path, order):
    """Binding must not separate the reductions of a schedule. Otherwise each resume would lose the earlier ones."""

    def run(folder, *crash):
        plateau = ReduceOnPlateau("loss", 0.5, 1, mode="max")
        parts = {
            "backup": klr.BackupAndRestore(folder / "backup"),
            "bind": klr.BindSchedule(audit=False),
            "plateau": plateau,
        }
        model = model_with(klr.Warmup(klr.CosineDecay(0.3, klr.epochs(9)), klr.epochs(1)))
        fit(model, *[parts[name] for name in order], *crash, epochs=7)
        return plateau.get_state(), klr.get_learning_rate(model)

    expected = run(tmp_path / "whole")
    for epoch in (2, 4, 5):
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path, Kill(epoch, 1))
    state, rate = run(tmp_path)
    assert state == expected[0]
    assert rate == pytest.approx(expected[1], rel=1e-12)
    assert state["n_reductions"] >= 4
    assert state["scales"] == {"learning_rate": 0.5 ** state["n_reductions"]}


@pytest.mark.few(2)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("every", [5, 7])
@pytest.mark.parametrize("order", [("backup", "plateau", "log"), ("log", "plateau", "backup")])
def test_windows_of_batches_continue_after_a_resume(tmp_path, rate, every, order):
    """Windows of 7 batches span epochs of 5. Windows of 5 end with an epoch, and a number changes at the next batch."""

    def run(folder, *crash):
        plateau = worsening("loss", every=every)
        train(RATES[rate], folder, order, *crash, plateau=plateau)
        return plateau.get_state(), pd.read_csv(folder / "log.csv").learning_rate.tolist()

    expected = run(tmp_path / "whole")
    for crash in (Kill(1, 2), Kill(3, 0), Kill(4, 4)):
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path, crash)
    assert run(tmp_path) == expected
    assert expected[0]["n_reductions"] >= 2


@pytest.mark.parametrize("rate", RATES)
def test_two_fits_with_windows_equal_one(rate):
    whole, first = Weight(), Weight()
    fit(model_with(RATES[rate]()), worsening("loss", every=7), whole, epochs=6)
    model, plateau = model_with(RATES[rate]()), worsening("loss", every=7)
    fit(model, plateau, first, epochs=3)
    fit(model, plateau, first, initial_epoch=3, epochs=6)
    np.testing.assert_array_equal(first.seen, whole.seen)
    assert plateau.state.n_reductions >= 1


@pytest.mark.parametrize("rate", RATES)
def test_two_fits_equal_one(rate):
    whole, first = Weight(), Weight()
    fit(model_with(RATES[rate]()), worsening("loss"), whole, epochs=6)
    model, plateau = model_with(RATES[rate]()), worsening("loss")
    fit(model, plateau, first, epochs=3)
    fit(model, plateau, first, initial_epoch=3, epochs=6)
    np.testing.assert_array_equal(first.seen, whole.seen)
    assert plateau.state.n_reductions == 2


# The backup.


def test_the_backup_is_one_file_that_is_gone_at_the_end(tmp_path):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(sorted(path.name for path in (tmp_path / "backup").glob("*")))

    fit(model_with(0.1), klr.BackupAndRestore(tmp_path / "backup"), Look())
    assert seen == [[], ["latest.weights.h5"], ["latest.weights.h5"]]
    assert not (tmp_path / "backup").exists()
    fit(model_with(0.1), klr.BackupAndRestore(str(tmp_path / "kept"), delete_checkpoint=False))
    assert (tmp_path / "kept" / "latest.weights.h5").exists()


def test_a_finished_training_is_not_repeated(tmp_path):
    backup = klr.BackupAndRestore(tmp_path, delete_checkpoint=False)
    fit(model_with(0.1), backup, epochs=3)
    weight = Weight()
    fit(model_with(0.1), backup, weight, epochs=3)
    assert weight.seen == [0.0]


@pytest.mark.parametrize("length", [0, 100, 3000])
def test_a_damaged_backup_is_an_error_that_names_the_file(tmp_path, length):
    backup = klr.BackupAndRestore(tmp_path, delete_checkpoint=False)
    fit(model_with(0.1), backup, epochs=1)
    whole = backup.path.read_bytes()
    backup.path.write_bytes(whole[:length])
    with pytest.raises(ValueError, match=r"latest.weights.h5' is damaged, or is not a backup of this model"):
        fit(model_with(0.1), backup, epochs=2)


def test_weights_that_are_not_a_backup_are_refused(tmp_path):
    backup = klr.BackupAndRestore(tmp_path)
    model_with(0.1).save_weights(backup.path)
    with pytest.raises(ValueError, match="is not a backup of this model"):
        fit(model_with(0.1), backup)


def test_wrong_arguments_of_the_backup_are_refused():
    with pytest.raises(TypeError, match="`backup_dir` must be a path, got 3"):
        klr.BackupAndRestore(3)
    with pytest.raises(ValueError, match="`backup_dir` must be a path, got ''"):
        klr.BackupAndRestore("")
    with pytest.raises(TypeError, match="`delete_checkpoint` must be True or False, got 1"):
        klr.BackupAndRestore("x", delete_checkpoint=1)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    backup = klr.BackupAndRestore("x")
    backup.set_model(model)
    with pytest.raises(ValueError, match="must be built before `fit`"):
        backup.on_train_begin()


# A checkpoint that was written before the plateau's decision.


def test_a_pending_metric_is_used_only_if_its_epoch_was_finished(tmp_path):
    model = model_with(0.32)
    plateau = ReduceOnPlateau("loss", 0.5, 1, mode="max")

    class Save(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save_weights(tmp_path / f"{epoch}.weights.h5")

    fit(model, Save(), plateau, epochs=2)
    for epoch, reductions in [(2, 1), (1, 0)]:
        again = with_weights(model_with(0.32), tmp_path / "1.weights.h5")
        resumed, seen = ReduceOnPlateau("loss", 0.5, 1, mode="max"), []

        class Look(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None, seen=seen, resumed=resumed):
                seen.append((resumed.state.n_reductions, klr.get_learning_rate(self.model)))

        fit(again, resumed, Look(), initial_epoch=epoch, epochs=epoch + 1)
        assert seen[0] == (reductions, pytest.approx(0.16 if reductions else 0.32))


def test_damaged_states_are_refused():
    plateau = worsening("loss")
    good = plateau.get_state()
    plateau.set_state(json.loads(json.dumps(good)))
    for name, value in [
        ("wait", 1.5),
        ("wait", "1"),
        ("recent", 3),
        ("scales", [1]),
        ("best", "low"),
        ("last_epoch", None),
    ]:
        with pytest.raises(ValueError, match="`state` must be what `get_state` returns"):
            plateau.set_state({**good, name: value})
    with pytest.raises(ValueError, match="`state` must be what `get_state` returns"):
        plateau.set_state({name: value for name, value in good.items() if name != "wait"})
    with pytest.raises(ValueError, match="`state` must be what `get_state` returns"):
        plateau.set_state({**good, "scales": {"learning_rate": float("nan")}})
    state = states.TrainingState()
    with pytest.raises(ValueError, match="is damaged"):
        state.load_own_variables({"json": np.frombuffer(b'{"version": 1, "entries": {"a": 1}}', np.uint8)})


# A checkpoint of another configuration.


def checkpoint(tmp_path, rate, *more):
    model = model_with(rate)
    fit(model, klr.LearningRateLogger(audit=False), *more, epochs=2)
    model.save_weights(tmp_path / "old.weights.h5")
    return model


def loaded(tmp_path, rate):
    return with_weights(model_with(rate), tmp_path / "old.weights.h5")


OLD = klr.LinearDecay(0.32, 100)
OTHERS = {
    "peak": (OLD, klr.LinearDecay(0.16, 100), r"LinearDecay\(initial_learning_rate=0.32.* in the checkpoint and is "),
    "class": (OLD, klr.CosineDecay(0.32, 100), r"is CosineDecay\(initial_learning_rate=0.32"),
    "keras": (keras.optimizers.schedules.CosineDecay(0.32, 9), OLD, r"was CosineDecay\("),
    "number": (0.32, 0.16, "learning_rate was 0.32 in the checkpoint and is 0.16 in the model"),
}


@pytest.mark.filterwarnings("ignore:the schedule ends at")
@pytest.mark.parametrize("name", OTHERS)
def test_another_rate_in_the_checkpoint_raises_or_warns(tmp_path, name):
    old, new, message = OTHERS[name]
    checkpoint(tmp_path, old)
    with pytest.raises(ValueError, match=message):
        fit(loaded(tmp_path, new), klr.BindSchedule(audit=False), initial_epoch=2)
    with pytest.warns(ScheduleWarning, match=message):
        fit(loaded(tmp_path, new), klr.LearningRateLogger(), initial_epoch=2)
    with pytest.warns(ScheduleWarning, match=message):
        fit(loaded(tmp_path, new), worsening("loss"), initial_epoch=2)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("policy", ["checkpoint", "new"])
def test_on_mismatch_chooses_the_rate(tmp_path, name, policy):
    old, new, _ = OTHERS[name]
    first = checkpoint(tmp_path, old)
    model, weight = loaded(tmp_path, new), Weight()
    weight.seen = [float(first.get_weights()[0].ravel()[0])]
    log = klr.LearningRateLogger(audit=False)
    fit(model, klr.BindSchedule(audit=False, on_mismatch=policy), log, weight, initial_epoch=2)
    chosen = old if policy == "checkpoint" else new
    rates = np.full(5, chosen) if isinstance(chosen, float) else [float(chosen(step)) for step in range(10, 15)]
    assert_applied(weight, rates)
    np.testing.assert_allclose(log.to_frame().learning_rate, rates, rtol=1e-6)
    # The next checkpoint has the chosen rate.
    model.save_weights(tmp_path / "old.weights.h5")
    fit(loaded(tmp_path, chosen), klr.BindSchedule(audit=False), initial_epoch=3, epochs=4)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("policy", ["checkpoint", "new"])
def test_reductions_stay_with_either_rate(tmp_path, rate, policy):
    other = 0.24 if rate == "number" else klr.LinearDecay(0.24, 100)
    plateau = ReduceOnPlateau("metric", 0.5, 1, mode="min")
    checkpoint(tmp_path, RATES[rate](), Metric([1.0, 1.0]), plateau)
    assert plateau.state.n_reductions == 1
    model = loaded(tmp_path, other)
    again, weight = ReduceOnPlateau("metric", 0.5, 1, mode="min"), Weight()
    fit(model, Metric({2: 0.5}), again, klr.BindSchedule(audit=False, on_mismatch=policy), weight, initial_epoch=2)
    whole = {"checkpoint": 0.32, "new": 0.24}[policy]
    rates = np.full(5, whole) if rate == "number" else klr.LinearDecay(whole, 100).values(range(10, 15))
    np.testing.assert_allclose(weight.applied[1:], 0.5 * rates[1:], rtol=1e-5)
    assert again.state.n_reductions == 1


def test_the_same_rate_is_not_a_mismatch(tmp_path):
    """The rate stays the same when it is bound to other numbers or reduced."""
    schedule = klr.LinearDecay(0.32, klr.epochs(9))
    model = model_with(schedule)
    fit(
        model,
        klr.BindSchedule(audit=False),
        Metric([1.0, 1.0]),
        ReduceOnPlateau("metric", 0.5, 1, mode="min"),
        epochs=2,
    )
    assert type(model.optimizer._learning_rate).__name__ == "Reduced"
    model.save_weights(tmp_path / "old.weights.h5")
    fit(loaded(tmp_path, schedule), klr.BindSchedule(audit=False), initial_epoch=2, epochs=9)
    model.save(tmp_path / "old.keras")
    fit(keras.models.load_model(tmp_path / "old.keras"), klr.BindSchedule(audit=False), initial_epoch=2, epochs=9)
    with pytest.raises(ValueError, match="BindSchedule: `on_mismatch` must be one of 'raise', 'checkpoint', 'new'"):
        klr.BindSchedule(on_mismatch="old")


# The file of the log.


@pytest.mark.parametrize("rows", [0, 3])
def test_an_incomplete_last_line_is_removed(tmp_path, rows):
    path = tmp_path / "log.csv"
    fit(model_with(OLD), klr.LearningRateLogger(path=path, audit=False), epochs=1)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: 1 + rows]) + lines[1 + rows][:1])  # of the last line, only the step is left
    model = model_with(OLD)
    klr.set_step(model, 20)
    gap = pytest.warns(UserWarning, match="training continues at step 20; the rows between are missing")
    with gap if rows else contextlib.nullcontext():
        fit(model, klr.LearningRateLogger(path=path, audit=False), epochs=1)
    assert pd.read_csv(path).step.tolist() == [*range(rows), 20, 21, 22, 23, 24]


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines[:2], "1,0\n", *lines[3:]],
        lambda lines: [*lines[:2], lines[4], lines[3]],
        lambda lines: ["loss,accuracy\n", *lines[1:]],
        lambda lines: [lines[0], "x,0,0,0.1\n"],
        lambda lines: ["nonsense without an end"],
    ],
)
def test_a_damaged_csv_file_is_refused(tmp_path, damage):
    path = tmp_path / "log.csv"
    fit(model_with(OLD), klr.LearningRateLogger(path=path, audit=False), epochs=1)
    path.write_text("".join(damage(path.read_text().splitlines(keepends=True))))
    before = path.read_text()
    model = model_with(OLD)
    klr.set_step(model, 5)
    with pytest.raises(ValueError, match=r"log.csv' is not a complete log of this training"):
        fit(model, klr.LearningRateLogger(path=path, audit=False), epochs=1)
    assert path.read_text() == before


def test_an_incomplete_header_is_written_again(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,ep")
    fit(model_with(OLD), klr.LearningRateLogger(path=path, audit=False), epochs=1)
    assert pd.read_csv(path).step.tolist() == [0, 1, 2, 3, 4]


@needs("pyarrow")
@pytest.mark.parametrize("length", [0, 50, 1500])
def test_a_damaged_parquet_file_is_refused(tmp_path, length):
    path = tmp_path / "log.parquet"
    fit(model_with(OLD), klr.LearningRateLogger(path=path, audit=False), epochs=1)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"log.parquet' is not a complete log of this training"):
        fit(model_with(OLD), klr.LearningRateLogger(path=path, audit=False), epochs=1)


@pytest.mark.parametrize("ending", ["csv", pytest.param("parquet", marks=needs("pyarrow"))])
def test_other_columns_are_refused(tmp_path, ending):
    path = tmp_path / f"log.{ending}"
    model = model_with(OLD)
    fit(model, klr.LearningRateLogger(path=path, audit=False), epochs=1)
    with pytest.raises(ValueError, match=r"columns are step, epoch, batch, learning_rate, not .*loss"):
        fit(model, klr.LearningRateLogger(["loss"], path=path, audit=False), epochs=1)


@pytest.mark.parametrize("ending", ["csv", pytest.param("parquet", marks=needs("pyarrow"))])
def test_a_checkpoint_never_contains_more_than_the_file(tmp_path, ending):
    path = tmp_path / f"log.{ending}"
    seen = []

    class Save(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.save()

        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.save()

        def save(self):
            self.model.save_weights(tmp_path / "x.weights.h5")
            rows = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
            seen.append((step_of(self.model), len(rows)))

    log = klr.LearningRateLogger(["loss"], path=path, audit=False)
    # `Save` comes after the logger within an epoch. At the end of an epoch either order works.
    fit(model_with(OLD), log, Save(), epochs=2)
    assert seen == [(3, 3), (5, 5), (8, 8), (10, 10)]
    rows = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    pd.testing.assert_frame_equal(rows, log.to_frame())
    np.testing.assert_allclose(rows.learning_rate, OLD.values(range(10)))


def test_a_checkpoint_within_an_epoch_may_come_before_the_logger(tmp_path):
    """The log already has the row of the batch that has just been trained."""
    path, seen = tmp_path / "log.csv", []

    class Look(keras.callbacks.ModelCheckpoint):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if batch == 2:
                seen.append((step_of(self.model), len(pd.read_csv(path))))

    save = Look(tmp_path / "x.weights.h5", save_freq=1, save_weights_only=True)
    fit(model_with(OLD), save, klr.LearningRateLogger(path=path, audit=False), epochs=2)
    assert seen == [(3, 3), (8, 8)]
    np.testing.assert_allclose(pd.read_csv(path).learning_rate, OLD.values(range(10)))


def test_a_retry_in_the_same_process_has_each_step_once(tmp_path):
    log = klr.LearningRateLogger(path=tmp_path / "log.csv", audit=False)
    backup = klr.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(RuntimeError, match="killed"):
        fit(model_with(OLD), log, backup, Kill(1, 3))
    fit(model_with(OLD), log, backup)
    assert log.to_frame().step.tolist() == list(range(15))
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "log.csv"), log.to_frame())
