"""`norms_and_biases` returns the variables that should not decay."""

import keras
import numpy as np
import pytest

import keras_lr as klr
from keras_lr import norms_and_biases


class Scale(keras.layers.Layer):
    """A custom layer that scales each channel."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
        self.table = self.add_weight(shape=(3, shape[-1]), initializer="ones", name="table")
        super().build(shape)

    def call(self, x):
        return x * self.scale


def model_of(*layers, shape=(6, 4)):
    return keras.Sequential([keras.Input(shape), *layers])


LAYERS = keras.layers
CASES = {
    "a matrix and its bias": (LAYERS.Dense(3, name="a"), ["a/bias"]),
    "a batch norm": (LAYERS.BatchNormalization(name="a"), ["a/gamma", "a/beta"]),
    "a layer norm of two axes": (LAYERS.LayerNormalization(axis=(1, 2), name="a"), ["a/gamma", "a/beta"]),
    "a group norm": (LAYERS.GroupNormalization(2, name="a"), ["a/gamma", "a/beta"]),
    "attention, whose biases have two axes": (
        LAYERS.MultiHeadAttention(2, 3, name="a"),
        ["a/query/bias", "a/key/bias", "a/value/bias", "a/attention_output/bias"],
    ),
    "a recurrent layer, whose bias has two axes": (LAYERS.GRU(3, name="a"), ["a/gru_cell/bias"]),
    "a scale of your own, but no table": (Scale(name="a"), ["a/scale"]),
    "a spectral norm, whose kernel decays": (
        LAYERS.SpectralNormalization(LAYERS.Dense(3, name="inner"), name="a"),
        ["a/inner/bias"],
    ),
    "nested": (model_of(LAYERS.Dense(2, use_bias=False), LAYERS.BatchNormalization(name="b")), ["b/gamma", "b/beta"]),
}
if hasattr(LAYERS, "RMSNormalization"):  # since Keras 3.9
    CASES["an RMS norm"] = (LAYERS.RMSNormalization(name="a"), ["a/scale"])


@pytest.mark.once
@pytest.mark.parametrize("case", CASES)
def test_norms_and_biases_of_each_kind_of_layer(case):
    layer, expected = CASES[case]
    inputs = keras.Input((6, 4))
    outputs = layer(inputs, inputs) if isinstance(layer, LAYERS.MultiHeadAttention) else layer(inputs)
    model = keras.Model(inputs, outputs)
    found = norms_and_biases(model)
    assert [variable.path.split("/", 1)[1] if case == "nested" else variable.path for variable in found] == expected


def short(variable):
    """The last two parts of a path. A loaded model has the same, even if its name is not in the path."""
    return "/".join(variable.path.split("/")[-2:])


@pytest.mark.once
def test_frozen_layers_are_left_out_and_wrong_models_refused():
    frozen = LAYERS.BatchNormalization(name="frozen")
    frozen.trainable = False
    (found,) = norms_and_biases(model_of(frozen, LAYERS.Dense(1, name="last")))
    assert short(found) == "last/bias"
    with pytest.raises(ValueError, match=r"^norms_and_biases: `model` must be a built model, got <Seq"):
        norms_and_biases(keras.Sequential([LAYERS.Dense(1)]))
    with pytest.raises(TypeError, match=r"^norms_and_biases: `model` must be a Keras model, got 3$"):
        norms_and_biases(3)


def values(model):
    return {short(variable): np.array(keras.ops.convert_to_numpy(variable)) for variable in model.trainable_variables}


@pytest.mark.parametrize("is_scheduled", [False, True])
def test_they_do_not_decay_with_rates_by_layer_and_after_loading(is_scheduled, tmp_path):
    """With a gradient of 0 only the decay acts: w ← w·(1 − rate · factor · decay)."""
    model = model_of(LAYERS.Dense(2, name="a"), LAYERS.BatchNormalization(name="b"), LAYERS.Dense(1, name="c"))
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape, "float32"))
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.2)
    if is_scheduled:
        optimizer = klr.Scheduled(optimizer, multipliers=klr.layerwise_decay(model, 0.5, head=2.0))
    optimizer.exclude_from_weight_decay(var_list=norms_and_biases(model))
    model.compile(optimizer, loss=nothing, run_eagerly=True)
    x = np.ones((4, 6, 4), "float32")
    model.fit(x, x, verbose=0)
    factors = {"a/kernel": 0.5, "c/kernel": 2.0} if is_scheduled else {"a/kernel": 1.0, "c/kernel": 1.0}
    expected = {path: 1.0 - 0.5 * 0.2 * factors.get(path, 0.0) for path in values(model)}
    for path, value in values(model).items():
        np.testing.assert_allclose(value, expected[path], rtol=1e-6, err_msg=path)
    if is_scheduled:
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        loaded.run_eagerly = True
        loaded.fit(x, x, verbose=0)
        for path, value in values(loaded).items():
            np.testing.assert_allclose(value, expected[path] ** 2, rtol=1e-6, err_msg=path)


@keras.saving.register_keras_serializable("tests")
def nothing(y, prediction):
    return 0.0 * keras.ops.sum(prediction, axis=-1)
