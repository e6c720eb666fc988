"""Ways to look at a schedule: a table, a plot, a sentence, and its display in a notebook."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from keras_lr.core import describe, drawing, evaluation, svg
from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.refusals import refuse
from keras_lr.core.tree import Formula
from keras_lr.core.warning import warn_user

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_STEPS = 100_000_000
"""Rows of the largest table of a curve."""

MOST_DRAWN = 10_000
"""Points that are drawn of a curve with an end."""

ENDLESS = 1000
"""Steps that are drawn of a schedule without an end."""

EXAMPLE = {"steps_per_epoch": 100, "epochs": 10}
"""The training for which an unbound schedule is drawn."""


class Presented(Formula):
    """A formula with a table, a plot and a sentence."""

    _signature: ClassVar[inspect.Signature]
    """The signature of the constructor, which `Frozen` makes."""

    def to_frame(self, steps: Any = None) -> pd.DataFrame:
        """The curve as a pandas DataFrame with the columns `step` (int64) and `learning_rate` (float64).

        Args:
            steps: a sequence of steps, as for `values`, such as ``range(100)``. By default these are all steps up
                to the end of the schedule. A whole number of first steps is deprecated, since ``values(100)`` is
                the rate at step 100.

        Returns:
            A DataFrame with one row for each step.

        Raises:
            TypeError, ValueError: `steps` is wrong, the schedule is not bound, or it has no end and `steps` is missing.
        """
        import pandas as pd

        if steps is None and self._last_step() > MOST_STEPS:
            refuse(type(self).__name__, "steps", f"given for a schedule of more than {MOST_STEPS:,} steps", steps)
        chosen = np.arange(self._last_step() + 1) if steps is None else self._chosen(steps, "to_frame")
        return pd.DataFrame({"step": chosen, "learning_rate": self.values(chosen)})

    def plot(self, steps: Any = None, ax: Axes | None = None) -> Axes:
        """Draw the curve with matplotlib.

        Args:
            steps: a sequence of steps, as for `values`, such as ``range(100)``. By default these are all steps up
                to the end of the schedule. A whole number of first steps is deprecated, since ``values(100)`` is
                the rate at step 100.
            ax: the axes to draw on; those of a new figure by default.

        Returns:
            The axes, to which one labelled line was added.

        Raises:
            TypeError, ValueError: `steps` is wrong, the schedule is not bound, or it has no end and `steps` is missing.
            ImportError: matplotlib is missing.
        """
        chosen = evenly(self._last_step(), MOST_DRAWN) if steps is None else self._chosen(steps, "plot")
        return drawing.curve(chosen, self.values(chosen), repr(self), ax)

    def _last_step(self) -> int:
        """The step at which the curve has reached its end."""
        self._require_bound()
        end = self.length()
        if end is None:
            refuse(type(self).__name__, "steps", "given, such as `range(1000)`, for a schedule without an end", None)
        return end

    def _chosen(self, steps: Any, method: str) -> NDArray[np.int64]:
        """The steps in the argument: a sequence, or (deprecated) how many from step 0 on."""
        owner = type(self).__name__
        chosen = evaluation.whole_steps(steps, self)
        if chosen.ndim > 1 or (chosen.ndim == 0 and chosen > MOST_STEPS):
            refuse(owner, "steps", f"a sequence of steps, or a number of steps up to {MOST_STEPS:,}", steps)
        if chosen.ndim == 1:
            return chosen
        count = int(chosen)
        text = f"`{method}({count})` is deprecated, since `values({count})` is the rate at step {count}"
        warn_user(f"{owner}: {text}: write `{method}(range({count}))`", DeprecationWarning)
        return np.arange(count, dtype=np.int64)

    def describe(self) -> str:
        """The schedule in one sentence: what it does, its first, highest and last rate, and their mean.

        The rates are left out for a schedule that is not bound or has no end.

        Example:
            >>> LinearDecay(0.1, 100).describe()
            'A straight line from 0.1 to 0 over 100 steps; mean 0.05.'
        """
        return describe.sentence(self)

    def _phrase(self) -> str:
        """What the schedule does, as a part of a sentence: its filled `template`, or its repr if it has none."""
        if not self.template:
            return repr(self)
        defaults = {name: parameter.default for name, parameter in self._signature.parameters.items()}
        return describe.filled(self.template, self.arguments(), defaults, self)

    def _repr_html_(self) -> str:
        """The sentence and the curve as HTML, for a notebook.

        An unbound schedule is drawn for 10 epochs of 100 steps.
        """
        sentence, schedule = self.describe(), cast(Any, self)
        if not self.is_bound:
            try:
                schedule = self.bind(**EXAMPLE)
            except ValueError:  # the schedule needs a longer training
                return svg.without_chart(sentence)
            sentence += f" Drawn for {EXAMPLE['epochs']} epochs of {EXAMPLE['steps_per_epoch']} steps."
        steps = evenly(schedule._last_drawn(), svg.MOST_POINTS)
        line = svg.Line(steps, schedule.values(steps))
        return svg.figure(sentence, [line], svg.Axes("step", "learning rate", from_zero=True))

    def _last_drawn(self) -> int:
        """The last step that is drawn: somewhat after the end, or far enough to show the shape."""
        end, changes, cycle = self.length(), self.changes(), self.cycle_end_after(0)
        if end is not None:
            last = end + max(end // 10, 1)
        elif changes:
            last = changes[-1] * (3 if len(changes) == 1 else 2)
        elif cycle is not None:
            last = 4 * cycle
        else:
            last = ENDLESS if self.has_external else self._half_way_down()
        return min(last, STEP_LIMIT - 1)

    def _half_way_down(self) -> int:
        """A step at which an endless curve is well below its highest rate. For a flat one, any step."""
        for power in range(6):
            last = ENDLESS << 2 * power
            rates = self.values(evenly(last, svg.MOST_POINTS))
            if rates[-1] < 0.6 * rates.max():
                return last
        return ENDLESS


def evenly(last: int, most: int) -> NDArray[np.int64]:
    """Evenly spaced steps from 0 to the last one: all of them, but at most `most`."""
    return np.unique(np.linspace(0, last, min(last + 1, most)).round().astype(np.int64))
