"""A metric that a callback of the user adds to the logs, and a checkpoint in `on_epoch_end`."""

import keras
import pytest
from support.backups import KillAtEnd
from support.training import Metric, fit, model_with, with_weights

import keras_lr as klr

RATES = {"number": lambda: 0.1, "schedule": lambda: klr.Constant(0.1)}
BAD = [1.0] * 9


def plateau():
    return klr.ReduceOnPlateau("metric", 0.5, 2, mode="min")


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
    """No epoch improves. The training is killed at the end of the third, in which the second bad epoch causes a reduction."""

    def order():
        saver = checkpoint(kind, tmp_path)
        return [saver, plateau()] if place == "before" else [plateau(), saver]

    whole = model_with(RATES[rate]())
    fit(whole, Metric(BAD), plateau(), epochs=5)
    model = model_with(RATES[rate]())
    first, second = order()
    # The kill comes right after the file was written. Callbacks after it do not see the end of the epoch.
    kill = KillAtEnd(2, KeyboardInterrupt)
    callbacks = [first, kill, second] if place == "before" else [first, second, kill]
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
    """Only every second epoch has the metric. A file from another epoch has no pending metric."""
    metric = Metric({0: 1.0, 2: 1.0})
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True)
    callback = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min")
    with pytest.warns(UserWarning, match="'metric' is not in the epoch's logs"):
        fit(model_with(0.1), metric, saver, callback, epochs=4)
    counts = []
    for epoch in range(1, 5):
        again = with_weights(model_with(0.1), tmp_path / f"{epoch}.weights.h5")
        resumed = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min")
        fit(again, Metric({}), keras.callbacks.Callback(), resumed, initial_epoch=epoch, epochs=epoch)
        counts.append(resumed.get_state()["n_reductions"])
    assert counts == [0, 0, 1, 1]
