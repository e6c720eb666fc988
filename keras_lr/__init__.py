"""Learning-rate scheduling for Keras 3: schedules, a plateau callback, a logger."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from keras_lr.core import quiet as _quiet  # noqa: F401 - imported before Keras

# isort: split
from keras_lr import custom as custom
from keras_lr.core.algebra import Bound, Chain, Clip, Constant, Cooldown, Product, Schedule, Shifted, Sum
from keras_lr.core.units import epochs, fraction, samples, steps_per_epoch
from keras_lr.optimizers.scheduled import Scheduled
from keras_lr.schedules.combinators import Noise, PerEpoch, PerUpdate, Repeat, Sequential, scaled
from keras_lr.schedules.cyclical import CosineDecayRestarts, CyclicalLearningRate, OppositePhase, SinusoidalLearningRate
from keras_lr.schedules.decay import (
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    PolynomialDecay,
    TimeBasedDecay,
)
from keras_lr.schedules.installed import Paced, Reduced, Rescaled
from keras_lr.schedules.recipes import OneCycle, WarmupStableDecay
from keras_lr.schedules.shaped import (
    HyperbolicLR,
    InverseSquareRootDecay,
    KDecay,
    PowerLawDecay,
    REXDecay,
    TanhDecay,
)
from keras_lr.schedules.stepwise import (
    MultiStepDecay,
    PiecewiseConstantDecay,
    PiecewiseInterpolation,
    StepDecay,
    Tabulated,
    from_epoch_function,
    from_function,
)
from keras_lr.schedules.warmup import Warmup
from keras_lr.training import saved_state as _saved_state  # noqa: F401 - which `load_model` needs

__version__ = "0.1.0"

_MODULES = ("tuning",)
"""Public modules that are imported when they are first used, so that `import keras_lr` stays fast."""

_LATER = {
    "BackupAndRestore": "callbacks.backup",
    "BatchNormMomentum": "callbacks.batch_norm_momentum",
    "BindSchedule": "callbacks.bind",
    "SaveAtCycleEnds": "callbacks.cycle_ends",
    "GreedyLearningRate": "callbacks.greedy",
    "LearningRateLogger": "callbacks.logger",
    "ReduceOnPlateau": "callbacks.plateau",
    "RefreshBatchNorm": "callbacks.refreshing",
    "get_learning_rate": "optimizers.access",
    "set_learning_rate": "optimizers.access",
    "set_step": "optimizers.access",
    "layerwise_decay": "optimizers.layerwise",
    "norms_and_biases": "optimizers.norms",
    "check_schedule": "tools.checking",
    "compare": "tools.comparison.compare",
    "Comparison": "tools.comparison.result",
    "diff": "tools.difference",
    "fit_forecast": "tools.forecast.fit",
    "Forecaster": "tools.forecast.forecaster",
    "refine": "tools.forecast.refinement",
    "Forecast": "tools.forecast.result",
    "parse": "tools.parsing",
    "find_learning_rate": "tools.range_test.find",
    "RangeTest": "tools.range_test.result",
    "ScheduleWarning": "training.audit",
    "refresh_batch_norm": "training.refresh",
}
"""What is imported when it is first used, with its module: most programs need few of them."""

_FORMER = ("curves", "fields")
"""Modules under their former names, which warn."""

if TYPE_CHECKING:
    from keras_lr import tuning as tuning
    from keras_lr.callbacks.backup import BackupAndRestore
    from keras_lr.callbacks.batch_norm_momentum import BatchNormMomentum
    from keras_lr.callbacks.bind import BindSchedule
    from keras_lr.callbacks.cycle_ends import SaveAtCycleEnds
    from keras_lr.callbacks.greedy import GreedyLearningRate
    from keras_lr.callbacks.logger import LearningRateLogger
    from keras_lr.callbacks.plateau import ReduceOnPlateau
    from keras_lr.callbacks.refreshing import RefreshBatchNorm
    from keras_lr.optimizers.access import get_learning_rate, set_learning_rate, set_step
    from keras_lr.optimizers.layerwise import layerwise_decay
    from keras_lr.optimizers.norms import norms_and_biases
    from keras_lr.tools.checking import check_schedule
    from keras_lr.tools.comparison.compare import compare
    from keras_lr.tools.comparison.result import Comparison
    from keras_lr.tools.difference import diff
    from keras_lr.tools.forecast.fit import fit_forecast
    from keras_lr.tools.forecast.forecaster import Forecaster
    from keras_lr.tools.forecast.refinement import refine
    from keras_lr.tools.forecast.result import Forecast
    from keras_lr.tools.parsing import parse
    from keras_lr.tools.range_test.find import find_learning_rate
    from keras_lr.tools.range_test.result import RangeTest
    from keras_lr.training.audit import ScheduleWarning
    from keras_lr.training.refresh import refresh_batch_norm
else:
    # Hidden from type checkers: to them a module with `__getattr__` has every name.
    def __getattr__(name):
        if name in _MODULES + _FORMER:
            return _import_module(f"{__name__}.{name}")
        if name in _LATER:
            found = globals()[name] = getattr(_import_module(f"{__name__}.{_LATER[name]}"), name)
            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *_MODULES, *_LATER})


__all__ = [
    "BackupAndRestore",
    "BatchNormMomentum",
    "BindSchedule",
    "Bound",
    "Chain",
    "Clip",
    "Comparison",
    "Constant",
    "Cooldown",
    "CosineDecay",
    "CosineDecayRestarts",
    "CyclicalLearningRate",
    "ExponentialDecay",
    "Forecast",
    "Forecaster",
    "GreedyLearningRate",
    "HyperbolicLR",
    "InverseSquareRootDecay",
    "KDecay",
    "LearningRateLogger",
    "LinearDecay",
    "MultiStepDecay",
    "Noise",
    "OneCycle",
    "OppositePhase",
    "Paced",
    "PerEpoch",
    "PerUpdate",
    "PiecewiseConstantDecay",
    "PiecewiseInterpolation",
    "PolynomialDecay",
    "PowerLawDecay",
    "Product",
    "REXDecay",
    "RangeTest",
    "ReduceOnPlateau",
    "Reduced",
    "RefreshBatchNorm",
    "Repeat",
    "Rescaled",
    "SaveAtCycleEnds",
    "Schedule",
    "ScheduleWarning",
    "Scheduled",
    "Sequential",
    "Shifted",
    "SinusoidalLearningRate",
    "StepDecay",
    "Sum",
    "Tabulated",
    "TanhDecay",
    "TimeBasedDecay",
    "Warmup",
    "WarmupStableDecay",
    "check_schedule",
    "compare",
    "diff",
    "epochs",
    "find_learning_rate",
    "fit_forecast",
    "fraction",
    "from_epoch_function",
    "from_function",
    "get_learning_rate",
    "layerwise_decay",
    "norms_and_biases",
    "parse",
    "refine",
    "refresh_batch_norm",
    "samples",
    "scaled",
    "set_learning_rate",
    "set_step",
    "steps_per_epoch",
]
