"""`RangeTest`: the curve of a range test, what the rules pick from it, and its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keras_lr.core import drawing
from keras_lr.core.fields import OneOf
from keras_lr.core.refusals import check
from keras_lr.core.warning import warn_user
from keras_lr.tools.range_test import suggestions as rules

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

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
        sweeps: the runs, one for each repeat.
        steps: batches that were asked for; a run that diverged has fewer.
        diverged: whether every run was ended by its loss.
    """

    sweeps: tuple[Sweep, ...]
    steps: int
    diverged: bool

    def to_frame(self) -> pd.DataFrame:
        """The curve: learning_rate, loss (of the batch), smoothed_loss; with repeats also `repeat`."""
        import pandas as pd

        frames = [pd.DataFrame(vars(sweep)) for sweep in self.sweeps]
        if len(frames) > 1:
            frames = [frame.assign(repeat=number) for number, frame in enumerate(frames)]
        return pd.concat(frames, ignore_index=True)

    def suggestion(self, rule: str = "valley") -> float | None:
        """The learning rate that a rule picks from the curve.

        - "valley": about half way down the longest fall of the loss.
        - "steepest": where the loss falls fastest over log(rate).
        - "minimum": a tenth of the rate with the lowest loss.
        - "slide": left of where the loss begins to leave the scale.

        The rules are fastai's, on the curve without its first tenth and its last 5 points, and
        without everything from the first loss that is not finite. Over repeats it is the
        geometric median of their answers.

        Returns:
            A rate; or None, with a warning that says why, where the curve holds no answer: too
            few points, a loss that does not fall by more than its noise, a minimum at an end, or
            repeats that differ by more than a factor of ten.

        Raises:
            ValueError: an unknown rule.
        """
        found = self._suggest(rule)
        if found.learning_rate is None:
            warn_user(f"find_learning_rate: no suggestion by {rule!r}: {found.reason}")
        return found.learning_rate

    def suggestions(self) -> pd.DataFrame:
        """What all rules say: rule, learning_rate (NaN for no answer), loss, and the reason of none."""
        import pandas as pd

        found = [vars(self._suggest(rule)) for rule in rules.RULES]
        return pd.DataFrame(found).astype({"learning_rate": "float64", "loss": "float64"})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the smoothed loss over the rate, with what the rules pick. Returns the axes."""
        return _draw(self, ax)

    def _suggest(self, rule: str) -> rules.Suggestion:
        check(OneOf(tuple(rules.RULES)), "suggestion", "rule", rule)
        skip = self.steps // 10
        found = [
            rules.suggest(rule, sweep.learning_rate, sweep.loss, sweep.smoothed_loss, skip) for sweep in self.sweeps
        ]
        answers = [one for one in found if one.learning_rate is not None]
        if 2 * len(answers) <= len(found):
            return next(one for one in found if one.learning_rate is None)
        rates = np.array([one.learning_rate for one in answers], np.float64)
        if rates.max() > DECADE * rates.min():
            reason = f"the repeats say {rates.min():.2g} to {rates.max():.2g}, more than a factor of ten"
            return rules.Suggestion(rule, None, None, reason)
        losses = np.array([one.loss for one in answers], np.float64)
        return rules.Suggestion(rule, float(np.exp(np.median(np.log(rates)))), float(np.median(losses)))


def _draw(test: RangeTest, ax: Axes | None = None) -> Axes:
    """Draw the smoothed losses of a range test over the rate, and the answers of the rules.

    Several repeats are one line (their median) in a band from the lowest to the highest.
    """
    ax = drawing.axes(ax)
    count = min(len(sweep.loss) for sweep in test.sweeps)
    rates = test.sweeps[0].learning_rate[:count]
    smoothed = np.stack([sweep.smoothed_loss[:count] for sweep in test.sweeps])
    middle = np.median(smoothed, axis=0)
    if len(test.sweeps) == 1:
        ax.plot(rates, test.sweeps[0].loss[:count], ".", color="0.7", markersize=3, label="loss of the batch")
    else:
        ax.fill_between(rates, smoothed.min(axis=0), smoothed.max(axis=0), color="tab:blue", alpha=0.2, linewidth=0)
    ax.plot(rates, middle, color="tab:blue", label="smoothed loss")
    table = test.suggestions()
    for rule, rate in zip(table["rule"], table["learning_rate"].to_numpy(np.float64), strict=True):
        if np.isfinite(rate):
            height = np.interp(np.log(rate), np.log(rates), middle)
            ax.plot(rate, height, "o", label=f"{rule}: {rate:.2g}")
    ax.set_xscale("log")
    finite = middle[np.isfinite(middle)]
    if len(finite):
        # A loss that diverges would press the rest of the curve flat.
        low, high = finite.min(), max(finite[0], finite.min())
        margin = 0.25 * (high - low) or 0.1 * abs(high) or 1.0
        ax.set_ylim(low - margin, high + 2.0 * margin)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("loss")
    ax.grid(visible=True, alpha=0.3)
    ax.legend(fontsize="small")
    return ax
