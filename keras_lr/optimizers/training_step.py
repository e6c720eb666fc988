"""Exchange the training step of a model, for good or for a time. The only module that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

INSTALLING = ("train_step", "make_train_function")

PREDICTING = ("predict_step", "predict_function", "stop_predicting", "training")
"""What `predict` leaves on a model, and what is exchanged for it; `training` is torch's."""


@contextmanager
def exchanged(model: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """For a time, let the model's `train_step` be ``wrap(train_step)``."""
    attributes = vars(model)
    own = attributes.get("train_step")
    attributes["train_step"] = wrap(model.train_step)
    try:
        yield
    finally:
        attributes.pop("train_step", None)
        if own is not None:
            attributes["train_step"] = own


def install(model: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[[], None]:
    """From now on, let the model train with ``wrap(train_step)``; from `on_train_begin` of a callback.

    It lasts until what is returned is called, or until the next `fit` begins, since Keras calls no callback where a
    `fit` ends with an error.
    """
    attributes = vars(model)
    own = {name: attributes[name] for name in INSTALLING if name in attributes}
    step = wrap(model.train_step)

    def remove() -> None:
        if attributes.get("train_step") is step:
            for name in INSTALLING:
                attributes.pop(name, None)
            attributes.update(own)
            model.train_function = None

    make = model.make_train_function

    def make_train_function(force: bool = False) -> Any:
        if not force:  # a `fit` begins
            remove()
            return model.make_train_function()
        return make(force=True)

    attributes.update(train_step=step, make_train_function=make_train_function)
    make(force=True)
    return remove


def retrace(model: Any) -> None:
    """Make Keras compile the training step anew, so that a new schedule takes effect.

    A compiled step keeps the schedule that it was traced with; only torch, which runs it
    eagerly, would notice. The cost is one compilation.

    On JAX `make_train_function(force=True)` alone changes nothing: it calls
    ``jax.jit(model.train_step)`` again, and JAX finds the old trace in its cache, because
    bound methods of one object compare equal. So it is given a function that is new.
    """
    if getattr(model, "train_function", None) is None:
        return
    with exchanged(model, lambda step: lambda *args, **kwargs: step(*args, **kwargs)):
        model.make_train_function(force=True)


@contextmanager
def uncompiled(model: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """For a time, let the model train with ``wrap(train_step)``, compiled anew, one batch in each call.

    The caller puts `train_function` back.
    """
    executions = model.steps_per_execution
    try:
        model.steps_per_execution = 1
        with exchanged(model, wrap):
            model.train_function = None
            yield
    finally:
        model.steps_per_execution = executions


def predict_by(model: Any, step: Callable[..., Any], function: Any, data: Any, options: dict[str, Any]) -> Any:
    """Let `predict` run with `step` in the place of `predict_step`, and leave the model as it was.

    Args:
        model: a model that is built.
        step: takes what `predict_step` takes on this backend.
        function: what the second result of an earlier call with an equal step was, or None.
        data: given to `predict`.
        options: its other arguments.

    Returns:
        What `predict` returns, and the compiled step, for the next call.
    """
    attributes = vars(model)
    kept = {name: attributes[name] for name in PREDICTING if name in attributes}
    try:
        attributes["predict_step"] = step
        model.predict_function = function
        if function is None:
            model.make_predict_function(force=True)
        made = model.predict_function
        # Not the model's own, which it may have another meaning for.
        return keras.Model.predict(model, data, **options), made
    finally:
        for name in PREDICTING:
            attributes.pop(name, None)
        attributes.update(kept)
        if keras.config.backend() == "torch":
            model.train(attributes["training"])  # its parts too, which `predict` has switched


def replace_next_call(model: Any, function: Callable[..., Any]) -> None:
    """Let the next call of the compiled training function be a call of `function` instead."""
    own = model.train_function

    def once(*arguments: Any) -> Any:
        model.train_function = own
        return function(*arguments)

    model.train_function = once
