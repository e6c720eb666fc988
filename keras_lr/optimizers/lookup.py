"""The optimizers of a model that have a learning rate, their rates, and their step counter.

They may be inside the optimizer that `compile` was given: `LossScaleOptimizer` and `MultiOptimizer` wrap others.
Nothing outside `keras_lr.optimizers` touches a Keras optimizer.

Keras keeps the rate in the private `_learning_rate` and the counter in `_iterations`.
The public `learning_rate` evaluates a schedule at once and `iterations` divides by
`gradient_accumulation_steps`, while a schedule is called with the undivided counter;
so neither can be used here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from keras_lr.core.evaluation import host_steps, value_at
from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.inner import values_of
from keras_lr.core.keras_versions import OptimizerMap, Variable
from keras_lr.core.tree import Formula, LearningRateSchedule
from keras_lr.optimizers import attributes
from keras_lr.optimizers.scheduled import multipliers_of, schedules_of

Source = Any
"""Where a rate comes from: a `keras.Variable`, a schedule, or a function without arguments."""


@dataclass(frozen=True, eq=False)
class RatedOptimizer:
    """An optimizer that owns a learning rate, or another hyperparameter of it in the place of the rate.

    Attributes:
        column: the name of its column in logs.
        optimizer: the optimizer.
        multi: the `MultiOptimizer` around it.
        attribute: its name among the attributes of the model, where it is not that of `compile`.
        name: the hyperparameter; other ones than the rate are those of an optimizer that `Scheduled` made.
        pattern: that of a group of variables, where the hyperparameter is a factor for groups.
    """

    column: str
    optimizer: Any
    multi: Any = None
    attribute: str = ""
    name: str = "learning_rate"
    pattern: str | None = None

    @property
    def names(self) -> set[str]:
        """What users may call it."""
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
        found = [replace(self, column=f"{name}{suffix}", name=name) for name in schedules_of(optimizer)]
        found += [
            replace(self, column=f"{it.name}[{pattern}]{suffix}", name=it.name, pattern=pattern)
            for it in multipliers_of(optimizer)
            for pattern in it.factors
        ]
        return [self, *found]

    @property
    def counter(self) -> keras.Variable:
        """Batches seen: the step that the next update passes to a schedule."""
        return self.optimizer._iterations

    @property
    def is_idle(self) -> bool:
        """Whether a `MultiOptimizer` gave it no variable, so that it trains nothing; no, where that is undecided."""
        if self.multi is None:
            return False
        given = getattr(self.multi, "_var_to_optimizer_idx", None)
        if given is None:
            return bool(self.multi.built and not self.optimizer.built)
        # Not by `built`: it may have trained before, in another `MultiOptimizer`.
        return not any(self.multi.optimizers[index] is self.optimizer for index in set(given.values()))

    @property
    def accumulation(self) -> int | None:
        """Batches whose gradients are applied together; None for one."""
        batches: int | None = self.optimizer.gradient_accumulation_steps
        return batches

    @property
    def patterns(self) -> list[str] | None:
        """Patterns of an `OptimizerMap` that choose this optimizer; None where no map chooses."""
        chosen = getattr(self.multi, "_optimizer_map", None)
        if not isinstance(chosen, OptimizerMap):
            return None
        return [pattern for pattern, optimizer in chosen.items() if optimizer is self.optimizer]

    @property
    def suffix(self) -> str:
        """What the columns of this optimizer's hyperparameters end in."""
        return self.column.removeprefix(self.name if self.pattern is None else f"{self.name}[{self.pattern}]")

    def step(self) -> int:
        return read_int(self.counter)

    def rate(self, step: int | None = None) -> float:
        """The rate of the next update, or at `step` if it comes from a schedule."""
        source = self.source
        if isinstance(source, LearningRateSchedule):
            return _rate_at(source, self.step() if step is None else step)
        return read_float(source() if is_function(source) else source)


@dataclass(frozen=True, eq=False)
class Hyperparameter:
    """A hyperparameter of an optimizer that a log has a column for: its rate, or a scheduled one."""

    column: str
    rated: RatedOptimizer
    source: Source


def hyperparameters(optimizers: list[RatedOptimizer]) -> list[Hyperparameter]:
    """The rates of optimizers, then their other hyperparameters that are scheduled."""
    found = [Hyperparameter(rated.column, rated, rated.source) for rated in optimizers]
    for rated in optimizers:
        found += [
            Hyperparameter(f"{name}{rated.suffix}", rated, schedule)
            for name, schedule in schedules_of(rated.optimizer).items()
        ]
    return found


def is_schedule(source: Source) -> bool:
    """Whether the rate comes from a schedule, ours or not."""
    return isinstance(source, LearningRateSchedule)


def is_function(source: Source) -> bool:
    """Whether the rate comes from a function without arguments."""
    return not isinstance(source, LearningRateSchedule | Variable) and callable(source)


def read_int(variable: Any) -> int:
    """The number in a counter, also one mirrored over devices; waited for where it is on an accelerator."""
    known = host_steps(variable)
    return int(ops.convert_to_numpy(variable) if known is None else known)


def _rate_at(schedule: LearningRateSchedule, step: int) -> float:
    """The rate of any schedule at one step; those of ours are looked up among the rates of steps around it."""
    if isinstance(schedule, Formula) and schedule.is_bound and not schedule.has_external:
        return value_at(schedule, step)
    return float(values_of(schedule, step))


def read_float(value: Any) -> float:
    """The number in a float variable, tensor or Python number."""
    return float(value) if isinstance(value, float | int) else float(ops.convert_to_numpy(value))


def optimizer_of(model: Any) -> Any:
    """The model's optimizer, out of a `LossScaleOptimizer` if it is in one.

    Raises:
        ValueError: the model is not compiled with an optimizer.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError("the `model` has no optimizer: call `model.compile(optimizer=…)` first")
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def skips_updates(model: Any) -> bool:
    """Whether some batches may leave the weights and the counter as they are (loss scaling)."""
    return hasattr(model.optimizer, "inner_optimizer")


def rated_optimizers(model: Any) -> list[RatedOptimizer]:
    """Every optimizer of the model that owns a rate: one, those of a `MultiOptimizer`, or those that are attributes."""
    is_unused, others = attributes.survey(model)
    found = [] if is_unused else _rated("learning_rate", optimizer_of(model))
    for name, optimizer in others.items():
        found += _rated(f"learning_rate_{name}", optimizer, name)
    return found


def _rated(column: str, optimizer: Any, attribute: str = "") -> list[RatedOptimizer]:
    """The optimizers that own a rate in one of `compile`, or in an attribute."""
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
    """The optimizers that train something; all of them as long as that is undecided.

    Keras leaves the counter of one of a `MultiOptimizer` to which no variable was given where it is.
    """
    return [rated for rated in optimizers if not rated.is_idle] or optimizers


def primary(optimizers: list[RatedOptimizer]) -> RatedOptimizer:
    """The optimizer whose counter tells the step: the first one that trains something.

    A `train_step` of the user's own may call one optimizer several times in a batch: that with the fewest steps counts.

    Raises:
        ValueError: there is none yet.
    """
    busy = training(at_least_one(optimizers))
    if not busy[0].attribute:
        return busy[0]
    return min(busy, key=lambda rated: rated.step() or STEP_LIMIT)


def at_least_one(optimizers: list[RatedOptimizer]) -> list[RatedOptimizer]:
    """The same optimizers.

    Raises:
        ValueError: there is none yet.
    """
    if not optimizers:
        raise ValueError(
            "the optimizers of a `MultiOptimizer` that is given a function are not there before the model is built: "
            "begin the model with a `keras.Input`, or call `model.build`"
        )
    return optimizers


def build(model: Any) -> None:
    """Build a `MultiOptimizer`, which only then has its optimizers and knows which of them train something.

    JAX and torch have done so when `fit` calls the first callback. TensorFlow does it in the first batch.
    """
    if attributes.is_unused(model) or not hasattr(optimizer_of(model), "optimizers") or model.optimizer.built:
        return
    # As Keras asks itself whether a model still has variables to come.
    if model.built and all(layer.built for layer in model._flatten_layers()):
        model.optimizer.build(model.trainable_variables)


def step_of(model: Any) -> int:
    """Batches that the model has been trained with."""
    return primary(rated_optimizers(model)).step()


def build_optimizer(model: Any) -> None:
    """Give the optimizer its variables, if `fit` has not done so yet and will; the model is built."""
    if not model.optimizer.built and not attributes.is_unused(model):
        model.optimizer.build(model.trainable_variables)


def counter_of(model: Any) -> keras.Variable:
    """The step counter of the optimizer as a whole, also where it is undecided which part of it trains something."""
    if attributes.is_unused(model):
        return primary(rated_optimizers(model)).counter
    return optimizer_of(model)._iterations


def variables_of(model: Any) -> list[Any]:
    """Every variable of a model, its metrics and its optimizer, once."""
    optimizer = model.optimizer
    found = [*model.variables, *model.metrics_variables]
    while optimizer is not None:
        found += optimizer.variables
        optimizer = getattr(optimizer, "inner_optimizer", None)
    for rated in rated_optimizers(model):
        found += rated.optimizer.variables
    return list({id(variable): variable for variable in found}.values())


def sync(model: Any) -> None:
    """Bring the variables up to date in the middle of an epoch (JAX keeps them apart)."""
    getattr(model, "jax_state_sync", lambda: None)()
