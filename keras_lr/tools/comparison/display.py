"""What a comparison shows while it runs: a progress bar, and under it how the schedules stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_lr.tools.comparison.result import PREFERRED, direction_of
from keras_lr.tools.comparison.trials import Outcome, Trial

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live


class Display:
    """A progress bar, and under it how the schedules stand."""

    def __init__(self, wanted: dict[str, Trial], outcomes: dict[str, Outcome], *, visible: bool) -> None:
        from rich.progress import Progress

        self._wanted, self._outcomes, self._visible = wanted, outcomes, visible
        self._bar = Progress()
        self._task = self._bar.add_task("trainings", total=len(wanted), completed=len(outcomes))
        self._live: Live | None = None

    def __enter__(self) -> Display:
        from rich.live import Live

        if self._visible:
            self._live = Live(self.draw(), transient=True, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self) -> None:
        """Draw anew, after another outcome."""
        self._bar.update(self._task, completed=len(self._outcomes))
        if self._live is not None:
            self._live.update(self.draw())

    def draw(self) -> Group:
        from rich.console import Group
        from rich.table import Table

        done = {key: outcome for key, outcome in self._outcomes.items() if not outcome.error}
        last = [set(outcome.rows[-1]) for outcome in done.values()]
        metric = next((name for name in PREFERRED if any(name in names for names in last)), "")
        table = Table("schedule", "done", f"{metric} so far, best peak" if metric else "so far")
        for name in dict.fromkeys(trial.schedule for trial in self._wanted.values()):
            keys = [key for key, trial in self._wanted.items() if trial.schedule == name]
            ended = [key for key in keys if key in self._outcomes]
            ends: dict[float, list[float]] = {}
            for key in ended:
                if key in done and metric in done[key].rows[-1]:
                    ends.setdefault(self._wanted[key].peak, []).append(done[key].rows[-1][metric])
            means = [float(np.mean(values)) for values in ends.values()]
            best = (max if direction_of(metric, "auto") == "max" else min)(means) if means else None
            table.add_row(name, f"{len(ended)}/{len(keys)}", "" if best is None else f"{best:.4f}")
        return Group(self._bar, table)
