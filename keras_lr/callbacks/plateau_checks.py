"""What `ReduceOnPlateau` refuses, and what it warns of."""

from __future__ import annotations

from typing import Any

import keras

from keras_lr.callbacks.metrics import nearest
from keras_lr.callbacks.plateau_options import OWNER
from keras_lr.core.duration import Duration
from keras_lr.core.refusals import refuse
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.training.others import others


def chosen(optimizers: list[RatedOptimizer], names: tuple[str, ...] | None) -> list[RatedOptimizer]:
    """The optimizers with these names; all of them for None.

    Raises:
        ValueError: there is none of a name.
    """
    if names is None:
        return optimizers
    there = [rated.optimizer.name for rated in optimizers]
    for name in names:
        if name not in there:
            refuse(OWNER, "optimizers", f"among {', '.join(map(repr, there))}", name)
    return [rated for rated in optimizers if rated.optimizer.name in names]


def check_model(model: Any) -> None:
    """Refuse what is no model of Keras.

    Raises:
        TypeError: it is none.
    """
    if not hasattr(model, "make_train_function"):
        raise TypeError(f"{OWNER}: {type(model).__name__} has no `make_train_function`; it needs a `keras.Model`")
    lookup.build(model)


def check_rates(callback: Any, optimizers: list[RatedOptimizer]) -> None:
    """Refuse rates that cannot be reduced, and a start that cannot be worked out.

    Raises:
        TypeError, ValueError: what is wrong.
    """
    for rated in optimizers:
        if lookup.is_function(rated.source):
            raise TypeError(
                f"{OWNER}: the learning rate of optimizer '{rated.optimizer.name}' is a function, which "
                "cannot be scaled; give the optimizer a number or a schedule"
            )
    if isinstance(callback.start_after, Duration) and (callback.params or {}).get("steps") is None:
        allowed = "in steps where the dataset does not tell its length"
        refuse(OWNER, "start_after", allowed, callback.start_after)


def warn_at_start(callback: Any, optimizers: list[RatedOptimizer]) -> None:
    """Warn of a rate that is at its floor already, and of an `EarlyStopping` that comes first."""
    # A schedule may start low on purpose (a warmup does), so only numbers count.
    numbers = [rated for rated in optimizers if not lookup.is_schedule(rated.source)]
    if callback.min_lr > 0.0 and numbers and all(rated.rate() <= callback.min_lr for rated in numbers):
        warn_user(f"{OWNER}: the learning rate is not above `min_lr` ({callback.min_lr:g}) at the start")
    for other in others(callback):
        if (
            isinstance(other, keras.callbacks.EarlyStopping)
            and other.monitor == callback.monitor
            and callback.every is None
            and other.patience <= callback.patience
        ):
            warn_user(
                f"{OWNER}: `EarlyStopping` on '{callback.monitor}' has a patience of {other.patience} and this "
                f"one of {callback.patience}, so training stops before the learning rate is reduced",
            )


def warn_of_missing(monitor: str, logs: dict[str, Any]) -> None:
    """Warn that the metric is not in the logs of an epoch."""
    warn_user(
        f"{OWNER}: the metric '{monitor}' is not in the epoch's logs, so the learning rate is not "
        f"reduced; {nearest(monitor, logs)}",
    )
