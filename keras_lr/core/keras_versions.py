"""Differences between the versions of Keras that the package supports: 3.5 and later."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import keras
from keras.src import backend


def version_of(text: str) -> tuple[int, int]:
    """The first two numbers of a version."""
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


VERSION = version_of(keras.__version__)
"""The version of Keras, (3, 15) for example."""

# Before 3.7, the variables that optimizers and layers make are of a base class of `keras.Variable`.
Variable: Any = keras.Variable if VERSION >= (3, 7) else backend.Variable
"""The class of every variable."""

OptimizerMap: Any = getattr(keras.optimizers, "OptimizerMap", ())
"""The classes by which a `MultiOptimizer` chooses optimizers. Before Keras 3.15 neither exists."""


def available(hyperparameters: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The hyperparameters of each optimizer, without the optimizers and arguments that this version does not have.

    `Muon` was added in 3.10, and its `adam_weight_decay` later.
    """
    found = {}
    for optimizer, names in hyperparameters.items():
        kind = getattr(keras.optimizers, optimizer, None)
        if kind is not None:
            arguments = inspect.signature(kind.__init__).parameters
            found[optimizer] = tuple(name for name in names if name in arguments)
    return found


def layer_classes(*names: str) -> tuple[Any, ...]:
    """The layer classes of these names. Classes that this version does not have are left out (`RMSNormalization`)."""
    return tuple(getattr(keras.layers, name) for name in names if hasattr(keras.layers, name))


def is_built(layer: Any) -> bool:
    """Whether a layer has the weights that it will have. Keras 3.5 does not build the Dropout of attention."""
    return bool(layer.built or isinstance(layer, keras.layers.Dropout))


def set_random_seed(seed: int) -> None:
    """`keras.utils.set_random_seed`, for operations without a seed too.

    Before 3.13 it does not reset their generator, so they draw other numbers the next time. A new generator takes its
    seed from Python's, so initializers get other seeds as well.
    """
    backend.common.global_state.set_global_attribute("global_seed_generator", None)
    keras.utils.set_random_seed(seed)


def note_variables(model: Any) -> None:
    """Tell a running `fit` on JAX that the optimizer has one variable more or less. To be called in a callback.

    Before 3.12 the model records the devices of its variables when `fit` begins. The compiled step finds the
    variables by their positions in that record.
    """
    note = getattr(model, "_record_training_state_sharding_spec", None)
    if note is not None:
        note()


def executions(epoch_iterator: Any) -> Iterator[Any]:
    """The batches of each execution of the training step on TensorFlow, as an iterator for each.

    Keras also returns the first and the last step of the execution, and up to 3.10 only the first. Up to 3.6 an epoch
    is a separate method of its iterator.
    """
    epoch = epoch_iterator if VERSION >= (3, 7) else epoch_iterator.enumerate_epoch()
    for *_, batches in epoch:
        yield batches


def last_batch(model: Any, batch: int) -> int:
    """The last batch of an execution of the training step, from the batch that `on_train_batch_end` gets.

    With `steps_per_execution`, Keras 3.11 and later pass the last batch, which may be past the end of the data.
    Earlier versions pass the first batch of the execution.
    """
    return batch if VERSION >= (3, 11) else batch + model.steps_per_execution - 1
