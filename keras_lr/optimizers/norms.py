"""The normalization layers of a model, and the parameters that weight decay should leave out."""

from __future__ import annotations

from typing import Any

import keras

from keras_lr.core.keras_versions import is_built, layer_classes
from keras_lr.core.refusals import refuse

KINDS: tuple[Any, ...] = layer_classes(
    "BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization"
)
"""Layers that divide their input by its spread, and whose weights only scale and shift."""


def layers_of(model: Any) -> list[Any]:
    """All layers of a model, including those in nested models and layers, each once; without the model itself."""
    return list(model._flatten_layers(include_self=False))


def batch_norms(model: Any) -> list[Any]:
    """The layers with moving statistics."""
    return [layer for layer in layers_of(model) if isinstance(layer, keras.layers.BatchNormalization)]


def norms_and_biases(model: keras.Model) -> list[Any]:
    """The trainable variables of a model that should not decay: weights of normalizations, and biases.

    Weight decay is meant for matrices and kernels. For the scales and shifts of normalizations, and for biases, it is
    usually left out: Goyal et al. 2017, arXiv 1706.02677, section 5.1; He et al. 2019, arXiv 1812.01187, section 3.1.
    The list contains

    - the weights of `BatchNormalization`, `LayerNormalization`, `GroupNormalization` and `RMSNormalization`;
    - each variable with the name ``bias`` or ``…_bias``, of any shape;
    - every other vector or number, such as the scale of a residual branch or of your own normalization.

    ``optimizer.exclude_from_weight_decay(var_list=norms_and_biases(model))`` excludes them. Call it before the
    optimizer is built, that is, before the training begins. Keras loses exclusions when an optimizer is saved and
    loaded. An optimizer of `Scheduled` keeps them.

    Args:
        model: a built model.

    Returns:
        A list of variables, in the order of `model.trainable_variables`. Frozen variables do not decay and are left
        out.

    Raises:
        TypeError: `model` is not a Keras model.
        ValueError: the model is not built.

    Example:
        >>> layers = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
        >>> model = keras.Sequential([keras.Input((3,)), *layers])
        >>> [variable.name for variable in norms_and_biases(model)]
        ['bias', 'gamma', 'beta']
    """
    if not isinstance(model, keras.Model):
        refuse("norms_and_biases", "model", "a Keras model", model, TypeError)
    if not model.built or not all(is_built(layer) for layer in layers_of(model)):
        refuse("norms_and_biases", "model", "a built model", model)
    of_norms = {id(it) for layer in layers_of(model) if isinstance(layer, KINDS) for it in layer.trainable_variables}
    return [it for it in model.trainable_variables if id(it) in of_norms or _is_bias(it) or len(it.shape) < 2]


def _is_bias(variable: Any) -> bool:
    return bool(variable.name == "bias" or variable.name.endswith("_bias"))
