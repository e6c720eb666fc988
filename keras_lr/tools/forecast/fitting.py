"""Fits a law to runs: several starts, least squares with Huber's loss on log L, then a bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_lr.core import optional
from keras_lr.core.refusals import shown
from keras_lr.tools.forecast.laws import LOWEST, Law
from keras_lr.tools.forecast.runs import Run
from keras_lr.tools.forecast.sums import Floats, Sums, sums_of

DELTA = 1e-3
"""The residual in log L from which Huber's loss is linear: as in arXiv 2503.12811, section 4.1."""

STARTS = 3
"""Number of starts that are optimized: the best ones of a grid."""

GROUPS = 100
"""Number of falls of a run in a fit."""

BLOCKS = 10
"""Number of blocks of residuals of a run, which are drawn with replacement."""

POWERS = (0.15, 0.4, 1.0)
"""Exponents α with which a fit begins."""

LEAST = 12
"""Smallest number of losses of a run for a fit."""

SMALLEST_AREA = 1e-12
"""Used instead of a smaller area for the start of a fit, in scaled units."""

SEEN_FALL = 0.1
"""The rate must fall by this fraction of the highest rate in at least one run."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted law: its parameters, those of the bootstrap, and the residuals in log L of each run."""

    parameters: Floats
    draws: Floats
    residuals: list[Floats]


def refuse_unfit(owner: str, runs: list[Run]) -> None:
    """Refuse runs that do not determine the parameters of a law. The error says which run would help."""
    for run in runs:
        if len(run.steps) < LEAST:
            raise ValueError(
                f"{owner}: {run.name}: a law needs {LEAST} losses after the warmup, got {len(run.steps)}; record the "
                "loss of every batch with LearningRateLogger(metrics=('loss',)), or evaluate more often"
            )
        part = max(len(run.losses) // 4, 1)
        if np.median(run.losses[-part:]) >= np.median(run.losses[:part]):
            raise ValueError(
                f"{owner}: {run.name}: the laws describe a loss that falls, got one that does not: its last quarter "
                "is no lower than its first one"
            )
    falls = [1.0 - run.rates[run.warmup :].min() / max(run.rates.max(), 1e-300) for run in runs]
    if max(falls) < SEEN_FALL:
        highest = max(run.rates.max() for run in runs)
        steps = max(len(run.rates) for run in runs)
        names = ", ".join(shown(run.name) for run in runs)
        raise ValueError(
            f"{owner}: a run at a constant rate does not show the effect of a decay, and the rate is constant in "
            f"{names}; add a run whose rate falls, such as CosineDecay({highest:.4g}, {steps})"
        )


def fit(owner: str, law: Law, runs: list[Run], draws: int, seed: int) -> Fit:
    """Fit a law to runs.

    Raises:
        ImportError: SciPy is missing.
        ValueError: the runs do not determine the parameters.
    """
    optional.require("scipy", "forecast", "a forecast")
    refuse_unfit(owner, runs)
    rate = max(float(run.rates.max()) for run in runs)
    sums = [sums_of(run.rates, run.steps, GROUPS) for run in runs]
    area = max(float(it.area[-1]) for it in sums)
    scaled = [it.scaled(rate, area) for it in sums]
    steps = float(max(len(run.rates) for run in runs))
    observed = [np.log(run.losses) for run in runs]
    problem = _Problem(law, scaled, steps)
    ends = [problem.solve(start, observed, 100) for start in problem.starts(observed)]
    best = min(ends, key=lambda end: end[1])[0]
    problem.expect(best, observed)
    best = problem.solve(best, observed, 100)[0]
    fitted = problem.logs(best)
    residuals = [seen - there for seen, there in zip(observed, fitted, strict=True)]
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        again = [there + _shuffled(rest, generator) for there, rest in zip(fitted, residuals, strict=True)]
        drawn.append(problem.solve(best, again, 25)[0])

    def unscaled(point: Floats) -> Floats:
        return law.unscaled(problem.parameters(point), rate, area)

    samples = np.array([unscaled(point) for point in drawn]).reshape(draws, len(law.names))
    return Fit(unscaled(best), samples, residuals)


def _shuffled(residuals: Floats, generator: np.random.Generator) -> Floats:
    """Residuals resampled in blocks of neighbours, with replacement."""
    length = max(len(residuals) // BLOCKS, 1)
    starts = generator.integers(0, len(residuals) - length + 1, -(-len(residuals) // length))
    return np.asarray(residuals[(starts[:, None] + np.arange(length)).ravel()[: len(residuals)]])


class _Problem:
    """The least-squares problem of a law and some runs. A point is L0 and the logarithms of the other parameters."""

    def __init__(self, law: Law, sums: list[Sums], steps: float) -> None:
        self._law, self._sums, self._steps = law, sums, steps
        self._usual = np.zeros(len(law.names))
        self._weight = np.zeros(len(law.names))

    def expect(self, point: Floats, observed: list[Floats]) -> None:
        """From now on, keep parameters about which the runs contain little information near their usual values.

        The weight is that of a normal distribution, relative to residuals as large as those at this point.
        """
        there = self.logs(point)
        error = float(np.mean(np.abs(np.concatenate(observed) - np.concatenate(there))))
        for name, (value, spread) in self._law.usual(self._steps).items():
            place = self._law.names.index(name)
            self._usual[place] = np.log(value)
            self._weight[place] = np.sqrt(error * max(error, DELTA)) / spread

    @staticmethod
    def parameters(point: Floats) -> Floats:
        return np.concatenate([point[:1], np.exp(point[1:])])

    def logs(self, point: Floats) -> list[Floats]:
        """The logarithm of the law's loss at the points of each run."""
        return [self._law.log_loss(self.parameters(point), sums) for sums in self._sums]

    def starts(self, observed: list[Floats]) -> list[Floats]:
        """The best points of a grid over the exponents. The other parameters follow from linear least squares."""
        from scipy.optimize import nnls

        weights = np.concatenate([np.exp(-it) for it in observed])
        area = np.concatenate([sums.area for sums in self._sums])
        found: list[tuple[float, Floats]] = []
        for shape in self._law.shapes(self._steps):
            gain = np.concatenate([self._law.gain(np.array(shape), sums) for sums in self._sums])
            for power in POWERS:
                fall = np.maximum(area, SMALLEST_AREA) ** -power
                columns = np.stack([np.ones_like(area), fall, -gain], axis=1) * weights[:, None]
                linear, error = nnls(columns, np.ones(len(area)))
                lowest, height, size = np.maximum(linear, [0.0, 1e-6, 1e-6])
                found.append((error, np.array([lowest, *np.log([height, power, size, *shape])])))
        found.sort(key=lambda it: it[0])
        return [point for _, point in found[:STARTS]]

    def solve(self, start: Floats, observed: list[Floats], evaluations: int) -> tuple[Floats, float]:
        """The point of least squares from a start, and its cost."""
        from scipy.optimize import least_squares

        low, high = self._bounds(observed)
        residuals, slopes = self._functions(observed)
        done = least_squares(
            residuals,
            np.clip(start, low + 1e-9, high - 1e-9),
            jac=slopes,
            bounds=(low, high),
            loss="huber",
            f_scale=DELTA,
            x_scale="jac",
            max_nfev=evaluations,
        )
        return done.x, float(done.cost)

    def _functions(self, observed: list[Floats]) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
        seen = np.concatenate(observed)

        # A fall of the rate cannot reduce the loss by more than the loss itself. Without this bound, a law that is
        # fitted to one decay may forecast a loss below 0 for another one.
        whole = np.array([float(name in self._law.whole) for name in self._law.names])
        most = float(np.median(seen))

        def residuals(point: Floats) -> Floats:
            apart = self._weight * (point - self._usual)
            beyond = [max(float(point @ whole) - most, 0.0)]
            return np.concatenate([np.concatenate(self.logs(point)) - seen, apart, beyond])

        def slopes(point: Floats) -> Floats:
            parts = [self._law.slopes(self.parameters(point), sums) for sums in self._sums]
            of_logs = [
                np.where(loss[:, None] > LOWEST, it / np.maximum(loss, LOWEST)[:, None], 0.0) for loss, it in parts
            ]
            beyond = whole if float(point @ whole) > most else 0.0 * whole
            return np.concatenate([*of_logs, np.diag(self._weight), beyond[None, :]])

        return residuals, slopes

    def _bounds(self, observed: list[Floats]) -> tuple[Floats, Floats]:
        count = len(self._law.names) - 1
        # The loss may end below L0, by the effect of the falls of the rate.
        highest = float(np.exp(max(it.max() for it in observed)))
        low, high = np.full(count, -12.0), np.full(count, 12.0)
        low[1], high[1] = np.log(0.01), np.log(4.0)  # α
        if self._law.title == "annealing":
            low[3], high[3] = np.log(1.5), np.log(20.0 * self._steps)
        else:
            low[4], high[4] = np.log(0.02), np.log(10.0)  # β
            low[5], high[5] = np.log(0.001), np.log(2.0)  # γ
        return np.concatenate([[0.0], low]), np.concatenate([[highest], high])
