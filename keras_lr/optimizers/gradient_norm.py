"""The norm of the gradient, computed within the training step and fetched later.

During a training the optimizer has an additional variable. Its `apply`, which every backend calls in the compiled step,
writes the norm to it. The variable is the last one, since JAX passes all variables through the step in order. It is
not saved with a model or a checkpoint.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from keras_lr.optimizers import training_step
from keras_lr.optimizers.deferred import Snapshots

KEY = "_keras_lr_gradient_norm"
HOOKS = ("apply", "save_own_variables", "load_own_variables")


class GradientNorm:
    """√(Σ g²) over all gradients of a batch, before the optimizer clips them.

    Args:
        model: a compiled model with one optimizer, without loss scaling.

    Raises:
        ValueError: the model has several optimizers, or one with loss scaling.
    """

    def __init__(self, model: Any) -> None:
        optimizer = model.optimizer
        for name in ("inner_optimizer", "optimizers"):
            if hasattr(optimizer, name):
                raise ValueError(
                    "LearningRateLogger: `gradient_norm` must be False with "
                    f"{type(optimizer).__name__}: it is recorded for one optimizer without loss scaling"
                )
        self._optimizer = optimizer
        # Each optimizer keeps its variable, since TensorFlow's compiled step uses the one that it was traced with.
        attributes: dict[str, Any] = vars(optimizer)
        self._variable, traced = attributes.get(KEY, (None, None))
        if self._variable is None:
            self._variable = keras.Variable(0.0, dtype="float32", trainable=False, name="gradient_norm")
        self._install()
        if keras.config.backend() == "tensorflow" and (traced is None or traced() is not model.train_function):
            training_step.retrace(model)
        step = model.train_function
        attributes[KEY] = (self._variable, None if step is None else weakref.ref(step))
        self._snapshots = Snapshots(model, self._variable)

    def now(self) -> Any:
        """The norm of the last batch, as an array of the backend, without waiting for it."""
        return self._snapshots.now()

    def remove(self) -> None:
        """Restore the optimizer to its state before."""
        for name in HOOKS:
            vars(self._optimizer).pop(name, None)
        _take_out(self._optimizer._variables, self._variable)

    def _install(self) -> None:
        self.remove()  # what a failed training left
        optimizer = self._optimizer
        hooks = (
            self._around(optimizer.apply),
            *map(self._without, (optimizer.save_own_variables, optimizer.load_own_variables)),
        )
        vars(optimizer).update(zip(HOOKS, hooks, strict=True))
        optimizer._variables.append(self._variable)

    def _around(self, apply: Callable[..., Any]) -> Callable[..., Any]:
        def applied(grads: Any, trainable_variables: Any = None) -> Any:
            grads = list(grads)
            self._variable.assign(_norm(grads, self._optimizer.loss_scale_factor))
            return apply(grads, trainable_variables)

        return applied

    def _without(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """A method during which the optimizer does not have this variable."""

        def called(store: Any) -> Any:
            with self._hidden():
                return method(store)

        return called

    @contextmanager
    def _hidden(self) -> Iterator[None]:
        place = _take_out(self._optimizer._variables, self._variable)
        try:
            yield
        finally:
            if place is not None:
                self._optimizer._variables.insert(place, self._variable)


def _norm(gradients: Sequence[Any], scale: float | None) -> Any:
    total: Any = 0.0
    for gradient in gradients:
        if gradient is not None:
            whole = ops.cast(_dense(gradient), "float32")
            total = ops.add(total, ops.sum(ops.square(whole)))
    norm = ops.sqrt(ops.cast(total, "float32"))
    return norm if scale is None else ops.divide(norm, scale)


def _dense(gradient: Any) -> Any:
    """A gradient as a dense tensor. TensorFlow's gradient of an embedding consists of rows, which may repeat."""
    if keras.config.backend() == "tensorflow":
        return sys.modules["tensorflow"].convert_to_tensor(gradient)  # Keras's function would not sum repeated rows
    return ops.convert_to_tensor(gradient)


def _take_out(variables: Any, variable: Any) -> int | None:
    """Remove a variable from a list, by identity, and return its position."""
    for place, other in enumerate(variables):
        if other is variable:
            del variables[place]
            return place
    return None
