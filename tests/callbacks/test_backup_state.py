"""The content of a backup besides the weights: the optimizer, a checksum, and the state of Keras's callbacks."""

import contextlib
import json
import random

import h5py
import keras
import numpy as np
import pytest
from support.backups import Kill, KillAtEnd
from support.training import Metric, Weight, fit, model_with

import keras_lr as klr
from keras_lr.callbacks.backup_seal import LENGTH, seal
from keras_lr.optimizers.lookup import step_of

EAGER = {"run_eagerly": True}


def model(optimizer=None):
    return model_with(0.125, optimizer, **EAGER)


def killed(backup, *callbacks, place=(2, 3), trained=None, **options):
    with pytest.raises(RuntimeError, match="killed"):
        fit(trained or model(), *callbacks, backup, Kill(*place), **options)


# Another optimizer.


SGD, ADAM = "SGD (2 variables)", "Adam (4 variables)"


@pytest.mark.parametrize(
    ("now", "named"),
    [
        (lambda: keras.optimizers.Adam(0.1), ADAM),
        (lambda: keras.optimizers.SGD(0.1, momentum=0.9), "SGD (3 variables)"),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), "LossScaleOptimizer of SGD (2"),
    ],
    ids=["adam", "momentum", "scaled"],
)
def test_a_backup_of_another_optimizer_is_refused_before_any_change(tmp_path, now, named):
    path = tmp_path / "log.csv"
    log = klr.LearningRateLogger(path=path, audit=False)
    killed(klr.BackupAndRestore(tmp_path / "run", double_checkpoint=True), log)
    written, backup = path.read_bytes(), (tmp_path / "run" / "latest.weights.h5").read_bytes()
    other = model(now())
    with pytest.raises(ValueError, match="is of a training with") as caught:
        fit(other, klr.BackupAndRestore(tmp_path / "run"), klr.LearningRateLogger(path=path, audit=False))
    message = str(caught.value)
    assert f"is of a training with {SGD}, but the model is compiled with {named}" in message
    assert "latest.weights.h5" in message
    assert step_of(other) == 0
    assert float(other.get_weights()[0].squeeze()) == 0.0
    assert path.read_bytes() == written
    assert (tmp_path / "run" / "latest.weights.h5").read_bytes() == backup
    # With the former optimizer, training continues.
    weight = Weight()
    fit(model(), klr.BackupAndRestore(tmp_path / "run"), weight)
    np.testing.assert_allclose(weight.seen[1:], -0.125 * np.arange(11, 16), rtol=1e-5)


# Damage.


def test_any_damage_is_detected(tmp_path):
    """Bytes are changed, or missing at the end."""
    killed(klr.BackupAndRestore(tmp_path))
    latest, numbers = tmp_path / "latest.weights.h5", random.Random(3)
    whole, trained = latest.read_bytes(), model()
    trained.optimizer.build(trained.trainable_variables)
    backup = klr.BackupAndRestore(tmp_path)
    backup.set_model(trained)
    before = trained.get_weights()[0].copy()
    for number in range(60):
        content = bytearray(whole)
        if number % 4 == 3:
            content = content[: numbers.randrange(len(content))]
        else:
            for _ in range(numbers.choice([1, 1, 1, 8])):
                content[numbers.randrange(len(content) - 60)] ^= 1 << numbers.randrange(8)
        latest.write_bytes(content)
        with pytest.raises(ValueError, match=r"latest.weights.h5' is damaged.*move it away.*double_checkpoint=True"):
            backup.on_train_begin()
        np.testing.assert_array_equal(trained.get_weights()[0], before)
    assert step_of(trained) == 0
    latest.write_bytes(whole)
    backup.on_train_begin()
    assert step_of(trained) == 10


@pytest.mark.once
def test_a_small_file_that_would_fill_the_memory_is_refused(tmp_path):
    """The checksum is correct, but the entry would take 64 gigabytes."""
    path = tmp_path / "latest.weights.h5"
    with h5py.File(path, "w") as file:
        options = {"chunks": (1 << 20,), "compression": "gzip"}
        file.create_dataset("keras_lr_state/vars/json", (1 << 36,), "uint8", **options)
    seal(path)
    with pytest.raises(ValueError, match=r"latest.weights.h5' is damaged.*its values would take 68,719,476,736 bytes"):
        fit(model(), klr.BackupAndRestore(tmp_path))


@pytest.mark.once
def test_an_error_of_several_lines_becomes_one_line(tmp_path):
    killed(klr.BackupAndRestore(tmp_path))
    path = tmp_path / "latest.weights.h5"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - LENGTH)
    with h5py.File(path, "r+") as file:
        variables = file["keras_lr_state/vars"]
        saved = json.loads(bytes(variables["json"][()])) | {"version": 7}
        del variables["json"]
        variables["json"] = np.frombuffer(json.dumps(saved).encode(), np.uint8)
    seal(path)
    with pytest.raises(ValueError, match=r"is damaged.*has version 7, but .*: install a newer one; move it away") as it:
        fit(model(), klr.BackupAndRestore(tmp_path))
    assert "\n" not in str(it.value)


def test_a_backup_of_an_older_version_is_resumed(tmp_path, monkeypatch):
    from keras_lr.callbacks import backup

    in_memory = backup.BackupEntry.in_memory

    @contextlib.contextmanager
    def of_an_older_version(self, model):
        with in_memory(self, model):
            entry = klr.training.saved_state.memory(model)["backup"]
            for name in ("sealed", "optimizer", "callbacks"):
                del entry[name]
            yield

    with monkeypatch.context() as patch:
        patch.setattr(backup, "seal", lambda path: None)
        patch.setattr(backup.BackupEntry, "in_memory", of_an_older_version)
        killed(klr.BackupAndRestore(tmp_path))
    weight = Weight()
    fit(model(), klr.BackupAndRestore(tmp_path), weight)
    np.testing.assert_allclose(weight.seen[1:], -0.125 * np.arange(11, 16), rtol=1e-5)


# Keras's own callbacks.

VALUES = [5.0, 3.0, 4.0, 4.5, 2.0, 2.5, 2.6, 2.7, 2.8, 2.9, 1.0, 1.0]
"""A metric that improves in epochs 1 and 4. With a patience of 3, training ends before its lowest value."""


class Lists:
    """The callbacks of a script in a given order."""

    def __init__(self, folder, order, freq="epoch", kill=None):
        self.weight, self.history = Weight(), keras.callbacks.History()
        folder.mkdir(exist_ok=True)
        stop = keras.callbacks.EarlyStopping("metric", patience=3, mode="min", restore_best_weights=True)
        best = keras.callbacks.ModelCheckpoint(
            folder / "best.weights.h5", "metric", save_best_only=True, save_weights_only=True, mode="min"
        )
        reduce = keras.callbacks.ReduceLROnPlateau("metric", 0.5, patience=1, mode="min", min_delta=0.0, cooldown=1)
        backup = klr.BackupAndRestore(folder / "run", freq)
        parts = {"stop": stop, "best": best, "reduce": reduce, "backup": backup}
        self.stop = stop
        self.callbacks = [Metric(VALUES), *(parts[name] for name in order), self.weight, self.history]
        if kill is not None:
            self.callbacks.insert(kill[0], Kill(*kill[1:]) if len(kill) == 3 else KillAtEnd(kill[1]))

    def fit(self):
        trained = model()
        fit(trained, *self.callbacks, epochs=12, batches=3)
        return [float(array.squeeze()) for array in trained.get_weights()]


ORDERS = [("backup", "stop", "best", "reduce"), ("reduce", "best", "stop", "backup")]


@pytest.mark.few(3)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kill", [(0, 3, 2), (0, 6, 1), (3, 5), (0, None)], ids=str)
def test_a_killed_training_with_keras_callbacks_equals_one_without_a_kill(tmp_path, order, kill):
    """With `EarlyStopping`, `ModelCheckpoint(save_best_only=True)` and `ReduceLROnPlateau`."""
    whole = Lists(tmp_path / "whole", order)
    expected = whole.fit()
    assert len(whole.history.epoch) == 8
    with pytest.raises(RuntimeError, match="killed"):
        Lists(tmp_path / "killed", order, kill=kill).fit()
    resumed = Lists(tmp_path / "killed", order)
    assert resumed.fit() == expected
    if resumed.history.epoch:
        assert resumed.history.epoch[-1] == 7
    assert (resumed.stop.best, resumed.stop.best_epoch, resumed.stop.wait) == (2.0, 4, 3)
    found = [model(), model()]
    for folder, it in zip(("whole", "killed"), found, strict=True):
        it.load_weights(tmp_path / folder / "best.weights.h5")
    assert found[0].get_weights() == found[1].get_weights()
    assert not (tmp_path / "killed" / "run").exists()


def test_a_training_stopped_by_another_callback_continues(tmp_path):
    """Such a callback may react to a signal. The backup records that `EarlyStopping` did not stop the training."""

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    weight = Weight()
    callbacks = [keras.callbacks.EarlyStopping("loss"), klr.BackupAndRestore(tmp_path, delete_checkpoint=False)]
    fit(model(), *callbacks, Stop(), epochs=3)
    fit(model(), *callbacks, weight, epochs=3)
    np.testing.assert_allclose(weight.seen[1:], -0.125 * np.arange(11, 16), rtol=1e-5)


def test_a_kill_within_an_epoch_keeps_the_states_of_keras_callbacks(tmp_path):
    whole = Lists(tmp_path / "whole", ORDERS[0], freq=2)
    expected = whole.fit()
    with pytest.raises(RuntimeError, match="killed"):
        Lists(tmp_path / "killed", ORDERS[0], freq=2, kill=(0, 6, 2)).fit()
    resumed = Lists(tmp_path / "killed", ORDERS[0], freq=2)
    assert resumed.fit() == expected
    np.testing.assert_array_equal(resumed.weight.seen[1:], whole.weight.seen[-len(resumed.weight.seen) + 1 :])


@pytest.mark.once
def test_states_go_to_callbacks_with_the_same_monitor(tmp_path):
    from keras_lr.callbacks import keras_state

    def stopping(monitor, wait):
        callback = keras.callbacks.EarlyStopping(monitor)
        callback.wait, callback.best = wait, np.float32(wait)
        return callback

    before = [stopping("a", 1), stopping("b", 2), stopping("a", 3)]
    entries, arrays = keras_state.capture(before)
    after = [stopping("b", 0), stopping("a", 0), stopping("c", 0), stopping("a", 0)]
    keras_state.restore(after, entries, arrays)
    assert [(it.wait, it.best) for it in after] == [(2, 2.0), (1, 1.0), (0, 0.0), (3, 3.0)]
    entries[0]["state"]["wait"] = "1"
    with pytest.raises(ValueError, match="`wait` of 'EarlyStopping' is '1'"):
        keras_state.check(entries, arrays)


def test_the_users_list_is_unchanged(tmp_path):
    backup, history, trained = klr.BackupAndRestore(tmp_path / "run"), keras.callbacks.History(), model()
    running = keras.callbacks.CallbackList([backup, history], model=trained, epochs=1, steps=5, verbose=0)
    before = list(running.callbacks)
    for _ in range(2):
        trained.fit(np.ones((20, 1)), np.ones((20, 1)), batch_size=4, verbose=0, callbacks=running)
        assert running.callbacks == before
