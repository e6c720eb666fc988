"""Give an optimizer another rate. The only module that assigns one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from keras_lr.core.algebra import Constant
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.optimizers.lookup import RatedOptimizer, Source, is_schedule, rated_optimizers, sync
from keras_lr.optimizers.scheduled import multipliers_of, schedules_of
from keras_lr.schedules.installed import Installed, with_key


def assign_source(rated: RatedOptimizer, source: Source) -> None:
    """Put the source of a rate into an optimizer as it is.

    Not through the property: TensorFlow reads a property before it assigns to it, and a
    schedule that is not bound yet cannot be read.
    """
    rated.optimizer._learning_rate = source


def assign_hyperparameter(rated: RatedOptimizer, name: str, schedule: LearningRateSchedule) -> None:
    """Give a hyperparameter of an optimizer that `Scheduled` made another schedule."""
    rated.optimizer.hyperparameters[name] = schedule


def schedules(model: Any, rated: RatedOptimizer) -> list[tuple[Source, Callable[[LearningRateSchedule], None]]]:
    """All that may follow a schedule in an optimizer, and how to give it another one. The caller retraces."""
    optimizer = rated.optimizer
    found: list[tuple[Source, Callable[[LearningRateSchedule], None]]] = [
        (rated.source, partial(replace, model, rated))
    ]
    for name, schedule in schedules_of(optimizer).items():
        found.append((schedule, partial(assign_hyperparameter, rated, name)))
    for multipliers in multipliers_of(optimizer):
        for pattern, factor in multipliers.factors.items():
            found.append((factor, partial(optimizer.assign_multiplier, multipliers.name, pattern)))
    return found


def replace(model: Any, rated: RatedOptimizer, rate: float | LearningRateSchedule) -> None:
    """Give an optimizer another rate. The caller retraces once if any of them is a schedule."""
    sync(model)
    if is_schedule(rated.source):
        assign_source(rated, Constant(rate) if isinstance(rate, float) else rate)
    else:
        rated.optimizer.learning_rate = rate


def reduce(model: Any, rated: RatedOptimizer, by: str, factor: float, min_lr: float) -> tuple[float, float] | None:
    """Multiply the rate by `factor`, but not below `min_lr`.

    A number is assigned. On a schedule the scale of the callback `by` is multiplied; the caller retraces.

    Returns:
        The rate of the next update before and after; None if it is at `min_lr` already.
    """
    sync(model)
    old = rated.rate()
    if is_at(rated, min_lr):
        return None
    source = rated.source
    if isinstance(source, LearningRateSchedule):
        scale = Installed.around(source).scale(by)
        set_scale(model, rated, by, (1.0 if scale is None else scale) * factor, min_lr)
        return old, rated.rate()
    new = max(old * factor, min_lr)
    replace(model, rated, new)
    return old, new


def is_at(rated: RatedOptimizer, min_lr: float) -> bool:
    """Whether a rate has come down to `min_lr`, to float32: a variable may hold the float just above it."""
    return rated.rate() <= min_lr * (1.0 + 1e-6)


def set_scale(model: Any, rated: RatedOptimizer, by: str, scale: float, min_lr: float) -> bool:
    """Set the scale of one callback on an optimizer's schedule; whether that changed it. The caller retraces."""
    source = rated.source
    new = Installed.around(source).reduced(by, scale, min_lr).schedule()
    if new == source:
        return False
    replace(model, rated, new)
    return True


def name_reduction(rated: RatedOptimizer, by: str, scale: float) -> None:
    """Give the outermost reduction the key of its callback, in a model out of a file of version 0.1.0."""
    source = rated.source
    if isinstance(source, LearningRateSchedule):
        assign_source(rated, with_key(source, by, scale))


def scales(model: Any, by: str) -> dict[str, float]:
    """The scales of one callback, by the column of the optimizer."""
    found: dict[str, float] = {}
    for rated in rated_optimizers(model):
        source = rated.source
        scale = Installed.around(source).scale(by) if isinstance(source, LearningRateSchedule) else None
        if scale is not None:
            found[rated.column] = scale
    return found
