"""`FittedRun`: the data of a training that a forecast contains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_lr.tools.forecast.laws import Law
from keras_lr.tools.forecast.runs import Run
from keras_lr.tools.forecast.sums import Floats

PARTS = 20
"""Into so many parts a run is cut, to see how steeply its rate falls: over one part, and not between two steps."""


@dataclass(frozen=True)
class FittedRun:
    """A training to which a law was fitted: its length, its rates after the warmup, and its smoothed loss.

    `steepest_fall` is how often the rate would fall from its highest value to 0 in the time of the run, if it always
    fell as fast as in the twentieth of the run where it falls most: 1 for a straight line to 0.
    """

    name: str
    steps: int
    warmup: int
    highest_rate: float
    lowest_rate: float
    steepest_fall: float
    first_area: float
    loss_steps: tuple[int, ...]
    losses: tuple[float, ...]
    fitted: tuple[float, ...]


def fitted_run(run: Run, law: Law, parameters: Floats) -> FittedRun:
    """The data of a training that a forecast contains."""
    after = run.rates[run.warmup :]
    sums = run.sums
    return FittedRun(
        run.name,
        len(run.rates),
        run.warmup,
        float(after.max()),
        float(after.min()),
        steepest_fall(after),
        float(sums.area[0]) if len(sums.area) else 0.0,
        tuple(map(int, run.steps)),
        tuple(map(float, run.losses)),
        tuple(map(float, law.loss(parameters, sums))),
    )


def steepest_fall(rates: Floats) -> float:
    """The steepest fall of rates, in falls from the highest one to 0 in the time of all of them; 0 where none falls."""
    span, highest = len(rates) - 1, float(rates.max())
    part = lag = max(span // PARTS, 1)
    fall = 0.0
    while lag >= 1:  # a rate that goes up and down may fall within a part, and be the same at its ends
        fall = max(fall, float(np.max(rates[:-lag] - rates[lag:], initial=0.0)))
        lag //= 2
    return fall * span / (part * highest) if highest > 0.0 else 0.0
