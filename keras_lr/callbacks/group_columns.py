"""Columns of a log for groups of variables with a factor of the rate (`Scheduled(…, multipliers=…)`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_lr.core.inner import values_of
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.optimizers.lookup import Hyperparameter, RatedOptimizer
from keras_lr.optimizers.multipliers import RATE
from keras_lr.optimizers.scheduled import multipliers_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GroupColumn:
    """The column of one pattern: the rate of its optimizer times its factor."""

    column: str
    rated: RatedOptimizer
    factor: LearningRateSchedule

    def rates(self, columns: Mapping[str, Floats], first_step: int) -> Floats:
        """The rates of the group, from the optimizer's rates in `columns`."""
        base = columns[self.rated.column]
        factors = values_of(self.factor, np.arange(first_step, first_step + len(base)))
        return np.asarray(base * factors)


def group_columns(hyperparameters: Iterable[Hyperparameter]) -> list[GroupColumn]:
    """A column for each pattern of each optimizer of a log, named ``learning_rate[pattern]``."""
    optimizers = dict.fromkeys(hyperparameter.rated for hyperparameter in hyperparameters)
    return [
        GroupColumn(f"{rated.column}[{pattern}]", rated, factor)
        for rated in optimizers
        for multipliers in multipliers_of(rated.optimizer)
        if multipliers.name == RATE
        for pattern, factor in multipliers.factors.items()
    ]
