"""`check_schedule`, `steps_per_epoch` and the constructors from two ends."""

import keras
import numpy as np
import pytest
from support.backend import BACKEND
from support.catalogue import ROWS
from support.needs import needs
from support.public import PUBLIC

import keras_lr as klr
from keras_lr import check_schedule, epochs, fraction, steps_per_epoch

Base = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("tests")
class Branching(Base):
    """A common mistake, which works eagerly and fails in `fit`."""

    def __call__(self, step):
        return 0.1 if step < 5 else 0.01

    def get_config(self):
        return {}


class Unregistered(Base):
    def __call__(self, step):
        return 0.1 + 0.0 * keras.ops.cast(step, "float32")

    def get_config(self):
        return {}


class Unsaveable(Base):
    def __call__(self, step):
        return 0.1 + 0.0 * keras.ops.cast(step, "float32")


@keras.saving.register_keras_serializable("tests")
class Forgetful(Base):
    """Loses an argument in its config."""

    def __init__(self, rate=0.1):
        self.rate = rate

    def __call__(self, step):
        return self.rate + 0.0 * keras.ops.cast(step, "float32")

    def get_config(self):
        return {}


@keras.saving.register_keras_serializable("tests")
class Stateful(Base):
    calls = 0

    def __call__(self, step):
        self.calls += 1
        return keras.ops.convert_to_tensor(0.1 * self.calls)

    def get_config(self):
        return {}


@keras.saving.register_keras_serializable("tests")
class Rising(Base):
    def __init__(self, power):
        self.power = power

    def __call__(self, step):
        return (10.0 - keras.ops.cast(step, "float32")) ** self.power

    def get_config(self):
        return {"power": self.power}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_schedules_of_this_package_have_no_problems(row):
    assert check_schedule(row.schedule, 200) == []


def test_schedules_of_keras_have_no_problems():
    assert check_schedule(keras.optimizers.schedules.CosineDecay(0.1, 50), 100) == []


def only(found):
    assert len(found) == 1, found
    return found[0]


def test_problems_are_reported():
    assert "cannot be loaded" in only(check_schedule(Unregistered()))
    assert "cannot be saved" in only(check_schedule(Unsaveable()))
    assert "after saving and loading: 0.1 instead of 0.3 at step 0" in only(check_schedule(Forgetful(0.3)))
    assert "negative at step 11: -1" in only(check_schedule(Rising(1), 12))
    assert "not finite at step 11: nan" in only(check_schedule(Rising(0.5), 12))
    assert any("when called again" in finding for finding in check_schedule(Stateful()))


def test_a_schedule_that_is_not_bound_cannot_be_evaluated():
    assert "BindSchedule" in only(check_schedule(klr.LinearDecay(0.1, epochs(2))))


@pytest.mark.skipif(BACKEND == "torch", reason="torch trains eagerly, where a branch on the step works")
def test_a_branch_on_the_step_is_reported():
    found = check_schedule(Branching())
    assert all("compiled training step" in finding and "ops.where" in finding for finding in found)
    assert len(found) == (1 if BACKEND == "jax" else 2)


@pytest.mark.skipif(BACKEND != "torch", reason="the others compile the step, where a branch on it fails")
def test_a_branch_on_the_step_works_eagerly():
    assert check_schedule(Branching()) == []


def test_wrong_arguments_of_check_schedule_are_refused():
    with pytest.raises(TypeError, match="`schedule` must be a LearningRateSchedule, got 0.1"):
        check_schedule(0.1)
    with pytest.raises(ValueError, match="`steps` must be a whole number"):
        check_schedule(klr.Constant(0.1), 0)


class Batches(keras.utils.PyDataset):
    @property
    def num_batches(self):
        return 7

    def __getitem__(self, index):
        raise AssertionError("no batch is needed to count them")


def test_steps_per_epoch_are_counted():
    assert [steps_per_epoch(n, 8) for n in (1, 7, 8, 9)] == [1, 1, 1, 2]
    assert [steps_per_epoch(n, 8, drop_last=True) for n in (8, 9, 16)] == [1, 1, 2]
    assert steps_per_epoch(np.int64(100), np.int32(32)) == 4
    assert steps_per_epoch(np.zeros((33, 2)), 8) == 5
    assert steps_per_epoch(Batches()) == 7
    assert type(steps_per_epoch(Batches())) is int


class Own:
    """A custom data set whose length counts batches."""

    def __len__(self):
        return 6


def samples_of_every_kind():
    import jax.numpy as jnp
    import pandas as pd
    import scipy.sparse
    import tensorflow as tf
    import torch

    array = np.zeros((33, 2), "float32")
    frame = pd.DataFrame(array)
    return {
        "array": array,
        "tensor": keras.ops.convert_to_tensor(array),
        "variable": keras.Variable(array),
        "tensorflow": tf.constant(array),
        "tf.Variable": tf.Variable(array),
        "jax": jnp.asarray(array),
        "torch": torch.tensor(array),
        "frame": frame,
        "series": frame[0],
        "sparse": scipy.sparse.csr_matrix(array),
        "list": [0.5] * 33,
        "tuple": (0.5,) * 33,
        "range": range(33),
        "x and y": (array, np.zeros(33)),
        "several inputs": [array, array],
        "by name": {"a": array, "b": frame},
        "torch Dataset": torch.utils.data.TensorDataset(torch.tensor(array)),
        "torch Subset": torch.utils.data.Subset(torch.utils.data.TensorDataset(torch.tensor(array)), list(range(33))),
    }


@pytest.mark.once
@needs("jax", "torch", "tensorflow")
def test_samples_need_a_batch_size():
    """The length may differ from the number of samples. A pair of arrays has a length of 2 and 33 samples."""
    for kind, samples in samples_of_every_kind().items():
        assert steps_per_epoch(samples, 8) == 5, kind
        assert steps_per_epoch(samples, 8, drop_last=True) == 4, kind
        with pytest.raises(TypeError, match="^steps_per_epoch: `batch_size` must be given with samples"):
            steps_per_epoch(samples)


@pytest.mark.once
def test_steps_per_epoch_equals_the_batches_of_fit():
    class Count(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.steps = self.params["steps"]

    from support.training import model_with

    array = np.ones((33, 1), "float32")
    for size in (1, 8, 33, 40):
        count = Count()
        model_with(0.1).fit(array, array, batch_size=size, verbose=0, callbacks=[count])
        assert steps_per_epoch(array, size) == steps_per_epoch((array, array), size) == count.steps


@needs("torch", "tensorflow")
@pytest.mark.once
def test_batches_take_no_batch_size():
    import tensorflow as tf
    import torch

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(33, 1)), batch_size=8)
    for batches, count in ((loader, 5), (tf.data.Dataset.range(33).batch(8), 5), (Batches(), 7), (Own(), 6)):
        assert steps_per_epoch(batches) == count
        with pytest.raises(TypeError, match="^steps_per_epoch: `batch_size` must be left out for a data set"):
            steps_per_epoch(batches, 8)


@pytest.mark.once
@pytest.mark.parametrize(
    ("data", "error"),
    [
        ((np.zeros(3), np.zeros(4)), ValueError),
        ({"a": 1}, TypeError),
        ({}, TypeError),
        ("abc", TypeError),
        ({1, 2}, TypeError),
    ],
)
def test_data_that_are_not_samples_are_refused(data, error):
    with pytest.raises(error, match="^steps_per_epoch: `data` must be a data set, or samples"):
        steps_per_epoch(data, 2)


@needs("torch", "tensorflow")
def test_steps_per_epoch_of_data_sets_of_other_frameworks_are_counted():
    import tensorflow as tf
    import torch

    samples = tf.data.Dataset.range(33)
    assert steps_per_epoch(samples.batch(8)) == 5
    assert steps_per_epoch(samples.batch(8, drop_remainder=True)) == 4
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(33, 1)), batch_size=8)
    assert steps_per_epoch(loader) == 5
    with pytest.raises(ValueError, match="is endless"):
        steps_per_epoch(samples.repeat())
    with pytest.raises(ValueError, match="does not know its length"):
        steps_per_epoch(samples.filter(lambda x: x > 3))


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((100,), TypeError, "`batch_size` must be given"),
        ((100, 0), ValueError, "`batch_size` must be a whole number >= 1, got 0"),
        ((100, 2.5), TypeError, "`batch_size` must be a whole number"),
        ((True, 2), TypeError, "`data` must be a whole number"),
        ((0, 2), ValueError, "`data` must be a whole number >= 1, got 0"),
        (((x for x in [1]),), TypeError, "`data` must have a length, got generator"),
        (([],), TypeError, "`batch_size` must be given with samples"),
        (([], 8), ValueError, "at least one batch"),
    ],
)
def test_wrong_arguments_of_steps_per_epoch_are_refused(args, error, message):
    with pytest.raises(error, match=message):
        steps_per_epoch(*args)


@pytest.mark.parametrize("kind", [klr.TimeBasedDecay, klr.ExponentialDecay])
def test_a_schedule_from_endpoints_reaches_both(kind):
    schedule = kind.from_endpoints(0.4, 0.05, 90)
    assert schedule.values([0, 90]).tolist() == pytest.approx([0.4, 0.05], rel=1e-12)
    assert np.all(np.diff(schedule.values(range(91))) < 0)
    assert kind.from_endpoints(0.4, 0.05, epochs(30)).bind(steps_per_epoch=3, epochs=40).values(90) == pytest.approx(
        0.05
    )
    assert kind.from_endpoints(0.4, 0.05, fraction(0.5)).bind(steps_per_epoch=3, epochs=60).values(90) == pytest.approx(
        0.05
    )
    assert kind.from_endpoints(0.4, 0.4, 9).values(5) == pytest.approx(0.4)
    name = kind.__name__
    with pytest.raises(
        ValueError, match=rf"^{name}: `end_learning_rate` must be at most `initial_learning_rate` \(0.4\), got 0.5"
    ):
        kind.from_endpoints(0.4, 0.5, 90)
    with pytest.raises(ValueError, match=f"^{name}: `end_learning_rate` must be a finite number > 0, got 0"):
        kind.from_endpoints(0.4, 0, 90)
    with pytest.raises(TypeError, match=f"^{name}: `initial_learning_rate` must be a finite number > 0, got '0.4'"):
        kind.from_endpoints("0.4", 0.1, 90)
    with pytest.raises(ValueError, match=rf"^{name}: `total_steps` must be a number of steps in \[1, 2\*\*31\), got 0"):
        kind.from_endpoints(0.4, 0.1, 0)


@pytest.mark.parametrize(("rule", "factor"), [("linear", 8.0), ("sqrt", 8.0**0.5)])
def test_rates_are_scaled_by_the_batch_size(rule, factor):
    schedule = klr.Warmup(klr.CosineDecay(0.1, 90), 10)
    steps = np.arange(120)
    scaled = klr.scaled(schedule, 512, 64, rule)
    np.testing.assert_allclose(scaled.values(steps), factor * schedule.values(steps), rtol=1e-12)
    assert eval(repr(scaled), {**PUBLIC}) == scaled
    np.testing.assert_allclose(klr.scaled(0.2, 32, 64).values(7), 0.1)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (("x", 4, 2), TypeError, "^scaled: `schedule` must be"),
        ((0.1, 0, 2), ValueError, "^scaled: `batch_size` must be"),
        ((0.1, 4, 2.5), ValueError, "^scaled: `base_batch_size` must be"),
        ((0.1, 4, 2, "cubic"), ValueError, "^scaled: `rule` must be one of 'linear', 'sqrt'"),
    ],
)
def test_wrong_arguments_of_scaled_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        klr.scaled(*arguments)
