"""`cycle_ends` of schedules, and `SaveAtCycleEnds`."""

import keras
import numpy as np
import pytest

import keras_lr as klr
from keras_lr import epochs
from keras_lr.schedules.installed import Paced

X, Y = np.linspace(-1, 1, 16, dtype="float32").reshape(8, 2), np.linspace(0, 1, 8, dtype="float32").reshape(8, 1)
RESTARTS = klr.CosineDecayRestarts(0.1, 6, t_mul=1.0)
STEPS = 4


@pytest.mark.once
@pytest.mark.parametrize(
    ("schedule", "ends"),
    [
        (RESTARTS, [6, 12, 18, 24, 30]),
        (klr.CosineDecayRestarts(0.1, 4), [4, 12, 28]),
        (klr.CosineDecayRestarts(0.1, 8, t_mul=0.5), [8, 12, 14, 15, 16]),
        (klr.CosineDecayRestarts(0.1, 7.5, t_mul=1.0), [8, 15, 23, 30]),
        (klr.CyclicalLearningRate(0.1, 0.5, 4, 6), [10, 20, 30]),
        (klr.CyclicalLearningRate(0.1, 0.5, 4.75), [10, 19, 29]),
        (klr.CyclicalLearningRate(0.1, 0.5, 4, 6).momentum(), [10, 20, 30]),
        (klr.SinusoidalLearningRate(0.1, 0.5, 5), [10, 20, 30]),
        (klr.PolynomialDecay(0.1, 10, cycle=True), [11, 21, 31]),
        (klr.PolynomialDecay(0.1, 10), []),
        (klr.OneCycle(0.1, 20), [20]),
        (klr.OneCycle(0.1, 33), []),
        (klr.Repeat(klr.LinearDecay(0.1, 7), 7), [7, 14, 21, 28]),
        (klr.Warmup(RESTARTS, 5), [11, 17, 23, 29]),
        (klr.Warmup(RESTARTS, 5, overlap="multiply"), [6, 12, 18, 24, 30]),
        (klr.OneCycle(0.1, 10) >> klr.OneCycle(0.1, 15) >> 0.1, [10, 25]),
        (klr.Sequential([0.1, RESTARTS, 0.1, RESTARTS], [3, 10, 20]), [9, 26, 32]),
        (RESTARTS.from_step(2), [4, 10, 16, 22, 28]),
        (RESTARTS.from_step(-2), [8, 14, 20, 26, 32]),
        (RESTARTS * klr.LinearDecay(1.0, 30), [6, 12, 18, 24, 30]),
        (RESTARTS + klr.Repeat(0.1, 9), [6, 9, 12, 18, 24, 27, 30]),
        (RESTARTS.clip(0.01), [6, 12, 18, 24, 30]),
        (RESTARTS.cooldown(14, 6), [6, 12]),
        (klr.Noise(RESTARTS, 0.1), [6, 12, 18, 24, 30]),
        (klr.PerUpdate(RESTARTS, 4), [24]),
        (klr.PerEpoch(RESTARTS, 4), [8, 12, 20, 24, 32]),
        (klr.CosineDecayRestarts(0.1, epochs(2), 1.0).bind(steps_per_epoch=5, epochs=3), [10, 20, 30]),
        (klr.Reduced(RESTARTS, 0.5), [6, 12, 18, 24, 30]),
        (Paced(RESTARTS, [0, 4], [0, 4], [1, 3], [1, 1]), [*range(5, 32, 2)]),
        (Paced(RESTARTS, [0, 4], [0, 4], [1, 1], [1, 46340]), []),
        (klr.LinearDecay(0.1, 10), []),
        (klr.Warmup(keras.optimizers.schedules.CosineDecayRestarts(0.1, 6), 3), []),
    ],
    ids=lambda value: repr(value)[:70],
)
def test_the_ends_of_cycles(schedule, ends):
    assert schedule.cycle_ends(32) == ends
    assert schedule.cycle_ends(0) == []
    for last, end in zip([0, *ends], ends, strict=False):
        assert {schedule.cycle_end_after(step) for step in range(last, end)} == {end}


@pytest.mark.once
def test_the_rate_jumps_up_at_the_end_of_a_cycle():
    for schedule in (RESTARTS, klr.PolynomialDecay(0.1, 10, 0.0, cycle=True), klr.CosineDecayRestarts(0.1, 7.5, 1.0)):
        rates = schedule.values(range(33))
        jumps = (np.flatnonzero(np.diff(rates) > 0.02) + 1).tolist()
        assert schedule.cycle_ends(32) == jumps


@pytest.mark.once
def test_an_invalid_number_of_steps_is_refused():
    with pytest.raises(
        ValueError, match=r"^OneCycle: `steps` must be a whole number of steps in \[0, 2\*\*31\), got -1$"
    ):
        klr.OneCycle(0.1, 9).cycle_ends(-1)
    with pytest.raises(ValueError, match="is not bound"):
        klr.Repeat(0.1, epochs(3)).cycle_ends(100)


def compiled(learning_rate=RESTARTS, **options):
    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    options = {"run_eagerly": True, "jit_compile": False} | options
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse", **options)
    return model


def fitted(callbacks, count=3, **options):
    model = compiled(**options)
    model.fit(X, Y, batch_size=2, epochs=count, verbose=0, shuffle=False, callbacks=callbacks)
    return model


class Weights(keras.callbacks.Callback):
    """The weights before each batch and at the end of training."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(self.model.get_weights())

    def on_train_end(self, logs=None):
        self.seen.append(self.model.get_weights())


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_models_are_saved_at_the_ends(tmp_path):
    weights = Weights()
    fitted([klr.SaveAtCycleEnds(tmp_path / "{cycle}-{step:03d}.keras"), weights])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-006.keras", "2-012.keras"]
    for name, step in (("1-006.keras", 6), ("2-012.keras", 12)):
        model = keras.saving.load_model(tmp_path / name)
        assert same(model.get_weights(), weights.seen[step])
        assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == step
    assert not same(weights.seen[6], weights.seen[7])


def test_units_in_any_order_of_callbacks(tmp_path):
    schedule = klr.CosineDecayRestarts(0.1, epochs(0.5), t_mul=1.0)
    save = klr.SaveAtCycleEnds(tmp_path / "new" / "{step}.weights.h5")
    fitted([save, klr.BindSchedule(audit=False)], count=1, learning_rate=schedule)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["2.weights.h5", "4.weights.h5"]


class KilledError(Exception):
    pass


@pytest.mark.few(2)
@pytest.mark.parametrize("at", [6, 5, 8, 12, 7])
def test_a_training_that_is_killed_and_resumed_saves_the_same(tmp_path, at):
    class Kill(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)) == at:
                raise KilledError

    expected = Weights()
    fitted([expected], count=5)
    callbacks = [klr.BackupAndRestore(tmp_path / "backup", save_freq=1), klr.SaveAtCycleEnds(tmp_path / "{step}.keras")]
    with pytest.raises(KilledError):
        fitted([*callbacks, Kill()], count=5)
    callbacks = [klr.BackupAndRestore(tmp_path / "backup", save_freq=1), klr.SaveAtCycleEnds(tmp_path / "{step}.keras")]
    fitted(callbacks, count=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["12.keras", "18.keras", "6.keras"]
    for step in (6, 12, 18):
        assert same(keras.saving.load_model(tmp_path / f"{step}.keras").get_weights(), expected.seen[step])


def test_another_fit_does_not_overwrite_the_file_of_its_first_step(tmp_path):
    model = fitted([klr.SaveAtCycleEnds(tmp_path / "{cycle}.keras")])
    saved = keras.saving.load_model(tmp_path / "2.keras").get_weights()
    model.set_weights([weight * 0 for weight in saved])
    callback = klr.SaveAtCycleEnds(tmp_path / "{cycle}.keras")
    model.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[callback])
    assert same(keras.saving.load_model(tmp_path / "2.keras").get_weights(), saved)
    assert (tmp_path / "3.keras").exists()


@pytest.mark.skipif(keras.config.backend() == "torch", reason="Keras refuses steps_per_execution on torch")
def test_several_steps_at_once(tmp_path):
    with pytest.warns(UserWarning, match=r"ends at step 6 is saved at step 4, since 4 steps are executed at once"):
        fitted([klr.SaveAtCycleEnds(tmp_path / "{step}.keras")], steps_per_execution=4, run_eagerly=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["12.keras", "6.keras"]
    early = keras.saving.load_model(tmp_path / "6.keras")
    assert int(keras.ops.convert_to_numpy(early.optimizer.iterations)) == 4


def test_a_process_that_changes_its_folder(tmp_path, monkeypatch):
    class Go(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            (tmp_path / "elsewhere").mkdir()
            monkeypatch.chdir(tmp_path / "elsewhere")

    monkeypatch.chdir(tmp_path)
    fitted([klr.SaveAtCycleEnds("{cycle}.weights.h5"), Go()])
    assert sorted(path.name for path in tmp_path.glob("**/*.h5")) == ["1.weights.h5", "2.weights.h5"]
    assert not any((tmp_path / "elsewhere").iterdir())


def test_snapshots_and_averages(tmp_path):
    """The ensemble and the average of weights from docs/recipes.md."""
    fitted([klr.SaveAtCycleEnds(tmp_path / "{cycle}.keras")])
    models = [keras.saving.load_model(tmp_path / f"{cycle}.keras") for cycle in (1, 2)]
    predictions = np.mean([model.predict(X, verbose=0) for model in models], axis=0)
    averaged = compiled()
    averaged.set_weights(
        [np.mean(weights, axis=0) for weights in zip(*(it.get_weights() for it in models), strict=True)]
    )
    # The model is linear, so the average of the predictions is the prediction of the average.
    np.testing.assert_allclose(averaged.predict(X, verbose=0), predictions, rtol=1e-5)


def test_the_cycles_of_one_of_several_optimizers(tmp_path):
    optimizers = keras.optimizers.OptimizerMap(
        default_optimizer=keras.optimizers.SGD(0.1), optimizer_map={".*bias": keras.optimizers.SGD(RESTARTS, name="b")}
    )
    model = compiled()
    model.compile(keras.optimizers.MultiOptimizer(optimizers), loss="mse", run_eagerly=True, jit_compile=False)
    save = klr.SaveAtCycleEnds(tmp_path / "{step}.weights.h5")
    model.fit(X, Y, batch_size=2, epochs=3, verbose=0, callbacks=[save])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["12.weights.h5", "6.weights.h5"]


@pytest.mark.parametrize("learning_rate", [0.1, klr.LinearDecay(0.1, 100)])
def test_a_schedule_without_cycles_is_refused(tmp_path, learning_rate):
    with pytest.raises(ValueError, match=r"^SaveAtCycleEnds: `learning_rate` must be a schedule with cy"):
        fitted([klr.SaveAtCycleEnds(tmp_path / "{cycle}.keras")], learning_rate=learning_rate)


@pytest.mark.once
@pytest.mark.parametrize(
    "path",
    ["model.keras", "{cycle}", "{cycle}.h5", "{epoch}-{cycle}.keras", "{cycle.keras", "{}.keras", "{cycle.x}.keras"],
)
def test_other_paths_are_refused(path):
    with pytest.raises(ValueError, match=r"^SaveAtCycleEnds: `filepath` must be a path .*, got '"):
        klr.SaveAtCycleEnds(path)


@pytest.mark.once
def test_a_path_that_is_a_number_is_refused():
    with pytest.raises(TypeError, match=r"^SaveAtCycleEnds: `filepath` must be a path, got 3$"):
        klr.SaveAtCycleEnds(3)
