"""The optimizers of a model that have a learning rate, their rates, and their step counter.

They may be inside the optimizer of `compile`: `LossScaleOptimizer` and `MultiOptimizer` wrap others.
Nothing outside `keras_lr.optimizers` changes a Keras optimizer.

Keras keeps the rate in the private `_learning_rate` and the counter in `_iterations`.
The public `learning_rate` evaluates a schedule at once and `iterations` divides by
`gradient_accumulation_steps`, while a schedule is called with the undivided counter;
so neither can be used here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_lr.core.evaluation import host_steps, value_at
from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.inner import values_of
from keras_lr.core.keras_versions import OptimizerMap, Variable
from keras_lr.core.refusals import refuse
from keras_lr.core.tree import Formula, LearningRateSchedule
from keras_lr.optimizers import attributes
from keras_lr.optimizers.scheduled import multipliers_of, schedules_of

Source = Any
"""Where a rate comes from: a `keras.Variable`, a schedule, or a function without arguments."""


@dataclass(frozen=True, eq=False)
class RatedOptimizer:
    """An optimizer with a learning rate, or one of its other hyperparameters.

    Attributes:
        column: the name of its column in logs.
        optimizer: the optimizer.
        multi: the `MultiOptimizer` that contains it, or None.
        attribute: the attribute of the model that holds it; empty for the optimizer of `compile`.
        name: the hyperparameter. Only an optimizer that `Scheduled` made has others than the rate.
        pattern: the pattern of a group of variables if the hyperparameter is a factor for groups, or None.
    """

    column: str
    optimizer: Any
    multi: Any = None
    attribute: str = ""
    name: str = "learning_rate"
    pattern: str | None = None

    @property
    def names(self) -> set[str]:
        """The names by which users may choose it."""
        return {self.optimizer.name, self.attribute} - {""}

    @property
    def source(self) -> Source:
        if self.name == "learning_rate":
            return self.optimizer._learning_rate
        if self.pattern is None:
            return schedules_of(self.optimizer)[self.name]
        return next(it.factors[self.pattern] for it in multipliers_of(self.optimizer) if it.name == self.name)

    @property
    def hyperparameters(self) -> list[RatedOptimizer]:
        """The rate, other hyperparameters that are scheduled, and the factors of groups of variables."""
        optimizer, suffix = self.optimizer, self.suffix
        found = [dataclasses.replace(self, column=f"{name}{suffix}", name=name) for name in schedules_of(optimizer)]
        found += [
            dataclasses.replace(self, column=f"{it.name}[{pattern}]{suffix}", name=it.name, pattern=pattern)
            for it in multipliers_of(optimizer)
            for pattern in it.factors
        ]
        return [self, *found]

    @property
    def counter(self) -> keras.Variable:
        """The number of batches so far: the step that the next update passes to a schedule."""
        return self.optimizer._iterations

    @property
    def is_idle(self) -> bool:
        """Whether a `MultiOptimizer` assigned no variable to it, so that it trains nothing. False until known."""
        if self.multi is None:
            return False
        given = getattr(self.multi, "_var_to_optimizer_idx", None)
        if given is None:
            return bool(self.multi.built and not self.optimizer.built)
        # `built` would not tell: it may have trained before, in another `MultiOptimizer`.
        return not any(self.multi.optimizers[index] is self.optimizer for index in set(given.values()))

    @property
    def accumulation(self) -> int | None:
        """How many batches' gradients are accumulated for one update; None for one."""
        batches: int | None = self.optimizer.gradient_accumulation_steps
        return batches

    @property
    def patterns(self) -> list[str] | None:
        """The patterns of an `OptimizerMap` that choose this optimizer; None without a map."""
        chosen = getattr(self.multi, "_optimizer_map", None)
        if not isinstance(chosen, OptimizerMap):
            return None
        return [pattern for pattern, optimizer in chosen.items() if optimizer is self.optimizer]

    @property
    def suffix(self) -> str:
        """The suffix of the columns of this optimizer's hyperparameters."""
        return self.column.removeprefix(self.name if self.pattern is None else f"{self.name}[{self.pattern}]")

    def step(self) -> int:
        return read_int(self.counter)

    def rate(self, step: int | None = None) -> float:
        """The rate of the next update, or at `step` if it comes from a schedule."""
        source = self.source
        if isinstance(source, LearningRateSchedule):
            at = self.step() if step is None else step
            if isinstance(source, Formula) and source.is_bound and not source.has_external:
                return value_at(source, at)  # from a block of steps that are computed at once
            return float(values_of(source, at))
        return read_float(source() if is_function(source) else source)


@dataclass(frozen=True, eq=False)
class Hyperparameter:
    """A hyperparameter with a column in the log: a rate, or another scheduled one."""

    column: str
    rated: RatedOptimizer
    source: Source


def hyperparameters(optimizers: list[RatedOptimizer]) -> list[Hyperparameter]:
    """The rates of optimizers, then their other scheduled hyperparameters."""
    found = [Hyperparameter(rated.column, rated, rated.source) for rated in optimizers]
    for rated in optimizers:
        found += [
            Hyperparameter(f"{name}{rated.suffix}", rated, schedule)
            for name, schedule in schedules_of(rated.optimizer).items()
        ]
    return found


def is_schedule(source: Source) -> bool:
    """Whether the rate comes from a schedule, of this package or another."""
    return isinstance(source, LearningRateSchedule)


def is_function(source: Source) -> bool:
    """Whether the rate comes from a function without arguments."""
    return not isinstance(source, LearningRateSchedule | Variable) and callable(source)


def read_int(variable: Any) -> int:
    """The number in a counter, which may be mirrored over devices. On an accelerator this waits for the device."""
    known = host_steps(variable)
    return int(ops.convert_to_numpy(variable) if known is None else known)


def read_float(value: Any) -> float:
    """The number in a float variable, tensor or Python number."""
    return float(value) if isinstance(value, float | int) else float(ops.convert_to_numpy(value))


def optimizer_of(model: Any) -> Any:
    """The model's optimizer, without a `LossScaleOptimizer` around it.

    Raises:
        ValueError: the model is not compiled with an optimizer.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError("the `model` has no optimizer: call `model.compile(optimizer=…)` first")
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def require_optimizer(owner: str, model: Any) -> None:
    """Refuse anything without an optimizer.

    Raises:
        TypeError: it is not a Keras model.
        ValueError: the model is not compiled and no attribute of it is an optimizer.
    """
    if getattr(model, "optimizer", None) is None and not attributes.survey(model)[1]:
        error = ValueError if isinstance(model, keras.Model) else TypeError
        refuse(owner, "model", "a compiled Keras model (call `model.compile(optimizer=…)` first)", model, error)


def skips_updates(model: Any) -> bool:
    """Whether some batches may change neither the weights nor the counter (loss scaling)."""
    return hasattr(model.optimizer, "inner_optimizer")


def rated_optimizers(model: Any) -> list[RatedOptimizer]:
    """Every optimizer of the model with a rate: one, those of a `MultiOptimizer`, or those that are attributes."""
    is_unused, others = attributes.survey(model)
    found = [] if is_unused else _rated("learning_rate", optimizer_of(model))
    for name, optimizer in others.items():
        found += _rated(f"learning_rate_{name}", optimizer, name)
    return found


def _rated(column: str, optimizer: Any, attribute: str = "") -> list[RatedOptimizer]:
    """The optimizers with a rate in the optimizer of `compile` or in an attribute."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    if not hasattr(optimizer, "optimizers"):
        return [RatedOptimizer(column, optimizer, attribute=attribute)]
    optimizers: list[RatedOptimizer] = []
    for part in optimizer.optimizers:
        own = f"{column}_{part.name}"
        taken = [rated.column for rated in optimizers]
        if own in taken:
            own = f"{own}_{len(taken)}"
        optimizers.append(RatedOptimizer(own, part, optimizer, attribute))
    return optimizers


def training(optimizers: list[RatedOptimizer]) -> list[RatedOptimizer]:
    """The optimizers that train something; all of them until that is known.

    In a `MultiOptimizer`, the counter of an optimizer without variables does not move.
    """
    return [rated for rated in optimizers if not rated.is_idle] or optimizers


def primary(optimizers: list[RatedOptimizer]) -> RatedOptimizer:
    """The optimizer whose counter is the step: the first one that trains something.

    A user's `train_step` may call an optimizer several times in a batch. So the one with the fewest steps is used.

    Raises:
        ValueError: there is no optimizer yet.
    """
    busy = training(at_least_one(optimizers))
    if not busy[0].attribute:
        return busy[0]
    return min(busy, key=lambda rated: rated.step() or STEP_LIMIT)


def at_least_one(optimizers: list[RatedOptimizer]) -> list[RatedOptimizer]:
    """Return the same optimizers if there are any.

    Raises:
        ValueError: there is no optimizer yet.
    """
    if not optimizers:
        raise ValueError(
            "a `MultiOptimizer` that was given a function has no optimizers before the model is built: "
            "begin the model with a `keras.Input`, or call `model.build`"
        )
    return optimizers


def build(owner: str, model: Any) -> None:
    """Build a `MultiOptimizer`. Only then it has its optimizers, and it is known which of them train something.

    On JAX and torch, this has happened before `fit` calls the first callback. On TensorFlow it happens in the first
    batch. A model without optimizer is refused, as by `require_optimizer`.
    """
    require_optimizer(owner, model)
    if attributes.is_unused(model) or not hasattr(optimizer_of(model), "optimizers") or model.optimizer.built:
        return
    # Keras checks in the same way whether a model will get more variables.
    if model.built and all(layer.built for layer in model._flatten_layers()):
        model.optimizer.build(model.trainable_variables)


def step_of(model: Any) -> int:
    """The number of batches that the model was trained with."""
    return primary(rated_optimizers(model)).step()


def build_optimizer(model: Any) -> None:
    """Create the optimizer's variables for a built model, if `fit` will do so but has not yet."""
    if not model.optimizer.built and not attributes.is_unused(model):
        model.optimizer.build(model.trainable_variables)


def counter_of(model: Any) -> keras.Variable:
    """The step counter of the whole optimizer, even before it is known which part of it trains something."""
    if attributes.is_unused(model):
        return primary(rated_optimizers(model)).counter
    return optimizer_of(model)._iterations


def variables_of(model: Any) -> list[Any]:
    """Every variable of a model, of its metrics and its optimizer, each once."""
    optimizer = model.optimizer
    found = [*model.variables, *model.metrics_variables]
    while optimizer is not None:
        found += optimizer.variables
        optimizer = getattr(optimizer, "inner_optimizer", None)
    for rated in rated_optimizers(model):
        found += rated.optimizer.variables
    return list({id(variable): variable for variable in found}.values())


def sync(model: Any) -> None:
    """Update the variables in the middle of an epoch, in which JAX keeps the values elsewhere."""
    # Of the class: torch's modules take long to say that they lack an attribute.
    if hasattr(type(model), "jax_state_sync"):
        model.jax_state_sync()
