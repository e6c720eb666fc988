"""The rates in the log of `LearningRateLogger` are those that moved the weights."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from support.backend import BACKEND
from support.needs import needs
from support.training import Fail, Weight, assert_applied, calls, data, fit, model_with

import keras_lr as klr
from keras_lr import LearningRateLogger
from keras_lr.callbacks.log_reader import read_frame
from keras_lr.callbacks.logfile import CsvLog
from keras_lr.callbacks.recording import Recording, Segment, frame_of
from keras_lr.optimizers import lookup
from keras_lr.training.saved_state import of


@keras.saving.register_keras_serializable("tests")
class Handmade(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of a user, written as in Keras's documentation."""

    def __call__(self, step):
        return 0.2 / (keras.ops.cast(step, "float32") + 2.0)

    def get_config(self):
        return {}


keras_schedules = keras.optimizers.schedules
SOURCES = {
    "number": lambda: 0.125,
    "ours": lambda: klr.Warmup(klr.CosineDecay(0.3, 12), 4),
    "cyclical": lambda: klr.CyclicalLearningRate(0.01, 0.3, 3),
    "reduced": lambda: klr.Reduced(klr.StepDecay(0.3, 4), 0.5),
    "keras": lambda: keras_schedules.ExponentialDecay(0.3, 5, 0.5),
    "keras-cond": lambda: keras_schedules.CosineDecay(0.02, 9, warmup_target=0.3, warmup_steps=4),
    "keras-pieces": lambda: keras_schedules.PiecewiseConstantDecay([3, 8], [0.3, 0.2, 0.1]),
    "handmade": Handmade,
    "function": lambda: lambda: 0.25,
}


@pytest.fixture(params=SOURCES)
def source(request):
    return SOURCES[request.param]()


def logger(**args):
    return LearningRateLogger(audit=False, **args)


def test_the_applied_rate_is_logged(source):
    log, weight = logger(), Weight()
    fit(model_with(source), log, weight, epochs=3, batches=5)
    frame = log.to_frame()
    assert_applied(weight, frame.learning_rate)
    assert frame.step.tolist() == list(range(15))
    assert frame.epoch.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert frame.batch.tolist() == list(range(5)) * 3


def test_a_long_epoch_of_a_keras_schedule_is_evaluated_as_a_whole():
    for schedule in (SOURCES["keras-cond"](), SOURCES["keras"](), Handmade()):
        log, weight = logger(), Weight()
        fit(model_with(schedule), log, weight, epochs=1, batches=20)
        assert_applied(weight, log.to_frame().learning_rate)


class Setter(keras.callbacks.Callback):
    """Assigns another rate to the optimizer in one of the batch hooks, as many callbacks do."""

    def __init__(self, hook):
        super().__init__()
        self.calls = 0
        setattr(self, hook, self.assign)

    def assign(self, batch, logs=None):
        self.calls += 1
        self.model.optimizer.learning_rate = 0.3 / (1 + self.calls)


# Except on JAX there is only one copy of the rate, which a callback before the logger may replace at the end of a batch.
BEFORE_END = [("on_train_batch_end", True)] if BACKEND == "jax" else []


@pytest.mark.parametrize(
    ("hook", "first"),
    [("on_train_batch_begin", True), ("on_train_batch_begin", False), ("on_train_batch_end", False), *BEFORE_END],
)
def test_a_rate_set_at_every_batch(hook, first):
    log, weight, setter = logger(), Weight(), Setter(hook)
    fit(model_with(0.4), *([setter, log] if first else [log, setter]), weight)
    assert len(set(weight.applied.round(5))) > 10
    assert_applied(weight, log.to_frame().learning_rate)


def test_a_rate_set_at_every_epoch():
    log, weight = logger(), Weight()
    fit(model_with(0.4), keras.callbacks.LearningRateScheduler(lambda epoch: 0.4 / (epoch + 1)), log, weight)
    assert_applied(weight, log.to_frame().learning_rate)
    assert log.to_frame().learning_rate.nunique() == 3


@pytest.mark.parametrize("steps", [3] if BACKEND == "torch" else [3, 7, 100])
@pytest.mark.parametrize("name", ["ours", "number"])
def test_steps_per_execution(steps, name):
    model = model_with(SOURCES[name](), steps_per_execution=steps)
    log, weight = logger(metrics=("loss",)), Weight()
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="steps_per_execution"):
            fit(model, log)
        return
    fit(model, log, weight, epochs=2, batches=8)
    frame = log.to_frame()
    expected = klr.Warmup(klr.CosineDecay(0.3, 12), 4).values(range(16)) if name == "ours" else np.full(16, 0.125)
    np.testing.assert_allclose(frame.learning_rate, expected, rtol=1e-6)
    assert frame.step.tolist() == list(range(16))
    assert frame.batch.tolist() == list(range(8)) * 2
    executions = -(-8 // steps)
    assert len(weight.applied) == 2 * executions
    assert frame.loss.notna().sum() == 2 * executions
    assert frame.loss.notna().iloc[-1]
    np.testing.assert_allclose(weight.applied.sum(), frame.learning_rate.sum(), rtol=1e-5)


def test_several_fits_and_initial_epoch():
    log, weight = logger(), Weight()
    model = model_with(SOURCES["ours"]())
    fit(model, log, weight, epochs=2)
    fit(model, log, weight, epochs=3, initial_epoch=2)
    fit(model, log, weight, epochs=1)
    frame = log.to_frame()
    assert frame.step.tolist() == list(range(20))
    assert frame.epoch.tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [0] * 5
    assert_applied(weight, frame.learning_rate)


def test_a_short_last_batch():
    log, weight = logger(), Weight()
    fit(model_with(SOURCES["ours"]()), log, weight, batches=4, last=1)
    assert len(log.to_frame()) == 12
    assert_applied(weight, log.to_frame().learning_rate)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_dataset_of_unknown_length():
    x, y = data(1)

    def batches():
        for _ in range(7):
            yield x, y

    log, weight = logger(), Weight()
    model_with(SOURCES["ours"]()).fit(batches(), epochs=1, verbose=0, callbacks=[log, weight], shuffle=False)
    # Keras 3.5 and 3.6 lose two batches of a generator on JAX.
    assert len(log.to_frame()) == len(weight.applied) >= 5
    assert_applied(weight, log.to_frame().learning_rate)


def test_run_eagerly():
    log, weight = logger(), Weight()
    fit(model_with(SOURCES["ours"](), run_eagerly=True), log, weight)
    assert_applied(weight, log.to_frame().learning_rate)


def test_gradient_accumulation_is_logged_per_batch():
    schedule = klr.LinearDecay(0.32, 16)
    log, weight = logger(), Weight()
    model = model_with(None, keras.optimizers.SGD(schedule, gradient_accumulation_steps=2))
    fit(model, log, weight, epochs=1, batches=6)
    rates = log.to_frame().learning_rate.to_numpy()
    np.testing.assert_allclose(rates, schedule.values(range(6)))
    assert log.to_frame()["update"].tolist() == [0, 0, 1, 1, 2, 2]
    assert log.to_frame()["update"].dtype == np.int64
    # The mean gradient is applied at every second batch, with the rate of that batch.
    assert_applied(weight, [0.0, rates[1], 0.0, rates[3], 0.0, rates[5]])


def test_two_optimizers_have_two_columns():
    inputs = keras.Input((1,))
    first = keras.layers.Dense(1, use_bias=False, name="first")(inputs)
    second = keras.layers.Dense(1, use_bias=False, name="second")(inputs)
    model = keras.Model(inputs, keras.layers.Concatenate()([first, second]))
    slow, fast = klr.LinearDecay(0.1, 50), klr.StepDecay(0.3, 4)
    chosen = keras.optimizers.OptimizerMap(
        default_optimizer=keras.optimizers.SGD(slow, name="slow"),
        optimizer_map={"second/.*": keras.optimizers.Adam(fast, name="fast")},
    )
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss="mse")
    log = logger()
    fit(model, log, epochs=2)
    frame = log.to_frame()
    assert set(frame.columns) == {"step", "epoch", "batch", "learning_rate_slow", "learning_rate_fast"}
    np.testing.assert_allclose(frame.learning_rate_slow, slow.values(range(10)))
    np.testing.assert_allclose(frame.learning_rate_fast, fast.values(range(10)))


def test_an_optimizer_without_variables_does_not_hide_the_others():
    """Its pattern matches nothing, so Keras never builds it and its counter is always 0."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, name="all")])
    idle, rate = klr.LinearDecay(0.3, 40), klr.LinearDecay(0.1, 50)
    chosen = keras.optimizers.OptimizerMap(
        default_optimizer=keras.optimizers.SGD(rate, name="busy"),
        optimizer_map={"nowhere/.*": keras.optimizers.SGD(idle, name="idle")},
    )
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss="mse")
    log, plateau = logger(), klr.ReduceOnPlateau("loss", patience=1, min_delta=1e9, start_after=7)
    fit(model, log, plateau, epochs=4)
    assert log.to_frame()["step"].tolist() == list(range(20))
    # The second epoch is the first to end after step 7, so it sets the best value. The third is bad.
    np.testing.assert_allclose(log.to_frame().learning_rate_busy[:15], rate.values(range(15)))
    np.testing.assert_allclose(log.to_frame().learning_rate_busy[15:], 0.1 * rate.values(range(15, 20)))


def scaled_model(rate, **compile_args):
    """float16 compute, so that Keras wraps the optimizer in a LossScaleOptimizer."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", dtype="mixed_float16")]
    )
    inner = keras.optimizers.SGD(rate)
    model.compile(
        keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0),
        loss=lambda y, p: keras.ops.mean(p),
        **compile_args,
    )
    return model


@pytest.mark.parametrize("metrics", [("loss",), ()])
@pytest.mark.parametrize("name", ["ours", "number", "keras"])
def test_batches_skipped_by_loss_scaling_are_not_logged(name, metrics):
    model = scaled_model(SOURCES[name]())
    x, y = data(6)
    x[8:12] = np.inf  # the third batch: its gradient is not finite
    log, weight = logger(metrics=metrics), Weight()
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False, callbacks=[log, weight])
    frame = log.to_frame()
    assert frame.batch.tolist() == [0, 1, 3, 4, 5] * 2
    assert frame.step.tolist() == list(range(10))
    assert lookup.rated_optimizers(model)[0].step() == 10
    moved = weight.applied[weight.applied != 0]
    if name == "ours":  # the warmup begins with a rate of 0
        moved = np.concatenate([[0.0], moved])
    np.testing.assert_allclose(moved, frame.learning_rate, rtol=2e-3)
    if metrics:  # the loss is not finite from the skipped batch to the end of the epoch
        assert np.isfinite(frame.loss).tolist() == [True, True, False, False, False] * 2


@pytest.mark.skipif(BACKEND == "torch", reason="torch refuses steps_per_execution")
@pytest.mark.parametrize("name", ["ours", "number"])
def test_steps_per_execution_with_loss_scaling(name):
    """For the last execution, Keras passes a batch number past the end. The numbers of batches are counted from it."""
    log = logger()
    fit(scaled_model(SOURCES[name](), steps_per_execution=3), log, epochs=2, batches=8)
    assert log.to_frame().batch.tolist() == list(range(8)) * 2
    assert log.to_frame().step.tolist() == list(range(16))


def test_training_that_stops_or_fails_in_the_middle():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.model.stop_training = True

    log, weight = logger(), Weight()
    fit(model_with(SOURCES["ours"]()), log, weight, Stop())
    assert len(log.to_frame()) == 3

    log, weight = logger(), Weight()
    with pytest.raises(RuntimeError, match="out of power"):
        fit(model_with(SOURCES["ours"]()), log, weight, Fail())
    frame = log.to_frame()
    assert frame.step.tolist() == [0, 1, 2, 3]
    assert_applied(weight, frame.learning_rate)


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("ending", ["csv", pytest.param("parquet", marks=needs("pyarrow"))])
@pytest.mark.parametrize("saver", [False, True])
def test_a_training_that_continues_after_a_failure(tmp_path, ending, seen, saver):
    """Model and logger are the same. The rows of the first training stay in the table and in the file."""

    model, weight, path = model_with(SOURCES["ours"]()), Weight(), tmp_path / f"log.{ending}"
    log = logger(path=path)
    save = [keras.callbacks.ModelCheckpoint(tmp_path / "m.keras", save_freq=2)] if saver else []
    with pytest.raises(RuntimeError, match="out of power"):
        fit(model, log, *save, weight, Fail(), epochs=1)
    if seen:
        assert log.to_frame().step.tolist() == [0, 1, 2, 3]
    fit(model, log, weight, epochs=2)
    frame = log.to_frame()
    assert frame.step.tolist() == list(range(14))
    assert frame.batch.tolist() == [0, 1, 2, 3, *range(5), *range(5)]
    assert_applied(weight, frame.learning_rate)
    pd.testing.assert_frame_equal(read_frame(path), frame)


def test_another_model_after_a_failed_training(tmp_path):
    """Rows that were written before stay, and new rows have another training number."""

    log = logger(path=tmp_path / "log.csv")
    save = keras.callbacks.ModelCheckpoint(tmp_path / "m.keras", save_freq=2)
    with pytest.raises(RuntimeError, match="out of power"):
        fit(model_with(SOURCES["ours"]()), log, save, Fail(), epochs=1)
    fit(model_with(SOURCES["ours"]()), log, epochs=1)
    frame = log.to_frame()
    assert frame.step.tolist() == [0, 1, 2, 3, *range(5)]
    assert frame.training.tolist() == [0] * 4 + [1] * 5
    pd.testing.assert_frame_equal(read_frame(tmp_path / "log.csv"), frame)


class Swap(keras.callbacks.Callback):
    """Installs another schedule in the middle of training."""

    def __init__(self, how, at):
        super().__init__()
        self.how, self.at, self.count = how, at, 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1
        if self.count == self.at:
            self.how(self.model, klr.StepDecay(0.4, 2))


@pytest.mark.parametrize("at", [5, 8])
@pytest.mark.parametrize("first", [True, False])
def test_set_learning_rate_takes_effect_and_is_logged(at, first):
    log, weight, swap = logger(), Weight(), Swap(klr.set_learning_rate, at)
    fit(model_with(SOURCES["ours"]()), *([swap, log] if first else [log, swap]), weight)
    before, after = SOURCES["ours"]().values(range(15)), klr.StepDecay(0.4, 2).values(range(15))
    assert_applied(weight, np.where(np.arange(15) < at, before, after))
    assert_applied(weight, log.to_frame().learning_rate)


def test_an_ineffective_assignment_does_not_change_the_log():
    """Keras accepts another schedule, but a compiled step continues with the old one."""

    def assign(model, schedule):
        model.optimizer.learning_rate = schedule

    log, weight = logger(), Weight()
    fit(model_with(SOURCES["ours"]()), log, Swap(assign, 7), weight)
    assert_applied(weight, log.to_frame().learning_rate)


def test_metrics_are_what_keras_reports():
    seen = []

    class Spy(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((float(logs["loss"]), float(logs["mae"])))

    log = logger(metrics=["loss", "mae"])
    fit(model_with(0.1, metrics=["mae"]), log, Spy())
    frame = log.to_frame()
    assert list(frame.columns) == ["step", "epoch", "batch", "learning_rate", "loss", "mae"]
    np.testing.assert_allclose(frame[["loss", "mae"]].to_numpy(), seen)


def test_an_unknown_metric():
    with pytest.raises(ValueError, match=r"^LearningRateLogger: `metrics` must be one of loss, got 'val_loss'$"):
        fit(model_with(0.1), logger(metrics=["val_loss"]))
    with pytest.raises(ValueError, match=r"^LearningRateLogger: `metrics` must be one of loss, mae, got 'mse'$"):
        fit(model_with(0.1, metrics=["mae"]), logger(metrics=["mse"]))


def test_a_segment_that_begins_within_an_epoch():
    """After its last batch a further step is counted, as on TensorFlow at the end of a data set."""
    model = model_with(0.5)
    model.optimizer.build(model.trainable_variables)
    hyperparameters = lookup.hyperparameters(lookup.rated_optimizers(model))
    counter = hyperparameters[0].rated.counter
    empty = Recording(model, 2, 3, hyperparameters, ())
    counter.assign_add(1)
    assert empty.finish() is None
    recording = Recording(model, 2, 3, hyperparameters, ())
    for batch, rate in ((3, 0.25), (4, 0.125)):
        model.optimizer.learning_rate = rate
        counter.assign_add(1)
        recording.note(batch, {})
    counter.assign_add(1)
    segment = recording.finish()
    assert {name: column.tolist() for name, column in segment.table().items()} == {
        "step": [1, 2],
        "epoch": [2, 2],
        "batch": [3, 4],
        "learning_rate": [0.25, 0.125],
    }


def test_dtypes_with_and_without_rows():
    log = logger(metrics=["loss"])
    for frame in (log.to_frame(), (fit(model_with(0.1), log), log.to_frame())[1]):
        types = [str(dtype) for dtype in frame.dtypes]
        assert types == ["int64"] * 3 + ["float64"] * 2
        assert list(frame.columns) == ["step", "epoch", "batch", "learning_rate", "loss"]


def test_history_has_the_last_rate_of_each_epoch(source):
    log = logger()
    history = fit(model_with(source), log).history
    assert all(type(rate) is float for rate in history["learning_rate"])
    last = log.to_frame().groupby("epoch").learning_rate.last()
    assert history["learning_rate"] == last.tolist()
    json.dumps(history)


def test_a_preview_equals_the_log_of_the_run():
    schedule = SOURCES["ours"]()
    log = logger()
    fit(model_with(schedule), log)
    pd.testing.assert_frame_equal(log.to_frame()[["step", "learning_rate"]], schedule.to_frame(range(15)))


@pytest.mark.parametrize("ending", ["csv", pytest.param("parquet", marks=needs("pyarrow"))])
def test_a_file_grows_with_the_epochs_and_reads_back_exactly(tmp_path, ending):
    path = tmp_path / f"log.{ending}"
    lengths = []

    def read():
        return pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            lengths.append(len(read()))

    log = logger(metrics=["loss"], path=path)
    fit(model_with(SOURCES["ours"]()), log, Look())
    assert lengths == [5, 10, 15]
    pd.testing.assert_frame_equal(read(), log.to_frame())


@pytest.mark.parametrize("ending", ["csv", pytest.param("parquet", marks=needs("pyarrow"))])
def test_a_file_of_a_run_that_went_further_is_cut(tmp_path, ending):
    path = tmp_path / f"log.{ending}"
    fit(model_with(SOURCES["ours"]()), logger(path=path), epochs=3)
    model = model_with(SOURCES["ours"]())
    klr.set_step(model, 10)
    fit(model, logger(path=str(path)), epochs=4, initial_epoch=2)
    frame = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    assert frame.step.tolist() == list(range(20))
    np.testing.assert_allclose(frame.learning_rate, SOURCES["ours"]().values(range(20)))


def test_plot():
    log = logger()
    fit(model_with(0.1), log)
    axes = log.plot()
    assert axes.get_xlabel() == "step (batches)"
    (line,) = axes.get_lines()
    np.testing.assert_allclose(line.get_ydata(), np.float32(0.1))
    assert log.plot(axes) is axes


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX keeps the state apart from the model during an epoch")
@pytest.mark.parametrize("name", ["ours", "number", "keras"])
def test_no_state_sync_between_batches(name, monkeypatch):
    """On JAX an access to `self.model` in a batch hook triples the time of a small step."""
    model = model_with(SOURCES[name]())
    syncs = []
    original = type(model).jax_state_sync

    def counted(self):
        syncs.append(self._jax_state_synced)
        original(self)

    monkeypatch.setattr(type(model), "jax_state_sync", counted)
    fit(model, epochs=2)
    without = len([synced for synced in syncs if not synced])
    syncs.clear()
    fit(model, logger(metrics=["loss"]), klr.ReduceOnPlateau("loss"), epochs=2)
    assert len([synced for synced in syncs if not synced]) == without


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (
            {"metrics": "loss"},
            TypeError,
            "LearningRateLogger: `metrics` must be a sequence of metric names, got 'loss'",
        ),
        ({"metrics": [3]}, TypeError, "LearningRateLogger: `metrics` must be a sequence of metric names, got [3]"),
        (
            {"path": "log.txt"},
            ValueError,
            "LearningRateLogger: `path` must be a file ending in .csv or .parquet, got 'log.txt'",
        ),
        ({"audit": 1}, TypeError, "LearningRateLogger: `audit` must be True or False, got 1"),
    ],
)
def test_wrong_arguments(args, error, message):
    with pytest.raises(error) as caught:
        LearningRateLogger(**args)
    assert str(caught.value) == message


@pytest.mark.parametrize(("step", "kept"), [(9, None), (10, None), (11, 1), (13, 3), (14, 4), (15, 4), (99, 4)])
@pytest.mark.parametrize("batches", [range(3, 7), np.arange(3, 7)], ids=["range", "array"])
def test_the_rows_of_a_segment_before_a_step(batches, step, kept):
    segment = Segment(2, 10, batches, {"learning_rate": np.array([0.4, 0.3, 0.2, 0.1])}, 2)
    found = segment.until(step)
    if kept is None:
        assert found is None
        return
    table = found.table()
    assert table["step"].tolist() == [10, 11, 12, 13][:kept]
    assert table["batch"].tolist() == [3, 4, 5, 6][:kept]
    assert table["learning_rate"].tolist() == [0.4, 0.3, 0.2, 0.1][:kept]
    assert table["update"].tolist() == [5, 5, 6, 6][:kept]
    assert table["epoch"].tolist() == [2] * kept


def test_segments_with_different_columns_are_concatenated():
    rates = np.array([0.4, 0.3])
    segments = [
        Segment(0, 0, range(2), {"learning_rate": rates}),
        Segment(1, 2, range(2), {"learning_rate": rates}),
        Segment(2, 4, range(2), {"learning_rate": rates, "loss": np.array([1.0, 2.0])}),
    ]
    frame = frame_of(segments)
    assert frame.step.tolist() == [0, 1, 2, 3, 4, 5]
    assert frame.epoch.tolist() == [0, 0, 1, 1, 2, 2]
    assert frame.index.tolist() == [0, 1, 2, 3, 4, 5]
    assert frame.loss.isna().tolist() == [True] * 4 + [False] * 2
    assert list(frame_of(segments[:2]).columns) == ["step", "epoch", "batch", "learning_rate"]


def test_all_calls_get_the_model(tmp_path, monkeypatch):
    made = calls(monkeypatch, "sync")
    for number, model in enumerate([model_with(0.1), model_with(SOURCES["ours"]())]):
        made.clear()
        save = keras.callbacks.ModelCheckpoint(tmp_path / "m.keras", save_freq=2)
        fit(model, logger(path=tmp_path / f"{number}.csv"), save)
        # There is a call at the end of each epoch and at each of seven checkpoints.
        assert len(made) >= 3 + 7
        assert all(given is model for _, given in made)


def test_a_second_model_follows_the_first(tmp_path):
    """A second training with the same logger begins at step 0 again. Its rows come after those of the first."""
    log = logger(path=tmp_path / "log.csv")
    fit(model_with(0.25), log, epochs=1)
    fit(model_with(0.125), log, epochs=2)
    frame = log.to_frame()
    assert frame.step.tolist() == [*range(5), *range(10)]
    assert frame.learning_rate.tolist() == [0.25] * 5 + [0.125] * 10
    pd.testing.assert_frame_equal(read_frame(tmp_path / "log.csv"), frame)


def test_a_file_is_cut_once_in_a_training(tmp_path, monkeypatch):
    cuts, cut = [], CsvLog.cut
    monkeypatch.setattr(CsvLog, "cut", lambda self, *where: (cuts.append(where), cut(self, *where))[1])
    model, log = model_with(0.25), logger(path=tmp_path / "log.csv")
    fit(model, log)
    fit(model, log)
    assert cuts == [(0, 15)]


@pytest.mark.parametrize(("gap", "warns"), [(0, False), (1, False), (2, True), (5, True)])
def test_missing_rows_in_a_file_warn(tmp_path, recwarn, gap, warns):
    """One missing row does not warn, because TensorFlow counts a step without a batch at the end of a data set."""
    path, model = tmp_path / "log.csv", model_with(0.25)
    fit(model, logger(path=path), epochs=1)
    klr.set_step(model, 5 + gap)
    recwarn.clear()
    fit(model, logger(path=path), epochs=1)
    told = [str(warning.message) for warning in recwarn if "LearningRateLogger" in str(warning.message)]
    assert (
        told
        == [
            f"LearningRateLogger: {str(path)!r} ends with step 4, but training continues at step {5 + gap}; the rows between are "
            "missing"
        ]
        * warns
    )
    assert read_frame(path).step.tolist() == [*range(5), *range(5 + gap, 10 + gap)]


def test_the_saved_state_of_a_logger_during_training(tmp_path):
    kept = []

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            kept.append(sum(key.startswith("LearningRateLogger") for key in of(self.model).hooks))

    fit(model_with(0.1), logger(path=tmp_path / "log.csv"), Look(), epochs=1)
    fit(model_with(0.1), logger(), Look(), epochs=1)
    assert kept == [1, 0]


def test_the_model_does_not_keep_the_logger_after_training(tmp_path):
    model, first, second = model_with(0.1), LearningRateLogger(path=tmp_path / "log.csv"), LearningRateLogger()
    fit(model, first, second)
    assert [key for key in of(model).hooks if key is None or key.startswith("LearningRateLogger")] == []
