"""`layerwise_decay` finds the blocks, their order, and patterns for their variables."""

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
    """A subclassed model with a token as a weight."""

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


def test_the_factors_are_those_of_beit():
    """Embeddings, tokens and positions: decay^(N+1). Block i: decay^(N+1−i). Last normalization and head: 1, unless given."""
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
    """The names are those of Keras Applications. Block 1 is not block 10."""
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
    [("ResNet50V2", 18, "post_bn"), ("ConvNeXtTiny", 23, "norm"), ("MobileNetV2", 19, "Conv_1_bn")],
)
def test_blocks_of_keras_applications(name, blocks, last):
    """ResNet-50 has 16 residual blocks and a stem. ConvNeXt-T has 18, a stem, three downsamplings and a normalization.

    The head is a new layer after the backbone as a nested model, or that of the model itself.
    """
    make = getattr(keras.applications, name)
    backbone = make(weights=None, include_top=False, input_shape=(64, 64, 3))
    model = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D(), dense("classify")])
    model.build((None, 64, 64, 3))
    whole = make(weights=None, input_shape=(64, 64, 3), classes=3)
    for it in (model, whole):
        factors = layerwise_decay(it, 0.8, head=10)
        assert table(factors, it)[it.trainable_variables[-1].path] == 10.0
        assert list(factors.values()).count(10.0) == 1
        assert len(factors) == blocks + 1
        assert last in list(factors)[-2]


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


def test_lora_is_trained_inside_frozen_layers():
    """As with Keras Hub's `enable_lora`, a layer is trained although the layers around it are frozen."""
    model = Vit(name="vit")
    model.build((None, 2, 4))
    for layer in model._flatten_layers(include_self=False):
        layer.trainable = False
    for block in model.encoder.blocks:
        query = block.attention._query_dense
        query.trainable = True
        query.enable_lora(2)
    model.top.trainable = True
    model.token.trainable = False
    found = table(layerwise_decay(model, 0.5, head=3.0), model)
    assert {path.split("/")[-1] for path in found} == {"bias", "kernel", "lora_kernel_a", "lora_kernel_b"}
    assert {path.split("/")[-4]: it for path, it in found.items() if "lora" in path} == {
        "layer_0": 0.125,
        "layer_1": 0.25,
        "layer_2": 0.5,
    }
    assert {it for path, it in found.items() if "/top/" in path} == {3.0}


@pytest.mark.parametrize("last", ["block", "norm"])
def test_a_model_without_a_head(last):
    """A backbone, or a language model whose output is computed with its embedding."""
    tokens = keras.Input((3,), dtype="int32")
    x = keras.layers.Embedding(9, 4, name="tokens")(tokens)
    for place in range(2):
        x = Block(name=f"body_{place}")(x)
    if last == "norm":
        x = norm("last")(x)
    backbone = keras.Model(tokens, x, name="backbone")
    task = keras.Model(tokens, keras.layers.Activation("tanh")(backbone(tokens)), name="task")
    for model in (backbone, task):
        assert layerwise_decay(model, 0.5) == {
            "(^|/)tokens/": 0.125,
            "(^|/)body_0/": 0.25,
            "(^|/)body_1/": 0.5,
            **({"(^|/)last/": 1.0} if last == "norm" else {}),
        }
        highest = "last" if last == "norm" else "body_1"
        with pytest.raises(
            ValueError,
            match=f"`head` must be 1.0 for a model without a head, as this one is: it ends with '{highest}'.*got 10",
        ):
            layerwise_decay(model, 0.5, head=10)


class Reversible(keras.layers.Embedding):
    """An embedding with separate weights for the output, as in Llama."""

    def build(self, shape=None):
        super().build(shape)
        self.reverse_embeddings = self.add_weight(shape=(4, 9), name="reverse_embeddings")


def test_weights_of_an_embedding_for_the_output_are_the_head():
    tokens = keras.Input((3,), dtype="int32")
    x = Reversible(9, 4, name="tokens")(tokens)
    for place in range(2):
        x = Block(name=f"body_{place}")(x)
    model = keras.Model(tokens, norm("last")(x), name="llama")
    found = table(layerwise_decay(model, 0.5, head=3.0), model)
    assert [found[f"tokens/{name}"] for name in ("embeddings", "reverse_embeddings")] == [0.125, 3.0]
    assert found["last/gamma"] == 1.0


def test_a_nested_stem_is_no_backbone():
    """The layers after the last nested model are the head, unless they are larger or their names contain blocks."""
    inputs = keras.Input((4,))
    stem = keras.Sequential([dense("first"), norm("first_norm")], name="stem")
    for names, rates in (
        (["a", "b", "c"], [0.25, 0.5, 10.0]),
        (["stage_3_block_0_dense", "head"], [0.5, 10.0]),
        (["up", "head"], [10.0, 10.0]),
    ):
        x = stem(inputs)
        for name in names:
            x = dense(name)(x)
        model = keras.Model(inputs, x, name="m")
        found = by_layer(layerwise_decay(model, 0.5, head=10), model)
        assert [found[name] for name in names] == rates, names


def test_the_head_of_a_nested_model():
    """If nothing follows the last nested model, its own head is the head."""
    body = keras.Sequential([keras.Input((4,)), dense("a"), dense("b")], name="body")
    whole = keras.Sequential([keras.Input((4,)), body, dense("up"), dense("top")], name="whole")
    noise = keras.Sequential([keras.layers.GaussianNoise(0.1)], name="noise")
    model = keras.Sequential([keras.Input((4,)), noise, whole], name="m")
    found = by_layer(layerwise_decay(model, 0.5, head=10), model)
    assert {path.split("/")[-1]: factor for path, factor in found.items()} == {
        "a": 0.25,
        "b": 0.5,
        "up": 10.0,
        "top": 10.0,
    }


class T5LayerNorm(keras.layers.Layer):
    """A normalization that is not a class of Keras."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], name="scale")

    def call(self, x):
        return x * self.scale


def test_patches_between_stages_and_norms_of_other_libraries():
    inputs = keras.Input((2, 4))
    x = inputs
    for stage in range(2):
        x = dense(f"patch_and_embed_{stage}")(x)
        for place in range(2):
            x = Block(name=f"body_{stage}_{place}")(x)
        x = T5LayerNorm(name=f"scale_{stage}")(x)
    model = keras.Model(inputs, dense("top")(x), name="stages")
    found = {path.split("/")[0]: factor for path, factor in by_layer(layerwise_decay(model, 0.5, 3.0), model).items()}
    assert found == {
        "patch_and_embed_0": 1 / 64,
        "body_0_0": 1 / 32,
        "body_0_1": 1 / 16,
        "scale_0": 1 / 16,
        "patch_and_embed_1": 1 / 8,
        "body_1_0": 1 / 4,
        "body_1_1": 1 / 2,
        "scale_1": 1.0,
        "top": 3.0,
    }


class Stage(keras.layers.Layer):
    """A stage whose blocks have the same names as those of other stages, as in Keras Hub's Swin Transformer."""

    def __init__(self, **options):
        super().__init__(**options)
        self.blocks = [Block(name=f"blocks_{place}") for place in range(2)]

    def build(self, shape):
        for block in self.blocks:
            block.build(shape)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def test_blocks_of_the_same_name_in_two_stages():
    inputs = keras.Input((2, 4))
    x = Stage(name="stage_1")(Stage(name="stage_0")(inputs))
    model = keras.Model(inputs, dense("top")(x), name="swin")
    assert layerwise_decay(model, 0.5) == {
        "(^|/)stage_0/blocks_0/": 1 / 16,
        "(^|/)stage_0/blocks_1/": 1 / 8,
        "(^|/)stage_1/blocks_0/": 1 / 4,
        "(^|/)stage_1/blocks_1/": 1 / 2,
        "(^|/)top/": 1.0,
    }


class Relative(Block):
    """A block whose table of relative positions is built early, so the path of the table lacks the block's name."""

    def __init__(self, **options):
        super().__init__(**options)
        self.table = keras.layers.Embedding(3, 4, name="position_embedding")
        self.table.build()


def test_embeddings_of_two_stacks_with_the_same_path_are_lowest():
    """T5 has such a table in each of its stacks, and a pattern cannot distinguish them."""
    parts = [Relative(name=name) for name in ("encoder", "decoder")]
    model = keras.Sequential([keras.Input((2, 4)), *parts, dense("top")], name="t5")
    tables = [it.path for it in model.trainable_variables if tuple(it.shape) == (3, 4)]
    assert tables == ["position_embedding/embeddings"] * 2
    found = table(layerwise_decay(model, 0.5), model)
    assert found[tables[0]] == 0.25
    assert {factor for path, factor in found.items() if "decoder/" in path} == {0.5}


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
def test_wrong_multipliers_are_refused(change, error, message):
    model = keras.Sequential([keras.Input((4,)), dense("a")])
    with pytest.raises(error, match=f"layerwise_decay: {message}"):
        layerwise_decay(**{"model": model, "decay": 0.5, **change})
