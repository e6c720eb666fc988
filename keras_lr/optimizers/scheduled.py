"""`Scheduled`: schedules for other hyperparameters than the rate, and rates for groups of variables.

For each stock optimizer there is a subclass: `ScheduledSGD`, `ScheduledAdam` and so on. Its training step is in
`updates`. `Scheduled(optimizer, …)` creates an instance of the right class.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.algebra import SCHEDULE, Constant
from keras_lr.core.evaluation import host_steps
from keras_lr.core.fields import FLAG, Real
from keras_lr.core.keras_versions import Variable, available
from keras_lr.core.refusals import check, refuse
from keras_lr.core.serialization import from_serialized
from keras_lr.optimizers.exclusions import KEY, Exclusions, exclude, exclusions
from keras_lr.optimizers.groups import Groups
from keras_lr.optimizers.multipliers import DECAY, RATE, Multipliers, check_multipliers
from keras_lr.optimizers.updates import AdamStep, RMSpropStep, SGDStep, Step, StepState, Stock, hyperparameter

EVERYWHERE = ("weight_decay", "ema_momentum", "clipnorm", "global_clipnorm")

OWN = available(
    {
        "SGD": ("momentum",),
        "RMSprop": ("rho", "momentum"),
        "Adadelta": ("rho",),
        "Adagrad": (),
        **dict.fromkeys(("Adam", "AdamW", "Nadam", "Adamax", "Lamb", "Lion"), ("beta_1", "beta_2")),
        "Muon": ("momentum", "adam_beta_1", "adam_beta_2", "adam_weight_decay"),
        "Adafactor": (),
        "Ftrl": (),
    }
)
"""Hyperparameters of the stock optimizers of this version of Keras, in addition to those that all have."""

STOCK: dict[str, type] = {name: type(kind.__new__(kind)) for name in OWN for kind in [getattr(keras.optimizers, name)]}
"""The class that each stock name creates. On torch, some optimizers have a special class."""

OPTIONS = ("momentum_correction", "independent_weight_decay")

REQUIRED = {"optimizer", "hyperparameters", *OPTIONS}

UNLIMITED = ("weight_decay", "adam_weight_decay", "clipnorm", "global_clipnorm")
"""Hyperparameters that may be above 1. The others are weights of moving averages, in [0, 1]."""

SHARE = Real("a schedule of numbers in [0, 1]", low=0.0, high=1.0)


def Scheduled(  # noqa: N802 - it makes an optimizer, and is called like one
    optimizer: Any,
    *,
    multipliers: Mapping[str, Any] | None = None,
    weight_decay_multipliers: Mapping[str, Any] | None = None,
    momentum_correction: bool = False,
    independent_weight_decay: bool = False,
    **hyperparameters: Any,
) -> Any:
    """A stock Keras optimizer with schedules for its hyperparameters, and with rates for layers.

    ``Scheduled(optimizer, momentum=schedule, …)`` is an optimizer of the same kind with the same
    arguments. In the update of a step, each named hyperparameter is ``schedule(step)``. It is computed
    inside the compiled training step from the optimizer's counter, as the learning rate is. (On
    TensorFlow and JAX, an assignment to ``optimizer.momentum`` after the first batch has no effect.)

    You can schedule `momentum` (SGD, RMSprop, Muon), `rho` (RMSprop, Adadelta), `beta_1` and `beta_2`
    (Adam, AdamW, Nadam, Adamax, Lamb, Lion), Muon's `adam_beta_1`, `adam_beta_2` and
    `adam_weight_decay`, and, for every optimizer, `weight_decay`, `ema_momentum` (with `use_ema`),
    `clipnorm` and `global_clipnorm`.

    `BindSchedule` binds these schedules too, and `LearningRateLogger` records them in columns with the
    names of the hyperparameters. The optimizer can be saved, loaded, pickled, wrapped and distributed
    like any other.

    ``Scheduled(optimizer, multipliers={"head/": 10, "embedding": 0.1})`` multiplies the rate by a factor for all
    variables whose path matches a pattern. A factor is a number or a schedule of the step. With 0 a variable is
    frozen: it neither moves nor decays. While a schedule is 0, the slots are updated as at a rate of 0, so that
    Adam has its averages when the variable thaws. With the number 0 the slots do not change. `layerwise_decay`
    makes such a mapping for a model.

    Everything that was set on the given optimizer is copied: its arguments, attributes assigned since, the rate
    and the step counter, and the exclusions of `exclude_from_weight_decay`. Keras loses exclusions when an
    optimizer is saved and loaded, cloned, copied or pickled; here they are kept.

    Args:
        optimizer: a stock optimizer that has not been used yet; it is not changed. Its rate is a number,
            a schedule or a function without arguments. Files store a function as Keras does: a registered
            one by its name, and a lambda in such a way that loading needs ``safe_mode=False``.
        multipliers: factors of the rate, by regular expressions that are searched in `variable.path`. The
            first match in the order of the mapping is used; the other variables have the factor 1. The
            weight decay of Keras, ``learning_rate · weight_decay · w``, is multiplied too.
        weight_decay_multipliers: factors of the weight decay only, in the same form: ``{"bias|gamma|beta": 0}``.
        momentum_correction: for SGD, keep the rate out of the velocity, as torch does: v ← m·v + g and
            w ← w − lr·v. In Keras it is inside, v ← m·v − lr·g and w ← w + v, so that after a fall of the
            rate the velocity still contains the higher one. While the rate is not 0, this equals Keras's
            form with the velocity multiplied by lr_t/lr_(t−1): Goyal et al. 2017, arXiv 1706.02677,
            section 3, remark 2 and equation 10.
        independent_weight_decay: subtract ``weight_decay · w`` from w, instead of Keras's
            ``learning_rate · weight_decay · w``: Loshchilov & Hutter 2019, arXiv 1711.05101,
            algorithm 2. `multipliers` do not change it, but a frozen variable does not decay.
        hyperparameters: schedules by the name of the hyperparameter. A number is a constant.

    Returns:
        A Keras optimizer, of a subclass of the class of `optimizer`.

    Raises:
        TypeError: `optimizer` is not a stock optimizer, or a hyperparameter or factor is neither a schedule nor a
            number.
        ValueError: a hyperparameter cannot be scheduled (the error lists those that can), the optimizer was built,
            has its own variables or methods, or does not support an option, or a pattern is not a regular
            expression. When the optimizer is built: a pattern matches no trainable variable.

    Example:
        >>> cycle = OneCycle(0.1, 1000)
        >>> optimizer = Scheduled(keras.optimizers.SGD(cycle, nesterov=True), momentum=cycle.momentum())
        >>> optimizer.hyperparameters["momentum"].values([0, 299]).round(6).tolist()
        [0.95, 0.85]
    """
    kind = _stock_name(optimizer)
    schedules = _checked_schedules(kind, hyperparameters)
    options = {"momentum_correction": momentum_correction, "independent_weight_decay": independent_weight_decay}
    _check_options(kind, optimizer, options, schedules)
    rates, decays = Multipliers(RATE, multipliers), Multipliers(DECAY, weight_decay_multipliers)
    check_multipliers(kind, optimizer, rates, decays, set(schedules))
    made = _copy_of(optimizer, kind)
    own = vars(made)
    own.update(options, hyperparameters=schedules, _factors={RATE: rates, DECAY: decays})
    own["_as_given"] = {name: getattr(made, name) for name in schedules}
    for name, given in own["_as_given"].items():
        # Decides only which slots exist, and whether the stock code uses it at all. For a momentum of 0 there would
        # be no slot, and a schedule may be 0 for a while.
        if name == "momentum" and not given:
            setattr(made, name, 0.9)
        elif given is None:
            setattr(made, name, 1.0)
    return made


def _check_options(
    kind: str, optimizer: Any, options: dict[str, Any], schedules: dict[str, LearningRateSchedule]
) -> None:
    """Refuse options that the optimizer does not support."""
    for name, value in options.items():
        check(FLAG, "Scheduled", name, value)
    if options["momentum_correction"] and kind != "SGD":
        refuse("Scheduled", "momentum_correction", f"False for {kind}: it is for SGD", True)
    if options["independent_weight_decay"] and optimizer.weight_decay is None and "weight_decay" not in schedules:
        refuse("Scheduled", "independent_weight_decay", "False without a `weight_decay`", True)
    if "ema_momentum" in schedules and not optimizer.use_ema:
        allowed = "left out unless the optimizer has `use_ema=True`"
        refuse("Scheduled", "ema_momentum", allowed, schedules["ema_momentum"])


class ScheduledOptimizer(Stock):
    """The base of all optimizers that `Scheduled` makes: hyperparameters on schedules, and their config."""

    hyperparameters: dict[str, LearningRateSchedule]
    _factors: dict[str, Multipliers]

    @property
    def multipliers(self) -> dict[str, Any]:
        """The factors of the rate by pattern, numbers or schedules: a copy."""
        return self._factors[RATE].shown()

    @property
    def weight_decay_multipliers(self) -> dict[str, Any]:
        """The factors of the weight decay by pattern, numbers or schedules: a copy."""
        return self._factors[DECAY].shown()

    def get_config(self) -> dict[str, Any]:
        """The optimizer and the schedules, as Keras serializes them.

        Raises:
            ValueError: single variables are excluded from weight decay (`var_list`), and the optimizer is not built.
            TypeError: the rate is a function that Keras cannot serialize.
        """
        config = {**_arguments(self), **self._as_given, "learning_rate": _serialized_rate(self)}
        kind = type(self).__name__.removeprefix("Scheduled")
        stock = {"module": "keras.optimizers", "class_name": kind, "config": config, "registered_name": None}
        return {
            "optimizer": stock,
            "hyperparameters": {
                name: keras.saving.serialize_keras_object(schedule) for name, schedule in self.hyperparameters.items()
            },
            **{name: getattr(self, name) for name in OPTIONS},
            **{it.name: it.get_config() for it in self._multipliers() if it},
            **exclusions(self),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The optimizer from a config of `get_config`."""
        if not isinstance(config, dict) or set(config) - {KEY, RATE, DECAY} != REQUIRED:
            refuse("Scheduled", "config", f"a dict of {', '.join(sorted(REQUIRED))}", config)
        stock, given = config["optimizer"], config["hyperparameters"]
        names = (stock.get("module"), stock.get("class_name")) if isinstance(stock, dict) else (None, None)
        if names[0] != "keras.optimizers" or str(names[1]) not in OWN:
            refuse("Scheduled", "optimizer", f"the config of one of {', '.join(OWN)}", stock)
        if not isinstance(given, dict):
            refuse("Scheduled", "hyperparameters", "a dict of schedules by name", given, TypeError)
        optimizer = keras.saving.deserialize_keras_object(stock, custom_objects)
        with keras.saving.custom_object_scope(custom_objects or {}):
            hyperparameters = {name: from_serialized(schedule) for name, schedule in given.items()}
            saved = {name: Multipliers.from_config(name, config[name]) for name in (RATE, DECAY) if name in config}
        options = {name: config[name] for name in OPTIONS}
        factors = {name: it.factors for name, it in saved.items()}
        made = Scheduled(optimizer, **{**options, **factors, **hyperparameters})
        vars(made)["_factors"].update(saved)
        if KEY in config:
            exclude(made, config[KEY])
        return made


def _stock_name(optimizer: Any) -> str:
    """The name of a stock optimizer. One that cannot be copied completely is refused."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        refuse("Scheduled", "optimizer", "a Keras optimizer", optimizer, TypeError)
    kind = next((name for name, stock in STOCK.items() if type(optimizer) is stock), None)
    if kind is None:
        inside = hasattr(optimizer, "inner_optimizer") or hasattr(optimizer, "optimizers")
        hint = " (schedule the inner optimizer, and wrap the result)" if inside else ""
        refuse("Scheduled", "optimizer", f"one of {', '.join(OWN)} itself{hint}", optimizer, TypeError)
    if optimizer.built:
        refuse("Scheduled", "optimizer", "an optimizer that has not been built yet", optimizer)
    replaced = [name for name in vars(optimizer) if callable(getattr(type(optimizer), name, None))]
    if replaced:
        allowed = f"an optimizer with the methods of its class, without its own `{replaced[0]}`"
        refuse("Scheduled", "optimizer", allowed, optimizer)
    if len(optimizer.variables) != 1 + isinstance(optimizer._learning_rate, Variable):
        refuse("Scheduled", "optimizer", "an optimizer to which no variable was added", optimizer)
    return kind


def _checked_schedules(kind: str, hyperparameters: dict[str, Any]) -> dict[str, LearningRateSchedule]:
    allowed = OWN[kind] + EVERYWHERE
    for name in hyperparameters:
        if name not in allowed:
            raise ValueError(f"Scheduled: {kind} has no `{name}` that can be scheduled; it has {', '.join(allowed)}")
    schedules = {name: check(SCHEDULE, "Scheduled", name, value) for name, value in hyperparameters.items()}
    for name, schedule in schedules.items():
        if name not in UNLIMITED and isinstance(schedule, Constant):
            check(SHARE, "Scheduled", name, schedule.learning_rate)
    return schedules


def _copy_of(optimizer: Any, kind: str) -> Any:
    """An optimizer of the class for `kind`, with everything that is set on this one, and with new variables.

    `get_config` would lose the counter, exclusions from weight decay, a rate that cannot be serialized, and
    attributes that the user added.
    """
    made: Any = object.__new__(_classes[kind])
    own = vars(made)
    own["_state"] = StepState()
    with _strategy_scope(optimizer):
        STOCK[kind].__init__(made, learning_rate=_rate_of(optimizer), name=optimizer.name)  # type: ignore[misc]
        step = host_steps(optimizer._iterations)
        made._iterations.assign(optimizer._iterations if step is None else int(step))
    for name, value in vars(optimizer).items():
        # Attributes with an underscore are internal to Keras: they are new here, or optional.
        if not (name.startswith("_") and name in own) and not name.startswith("_self_"):
            setattr(made, name, _copied(value))
    return made


def _copied(value: Any) -> Any:
    """A copy of an attribute's value. Keras's containers belong to one optimizer, so new ones are filled."""
    for container in (list, dict, set):
        if isinstance(value, container):
            return container(value)
    return value


def _strategy_scope(optimizer: Any) -> Any:
    """The scope in which an optimizer creates its variables: on TensorFlow that of its distribution strategy."""
    strategy = getattr(optimizer, "_distribution_strategy", None)
    if strategy is None or type(strategy).__name__ == "_DefaultDistributionStrategy":
        return nullcontext()
    return strategy.scope()


def _arguments(optimizer: Any) -> dict[str, Any]:
    """The config of the stock optimizer, without the rate, which Keras may be unable to serialize."""
    twin: Any = object.__new__(type(optimizer))
    vars(twin).update(vars(optimizer), _learning_rate=Constant(0.0))
    found: dict[str, Any] = super(ScheduledOptimizer, twin).get_config()
    return found


def _rate_of(optimizer: Any) -> Any:
    """The rate of an optimizer: a number, a schedule or a function."""
    rate = optimizer._learning_rate
    return float(ops.convert_to_numpy(rate)) if isinstance(rate, Variable) or not callable(rate) else rate


def _serialized_rate(optimizer: Any) -> Any:
    """The rate of an optimizer in its config: a number, or a schedule or function as Keras serializes it."""
    rate = _rate_of(optimizer)
    if isinstance(rate, float):
        return rate
    if isinstance(rate, LearningRateSchedule):
        return keras.saving.serialize_keras_object(rate)
    try:
        return keras.saving.serialize_keras_object(rate)
    except Exception:  # the type depends on the function and on what it refers to
        allowed = "a number, a schedule or a function that Keras can serialize, for the optimizer to be saved or copied"
        refuse("Scheduled", "learning_rate", allowed, rate, TypeError)


def _class_for(kind: str) -> Any:
    """The scheduled subclass of a stock class."""
    step = {"SGD": SGDStep, "Adam": AdamStep, "AdamW": AdamStep, "RMSprop": RMSpropStep}.get(kind, Step)
    body: dict[str, Any] = {name: hyperparameter(name) for name in OWN[kind] + EVERYWHERE}
    about = f"A `keras.optimizers.{kind}` with hyperparameters that follow schedules: see `Scheduled`."
    made = type(
        f"Scheduled{kind}", (ScheduledOptimizer, Exclusions, Groups, step, STOCK[kind]), {**body, "__doc__": about}
    )
    made.__module__ = __name__
    # All have one registered name, as in files of all versions: `ScheduledOptimizer.from_config` finds the class.
    keras.saving.register_keras_serializable("keras_lr", "Scheduled")(made)
    return made


_classes = {kind: _class_for(kind) for kind in OWN}
globals().update({made.__name__: made for made in _classes.values()})  # where pickle looks for them
keras.saving.register_keras_serializable("keras_lr", "Scheduled")(ScheduledOptimizer)


def schedules_of(optimizer: Any) -> dict[str, LearningRateSchedule]:
    """The schedules of an optimizer's other hyperparameters; empty for a stock one."""
    return optimizer.hyperparameters if isinstance(optimizer, ScheduledOptimizer) else {}


def multipliers_of(optimizer: Any) -> tuple[Multipliers, ...]:
    """The factors of an optimizer's rate and of its weight decay; empty for a stock one."""
    return optimizer._multipliers() if isinstance(optimizer, ScheduledOptimizer) else ()
