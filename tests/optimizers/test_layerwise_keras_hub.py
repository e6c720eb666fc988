"""`layerwise_decay` on small models of Keras Hub with random weights. Nothing is downloaded.

Keras Hub is not in `test-all`, because its dependency tensorflow-text installs a second TensorFlow. Without that it is
small:
`pip install --no-deps keras-hub kagglehub kagglesdk==0.1.28 tokenizers sentencepiece regex huggingface-hub`.
"""

import re

import pytest
from support.needs import needs

from keras_lr import layerwise_decay

# Keras Hub's T5 warns about layers without masks.
pytestmark = [pytest.mark.once, needs("keras_hub"), pytest.mark.filterwarnings("ignore::UserWarning")]

TEXT = {"vocabulary_size": 30, "num_layers": 2, "hidden_dim": 8, "intermediate_dim": 16}
HEADS = {**TEXT, "num_heads": 2}
PLACES = {**HEADS, "max_sequence_length": 12}
KEYS = {**TEXT, "num_query_heads": 2, "num_key_value_heads": 1}
PATCHES = {"image_shape": (16, 16, 3), "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 8}
STAGES = {"image_shape": (32, 32, 3), "stackwise_num_blocks": [1, 2], "stackwise_num_strides": [1, 2]}
RESNET = {**STAGES, "input_conv_filters": [64], "input_conv_kernel_sizes": [7], "stackwise_num_filters": [64, 8]}
MIT = {
    "image_shape": (32, 32, 3),
    "num_layers": 2,
    "layerwise_depths": [1, 2],
    "hidden_dims": [4, 8],
    "layerwise_num_heads": [1, 2],
    "layerwise_sr_ratios": [2, 1],
    "layerwise_patch_sizes": [7, 3],
    "layerwise_strides": [4, 2],
    "max_drop_path_rate": 0.1,
}
SWIN = {"image_shape": (32, 32, 3), "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "window_size": 4}
BLOCKS = ["transformer_layer_0", "transformer_layer_1"]
STACKS = [f"transformer_{side}_layer_{place}" for side in ("encoder", "decoder") for place in range(2)]

BACKBONES = {
    "BertBackbone": (PLACES, ["token_embedding|segment|embeddings_layer_norm", *BLOCKS], "", "pooled_dense"),
    "RobertaBackbone": (PLACES, ["embeddings", *BLOCKS], "", ""),
    "DistilBertBackbone": (PLACES, ["token_and_position_embedding", *BLOCKS], "", ""),
    "DebertaV3Backbone": (
        {**PLACES, "bucket_size": 4},
        ["token_embedding|rel_emb", *(f"disentangled_attention_encoder_layer_{place}" for place in range(2))],
        "",
        "",
    ),
    "GPT2Backbone": (PLACES, ["token_embedding|position_embedding", *BLOCKS], "^layer_norm/", ""),
    "LlamaBackbone": (
        KEYS,
        ["token_embedding/embeddings$", *BLOCKS],
        "sequence_output_layernorm",
        "token_embedding/reverse_embeddings",
    ),
    "GemmaBackbone": (
        {**KEYS, "head_dim": 4},
        ["token_embedding", "decoder_block_0", "decoder_block_1"],
        "final_normalization",
        "",
    ),
    "T5Backbone": (HEADS, ["token_embedding|^self_attention/embeddings", *STACKS], "decoder_output_layer_norm", ""),
    "BartBackbone": (PLACES, ["token_embedding|position_embedding|embeddings_layer_norm", *STACKS], "", ""),
    "ViTBackbone": (
        {**PATCHES, "mlp_dim": 16},
        ["vit_patching_and_embedding", "transformer_block_1", "transformer_block_2"],
        r"(^|/)ln/",
        "",
    ),
    "DINOV2Backbone": (
        {**PATCHES, "image_shape": (28, 28, 3), "patch_size": 14, "intermediate_dim": 16},
        ["embeddings", "layers_0", "layers_1"],
        "layernorm",
        "",
    ),
    "SwinTransformerBackbone": (
        {**SWIN, "patch_size": 4},
        ["patch_embedding", "stage_0/blocks_0", "downsample", "stage_1/blocks_0", "stage_1/blocks_1"],
        "^norm/",
        "",
    ),
    "ResNetBackbone": (
        {**RESNET, "block_type": "basic_block"},
        ["conv1_", "stack0_block0_", "stack1_block0_", "stack1_block1_"],
        "",
        "",
    ),
}
"""Of each class: arguments, what the paths of its blocks contain, from the lowest, its last norm and its head."""


def made(name):
    import keras_hub

    return getattr(keras_hub.models, name)(**BACKBONES[name][0])


def factor_of(factors, path):
    (found,) = [factor for pattern, factor in factors.items() if re.search(pattern, path)]
    return found


def assert_order(model, blocks, final="", head="", factor=1.0):
    """Each block must have half the factor of the next one, the last norm 1, and the head a given factor."""
    factors = layerwise_decay(model, 0.5, head=factor)
    paths = [variable.path for variable in model.trainable_variables]
    for pattern, expected in (
        *((block, 0.5 ** (len(blocks) - place)) for place, block in enumerate(blocks)),
        *([(final, 1.0)] if final else []),
        *([(head, factor)] if head else []),
    ):
        matching = [path for path in paths if re.search(pattern, path)]
        assert matching, pattern
        assert {factor_of(factors, path) for path in matching} == {expected}, pattern
    assert len(factors) == len(blocks) + bool(final) + bool(head)


@pytest.mark.parametrize("name", BACKBONES)
def test_blocks_of_each_backbone_are_in_order(name):
    assert_order(made(name), *BACKBONES[name][1:])


def test_patches_of_a_later_stage():
    """They come between two stages, and not before all blocks."""
    import keras_hub

    model = keras_hub.models.MiTBackbone(**MIT)
    factors = layerwise_decay(model, 0.5)
    layers = ["patch_and_embed_0", "hierarchical_encoder_0_0", "patch_and_embed_1", "hierarchical_encoder_1_0"]
    paths = {variable.path.split("/")[0]: variable.path for variable in model.trainable_variables}
    assert [factor_of(factors, paths[name]) for name in layers] == [1 / 32, 1 / 16, 1 / 8, 1 / 4]
    assert list(factors.values())[-2:] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("task", "name", "head"),
    [
        ("BertTextClassifier", "BertBackbone", "logits"),
        ("BertMaskedLM", "BertBackbone", "mlm_head"),
        ("RobertaTextClassifier", "RobertaBackbone", "pooled_dense|logits"),
        ("ViTImageClassifier", "ViTBackbone", "predictions"),
        ("ResNetImageClassifier", "ResNetBackbone", "predictions"),
    ],
)
def test_tasks(task, name, head):
    import keras_hub

    options = {} if task == "BertMaskedLM" else {"num_classes": 2}
    model = getattr(keras_hub.models, task)(made(name), preprocessor=None, **options)
    _, blocks, final, pooler = BACKBONES[name]
    assert_order(model, [*blocks, pooler] if pooler else blocks, final, head, factor=10.0)


def test_a_language_model_whose_output_is_its_embedding():
    import keras_hub

    model = keras_hub.models.GPT2CausalLM(made("GPT2Backbone"), preprocessor=None)
    assert_order(model, *BACKBONES["GPT2Backbone"][1:])
    with pytest.raises(ValueError, match=r"`head` must be 1.0 for a model without a head"):
        layerwise_decay(model, 0.5, head=10)


def test_lora_weights_have_the_factors_of_their_blocks():
    import keras_hub

    backbone = made("BertBackbone")
    backbone.enable_lora(2)
    model = keras_hub.models.BertTextClassifier(backbone, num_classes=2, preprocessor=None)
    assert_order(model, BLOCKS, "", "logits", factor=10.0)
    assert all("lora" in it.path or "bias" in it.path for it in backbone.trainable_variables)
