"""Kernels whose size does not matter, since what follows divides by it."""

from __future__ import annotations

from typing import Any

import keras

from keras_lr.core.keras_versions import Variable
from keras_lr.optimizers.norms import KINDS, layers_of

LAYERS = keras.layers
THROUGH: tuple[Any, ...] = (
    LAYERS.Dropout,
    LAYERS.SpatialDropout1D,
    LAYERS.SpatialDropout2D,
    LAYERS.Flatten,
    LAYERS.Reshape,
    LAYERS.Permute,
    LAYERS.ZeroPadding1D,
    LAYERS.ZeroPadding2D,
    LAYERS.Cropping2D,
    LAYERS.AveragePooling1D,
    LAYERS.AveragePooling2D,
    LAYERS.MaxPooling1D,
    LAYERS.MaxPooling2D,
    LAYERS.GlobalAveragePooling2D,
)
"""Layers through which a factor > 0 passes unchanged."""


def scale_invariant_kernels(model: Any) -> list[Any]:
    """The trainable kernels of a model whose scale its output does not depend on, but for the ε of a normalization.

    Those of layers without an activation whose output goes to normalizations alone. With a bias it must be a
    `BatchNormalization`, which takes the bias away; to others a bias has a scale of its own. They are found in the
    graph of functional and sequential models, nested ones too; a model with a `call` of its own has no graph.
    """
    found = []
    for layer in layers_of(model):
        kernel = getattr(layer, "kernel", None)
        if not isinstance(kernel, Variable) or not kernel.trainable or not _is_linear(layer):
            continue
        followers = _followers(layer)
        has_bias = getattr(layer, "bias", None) is not None
        kinds = (keras.layers.BatchNormalization,) if has_bias else KINDS
        if followers and all(isinstance(it, kinds) for it in followers):
            found.append(kernel)
    return found


def _is_linear(layer: Any) -> bool:
    return getattr(layer, "activation", keras.activations.linear) in (None, keras.activations.linear)


def _followers(layer: Any) -> list[Any]:
    """What takes the output of a layer, behind layers that leave its scale."""
    found: list[Any] = []
    for node in layer._outbound_nodes:
        follower = node.operation
        found += (_followers(follower) or [None]) if isinstance(follower, THROUGH) else [follower]
    return found
