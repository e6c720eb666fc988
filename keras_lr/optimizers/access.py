"""Functions for users: read and set the rate of a compiled model, and set its step counter."""

from __future__ import annotations

from typing import SupportsFloat

import keras

from keras_lr.core.algebra import SCHEDULE
from keras_lr.core.fields import COUNT, COUNT_OR_ZERO, RATE
from keras_lr.core.keras_versions import Variable
from keras_lr.core.refusals import check
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.optimizers.attributes import is_unused
from keras_lr.optimizers.choice import chosen_one
from keras_lr.optimizers.install import replace
from keras_lr.optimizers.lookup import optimizer_of, rated_optimizers, require_optimizer, sync
from keras_lr.optimizers.training_step import retrace


def get_learning_rate(model: keras.Model, optimizer: str | None = None) -> float:
    """The learning rate of the next update of a model.

    Args:
        model: a compiled model.
        optimizer: the name of an optimizer in a `MultiOptimizer`, or of an attribute of the model that is an
            optimizer. It may be left out if the model has only one optimizer.

    Returns:
        A Python float. The rate of the optimizer may be a number, a schedule or a function.

    Raises:
        TypeError: `model` is not a Keras model.
        ValueError: the model is not compiled, or `optimizer` is needed or unknown.
    """
    sync(model)
    return chosen_one("get_learning_rate", model, optimizer).rate()


def set_learning_rate(
    model: keras.Model, rate: SupportsFloat | LearningRateSchedule, optimizer: str | None = None
) -> None:
    """Set another learning rate or schedule for a compiled model, from the next update on.

    An assignment to ``model.optimizer.learning_rate`` raises if it replaces a schedule by a number. If it
    replaces one schedule by another, the compiled training step ignores it. This function works in both
    cases. The step counter does not change; use `Schedule.from_step` to shift the schedule.

    Args:
        model: a compiled model.
        rate: a number >= 0 or a schedule.
        optimizer: the name of an optimizer in a `MultiOptimizer`, or of an attribute of the model that is an
            optimizer. It may be left out if the model has only one optimizer.

    Raises:
        TypeError: `model` is not a Keras model, or `rate` is neither a number nor a schedule.
        ValueError: the model is not compiled, `rate` is negative or not finite, or
            `optimizer` is needed or unknown.
    """
    rated = chosen_one("set_learning_rate", model, optimizer)
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
    """Set the step counter of a model's optimizer, and with it the position in the schedule.

    `fit(initial_epoch=…)` does not change the counter. Weights, momenta and a rate that is a number
    stay the same.

    Args:
        model: a compiled model.
        step: batches trained so far, >= 0. Pass this, or `epoch` and `steps_per_epoch`.
        epoch: epochs trained so far, >= 0.
        steps_per_epoch: batches in an epoch, >= 1.

    Raises:
        TypeError: `model` is not a Keras model, or a number has the wrong type.
        ValueError: neither or both ways are used, a number is not allowed, or the model is not compiled.
    """
    if (step is None) == (epoch is None) or (epoch is None) != (steps_per_epoch is None):
        raise ValueError("set_step: pass either `step`, or `epoch` and `steps_per_epoch`")
    if step is None:
        done = check(COUNT_OR_ZERO, "set_step", "epoch", epoch)
        step = done * check(COUNT, "set_step", "steps_per_epoch", steps_per_epoch)
    step = check(COUNT_OR_ZERO, "set_step", "step", step)
    require_optimizer("set_step", model)
    sync(model)
    own = [] if is_unused(model) else [optimizer_of(model)]
    for optimizer in [*own, *(rated.optimizer for rated in rated_optimizers(model))]:
        optimizer._iterations.assign(step)
