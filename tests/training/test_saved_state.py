"""A loaded model has the same schedule, counter and next rate, also in a new process."""

import copy
import pickle

import keras
import numpy as np
import pytest
from support.processes import printed_lines
from support.training import Metric, Weight, data, fit

import keras_lr as klr
from keras_lr.optimizers.lookup import step_of

NESTED = klr.Warmup(
    klr.Sequential([keras.optimizers.schedules.ExponentialDecay(0.3, 7, 0.5), klr.LinearDecay(0.2, 30) * 0.5], [6]), 4
)
SCHEDULES = {
    "nested": NESTED,
    "one-cycle": klr.OneCycle(0.3, 40),
    "unbound-then-bound": klr.LinearDecay(0.3, klr.epochs(6)).bind(steps_per_epoch=5, epochs=6),
}


def model_with(schedule):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(schedule), loss=keras.losses.MeanSquaredError())
    return model


def place(model):
    return step_of(model), klr.get_learning_rate(model)


@pytest.mark.few(6)
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("form", ["keras", "h5", "weights.h5", "pickle", "deepcopy"])
def test_a_round_trip_keeps_schedule_counter_and_next_rate(tmp_path, name, form):
    model = model_with(SCHEDULES[name])
    fit(model, epochs=2)
    path = tmp_path / f"model.{form}"
    if form in ("keras", "h5"):
        model.save(path)
        again = keras.models.load_model(path)
    elif form == "weights.h5":
        model.save_weights(path)
        again = model_with(SCHEDULES[name])
        again.optimizer.build(again.trainable_variables)
        again.load_weights(path)
    else:
        again = pickle.loads(pickle.dumps(model)) if form == "pickle" else copy.deepcopy(model)
    assert again.optimizer._learning_rate == SCHEDULES[name]
    assert place(again) == place(model)
    assert place(model)[0] == 10


def test_train_save_load_train_equals_train(tmp_path):
    def linear():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
        model.compile(keras.optimizers.SGD(NESTED, momentum=0.9), loss="mse")
        return model

    whole, first, rest = Weight(), Weight(), Weight()
    fit(linear(), whole, epochs=4)
    model = linear()
    fit(model, first, epochs=2)
    model.save(tmp_path / "half.keras")
    fit(keras.models.load_model(tmp_path / "half.keras"), rest, initial_epoch=2, epochs=4)
    np.testing.assert_array_equal(whole.seen[1:], first.seen[1:] + rest.seen[1:])


@pytest.mark.slow
def test_a_fresh_process_needs_only_the_import(tmp_path):
    model = model_with(NESTED)
    plateau = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min")
    fit(model, Metric([1.0, 1.0, 2.0]), plateau, epochs=3)
    assert plateau.state.n_reductions == 2
    model.save(tmp_path / "model.keras")
    code = (
        "import keras_lr, keras\n"
        f"model = keras.models.load_model({str(tmp_path / 'model.keras')!r})\n"
        "print(repr((keras_lr.optimizers.lookup.step_of(model), keras_lr.get_learning_rate(model))))\n"
        "print(type(model.optimizer._learning_rate).__name__, keras_lr.training.saved_state.memory(model)['ReduceOnPlateau/metric'])\n"
    )
    first, second = printed_lines(code)[-2:]
    assert eval(first) == place(model)
    assert second.startswith("Reduced {'best': 1.0")


def test_a_file_with_state_loads_without_the_package_and_no_state_writes_nothing(tmp_path):
    import h5py

    def written(file):
        """The arrays of this package in the file. Keras before 3.10 writes an empty group where nothing is saved."""
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        return [name for name in names if name.startswith("keras_lr_state/")]

    model = model_with(NESTED)
    fit(model, epochs=1)
    model.save_weights(tmp_path / "plain.weights.h5")
    fit(model, Metric([1.0]), klr.ReduceOnPlateau("metric", mode="min"), epochs=1)
    model.save_weights(tmp_path / "state.weights.h5")
    with h5py.File(tmp_path / "plain.weights.h5") as plain, h5py.File(tmp_path / "state.weights.h5") as state:
        assert written(plain) == []
        assert len(written(state)) == 1
    model.load_weights(tmp_path / "plain.weights.h5")
    assert "ReduceOnPlateau/metric" in klr.training.saved_state.memory(model)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is damaged"), ('{"version": 1}', "is damaged"), ('{"version": 2, "entries": {}}', "has version 2")],
)
def test_damaged_and_future_states_are_refused(text, message):
    state = klr.training.saved_state.TrainingState()
    with pytest.raises(ValueError, match=message):
        state.load_own_variables({"json": np.frombuffer(text.encode(), np.uint8)})
    assert state.entries == {}


def test_an_unbound_schedule_is_saved_as_written(tmp_path):
    schedule = klr.Warmup(klr.CosineDecay(0.1, klr.epochs(3)), klr.fraction(0.25))
    model = model_with(schedule)
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.optimizer._learning_rate == schedule
    x, _ = data()
    with pytest.raises(ValueError, match=r"pass the callback `BindSchedule\(\)` to `fit`"):
        again.fit(x, np.zeros((20, 2)), verbose=0)
