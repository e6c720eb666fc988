"""`RangeTest`: the curve of a range test, the suggestions of the rules, and a plot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_lr.core import drawing, svg
from keras_lr.core.fields import one_of
from keras_lr.core.refusals import check
from keras_lr.core.warning import warn_user
from keras_lr.tools.range_test import suggestions as rules
from keras_lr.tools.range_test.suggestions import Floats

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

DECADE = 10.0


@dataclass(frozen=True, eq=False)
class Sweep:
    """One run of the range test: the rate and the loss of each batch, and the smoothed loss."""

    learning_rate: Floats
    loss: Floats
    smoothed_loss: Floats


@dataclass(frozen=True, eq=False)
class RangeTest:
    """The result of `find_learning_rate`.

    Attributes:
        sweeps: the runs of the test.
        steps: the requested number of batches. A run that diverged has fewer.
        diverged: whether the loss ended every run.
    """

    sweeps: tuple[Sweep, ...]
    steps: int
    diverged: bool

    def to_frame(self) -> pd.DataFrame:
        """The curve as a pandas DataFrame, with a row for each batch.

        Returns:
            A DataFrame with the columns learning_rate, loss (of the batch), smoothed_loss, and, for several runs,
            `repeat`.
        """
        import pandas as pd

        frames = [pd.DataFrame(vars(sweep)) for sweep in self.sweeps]
        if len(frames) > 1:
            frames = [frame.assign(repeat=number) for number, frame in enumerate(frames)]
        return pd.concat(frames, ignore_index=True)

    def suggestion(self, rule: rules.Rule = "valley") -> float | None:
        """The learning rate that a rule suggests.

        - "valley": about half way down the longest fall of the loss.
        - "steepest": where the loss falls fastest over log(rate).
        - "minimum": a tenth of the rate with the lowest loss.
        - "slide": left of the point where the loss begins to diverge.

        The rules are those of fastai. They use the curve without its first tenth, its last 5 points, and
        everything from the first loss on that is not finite. For several runs, the suggestion is the
        geometric median.

        Args:
            rule: "valley", "steepest", "minimum" or "slide".

        Returns:
            A rate, or None, with a warning that contains the reason: there are too few points, the loss
            does not fall by more than its noise, the minimum is at an end of the curve, or the runs differ
            by more than a factor of ten.

        Raises:
            TypeError, ValueError: the rule is unknown.
        """
        found = self._suggest(rule)
        if found.learning_rate is None:
            warn_user(f"find_learning_rate: no suggestion by {rule!r}: {found.reason}")
        return found.learning_rate

    def suggestions(self) -> pd.DataFrame:
        """The suggestions of all rules as a pandas DataFrame.

        Returns:
            A DataFrame with the columns rule, learning_rate (NaN if there is no suggestion), loss, and the reason if
            there is none.
        """
        import pandas as pd

        found = [vars(self._suggest(rule)) for rule in rules.RULES]
        return pd.DataFrame(found).astype({"learning_rate": "float64", "loss": "float64"})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the smoothed loss over the rate with matplotlib, with the suggestions of the rules.

        Several runs are drawn as one line (their median) in a band from the lowest to the highest.

        Args:
            ax: the axes to draw on; those of a new figure by default.

        Returns:
            The axes.

        Raises:
            TypeError: `ax` is not matplotlib's axes.
            ImportError: matplotlib is missing.
        """
        ax, picture = drawing.axes(ax), _picture_of(self)
        rates = picture.rates
        if picture.band is None:
            ax.plot(rates, self.sweeps[0].loss[: len(rates)], ".", color="0.7", markersize=3, label="loss of the batch")
        else:
            ax.fill_between(rates, *picture.band, color="tab:blue", alpha=0.2, linewidth=0)
        ax.plot(rates, picture.middle, color="tab:blue", label="smoothed loss")
        for rule, (rate, height) in picture.marks.items():
            ax.plot(rate, height, "o", label=f"{rule}: {rate:.2g}")
        ax.set_xscale("log")
        if picture.limits is not None:
            ax.set_ylim(*picture.limits)
        ax.set_xlabel("learning rate")
        ax.set_ylabel("loss")
        ax.grid(visible=True, alpha=0.3)
        ax.legend(fontsize="small")
        return ax

    def _repr_html_(self) -> str:
        """A sentence, and the curve with the suggestions of the rules, as HTML for a notebook."""
        picture = _picture_of(self)
        answers = ", ".join(f"{rate:.2g} ({rule})" for rule, (rate, _) in picture.marks.items())
        batches = sum(len(sweep.loss) for sweep in self.sweeps)
        low, high = picture.rates[0], picture.rates[-1]
        sentence = f"A range test of {batches:,} batches, with rates from {low:.2g} to {high:.2g}. "
        sentence += f"Suggested learning rates: {answers}." if answers else "No rule suggests a learning rate."
        line = svg.Line(picture.rates, picture.middle, "smoothed loss", band=picture.band)
        marks = [svg.Line([x], [y], f"{rule}: {x:.2g}", "marks") for rule, (x, y) in picture.marks.items()]
        axes = svg.Axes("learning rate", "loss", log_x=True, y_range=picture.limits)
        return svg.figure(sentence, [line, *marks], axes)

    def _suggest(self, rule: str) -> rules.Suggestion:
        check(one_of(rules.Rule), "suggestion", "rule", rule)
        skip = self.steps // 10
        found = [
            rules.suggest(rule, sweep.learning_rate, sweep.loss, sweep.smoothed_loss, skip) for sweep in self.sweeps
        ]
        answers = [one for one in found if one.learning_rate is not None]
        if 2 * len(answers) <= len(found):
            return next(one for one in found if one.learning_rate is None)
        rates = np.array([one.learning_rate for one in answers], np.float64)
        if rates.max() > DECADE * rates.min():
            reason = f"the repeats suggest {rates.min():.2g} to {rates.max():.2g}, more than a factor of ten apart"
            return rules.Suggestion(rule, None, None, reason)
        losses = np.array([one.loss for one in answers], np.float64)
        return rules.Suggestion(rule, float(np.exp(np.median(np.log(rates)))), float(np.median(losses)))


@dataclass(frozen=True, eq=False)
class _Picture:
    """The content of a plot of a range test.

    Attributes:
        rates: the rates that all runs have.
        middle: the median of the smoothed losses.
        band: the lowest and the highest smoothed loss over the runs; None for one run.
        marks: the suggestions: rate and loss by rule.
        limits: the ends of the loss axis; None if no loss is finite.
    """

    rates: Floats
    middle: Floats
    band: tuple[Floats, Floats] | None
    marks: dict[str, tuple[float, float]]
    limits: tuple[float, float] | None


def _picture_of(test: RangeTest) -> _Picture:
    count = min(len(sweep.loss) for sweep in test.sweeps)
    rates = test.sweeps[0].learning_rate[:count]
    smoothed = np.stack([sweep.smoothed_loss[:count] for sweep in test.sweeps])
    middle = np.median(smoothed, axis=0)
    band = None if len(test.sweeps) == 1 else (smoothed.min(axis=0), smoothed.max(axis=0))
    table = test.suggestions()
    answers = zip(table["rule"], table["learning_rate"].to_numpy(np.float64), strict=True)
    marks = {
        rule: (float(rate), float(np.interp(np.log(rate), np.log(rates), middle)))
        for rule, rate in answers
        if np.isfinite(rate)
    }
    finite, limits = middle[np.isfinite(middle)], None
    if len(finite):
        # Otherwise a diverging loss would flatten the rest of the curve.
        low, high = finite.min(), max(finite[0], finite.min())
        margin = 0.25 * (high - low) or 0.1 * abs(high) or 1.0
        limits = (float(low - margin), float(high + 2.0 * margin))
    return _Picture(rates, middle, band, marks, limits)
