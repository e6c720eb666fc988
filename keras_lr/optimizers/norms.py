"""Normalization layers: which a model has, and the parameters that weight decay leaves out."""

from __future__ import annotations

from typing import Any

import keras

from keras_lr.core.keras_versions import is_built, layer_classes
from keras_lr.core.refusals import refuse

KINDS: tuple[Any, ...] = layer_classes(
    "BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization"
)
"""Layers that divide by a spread of their input, and whose weights only scale and shift."""


def layers_of(model: Any) -> list[Any]:
    """All layers of a model, those of nested models and layers too, each once; without the model itself."""
    return list(model._flatten_layers(include_self=False))


def batch_norms(model: Any) -> list[Any]:
    """The layers with moving statistics."""
    return [layer for layer in layers_of(model) if isinstance(layer, keras.layers.BatchNormalization)]


def norms_and_biases(model: keras.Model) -> list[Any]:
    """The trainable variables of a model that weight decay should leave alone: of normalizations, and biases.

    Weight decay is meant for the matrices and kernels. For scales and shifts of a normalization, and for biases, it is
    usually left out: Goyal et al. 2017, arXiv 1706.02677, section 5.1; He et al. 2019, arXiv 1812.01187, section 3.1.
    In the list are

    - the weights of `BatchNormalization`, `LayerNormalization`, `GroupNormalization` and `RMSNormalization`;
    - each variable that is called ``bias`` or ``…_bias``, of any shape;
    - every other vector or number, such as the scale of a residual branch or of a normalization of your own.

    ``optimizer.exclude_from_weight_decay(var_list=norms_and_biases(model))`` excludes them. Call it before the
    optimizer is built, that is before `compile` is followed by training. Keras forgets exclusions when an optimizer is
    saved and loaded; one that `Scheduled` made keeps them, beside its `multipliers`.

    Args:
        model: a model that is built.

    Returns:
        Variables in the order of `model.trainable_variables`. Frozen ones, which do not decay, are not among them.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: it is not built.

    Example:
        >>> layers = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
        >>> model = keras.Sequential([keras.Input((3,)), *layers])
        >>> [variable.name for variable in norms_and_biases(model)]
        ['bias', 'gamma', 'beta']
    """
    if not isinstance(model, keras.Model):
        refuse("norms_and_biases", "model", "a Keras model", model, TypeError)
    if not model.built or not all(is_built(layer) for layer in layers_of(model)):
        refuse("norms_and_biases", "model", "a model that is built", model)
    of_norms = {id(it) for layer in layers_of(model) if isinstance(layer, KINDS) for it in layer.trainable_variables}
    return [it for it in model.trainable_variables if id(it) in of_norms or _is_bias(it) or len(it.shape) < 2]


def _is_bias(variable: Any) -> bool:
    return bool(variable.name == "bias" or variable.name.endswith("_bias"))
