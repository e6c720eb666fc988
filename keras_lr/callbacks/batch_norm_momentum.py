"""`BatchNormMomentum`: a schedule for the momentum of batch normalizations, in the compiled step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from keras_lr.core.algebra import SCHEDULE, Constant, Schedule
from keras_lr.core.evaluation import host_steps
from keras_lr.core.fields import FLAG, STRING, Real, Several
from keras_lr.core.inner import values_of
from keras_lr.core.refusals import check, compiled, refuse
from keras_lr.optimizers import lookup, norms, training_step
from keras_lr.training.position import epochs_of_training
from keras_lr.training.session import Session

OWNER = "BatchNormMomentum"
COLUMN = "batch_norm_momentum"
SHARE = Real("a schedule of numbers in [0, 1]", low=0.0, high=1.0)
PATTERNS = Several("a regular expression, a non-empty sequence of them, or None", STRING)


class BatchNormMomentum(keras.callbacks.Callback):
    """Let the momentum of `BatchNormalization` layers follow a schedule.

    moving ← m(t)·moving + (1 − m(t))·batch, with m(t) = schedule(t), where t is the step of the optimizer before the
    update, as for the learning rate. It is computed in the compiled training step. (On TensorFlow and JAX, an
    assignment to ``layer.momentum`` after the first batch has no effect, since the step keeps the number that it was
    traced with.)

    PointNet (Qi et al. 2017, arXiv 1612.00593, appendix C) starts at 0.5 and raises the momentum to 0.99 while the
    rate falls. At a high rate the weights change fast, so the statistics should forget fast.

    Nothing has to be saved: the momentum follows from the step, also in a resumed training. `LearningRateLogger` has a
    column ``batch_norm_momentum``, and adds it to the logs of the epoch. A second callback of this class has
    ``batch_norm_momentum_2``.

    Args:
        schedule: a schedule of numbers in [0, 1], in steps, epochs or fractions; or a number. The callback binds it to
            the training, as `BindSchedule` binds the schedule of the rate.
        layers: regular expressions that are searched in the layers' names; None for all `BatchNormalization` layers.
        restore: whether the layers get their own momentum back at the end of training. If False, they keep the momentum
            of the last step. Files that are saved during the training have the layers' own momentum.

    Raises:
        TypeError, ValueError: at construction, an argument is not allowed. At the start of `fit`, no layer is found, or
            the schedule has units and the number of batches is unknown.

    Example:
        >>> rising = PiecewiseConstantDecay([epochs(10), epochs(20), epochs(30)], [0.5, 0.75, 0.9, 0.99])
        >>> callback = BatchNormMomentum(rising, layers="block")
    """

    def __init__(self, schedule: Any, layers: Any = None, *, restore: bool = True) -> None:
        super().__init__()
        self.schedule: Any = check(SCHEDULE, OWNER, "schedule", schedule)
        if isinstance(self.schedule, Constant):
            check(SHARE, OWNER, "schedule", self.schedule.learning_rate)
        self.layers: tuple[str, ...] | None = _patterns(layers)
        self.restore: bool = check(FLAG, OWNER, "restore", restore)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self._net = self.model
        lookup.build(OWNER, model)
        self._chosen = self._layers_of(model)
        self._counter = lookup.counter_of(model)
        self._bound: Any = self.schedule
        self._inside, self._own = 0, list[float]()
        self._session = Session.join(self)
        taken = sum(name.startswith(COLUMN) for name in self._session.schedules)
        self._column = COLUMN if not taken else f"{COLUMN}_{taken + 1}"
        self._session.schedules[self._column] = self.schedule
        self._session.binders.append(self._begin)
        self._remove = training_step.install(model, self._around)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._session.begin(epoch)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._remove()
        if not self.restore:
            last = max(lookup.read_int(lookup.counter_of(self.model)) - 1, 0)
            for layer in self._chosen:
                layer.momentum = float(values_of(self._bound, last))
        self._session.leave(self)

    def _begin(self, epoch: int) -> None:
        """Bind the schedule, before the first batch."""
        if not isinstance(self.schedule, Schedule) or self.schedule.is_bound:
            return
        session = self._session
        if session.steps_per_epoch is None:
            allowed = "in steps for a data set of unknown length, unless `BindSchedule` gets `steps_per_epoch`"
            refuse(OWNER, "schedule", allowed, self.schedule)
        epochs = session.declared_epochs
        if epochs is None:
            epochs = epochs_of_training(self._net, session.steps_per_epoch, epoch, session.epochs)
        self._bound = self.schedule.bind(steps_per_epoch=session.steps_per_epoch, epochs=epochs)
        session.schedules[self._column] = self._bound

    def _layers_of(self, model: Any) -> list[Any]:
        """The layers whose names match.

        Raises:
            ValueError: there are none, or none for a pattern.
        """
        found = norms.batch_norms(model)
        if not found:
            refuse(OWNER, "model", "a model with a BatchNormalization", model)
        for pattern in self.layers or ():
            if not any(re.search(pattern, layer.name) for layer in found):
                names = ", ".join(repr(layer.name) for layer in found[:5])
                refuse(OWNER, "layers", f"patterns of names of BatchNormalization layers, such as {names}", pattern)
        patterns = (".*",) if self.layers is None else self.layers
        return [layer for layer in found if any(re.search(pattern, layer.name) for pattern in patterns)]

    def _around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """A training step in which the layers have the momentum of that step."""

        def stepped(*arguments: Any) -> Any:
            with self._having(self._momentum(arguments)):
                return step(*arguments)

        return stepped

    def _momentum(self, arguments: tuple[Any, ...]) -> Any:
        """The momentum of a training step: a number on torch, otherwise a tensor."""
        if keras.config.backend() == "torch" and host_steps(self._counter) is not None:
            # torch executes each operation, so a number that is looked up on the host is faster.
            return float(values_of(self._bound, lookup.read_int(self._counter)))
        return self._bound(self._step_in(arguments))

    def _step_in(self, arguments: tuple[Any, ...]) -> Any:
        """The counter in a training step. JAX passes the optimizer's variables to the step."""
        if keras.config.backend() != "jax":
            return self._counter
        values = zip(self._net.optimizer.variables, arguments[0][2], strict=False)
        found = [value for variable, value in values if variable is self._counter]
        if not found:
            refuse(OWNER, "model", "compiled with the optimizer that trains it", self._net)
        return found[0]

    @contextmanager
    def _having(self, momentum: Any) -> Iterator[None]:
        """A context in which the layers have a momentum. It bypasses Keras's tracking of attributes."""
        if not self._inside:
            self._own = [layer.momentum for layer in self._chosen]
        # TensorFlow's distribution strategies trace each replica in its own thread, in turns.
        self._inside += 1
        try:
            by_dtype: dict[str, Any] = {}
            for layer in self._chosen:
                dtype = keras.backend.result_type(layer.compute_dtype, "float32")
                if dtype not in by_dtype:
                    by_dtype[dtype] = self._as(momentum, dtype)
                vars(layer)["momentum"] = by_dtype[dtype]
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                for layer, value in zip(self._chosen, self._own, strict=True):
                    vars(layer)["momentum"] = value

    def _as(self, momentum: Any, dtype: str) -> Any:
        if isinstance(momentum, float):
            return momentum
        if keras.config.backend() == "tensorflow" and self._net.distribute_strategy.num_replicas_in_sync > 1:
            return _OfEachReplica(self._bound, self._counter, dtype)
        return ops.cast(momentum, dtype)


class _OfEachReplica:
    """A momentum that TensorFlow computes in the graph that uses it. A tensor of another replica's graph is invalid."""

    def __init__(self, schedule: Any, counter: Any, dtype: str) -> None:
        self._compute: Callable[[], Any] = lambda: ops.cast(schedule(counter), dtype)

    def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> Any:
        return self._compute()

    def __rsub__(self, other: Any) -> Any:
        return other - self._compute()


def _patterns(layers: Any) -> tuple[str, ...] | None:
    if layers is None:
        return None
    patterns: tuple[str, ...] = check(PATTERNS, OWNER, "layers", [layers] if isinstance(layers, str) else layers)
    for pattern in patterns:
        compiled(OWNER, "layers", PATTERNS.allowed, pattern)
    return patterns
