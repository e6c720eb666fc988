"""The only module that touches a Keras optimizer.

It finds the optimizers that own a learning rate inside whatever `compile` was given
(`LossScaleOptimizer` and `MultiOptimizer` wrap others), reads and replaces their rate,
and reads their step counter. Everything else asks it.

Keras keeps the rate in the private `_learning_rate` and the counter in `_iterations`.
The public `learning_rate` evaluates a schedule at once and `iterations` divides by
`gradient_accumulation_steps`, while a schedule is called with the undivided counter;
so neither can be used here.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.evaluation import host_steps, tensorflow_read, value_at
from keras_lr.fields import COUNT, RATE, SCHEDULE, Whole, check, shown
from keras_lr.schedule import Schedule, from_serialized, values_of
from keras_lr.scheduled import schedules_of
from keras_lr.schedules.combine import Bound
from keras_lr.schedules.modify import Reduced
from keras_lr.schedules.pace import Paced
from keras_lr.schedules.stepwise import Constant

STEP = Whole("a whole number in [0, 2**31)", 0, steps=False)

Source = Any
"""Where a rate comes from: a `keras.Variable`, a schedule, or a function without arguments."""


@dataclass(frozen=True, eq=False)
class RateOwner:
    """An optimizer that owns a learning rate, and the name of its column in logs; the `MultiOptimizer` around it."""

    column: str
    optimizer: Any
    multi: Any = None

    @property
    def source(self) -> Source:
        return self.optimizer._learning_rate

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

    def step(self) -> int:
        return read_int(self.counter)

    def rate(self, step: int | None = None) -> float:
        """The rate of the next update, or at `step` if it comes from a schedule."""
        source = self.source
        if isinstance(source, LearningRateSchedule):
            return _rate_at(source, self.step() if step is None else step)
        return read_float(source() if is_function(source) else source)


@dataclass(frozen=True, eq=False)
class Channel:
    """A hyperparameter of an optimizer that a log has a column for: its rate, or a scheduled one."""

    column: str
    owner: RateOwner
    source: Source


def channels(model: Any) -> list[Channel]:
    """The rates of a model's optimizers, then their other hyperparameters that are scheduled."""
    owners = rate_owners(model)
    found = [Channel(owner.column, owner, owner.source) for owner in owners]
    for owner in owners:
        suffix = owner.column.removeprefix("learning_rate")
        found += [Channel(name + suffix, owner, schedule) for name, schedule in schedules_of(owner.optimizer).items()]
    return found


def is_schedule(source: Source) -> bool:
    """Whether the rate comes from a schedule, ours or not."""
    return isinstance(source, LearningRateSchedule)


def is_function(source: Source) -> bool:
    """Whether the rate comes from a function without arguments."""
    return not isinstance(source, LearningRateSchedule | keras.Variable) and callable(source)


def read_int(variable: Any) -> int:
    """The number in a counter, also one mirrored over devices; waited for where it is on an accelerator."""
    known = host_steps(variable)
    return int(ops.convert_to_numpy(variable) if known is None else known)


def _rate_at(schedule: LearningRateSchedule, step: int) -> float:
    """The rate of any schedule at one step; those of ours are looked up among the rates of steps around it."""
    if isinstance(schedule, Schedule) and schedule.is_bound and not schedule.has_foreign:
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


def rate_owners(model: Any) -> list[RateOwner]:
    """Every optimizer of the model that owns a rate: one, or those of a `MultiOptimizer`."""
    optimizer = optimizer_of(model)
    if not hasattr(optimizer, "optimizers"):
        return [RateOwner("learning_rate", optimizer)]
    owners: list[RateOwner] = []
    for part in optimizer.optimizers:
        column = f"learning_rate_{part.name}"
        taken = [owner.column for owner in owners]
        if column in taken:
            column = f"{column}_{len(taken)}"
        owners.append(RateOwner(column, part, optimizer))
    return owners


def training(owners: list[RateOwner]) -> list[RateOwner]:
    """The optimizers that train something; all of them as long as that is undecided.

    Keras leaves the counter of one of a `MultiOptimizer` to which no variable was given where it is.
    """
    return [owner for owner in owners if not owner.is_idle] or owners


def leader(owners: list[RateOwner]) -> RateOwner:
    """The optimizer whose counter tells the step: the first one that trains something.

    Raises:
        ValueError: there is none yet.
    """
    return training(at_least_one(owners))[0]


def at_least_one(owners: list[RateOwner]) -> list[RateOwner]:
    """The same optimizers.

    Raises:
        ValueError: there is none yet.
    """
    if not owners:
        raise ValueError(
            "the optimizers of a `MultiOptimizer` that is given a function are not there before the model is built: "
            "begin the model with a `keras.Input`, or call `model.build`"
        )
    return owners


def build(model: Any) -> None:
    """Build a `MultiOptimizer`, which only then has its optimizers and knows which of them train something.

    JAX and torch have done so when `fit` calls the first callback. TensorFlow does it in the first batch.
    """
    if not hasattr(optimizer_of(model), "optimizers") or model.optimizer.built:
        return
    # As Keras asks itself whether a model still has variables to come.
    if model.built and all(layer.built for layer in model._flatten_layers()):
        model.optimizer.build(model.trainable_variables)


def step_of(model: Any) -> int:
    """Batches that the model has been trained with."""
    return leader(rate_owners(model)).step()


def sync(model: Any) -> None:
    """Bring the variables up to date in the middle of an epoch (JAX keeps them apart)."""
    getattr(model, "jax_state_sync", lambda: None)()


def retrace(model: Any) -> None:
    """Make Keras compile the training step anew, so that a new schedule takes effect.

    A compiled step keeps the schedule that it was traced with; only torch, which runs it
    eagerly, would notice. The cost is one compilation.

    On JAX `make_train_function(force=True)` alone changes nothing: it calls
    ``jax.jit(model.train_step)`` again, and JAX finds the old trace in its cache, because
    bound methods of one object compare equal. So it is given a function that is new.
    """
    if getattr(model, "train_function", None) is None:
        return
    attributes = vars(model)
    own = attributes.get("train_step")
    step = model.train_step
    attributes["train_step"] = lambda *args, **kwargs: step(*args, **kwargs)
    try:
        model.make_train_function(force=True)
    finally:
        attributes.pop("train_step")
        if own is not None:
            attributes["train_step"] = own


def replace(model: Any, owner: RateOwner, rate: float | LearningRateSchedule) -> None:
    """Give an optimizer another rate. The caller retraces once if any of them is a schedule."""
    sync(model)
    if is_schedule(owner.source):
        # Not through the property: TensorFlow reads a property before it assigns to it, and a
        # schedule that is not bound yet cannot be read.
        owner.optimizer._learning_rate = Constant(rate) if isinstance(rate, float) else rate
    else:
        owner.optimizer.learning_rate = rate


def reduce(model: Any, owner: RateOwner, factor: float, min_lr: float) -> tuple[float, float] | None:
    """Multiply the rate by `factor`, but not below `min_lr`.

    A float rate is assigned, and a schedule is wrapped in `Reduced` (or the wrapper that
    is there already is replaced by one of a smaller scale); the caller retraces.

    Returns:
        The rate of the next update before and after; None if it is at `min_lr` already.
    """
    sync(model)
    old = owner.rate()
    if is_at(owner, min_lr):
        return None
    source = owner.source
    if isinstance(source, LearningRateSchedule):
        set_scale(model, owner, (source.scale if isinstance(source, Reduced) else 1.0) * factor, min_lr)
        return old, owner.rate()
    new = max(old * factor, min_lr)
    replace(model, owner, new)
    return old, new


def as_configured(source: Source) -> Source:
    """A rate without what our callbacks put around it: binding, pace, reductions."""
    while isinstance(source, Bound | Paced | Reduced):
        source = source.schedule
    return source


def within_reduction(source: LearningRateSchedule, change: Callable[[Any], Any]) -> Any:
    """Change a schedule, under the `Reduced` of a plateau if there is one: that stays outermost.

    Otherwise the next reduction would put another `Reduced` around it, which knows only its own scale.
    """
    if isinstance(source, Reduced):
        return Reduced(change(source.schedule), source.scale, source.min_lr)
    return change(source)


def configuration(model: Any) -> dict[str, dict[str, Any]]:
    """What rates a model was compiled with, as JSON by column; nothing for one that is not compiled."""
    if getattr(model, "optimizer", None) is None:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for owner in rate_owners(model):
        source = as_configured(owner.source)
        if isinstance(source, LearningRateSchedule):
            found[owner.column] = {"schedule": keras.saving.serialize_keras_object(source)}
        elif not is_function(source):
            found[owner.column] = {"rate": read_float(source)}
    return found


def is_same_configuration(saved: dict[str, Any], configured: dict[str, Any]) -> bool:
    """Whether a rate is the one that was saved; numbers to the accuracy of float32."""
    if "rate" in saved and "rate" in configured:
        numbers = saved["rate"], saved.get("now", saved["rate"])
        return any(math.isclose(number, configured["rate"], rel_tol=1e-6) for number in numbers)
    return json.dumps(saved, sort_keys=True) == json.dumps(configured, sort_keys=True)


def configure(model: Any, owner: RateOwner, wanted: dict[str, Any]) -> None:
    """Give an optimizer a rate of `configuration`, keeping the scale of a plateau. The caller retraces."""
    rate = from_serialized(wanted["schedule"]) if "schedule" in wanted else wanted["rate"]
    source = owner.source
    replace(model, owner, rate)
    if isinstance(source, Reduced) and "schedule" in wanted:
        set_scale(model, owner, source.scale, source.min_lr)


def is_at(owner: RateOwner, min_lr: float) -> bool:
    """Whether a rate has come down to `min_lr`, to float32: a variable may hold the float just above it."""
    return owner.rate() <= min_lr * (1.0 + 1e-6)


def set_scale(model: Any, owner: RateOwner, scale: float, min_lr: float) -> bool:
    """Scale an optimizer's schedule; whether that changed it. The caller retraces."""
    source = owner.source
    new = Reduced(source.schedule if isinstance(source, Reduced) else source, scale, min_lr)
    if new == source:
        return False
    replace(model, owner, new)
    return True


def get_learning_rate(model: keras.Model, optimizer: str | None = None) -> float:
    """The learning rate of the model's next update.

    Args:
        model: a compiled model.
        optimizer: the name of one of the optimizers of a `MultiOptimizer`.

    Returns:
        A Python float, whether the rate is a number, a schedule or a function.

    Raises:
        ValueError: the model is not compiled, or `optimizer` is needed or unknown.
    """
    sync(model)
    return _owner(model, optimizer).rate()


def set_learning_rate(model: keras.Model, rate: float | LearningRateSchedule, optimizer: str | None = None) -> None:
    """Give a compiled model another learning rate or schedule, with effect from the next update.

    Assigning to ``model.optimizer.learning_rate`` raises when a schedule should become a
    number, and has no effect on a compiled training step when one schedule should become
    another; this does what was meant. The step counter is left as it is
    (`Schedule.from_step` and friends move a schedule instead).

    Args:
        model: a compiled model.
        rate: a number >= 0 or a schedule.
        optimizer: the name of one of the optimizers of a `MultiOptimizer`.

    Raises:
        TypeError: `rate` is neither.
        ValueError: the model is not compiled, `rate` is negative or not finite, or
            `optimizer` is needed or unknown.
    """
    owner = _owner(model, optimizer)
    kind = SCHEDULE if isinstance(rate, LearningRateSchedule) else RATE
    rate = check(kind, "set_learning_rate", "rate", rate)
    compiled = isinstance(rate, LearningRateSchedule) or not isinstance(owner.source, keras.Variable)
    replace(model, owner, rate)
    if compiled:
        retrace(model)


def set_step(
    model: keras.Model, step: int | None = None, *, epoch: int | None = None, steps_per_epoch: int | None = None
) -> None:
    """Move the optimizer's step counter, and with it the place in the schedule.

    `fit(initial_epoch=…)` does not move it. Nothing else changes: weights, momenta and a rate
    that is a number stay.

    Args:
        model: a compiled model.
        step: batches seen so far, >= 0; or instead of it
        epoch: epochs done so far, >= 0, and
        steps_per_epoch: batches in an epoch.

    Raises:
        TypeError, ValueError: not exactly one of the two ways is used, a number is not whole and
            >= 0 (`steps_per_epoch` >= 1), or the model is not compiled.
    """
    if (step is None) == (epoch is None) or (epoch is None) != (steps_per_epoch is None):
        raise ValueError("set_step: pass either `step`, or `epoch` and `steps_per_epoch`")
    if step is None:
        done = check(STEP, "set_step", "epoch", epoch)
        step = done * check(COUNT, "set_step", "steps_per_epoch", steps_per_epoch)
    step = check(STEP, "set_step", "step", step)
    sync(model)
    for optimizer in [optimizer_of(model), *(owner.optimizer for owner in rate_owners(model))]:
        optimizer._iterations.assign(step)


def _owner(model: Any, name: str | None) -> RateOwner:
    owners = rate_owners(model)
    chosen = owners
    if name is not None:
        chosen = [owner for owner in owners if isinstance(name, str) and owner.optimizer.name == str(name)]
    if len(chosen) != 1:
        names = ", ".join(repr(owner.optimizer.name) for owner in owners)
        error = ValueError if name is None or isinstance(name, str) else TypeError
        raise error(f"`optimizer` must be one of {names}, got {shown(name)}")
    return chosen[0]


class Snapshots:
    """The value of one optimizer variable after each batch, taken without waiting for the device.

    JAX keeps the live values out of the variables during an epoch and gives their memory to
    the next step, so a snapshot there is a small copy that is queued behind the step; reading
    the variable instead would stop the queue (a step of a small MLP takes three times as
    long). The numbers are fetched once, by `numbers`.
    """

    def __init__(self, model: Any, variable: keras.Variable) -> None:
        self._model = model
        self._variable = variable
        self._taken: list[Any] = []
        self._take = getattr(self, f"_take_{keras.config.backend()}")
        self._index: int | None = None

    def take(self) -> None:
        self._taken.append(self._take())

    def numbers(self) -> list[float]:
        return [read_float(value) for value in self._taken]

    def _take_tensorflow(self) -> Any:
        # A mere read shares the variable's memory, which an assignment overwrites.
        # The bare operation, since `ops.add` takes five times as long.
        return sys.modules["tensorflow"].raw_ops.AddV2(x=tensorflow_read(self._variable.value), y=self._zero)

    @cached_property
    def _zero(self) -> Any:
        return ops.zeros((), dtype=self._variable.dtype)

    def _take_torch(self) -> Any:
        return self._variable.value.detach().clone()

    def _take_jax(self) -> Any:
        # After a batch this is the state that its step gave, whatever callbacks have assigned since.
        state = getattr(self._model, "_jax_state", None)
        if not state:
            return _queued_copy(self._variable.value)
        if self._index is None:
            known = [id(variable) for variable in self._model.optimizer.variables]
            self._index = known.index(id(self._variable))
        return _queued_copy(state["optimizer_variables"][self._index])


_copy: Callable[[Any], Any] | None = None


def _queued_copy(array: Any) -> Any:
    """A copy of a JAX array: 9 µs, where `jax.numpy.copy` takes 80."""
    global _copy
    if _copy is None:
        import jax

        _copy = jax.jit(lambda value: value + 0)
    return _copy(array)
