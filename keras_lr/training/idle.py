"""Optimizers that train nothing, since no variable was given to them: likely a pattern with a mistake in it."""

from __future__ import annotations

import weakref
from typing import Any

from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.training.audit import ScheduleWarning
from keras_lr.training.others import running_list

# The training that was looked at last, by model: its list of callbacks.
_seen: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = weakref.WeakKeyDictionary()


def warn(model: Any) -> None:
    """Warn of each optimizer that trains nothing, once in a training; to be called after its first batch."""
    running = running_list()
    if running is not None:
        last = _seen.get(model)
        if last is not None and last() is running:
            return
        _seen[model] = weakref.ref(running)
    for finding in findings(model):
        warn_user(finding, ScheduleWarning)


def findings(model: Any) -> list[str]:
    """A sentence for each optimizer that trains nothing."""
    if lookup.is_unused(model):
        return []
    optimizer = lookup.optimizer_of(model)
    if not model.trainable_variables:
        return [
            f"the model has no trainable variable, so optimizer '{optimizer.name}' trains nothing and makes no steps"
        ]
    if not lookup.skips_updates(model):
        lookup.sync(model)
        if lookup.read_int(optimizer._iterations) == 0:
            return [
                f"optimizer '{optimizer.name}', which `compile` was given, made no step in the first batch, so its "
                "learning rate has no effect; if the model trains with other optimizers, name them: "
                "`optimizer=` of the callbacks takes optimizers, and names of attributes of the model"
            ]
    example = model.trainable_variables[0].path
    return [
        f"optimizer '{rated.optimizer.name}' trains nothing, and its learning rate stays where it is: "
        f"{_reason(rated, example)}"
        for rated in lookup.rated_optimizers(model)
        if rated.is_idle
    ]


def _reason(rated: RatedOptimizer, example: str) -> str:
    """Why no variable was given to an optimizer."""
    patterns = rated.patterns
    if patterns is None:
        return "no trainable variable was given to it"
    if not patterns:
        return "it is the default, and every trainable variable matches the pattern of another optimizer"
    return (
        f"no trainable variable matches {' or '.join(map(repr, patterns))}; a pattern must match the whole path of a "
        f"variable, such as '{example}'"
    )
