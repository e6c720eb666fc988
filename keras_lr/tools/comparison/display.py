"""The display of a running comparison: Keras's progress bar with the results of the schedules so far."""

from __future__ import annotations

import keras
import numpy as np

from keras_lr.tools.comparison.result import PREFERRED, direction_of
from keras_lr.tools.comparison.trials import Outcome, Trial


class Display:
    """A progress bar of the trainings, with each schedule's result so far at its best peak."""

    def __init__(self, wanted: dict[str, Trial], outcomes: dict[str, Outcome], *, visible: bool) -> None:
        self._wanted, self._outcomes = wanted, outcomes
        names = {trial.schedule for trial in wanted.values()}
        self._bar = keras.utils.Progbar(
            len(wanted), verbose=int(visible), stateful_metrics=names, unit_name="training", interval=0.0
        )

    def update(self) -> None:
        """Draw the bar again after another outcome."""
        # Keras ends the line when a bar is finished or reaches its target.
        self._bar.update(len(self._outcomes), list(self.standings().items()))

    def standings(self) -> dict[str, float]:
        """For each schedule, the mean of the metric of `summary` over the seeds, at the best peak so far."""
        done = {key: outcome for key, outcome in self._outcomes.items() if not outcome.error}
        last = [set(outcome.rows[-1]) for outcome in done.values()]
        metric = next((name for name in PREFERRED if any(name in names for names in last)), "")
        ends: dict[str, dict[float, list[float]]] = {}
        for key, outcome in done.items():
            trial = self._wanted.get(key)
            if trial is not None and metric in outcome.rows[-1]:
                ends.setdefault(trial.schedule, {}).setdefault(trial.peak, []).append(outcome.rows[-1][metric])
        best = max if direction_of(metric, "auto") == "max" else min
        return {name: float(best(map(np.mean, peaks.values()))) for name, peaks in ends.items()}
