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
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr import optimizer as optimizers
from keras_lr import suggestions as rules
from keras_lr.fields import (
    COUNT,
    FLAG,
    NON_NEGATIVE,
    POSITIVE,
    OneOf,
    Optional,
    Real,
    RefusedError,
    Several,
    Whole,
    check,
    refuse,
)
from keras_lr.schedules.combine import Warmup
from keras_lr.seeding import undisturbed
from keras_lr.snapshot import AttributesSnapshot, ModelSnapshot, RandomSnapshot, seeds_of
from keras_lr.warning import warn_user

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

LAG = 8
"""Batches between a step and the look at its loss, so that the device never waits for the host."""

STEPS = Whole("a whole number of batches in [10, 1000000]", 10, 1_000_001, steps=False)
REPEATS = Whole("a whole number in [1, 1000]", 1, 1001, steps=False)
SEED = Optional(Whole("a whole number in [0, 2**31)", 0, steps=False))
BATCH = Optional(COUNT)
SMOOTHING = Real("a number in [0, 1)", low=0.0, high=math.nextafter(1.0, 0.0))
DIVERGENCE = Real("a number > 1", low=1.0, open_low=True)

DECADE = 10.0


@dataclass(frozen=True, eq=False)
class Sweep:
    """One run of the range test: the rate and the loss of each batch, and the smoothed loss."""

    learning_rate: Floats
    loss: Floats
    smoothed_loss: Floats


@dataclass(frozen=True, eq=False)
class RangeTest:
    """The result of `find_learning_rate`.

    Attributes:
        sweeps: the runs, one for each repeat.
        steps: batches that were asked for; a run that diverged has fewer.
        diverged: whether every run was ended by its loss.
    """

    sweeps: tuple[Sweep, ...]
    steps: int
    diverged: bool

    def to_frame(self) -> pd.DataFrame:
        """The curve: learning_rate, loss (of the batch), smoothed_loss; with repeats also `repeat`."""
        import pandas as pd

        frames = [pd.DataFrame(vars(sweep)) for sweep in self.sweeps]
        if len(frames) > 1:
            frames = [frame.assign(repeat=number) for number, frame in enumerate(frames)]
        return pd.concat(frames, ignore_index=True)

    def suggestion(self, rule: str = "valley") -> float | None:
        """The learning rate that a rule picks from the curve.

        - "valley": about half way down the longest fall of the loss.
        - "steepest": where the loss falls fastest over log(rate).
        - "minimum": a tenth of the rate with the lowest loss.
        - "slide": left of where the loss begins to leave the scale.

        The rules are fastai's, on the curve without its first tenth and its last 5 points, and
        without everything from the first loss that is not finite. Over repeats it is the
        geometric median of their answers.

        Returns:
            A rate; or None, with a warning that says why, where the curve holds no answer: too
            few points, a loss that does not fall by more than its noise, a minimum at an end, or
            repeats that differ by more than a factor of ten.

        Raises:
            ValueError: an unknown rule.
        """
        found = self._suggest(rule)
        if found.learning_rate is None:
            warn_user(f"find_learning_rate: no suggestion by {rule!r}: {found.reason}")
        return found.learning_rate

    def suggestions(self) -> pd.DataFrame:
        """What all rules say: rule, learning_rate (NaN for no answer), loss, and the reason of none."""
        import pandas as pd

        found = [vars(self._suggest(rule)) for rule in rules.RULES]
        return pd.DataFrame(found).astype({"learning_rate": "float64", "loss": "float64"})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the smoothed loss over the rate, with what the rules pick. Returns the axes."""
        from keras_lr import plots

        return plots.range_test(self, ax)

    def _suggest(self, rule: str) -> rules.Suggestion:
        check(OneOf(tuple(rules.RULES)), "suggestion", "rule", rule)
        skip = self.steps // 10
        found = [
            rules.suggest(rule, sweep.learning_rate, sweep.loss, sweep.smoothed_loss, skip) for sweep in self.sweeps
        ]
        answers = [one for one in found if one.learning_rate is not None]
        if 2 * len(answers) <= len(found):
            return next(one for one in found if one.learning_rate is None)
        rates = np.array([one.learning_rate for one in answers], np.float64)
        if rates.max() > DECADE * rates.min():
            reason = f"the repeats say {rates.min():.2g} to {rates.max():.2g}, more than a factor of ten"
            return rules.Suggestion(rule, None, None, reason)
        losses = np.array([one.loss for one in answers], np.float64)
        return rules.Suggestion(rule, float(np.exp(np.median(np.log(rates)))), float(np.median(losses)))


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
    test = _Test(model, owners, Warmup(max_rate, int(steps) - 1, min_rate / max_rate, "exponential"), data)
    seeds = [seed] if repeats == 1 else [(seed or 0) + number for number in range(repeats)]
    sweeps, diverged = [], True
    with Progress(transient=True, disable=not progress) as bar:
        task = bar.add_task("range test", total=int(steps) * repeats)
        for number, one in enumerate(seeds):
            watch = _Watch(int(steps), smoothing, divergence, lambda: bar.advance(task))
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


def _chosen(model: Any, only: Any) -> list[optimizers.RateOwner]:
    optimizers.build(model)
    owners = optimizers.at_least_one(optimizers.rate_owners(model))
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


class _Test:
    """Runs sweeps on a model and puts it back after each."""

    def __init__(self, model: Any, owners: list[optimizers.RateOwner], sweep: Warmup, data: dict[str, Any]) -> None:
        self._model = model
        self._owners = owners
        self._sweep = sweep
        self._data = data
        # An iterator is used up by the epoch that reads it; other data can be read again.
        self._is_iterator = hasattr(data["x"], "__next__")

    def run(self, watch: _Watch, seed: int | None, *, mix: bool) -> None:
        model = self._model
        before = RandomSnapshot(), AttributesSnapshot(model)
        watch.begin = lambda: self._begin(watch, seed, mix=mix)
        own = vars(model).get("train_step")
        executions = model.steps_per_execution
        try:
            if seed is not None:
                keras.utils.set_random_seed(seed)
            model.steps_per_execution = 1
            step = model.train_step
            # A new function, so that JAX does not find the trace of the model's own step.
            vars(model)["train_step"] = _with_fresh_metrics(model, step)
            model.train_function = None
            if keras.config.backend() == "tensorflow" and not model.built:
                vars(model)["_maybe_symbolic_build"] = lambda iterator: _build_from(model, iterator)
            epochs = 1 if self._is_iterator else watch.steps
            per_epoch = watch.steps if self._is_iterator else None
            model.fit(**self._data, epochs=epochs, steps_per_epoch=per_epoch, callbacks=[watch], verbose=0)
            watch.finish()
        finally:
            vars(model).pop("train_step", None)
            vars(model).pop("_maybe_symbolic_build", None)
            if own is not None:
                vars(model)["train_step"] = own
            model.steps_per_execution = executions
            if watch.snapshot is not None:
                watch.snapshot.restore()
            for kept in before:
                kept.restore()

    def _begin(self, watch: _Watch, seed: int | None, *, mix: bool) -> None:
        """Keep the model, which `fit` has built by now, and let the rate rise from its step on."""
        model = self._model
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        watch.snapshot = ModelSnapshot(model)
        if keras.config.backend() == "jax":
            # After a `fit` with EMA a weight and its average share a buffer, which a second `fit` refuses.
            watch.snapshot.restore()
        if all(owner.is_idle for owner in self._owners):
            names = [owner.optimizer.name for owner in self._owners]
            refuse("find_learning_rate", "only", "names of optimizers that train something", names)
        for owner in self._owners:
            owner.optimizer._learning_rate = self._sweep.from_step(-owner.step())
        if seed is not None:
            # Once more: building the model has drawn an order of the data on JAX and torch.
            keras.utils.set_random_seed(seed)
        if seed is not None and mix:
            for number, state in enumerate(seeds_of(model)):
                state.assign(np.array([seed * 7919 + number, 0]))


class _Watch(keras.callbacks.Callback):
    """Takes the loss of each batch, looks at it a few batches later, and stops on divergence."""

    def __init__(self, steps: int, smoothing: float, divergence: float, advance: Callable[[], None]) -> None:
        super().__init__()
        self.steps = steps
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self.diverged = False
        self.snapshot: ModelSnapshot | None = None
        self.begin: Callable[[], None] = lambda: None
        self._smoothing, self._divergence, self._advance = smoothing, divergence, advance
        self._waiting: deque[Any] = deque()
        self._taken, self._sum, self._best = 0, 0.0, math.inf

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # No `self.model` in the hooks of batches: on JAX it would reattach the whole state each time.
        self._net = self.model
        self.begin()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._taken == self.steps:
            return
        if logs is None or "loss" not in logs:
            raise ValueError(f"find_learning_rate: the model reports no `loss`, only {sorted(logs or {})}")
        self._taken += 1
        self._waiting.append(logs["loss"])
        self._advance()
        if len(self._waiting) > LAG:
            self._look()
        if self._taken == self.steps:
            self.finish()
        if self.diverged or self._taken == self.steps:
            self._net.stop_training = True

    def finish(self) -> None:
        """Look at what is still waiting."""
        while self._waiting:
            self._look()

    def _look(self) -> None:
        loss = optimizers.read_float(self._waiting.popleft())
        if self.diverged:
            return
        count = len(self.losses) + 1
        beta = self._smoothing
        self._sum = beta * self._sum + (1.0 - beta) * loss
        smooth = self._sum / (1.0 - beta**count)
        self.losses.append(loss)
        self.smoothed.append(smooth)
        self._best = min(self._best, smooth)
        # A loss may be negative; then only what is not finite counts as divergence.
        self.diverged = not math.isfinite(smooth) or (self._best > 0.0 and smooth > self._divergence * self._best)


def _with_fresh_metrics(model: Any, step: Callable[..., Any]) -> Callable[..., Any]:
    """A training step before which every metric is as new."""
    if keras.config.backend() != "jax":

        def fresh(*args: Any, **kwargs: Any) -> Any:
            for metric in model.metrics:
                metric.reset_state()
            return step(*args, **kwargs)

        return fresh

    def fresh_on_jax(state: Any, *args: Any, **kwargs: Any) -> Any:
        *others, metrics = state
        with keras.StatelessScope(state_mapping=list(zip(model.metrics_variables, metrics, strict=True))) as scope:
            for metric in model.metrics:
                metric.reset_state()
        reset = [scope.get_current_value(variable) for variable in model.metrics_variables]
        return step((*others, reset), *args, **kwargs)

    return fresh_on_jax


def _build_from(model: Any, iterator: Any) -> None:
    """Build a model on TensorFlow before its first step, as the other backends do."""
    for _, _, batches in iterator:
        model._symbolic_build(data_batch=next(batches))
        break
