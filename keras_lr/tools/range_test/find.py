"""`find_learning_rate`: Smith's range test, which does not change the model.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3 (arXiv 1506.01186):
train with a rising rate, and look where the loss begins to fall and where it diverges.

The sweep is a schedule in the compiled training step. The step also resets the metrics before every
batch, so that it reports the loss of the batch, not Keras's mean over the epoch.
"""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple, SupportsFloat

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr.core.fields import COUNT_OR_NONE, FLAG, NON_NEGATIVE, POSITIVE, STRING, OrNone, Real, Several, whole
from keras_lr.core.refusals import Kind, RefusedError, check, refuse
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import choice, lookup
from keras_lr.schedules.warmup import Warmup
from keras_lr.tools.range_test.result import RangeTest, Sweep
from keras_lr.tools.range_test.sweep import Sweeper, Watch
from keras_lr.training.seeding import undisturbed

OWNER = "find_learning_rate"
FIELDS: dict[str, Kind] = {
    "min_rate": POSITIVE,
    "max_rate": POSITIVE,
    "steps": whole(10, 1_000_000, "batches"),
    "smoothing": Real("a number in [0, 1)", low=0.0, high=math.nextafter(1.0, 0.0)),
    "divergence": Real("a number > 1", low=1.0, open_low=True),
    "repeats": whole(1, 1000),
    "seed": OrNone(whole(0)),
}


def find_learning_rate(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    min_rate: SupportsFloat = 1e-7,
    max_rate: SupportsFloat = 10.0,
    steps: SupportsFloat = 100,
    batch_size: SupportsFloat | None = None,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    shuffle: bool = True,
    smoothing: SupportsFloat = 0.98,
    divergence: SupportsFloat = 4.0,
    repeats: SupportsFloat = 1,
    seed: SupportsFloat | None = None,
    only: tuple[str, ...] | list[str] | None = None,
    progress: bool = True,
) -> RangeTest:
    """Train for some batches with a rising learning rate, and record the loss of each batch.

    The model is trained as by `fit`, with its own optimizer, at the rate
    ``min_rate · (max_rate/min_rate)^(i/(steps − 1))`` in batch i, until the loss diverges. This is the range
    test of Smith 2015, arXiv 1506.01186, section 3.3.

    Afterwards weights, optimizer, step counter, learning rate or schedule, metrics and random states are
    exactly as before, even after an exception or Ctrl-C. The compiled training step of the model does not
    change. (A model that is not built yet is built, as by `fit`. A generator has moved on.)

    Args:
        model: a compiled model. The rate of its optimizer may be a number or a schedule.
        x: data as for `fit`: arrays, dicts of arrays, `tf.data`, `PyDataset`, generators, torch
            `DataLoader`. Finite data is repeated; a generator must yield `steps` batches.
        y: targets, if `x` does not contain them.
        min_rate: rate of the first batch, > 0.
        max_rate: rate of the last batch, > min_rate.
        steps: number of batches, >= 10.
        batch_size: as in `fit`.
        sample_weight: as in `fit`.
        class_weight: as in `fit`.
        shuffle: as in `fit`. It has no effect on data with its own order.
        smoothing: weight β in [0, 1) of earlier losses in the smoothed loss, an exponential mean without bias
            at the start: s_i = (1 − β)/(1 − β^(i+1)) · Σ β^(i−j) · loss_j.
        divergence: the test ends when the smoothed loss is this many times the lowest one so far, or not
            finite. > 1.
        repeats: number of runs, >= 1. Each has its own seed for the order of the data and for random
            layers. All begin with the same weights.
        seed: seed of the first run; each further run adds 1. By default, a single run uses the current
            random state, and several begin with seed 0.
        only: names of the optimizers of a `MultiOptimizer` whose rates rise; None for all.
        progress: whether to show a progress bar.

    Returns:
        A `RangeTest`.

    Raises:
        TypeError, ValueError: an argument is not allowed, or the model is not compiled or reports no `loss`.
    """
    sweep = _checked(min_rate, max_rate, steps, smoothing, divergence, repeats, seed)
    batch_size = check(COUNT_OR_NONE, OWNER, "batch_size", batch_size)
    shuffle = check(FLAG, OWNER, "shuffle", shuffle)
    progress = check(FLAG, OWNER, "progress", progress)
    if class_weight is not None and not _is_class_weight(class_weight):
        refuse(OWNER, "class_weight", "a dict of weights >= 0 by class, or None", class_weight, TypeError)
    lookup.build(OWNER, model)
    data = {"x": x, "y": y, "batch_size": batch_size, "sample_weight": sample_weight, "class_weight": class_weight}
    # Keras warns if it cannot shuffle the data.
    data["shuffle"] = shuffle and (y is not None or isinstance(x, keras.utils.PyDataset | np.ndarray))
    return _run(sweep, Sweeper(model, _chosen(model, only), sweep.schedule(), data), progress=progress)


class Sweeping(NamedTuple):
    """The settings of a range test. The fields are arguments of `find_learning_rate`."""

    min_rate: float
    max_rate: float
    steps: int
    smoothing: float
    divergence: float
    repeats: int
    seed: int | None

    def schedule(self) -> Warmup:
        """The rising rate."""
        return Warmup(self.max_rate, self.steps - 1, self.min_rate / self.max_rate, "exponential")

    def rates(self) -> NDArray[np.float64]:
        """The rate of each batch."""
        return self.min_rate * (self.max_rate / self.min_rate) ** (np.arange(self.steps) / (self.steps - 1))

    def seeds(self) -> list[int | None]:
        """The seed of each run; None means the current random state."""
        return [self.seed] if self.repeats == 1 else [(self.seed or 0) + number for number in range(self.repeats)]


def _checked(*given: Any) -> Sweeping:
    """The fields, checked, as Python's own numbers."""
    checked = Sweeping(
        **{name: check(FIELDS[name], OWNER, name, value) for name, value in zip(Sweeping._fields, given, strict=True)}
    )
    if checked.max_rate <= checked.min_rate:
        refuse(OWNER, "max_rate", f"more than `min_rate` ({checked.min_rate})", checked.max_rate)
    return checked


def _run(sweep: Sweeping, sweeper: Sweeper, *, progress: bool) -> RangeTest:
    """Sweep once for each run."""
    sweeps, has_diverged, rates = [], True, sweep.rates()
    bar = keras.utils.Progbar(sweep.steps * sweep.repeats, verbose=int(progress), unit_name="batch")
    for number, seed in enumerate(sweep.seeds()):
        watch = Watch(sweep.steps, sweep.smoothing, sweep.divergence, lambda: bar.add(1))
        with undisturbed():
            sweeper.run(watch, seed, mix=sweep.repeats > 1)
        bar.update(sweep.steps * (number + 1))
        losses = np.array(watch.losses, np.float64)
        sweeps.append(Sweep(rates[: len(losses)], losses, np.array(watch.smoothed, np.float64)))
        has_diverged = has_diverged and watch.diverged
        if not watch.diverged and len(losses) < sweep.steps:
            warn_user(
                f"find_learning_rate: the data ended after {len(losses)} of {sweep.steps} batches, at the rate "
                f"{rates[max(len(losses) - 1, 0)]:.3g}; pass the number of batches as `steps`",
            )
    return RangeTest(tuple(sweeps), sweep.steps, has_diverged)


def _chosen(model: Any, only: Any) -> list[lookup.RatedOptimizer]:
    names = check(OrNone(Several("a sequence of names of optimizers", STRING)), OWNER, "only", only)
    return lookup.at_least_one(choice.chosen(OWNER, model, names, "only"))


def _is_class_weight(weights: Any) -> bool:
    try:
        return isinstance(weights, dict) and all(
            isinstance(key, numbers.Integral) and NON_NEGATIVE.coerce(weight) >= 0 for key, weight in weights.items()
        )
    except RefusedError:
        return False
