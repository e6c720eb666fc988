"""A metric that the user's own callback adds to the logs, and a checkpoint in `on_epoch_end`."""

import keras
import pytest
from support.training import Metric, fit, model_with

import keras_lr as klr

RATES = {"number": lambda: 0.1, "schedule": lambda: klr.Constant(0.1)}
BAD = [1.0] * 9


def plateau():
    return klr.ReduceOnPlateau("metric", 0.5, 2, mode="min")


class Killed(keras.callbacks.Callback):
    """Ends a training as a kill does: no hook of another callback is called after it."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def checkpoint(kind, folder):
    if kind == "ours":
        return klr.BackupAndRestore(folder / "backup")
    if kind == "Keras's backup":
        return keras.callbacks.BackupAndRestore(folder / "backup")
    return keras.callbacks.ModelCheckpoint(folder / "last.keras")


@pytest.mark.few(4)
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", ["ours", "Keras's backup", "a file"])
def test_no_reduction_is_lost_in_any_order(tmp_path, kind, rate, place):
    """Epochs 0 to 4 without an improvement, killed at the end of the third one, during the decision on the second bad epoch."""

    def order():
        saver = checkpoint(kind, tmp_path)
        return [saver, plateau()] if place == "before" else [plateau(), saver]

    whole = model_with(RATES[rate]())
    fit(whole, Metric(BAD), plateau(), epochs=5)
    model = model_with(RATES[rate]())
    first, second = order()
    # Right after the file was written: the callbacks that stand behind do not see the end of the epoch.
    callbacks = [first, Killed(2), second] if place == "before" else [first, second, Killed(2)]
    with pytest.raises(KeyboardInterrupt):
        fit(model, Metric(BAD), *callbacks, epochs=5)
    if kind == "a file":
        again, args = keras.models.load_model(tmp_path / "last.keras"), {"initial_epoch": 3}
        callbacks = [plateau()]
    else:
        again, args, callbacks = model_with(RATES[rate]()), {}, order()
    fit(again, Metric(BAD), *callbacks, epochs=5, **args)
    assert klr.get_learning_rate(whole) == pytest.approx(0.025)
    assert klr.get_learning_rate(again) == pytest.approx(0.025)


@pytest.mark.once
def test_a_metric_of_another_epoch_is_not_used(tmp_path):
    """The metric exists only in every second epoch. A file from the others has no pending one."""
    metric = Metric({0: 1.0, 2: 1.0})
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True)
    callback = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min")
    with pytest.warns(UserWarning, match="'metric' is not in the epoch's logs"):
        fit(model_with(0.1), metric, saver, callback, epochs=4)
    counts = []
    for epoch in range(1, 5):
        again = model_with(0.1)
        again.optimizer.build(again.trainable_variables)
        again.load_weights(tmp_path / f"{epoch}.weights.h5")
        resumed = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min")
        fit(again, Metric({}), keras.callbacks.Callback(), resumed, initial_epoch=epoch, epochs=epoch)
        counts.append(resumed.get_state()["n_reductions"])
    assert counts == [0, 0, 1, 1]
