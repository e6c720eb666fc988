"""A training draws the same random numbers, even while other threads of its process use the same generators."""

# ruff: noqa: NPY002 - the global generators are what this is about

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import keras
import numpy as np
import pytest
from support.needs import needs

import keras_lr as klr
from keras_lr.training.seeding import seeded

X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")


class Drawn(keras.utils.PyDataset):
    """Batches with noise, made in Keras's threads."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        part = slice(16 * index, 16 * index + 16)
        return X[part] + np.random.normal(size=(16, 8)).astype("float32"), Y[part] + random.random()


def build_model(rate, **compile_args):
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((8,)), *layers])
    model.compile(keras.optimizers.SGD(rate), loss="mse", **compile_args)
    return model


def eager(rate):
    return build_model(rate, run_eagerly=True)


def fit_briefly(model, callbacks):
    model.fit(X, Y, batch_size=32, verbose=0, callbacks=callbacks)


def fit_arrays(model, callbacks):
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0, callbacks=callbacks)


def fit_batches(model, callbacks):
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0, callbacks=callbacks, shuffle="batch")


def fit_own_data(model, callbacks):
    model.fit(Drawn(workers=1), epochs=2, verbose=0, callbacks=callbacks, shuffle=True)


def fit_tf_data(model, callbacks):
    from tensorflow import TensorSpec, data, float32

    def examples():
        for x, y in zip(X, Y, strict=True):
            yield x + np.random.normal(size=8).astype("float32"), y

    of = data.Dataset.from_generator(examples, output_signature=(TensorSpec((8,), float32), TensorSpec((1,), float32)))
    of = of.apply(data.experimental.assert_cardinality(len(X))).shuffle(64).batch(16)
    model.fit(of, epochs=2, verbose=0, callbacks=callbacks, shuffle=False)


@contextmanager
def other_thread():
    """A thread that draws like the event loop of a Dask worker, and from NumPy's generator too."""
    is_over = threading.Event()

    def draw():
        while not is_over.wait(1e-4):
            random.sample(range(100), 10)
            np.random.choice(100, size=10)
            np.random.sample()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def losses(build, fit, count, threads):
    """The loss of each epoch of trainings with the same seed."""
    with ThreadPoolExecutor(threads) as executor:
        schedules = dict.fromkeys(map(str, range(count)), 0.1)
        result = klr.compare(build, schedules, fit, seeds=[5], executor=executor, progress=False)
    return [part["loss"].tolist() for _, part in result.to_frame().groupby("schedule")]


@pytest.mark.slow
def test_twenty_first_trainings_start_equally():
    (expected,) = losses(eager, fit_briefly, 1, 1)
    with other_thread():
        assert losses(eager, fit_briefly, 20, 20) == [expected] * 20


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "fit", [fit_arrays, fit_batches, fit_own_data, pytest.param(fit_tf_data, marks=needs("tensorflow"))]
)
def test_trainings_get_the_same_data_in_the_same_order(fit):
    """Three trainings run in two threads while another thread draws."""
    keras.utils.set_random_seed(5)
    history = keras.callbacks.History()
    fit(build_model(0.1), [history])
    with other_thread():
        assert losses(build_model, fit, 3, 2) == [history.history["loss"]] * 3


def test_metrics_have_the_same_names_in_each_training():
    def build(rate):
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, "sigmoid")])
        model.compile(keras.optimizers.SGD(rate), loss="mse", metrics=[keras.metrics.AUC(), keras.metrics.Precision()])
        return model

    with ThreadPoolExecutor(1) as executor:
        result = klr.compare(build, {"a": 0.1, "b": 0.2}, fit_briefly, seeds=1, executor=executor, progress=False)
    frame = result.to_frame()
    assert list(frame.columns[6:]) == ["auc", "loss", "precision"]
    assert not frame.isna().any().any()


@pytest.mark.slow
def test_a_range_test_sees_the_same_data():
    keras.utils.set_random_seed(5)
    model = build_model(0.1)

    def losses_of_batches():
        result = klr.find_learning_rate(model, X, Y, batch_size=16, steps=10, seed=7, repeats=2, progress=False)
        return result.to_frame()["loss"].tolist()

    expected = losses_of_batches()
    with other_thread():
        assert [losses_of_batches() for _ in range(3)] == [expected] * 3


@pytest.mark.once
def test_other_threads_draw_other_numbers():
    with ThreadPoolExecutor(1) as other:
        other.submit(int).result()
        with seeded(5):
            before = random.getstate(), np.random.get_state()[1].tolist()
            drawn = other.submit(random.random).result(), other.submit(np.random.rand).result()
            other.submit(partial(random.seed, 0)).result()
            assert (random.getstate(), np.random.get_state()[1].tolist()) == before
            own = random.random(), np.random.rand()
    random.seed(5)
    np.random.seed(5)
    assert (random.random(), np.random.rand()) == own
    assert not set(own) & set(drawn)


@pytest.mark.once
def test_everything_is_restored_afterwards():
    def functions():
        modules = (random, np.random)
        return [*(getattr(module, name) for module in modules for name in module.__all__), threading.Thread.start]

    kept = []

    def training():
        kept.append(random.random)
        assert keras.layers.Dense(1).name == "dense"
        raise ZeroDivisionError

    before, name = functions(), keras.layers.Dense(1).name
    with pytest.raises(ZeroDivisionError), seeded(5):
        training()
    assert functions() == before
    assert keras.layers.Dense(1).name == f"dense_{int(name.removeprefix('dense').lstrip('_') or 0) + 1}"
    # A function that was read during the training now draws from Python's generator in every thread.
    random.seed(1)
    first = random.random()
    random.seed(1)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(kept[0]).result() == first
