"""Snapshots of everything that a training changes in a model and in the process, to restore it later.

A snapshot contains the values of all variables (weights, seeds of layers, optimizer, metrics), the
rate or schedule of each optimizer, the compiled training step, the attributes that `fit` sets on
the model, and the random states of Python, NumPy, the backend, TensorFlow (whose `tf.data` shuffles
for all backends) and Keras. Values are stored on the host, so that it works for a model that fills
its device.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr.optimizers import install, lookup

# Keras has no public access to its random state: the generator of unseeded operations, and the seed that
# `set_random_seed` stores for the next one.
from keras.src.backend.common import global_state  # isort: skip

KERAS_RANDOM = ("global_random_seed", "global_seed_generator")

LEFT_BY_FIT = ("stop_training", "history", "train_function", "_initial_epoch", "_jax_state", "_jax_state_synced")
MISSING = object()


class ModelSnapshot:
    """The state of a built model with a built optimizer."""

    def __init__(self, model: Any) -> None:
        lookup.sync(model)
        self._model = model
        self._values = [(variable, host_copy(variable)) for variable in lookup.variables_of(model)]
        self._sources = [(rated, rated.source) for rated in lookup.rated_optimizers(model)]

    def restore(self) -> None:
        for rated, source in self._sources:
            install.assign_source(rated, source)
        for variable, value in self._values:
            variable.assign(value)


class AttributesSnapshot:
    """The attributes that `fit` sets on a model, built or not, apart from the values of variables."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._kept = {name: vars(model).get(name, MISSING) for name in LEFT_BY_FIT}

    def restore(self) -> None:
        for name, value in self._kept.items():
            if value is MISSING:
                vars(self._model).pop(name, None)
            else:
                setattr(self._model, name, value)


class RandomSnapshot:
    """The random states of the process."""

    def __init__(self) -> None:
        self._python = random.getstate()
        self._numpy = np.random.get_state()  # noqa: NPY002 - Keras shuffles with it
        self._keras = {name: global_state.get_global_attribute(name) for name in KERAS_RANDOM}
        generator = self._keras["global_seed_generator"]
        self._drawn = None if generator is None else host_copy(generator.state)
        torch = sys.modules.get("torch")
        self._torch = None if torch is None else torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch is not None and torch.cuda.is_initialized() else None
        context = _tensorflow_context()
        self._tensorflow = None if context is None else (context._seed, _state_of(getattr(context, "_rng", None)))

    def restore(self) -> None:
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        for name, value in self._keras.items():
            global_state.set_global_attribute(name, value)
        if self._drawn is not None:
            self._keras["global_seed_generator"].state.assign(self._drawn)
        torch = sys.modules.get("torch")
        if torch is not None and self._torch is not None:
            torch.set_rng_state(self._torch)
            if self._cuda is not None:
                torch.cuda.set_rng_state_all(self._cuda)
        context = _tensorflow_context()
        if context is not None and self._tensorflow is not None:
            seed, state = self._tensorflow
            if context._seed != seed:
                context._set_global_seed(seed)
            if state is not None:
                context._rng.setstate(state)


def seeds_of(model: Any) -> list[Any]:
    """The states of the random generators in the layers (Dropout and others)."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def host_copy(variable: Any) -> NDArray[Any]:
    """A copy of the value of a variable on the host."""
    # Of the variable, not of its `value`: reading a metric that is mirrored over devices sums it up.
    return np.array(keras.ops.convert_to_numpy(variable), copy=True)


def _tensorflow_context() -> Any:
    """TensorFlow's eager context. Its generator gives seeds to operations without one."""
    module = sys.modules.get("tensorflow.python.eager.context")
    return None if module is None else module.context()


def _state_of(generator: Any) -> Any:
    return None if generator is None else generator.getstate()
