"""Learning-rate scheduling for Keras 3: schedules, a plateau callback, a logger."""

from keras_lr.callbacks.logger import LearningRateLogger
from keras_lr.callbacks.plateau import ReduceOnPlateau
from keras_lr.optimizer import get_learning_rate, set_learning_rate
from keras_lr.schedule import Schedule
from keras_lr.schedules.combine import Reduced, Warmup
from keras_lr.schedules.cyclical import CyclicalLearningRate
from keras_lr.schedules.decay import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    LinearDecay,
    MultiStepDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    StepDecay,
    TimeBasedDecay,
)

__version__ = "0.1.0"

__all__ = [
    "Constant",
    "CosineDecay",
    "CyclicalLearningRate",
    "ExponentialDecay",
    "LearningRateLogger",
    "LinearDecay",
    "MultiStepDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "ReduceOnPlateau",
    "Reduced",
    "Schedule",
    "StepDecay",
    "TimeBasedDecay",
    "Warmup",
    "get_learning_rate",
    "set_learning_rate",
]
