"""`fit_forecast`: fit a law of the loss to the logs of one or more trainings."""

from __future__ import annotations

from typing import Any, SupportsFloat

import numpy as np

from keras_lr.core.fields import FLAG, STRING, OrNone, Whole, one_of, whole
from keras_lr.core.refusals import check
from keras_lr.tools.forecast import fitting
from keras_lr.tools.forecast.fitted import fitted_run
from keras_lr.tools.forecast.laws import LAWS, LawName
from keras_lr.tools.forecast.result import SKIP, Forecast
from keras_lr.tools.forecast.runs import Reading, Run

DRAWS = whole(0, 10_000)
SEED = Whole("a whole number >= 0", 0, steps=False)


def fit_forecast(
    logs: Any,
    law: LawName = "multi-power",
    loss: str = "loss",
    *,
    running_mean: bool | None = None,
    skip: SupportsFloat | None = None,
    draws: SupportsFloat = 40,
    seed: SupportsFloat = 0,
) -> Forecast:
    """Fit a law for loss curves to one or more trainings. It forecasts the loss for any other schedule.

    With S1(t) the sum of the rates up to step t:

    - "multi-power": L(t) = L0 + A·S1(t)^−alpha − B·Σ_k (η(k−1) − η(k))·G(η(k)^−gamma·S_k(t)), with
      G(x) = 1 − (C·x + 1)^−beta and S_k(t) the sum of the rates from step k to t (Luo et al., arXiv 2503.12811).
    - "annealing": L(t) = L0 + A·S1(t)^−alpha − C·S2(t), with S2(t) = Σ_i≤t Σ_k≤i (η(k−1) − η(k))·λ^(i−k) and
      λ = 1 − 1/tau (Tissue et al., arXiv 2408.11029).

    Losses of batches are averaged over a hundred equal intervals of steps. The parameters minimize the Huber loss on
    log L, from several starts. A few runs contain little information about beta and gamma, so these are drawn towards
    the values of the paper. Intervals come from a bootstrap over blocks of residuals.

    SciPy is required: ``pip install "keras-lr[forecast]"``.

    Args:
        logs: a log of `LearningRateLogger` (a DataFrame, the logger itself, a .csv or .parquet file), a list of logs,
            or a dict of logs by name. The loss may be NaN in some rows, for example an evaluation loss that exists
            only in a few rows.
        law: "multi-power" or "annealing".
        loss: the column with the loss.
        running_mean: whether the column contains means over the epoch so far, as Keras reports and the logger records
            them. They are converted to means of batches. By default this is assumed for a column "loss" in a log with
            the columns `epoch` and `batch`.
        skip: steps at the start of each log whose losses are left out; by default the warmup, and at least a
            twentieth of the log.
        draws: number of draws of the bootstrap, in [0, 10000].
        seed: seed of the bootstrap, >= 0.

    Returns:
        A `Forecast`.

    Raises:
        ImportError: SciPy is missing.
        OSError: a file is missing.
        TypeError, ValueError: an argument is not allowed, a log is not valid, or the trainings do not determine the
            parameters: all have a constant rate, a loss does not fall, or there are too few losses. The error says
            what would help.
    """
    owner = "fit_forecast"
    chosen = LAWS[check(one_of(LawName), owner, "law", law)]
    column = check(STRING, owner, "loss", loss)
    running_mean = check(OrNone(FLAG), owner, "running_mean", running_mean)
    left_out: int | None = check(SKIP, owner, "skip", skip)
    count = check(DRAWS, owner, "draws", draws)
    runs = Reading(owner, "logs", column, True, running_mean, left_out).runs(logs)
    fitted = fitting.fit(owner, chosen, runs, count, check(SEED, owner, "seed", seed))
    return Forecast(
        law,
        column,
        dict(zip(chosen.names, map(float, fitted.parameters), strict=True)),
        tuple(tuple(map(float, draw)) for draw in fitted.draws),
        float(np.std(np.concatenate(fitted.residuals))),
        tuple(fitted_run(run, chosen, fitted.parameters) for run in runs),
        _cautions(runs),
    )


def _cautions(runs: list[Run]) -> tuple[str, ...]:
    """Reasons to doubt a forecast from these runs."""
    found = []
    if len(runs) == 1:
        found.append("one run hardly separates the effects of the sum of the rates and of their fall; add another run")
    for run in runs:
        end = run.losses[-max(len(run.losses) // 10, 1) :].mean() / run.losses.min()
        if end > 1.1:
            found.append(f"the loss of {run.name} ends {end - 1:.0%} above its lowest value, which no law describes")
    return tuple(found)
