"""Check at the start of a training whether the schedule fits it, and warn of likely mistakes."""

from __future__ import annotations

from typing import Any

from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.algebra import Bound, Constant, Schedule
from keras_lr.core.tree import contains
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup
from keras_lr.schedules.combinators import PerUpdate
from keras_lr.training.position import batches_done
from keras_lr.training.saved_state import of

EARLY = 0.9
"""A schedule that ends before this share of the training is too short."""

LATE = 1.01
"""A schedule that ends after this multiple of the training is cut off."""


class ScheduleWarning(UserWarning):
    """A warning that the learning-rate schedule does not fit the training.

    For example, the schedule ends long before the training does. Filter it with
    ``warnings.simplefilter("ignore", ScheduleWarning)``.
    """


def warn(model: Any, first_epoch: int, epochs: int, steps_per_epoch: int | None) -> None:
    """Warn of everything that `findings` returns."""
    place = (lookup.step_of(model), first_epoch, epochs)
    state = of(model)
    if state.audited == place:  # another callback has already checked the same start
        return
    state.audited = place
    declared = None if state.session is None else state.session.declared_epochs
    for finding in findings(model, first_epoch, epochs, steps_per_epoch, declared):
        warn_user(finding, ScheduleWarning, again=True)


def findings(
    model: Any, first_epoch: int, epochs: int, steps_per_epoch: int | None, declared: int | None = None
) -> list[str]:
    """Sentences about everything in the schedules that does not fit the training.

    If the model was trained before and this `fit` begins at epoch 0, it may be one of many calls in a loop. Then the
    end of the training is unknown, and there is no finding for a schedule that ends later.

    Args:
        model: a compiled model.
        first_epoch: the epoch that begins now.
        epochs: the epoch at which the training ends, as in `fit`.
        steps_per_epoch: batches in an epoch; None if unknown.
        declared: epochs of all calls of `fit` together, if the user has given them.
    """
    found: list[str] = []
    for rated in lookup.training(lookup.rated_optimizers(model)):
        schedule = rated.source
        if not isinstance(schedule, LearningRateSchedule):
            continue
        step = rated.step()
        if first_epoch > 0 and step == 0:
            found.append(
                f"training starts at epoch {first_epoch}, but the optimizer's step counter is 0, so the schedule "
                f"starts again; `keras_lr.set_step(model, epoch={first_epoch}, steps_per_epoch=…)` sets the counter"
            )
        if isinstance(schedule, Schedule) and schedule.is_bound and steps_per_epoch is not None:
            begun = step - batches_done(model)
            is_in_loop = declared is None and first_epoch == 0 and begun > 0
            end = begun + (epochs - first_epoch) * steps_per_epoch if declared is None else declared * steps_per_epoch
            found += _lengths(rated, schedule, begun, end, is_in_loop)
    return found


def _lengths(rated: lookup.RatedOptimizer, schedule: Schedule, begun: int, end: int, is_in_loop: bool) -> list[str]:
    """Findings about the length of a schedule, if this `fit` begins at step `begun` and training ends at `end`."""
    if is_in_loop and (schedule.duration is None or schedule.duration >= EARLY * end):
        return []
    duration, accumulation = schedule.duration, rated.accumulation
    fits = duration is not None and EARLY * end <= duration <= LATE * end
    if accumulation and not fits and not contains(schedule, (PerUpdate, Bound)) and not isinstance(schedule, Constant):
        return [
            f"the optimizer applies its gradients every {accumulation} batches, and a schedule counts batches: "
            f"training has {end:,} of them and {end // accumulation:,} updates; "
            f"`PerUpdate(schedule, {accumulation})` counts updates"
        ]
    changes = schedule.changes()
    if changes and min(changes) >= end:
        return [f"the schedule first changes at step {min(changes):,}, but this `fit` ends at step {end:,}"]
    if duration is None or fits:
        return []
    if duration < end:
        share = duration / end
        finding = f"the schedule ends at step {duration:,}, {share:.0%} of a training that ends at step {end:,}"
        if is_in_loop:
            finding += f"; this `fit` continues at step {begun:,}; to start the schedule again, "
            finding += "call `keras_lr.set_step(model, 0)` first"
        return [finding]
    return [
        f"the schedule ends at step {duration:,}, but this `fit` ends before it, at step {end:,} "
        "(for several calls of `fit`, pass their total number of epochs: `BindSchedule(epochs=…)`)"
    ]
