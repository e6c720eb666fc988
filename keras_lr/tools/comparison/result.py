"""`Comparison`: the curves of a comparison, a summary and a plot."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

import numpy as np

from keras_lr.core import drawing, svg
from keras_lr.core.fields import FLAG, OneOf, OrNone, Real, one_of
from keras_lr.core.refusals import check

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TARGET = OrNone(Real("a finite number"))
Mode = Literal["auto", "min", "max"]

PREFERRED = ("val_accuracy", "val_sparse_categorical_accuracy", "val_loss", "accuracy", "loss")


@dataclass(frozen=True, eq=False)
class Comparison:
    """The result of `compare`.

    Attributes:
        names: the names of the schedules, in the given order.
        frame: a DataFrame with a row for each epoch of each training.
        failures: a DataFrame with a row for each failed training: schedule, peak, seed, error.
    """

    names: tuple[str, ...]
    frame: pd.DataFrame
    failures: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """All curves as a pandas DataFrame.

        Returns:
            A row for each epoch of each training: schedule, peak, seed, epoch (from 1), seconds (of training so
            far), learning_rate, and the metrics. The peak is infinite if the schedule has no highest rate.
        """
        return self.frame.copy()

    def summary(
        self,
        metric: str | None = None,
        target: SupportsFloat | None = None,
        *,
        mode: Mode = "auto",
        all_peaks: bool = False,
    ) -> pd.DataFrame:
        """One row for each schedule at its best peak rate, the best schedule first.

        Args:
            metric: a column of the frame; by default the first existing one of val_accuracy, val_loss,
                accuracy, loss.
            target: a value of the metric; by default the mean of the first schedule after its last epoch,
                at its best peak.
            mode: "max", "min", or "auto": "max" if the name contains "acc", "auc", "f1", "precision" or "recall".
            all_peaks: whether to return a row for each peak rate instead.

        Returns:
            A DataFrame with the columns schedule, peak, seeds (finished trainings), mean and std of the metric
            after the last epoch (std with n − 1; NaN for one seed), reached (trainings that reached the target),
            and the means of epochs_to_target and seconds_to_target over those (NaN for none).

        Raises:
            TypeError, ValueError: the metric or mode is unknown, or `target` is not a number.
        """
        import pandas as pd

        metric = self._metric(metric)
        wanted: float | None = check(TARGET, "summary", "target", target)
        all_peaks = check(FLAG, "summary", "all_peaks", all_peaks)
        sign = -1.0 if direction_of(metric, mode) == "min" else 1.0
        parts: Any = self.frame.groupby(["schedule", "peak"], sort=False)
        groups = [
            _Group(schedule, peak, [run for _, run in part.groupby("seed", sort=True)], metric, sign)
            for (schedule, peak), part in parts
        ]
        best: dict[str, _Group] = {}
        for group in groups:
            if group.schedule not in best or group.is_better_than(best[group.schedule]):
                best[group.schedule] = group
        if wanted is None:
            wanted = next((best[name].mean for name in self.names if name in best), math.nan)
        rows = [group.row(wanted) for group in groups if all_peaks or best[group.schedule] is group]
        frame = pd.DataFrame(rows)
        order = (sign * frame["mean"]).sort_values(ascending=False, kind="stable", na_position="last").index
        frame = frame.loc[order].reset_index(drop=True)
        frame.attrs.update(metric=metric, target=wanted)
        return frame

    def plot(self, metric: str | None = None, ax: Axes | None = None, *, mode: Mode = "auto") -> Axes:
        """Draw the metric over the epochs: the mean of each schedule at its best peak, in a band of one std.

        Args:
            metric: as for `summary`.
            ax: matplotlib's axes to draw on; those of a new figure by default.
            mode: as for `summary`.

        Returns:
            The axes.

        Raises:
            TypeError, ValueError: an argument is not allowed.
            ImportError: matplotlib is missing.
        """
        summary = self.summary(metric, mode=mode)
        ax = drawing.axes(ax)
        from matplotlib.ticker import MaxNLocator

        for label, curve in self._curves(summary):
            (line,) = ax.plot(curve.index, curve["mean"], label=label)
            ax.fill_between(curve.index, curve["low"], curve["high"], color=line.get_color(), alpha=0.15, linewidth=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("epoch")
        ax.set_ylabel(summary.attrs["metric"])
        ax.grid(visible=True, alpha=0.3)
        ax.legend(fontsize="small", title="schedule (peak rate)")
        return ax

    def _repr_html_(self) -> str:
        """A sentence with the best schedule, and the curves of the metric, as HTML for a notebook."""
        count = len(self.failures)
        failed = f" {count:,} training{'s' if count > 1 else ''} failed." if count else ""
        if not len(self.frame):
            return svg.without_chart(f"A comparison without results.{failed}")
        summary = self.summary()
        metric, best = summary.attrs["metric"], summary.iloc[0]
        spread = f" ± {best['std']:.2g}" if math.isfinite(best["std"]) else ""
        sentence = f"{len(summary)} schedules. Best in {metric}: {best['schedule']}, {best['mean']:.4g}{spread}."
        lines = [
            svg.Line(curve.index.to_numpy(), curve["mean"].to_numpy(), label, band=(curve["low"], curve["high"]))
            for label, curve in self._curves(summary)
        ]
        return svg.figure(sentence + failed, lines, svg.Axes("epoch", metric))

    def _curves(self, summary: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """For each row of a summary: its label, and mean, low and high (one standard deviation) by epoch."""
        for name, peak in zip(summary["schedule"], summary["peak"], strict=True):
            part = self.frame[(self.frame["schedule"] == name) & (self.frame["peak"] == peak)]
            curve = part.groupby("epoch")[summary.attrs["metric"]].agg(["mean", "std"]).fillna({"std": 0.0})
            low, high = curve["mean"] - curve["std"], curve["mean"] + curve["std"]
            yield f"{name} ({peak:.3g})", curve.assign(low=low, high=high)

    def _metric(self, metric: str | None) -> str:
        names = list(self.frame.columns)[6:]
        if metric is None:
            return next((name for name in PREFERRED if name in names), names[0])
        return str(check(OneOf(tuple(names)), "summary", "metric", metric))


class _Group:
    """The trainings of one schedule at one peak, evaluated by one metric.

    Args:
        schedule: the name of the schedule.
        peak: its highest rate.
        runs: the rows of each training, one training per seed.
        metric: the column of the metric.
        sign: 1 if a higher metric is better, -1 if a lower one is.
    """

    def __init__(self, schedule: str, peak: float, runs: list[pd.DataFrame], metric: str, sign: float) -> None:
        self.schedule, self.peak, self._runs, self._metric, self._sign = schedule, peak, runs, metric, sign
        self._ends = np.array([run[metric].iloc[-1] for run in runs], np.float64)
        self.mean = float(self._ends.mean())

    def is_better_than(self, other: _Group) -> bool:
        """Whether the mean is better. A mean that is not finite never is."""
        mean, others = self._sign * self.mean, self._sign * other.mean
        return mean > others or (math.isfinite(mean) and not math.isfinite(others))

    def row(self, target: float) -> dict[str, Any]:
        """The group's row of the summary."""
        sign, metric = self._sign, self._metric
        hits = [run[sign * run[metric] >= sign * target] for run in self._runs]
        first = [hit.iloc[0] for hit in hits if len(hit)]
        return {
            "schedule": self.schedule,
            "peak": self.peak,
            "seeds": len(self._runs),
            "mean": self.mean,
            "std": self._ends.std(ddof=1) if len(self._runs) > 1 else math.nan,
            "reached": len(first),
            "epochs_to_target": np.mean([hit["epoch"] for hit in first]) if first else math.nan,
            "seconds_to_target": np.mean([hit["seconds"] for hit in first]) if first else math.nan,
        }


def direction_of(metric: str, mode: Mode) -> str:
    """Whether a metric should be high or low: "max" or "min"."""
    check(one_of(Mode), "summary", "mode", mode)
    if mode != "auto":
        return mode
    return "max" if any(part in metric.lower() for part in ("acc", "auc", "f1", "precision", "recall")) else "min"
