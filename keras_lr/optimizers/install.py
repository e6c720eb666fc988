"""Give an optimizer another rate. The only module that assigns one."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras

from keras_lr.core.keras_versions import Variable, note_variables
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.optimizers.lookup import RatedOptimizer, Source, is_schedule, rated_optimizers, sync
from keras_lr.optimizers.scheduled import multipliers_of, schedules_of
from keras_lr.optimizers.scheduled_hyperparameter import ScheduledHyperparameter
from keras_lr.schedules.installed import Installed, Scaling, with_key


def assign_source(rated: RatedOptimizer, source: Source) -> None:
    """Put the source of a rate into an optimizer as it is.

    Not through the property: TensorFlow reads a property before it assigns to it, and a
    schedule that is not bound yet cannot be read.
    """
    rated.optimizer._learning_rate = source


def assign_hyperparameter(rated: RatedOptimizer, name: str, schedule: LearningRateSchedule) -> None:
    """Give a hyperparameter of an optimizer that `Scheduled` made another schedule."""
    rated.optimizer.hyperparameters[name] = schedule


class Place(NamedTuple):
    """A place for a schedule in an optimizer: its name, its value, and how to replace it.

    The caller retraces.
    """

    name: str
    source: Source
    assign: Callable[[LearningRateSchedule], None]


def places(model: Any, rated: RatedOptimizer) -> list[Place]:
    """The rate of an optimizer, its other scheduled hyperparameters, and the factors of its groups of variables."""
    optimizer = rated.optimizer
    found = [Place("learning_rate", rated.source, partial(replace, model, rated))]
    for name, schedule in schedules_of(optimizer).items():
        found.append(Place(name, schedule, partial(assign_hyperparameter, rated, name)))
    for multipliers in multipliers_of(optimizer):
        for pattern, factor in multipliers.factors.items():
            assign = partial(optimizer.assign_multiplier, multipliers.name, pattern)
            found.append(Place(f"{multipliers.name}[{pattern}]", factor, assign))
    return found


def replace(model: Any, rated: RatedOptimizer, rate: float | LearningRateSchedule) -> None:
    """Give an optimizer another rate. The caller retraces once unless a number takes the place of a number."""
    sync(model)
    was_number = isinstance(rated.source, Variable)
    if isinstance(rated, ScheduledHyperparameter):
        rated.optimizer.hyperparameters[rated.name] = rate
    elif isinstance(rate, float) and not isinstance(rated.source, Variable):
        _become_number(rated, rate)
    elif isinstance(rate, float) or isinstance(rated.source, Variable):
        # Through the property, which takes the variable of a number out of the optimizer where a schedule comes.
        rated.optimizer.learning_rate = rate
    else:
        assign_source(rated, rate)
    if isinstance(rated.source, Variable) != was_number:
        note_variables(model)


def _become_number(rated: RatedOptimizer, rate: float) -> None:
    """Give an optimizer that was made with a schedule a variable for its rate, as one has that was made with a number.

    It comes second, after the step counter: files of weights keep the variables of an optimizer by their places.
    """
    optimizer = rated.optimizer
    with keras.name_scope(optimizer.name, caller=optimizer):
        variable = keras.Variable(
            rate, name="learning_rate", dtype=keras.config.floatx(), trainable=False, aggregation="only_first_replica"
        )
    was_locked = optimizer._tracker.locked
    optimizer._tracker.unlock()
    optimizer._track_variable(variable)
    if was_locked:
        optimizer._tracker.lock()
    optimizer._variables.insert(1, optimizer._variables.pop())
    assign_source(rated, variable)


class Bounds(NamedTuple):
    """The range in which a callback keeps the rate that it changes, and the smallest change."""

    min_lr: float
    max_lr: float = math.inf
    eps: float = 0.0


def rescale(model: Any, rated: RatedOptimizer, by: str, factor: float, bounds: Bounds) -> tuple[float, float] | None:
    """Multiply the rate by `factor`, within the bounds.

    A number is assigned. On a schedule the scale of the callback `by` is multiplied; the caller retraces.

    Returns:
        The rate of the next update before and after; None if it is at the bound already.
    """
    sync(model)
    old = rated.rate()
    if is_at_bound(rated, factor, bounds):
        return None
    source = rated.source
    if isinstance(source, LearningRateSchedule):
        scale = Installed.around(source).scale(by)
        # With an upper bound too, what goes beyond a bound is left off, as of a number: the way back is not longer.
        change = factor if math.isinf(bounds.max_lr) else _changed(old, factor, bounds) / old
        set_scale(model, rated, by, (1.0 if scale is None else scale) * change, bounds)
        return old, rated.rate()
    new = _changed(old, factor, bounds)
    replace(model, rated, new)
    return old, new


def restart(model: Any, rated: RatedOptimizer, by: str, rate: float, bounds: Bounds) -> tuple[float, float]:
    """Take the scale of the callback `by` from a schedule, or give a number another `rate`; the caller retraces.

    Returns:
        The rate of the next update before and after.
    """
    sync(model)
    old = rated.rate()
    if is_schedule(rated.source):
        set_scale(model, rated, by, 1.0, bounds)
    else:
        replace(model, rated, rate)
    return old, rated.rate()


def is_at_bound(rated: RatedOptimizer, factor: float, bounds: Bounds) -> bool:
    """Whether a rate cannot be multiplied by a factor, to float32: a variable may hold the float next to the bound."""
    rate = rated.rate()
    if rate == 0.0 or (bounds.eps and abs(_changed(rate, factor, bounds) - rate) <= bounds.eps):
        return True
    return is_bound(rate, factor, bounds)


def will_be_at_bound(rated: RatedOptimizer, factor: float, bounds: Bounds) -> bool:
    """Whether a rate is at a bound once it is multiplied by a factor."""
    return is_bound(_changed(rated.rate(), factor, bounds), factor, bounds)


def is_bound(rate: float, factor: float, bounds: Bounds) -> bool:
    """Whether a rate is the lower bound or below, for a factor below 1, or the upper one or above."""
    if factor < 1.0:
        return rate <= bounds.min_lr * (1.0 + 1e-6)
    return rate >= bounds.max_lr * (1.0 - 1e-6)


def _changed(rate: float, factor: float, bounds: Bounds) -> float:
    """A rate multiplied by a factor up to the bound; one that is beyond it by itself stays there."""
    if factor < 1.0:
        return max(rate * factor, min(rate, bounds.min_lr))
    return min(rate * factor, max(rate, bounds.max_lr))


def set_scale(model: Any, rated: RatedOptimizer, by: str, scale: float, bounds: Bounds) -> bool:
    """Set the scale of one callback on an optimizer's schedule; whether that changed it. The caller retraces."""
    source = rated.source
    new = Installed.around(source).scaled(Scaling(by, scale, bounds.min_lr, bounds.max_lr)).schedule()
    if new == source:
        return False
    replace(model, rated, new)
    return True


def set_scales(
    model: Any,
    optimizers: list[RatedOptimizer],
    by: str,
    scales: dict[str, float],
    bounds: Bounds,
    noted: dict[str, dict[str, Any]],
) -> bool:
    """Scale schedules as a file has them by column; whether that changed one of them. The caller retraces.

    A `.keras` file has the scaled schedules themselves, but a file of weights has none. `noted` are the rates that
    the file has noted: version 0.1.0 noted a schedule without its reduction, which had no key then.
    """
    changed = False
    for rated in optimizers:
        if rated.column not in scales:
            continue
        schedule = noted.get(rated.column, {}).get("schedule")
        if schedule is not None and schedule.get("class_name") != "Reduced":
            name_reduction(rated, by, scales[rated.column])
        if is_schedule(rated.source) and set_scale(model, rated, by, scales[rated.column], bounds):
            changed = True
    return changed


def name_reduction(rated: RatedOptimizer, by: str, scale: float) -> None:
    """Give the outermost reduction the key of its callback, in a model out of a file of version 0.1.0."""
    source = rated.source
    if isinstance(source, LearningRateSchedule):
        assign_source(rated, with_key(source, by, scale))


def scales(model: Any, by: str) -> dict[str, float]:
    """The scales of one callback, by the column of the rate or of another hyperparameter."""
    found: dict[str, float] = {}
    for rated in rated_optimizers(model):
        for name, source, _ in places(model, rated):
            scale = Installed.around(source).scale(by) if isinstance(source, LearningRateSchedule) else None
            if scale is not None:
                found[name + rated.suffix] = scale
    return found
