"""Wrong arguments for all public callables: values, callables, and the exceptions that are allowed.

`VALUES` are wrong for almost every argument. The tests pair each of them with each argument of each of `targets()`.
These are found in the package by their signatures, so a new class or function is tested without a new line here.
`ALLOWED` lists the values that an argument accepts, with the reason.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import keras
import numpy as np

import keras_lr as klr
import keras_lr.tuning
from support.catalogue import ROWS


class Raising:
    """An object for which every operation raises its own error."""

    def _raise(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("this object raises")

    __float__ = __int__ = __index__ = __bool__ = __len__ = __iter__ = __eq__ = __hash__ = _raise
    __lt__ = __le__ = __gt__ = __ge__ = __repr__ = __str__ = __array__ = __getitem__ = __contains__ = __fspath__ = (
        _raise
    )


class Pretender(float):
    """A float that cannot be converted or compared."""

    def _raise(self, *args: Any) -> Any:
        raise ZeroDivisionError("this number raises")

    __float__ = __int__ = __lt__ = __le__ = __gt__ = __ge__ = __repr__ = __trunc__ = _raise  # type: ignore[assignment]


class Strange(str):
    """A string that cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("this string raises")

    __hash__ = str.__hash__


def endless() -> Iterator[int]:
    while True:
        yield 1


def itself() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


VALUES: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: float("-inf"),
    "zero": lambda: 0,
    "one": lambda: 1,
    "minus one": lambda: -1,
    "a fraction": lambda: 0.5,
    "a negative fraction": lambda: -0.5,
    "one and a half": lambda: 1.5,
    "five": lambda: 5,
    "1000.0": lambda: 1000.0,
    "2**31": lambda: 2**31,
    "10**400": lambda: 10**400,
    "10**5000": lambda: 10**5000,
    "-10**400": lambda: -(10**400),
    "1e39": lambda: 1e39,
    "1e308": lambda: 1e308,
    "5e-324": lambda: 5e-324,
    "True": lambda: True,
    "False": lambda: False,
    "np.True_": lambda: np.True_,
    "complex": lambda: 1j,
    "Decimal": lambda: decimal.Decimal("0.1"),
    "Fraction": lambda: fractions.Fraction(1, 10),
    "a Fraction that a float rounds": lambda: fractions.Fraction(10**20 + 1, 10**17),
    "a Fraction that no float holds": lambda: fractions.Fraction(10**400),
    "np.float32": lambda: np.float32(0.25),
    "np.int64": lambda: np.int64(7),
    "np.uint8": lambda: np.uint8(7),
    "np.longdouble": lambda: np.longdouble(10) ** 320,
    "np.datetime64": lambda: np.datetime64("2020-01-01"),
    "timedelta": lambda: datetime.timedelta(seconds=5),
    "a negative timedelta": lambda: datetime.timedelta(seconds=-5),
    "empty string": lambda: "",
    "string": lambda: "abc",
    "a number as a string": lambda: "0.1",
    "a string with NUL": lambda: "a\0b.csv",
    "a string with a surrogate": lambda: "\ud800",
    "a long string": lambda: "x" * 100_000,
    "a string that raises": lambda: Strange("abc"),
    "bytes": lambda: b"0.1",
    "empty list": list,
    "list": lambda: [1, 2],
    "list of strings": lambda: ["a", "b"],
    "list of None": lambda: [None],
    "list of bools": lambda: [True, False],
    "list of negative numbers": lambda: [-1, -2],
    "falling list": lambda: [9, 3],
    "list with nan": lambda: [0.1, float("nan")],
    "list of huge numbers": lambda: [10**400, 10**5000],
    "nested list": lambda: [[1, 2], [3, 4]],
    "ragged list": lambda: [[1], [2, 3]],
    "deep list": lambda: nested(5000),
    "a list in itself": itself,
    "tuple": lambda: (1, 2),
    "empty tuple": lambda: (),
    "dict": lambda: {"a": 1},
    "empty dict": dict,
    "dict of ints": lambda: {1: 2},
    "a serialized schedule": lambda: keras.saving.serialize_keras_object(klr.Constant(0.1)),
    "set": lambda: {1, 2},
    "range": lambda: range(3),
    "generator": endless,
    "slice": lambda: slice(3),
    "ellipsis": lambda: ...,
    "array": lambda: np.array([1.0, 2.0]),
    "0-d array": lambda: np.array(5),
    "array of one": lambda: np.array([5]),
    "2-d array": lambda: np.ones((2, 2)),
    "empty array": lambda: np.zeros(0),
    "array of bools": lambda: np.array([True, False]),
    "array of strings": lambda: np.array(["a", "b"]),
    "array of objects": lambda: np.array([None, {}], object),
    "array of complex numbers": lambda: np.array([1j, 2j]),
    "tensor": lambda: keras.ops.convert_to_tensor(0.1),
    "tensor of integers": lambda: keras.ops.convert_to_tensor([1, 2]),
    "keras.Variable": lambda: keras.Variable(0.1),
    "symbolic tensor": lambda: keras.KerasTensor((2,)),
    "lambda": lambda: lambda: 0.1,
    "lambda of a step": lambda: lambda step: 0.1,
    "lambda of a string": lambda: lambda step: "0.1",
    "builtin": lambda: len,
    "class": lambda: dict,
    "a class of schedules": lambda: klr.LinearDecay,
    "module": lambda: np,
    "object": object,
    "an object that raises": Raising,
    "a number that raises": lambda: Pretender(0.5),
    "exception": lambda: ValueError("x"),
    "epochs": lambda: klr.epochs(2),
    "epochs(0)": lambda: klr.epochs(0),
    "epochs(1e38)": lambda: klr.epochs(1e38),
    "fraction": lambda: klr.fraction(0.5),
    "schedule": lambda: klr.LinearDecay(0.1, 5),
    "schedule with epochs": lambda: klr.LinearDecay(0.1, klr.epochs(2)),
    "Keras's schedule": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5),
    "Keras's schedule base": keras.optimizers.schedules.LearningRateSchedule,
    "layer": lambda: keras.layers.Dense(1),
    "optimizer": lambda: keras.optimizers.SGD(0.1),
    "model": lambda: keras.Sequential(),
    "NumPy's generator": lambda: np.random.default_rng(0),
}
"""Functions that make each value when it is needed, since tensors belong to a backend and generators are used up."""


@dataclass(frozen=True)
class Target:
    """A public callable and its right arguments.

    Attributes:
        name: its name in tests and in `ALLOWED`.
        call: the callable, which is called with keyword arguments.
        right: right arguments by name, for those without a default and those that others need.
        arguments: the names of all arguments to test.
        unchecked: the names of arguments that are not tested, each with the reason.
    """

    name: str
    call: Callable[..., Any]
    right: dict[str, Callable[[], Any]]
    arguments: tuple[str, ...]
    unchecked: dict[str, str] = field(default_factory=dict)
    default: dict[str, Any] = field(default_factory=dict)

    def __call__(self, name: str, value: Any) -> Any:
        return self.call(**{key: make() for key, make in self.right.items()} | {name: value})


@cache
def model() -> Any:
    """A compiled model that no test may change."""
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(0.1), loss="mse")
    return made


def normalized_model() -> Any:
    """A model with a normalization."""
    return keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])


def data() -> np.ndarray:
    return np.ones((40, 1), np.float32)


def build(rate: float) -> Any:
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(rate), loss="mse")
    return made


def comparison() -> klr.Comparison:
    import pandas as pd

    row = {"schedule": "a", "peak": 0.1, "seed": 0, "epoch": 1, "seconds": 1.0, "learning_rate": 0.1, "loss": 1.0}
    return klr.Comparison(("a",), pd.DataFrame([row]), pd.DataFrame())


def range_test() -> klr.RangeTest:
    from keras_lr.tools.range_test.find import Sweep

    rates = np.geomspace(1e-4, 1.0, 40)
    return klr.RangeTest((Sweep(rates, 2 - rates, 2 - rates),), 40, diverged=False)


@cache
def log() -> Any:
    """A log of a training with norms of the gradient, which no test may change."""
    import pandas as pd

    steps = np.arange(400)
    frame = pd.DataFrame({"step": steps, "epoch": 0, "learning_rate": klr.CosineDecay(0.01, 400).values(steps)})
    frame["loss"] = 2.0 + 1.0 / np.sqrt(1.0 + frame["learning_rate"].cumsum())
    return frame.assign(gradient_norm=1.0 + 1.0 / (1.0 + steps))


@cache
def forecast() -> klr.Forecast:
    return klr.fit_forecast(log(), draws=2, running_mean=False)


def wide_forecast() -> klr.Forecast:
    """A forecast that has seen high rates too, so that no peak causes a warning."""
    runs = tuple(replace(run, highest_rate=2.0**31) for run in forecast().runs)
    return replace(forecast(), runs=runs)


def names_of(function: Any) -> tuple[str, ...]:
    """The arguments of a callable."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(function).parameters.values()
    return tuple(parameter.name for parameter in found if parameter.kind not in kinds and parameter.name != "self")


RESULTS = {klr.Comparison, klr.Forecast, klr.RangeTest}
"""Users do not make these. `compare`, `fit_forecast` and `find_learning_rate` do. Their methods are tested."""

NOT_CALLED = {klr.Schedule: "the base class", klr.ScheduleWarning: "a category of warnings"}

RIGHT: dict[str, dict[str, Callable[[], Any]]] = {
    "BackupAndRestore": {"backup_dir": lambda: "folder"},
    "BatchNormMomentum": {"schedule": lambda: 0.5},
    "BindSchedule": {},
    "LearningRateLogger": {},
    "SaveAtCycleEnds": {"filepath": lambda: "{cycle}.keras"},
    "Forecaster": {"logger": lambda: klr.LearningRateLogger(("loss",))},
    "GreedyLearningRate": {"max_lr": lambda: 1.0},
    "ReduceOnPlateau": {},
    "RefreshBatchNorm": {},
    "Scheduled": {"optimizer": lambda: keras.optimizers.SGD(0.1)},
    "check_schedule": {"schedule": lambda: klr.Constant(0.1)},
    "compare": {
        "build_model": lambda: build,
        "schedules": lambda: {"a": 0.1},
        "fit": lambda: {"x": data(), "y": data()},
    },
    "diff": {"a": lambda: 0.1, "b": lambda: 0.2},
    "epochs": {"count": lambda: 1},
    "find_learning_rate": {"model": model, "x": data, "y": data, "steps": lambda: 10, "progress": lambda: False},
    "fit_forecast": {"logs": lambda: log(), "draws": lambda: 2, "running_mean": lambda: False},
    "fraction": {"share": lambda: 0.5},
    "from_epoch_function": {"function": lambda: lambda epoch: 0.1, "epochs": lambda: 3},
    "from_function": {"function": lambda: lambda step: 0.1, "steps": lambda: 3},
    "get_learning_rate": {"model": model},
    "layerwise_decay": {"model": model, "decay": lambda: 0.5},
    "norms_and_biases": {"model": model},
    "samples": {"count": lambda: 1},
    "parse": {"text": lambda: "Constant(0.1)"},
    "refresh_batch_norm": {"model": normalized_model, "x": data},
    "refine": {"log": lambda: log()},
    "scaled": {"schedule": lambda: 0.1, "batch_size": lambda: 8, "base_batch_size": lambda: 4},
    "set_learning_rate": {"model": model, "rate": lambda: 0.1},
    "set_step": {"model": model, "step": lambda: 3},
    "steps_per_epoch": {"data": lambda: 100, "batch_size": lambda: 10},
}
"""Right arguments of functions and callbacks. A new one must be added here. Those of schedules are in the catalogue."""

UNCHECKED: dict[tuple[str, str], str] = {
    ("find_learning_rate", "x"): "Keras's `fit` checks the data",
    ("find_learning_rate", "y"): "as x",
    ("find_learning_rate", "sample_weight"): "as x",
    ("refresh_batch_norm", "x"): "as x of `find_learning_rate`",
    ("RefreshBatchNorm", "x"): "as x of `find_learning_rate`",
    ("refresh_batch_norm", "y"): "is ignored",
    ("from_epoch_function", "function"): "it may raise anything, and what it returns is checked at every epoch",
    ("from_function", "function"): "it may raise anything, and what it returns is checked at every step",
    ("set_step", "epoch"): "it is refused together with `step`; `functions` tests it without",
    ("set_step", "steps_per_epoch"): "as epoch",
}

METHODS: dict[str, dict[str, Callable[[], Any]]] = {
    "__call__": {"step": lambda: 3},
    "values": {"steps": lambda: 3},
    "to_frame": {"steps": lambda: [3]},
    "plot": {"steps": lambda: [3]},
    "bind": {"steps_per_epoch": lambda: 5, "epochs": lambda: 3},
    "clip": {},
    "cycle_ends": {"steps": lambda: 3},
    "from_json": {"text": lambda: klr.LinearDecay(0.1, 5).to_json()},
    "from_step": {"steps": lambda: 3},
    "cooldown": {"at": lambda: 3, "steps": lambda: 5},
    "from_config": {"config": lambda: {"initial_learning_rate": 0.1, "decay_steps": 5}},
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "schedule * other": lambda schedule, /, other: schedule * other,
    "other * schedule": lambda schedule, /, other: other * schedule,
    "schedule / other": lambda schedule, /, other: schedule / other,
    "other / schedule": lambda schedule, /, other: other / schedule,
    "schedule + other": lambda schedule, /, other: schedule + other,
    "other + schedule": lambda schedule, /, other: other + schedule,
    "schedule >> other": lambda schedule, /, other: schedule >> other,
    "other >> schedule": lambda schedule, /, other: other >> schedule,
    "schedule - other": lambda schedule, /, other: schedule - other,
    "other - schedule": lambda schedule, /, other: other - schedule,
    "schedule ** other": lambda schedule, /, other: schedule**other,
}
"""Operators between a schedule and anything else."""


def schedules() -> Iterator[Target]:
    """The constructors of all schedules, with the arguments of their rows in the catalogue."""
    rows: dict[str, Any] = {}
    for row in ROWS:
        rows.setdefault(type(row.schedule).__name__, row.schedule)
    for name in klr.__all__:
        made = getattr(klr, name)
        if inspect.isclass(made) and issubclass(made, klr.Schedule) and made is not klr.Schedule:
            right = {key: (lambda value=value: value) for key, value in rows[name].arguments().items()}
            yield Target(name, made, right, names_of(made.__init__))


def functions() -> Iterator[Target]:
    """All other public functions, and a few public names in modules."""
    for name in klr.__all__:
        made = getattr(klr, name)
        is_schedule = inspect.isclass(made) and issubclass(made, klr.Schedule)
        if is_schedule or made in RESULTS or made in NOT_CALLED:
            continue
        unchecked = {argument: why for (owner, argument), why in UNCHECKED.items() if owner == name}
        yield Target(name, made, RIGHT[name], names_of(made), unchecked)
    for name in ("momentum", "weight_decay", "clipnorm"):  # keywords that the signature does not list
        yield Target("Scheduled", klr.Scheduled, RIGHT["Scheduled"], (name,))
    hp = keras_lr.tuning
    yield Target("tuning.schedule", hp.schedule, {"tuner": Tuner, "total_steps": lambda: 100}, names_of(hp.schedule))
    for step in ("step", "epoch", "steps_per_epoch"):
        right = {"model": model} | ({} if step == "step" else {"epoch": lambda: 1, "steps_per_epoch": lambda: 2})
        yield Target(f"set_step by {step}", klr.set_step, right, (step,))


def methods() -> Iterator[Target]:
    """The methods of schedules, callbacks and results that take arguments."""
    for is_bound in (True, False):
        schedule = klr.LinearDecay(0.1, 5 if is_bound else klr.epochs(2))
        for name, right in METHODS.items():
            if is_bound or name == "bind":
                method = getattr(schedule, name)
                yield Target(f"Schedule.{name}", method, right, names_of(method))
    for cls in (klr.ExponentialDecay, klr.TimeBasedDecay):
        right = {"initial_learning_rate": lambda: 0.1, "end_learning_rate": lambda: 0.01, "total_steps": lambda: 5}
        yield Target("from_endpoints", cls.from_endpoints, right, names_of(cls.from_endpoints))
    yield Target("Warmup.untuned", klr.Warmup.untuned, {"schedule": lambda: 0.1}, names_of(klr.Warmup.untuned))
    for cycle in (klr.OneCycle(0.1, 10), klr.CyclicalLearningRate(0.1, 0.2, 5)):
        yield Target("momentum", cycle.momentum, {}, names_of(cycle.momentum))
    yield Target("Comparison.summary", comparison().summary, {}, names_of(klr.Comparison.summary))
    yield Target("Comparison.plot", comparison().plot, {}, names_of(klr.Comparison.plot))
    falling = {"schedule": lambda: klr.LinearDecay(0.01, 500), "steps": lambda: 500}
    yield Target("Forecast.loss", forecast().loss, falling, names_of(klr.Forecast.loss))
    several = {"schedules": lambda: {"a": klr.LinearDecay(0.01, 500)}, "steps": lambda: 500}
    yield Target("Forecast.compare", forecast().compare, several, names_of(klr.Forecast.compare))
    linear = {"total_steps": lambda: 500, "peak": lambda: 0.005, "family": lambda: klr.LinearDecay}
    yield Target("Forecast.best", wide_forecast().best, linear, names_of(klr.Forecast.best))
    for method in (forecast().plot, forecast().residuals):
        yield Target(f"Forecast.{method.__name__}", method, {"log": log}, names_of(method))
    yield Target("Forecast.from_json", klr.Forecast.from_json, {}, ("text",))
    yield Target("RangeTest.suggestion", range_test().suggestion, {}, names_of(klr.RangeTest.suggestion))
    yield Target("RangeTest.plot", range_test().plot, {}, names_of(klr.RangeTest.plot))
    yield Target("LearningRateLogger.plot", klr.LearningRateLogger().plot, {}, names_of(klr.LearningRateLogger.plot))
    yield Target("ReduceOnPlateau.set_state", klr.ReduceOnPlateau().set_state, {}, ("state",))
    yield Target("Scheduled.from_config", klr.optimizers.scheduled.ScheduledOptimizer.from_config, {}, ("config",))


def operators() -> Iterator[Target]:
    """The operators between a schedule and something else."""
    for name, operator in OPERATORS.items():
        schedule = klr.LinearDecay(0.1, 5)
        yield Target(name, partial(operator, schedule), {}, ("other",))


class Tuner:
    """A KerasTuner that always chooses the first option."""

    def Choice(self, name: str, choices: list[str]) -> str:  # noqa: N802
        return choices[0]

    def Float(self, name: str, low: float, high: float, sampling: str) -> float:  # noqa: N802
        return low


def targets() -> list[Target]:
    return [*schedules(), *functions(), *methods(), *operators()]


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor, or becomes one."""
    return keras.ops.is_tensor(value) or isinstance(value, np.ndarray | keras.Variable | keras.KerasTensor)


def brief(value: Any) -> str:
    """A result in few words."""
    return repr(value)[:100] if isinstance(value, klr.Schedule) else type(value).__name__


PLAIN: dict[str, Any] = {
    "one": 1,
    "five": 5,
    "1000.0": 1000,
    "Fraction": 0.1,
    "a Fraction that a float rounds": 1000.0,
    "np.float32": 0.25,
    "np.int64": 7,
    "np.uint8": 7,
    "0-d array": 5,
    "tensor": 0.1,
    "keras.Variable": 0.1,
    "array": [1.0, 2.0],
    "tensor of integers": [1, 2],
    "tuple": [1, 2],
    "np.True_": True,
}
"""Values by name, with the plain value that must give the same result."""

FRACTIONS = {"a fraction", "np.float32", "Fraction", "5e-324", "tensor", "keras.Variable"}
WHOLE = {"one", "five", "1000.0", "np.int64", "np.uint8", "0-d array"}
POSITIVE = {*FRACTIONS, *WHOLE, "one and a half", "2**31", "a Fraction that a float rounds"} - {
    "5e-324"
}  # a float32 of it is 0
RATE = {*POSITIVE, "zero", "5e-324"}
SHARE = {*FRACTIONS, "zero", "one"}
STEPS = {*WHOLE, "one and a half", "a Fraction that a float rounds", "epochs", "epochs(1e38)", "fraction"}
STEPS_OR_ZERO = {*STEPS, "zero", "epochs(0)"}
FINITE = {*RATE, "minus one", "a negative fraction"}
FLAG = {"True", "False", "np.True_"}
TEXT = {name for name, make in VALUES.items() if isinstance(make(), str)}
FILE = TEXT - {"empty string", "a string with NUL", "a string with a surrogate", "a long string"}
NUMBERS = {"list", "tuple", "array", "array of one", "tensor of integers"}
SCHEDULE = {*RATE, "schedule", "schedule with epochs", "Keras's schedule"}
CALLABLE = {
    "lambda",
    "lambda of a step",
    "lambda of a string",
    "builtin",
    "class",
    "a class of schedules",
    "schedule",
} | {"schedule with epochs", "Keras's schedule", "Keras's schedule base", "layer", "model"}
NONE = {"None"}
NOTHING: set[str] = set()
CHOICE = {"None", "optimizer", "list of strings"} | TEXT
COUNT = {*WHOLE, "zero"}


def _each(allowed: set[str], names: str) -> dict[str, set[str]]:
    return dict.fromkeys(names.split(), allowed)


ALLOWED: dict[str, set[str]] = {
    # Arguments by name, of any callable.
    **_each(
        RATE,
        "learning_rate initial_learning_rate end_learning_rate infimum_learning_rate maximal_learning_rate "
        "max_learning_rate min_lr min_delta rtol eps tolerance low count",
    ),
    **_each(RATE | NONE, "start_learning_rate warmup_target high"),
    **_each(STEPS, "upper_bound decay_steps first_decay_steps hold_steps total_steps step_size every"),
    **_each(SHARE & POSITIVE, "decay_rate m_mul factor"),
    **_each(SHARE, "alpha scale start amplitude pct_start share"),
    **_each(POSITIVE, "power exponent k t_mul div_factor final_div_factor"),
    **_each(FINITE - {"2**31"}, "lower upper"),
    **_each(WHOLE, "save_freq steps epochs steps_per_epoch accumulation_steps batch_size base_batch_size"),
    **_each(STEPS_OR_ZERO, "warmup_steps at start_after"),
    **_each(COUNT, "seed patience cooldown verbose"),
    **_each(NUMBERS, "milestones boundaries ticks"),
    **_each({*NUMBERS, "falling list"}, "values schedules numerators denominators"),
    **_each(SCHEDULE, "schedule rate"),
    **_each(
        FLAG,
        "staircase cycle three_phase audit groups gradient_norm double_checkpoint delete_checkpoint progress shuffle "
        "drop_last all_peaks restore_best_weights reset_on_train_begin momentum_correction",
    ),
    "step_size_down": STEPS | NONE,
    "window": WHOLE | NONE,
    "name": TEXT | NONE,
    "monitor": TEXT,
    "backup_dir": FILE,
    "ax": NONE,
    "gamma": {"one"},  # for the mode of the catalogue's row
    "half_life": NONE,  # for its shape
    "independent_weight_decay": {"False"},  # the optimizer has no weight decay
    "path": NONE,  # another name needs an ending
    # Of single callables.
    "PerEpoch.steps_per_epoch": STEPS,
    "Warmup.power": {"one"},  # for its shape
    "Warmup.untuned.beta_2": SHARE,
    "Schedule.cycle_ends.steps": COUNT,
    "from_epoch_function.learning_rate": NONE,  # for a function of one argument
    "parse.custom_objects": NONE | {"empty dict"},
    "WarmupStableDecay.decay_steps": STEPS_OR_ZERO,
    "TimeBasedDecay.decay_rate": RATE,
    "Product.factor": RATE,
    "ReduceOnPlateau.factor": SHARE & POSITIVE - {"one"},
    "ReduceOnPlateau.every": WHOLE,
    "ReduceOnPlateau.optimizers": {"None", "list of strings", "array of strings"},
    "ReduceOnPlateau.optimizer": CHOICE,
    "BatchNormMomentum.schedule": (SCHEDULE - RATE) | SHARE,
    "BatchNormMomentum.layers": {"None", "list of strings", "array of strings"} | TEXT,
    "BatchNormMomentum.restore": FLAG,
    "ReduceOnPlateau.hyperparameter": TEXT,
    "BindSchedule.optimizer": CHOICE,
    "BindSchedule.epochs": WHOLE | NONE,
    "BindSchedule.batch_size": WHOLE | NONE,
    "Bound.batch_size": WHOLE | NONE,
    "Schedule.bind.batch_size": WHOLE | NONE,
    "GreedyLearningRate.factor": SHARE & POSITIVE - {"one"},
    "GreedyLearningRate.every": WHOLE,
    "GreedyLearningRate.optimizer": CHOICE,
    "GreedyLearningRate.max_lr": POSITIVE,
    "GreedyLearningRate.warmup": COUNT,
    "GreedyLearningRate.reset_start": WHOLE | NONE,
    "Rescaled.scale": POSITIVE,
    "Rescaled.max_lr": RATE - {"zero", "5e-324"},
    "Rescaled.by": TEXT,
    "LearningRateLogger.optimizer": CHOICE,
    "LearningRateLogger.keep": NONE,  # a number needs a `path`
    "LearningRateLogger.effective": FLAG | {"list of strings", "array of strings"},
    "OppositePhase.low": SHARE - {"one"},
    "OppositePhase.high": SHARE - {"one"},
    "Reduced.by": TEXT,
    "OppositePhase.schedule": NOTHING,  # none of the values is a cycle
    "momentum.low": SHARE - {"one"},
    "momentum.high": SHARE - {"one"},
    "Paced.steps": NOTHING,  # none of the sequences begins with 0
    "Cooldown.steps": STEPS,
    "Shifted.steps": {*STEPS_OR_ZERO, "minus one"},
    "LearningRateLogger.metrics": {"empty list", "empty tuple", "list of strings", "array of strings", "empty array"},
    "BindSchedule.time_budget": {*POSITIVE, "None", "1e39", "1e308", "5e-324", "timedelta"},
    "BindSchedule.steps_per_epoch": WHOLE | NONE,
    "Scheduled.optimizer": {"optimizer"},
    "Scheduled.multipliers": {"None", "empty dict", "dict"},
    "Scheduled.weight_decay_multipliers": {"None", "empty dict"},
    "Scheduled.momentum": (SCHEDULE - RATE) | SHARE,
    "Scheduled.weight_decay": SCHEDULE,
    "Scheduled.clipnorm": SCHEDULE,
    "check_schedule.schedule": {"schedule", "Keras's schedule", "Keras's schedule base", "schedule with epochs"},
    "diff.steps": WHOLE | NONE,
    "diff.a": SCHEDULE - {"schedule with epochs"},
    "diff.b": SCHEDULE - {"schedule with epochs"},
    "from_function.function": {"lambda of a step", "Keras's schedule", "schedule"},
    "compare.build_model": CALLABLE,
    "compare.schedules": {"dict"},
    "compare.fit": CALLABLE | {"dict", "empty dict", "a serialized schedule"},
    "compare.seeds": {*WHOLE, "list", "tuple", "falling list"},
    "compare.executor": NONE,
    "compare.rates": {"None", "list", "tuple", "falling list"},
    "compare.workers": WHOLE | NONE,
    "compare.journal": FILE | NONE,
    "Forecaster.target": POSITIVE | NONE,
    "Forecaster.cooldown_steps": WHOLE | NONE,
    "Forecaster.logs": {"empty list", "empty tuple"},
    "Forecaster.every": WHOLE,
    "Forecaster.verbose": FLAG,
    "Forecast.best.total_steps": {"1000.0"},  # the others are too short
    "Forecast.best.peak": POSITIVE | NONE,
    "Forecast.best.family": {"None", "a class of schedules"},
    "Forecast.best.warmup_steps": (COUNT | NONE) - {"1000.0"},  # longer than the training
    "Forecast.loss.steps": WHOLE - {"one"},
    "Forecast.loss.schedule": {"schedule", "Keras's schedule"},
    "Forecast.compare.steps": WHOLE - {"one"},
    "Forecast.compare.schedules": NOTHING,
    "Forecast.plot.schedules": {"None", "empty dict"},
    "Forecast.plot.steps": (WHOLE | NONE) - {"one"},
    "Forecast.plot.log": NONE,
    "Forecast.residuals.log": NONE,
    "running_mean": {"None", "False"},  # the log has no column `batch`
    "skip": (COUNT | NONE) - {"1000.0"},  # longer than the log
    "fit_forecast.draws": COUNT,
    "layerwise_decay.decay": SHARE & POSITIVE,
    "layerwise_decay.head": SCHEDULE,
    "refresh_batch_norm": WHOLE | NONE,
    "RefreshBatchNorm.batches": WHOLE,
    "RefreshBatchNorm.batch_size": WHOLE | NONE,
    "refresh_batch_norm.batch_size": WHOLE | NONE,
    "refresh_batch_norm.steps": WHOLE | NONE,
    "refine.peak": POSITIVE | NONE,
    "refine.smoothing": SHARE - {"one"},  # at most a half
    "find_learning_rate.min_rate": POSITIVE - {"1000.0", "2**31", "a Fraction that a float rounds"},
    "find_learning_rate.max_rate": POSITIVE,
    "find_learning_rate.steps": {"1000.0"},
    "find_learning_rate.batch_size": WHOLE | NONE,
    "find_learning_rate.class_weight": {"None", "empty dict", "dict of ints"},
    "find_learning_rate.smoothing": SHARE - {"one"},
    "find_learning_rate.divergence": POSITIVE - FRACTIONS - {"one"},
    "find_learning_rate.repeats": WHOLE,
    "find_learning_rate.seed": {*WHOLE, "zero", "None"},
    "find_learning_rate.only": NONE,
    "steps_per_epoch.data": {
        *WHOLE,
        *{"2**31", "10**400", "10**5000", "array of one"},
        *{name for name, make in VALUES.items() if isinstance(make(), list | tuple | range) and len(make())},
        *{"array", "2-d array", "array of bools", "array of strings", "array of objects", "array of complex numbers"},
        "tensor of integers",
    },
    "steps_per_epoch.batch_size": {*WHOLE, "2**31"},
    "set_step.step": COUNT,
    "set_step by step.step": COUNT,
    "set_step by epoch.epoch": COUNT,
    "get_learning_rate.optimizer": NONE,
    "set_learning_rate.optimizer": NONE,
    "tuning.schedule.total_steps": {"1000.0"},
    "tuning.schedule.peak": {"list", "tuple"},
    "tuning.schedule.length": {"list", "tuple"},
    "tuning.schedule.prefix": TEXT,
    "Schedule.__call__.step": {
        *(
            WHOLE
            | {
                "zero",
                "2**31",
                "list",
                "tuple",
                "range",
                "array",
                "array of one",
                "0-d array",
                "2-d array",
                "empty array",
            }
        ),
        *{"empty list", "empty tuple", "falling list", "nested list", "tensor of integers"},
    },
    "Schedule.from_step.steps": {*STEPS_OR_ZERO, "minus one"},
    "Schedule.cooldown.steps": STEPS,
    "from_endpoints.initial_learning_rate": POSITIVE,
    "from_endpoints.end_learning_rate": FRACTIONS & POSITIVE,
    "Comparison.summary.metric": NONE,
    "Comparison.plot.metric": NONE,
    "Comparison.summary.target": FINITE | NONE,
    # Of operators.
    "schedule * other.other": SCHEDULE,
    "other * schedule.other": SCHEDULE,
    "schedule / other.other": POSITIVE,
    "schedule + other.other": SCHEDULE,
    "other + schedule.other": SCHEDULE,
    "schedule >> other.other": SCHEDULE,
    "other >> schedule.other": {"schedule", "schedule with epochs"},
}
"""The values that an argument accepts. An argument that is not listed, such as a mode or a shape, accepts none."""

ALLOWED["Schedule.values.steps"] = ALLOWED["Schedule.__call__.step"]
ALLOWED["Schedule.to_frame.steps"] = ALLOWED["Schedule.plot.steps"] = (
    ALLOWED["Schedule.values.steps"] - {"2**31", "2-d array", "nested list"} | NONE
)

BLAMES: dict[tuple[str, str], str | tuple[str, ...]] = {
    ("Schedule.from_config", "config"): ("initial_learning_rate", "a", "module"),
    ("from_endpoints", "total_steps"): "decay_steps",  # when it is bound
    ("Rescaled", "min_lr"): "max_lr",
    ("WarmupStableDecay", "warmup_steps"): "total_steps",
    ("WarmupStableDecay", "decay_steps"): "total_steps",
}
"""Arguments that may contradict another one, which the error names instead."""


def allowed(target: str, argument: str) -> set[str]:
    return ALLOWED.get(f"{target}.{argument}", ALLOWED.get(argument, NOTHING))
