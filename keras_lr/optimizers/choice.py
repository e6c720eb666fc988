"""Optimizers of a model, and their hyperparameters, that the user chooses by name."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_lr.core.fields import OrNone, String
from keras_lr.core.refusals import Kind, RefusedError, check, refuse
from keras_lr.optimizers import attributes, lookup
from keras_lr.optimizers.lookup import RatedOptimizer, rated_optimizers
from keras_lr.optimizers.scheduled import schedules_of

NAME = OrNone(String("the name of an optimizer"))


class OptimizerChoice(Kind):
    """The kind of the argument `optimizer` of a callback."""

    allowed = "an optimizer, the name of one, a non-empty list of them, or None"

    def coerce(self, value: Any) -> Any:
        several = value if isinstance(value, list | tuple) else [value]
        for one in several:
            if not isinstance(one, str | keras.optimizers.Optimizer) and value is not None:
                raise self.wrong_type()
        if not several:
            raise RefusedError(ValueError, self.allowed, "")
        return value if value is None else tuple(str(one) if isinstance(one, str) else one for one in several)


def chosen(owner: str, model: Any, choice: Any, argument: str = "optimizer") -> list[RatedOptimizer]:
    """The optimizers of a model that the user chose, in the order of the model; all of them for None.

    Args:
        owner: the callback or function, for errors.
        model: the model.
        choice: optimizers, and names of optimizers or of attributes of the model.
        argument: the name of the owner's argument, for errors.

    Raises:
        TypeError: the model is not a Keras model.
        ValueError: the model is not compiled, or one of them is not an optimizer of the model.
    """
    lookup.require_optimizer(owner, model)
    if choice is None:
        return rated_optimizers(model)
    known = attributes.attributes(model)
    for one in choice:
        optimizer = known.get(one) if isinstance(one, str) else one
        is_own = any(optimizer is part for part in attributes.inside(getattr(model, "optimizer", None)))
        if optimizer is not None and not is_own:
            attributes.give(model, optimizer)
    there = rated_optimizers(model)
    picked: list[RatedOptimizer] = []
    for one in choice:
        found = [rated for rated in there if _is_meant(rated, one)]
        if not found:
            refuse(owner, argument, _names(there), one)
        picked += found
    return [rated for rated in there if any(rated is one for one in picked)]


def chosen_one(owner: str, model: Any, name: Any) -> RatedOptimizer:
    """The only optimizer of a model, or the one with this name.

    Raises:
        TypeError: the name is not a string, or the model is not a Keras model.
        ValueError: the model is not compiled, there are several and no name is given, or none has this name.
    """
    name = check(NAME, owner, "optimizer", name)
    found = chosen(owner, model, None if name is None else (name,))
    if len(found) != 1:
        refuse(owner, "optimizer", _names(found), name)
    return found[0]


def _names(optimizers: list[RatedOptimizer]) -> str:
    return f"one of {', '.join(map(repr, sorted({name for rated in optimizers for name in rated.names})))}"


def _is_meant(rated: RatedOptimizer, one: Any) -> bool:
    """Whether a choice means an optimizer or one that wraps it. "optimizer" means that of `compile`."""
    if isinstance(one, str):
        return one in rated.names or (one == "optimizer" and not rated.attribute)
    return any(rated.optimizer is part for part in attributes.inside(one))


def scheduled(owner: str, optimizers: list[RatedOptimizer], name: str) -> list[RatedOptimizer]:
    """A hyperparameter of those optimizers that have a schedule for it; "learning_rate" is the rate.

    Raises:
        ValueError: none of them has one.
    """
    if name == "learning_rate":
        return optimizers
    having = [rated for rated in optimizers if name in schedules_of(rated.optimizer)]
    if optimizers and not having:
        there = sorted({"learning_rate", *(name for rated in optimizers for name in schedules_of(rated.optimizer))})
        names = ", ".join(map(repr, there))
        allowed = f"one of {names} (`Scheduled(optimizer, {name}=…)` adds {name!r}, as a schedule or a number)"
        refuse(owner, "hyperparameter", allowed, name)
    return [dataclasses.replace(rated, column=name + rated.suffix, name=name) for rated in having]
