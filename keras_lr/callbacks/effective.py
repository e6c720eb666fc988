"""The effective rate of normalized kernels: their norm, η/‖w‖², and the relative size of an update."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr.callbacks.recording import Segment
from keras_lr.core.fields import FLAG, STRING, Several
from keras_lr.core.inner import values_of
from keras_lr.core.refusals import check, compiled, refuse
from keras_lr.optimizers import lookup
from keras_lr.optimizers.multipliers import RATE
from keras_lr.optimizers.scale_invariant import scale_invariant_kernels
from keras_lr.optimizers.scheduled import multipliers_of

OWNER = "LearningRateLogger"
NORM, EFFECTIVE, UPDATE = "norm[", "effective_learning_rate[", "relative_update["
COLUMNS = (NORM, EFFECTIVE, UPDATE)
"""The prefixes of the columns. The path of the kernel and a bracket follow."""

PATTERNS = Several("True, False, or a non-empty sequence of regular expressions", STRING)


def checked(effective: Any) -> bool | tuple[str, ...]:
    """The argument `effective` of the logger, checked."""
    if isinstance(effective, bool | np.bool_):
        flag: bool = check(FLAG, OWNER, "effective", effective)
        return flag
    patterns: tuple[str, ...] = check(PATTERNS, OWNER, "effective", effective)
    for pattern in patterns:
        compiled(OWNER, "effective", PATTERNS.allowed, pattern)
    return patterns


class EffectiveRates:
    """The kernels of a model, measured before and after the first update of each epoch.

    Args:
        model: a built model with one optimizer.
        wanted: True for the kernels whose scale does not matter, or regular expressions searched in variable paths.

    Raises:
        ValueError: there are no such kernels, or several optimizers.
    """

    def __init__(self, model: Any, wanted: bool | tuple[str, ...]) -> None:
        self._model = model
        self._rated = lookup.rated_optimizers(model)
        if len(self._rated) != 1:
            refuse(OWNER, "effective", "False with several optimizers", wanted)
        if wanted is True:
            self._kernels = scale_invariant_kernels(model)
            allowed = "patterns of paths, since the graph of the model has no kernel with a normalization after it"
        else:
            patterns = wanted or ()
            variables = model.trainable_variables
            self._kernels = [it for it in variables if any(re.search(pattern, it.path) for pattern in patterns)]
            allowed = "patterns that match the path of a trainable variable"
        if not self._kernels:
            refuse(OWNER, "effective", allowed, wanted)
        self._step = -1
        self._before: list[NDArray[np.float64]] = []
        self._updates: NDArray[np.float64] | None = None

    def begin_epoch(self) -> None:
        """Measure before the first update of an epoch."""
        self._step = self._rated[0].step()
        self._before, self._updates = self._values(), None

    def after_batch(self) -> None:
        """Measure after the first execution of the training step in an epoch."""
        if self._updates is None:
            lookup.sync(self._model)
            moved = [after - before for after, before in zip(self._values(), self._before, strict=True)]
            self._updates = _norms(moved)

    def columns(self, segment: Segment) -> Segment:
        """The segment with these columns: values in the row of the first update of an epoch, NaN in the others."""
        rates = next(iter(segment.columns.values()))
        row = self._step - segment.first_step
        names = [f"{name}{kernel.path}]" for kernel in self._kernels for name in COLUMNS]
        found = {name: np.full(len(segment), np.nan) for name in names}
        if self._updates is not None and 0 <= row < len(segment):
            for kernel, norm, update in zip(self._kernels, _norms(self._before), self._updates, strict=True):
                rate = rates[row] * self._factor(kernel)
                numbers = (norm, rate / norm**2 if norm else np.inf, update / norm if norm else np.inf)
                for name, number in zip(COLUMNS, numbers, strict=True):
                    found[f"{name}{kernel.path}]"][row] = number
        return replace(segment, columns={**segment.columns, **found})

    def _values(self) -> list[NDArray[np.float64]]:
        return [np.asarray(keras.ops.convert_to_numpy(kernel), np.float64) for kernel in self._kernels]

    def _factor(self, kernel: Any) -> float:
        """The factor of a kernel's rate (`Scheduled(multipliers=…)`)."""
        for multipliers in multipliers_of(self._rated[0].optimizer):
            if multipliers.name == RATE:
                for pattern, factor in multipliers.factors.items():
                    if re.search(pattern, kernel.path):
                        return float(values_of(factor, self._step))
        return 1.0


def _norms(arrays: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array([np.linalg.norm(array) for array in arrays])
