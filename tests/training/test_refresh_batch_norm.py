"""`refresh_batch_norm`: the statistics are those of the current model, and nothing else changes."""

import random

import keras
import numpy as np
import pytest
from support.backend import BACKEND

from keras_lr import refresh_batch_norm

X = np.random.default_rng(1).normal(3.0, 2.0, (22, 4)).astype("float32")
Y = X[:, :1]


def compiled(model, **options):
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", metrics=["mae"], **options)
    return model


def network(*layers, shape=(4,)):
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input(shape), *layers])


def two_norms():
    layers = keras.layers
    return network(
        layers.Dense(5), layers.BatchNormalization(), layers.ReLU(), layers.Dense(3), layers.BatchNormalization()
    )


@pytest.fixture(scope="module")
def trained():
    model = compiled(two_norms())
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    return model


def host(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def statistics(layer):
    return [host(layer.moving_mean), host(layer.moving_variance)]


def of_all(batches):
    """Mean and variance of all rows of the batches together."""
    rows = np.concatenate(batches)
    return [rows.mean(axis=0), rows.var(axis=0)]


def normalized(x, gamma, beta, epsilon=1e-3):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon) * gamma + beta


def expected(model, batches):
    """The statistics of the inputs of both normalizations, from the weights, in plain NumPy and float64."""
    w = {variable.path.split("/", 1)[1]: host(variable).astype(float) for variable in model.weights}
    dense, norm, dense_1 = [layer.name for layer in model.layers if layer.weights][:3]
    first = [batch.astype(float) @ w[f"{dense}/kernel"] + w[f"{dense}/bias"] for batch in batches]
    hidden = [np.maximum(normalized(batch, w[f"{norm}/gamma"], w[f"{norm}/beta"]), 0.0) for batch in first]
    second = [batch @ w[f"{dense_1}/kernel"] + w[f"{dense_1}/bias"] for batch in hidden]
    return of_all(first) + of_all(second)


def refreshed(model):
    return [value for layer in model.layers if "norm" in layer.name for value in statistics(layer)]


def in_batches(x, size):
    return [x[start : start + size] for start in range(0, len(x), size)]


class Batches(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.hooks = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[index * 8 : index * 8 + 8], Y[index * 8 : index * 8 + 8]

    def on_epoch_begin(self):
        self.hooks += 1

    on_epoch_end = on_epoch_begin


def tensorflow_data():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)


def torch_data():
    import torch

    dataset = torch.utils.data.TensorDataset(torch.as_tensor(X), torch.as_tensor(Y))
    return torch.utils.data.DataLoader(dataset, batch_size=8)


SOURCES = {
    "arrays": lambda: X,
    "a generator": lambda: ((batch, batch[:, :1]) for batch in in_batches(X, 8)),
    "PyDataset": Batches,
    "tf.data": tensorflow_data,
    "DataLoader": torch_data,
}


@pytest.mark.needs("tensorflow", "torch")
@pytest.mark.parametrize("source", SOURCES)
def test_the_statistics_are_those_of_all_batches_weighted_by_their_size(trained, source):
    data = SOURCES[source]()
    count = refresh_batch_norm(
        trained, data, batch_size=8 if source == "arrays" else None, steps=3 if "gen" in source else None, shuffle=False
    )
    assert count == 2
    for found, wanted in zip(refreshed(trained), expected(trained, in_batches(X, 8)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)
    assert getattr(data, "hooks", 0) == 0


def test_steps_limit_the_data_and_a_seed_shuffles_them(trained):
    refresh_batch_norm(trained, X, Y, batch_size=8, steps=2, shuffle=False)
    np.testing.assert_allclose(refreshed(trained)[0], expected(trained, in_batches(X[:16], 8))[0], rtol=1e-5)
    found = []
    for seed in (5, 6, 5):
        refresh_batch_norm(trained, X, batch_size=8, steps=1, seed=seed)
        found.append(refreshed(trained)[0])
    np.testing.assert_array_equal(found[0], found[2])
    assert np.abs(found[0] - found[1]).max() > 0.01
    refresh_batch_norm(trained, Batches(), steps=1, seed=2)
    places = np.random.default_rng(2).permutation(3)[:1] * 8
    np.testing.assert_allclose(refreshed(trained)[0], expected(trained, [X[places[0] :][:8]])[0], rtol=1e-5)


def test_the_step_is_compiled_once(trained):
    refresh_batch_norm(trained, X, batch_size=11)
    calls = []
    layer = trained.layers[1]
    call = layer.call
    vars(layer)["call"] = lambda *args, **options: (calls.append(1), call(*args, **options))[1]
    try:
        refresh_batch_norm(trained, X, batch_size=11)
        assert len(calls) == (2 if BACKEND == "torch" else 0)
        layer.trainable = False
        refresh_batch_norm(trained, X, batch_size=11)
        assert len(calls) > 0
    finally:
        layer.trainable = True
        del vars(layer)["call"]


def everything(model):
    """Everything that a training may change, by name: variables, random states, and Keras's attributes of a model."""
    values = {f"{place} {variable.path}": host(variable) for place, variable in enumerate(model.variables)}
    values |= {f"optimizer {place}": host(variable) for place, variable in enumerate(model.optimizer.variables)}
    values |= {f"metric {place}": host(variable) for place, variable in enumerate(model.metrics_variables)}
    values["numpy"] = np.random.get_state()[1]  # noqa: NPY002
    values["python"] = np.array(hash(random.getstate()))
    for name in ("train_function", "predict_function", "test_function"):
        values[name] = np.array(id(getattr(model, name, None)))
    return values


class FailingData(keras.utils.PyDataset):
    def __init__(self, at):
        super().__init__()
        self.at = at

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == self.at:
            raise RuntimeError("no data")
        return X[:8], Y[:8]


@pytest.mark.parametrize("failing", [None, 0, 2])
def test_nothing_else_changes(failing):
    layers = keras.layers
    norm = layers.BatchNormalization(name="norm")
    model = compiled(network(layers.Dense(5), norm, layers.Dropout(0.5), layers.Dense(1)), run_eagerly=BACKEND != "jax")
    model.fit(X, Y, batch_size=8, verbose=0)
    model.predict(X, verbose=0)
    before = everything(model)
    if failing is None:
        refresh_batch_norm(model, X, batch_size=8)
    else:
        # TensorFlow raises an error of its own class if the data raise one.
        with pytest.raises(Exception, match="no data"):
            refresh_batch_norm(model, FailingData(failing), shuffle=False)
    after = everything(model)
    changed = [name for name, value in before.items() if not np.array_equal(value, after[name])]
    assert [name.split("/")[-1] for name in changed] == (["moving_mean", "moving_variance"] if failing is None else [])
    model.fit(X, Y, batch_size=8, verbose=0)


class Fixed(keras.layers.Layer):
    """Normalizes by its moving statistics even in training."""

    def __init__(self):
        super().__init__()
        self.norm = keras.layers.BatchNormalization()

    def call(self, x):
        return self.norm(x, training=False)


def test_a_frozen_layer_keeps_its_statistics_and_one_in_a_nested_model_gets_new_ones():
    layers = keras.layers
    frozen, nested, fixed = layers.BatchNormalization(), layers.BatchNormalization(), Fixed()
    frozen.trainable = False
    inputs = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), nested, layers.Dense(3)])
    model = keras.Model(inputs, fixed(inner(frozen(inputs))))
    before = [statistics(layer) for layer in (frozen, fixed.norm)]
    assert refresh_batch_norm(model, X) == 1  # a model that was never compiled
    np.testing.assert_equal([statistics(layer) for layer in (frozen, fixed.norm)], before)
    seen = X / np.sqrt(1.0 + 1e-3)
    np.testing.assert_allclose(statistics(nested), [seen.mean(axis=0), seen.var(axis=0)], rtol=1e-5)
    nested.trainable = False
    assert refresh_batch_norm(model, X) == 0


def test_a_layer_that_is_called_twice_has_the_statistics_of_both_calls():
    norm, inputs = keras.layers.BatchNormalization(), keras.Input((4,))
    model = keras.Model(inputs, [norm(inputs), norm(inputs * 3.0)])
    assert refresh_batch_norm(model, X, batch_size=8) == 1
    both = np.concatenate([X, 3.0 * X])
    np.testing.assert_allclose(statistics(norm), [both.mean(axis=0), both.var(axis=0)], rtol=1e-5)


def test_statistics_of_images_axes_and_masks_are_right():
    images = np.random.default_rng(2).normal(1.0, 3.0, (6, 5, 2, 3)).astype("float32")
    norm = keras.layers.BatchNormalization(axis=1)
    refresh_batch_norm(network(norm, shape=(5, 2, 3)), images, batch_size=4)
    axes = (0, 2, 3)
    np.testing.assert_allclose(statistics(norm), [images.mean(axis=axes), images.var(axis=axes)], rtol=1e-5)
    # Each token that is not masked counts once, however many tokens its batch has.
    tokens = images[..., 0].copy()
    lengths = [1, 5, 2, 4, 3, 1]
    for row, length in zip(tokens, lengths, strict=True):
        row[length:] = -1.0
    masked = keras.layers.BatchNormalization()
    refresh_batch_norm(network(keras.layers.Masking(-1.0), masked, shape=(5, 2)), tokens, batch_size=2, shuffle=False)
    there = np.concatenate([row[:length] for row, length in zip(tokens, lengths, strict=True)])
    np.testing.assert_allclose(statistics(masked), [there.mean(axis=0), there.var(axis=0)], rtol=1e-5)


def test_batch_renormalization_gets_its_standard_deviation_too():
    norm = keras.layers.BatchNormalization(renorm=True)
    refresh_batch_norm(network(norm), X, batch_size=8)
    np.testing.assert_allclose(statistics(norm), of_all([X]), rtol=1e-5)
    np.testing.assert_allclose(host(norm.moving_stddev), np.sqrt(X.var(axis=0) + 1e-3), rtol=1e-5)
    np.testing.assert_array_equal(host(norm.renorm_mean), 0.0)


def test_statistics_in_mixed_precision_are_right():
    norm = keras.layers.BatchNormalization(dtype="mixed_float16")
    model = compiled(network(norm, keras.layers.Dense(1, dtype="mixed_float16")), run_eagerly=BACKEND != "jax")
    model.fit(X, Y, verbose=0)
    assert refresh_batch_norm(model, X, batch_size=8) == 1
    half = X.astype("float16").astype(float)
    np.testing.assert_allclose(statistics(norm), [half.mean(axis=0), half.var(axis=0)], rtol=1e-5)
    assert norm.moving_mean.dtype == "float32"


def test_a_model_without_such_a_layer_is_refused_and_one_that_is_not_built_is_built():
    with pytest.raises(ValueError, match=r"^refresh_batch_norm: `model` must be a model with a BatchNormalization, g"):
        refresh_batch_norm(network(keras.layers.LayerNormalization()), X)
    model = keras.Sequential([keras.layers.BatchNormalization()])
    assert refresh_batch_norm(model, X) == 1
    np.testing.assert_allclose(statistics(model.layers[0]), [X.mean(axis=0), X.var(axis=0)], rtol=1e-5)
    with pytest.raises(ValueError, match=r"^refresh_batch_norm: `model` must be a model with a BatchNormalization, g"):
        refresh_batch_norm(keras.Sequential([keras.layers.Dense(1)]), X)
    with pytest.raises(TypeError, match=r"^refresh_batch_norm: `model` must be a Keras model, got 3$"):
        refresh_batch_norm(3, X)


def test_the_evaluation_agrees_with_the_current_weights(trained):
    """With the statistics of one batch of all data, inference and training mode agree."""
    refresh_batch_norm(trained, X, batch_size=len(X))
    inference = host(trained(X, training=False))
    before = [host(variable) for variable in trained.non_trainable_variables]
    training = host(trained(X, training=True))
    for variable, value in zip(trained.non_trainable_variables, before, strict=True):
        variable.assign(value)
    np.testing.assert_allclose(inference, training, rtol=1e-4, atol=1e-5)
