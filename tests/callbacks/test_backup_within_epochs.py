"""A training that is killed within an epoch and resumed from its backup equals one without a kill."""

import contextlib
import re
import signal

import keras
import numpy as np
import pandas as pd
import pytest
from support.backend import BACKEND
from support.backups import Kill, killed, names, no_executions
from support.training import Batches, Weight, data, fit, model_with

import keras_lr as klr
from benchmarks import torture
from keras_lr.optimizers.lookup import step_of
from keras_lr.training.saved_state import memory

BATCHES, EPOCHS = 5, 3


def network(rate, **compile_args):
    """A classifier whose random layers have a seed or none, with two kinds of metrics."""
    noise = [keras.layers.Dropout(0.3), keras.layers.GaussianNoise(0.1, seed=3)]
    layers = [keras.layers.Dense(4, "tanh"), *noise, keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    metrics = ["accuracy", keras.metrics.AUC(num_thresholds=7, name="auc")]
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=metrics, **compile_args)
    return model


def samples(size=8):
    numbers = np.random.default_rng(5)
    x = numbers.normal(size=(BATCHES * size - 3, 3)).astype("float32")
    return x, (x.sum(axis=1, keepdims=True) > 0).astype("float32")


def script(folder, rate, order, every, *more, freq=1, options=None, arguments=None, **compile_args):
    """Run a script that can be run again after a kill. Returns all results."""
    keras.utils.set_random_seed(7)
    x, y = samples()
    model = network(rate(), **compile_args)
    log = klr.LearningRateLogger(("loss", "auc"), folder / "log.csv", audit=False)
    parts = {
        "backup": klr.BackupAndRestore(folder / "backup", freq, **options or {}),
        "plateau": klr.ReduceOnPlateau("loss", 0.5, 1, mode="max", min_delta=10.0, every=every),
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
    """Compare a resumed training with one that was never killed, bit by bit."""
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
    """Run the script without a kill. Then run it with kills at several batches, and once more to its end."""
    for name in ("whole", "killed"):
        (folder / name).mkdir()
    whole = script(folder / "whole", *case, **options)
    for place in kills:
        with pytest.raises(RuntimeError, match="killed"):
            script(folder / "killed", *case, Kill(*place), **options)
    return whole, script(folder / "killed", *case, **options)


def schedule():
    return klr.Warmup(klr.CosineDecay(0.05, klr.fraction(2 / 3)), klr.epochs(1))


CASES = {
    "number by epochs, backup first": (lambda: 0.05, ("backup", "plateau", "log"), "epoch"),
    "number in windows, backup last": (lambda: 0.05, ("log", "plateau", "backup"), 3),
    "units in windows, backup first": (schedule, ("backup", "bind", "plateau", "log"), 7),
    "units by epochs, backup between": (schedule, ("plateau", "backup", "bind", "log"), "epoch"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_kill_at_any_batch_changes_nothing(tmp_path, case):
    whole, resumed = run_and_kill(tmp_path, [(0, 2), (1, 0), (2, 3)], *CASES[case])
    assert_same(whole, resumed)
    assert whole["state"]["n_reductions"] >= 1
    # The last kill was in the fourth batch of the third epoch.
    assert resumed["table"][["epoch", "batch"]].iloc[0].tolist() == [2, 3]
    assert not (tmp_path / "killed" / "backup").exists()


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("freq", [2, 3, 4])
def test_a_kill_changes_nothing_with_backups_every_few_batches(tmp_path, freq):
    """Some of these backups are due at the last batch of an epoch."""
    case = (lambda: 0.05, ("plateau", "backup", "log"), 3)
    assert_same(*run_and_kill(tmp_path, [(1, 1), (2, 0)], *case, freq=freq))


@pytest.mark.few(1)
@no_executions
@pytest.mark.parametrize("case", list(CASES)[1:3])
def test_a_kill_changes_nothing_with_steps_per_execution(tmp_path, case):
    """Executions end with batches 1, 3 and 4. The last one has only one batch."""
    whole, resumed = run_and_kill(tmp_path, [(0, 3), (1, 1), (2, 3)], *CASES[case], freq=2, steps_per_execution=2)
    assert_same(whole, resumed)
    assert resumed["table"]["batch"].iloc[0] == 2


@pytest.mark.slow
def test_seeds_of_layers_continue_at_the_end_of_an_epoch(tmp_path):
    case = (lambda: 0.05, ("backup", "plateau", "log"), "epoch")
    assert_same(*run_and_kill(tmp_path, [(1, 2)], *case, freq="epoch"))


@pytest.mark.skipif(BACKEND == "tensorflow", reason="`tf.data` shuffles by states that nobody can read")
@pytest.mark.few(1)
@pytest.mark.parametrize("kill", [(1, 2), (2, 0)])
def test_a_kill_changes_nothing_for_arrays_that_fit_shuffles(tmp_path, kill):
    case = (lambda: 0.05, ("backup", "plateau", "log"), "epoch")
    assert_same(*run_and_kill(tmp_path, [kill], *case, arguments={"shuffle": True}))


class Ordered(keras.utils.PyDataset):
    """Batches whose order depends only on the number of the epoch."""

    epoch = 0

    def __len__(self):
        return BATCHES

    def __getitem__(self, batch):
        x, y = samples()
        order = np.random.default_rng([3, self.epoch]).permutation(len(x))
        rows = order[batch * 8 : batch * 8 + 8]
        return x[rows], y[rows]


@pytest.mark.slow
def test_a_data_set_whose_order_follows_from_the_epoch(tmp_path):
    class PassEpoch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            dataset.epoch = epoch

    results = []
    for folder, kills in (("whole", []), ("killed", [Kill(1, 2)])):
        (tmp_path / folder).mkdir()
        case = (tmp_path / folder, lambda: 0.05, ("backup", "plateau", "log"), "epoch", PassEpoch())
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
def test_a_kill_changes_nothing_for_data_of_unknown_length(tmp_path):
    """A generator lasts for one epoch."""
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
    """The kill is in batch 21 of 130. Backups are made every 4 batches, and the plateau has windows of 9."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert torture.run(whole, 4, None) == 0
    assert torture.run(broken, 4, {"place": 1, "hook": "batch_end", "calls": 21}) == -signal.SIGKILL
    assert names(broken / "backup") == ["latest.weights.h5", "previous.weights.h5"]
    assert torture.run(broken, 4, None) == 0
    assert (broken / "result.json").read_text() == (whole / "result.json").read_text()
    assert (broken / "log.csv").read_text() == (whole / "log.csv").read_text()
    assert not (broken / "backup").exists()


# Effects of the skipped batches.


def test_callbacks_see_no_skipped_batch(tmp_path):
    killed((1, 3), klr.BackupAndRestore(tmp_path, 1))
    seen, weight = Batches(), Weight()
    fit(model_with(0.1), seen, klr.BackupAndRestore(tmp_path, 1), weight, epochs=2)
    assert seen.begun == seen.ended == [(1, 3), (1, 4)]
    np.testing.assert_allclose(weight.seen[1:], [-0.9, -1.0], rtol=1e-5)


def test_the_progress_bar_continues(tmp_path, capsys):
    killed((1, 3), klr.BackupAndRestore(tmp_path, 1))
    x, y = data()
    callbacks = [klr.BackupAndRestore(tmp_path, 1)]
    model_with(0.1).fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=1, callbacks=callbacks)
    assert re.search(r"4/5.*5/5", capsys.readouterr().out, re.DOTALL)


class Broken(keras.utils.PyDataset):
    """Five batches. While `broken` is set, the third cannot be read. TensorFlow reads two before training begins."""

    broken = False

    def __len__(self):
        return BATCHES

    def __getitem__(self, batch):
        if self.broken and batch == 2:
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
    # The backup is still there, and training can continue from it.
    model.fit(dataset, epochs=1, shuffle=False, verbose=0, callbacks=[backup])
    assert step_of(model) == 5


def test_a_keyboard_interrupt_can_be_resumed(tmp_path):
    killed((1, 3), klr.BackupAndRestore(tmp_path / "run", 2), error=KeyboardInterrupt)
    assert names(tmp_path / "run") == ["latest.weights.h5"]
    weight = Weight()
    fit(model_with(0.1), klr.BackupAndRestore(tmp_path / "run", 2), weight)
    np.testing.assert_allclose(weight.seen[1:], -0.1 * np.arange(9, 16), rtol=1e-5)


def test_no_warning_about_a_schedule_that_fits(tmp_path):
    """With the earlier steps of the epoch, the training has 10 steps, as many as the schedule."""
    with pytest.raises(RuntimeError, match="killed"):
        fit(model_with(klr.LinearDecay(0.1, 10)), klr.BackupAndRestore(tmp_path, 1), Kill(1, 4), epochs=2)
    log = klr.LearningRateLogger()
    fit(model_with(klr.LinearDecay(0.1, 10)), klr.BackupAndRestore(tmp_path, 1), log, klr.BindSchedule(), epochs=2)
    assert log.to_frame().step.tolist() == [9]


def test_the_logger_may_come_after_the_backup(tmp_path):
    """With Keras's `BackupAndRestore` the log would lack the last batch."""
    backup = klr.BackupAndRestore(tmp_path / "run", 1)
    killed((0, 3), backup, klr.LearningRateLogger(path=tmp_path / "log.csv", audit=False))
    assert pd.read_csv(tmp_path / "log.csv").step.tolist() == [0, 1, 2]


# Backups from which training cannot continue.


@pytest.fixture
def within(tmp_path):
    """A backup after batch 3 of epoch 0."""
    killed((0, 4), klr.BackupAndRestore(tmp_path / "run", 3))
    return klr.BackupAndRestore(tmp_path / "run", 3)


@pytest.mark.parametrize("batches", [1, 3])
def test_fewer_batches_than_before_the_backup_are_refused(within, batches):
    model = model_with(0.1)
    sentence = (
        rf"made after batch 3 of epoch 0 \(the first one is 0\), but an epoch has {batches} now; pass the same data"
    )
    with pytest.raises(ValueError, match=sentence):
        fit(model, within, batches=batches)
    assert within.path.exists()


@pytest.mark.parametrize("batches", [1, 2])
def test_data_that_end_before_the_backup_are_refused(within, batches):
    def few():
        for _ in range(batches):
            yield np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")

    saw = []
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: saw.append(epoch))
    with (
        pytest.raises(ValueError, match="made after batch 3 .*, but the data have come to their end before it"),
        pytest.warns(UserWarning, match="ran out of data") if BACKEND == "torch" else contextlib.nullcontext(),
    ):
        model_with(0.1).fit(few(), epochs=1, shuffle=False, verbose=0, callbacks=[look, within])
    assert saw == []


def test_another_number_of_batches_warns(within):
    weight = Weight()
    with pytest.warns(UserWarning, match="batch 3 of epoch 0 .* of 5, but an epoch now has 7 batches: the first 3 of"):
        fit(model_with(0.1), within, weight, batches=7, epochs=1)
    assert len(weight.seen) == 5


def test_another_first_epoch_is_refused(within):
    with pytest.raises(ValueError, match="within epoch 0, but `fit` begins with epoch 2; pass the `initial_epoch`"):
        fit(model_with(0.1), within, initial_epoch=2)


def test_without_a_backup_the_initial_epoch_of_the_user_is_used(tmp_path):
    seen = Batches()
    fit(model_with(0.1), klr.BackupAndRestore(tmp_path / "run"), seen, initial_epoch=2)
    assert {epoch for epoch, _ in seen.begun} == {2}


def test_other_metrics_are_refused(within):
    with pytest.raises(ValueError, match="with other metrics: its metrics have the shapes .*; pass the same metrics"):
        fit(model_with(0.1, metrics=["mae"]), within)


@no_executions
def test_executions_that_end_elsewhere_are_refused(within):
    with pytest.raises(
        ValueError, match="no execution ends there with `steps_per_execution=2`; it must be a divisor of 3"
    ):
        fit(model_with(0.1, steps_per_execution=2), within)


def test_a_resume_within_an_epoch_without_fit_is_refused(within):
    model = model_with(0.1)
    within.set_model(model)
    within.on_train_begin()
    with pytest.raises(ValueError, match="only `fit` can resume from a backup that was made within an epoch"):
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
def test_a_damaged_entry_of_a_backup_is_refused(within, monkeypatch, name, value):
    real = type(within)._load_from

    def load(callback, path):
        model = callback._net

        def loaded(path, load_weights=model.load_weights):
            load_weights(path)
            memory(model)["backup"][name] = value

        monkeypatch.setattr(model, "load_weights", loaded)
        return real(callback, path)

    monkeypatch.setattr(type(within), "_load_from", load)
    with pytest.raises(
        ValueError, match="is damaged, or is not a backup of this model: its (batch|batches|random|seeds)"
    ):
        fit(model_with(0.1), within)
