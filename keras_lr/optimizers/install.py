"""Set the rate of an optimizer. The only module that assigns one."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras

from keras_lr.core.keras_versions import Variable, note_variables
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.optimizers.lookup import RatedOptimizer, Source, is_schedule, rated_optimizers, sync
from keras_lr.schedules.installed import Installed, Scaling, with_key


def assign_source(rated: RatedOptimizer, source: Source) -> None:
    """Assign the source of a rate to an optimizer, without conversion.

    The property cannot be used: TensorFlow reads a property before it assigns to it, and an
    unbound schedule cannot be evaluated.
    """
    rated.optimizer._learning_rate = source


def replace(model: Any, rated: RatedOptimizer, rate: float | LearningRateSchedule) -> None:
    """Set the rate of an optimizer, or the other hyperparameter that `rated` names.

    The caller must retrace, unless a number replaces a number.
    """
    sync(model)
    was_number = isinstance(rated.source, Variable)
    if rated.pattern is not None:
        rated.optimizer.assign_multiplier(rated.name, rated.pattern, rate)
    elif rated.name != "learning_rate":
        rated.optimizer.hyperparameters[rated.name] = rate
    elif isinstance(rate, float) and not isinstance(rated.source, Variable):
        _become_number(rated, rate)
    elif isinstance(rate, float) or isinstance(rated.source, Variable):
        # Through the property: when a schedule replaces a number, it removes the variable from the optimizer.
        rated.optimizer.learning_rate = rate
    else:
        assign_source(rated, rate)
    if isinstance(rated.source, Variable) != was_number:
        note_variables(model)


def _become_number(rated: RatedOptimizer, rate: float) -> None:
    """Replace an optimizer's schedule by a variable, as if the optimizer had been made with a number.

    The variable comes second, after the step counter, since files of weights store optimizer variables by position.
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
    """The range in which a callback changes the rate, and the smallest change that it makes."""

    min_lr: float
    max_lr: float = math.inf
    eps: float = 0.0


def rescale(model: Any, rated: RatedOptimizer, by: str, factor: float, bounds: Bounds) -> tuple[float, float] | None:
    """Multiply the rate by `factor`, within the bounds.

    A number is assigned. For a schedule, the scale of the callback `by` is multiplied, and the caller must retrace.

    Returns:
        The rate of the next update before and after the change; None if it is at the bound already.
    """
    sync(model)
    old = rated.rate()
    if is_at_bound(rated, factor, bounds):
        return None
    source = rated.source
    if isinstance(source, LearningRateSchedule):
        scale = Installed.around(source).scale(by)
        # If there is an upper bound too, the scale is cut at a bound, as a number is. So the way back is not longer.
        change = factor if math.isinf(bounds.max_lr) else _changed(old, factor, bounds) / old
        set_scale(model, rated, by, (1.0 if scale is None else scale) * change, bounds)
        return old, rated.rate()
    new = _changed(old, factor, bounds)
    replace(model, rated, new)
    return old, new


def restart(model: Any, rated: RatedOptimizer, by: str, rate: float, bounds: Bounds) -> tuple[float, float]:
    """Remove the scale of the callback `by` from a schedule, or set a number to `rate`. The caller must retrace.

    Returns:
        The rate of the next update before and after the change.
    """
    sync(model)
    old = rated.rate()
    if is_schedule(rated.source):
        set_scale(model, rated, by, 1.0, bounds)
    else:
        replace(model, rated, rate)
    return old, rated.rate()


def is_at_bound(rated: RatedOptimizer, factor: float, bounds: Bounds) -> bool:
    """Whether a rate is at the bound towards which a factor moves it, in float32: a variable may be one float off."""
    rate = rated.rate()
    if rate == 0.0 or (bounds.eps and abs(_changed(rate, factor, bounds) - rate) <= bounds.eps):
        return True
    return is_bound(rate, factor, bounds)


def will_be_at_bound(rated: RatedOptimizer, factor: float, bounds: Bounds) -> bool:
    """Whether a rate will be at a bound after it is multiplied by a factor."""
    return is_bound(_changed(rated.rate(), factor, bounds), factor, bounds)


def is_bound(rate: float, factor: float, bounds: Bounds) -> bool:
    """Whether a rate is at or below the lower bound (factor below 1), or at or above the upper bound."""
    if factor < 1.0:
        return rate <= bounds.min_lr * (1.0 + 1e-6)
    return rate >= bounds.max_lr * (1.0 - 1e-6)


def _changed(rate: float, factor: float, bounds: Bounds) -> float:
    """A rate multiplied by a factor, up to the bound. A rate that is beyond the bound already does not change."""
    if factor < 1.0:
        return max(rate * factor, min(rate, bounds.min_lr))
    return min(rate * factor, max(rate, bounds.max_lr))


def set_scale(model: Any, rated: RatedOptimizer, by: str, scale: float, bounds: Bounds) -> bool:
    """Set the scale of one callback on a schedule. Returns whether it changed; the caller must then retrace."""
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
    """Set the scales of schedules from a file, by column. Returns whether one changed; the caller then retraces.

    A `.keras` file contains the scaled schedules themselves, but a file of weights contains none. `noted` are the rates
    in the file. Version 0.1.0 stored a schedule without its reduction, which had no key then.
    """
    changed = False
    for rated in optimizers:
        if rated.column not in scales or not is_schedule(rated.source):
            continue
        schedule = noted.get(rated.column, {}).get("schedule")
        if schedule is not None and schedule.get("class_name") != "Reduced":
            assign_source(rated, with_key(rated.source, by, scales[rated.column]))
        if set_scale(model, rated, by, scales[rated.column], bounds):
            changed = True
    return changed


def scales(model: Any, by: str) -> dict[str, float]:
    """The scales of one callback, by the column of the rate or of another hyperparameter."""
    found: dict[str, float] = {}
    for rated in rated_optimizers(model):
        for it in rated.hyperparameters:
            scale = Installed.around(it.source).scale(by) if is_schedule(it.source) else None
            if scale is not None:
                found[it.column] = scale
    return found
