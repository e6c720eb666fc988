"""`Scheduled`: other hyperparameters than the rate on a schedule, inside the compiled training step.

The optimizer that it returns is of a class made for it: a subclass of the stock optimizer's, in
which each hyperparameter is a property. While `apply` runs, and only then, a scheduled one is
the value of its schedule at the optimizer's own step counter, so Keras's own code computes with
it. On TensorFlow and JAX that value is a tensor of the traced step. On torch, which trains
eagerly, it is a number: the counter is followed on the host, and read again only when somebody
else has written it, so that nothing waits for the device.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.fields import FLAG, SCHEDULE, Real, check, refuse
from keras_lr.schedule import from_serialized, values_of
from keras_lr.schedules.stepwise import Constant

EVERYWHERE = ("weight_decay", "ema_momentum", "clipnorm", "global_clipnorm")

OWN: dict[str, tuple[str, ...]] = {
    "SGD": ("momentum",),
    "RMSprop": ("rho", "momentum"),
    "Adadelta": ("rho",),
    "Adagrad": (),
    "Adam": ("beta_1", "beta_2"),
    "AdamW": ("beta_1", "beta_2"),
    "Nadam": ("beta_1", "beta_2"),
    "Adamax": ("beta_1", "beta_2"),
    "Lamb": ("beta_1", "beta_2"),
    "Lion": ("beta_1", "beta_2"),
    "Muon": ("momentum", "adam_beta_1", "adam_beta_2", "adam_weight_decay"),
    "Adafactor": (),
    "Ftrl": (),
}
"""Hyperparameters of the stock optimizers beside those of all of them."""

CONFIG = {"optimizer", "hyperparameters", "momentum_correction", "independent_weight_decay"}

UNLIMITED = ("weight_decay", "adam_weight_decay", "clipnorm", "global_clipnorm")
"""Hyperparameters that are not shares: the others are means over time, with a weight in [0, 1]."""

SHARE = Real("a schedule of numbers in [0, 1]", low=0.0, high=1.0)

# Optimizers leave out a slot, or a whole computation, where one of these is 0; a schedule may pass through 0.
NEEDS_SLOT = ("momentum",)


class Scheduled:
    """A stock Keras optimizer with hyperparameters that follow schedules.

    ``Scheduled(optimizer, momentum=schedule, …)`` is an optimizer of the same kind with the same
    arguments, in which each named hyperparameter is ``schedule(step)`` in the update of that
    step, computed inside the compiled training step from the optimizer's own counter, as the
    learning rate is. Assigning to ``optimizer.momentum`` has no effect after the first batch on
    TensorFlow and JAX; this has, on all backends.

    What can be scheduled: `momentum` (SGD, RMSprop, Muon), `rho` (RMSprop, Adadelta), `beta_1` and
    `beta_2` (Adam, AdamW, Nadam, Adamax, Lamb, Lion), Muon's `adam_beta_1`, `adam_beta_2` and
    `adam_weight_decay`, and of every optimizer `weight_decay`, `ema_momentum` (with `use_ema`),
    `clipnorm` and `global_clipnorm`.

    A schedule is bound by `BindSchedule`, as that of the rate, and recorded by
    `LearningRateLogger` in a column of the hyperparameter's name. The optimizer is saved, loaded,
    wrapped and distributed as any other.

    Args:
        optimizer: a stock optimizer that has not been used yet; it is not changed.
        momentum_correction: for SGD: keep the rate out of the velocity, v ← m·v + g and w ← w − lr·v,
            as torch does. Keras has it inside, v ← m·v − lr·g and w ← w + v, so that after the rate
            has fallen the velocity of the higher one goes on. Where the rate is not 0 this is
            Keras's form with the velocity multiplied by lr_t/lr_(t−1): Goyal et al. 2017, arXiv
            1706.02677, section 3, remark 2 and equation 10.
        independent_weight_decay: subtract ``weight_decay · w`` from w, and not Keras's
            ``learning_rate · weight_decay · w``: Loshchilov & Hutter 2019, arXiv 1711.05101,
            algorithm 2.
        hyperparameters: schedules by the name of the hyperparameter; a number is a constant.

    Raises:
        TypeError: `optimizer` is no stock optimizer, or a hyperparameter is no schedule or number.
        ValueError: a hyperparameter cannot be scheduled (the message lists those that can), the
            optimizer has been built, or an option does not go with it.

    Example:
        >>> cycle = OneCycle(0.1, 1000)
        >>> optimizer = Scheduled(keras.optimizers.SGD(cycle, nesterov=True), momentum=cycle.momentum())
        >>> optimizer.hyperparameters["momentum"].values([0, 299]).round(6).tolist()
        [0.95, 0.85]
    """

    hyperparameters: dict[str, LearningRateSchedule]

    def __new__(
        cls,
        optimizer: Any,
        *,
        momentum_correction: bool = False,
        independent_weight_decay: bool = False,
        **hyperparameters: Any,
    ) -> Any:
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            refuse("Scheduled", "optimizer", "a Keras optimizer", optimizer, TypeError)
        kind = _stock_name(optimizer)
        if kind is None:
            refuse("Scheduled", "optimizer", f"one of {', '.join(OWN)} itself", optimizer, TypeError)
        if optimizer.built:
            refuse("Scheduled", "optimizer", "an optimizer that has not been built yet", optimizer)
        allowed = OWN[kind] + EVERYWHERE
        for name in hyperparameters:
            if name not in allowed:
                raise ValueError(
                    f"Scheduled: {kind} has no `{name}` that can be scheduled; it has {', '.join(allowed)}"
                )
        schedules = {name: check(SCHEDULE, "Scheduled", name, value) for name, value in hyperparameters.items()}
        for name, schedule in schedules.items():
            if name not in UNLIMITED and isinstance(schedule, Constant):
                check(SHARE, "Scheduled", name, schedule.learning_rate)
        for name, value in (
            ("momentum_correction", momentum_correction),
            ("independent_weight_decay", independent_weight_decay),
        ):
            check(FLAG, "Scheduled", name, value)
        if momentum_correction and kind != "SGD":
            refuse("Scheduled", "momentum_correction", f"False for {kind}: it is for SGD", True)
        if independent_weight_decay and optimizer.weight_decay is None and "weight_decay" not in schedules:
            refuse("Scheduled", "independent_weight_decay", "False without a `weight_decay`", True)
        if "ema_momentum" in schedules and not optimizer.use_ema:
            refuse(
                "Scheduled",
                "ema_momentum",
                "left out unless the optimizer has `use_ema=True`",
                schedules["ema_momentum"],
            )
        made = _class_for(type(optimizer), kind)
        config = optimizer.get_config()
        return made._made(config, schedules, momentum_correction, independent_weight_decay)

    def get_config(self) -> dict[str, Any]:
        """The optimizer and the schedules, as Keras serializes them."""
        config = dict(vars(self)["_stock_config"])
        current: Any = self
        rate = current._learning_rate
        if isinstance(rate, LearningRateSchedule):
            config["learning_rate"] = keras.saving.serialize_keras_object(rate)
        elif not callable(rate) or isinstance(rate, keras.Variable):
            config["learning_rate"] = float(ops.convert_to_numpy(rate))
        config["name"] = current.name
        module = {"module": "keras.optimizers", "class_name": current._kind, "config": config, "registered_name": None}
        return {
            "optimizer": module,
            "hyperparameters": {
                name: keras.saving.serialize_keras_object(schedule) for name, schedule in self.hyperparameters.items()
            },
            "momentum_correction": vars(self)["momentum_correction"],
            "independent_weight_decay": vars(self)["independent_weight_decay"],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The optimizer with these arguments."""
        if not isinstance(config, dict) or set(config) != CONFIG:
            refuse("Scheduled", "config", f"a dict of {', '.join(sorted(CONFIG))}", config)
        stock, given = config["optimizer"], config["hyperparameters"]
        names = (stock.get("module"), stock.get("class_name")) if isinstance(stock, dict) else (None, None)
        if names[0] != "keras.optimizers" or str(names[1]) not in OWN:
            refuse("Scheduled", "optimizer", f"the config of one of {', '.join(OWN)}", stock)
        if not isinstance(given, dict):
            refuse("Scheduled", "hyperparameters", "a dict of schedules by name", given, TypeError)
        optimizer = keras.saving.deserialize_keras_object(stock, custom_objects)
        with keras.saving.custom_object_scope(custom_objects or {}):
            hyperparameters = {name: from_serialized(schedule) for name, schedule in given.items()}
        flags = {name: config[name] for name in ("momentum_correction", "independent_weight_decay")}
        return Scheduled(optimizer, **{**flags, **hyperparameters})


keras.saving.register_keras_serializable("keras_lr")(Scheduled)

BLOCK = 256
"""Steps whose values are computed at once on torch."""

_classes: dict[type, Any] = {}


def _stock_name(optimizer: Any) -> str | None:
    """The name of the stock class that an optimizer is of; torch has variants of its own of some."""
    kind = type(optimizer)
    stock = getattr(keras.optimizers, kind.__name__, None)
    if kind.__name__ not in OWN or stock is None:
        return None
    is_variant = issubclass(kind, stock) and kind.__module__.startswith("keras.src.backend.")
    return kind.__name__ if kind is stock or is_variant else None


def _class_for(base: type, kind: str) -> Any:
    """The class of scheduled optimizers of one stock class."""
    if base not in _classes:
        names = OWN[kind] + EVERYWHERE
        body: dict[str, Any] = {name: _hyperparameter(name) for name in names}
        body |= {"_kind": kind, "__module__": __name__, "__doc__": Scheduled.__doc__}
        parents = (_SGD, base) if kind == "SGD" else (_RMSprop, base) if kind == "RMSprop" else (_Live, base)
        made = type("Scheduled", parents, body)
        # Whichever class made the optimizer, its config is read by `Scheduled.from_config`.
        keras.saving.register_keras_serializable("keras_lr")(made)
        keras.saving.get_custom_objects()["keras_lr>Scheduled"] = Scheduled
        _classes[base] = made
    return _classes[base]


def _hyperparameter(name: str) -> property:
    """A hyperparameter: its value in the step that runs, and otherwise what the optimizer was made with."""

    def read(self: Any) -> Any:
        own = vars(self)
        live = own.get("_values_now")
        if live is not None and name in live:
            return live[name]
        if f"_made_with_{name}" not in own:  # TensorFlow looks before the first assignment
            raise AttributeError(name)
        return own[f"_made_with_{name}"]

    def write(self: Any, value: Any) -> None:
        vars(self)[f"_made_with_{name}"] = value

    return property(read, write)


class _Live(Scheduled):
    """What a scheduled optimizer adds to the stock one, which stands behind it among the parents."""

    _kind: str

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(cls)

    @classmethod
    def _made(cls, config: dict[str, Any], schedules: dict[str, Any], correction: bool, independent: bool) -> Any:
        self: Any = cls.__new__(cls)
        own = vars(self)
        own["_stock_config"] = config
        rate = config["learning_rate"]
        rate = keras.saving.deserialize_keras_object(rate) if isinstance(rate, dict) else rate
        super(Scheduled, self).__init__(**{**config, "learning_rate": rate})
        own["_values_now"], own["_depth"], own["_unit_rate"] = None, 0, False
        own["_mirror"], own["_blocks"] = None, {}
        own["hyperparameters"] = dict(schedules)
        own["momentum_correction"], own["independent_weight_decay"] = correction, independent
        for name in schedules:
            # Decides only which slots there are, and whether the stock code looks at it at all.
            if name in NEEDS_SLOT and not own[f"_made_with_{name}"]:
                own[f"_made_with_{name}"] = 0.9
            elif own[f"_made_with_{name}"] is None:
                own[f"_made_with_{name}"] = 1.0
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: `_made` has done it, and Python calls this for what `Scheduled(…)` returns."""

    def build(self, variables: Any) -> None:
        stock: Any = super()
        own = vars(self)
        # TensorFlow builds within the first step; which slots there are does not depend on its values.
        values, own["_values_now"] = own["_values_now"], None
        try:
            stock.build(variables)
        finally:
            own["_values_now"] = values

    # The step.

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        stock: Any = super()
        own = vars(self)
        # Replicas of MirroredStrategy take turns in here; the values are those of the first.
        if own["_depth"] == 0:
            own["_values_now"] = self._values()
        own["_depth"] += 1
        try:
            stock.apply(grads, trainable_variables)
        finally:
            own["_depth"] -= 1
            if own["_depth"] == 0:
                own["_values_now"] = None
        mirror = own["_mirror"]
        # Without a gradient Keras makes no update, and the counter stays.
        if mirror is not None and mirror[1]._version != mirror[2]:
            own["_mirror"] = (mirror[0] + 1, mirror[1], mirror[1]._version)

    def _values(self) -> dict[str, Any]:
        counter: Any = self._iterations  # type: ignore[attr-defined]
        if keras.config.backend() != "torch":
            # A constant stays a number, with which the stock code computes to the last bit as ever.
            return {
                name: schedule.learning_rate if isinstance(schedule, Constant) else schedule(counter)
                for name, schedule in self.hyperparameters.items()
            }
        step = self._host_step(counter.value)
        # Keras leaves out the slot where a momentum is 0; this is 0 to any float.
        return {name: self._host_value(name, schedule, step) for name, schedule in self.hyperparameters.items()}

    def _host_value(self, name: str, schedule: LearningRateSchedule, step: int) -> float:
        """One value, out of those of many steps that were computed at once: a call for each takes as long."""
        blocks = vars(self)["_blocks"]
        known = blocks.get(name)
        if known is None or known[0] is not schedule or not 0 <= step - known[1] < BLOCK:
            values = np.maximum(values_of(schedule, np.arange(step, step + BLOCK)), 1e-30)
            blocks[name] = known = (schedule, step, values.tolist())
        return float(known[2][step - known[1]])

    def _host_step(self, counter: Any) -> int:
        """Torch's counter without waiting for it: followed as long as nobody else writes to it."""
        own = vars(self)
        mirror = own["_mirror"]
        if mirror is None or mirror[1] is not counter or mirror[2] != counter._version:
            own["_mirror"] = mirror = (int(counter), counter, counter._version)
        return int(mirror[0])

    # Where the stock code branches on a value, which a traced step cannot.

    def _clip_gradients(self, grads: Any) -> Any:
        stock: Any = super()
        if "clipnorm" in self.hyperparameters:
            clip = stock._clip_by_norm
            return [gradient if gradient is None else clip(gradient) for gradient in grads]
        if "global_clipnorm" in self.hyperparameters:
            limit: Any = self.global_clipnorm  # type: ignore[attr-defined]
            known = [ops.cast(gradient, "float32") for gradient in grads if gradient is not None]
            norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in known))
            factor = limit / ops.maximum(norm, limit)
            return [
                gradient if gradient is None else ops.multiply(gradient, ops.cast(factor, gradient.dtype))
                for gradient in grads
            ]
        return stock._clip_gradients(grads)

    def _apply_weight_decay(self, variables: Any) -> None:
        stock: Any = super()
        own = vars(self)
        own["_unit_rate"] = own["independent_weight_decay"]
        try:
            stock._apply_weight_decay(variables)
        finally:
            own["_unit_rate"] = False

    def _get_current_learning_rate(self) -> Any:
        stock: Any = super()
        return 1.0 if vars(self).get("_unit_rate") else stock._get_current_learning_rate()


class _SGD(_Live):
    """SGD: momentum that may pass through 0, and the velocity without the rate in it."""

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        stock: Any = super()
        if keras.config.backend() == "torch" and vars(self)["momentum_correction"]:
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                self.update_step(gradient, variable, learning_rate)
        else:
            stock._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        this: Any = self
        if not this.momentums:
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        velocity = this.momentums[this._get_variable_index(variable)]
        rate = ops.cast(learning_rate, variable.dtype)
        momentum = ops.cast(this.momentum, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        if vars(self)["momentum_correction"]:
            this.assign(velocity, ops.add(ops.multiply(velocity, momentum), gradient))
            step = ops.add(ops.multiply(velocity, momentum), gradient) if this.nesterov else velocity
            this.assign_sub(variable, ops.multiply(step, rate))
            return
        scaled = ops.multiply(gradient, rate)
        this.assign(velocity, ops.subtract(ops.multiply(velocity, momentum), scaled))
        if this.nesterov:
            this.assign_add(variable, ops.subtract(ops.multiply(velocity, momentum), scaled))
        else:
            this.assign_add(variable, velocity)


class _RMSprop(_Live):
    """RMSprop with a momentum that may pass through 0."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        this: Any = self
        if "momentum" not in self.hyperparameters:
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        index = this._get_variable_index(variable)
        square, momentum = this._velocities[index], this._momentums[index]
        gradient = ops.cast(gradient, variable.dtype)
        rho = this.rho  # a constant is a number still, and 1 − rho is exact then
        this.assign(square, ops.add(ops.multiply(rho, square), ops.multiply(1 - rho, ops.square(gradient))))
        spread = square
        if this.centered:
            mean = this._average_gradients[index]
            this.assign(mean, ops.add(ops.multiply(rho, mean), ops.multiply(1 - rho, gradient)))
            spread = ops.subtract(square, ops.square(mean))
        rate = ops.cast(learning_rate, variable.dtype)
        step = ops.divide(ops.multiply(rate, gradient), ops.sqrt(ops.add(spread, this.epsilon)))
        this.assign(momentum, ops.add(ops.multiply(this.momentum, momentum), step))
        this.assign_sub(variable, momentum)


def schedules_of(optimizer: Any) -> dict[str, LearningRateSchedule]:
    """The schedules of an optimizer's other hyperparameters; empty for a stock one."""
    found: dict[str, LearningRateSchedule] = vars(optimizer).get("hyperparameters", {})
    return found if isinstance(optimizer, Scheduled) else {}
