"""For durations in `samples`, the batch size comes from the data of `fit`, or from `BindSchedule(batch_size=…)`."""

import itertools
import re

import keras
import numpy as np
import pytest
from support.needs import needs
from support.training import Weight, assert_applied, data, drive, fit, model_with

import keras_lr as klr
from keras_lr import BindSchedule, LinearDecay, Warmup, samples

FIVE = LinearDecay(0.5, samples(40))  # ten batches of four


def generator(size=4):
    while True:
        yield np.ones((size, 1), "float32"), np.zeros((size, 1), "float32")


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return data(1, 4)


def loader():
    torch = pytest.importorskip("torch")
    x, y = (torch.from_numpy(array) for array in data(5, 4))
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=4)


def tf_data(**options):
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.data.Dataset.from_tensor_slices(data(5, 4)).batch(4, **options)


def test_the_batch_size_of_arrays_is_used():
    model = model_with(FIVE)
    fit(model, weight := Weight(), BindSchedule(audit=False), epochs=3)
    assert_applied(weight, LinearDecay(0.5, 10).values(range(15)))
    assert model.optimizer._learning_rate == FIVE.bind(batch_size=4)


@pytest.mark.once
def test_the_default_batch_size_of_fit_is_used():
    model = model_with(LinearDecay(0.5, samples(64)), run_eagerly=True)
    model.fit(*data(1, 64), verbose=0, shuffle=False, callbacks=[BindSchedule(audit=False)])
    assert model.optimizer._learning_rate.duration == 2


@pytest.mark.once
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(loader, marks=needs("torch")),
        pytest.param(lambda: tf_data(drop_remainder=True), marks=needs("tensorflow"), id="tf.data"),
    ],
)
def test_the_batch_size_of_data_sets_is_used(make):
    model = model_with(FIVE, run_eagerly=True)
    model.fit(make(), verbose=0, shuffle=False, callbacks=[BindSchedule(audit=False)])
    assert model.optimizer._learning_rate == FIVE.bind(batch_size=4)


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "options"),
    [
        pytest.param(generator, {"steps_per_epoch": 5}, id="generator"),
        pytest.param(Batches, {}, id="PyDataset"),
        pytest.param(tf_data, {}, marks=needs("tensorflow"), id="tf.data with a remainder"),
    ],
)
def test_an_unknown_batch_size_is_an_error_with_a_hint(make, options):
    model = model_with(FIVE, run_eagerly=True)
    message = (
        "BindSchedule: the schedule has durations in `samples`, but the batch size of the data is unknown; "
        "pass `BindSchedule(batch_size=…)`, with several processes the sum over all of them"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.fit(make(), verbose=0, shuffle=False, callbacks=[BindSchedule(audit=False)], **options)
    model.fit(make(), verbose=0, shuffle=False, callbacks=[BindSchedule(batch_size=4, audit=False)], **options)
    assert model.optimizer._learning_rate == FIVE.bind(batch_size=4)


@pytest.mark.once
def test_a_data_set_of_unknown_length_needs_no_steps_per_epoch():
    model = model_with(FIVE, run_eagerly=True)
    three = itertools.islice(generator(), 3)
    with pytest.warns(UserWarning, match="ran out of data"):  # Keras warns so for every generator
        model.fit((batch for batch in three), verbose=0, shuffle=False, callbacks=[BindSchedule(batch_size=4)])
    assert model.optimizer._learning_rate == FIVE.bind(batch_size=4)
    assert klr.get_learning_rate(model) == pytest.approx(0.5 * 7 / 10)


@pytest.mark.once
def test_the_argument_has_precedence_over_the_data():
    model = model_with(FIVE, run_eagerly=True)
    fit(model, BindSchedule(batch_size=8, audit=False), epochs=1)
    assert model.optimizer._learning_rate == FIVE.bind(batch_size=8)


@pytest.mark.once
def test_several_processes_need_the_batch_size(monkeypatch):
    monkeypatch.setattr("keras_lr.training.processes.count", lambda: 2)
    with pytest.raises(ValueError, match="with several processes the sum over all of them"):
        fit(model_with(FIVE), BindSchedule(), epochs=1)


@pytest.mark.once
def test_a_custom_loop_needs_the_batch_size():
    with pytest.raises(ValueError, match=r"pass `BindSchedule\(batch_size=…\)`"):
        drive(model_with(FIVE), BindSchedule(), epochs=1)
    drive(model := model_with(FIVE), BindSchedule(batch_size=20, audit=False), epochs=1)
    assert model.optimizer._learning_rate.duration == 2


def test_the_same_training_with_batches_of_another_size(tmp_path):
    """After a load, the schedule is bound again, to the larger batches of the second `fit`."""
    model = model_with(Warmup(FIVE, samples(20)))
    fit(model, BindSchedule(audit=False), epochs=1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    fit(again, BindSchedule(audit=False), epochs=2, initial_epoch=1, size=10)
    assert again.optimizer._learning_rate == Warmup(FIVE, samples(20)).bind(batch_size=10)


@pytest.mark.once
def test_a_schedule_bound_by_the_user_stays():
    mine = FIVE.bind(batch_size=2)
    fit(model := model_with(mine), BindSchedule(audit=False), epochs=1)
    assert model.optimizer._learning_rate is mine


@pytest.mark.once
def test_a_plateau_begins_after_samples():
    class Same(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["same"] = 1.0

    def reductions(*callbacks, start_after, **options):
        plateau = klr.ReduceOnPlateau("same", 0.5, 1, mode="min", start_after=start_after)
        fit(model_with(0.5, run_eagerly=True), *callbacks, Same(), plateau, epochs=4, **options)
        return plateau.state.n_reductions

    # The first epoch that counts sets the best value.
    assert reductions(start_after=0) == 3
    assert reductions(start_after=samples(40)) == 1  # two epochs of five batches of four
    assert reductions(BindSchedule(batch_size=8), start_after=samples(40)) == 2


@pytest.mark.once
def test_a_plateau_with_an_unknown_batch_size_names_the_fix():
    plateau = klr.ReduceOnPlateau("loss", start_after=samples(40))
    message = (
        "ReduceOnPlateau: `start_after` must be in steps if the batch size of the data is unknown, "
        "unless `BindSchedule` gets `batch_size`, got samples(40)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        drive(model_with(0.5), plateau, epochs=1)


@pytest.mark.once
@pytest.mark.parametrize("wrong", [0, -1, 2.5, "4", True])
def test_a_wrong_batch_size_is_refused(wrong):
    with pytest.raises((TypeError, ValueError), match="BindSchedule: `batch_size` must be a whole number of samples"):
        BindSchedule(batch_size=wrong)


def test_a_scheduled_momentum_in_samples_is_bound():
    momentum = LinearDecay(0.9, samples(40), 0.5)
    model = model_with(0.1, klr.Scheduled(keras.optimizers.SGD(0.1, momentum=0.9), momentum=momentum))
    fit(model, BindSchedule(audit=False), epochs=1)
    assert model.optimizer.hyperparameters["momentum"] == momentum.bind(batch_size=4)
