"""`find_learning_rate`: the range test of Smith, and the model as if nothing had happened.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3 (arXiv 1506.01186):
train while the rate rises, and look where the loss begins to fall and where it leaves. Here the
rates rise by equal factors, i = 0 … steps − 1:  rate_i = min_rate · (max_rate/min_rate)^(i/(steps − 1)).

The sweep is a schedule in the compiled training step. The step also starts the metrics anew at
every batch, so that the loss that it reports is that of the batch, not Keras's mean over the epoch.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_lr.core.fields import COUNT, FLAG, NON_NEGATIVE, POSITIVE, OneOf, OrNone, Real, Several, Whole
from keras_lr.core.refusals import RefusedError, check, refuse
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup
from keras_lr.schedules.combinators import Warmup
from keras_lr.tools.range_test.result import RangeTest, Sweep
from keras_lr.tools.range_test.sweep import Sweeper, Watch
from keras_lr.training.seeding import undisturbed

if TYPE_CHECKING:
    pass


STEPS = Whole("a whole number of batches in [10, 1000000]", 10, 1_000_001, steps=False)
REPEATS = Whole("a whole number in [1, 1000]", 1, 1001, steps=False)
SEED = OrNone(Whole("a whole number in [0, 2**31)", 0, steps=False))
BATCH = OrNone(COUNT)
SMOOTHING = Real("a number in [0, 1)", low=0.0, high=math.nextafter(1.0, 0.0))
DIVERGENCE = Real("a number > 1", low=1.0, open_low=True)


def find_learning_rate(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    min_rate: float = 1e-7,
    max_rate: float = 10.0,
    steps: int = 100,
    batch_size: int | None = None,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    shuffle: bool = True,
    smoothing: float = 0.98,
    divergence: float = 4.0,
    repeats: int = 1,
    seed: int | None = None,
    only: tuple[str, ...] | list[str] | None = None,
    progress: bool = True,
) -> RangeTest:
    """Train for some batches with a rising learning rate, and record the loss of each.

    The model is trained as `fit` would, with its own optimizer, at the rates
    ``min_rate · (max_rate/min_rate)^(i/(steps − 1))`` for batch i, until the loss diverges.
    Afterwards weights, optimizer, step counter, learning rate or schedule, metrics and random
    states are exactly as before, also after an exception or Ctrl-C; the compiled training step of
    the model is not touched. (A model that has not been built is built, as `fit` would. What the
    data remember themselves stays: a generator has moved on.)

    Args:
        model: a compiled model. Its optimizer may hold a number or a schedule.
        x: what `fit` takes: arrays, dicts of them, `tf.data`, `PyDataset`, generators, torch
            `DataLoader`. Data that end are begun again; a generator is asked for `steps` batches.
        y: targets, where `x` does not hold them.
        min_rate: rate of the first batch, > 0.
        max_rate: rate of the last one, > min_rate.
        steps: batches, >= 10.
        batch_size: as in `fit`.
        sample_weight: as in `fit`.
        class_weight: as in `fit`.
        shuffle: as in `fit`; of no meaning for data that come in an order of their own.
        smoothing: weight of what came before in the smoothed loss, an exponential mean without
            the bias of its start: s_i = (1 − β)/(1 − β^(i+1)) · Σ β^(i−j) · loss_j.
        divergence: a smoothed loss of this many times the lowest one so far ends the test, as does
            one that is not finite.
        repeats: how many times; each repeat has its own seed for the order of the data and for
            random layers, and begins with the same weights.
        seed: of the first repeat; the others count on. None takes the random state of the moment
            for a single run, and 0 for repeats.
        only: names of those optimizers of a `MultiOptimizer` whose rate rises; all by default.
        progress: show a progress bar.

    Returns:
        A `RangeTest`.

    Raises:
        TypeError, ValueError: for wrong arguments; if the model is not compiled, or reports no `loss`.
    """
    from rich.progress import Progress

    owner = "find_learning_rate"
    min_rate = check(POSITIVE, owner, "min_rate", min_rate)
    max_rate = check(POSITIVE, owner, "max_rate", max_rate)
    steps = check(STEPS, owner, "steps", steps)
    batch_size = check(BATCH, owner, "batch_size", batch_size)
    smoothing = check(SMOOTHING, owner, "smoothing", smoothing)
    divergence = check(DIVERGENCE, owner, "divergence", divergence)
    repeats = check(REPEATS, owner, "repeats", repeats)
    seed = check(SEED, owner, "seed", seed)
    shuffle = check(FLAG, owner, "shuffle", shuffle)
    check(FLAG, owner, "progress", progress)
    if class_weight is not None and not _is_class_weight(class_weight):
        refuse(owner, "class_weight", "a dict of weights >= 0 by class, or None", class_weight, TypeError)
    if max_rate <= min_rate:
        refuse(owner, "max_rate", f"more than `min_rate` ({min_rate})", max_rate)
    if not isinstance(model, keras.Model):
        refuse(owner, "model", "a compiled Keras model", model, TypeError)
    owners = _chosen(model, only)
    rates = min_rate * (max_rate / min_rate) ** (np.arange(steps) / (steps - 1))
    data = {"x": x, "y": y, "batch_size": batch_size, "sample_weight": sample_weight, "class_weight": class_weight}
    # Keras warns of data that it cannot shuffle.
    data["shuffle"] = shuffle and (y is not None or isinstance(x, keras.utils.PyDataset | np.ndarray))
    test = Sweeper(model, owners, Warmup(max_rate, int(steps) - 1, min_rate / max_rate, "exponential"), data)
    seeds = [seed] if repeats == 1 else [(seed or 0) + number for number in range(repeats)]
    sweeps, diverged = [], True
    with Progress(transient=True, disable=not progress) as bar:
        task = bar.add_task("range test", total=int(steps) * repeats)
        for number, one in enumerate(seeds):
            watch = Watch(int(steps), smoothing, divergence, lambda: bar.advance(task))
            with undisturbed():
                test.run(watch, one, mix=repeats > 1)
            bar.update(task, completed=int(steps) * (number + 1))
            losses = np.array(watch.losses, np.float64)
            sweeps.append(Sweep(rates[: len(losses)], losses, np.array(watch.smoothed, np.float64)))
            diverged = diverged and watch.diverged
            if not watch.diverged and len(losses) < steps:
                warn_user(
                    f"find_learning_rate: the data ended after {len(losses)} of {steps} batches, at the rate "
                    f"{rates[max(len(losses) - 1, 0)]:.3g}; ask for as many `steps` as there are",
                )
    return RangeTest(tuple(sweeps), int(steps), diverged)


def _chosen(model: Any, only: Any) -> list[lookup.RatedOptimizer]:
    lookup.build(model)
    owners = lookup.at_least_one(lookup.rated_optimizers(model))
    if only is None:
        return owners
    names = [owner.optimizer.name for owner in owners]
    allowed = f"a sequence of names out of {', '.join(map(repr, names))}"
    check(Several(allowed, OneOf(tuple(names))), "find_learning_rate", "only", only)
    return [owner for owner in owners if owner.optimizer.name in only]


def _is_class_weight(weights: Any) -> bool:
    try:
        return isinstance(weights, dict) and all(
            isinstance(key, numbers.Integral) and NON_NEGATIVE.coerce(weight) >= 0 for key, weight in weights.items()
        )
    except RefusedError:
        return False
