"""One sweep of a range test: the model trains while its rate rises, and is restored."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_lr.core.keras_versions import executions, set_random_seed
from keras_lr.core.refusals import refuse
from keras_lr.optimizers import install, lookup, training_step
from keras_lr.schedules.warmup import Warmup
from keras_lr.training.snapshot import AttributesSnapshot, ModelSnapshot, RandomSnapshot, seeds_of

LAG = 8
"""Batches between a step and the check of its loss, so that the device never waits for the host."""


class Sweeper:
    """Runs sweeps on a model and restores it after each."""

    def __init__(
        self, model: Any, optimizers: list[lookup.RatedOptimizer], sweep: Warmup, data: dict[str, Any]
    ) -> None:
        self._model = model
        self._optimizers = optimizers
        self._sweep = sweep
        self._data = data
        # An iterator can be read only once. Other data can be read again.
        self._is_iterator = hasattr(data["x"], "__next__")

    def run(self, watch: Watch, seed: int | None, *, mix: bool) -> None:
        model = self._model
        before = RandomSnapshot(), AttributesSnapshot(model)
        watch.begin = lambda: self._begin(watch, seed, mix=mix)
        try:
            if seed is not None:
                set_random_seed(seed)
            if keras.config.backend() == "tensorflow" and not model.built:
                vars(model)["_maybe_symbolic_build"] = lambda iterator: _build_from(model, iterator)
            epochs = 1 if self._is_iterator else watch.steps
            per_epoch = watch.steps if self._is_iterator else None
            with training_step.uncompiled(model, lambda step: _with_fresh_metrics(model, step)):
                model.fit(**self._data, epochs=epochs, steps_per_epoch=per_epoch, callbacks=[watch], verbose=0)
            watch.finish()
        finally:
            vars(model).pop("_maybe_symbolic_build", None)
            if watch.snapshot is not None:
                watch.snapshot.restore()
            for kept in before:
                kept.restore()

    def _begin(self, watch: Watch, seed: int | None, *, mix: bool) -> None:
        """Take a snapshot of the model, which `fit` has built by now, and let the rate rise from its step on."""
        model = self._model
        lookup.build_optimizer(model)
        watch.snapshot = ModelSnapshot(model)
        if keras.config.backend() == "jax":
            # After a `fit` with EMA a weight and its average share a buffer, which the next `fit` refuses.
            watch.snapshot.restore()
        if all(rated.is_idle for rated in self._optimizers):
            names = [rated.optimizer.name for rated in self._optimizers]
            refuse("find_learning_rate", "only", "names of optimizers that train something", names)
        for rated in self._optimizers:
            install.assign_source(rated, self._sweep.from_step(-rated.step()))
        if seed is not None:
            # Again: building the model has drawn an order of the data on JAX and torch.
            set_random_seed(seed)
        if seed is not None and mix:
            for number, state in enumerate(seeds_of(model)):
                state.assign(np.array([seed * 7919 + number, 0]))


class Watch(keras.callbacks.Callback):
    """Records the loss of each batch, checks it a few batches later, and stops on divergence."""

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
        """Check the remaining losses."""
        while self._waiting:
            self._look()

    def _look(self) -> None:
        loss = lookup.read_float(self._waiting.popleft())
        if self.diverged:
            return
        count = len(self.losses) + 1
        beta = self._smoothing
        self._sum = beta * self._sum + (1.0 - beta) * loss
        smooth = self._sum / (1.0 - beta**count)
        self.losses.append(loss)
        self.smoothed.append(smooth)
        self._best = min(self._best, smooth)
        # For a negative loss, only values that are not finite are divergence.
        self.diverged = not math.isfinite(smooth) or (self._best > 0.0 and smooth > self._divergence * self._best)


def _with_fresh_metrics(model: Any, step: Callable[..., Any]) -> Callable[..., Any]:
    """A training step before which every metric is reset."""
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
    """Build a model on TensorFlow before its first step. The other backends do so themselves."""
    for batches in executions(iterator):
        model._symbolic_build(data_batch=next(batches))
        break
