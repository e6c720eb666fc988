"""Optimizers that are attributes of a model, in addition to that of `compile` or instead, as in Keras's GAN examples.

Such a model overrides `compile` to accept several optimizers, and calls them in its own `train_step`. The optimizer of
`keras.Model.compile` is then the default, RMSprop, and never makes a step.
"""

from __future__ import annotations

import weakref
from functools import cache
from typing import Any

import keras

from keras_lr.core.keras_versions import Variable

# Optimizers that a user passed to a callback and that are no attributes of the model, by the name of their column. They
# belong to one training, which ends with the next `compile`. Keras keeps an object of each `compile`.
_given: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


def attributes(model: Any) -> dict[str, Any]:
    """The optimizers among the attributes of a model, without the one of `compile`."""
    if not isinstance(model, keras.Model):
        return {}
    kind = keras.optimizers.Optimizer
    found = {name: value for name, value in vars(model).items() if isinstance(value, kind)}
    own = inside(getattr(model, "optimizer", None)) if found else []
    return {name: value for name, value in found.items() if not any(value is one for one in own)}


def candidates(model: Any) -> dict[str, Any]:
    """The `attributes` that may train the model: none if the user chose the optimizer of `compile`.

    Callbacks ask after each batch. So a model is searched only if it has to be.
    """
    return attributes(model) if _may_be_default(getattr(model, "optimizer", None)) else {}


def survey(model: Any) -> tuple[bool, dict[str, Any]]:
    """Whether the optimizer of `compile` is the unused default, and the other optimizers that train the model."""
    found = candidates(model)
    given = _given.get(_training(model), {}) if _given and isinstance(model, keras.Model) else {}
    if not found and not given:  # so that no counter is read: a read waits for the device
        return False, {}
    is_default = _is_default(getattr(model, "optimizer", None))
    others = (found if is_default else {}) | given
    return is_default and bool(others), others


def give(model: Any, optimizer: Any) -> None:
    """Add an optimizer to those of a model, because the user passed it to a callback."""
    known = attributes(model)
    name = next((name for name, value in known.items() if value is optimizer), optimizer.name)
    _given.setdefault(_training(model), {})[name] = optimizer


def _training(model: Any) -> Any:
    return getattr(model, "_compile_config", model)


def is_unused(model: Any) -> bool:
    """Whether the optimizer of `compile` is the default and others train the model."""
    return survey(model)[0]


def inside(optimizer: Any) -> list[Any]:
    """An optimizer and the optimizers that it wraps."""
    if optimizer is None:
        return []
    wrapped = [getattr(optimizer, "inner_optimizer", None), *getattr(optimizer, "optimizers", ())]
    return [optimizer, *(one for part in wrapped for one in inside(part))]


def _may_be_default(optimizer: Any) -> bool:
    return optimizer is None or isinstance(optimizer, keras.optimizers.RMSprop)


def _is_default(optimizer: Any) -> bool:
    """Whether there is no optimizer, or it is the default of `compile` and has made no step."""
    if optimizer is None:
        return True
    if not _may_be_default(optimizer) or not isinstance(optimizer._learning_rate, Variable):
        return False
    if int(keras.ops.convert_to_numpy(optimizer._iterations)):
        return False
    return bool(optimizer.get_config() | {"name": ""} == _default_config())


@cache
def _default_config() -> dict[str, Any]:
    return {**keras.optimizers.RMSprop().get_config(), "name": ""}
