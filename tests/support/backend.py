"""Functions are compiled and traced as the backend under test does it."""

from collections.abc import Callable

import keras
import numpy as np

BACKEND = keras.config.backend()
COUNTER = "int64" if BACKEND == "tensorflow" else "int32"


def compiled(function):
    """The function, compiled as the backend compiles a training step. torch runs it eagerly."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    return function


def graph(function):
    """The function, traced in the other way of the backend, if it has one."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    return compiled(function)


def counter(steps):
    """Steps as a tensor of the dtype in which the backend's optimizers count."""
    return keras.ops.convert_to_tensor(steps, dtype=COUNTER)


class Together:
    """Functions of steps that are traced together, because tracing and compiling them separately takes long.

    torch runs eagerly, so there each is called separately.

    Args:
        functions: functions of an integer tensor, by name.
        trace: how they are traced.
    """

    def __init__(self, functions: dict[str, Callable], trace: Callable = compiled) -> None:
        self._functions = functions
        # A new function is needed, because JAX would reuse the trace of an equal one.
        self._traced = trace(lambda step: [function(step) for function in self._functions.values()])
        self._results: dict[tuple, dict] = {}

    def __call__(self, name, steps):
        """The result of one of them at a step or an array of steps."""
        if BACKEND == "torch":
            return self._functions[name](counter(steps))
        key = np.shape(steps), np.asarray(steps).tobytes()
        if key not in self._results:
            self._results[key] = dict(zip(self._functions, self._traced(counter(steps)), strict=True))
        return self._results[key][name]
