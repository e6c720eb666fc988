"""Kernels whose size does not matter, since a later layer divides by it."""

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
"""Layers that multiply their output by the same factor > 0 as their input."""


def scale_invariant_kernels(model: Any) -> list[Any]:
    """The trainable kernels whose scale does not change the output of a model, except for the ε of a normalization.

    These are kernels of layers without activation whose output goes only to normalizations. With a bias, it must be a
    `BatchNormalization`, which removes the bias; for others, the bias has its own scale. The kernels are found in the
    graphs of functional and sequential models, including nested ones. A model with its own `call` has no graph.
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
    """The layers that use the output of a layer, after layers that keep its scale."""
    found: list[Any] = []
    for node in layer._outbound_nodes:
        follower = node.operation
        found += (_followers(follower) or [None]) if isinstance(follower, THROUGH) else [follower]
    return found
