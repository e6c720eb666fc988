"""`refine`: a schedule from the gradient norms of a training."""

from __future__ import annotations

from typing import Any, Literal, SupportsFloat

import numpy as np

from keras_lr.core import optional
from keras_lr.core.fields import POSITIVE, STRING, OrNone, Real, one_of
from keras_lr.core.refusals import check, shown
from keras_lr.schedules.stepwise import Tabulated
from keras_lr.tools.forecast.runs import column_of, frame_of
from keras_lr.tools.forecast.sums import Floats

Optimizer = Literal["sgd", "adam"]
WIDTH = Real("a part of the training in [0, 0.5]", 0.0, 0.5)
POWERS = {"sgd": 2.0, "adam": 1.0}
HIGHEST = Real("a log whose highest rate is finite and > 0", low=0.0, open_low=True)
LEAST = 10


def refine(
    log: Any,
    *,
    optimizer: Optimizer = "sgd",
    peak: SupportsFloat | None = None,
    smoothing: SupportsFloat = 0.1,
    column: str = "gradient_norm",
) -> Tabulated:
    """A schedule computed from the gradient norms of an earlier training ("refinement").

    With G the norms after a median filter, and T steps:

    η(t) ∝ w(t) · Σ w(p) for p from t + 1 to T, where w = G^−2 ("sgd") or G^−1 ("adam").

    If all norms are equal, the schedule is a line to 0. Norms that are high at the start lead to a warmup, and norms
    that rise at the end lead to a faster fall. Source: Defazio et al., "When, Why and How Much? Adaptive Learning
    Rate Scheduling by Refinement", arXiv 2310.07831, algorithm 1. For Adam the paper uses the L1 norm. The logger
    records the L2 norm, which is proportional to it while the gradients keep their shape.

    SciPy is required: ``pip install "keras-lr[forecast]"``.

    Args:
        log: a log of ``LearningRateLogger(gradient_norm=True)``: a DataFrame, the logger, or a file. A step without a
            norm gets that of the step before.
        optimizer: "sgd", with or without momentum, or "adam", for all optimizers that divide by the size of the
            gradient.
        peak: the highest rate of the schedule, > 0; by default that of the log.
        smoothing: width of the median filter as a fraction of the training, in [0, 0.5]; 0 for no filter.
        column: the column with the norms.

    Returns:
        A `Tabulated` schedule with as many steps as the log.

    Raises:
        ImportError: SciPy is missing.
        OSError: the file is missing.
        TypeError, ValueError: an argument is not allowed, or the log has no norms.
    """
    power = POWERS[check(one_of(Optimizer), "refine", "optimizer", optimizer)]
    highest = check(OrNone(POSITIVE), "refine", "peak", peak)
    width = check(WIDTH, "refine", "smoothing", smoothing)
    column = check(STRING, "refine", "column", column)
    optional.require("scipy", "forecast", "refine")
    frame = frame_of("refine", "log", log)
    if column not in frame:
        there = ", ".join(map(str, frame.columns))
        raise ValueError(
            f"refine: `column` must be one of the log, which has {there}, got {shown(column)}; record norms with "
            "LearningRateLogger(gradient_norm=True)"
        )
    rates_seen = column_of("refine", "log", "one", frame, "learning_rate")
    norms = _smooth(_filled(column_of("refine", "log", "one", frame, column)), width)
    # In units of the median, so that the squares of norms stay finite.
    weights = (norms / np.median(norms)) ** -power
    left = np.concatenate([np.cumsum(weights[::-1])[::-1][1:], [0.0]])
    rates = weights * left
    if highest is None:
        highest = check(HIGHEST, "refine", "log", np.fmax.reduce(rates_seen))
    return Tabulated((rates * (highest / rates.max())).tolist())


def _filled(norms: Floats) -> Floats:
    """The norms of all rows, without gaps.

    Raises:
        ValueError: there are too few norms, or one is not above 0.
    """
    known = np.flatnonzero(np.isfinite(norms))
    if len(known) < LEAST:
        raise ValueError(f"refine: a log must have {LEAST} gradient norms, got {len(known)}")
    if norms[known].min() <= 0.0:
        raise ValueError(f"refine: gradient norms must be > 0, got {norms[known].min():.4g}")
    row = np.maximum(np.searchsorted(known, np.arange(len(norms)), "right") - 1, 0)
    return np.asarray(norms[known[row]])


def _smooth(norms: Floats, width: float) -> Floats:
    from scipy.ndimage import median_filter

    size = max(int(width * len(norms)), 1) | 1
    return np.asarray(median_filter(norms, size, mode="nearest"))
