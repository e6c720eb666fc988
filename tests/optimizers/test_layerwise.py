"""`layerwise_decay`: the blocks, their order, and the patterns of their variables."""

import re

import keras
import numpy as np
import pytest

import keras_lr as klr
from keras_lr import Scheduled, layerwise_decay

pytestmark = pytest.mark.once


def dense(name, **options):
    return keras.layers.Dense(4, name=name, **options)


def norm(name):
    return keras.layers.LayerNormalization(name=name)


class Block(keras.layers.Layer):
    """A small Transformer block: attention, two normalizations, two dense layers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.attention = keras.layers.MultiHeadAttention(1, 4, name="attention")
        self.cross = keras.layers.MultiHeadAttention(1, 4, name="cross")
        self.first, self.second = norm("first"), norm("second")
        self.up, self.down = dense("up"), dense("down")

    def build(self, shape):
        for layer in (self.first, self.second, self.up, self.down):
            layer.build(shape)
        self.attention.build(shape, shape)
        self.cross.build(shape, shape)

    def call(self, x):
        x = x + self.attention(self.first(x), x) + self.cross(x, x)
        return x + self.down(self.up(self.second(x)))


class Encoder(keras.layers.Layer):
    """Blocks in a list, a separate weight and a last normalization, as in Keras Hub's ViT."""

    def __init__(self, count, **options):
        super().__init__(**options)
        self.blocks = [Block(name=f"layer_{place}") for place in range(count)]
        self.last = norm("last")

    def build(self, shape):
        self.position = self.add_weight(shape=shape[1:], name="position")
        for layer in (*self.blocks, self.last):
            layer.build(shape)

    def call(self, x):
        x = x + self.position
        for block in self.blocks:
            x = block(x)
        return self.last(x)


class Vit(keras.Model):
    """A subclassed model with its own token."""

    def __init__(self, **options):
        super().__init__(**options)
        self.token = self.add_weight(shape=(1, 1, 4), name="token")
        self.patches = dense("patches")
        self.encoder = Encoder(3, name="encoder")
        self.top = dense("top")

    def build(self, shape):
        for layer in (self.patches, self.encoder, self.top):
            layer.build((*shape[:-1], 4))

    def call(self, x):
        return self.top(self.encoder(self.patches(x) + self.token))


def bert():
    """Token and position embeddings, blocks and a pooler, as a functional model."""
    tokens = keras.Input((3,), dtype="int32")
    places = keras.layers.Lambda(lambda it: it * 0, name="places")(tokens)
    x = keras.layers.Embedding(9, 4, name="token_embedding")(tokens)
    x = x + keras.layers.Embedding(3, 4, name="position_embedding")(places)
    x = norm("embeddings_norm")(x)
    for place in range(2):
        x = Block(name=f"transformer_{place}")(x)
    return keras.Model(tokens, x, name="bert")


def table(factors, model):
    """The factor of each variable, by its path without the name of the model, as `Scheduled` uses them."""
    found = {}
    for variable in model.trainable_variables:
        matching = [factor for pattern, factor in factors.items() if re.search(pattern, variable.path)]
        assert len(matching) == 1, variable.path
        found[variable.path] = matching[0]
    return found


def by_layer(factors, model):
    """The factors by the last layer name in a path."""
    return {path.rsplit("/", 1)[0]: factor for path, factor in table(factors, model).items()}


def test_a_sequential_model():
    layers = [dense("a"), norm("a_norm"), dense("b"), keras.layers.ReLU(), dense("c")]
    model = keras.Sequential([keras.Input((4,)), *layers], name="s")
    factors = layerwise_decay(model, 0.5)
    assert factors == {"(^|/)(a|a_norm)/": 0.25, "(^|/)b/": 0.5, "(^|/)c/": 1.0}
    assert by_layer(factors, model) == {"s/a": 0.25, "s/a_norm": 0.25, "s/b": 0.5, "s/c": 1.0}


def test_beits_rule():
    """Embeddings, tokens and positions have decay^(N+1), block i decay^(N+1−i), the last normalization and the head 1."""
    model = Vit(name="vit")
    model.build((None, 2, 4))
    found = by_layer(layerwise_decay(model, 0.5, head=3.0), model)
    top = {path.split("/")[2] if path.count("/") > 1 else path: factor for path, factor in found.items()}
    assert {top[f"layer_{place}"] for place in range(3)} == {0.125, 0.25, 0.5}
    assert [top["layer_0"], top["layer_1"], top["layer_2"], top["last"], top["vit/top"]] == [0.125, 0.25, 0.5, 1.0, 3.0]
    assert [found["vit"], found["vit/patches"], found["vit/encoder"]] == [0.0625] * 3


def test_a_functional_backbone_with_a_head_of_two_layers():
    backbone = bert()
    tokens = keras.Input((3,), dtype="int32")
    x = dense("pooled")(keras.layers.GlobalAveragePooling1D()(backbone(tokens)))
    model = keras.Model(tokens, dense("logits")(keras.layers.Dropout(0.1)(x)), name="classifier")
    found = by_layer(layerwise_decay(model, 0.1, head=10), model)
    of = {path.split("/")[0]: factor for path, factor in found.items()}
    assert of == pytest.approx(
        {
            "token_embedding": 0.001,
            "position_embedding": 0.001,
            "embeddings_norm": 0.001,
            "transformer_0": 0.01,
            "transformer_1": 0.1,
            "pooled": 10.0,
            "logits": 10.0,
        }
    )


def test_layers_whose_names_share_a_block_are_one():
    """In the names of Keras Applications; block 1 is not block 10."""
    names = [
        "conv1_conv",
        "conv2_block1_1_conv",
        "conv2_block1_2_conv",
        "conv2_block10_1_conv",
        "block1a_expand",
        "top",
    ]
    model = keras.Sequential([keras.Input((4,)), *map(dense, names)], name="s")
    found = by_layer(layerwise_decay(model, 0.5), model)
    assert [found[f"s/{name}"] for name in names] == [1 / 16, 1 / 8, 1 / 8, 1 / 4, 1 / 2, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "blocks", "last"),
    [("ResNet50", 17, "conv5_block3"), ("ConvNeXtTiny", 23, "layer_normalization"), ("EfficientNetB0", 18, "top_conv")],
)
def test_keras_applications(name, blocks, last):
    """ResNet-50 has 16 residual blocks and a stem; ConvNeXt-T 18, a stem, three downsamplings and a normalization."""
    backbone = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(64, 64, 3))
    model = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D(), dense("classify")])
    model.build((None, 64, 64, 3))
    factors = layerwise_decay(model, 0.8, head=10)
    table(factors, model)
    patterns = list(factors)
    assert len(patterns) == blocks + 1
    assert factors[patterns[-1]] == 10.0
    assert last in patterns[-2]


def test_frozen_layers_are_left_out_and_shared_ones_counted_once():
    shared = dense("shared")
    inputs = keras.Input((4,))
    frozen = dense("frozen")
    x = shared(shared(frozen(inputs)))
    model = keras.Model(inputs, dense("top")(x), name="m")
    frozen.trainable = False
    assert layerwise_decay(model, 0.5) == {"(^|/)shared/": 0.5, "(^|/)top/": 1.0}


def test_names_that_occur_in_other_paths():
    """A head `up` is not the layer `up` of a block."""
    inputs = keras.Input((2, 4))
    model = keras.Model(inputs, dense("up")(Block(name="body")(inputs)), name="m")
    found = by_layer(layerwise_decay(model, 0.5), model)
    assert found["up"] == 1.0
    assert {factor for path, factor in found.items() if path != "up"} == {0.5}


def test_paths_that_two_blocks_share_are_refused():
    inputs = [keras.Input((4,)) for _ in range(2)]
    inner = [keras.Model(it, dense("same")(it), name=name) for it, name in zip(inputs, "ab", strict=True)]
    model = keras.Sequential([keras.Input((4,)), *inner, dense("top")], name="m")
    with pytest.raises(ValueError, match="layerwise_decay: `model` must be a model whose layers have different names"):
        layerwise_decay(model, 0.5)


def test_it_prints_as_a_table_and_can_be_edited():
    model = keras.Sequential([keras.Input((4,)), *map(dense, "abc")], name="s")
    factors = layerwise_decay(model, 0.5, head=10)
    assert str(factors).splitlines() == [
        "factor  variables  parameters  pattern",
        "  0.25          2          20  (^|/)a/",
        "   0.5          2          20  (^|/)b/",
        "    10          2          20  (^|/)c/",
    ]
    factors["(^|/)a/"] *= klr.Sequential([0.0, 1.0], [5])
    del factors["(^|/)b/"]
    assert str(factors).splitlines()[-1].split() == ["1", "2", "20", "(the", "rest)"]
    optimizer = Scheduled(keras.optimizers.SGD(0.1), multipliers=factors)
    optimizer.build(model.trainable_variables)
    assert optimizer.multipliers == dict(factors)


def test_a_schedule_for_the_head():
    model = keras.Sequential([keras.Input((4,)), *map(dense, "ab")])
    warm = klr.LinearDecay(10.0, 5)
    assert layerwise_decay(model, 0.5, head=warm)["(^|/)b/"] == warm


def test_the_weights_move_by_these_rates():
    model = keras.Sequential(
        [keras.Input((4,)), *[keras.layers.Dense(4, name=name, use_bias=False) for name in "abc"]], name="s"
    )
    optimizer = Scheduled(keras.optimizers.Lion(0.01), multipliers=layerwise_decay(model, 0.5, head=10))
    before = model.get_weights()
    model.compile(optimizer, loss="mse", run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    model.train_on_batch(x, x)
    moved = [np.abs(b - a) for a, b in zip(model.get_weights(), before, strict=True)]
    for change, factor in zip(moved, (0.25, 0.5, 10.0), strict=True):
        np.testing.assert_allclose(change, 0.01 * factor, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": 3}, TypeError, "`model` must be a Keras model, got 3"),
        ({"decay": 0}, ValueError, r"`decay` must be a number in \(0, 1\], got 0"),
        ({"decay": 1.5}, ValueError, r"`decay` must be a number in \(0, 1\], got 1.5"),
        ({"decay": "x"}, TypeError, r"`decay` must be a number in \(0, 1\], got 'x'"),
        ({"head": -1}, ValueError, "`head` must be a schedule or a finite number >= 0, got -1"),
        ({"model": keras.Sequential([dense("a")])}, ValueError, "`model` must be a built model"),
    ],
)
def test_refusals(change, error, message):
    model = keras.Sequential([keras.Input((4,)), dense("a")])
    with pytest.raises(error, match=f"layerwise_decay: {message}"):
        layerwise_decay(**{"model": model, "decay": 0.5, **change})
