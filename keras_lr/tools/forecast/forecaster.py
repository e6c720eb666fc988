"""`Forecaster`: a callback that forecasts the loss of the running training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, SupportsFloat

import keras
import numpy as np

from keras_lr.callbacks.logger import LearningRateLogger
from keras_lr.core.algebra import Constant, Product, Schedule
from keras_lr.core.fields import COUNT, COUNT_OR_NONE, FLAG, POSITIVE, STRING, OrNone, one_of
from keras_lr.core.refusals import check, refuse
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.optimizers import lookup
from keras_lr.tools.forecast.fit import fit_forecast
from keras_lr.tools.forecast.laws import LawName
from keras_lr.tools.forecast.result import Forecast
from keras_lr.tools.forecast.runs import frames_of

DRAWS = 10
"""Draws of the bootstrap at the end of an epoch: few, since only the interval of a printed number depends on them."""

HORIZON = 10
"""The target is searched within so many times the current length of the training."""


@dataclass(frozen=True)
class Outlook:
    """The forecast of a law for a running training.

    Attributes:
        step: number of updates so far.
        final: the loss at the planned end of the training, and its 90 % interval; None if the end is unknown.
        reached: the first step at which the loss is at most the target, with the current schedule; None if that is
            not within ten times the current length, or there is no target.
        cooldown: the loss after a cooldown to 0 that starts now, and its interval.
        forecast: the fitted law.
    """

    step: int
    final: tuple[float, float, float] | None
    reached: int | None
    cooldown: tuple[float, float, float]
    forecast: Forecast


class Forecaster(keras.callbacks.Callback):
    """Forecast at epoch ends when the training reaches a loss, and the final loss of a cooldown that starts now.

    At the end of an epoch it fits a law to the log so far, as `fit_forecast` does, and prints one line. A constant
    rate does not show the effect of a decay. So for a training with a constant rate, pass the log of an earlier
    training whose rate fell. If a fit is not possible yet, it prints the reason once.

    A fit takes a few seconds, for logs of any length. Use `every` to fit less often.

    Args:
        logger: the `LearningRateLogger` of this training, which must also be in the list of callbacks, with
            ``metrics=("loss",)``.
        target: a loss; None for no target.
        cooldown_steps: length of the cooldown, in steps; by default a fifth of the steps so far.
        logs: a list of earlier trainings of the same model and data, as for `fit_forecast`.
        law: "multi-power" or "annealing".
        loss: the logger's column with the loss.
        every: number of epochs from one fit to the next, >= 1.
        verbose: whether to print the line. The results are in `outlooks` in any case.

    Attributes:
        outlooks: a list with an `Outlook` for each fit.

    Raises:
        ImportError: at the first fit, SciPy is missing.
        OSError: a file of `logs` is missing.
        TypeError, ValueError: an argument is not allowed, or the logger does not record the loss.
    """

    def __init__(
        self,
        logger: LearningRateLogger,
        target: SupportsFloat | None = None,
        cooldown_steps: SupportsFloat | None = None,
        *,
        logs: list[Any] | tuple[Any, ...] = (),
        law: LawName = "multi-power",
        loss: str = "loss",
        every: SupportsFloat = 1,
        verbose: bool = True,
    ) -> None:
        super().__init__()
        owner = "Forecaster"
        if not isinstance(logger, LearningRateLogger):
            refuse(owner, "logger", "the LearningRateLogger of the training", logger, TypeError)
        self.logger = logger
        self.target: float | None = check(OrNone(POSITIVE), owner, "target", target)
        self.cooldown_steps: int | None = check(COUNT_OR_NONE, owner, "cooldown_steps", cooldown_steps)
        if not isinstance(logs, list | tuple):
            refuse(owner, "logs", "a list of logs", logs, TypeError)
        self.logs = list(logs)
        self._earlier = frames_of(owner, "logs", logs) if logs else {}
        self.law: LawName = check(one_of(LawName), owner, "law", law)
        self.loss: str = check(STRING, owner, "loss", loss)
        if self.loss not in logger.metrics:
            allowed = f"one that records {self.loss!r}, the column of `loss`: metrics=({self.loss!r},)"
            refuse(owner, "logger", allowed, logger.metrics)
        self.every: int = check(COUNT, owner, "every", every)
        self.verbose: bool = check(FLAG, owner, "verbose", verbose)
        self.outlooks: list[Outlook] = []
        self._has_refused = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        lookup.at_least_one(lookup.rated_optimizers(self.model))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        frame = self.logger.to_frame()
        try:
            them = {**self._earlier, f"run {len(self.logs) + 1}": frame}
            forecast = fit_forecast(them, self.law, self.loss, draws=DRAWS)
        except ValueError as error:
            if not self._has_refused:
                self._say(f"no forecast yet: {error}")
            self._has_refused = True
            return
        outlook = self._outlook(forecast, int(frame["step"].iloc[-1]) + 1)
        self.outlooks.append(outlook)
        self._say(self._sentence(outlook))

    # Parts.

    def _outlook(self, forecast: Forecast, step: int) -> Outlook:
        schedule = self._schedule()
        total = self._planned()
        length = self.cooldown_steps or max(step // 5, 2)
        cooled = schedule.cooldown(step, length)
        return Outlook(
            step,
            None if total is None or total <= step else _end(forecast, schedule, total),
            None if self.target is None else self._reached(forecast, schedule, step),
            _end(forecast, cooled, step + length),
            forecast,
        )

    def _schedule(self) -> Schedule:
        """The schedule of the training. A number is a constant rate."""
        rated = lookup.primary(lookup.rated_optimizers(self.model))
        source: Any = rated.source
        if not isinstance(source, LearningRateSchedule):
            return Constant(rated.rate())
        # This gives Keras's schedules the operators of this package.
        return source if isinstance(source, Schedule) else Product((Constant(1.0), source))

    def _planned(self) -> int | None:
        """Steps of the whole training, or None."""
        params = self.params or {}
        steps, epochs = params.get("steps"), params.get("epochs")
        return None if steps is None or epochs is None else int(steps) * int(epochs)

    def _reached(self, forecast: Forecast, schedule: Schedule, step: int) -> int | None:
        assert self.target is not None
        curve = forecast.loss(schedule, HORIZON * step)["loss"].to_numpy()
        with np.errstate(invalid="ignore"):
            there = np.flatnonzero(curve <= self.target)
        return int(there[0]) if len(there) else None

    def _sentence(self, outlook: Outlook) -> str:
        parts = []
        if outlook.final is not None:
            parts.append(f"ends at {_interval(outlook.final)}")
        if self.target is not None:
            where = "not within ten times its length" if outlook.reached is None else f"at step {outlook.reached:,}"
            parts.append(f"reaches {self.target:.4g} {where}")
        parts.append(f"a cooldown started now would end at {_interval(outlook.cooldown)}")
        return f"by the {self.law} law, at step {outlook.step:,}: " + "; ".join(parts)

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"Forecaster: {text}")


def _end(forecast: Forecast, schedule: LearningRateSchedule, steps: int) -> tuple[float, float, float]:
    row = forecast.compare({"": schedule}, steps).iloc[0]
    return float(row["loss"]), float(row["low"]), float(row["high"])


def _interval(end: tuple[float, float, float]) -> str:
    return f"{end[0]:.4g} ({end[1]:.4g} to {end[2]:.4g})"
