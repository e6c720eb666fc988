"""Replace the training step of a model, permanently or for a while. The only module that does so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

INSTALLING = ("train_step", "make_train_function")

PREDICTING = ("predict_step", "predict_function", "stop_predicting", "training")
"""Attributes that `predict` changes on a model, or that are replaced for it; `training` is torch's."""


@contextmanager
def exchanged(model: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """A context in which the model's `train_step` is ``wrap(train_step)``."""
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
    """Let the model train with ``wrap(train_step)``. To be called in `on_train_begin` of a callback.

    It lasts until the returned function is called, or until the next `fit` begins, since Keras calls no callback when
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
    """Make Keras compile the training step again, so that a new schedule takes effect.

    A compiled step keeps the schedule that it was traced with. (Torch runs it eagerly and
    would use a new one.) It takes one compilation.

    On JAX, `make_train_function(force=True)` is not enough: it calls ``jax.jit(model.train_step)``
    again, and JAX finds the old trace in its cache, because bound methods of one object compare
    equal. So it gets a new function.
    """
    if getattr(model, "train_function", None) is None:
        return
    with exchanged(model, lambda step: lambda *args, **kwargs: step(*args, **kwargs)):
        model.make_train_function(force=True)


@contextmanager
def uncompiled(model: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """A context in which the model trains with ``wrap(train_step)``, compiled again, one batch in each call.

    The caller must restore `train_function`.
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
    """Call `predict` with `step` in place of `predict_step`, and restore the model.

    Args:
        model: a built model.
        step: takes the arguments of `predict_step` on this backend.
        function: the compiled step that an earlier call with an equal `step` returned, or None.
        data: the data for `predict`.
        options: the other arguments of `predict`.

    Returns:
        The result of `predict`, and the compiled step for the next call.
    """
    attributes = vars(model)
    kept = {name: attributes[name] for name in PREDICTING if name in attributes}
    try:
        attributes["predict_step"] = step
        model.predict_function = function
        if function is None:
            model.make_predict_function(force=True)
        made = model.predict_function
        # Not the model's own `predict_step`, which may have another meaning.
        return keras.Model.predict(model, data, **options), made
    finally:
        for name in PREDICTING:
            attributes.pop(name, None)
        attributes.update(kept)
        if keras.config.backend() == "torch":
            model.train(attributes["training"])  # including its layers, which `predict` has switched


def replace_next_call(model: Any, function: Callable[..., Any]) -> None:
    """Make the next call of the compiled training function call `function` instead."""
    own = model.train_function

    def once(*arguments: Any) -> Any:
        model.train_function = own
        return function(*arguments)

    model.train_function = once
