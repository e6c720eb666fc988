"""Warnings of optimizers that train nothing because they have no variables, most likely due to a wrong pattern."""

from __future__ import annotations

from typing import Any

from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup
from keras_lr.optimizers.attributes import is_unused
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.training.audit import ScheduleWarning
from keras_lr.training.saved_state import of


def warn(model: Any) -> None:
    """Warn of each optimizer that trains nothing, once per training. To be called after the first batch."""
    _warn_once(model, findings(model))


def warn_of_unused(model: Any) -> None:
    """Warn if the optimizer of `compile` makes no step, once per training. To be called after the first batch."""
    _warn_once(model, unused(model))


def _warn_once(model: Any, found: list[str]) -> None:
    session = of(model).session
    if found and (session is None or session.once("idle")):
        for finding in found:
            warn_user(finding, ScheduleWarning)


def findings(model: Any) -> list[str]:
    """A sentence for each optimizer that trains nothing."""
    if is_unused(model):
        return []
    optimizer = lookup.optimizer_of(model)
    if not model.trainable_variables:
        return [
            f"the model has no trainable variable, so optimizer '{optimizer.name}' trains nothing and makes no steps"
        ]
    if found := unused(model):
        return found
    example = model.trainable_variables[0].path
    return [
        f"optimizer '{rated.optimizer.name}' trains nothing, and its learning rate does not change: "
        f"{_reason(rated, example)}"
        for rated in lookup.rated_optimizers(model)
        if rated.is_idle
    ]


def unused(model: Any) -> list[str]:
    """A sentence if the optimizer of `compile` made no step although the model was trained with a batch."""
    if is_unused(model) or lookup.skips_updates(model) or not model.trainable_variables:
        return []
    lookup.sync(model)
    if lookup.read_int(lookup.counter_of(model)):
        return []
    return [
        f"optimizer '{lookup.optimizer_of(model).name}' of `compile` made no step in the first batch, so its learning "
        "rate has no effect; if the model trains with other optimizers, pass them to the callbacks: `optimizer=` "
        "accepts optimizers and names of attributes of the model"
    ]


def _reason(rated: RatedOptimizer, example: str) -> str:
    """Why an optimizer has no variables."""
    patterns = rated.patterns
    if patterns is None:
        return "no trainable variable was assigned to it"
    if not patterns:
        return "it is the default, and every trainable variable matches the pattern of another optimizer"
    return (
        f"no trainable variable matches {' or '.join(map(repr, patterns))}; a pattern must match the whole path of a "
        f"variable, such as '{example}'"
    )
