"""`Forecast`: a fitted law, and its forecasts for other schedules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from keras_lr.core.algebra import Schedule
from keras_lr.core.fields import FLAG, OrNone, Whole, whole
from keras_lr.core.inner import values_of
from keras_lr.core.presentation import MOST_STEPS
from keras_lr.core.refusals import check, refuse
from keras_lr.core.tree import LearningRateSchedule, is_bound
from keras_lr.tools.forecast import design, pictures
from keras_lr.tools.forecast.fitted import FittedRun, fitted_run
from keras_lr.tools.forecast.laws import LAWS, Law
from keras_lr.tools.forecast.runs import Reading
from keras_lr.tools.forecast.sums import Floats, Steps, points_of, sums_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from typing_extensions import Self

STEPS = whole(2, MOST_STEPS, "steps")
SKIP = OrNone(Whole("a whole number of steps >= 0", 0, steps=False))

CURVE = 500
"""Number of points of a curve at which the law is computed. Between them it is interpolated."""

BAND = 60
"""Number of points of a curve at which its interval is computed."""

BAND_GROUPS = 100

COVERAGE = 1.645
"""Number of standard deviations on each side of a 90 % interval."""


@dataclass(frozen=True)
class Forecast:
    """The result of `fit_forecast`: a law of the loss as a function of the rates, fitted to one or more trainings.

    Attributes:
        law: "multi-power" or "annealing".
        column: the fitted loss, a column of the logs.
        parameters: a dict of the law's parameters, with the names of the papers, in units of rates and steps. λ of
            the annealing law is 1 − 1/tau.
        draws: parameters of the bootstrap in the same order, an array of shape (draws, parameters).
        noise: standard deviation of the residuals of the smoothed losses, in log(loss).
        runs: the trainings to which it was fitted.
        cautions: reasons to doubt the forecast, one sentence each.
    """

    law: str
    column: str
    parameters: dict[str, float]
    draws: tuple[tuple[float, ...], ...]
    noise: float
    runs: tuple[FittedRun, ...]
    cautions: tuple[str, ...] = ()

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 90 % interval of each parameter by name, from a bootstrap over blocks of residuals."""
        low, high = np.quantile(self._draws, [0.05, 0.95], axis=0)
        return {name: (float(a), float(b)) for name, a, b in zip(self.parameters, low, high, strict=True)}

    @property
    def rates_seen(self) -> tuple[float, float]:
        """The lowest and the highest rate of the fitted trainings, without their warmups."""
        return min(run.lowest_rate for run in self.runs), max(run.highest_rate for run in self.runs)

    def loss(self, schedule: LearningRateSchedule, steps: SupportsFloat) -> pd.DataFrame:
        """The loss curve of a training with a schedule, if the law holds for it.

        The law is computed at 500 steps and interpolated between them. Falls of the rate are combined to about 1,400.
        Together this changes the loss by less than 0.1 %, and by less than 0.5 % with `Noise`. The first rows, up to
        the sum of rates at which the fitted losses began, are NaN, since no law describes the start.

        Args:
            schedule: a bound schedule.
            steps: length of the training in steps, >= 2.

        Returns:
            A DataFrame with a row for each step: step, learning_rate, loss (after its update), and the 90 % interval
            from `low` to `high`. It includes the noise and the spread of the parameters, but not errors of the law.

        Raises:
            TypeError, ValueError: `schedule` is not a bound schedule, or `steps` is not allowed.
        """
        return self._frame(_rates("loss", "schedule", schedule, steps))

    def _frame(self, rates: Floats) -> pd.DataFrame:
        """The loss curve of a training with these rates."""
        import pandas as pd

        every, points, few = np.arange(len(rates)), points_of(rates, CURVE), points_of(rates, BAND)
        loss = np.interp(every, points, self._law.loss(self._values, sums_of(rates, points)))
        loss[np.cumsum(rates) < min(run.first_area for run in self.runs)] = np.nan
        half = COVERAGE * np.interp(every, few, self._spread(rates, few))
        return pd.DataFrame(
            {
                "step": every,
                "learning_rate": rates,
                "loss": loss,
                "low": loss * np.exp(-half),
                "high": loss * np.exp(half),
            }
        )

    def compare(self, schedules: Mapping[str, LearningRateSchedule], steps: SupportsFloat) -> pd.DataFrame:
        """The final losses of schedules, the lowest first.

        Args:
            schedules: a dict of bound schedules by name.
            steps: length of each training in steps, >= 2.

        Returns:
            A DataFrame with a row for each schedule: schedule, loss, and its 90 % interval from `low` to `high`;
            `best`, the probability of the lowest final loss; and `before_next`, that of a lower final loss than the
            next row. Both are fractions of the bootstrap's draws, and assume that the law is true.

        Raises:
            TypeError, ValueError: `schedules` is not such a dict, or `steps` is not allowed.
        """
        import pandas as pd

        if not isinstance(schedules, Mapping) or not schedules:
            refuse("compare", "schedules", "a dict of schedules by name", schedules, TypeError)
        rows, ends = [], []
        for name, schedule in schedules.items():
            rates = _rates("compare", "schedules", schedule, steps)
            last = np.array([len(rates) - 1])
            sums = sums_of(rates, last)
            loss = float(self._law.loss(self._values, sums)[0])
            half = COVERAGE * float(self._spread(rates, last)[0])
            rows.append({"schedule": name, "loss": loss, "low": loss * np.exp(-half), "high": loss * np.exp(half)})
            ends.append([float(self._law.loss(draw, sums)[0]) for draw in self._draws])
        order = np.argsort([row["loss"] for row in rows], kind="stable")
        drawn = np.array(ends)[order]
        frame = pd.DataFrame([rows[place] for place in order])
        frame["best"] = np.bincount(drawn.argmin(axis=0), minlength=len(rows)) / drawn.shape[1]
        frame["before_next"] = [*(drawn[:-1] < drawn[1:]).mean(axis=1), np.nan]
        return frame

    def residuals(self, log: Any = None, *, running_mean: bool | None = None, skip: int | None = None) -> pd.DataFrame:
        """The residuals between the smoothed loss of a training and the law. Use it to test another training.

        Args:
            log: a log as for `fit_forecast`; by default the fitted trainings.
            running_mean: as for `fit_forecast`.
            skip: as for `fit_forecast`.

        Returns:
            A DataFrame with the columns run, step, loss, forecast, and residual = log(loss / forecast).

        Raises:
            TypeError, ValueError, OSError: an argument is not allowed, or the log is not valid or missing.
        """
        import pandas as pd

        frames = []
        for run in self._fitted("residuals", log, running_mean, skip):
            columns = {"step": run.loss_steps, "loss": run.losses, "forecast": run.fitted}
            frames.append(pd.DataFrame({"run": run.name, **columns}))
        frame = pd.concat(frames, ignore_index=True)
        frame["residual"] = np.log(frame["loss"] / frame["forecast"])
        return frame

    def plot(
        self,
        log: Any = None,
        ax: Axes | None = None,
        *,
        schedules: Mapping[str, LearningRateSchedule] | None = None,
        steps: SupportsFloat | None = None,
        running_mean: bool | None = None,
        skip: SupportsFloat | None = None,
    ) -> Axes:
        """Draw measured losses as dots, and the law's curves as lines.

        Args:
            log: the logs to draw; by default the fitted trainings.
            ax: matplotlib's axes to draw on; those of a new figure by default.
            schedules: a dict of schedules by name, whose forecasts are drawn too, with their intervals.
            steps: length of these forecasts in steps; by default that of the longest fitted training.
            running_mean: as for `fit_forecast`.
            skip: as for `fit_forecast`.

        Returns:
            The axes.
        """
        chosen = check(OrNone(STEPS), "plot", "steps", steps) or max(run.steps for run in self.runs)
        schedules = {} if schedules is None else schedules
        if not isinstance(schedules, Mapping):
            refuse("plot", "schedules", "a dict of schedules by name, or None", schedules, TypeError)
        rates = {name: _rates("plot", "schedules", schedule, chosen) for name, schedule in schedules.items()}
        curves = {name: self._frame(them).dropna() for name, them in rates.items()}
        return pictures.draw(self.column, self._fitted("plot", log, running_mean, skip), curves, ax)

    def best(
        self,
        total_steps: SupportsFloat,
        *,
        peak: SupportsFloat | None = None,
        family: type[Schedule] | None = None,
        warmup_steps: SupportsFloat | None = None,
    ) -> Schedule:
        """The schedule with the lowest final loss, by the law.

        Rates stay in the range of the fitted trainings. The annealing law overrates a steep fall at the end. With it,
        free schedules and `WarmupStableDecay` fall no steeper than those trainings, relative to peak and length.

        Args:
            total_steps: length of the training, in steps.
            peak: the highest rate; by default the best of those that were seen. One outside of them is taken, with a
                warning.
            family: `LinearDecay`, `CosineDecay`, `PolynomialDecay`, `ExponentialDecay`, `REXDecay` or
                `WarmupStableDecay`; by default free, a falling `PiecewiseInterpolation` through eight points.
            warmup_steps: steps of a linear warmup; by default the longest of the fitted trainings, and at most
                a tenth of `total_steps`.

        Returns:
            An ordinary schedule, which can be saved.

        Raises:
            TypeError, ValueError: wrong arguments.
        """
        total = check(STEPS, "best", "total_steps", total_steps)
        usual = min(max(run.warmup for run in self.runs), total // 10)
        most = total - design.LEAST
        if most < (usual if warmup_steps is None else 0):
            refuse("best", "total_steps", f"at least {design.LEAST} steps after the warmup", total)
        warmup = check(whole(0, most, "steps"), "best", "warmup_steps", usual if warmup_steps is None else warmup_steps)
        return design.best(design.plan_of(self._law, self._values, total, warmup, self.runs), peak, family)

    def to_json(self) -> str:
        """The forecast as JSON text, which `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The forecast from the JSON text of `to_json`.

        Raises:
            ValueError: `text` is not the JSON of a forecast.
        """
        return cls(**_fields_in(text))

    def __repr__(self) -> str:
        return _text(self)

    def _repr_html_(self) -> str:
        """A sentence and the measured and fitted losses, as HTML for a notebook."""
        return pictures.html_of(self.column, self.law, self.runs, self.cautions)

    # Parts.

    @property
    def _law(self) -> Law:
        return LAWS[self.law]

    @property
    def _values(self) -> Floats:
        return np.array(list(self.parameters.values()))

    @property
    def _draws(self) -> Floats:
        return np.array(self.draws) if self.draws else self._values[None, :]

    def _spread(self, rates: Floats, points: Steps) -> Floats:
        """Standard deviation of log(loss), from the draws and the noise."""
        sums = sums_of(rates, points, BAND_GROUPS)
        drawn = np.array([self._law.log_loss(draw, sums) for draw in self._draws])
        return np.asarray(np.sqrt(drawn.var(axis=0) + self.noise**2))

    def _fitted(self, owner: str, log: Any, running_mean: Any, skip: Any) -> tuple[FittedRun, ...]:
        running_mean = check(OrNone(FLAG), owner, "running_mean", running_mean)
        skip = check(SKIP, owner, "skip", skip)
        if log is None:
            return self.runs
        found = Reading(owner, "log", self.column, False, running_mean, skip).runs(log)
        return tuple(fitted_run(run, self._law, self._values) for run in found)


def _text(forecast: Forecast) -> str:
    """The parameters with their intervals, and the fitted trainings."""
    values = ", ".join(
        f"{name}={value:.4g} ({low:.4g} to {high:.4g})"
        for (name, value), (low, high) in zip(forecast.parameters.items(), forecast.intervals.values(), strict=True)
    )
    runs = ", ".join(f"{run.name} ({run.steps:,} steps)" for run in forecast.runs)
    cautions = "".join(f"; caution: {text}" for text in forecast.cautions)
    return f"<Forecast of {forecast.column!r} by the {forecast.law} law: {values}; fitted on {runs}{cautions}>"


def _fields_in(text: str) -> dict[str, Any]:
    """The fields of a forecast from the text of `to_json`."""
    try:
        found = json.loads(text)
        runs: Any = [{k: tuple(v) if isinstance(v, list) else v for k, v in run.items()} for run in found["runs"]]
        found["runs"] = tuple(FittedRun(**run) for run in runs)
        found["draws"] = tuple(tuple(map(float, draw)) for draw in found["draws"])
        found["cautions"] = tuple(found["cautions"])
        if tuple(found["parameters"]) != LAWS[found["law"]].names:
            raise ValueError("other parameters than the law has")
        if set(found) != {field.name for field in fields(Forecast)}:
            raise ValueError("other fields than a forecast has")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"from_json: `text` must be the JSON text of `to_json`, got another text: {error}") from error
    return dict(found)


def _rates(owner: str, name: str, schedule: Any, steps: Any) -> Floats:
    """The rates of a bound schedule. An unbound one is refused."""
    count = check(STEPS, owner, "steps", steps)
    if not isinstance(schedule, LearningRateSchedule) or type(schedule) is LearningRateSchedule:
        allowed = "a schedule" if name == "schedule" else "a dict of schedules by name"
        refuse(owner, name, allowed, schedule, TypeError)
    if not is_bound(schedule):
        refuse(owner, name, "bound to steps: use `schedule.bind(steps_per_epoch=…, epochs=…)`", schedule)
    return values_of(schedule, np.arange(count))
