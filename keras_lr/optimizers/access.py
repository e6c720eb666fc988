"""The functions for users: read and set the rate of a compiled model, and move its step counter."""

from __future__ import annotations

from typing import Any, SupportsFloat

import keras

from keras_lr.core.algebra import SCHEDULE
from keras_lr.core.fields import COUNT, RATE, Whole
from keras_lr.core.keras_versions import Variable
from keras_lr.core.refusals import check, shown
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.optimizers.attributes import is_unused
from keras_lr.optimizers.install import replace
from keras_lr.optimizers.lookup import RatedOptimizer, optimizer_of, rated_optimizers, sync
from keras_lr.optimizers.training_step import retrace

STEP = Whole("a whole number in [0, 2**31)", 0, steps=False)


def get_learning_rate(model: keras.Model, optimizer: str | None = None) -> float:
    """The learning rate of the model's next update.

    Args:
        model: a compiled model.
        optimizer: the name of one of the optimizers of a `MultiOptimizer`, or of an attribute of the model that
            is an optimizer.

    Returns:
        A Python float, whether the rate is a number, a schedule or a function.

    Raises:
        ValueError: the model is not compiled, or `optimizer` is needed or unknown.
    """
    sync(model)
    return _named(model, optimizer).rate()


def set_learning_rate(
    model: keras.Model, rate: SupportsFloat | LearningRateSchedule, optimizer: str | None = None
) -> None:
    """Give a compiled model another learning rate or schedule, with effect from the next update.

    Assigning to ``model.optimizer.learning_rate`` raises when a schedule should become a
    number, and has no effect on a compiled training step when one schedule should become
    another; this does what was meant. The step counter is left as it is
    (`Schedule.from_step` and friends move a schedule instead).

    Args:
        model: a compiled model.
        rate: a number >= 0 or a schedule.
        optimizer: the name of one of the optimizers of a `MultiOptimizer`, or of an attribute of the model that
            is an optimizer.

    Raises:
        TypeError: `rate` is neither.
        ValueError: the model is not compiled, `rate` is negative or not finite, or
            `optimizer` is needed or unknown.
    """
    rated = _named(model, optimizer)
    kind = SCHEDULE if isinstance(rate, LearningRateSchedule) else RATE
    wanted: float | LearningRateSchedule = check(kind, "set_learning_rate", "rate", rate)
    compiled = isinstance(wanted, LearningRateSchedule) or not isinstance(rated.source, Variable)
    replace(model, rated, wanted)
    if compiled:
        retrace(model)


def set_step(
    model: keras.Model,
    step: SupportsFloat | None = None,
    *,
    epoch: SupportsFloat | None = None,
    steps_per_epoch: SupportsFloat | None = None,
) -> None:
    """Move the optimizer's step counter, and with it the place in the schedule.

    `fit(initial_epoch=…)` does not move it. Nothing else changes: weights, momenta and a rate
    that is a number stay.

    Args:
        model: a compiled model.
        step: batches seen so far, >= 0; or instead of it
        epoch: epochs done so far, >= 0, and
        steps_per_epoch: batches in an epoch.

    Raises:
        TypeError, ValueError: not exactly one of the two ways is used, a number is not whole and
            >= 0 (`steps_per_epoch` >= 1), or the model is not compiled.
    """
    if (step is None) == (epoch is None) or (epoch is None) != (steps_per_epoch is None):
        raise ValueError("set_step: pass either `step`, or `epoch` and `steps_per_epoch`")
    if step is None:
        done = check(STEP, "set_step", "epoch", epoch)
        step = done * check(COUNT, "set_step", "steps_per_epoch", steps_per_epoch)
    step = check(STEP, "set_step", "step", step)
    sync(model)
    own = [] if is_unused(model) else [optimizer_of(model)]
    for optimizer in [*own, *(rated.optimizer for rated in rated_optimizers(model))]:
        optimizer._iterations.assign(step)


def _named(model: Any, name: str | None) -> RatedOptimizer:
    optimizers = rated_optimizers(model)
    chosen = optimizers
    if name is not None:
        chosen = [rated for rated in optimizers if isinstance(name, str) and str(name) in rated.names]
    if len(chosen) != 1:
        names = ", ".join(repr(rated.optimizer.name) for rated in optimizers)
        error = ValueError if name is None or isinstance(name, str) else TypeError
        raise error(f"`optimizer` must be one of {names}, got {shown(name)}")
    return chosen[0]
