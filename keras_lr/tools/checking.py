"""`check_schedule`: check before a training that a schedule works in a training step and in a saved model."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any, SupportsFloat

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule
from numpy.typing import NDArray

from keras_lr.core.by_backend import counter_dtype
from keras_lr.core.fields import COUNT
from keras_lr.core.refusals import check, refuse

MOST = 33
"""How many steps are tried, spread evenly from the first to the last."""

CLOSE = 1e-5
"""Relative difference that float32 may cause between two ways to evaluate a formula."""


def check_schedule(schedule: LearningRateSchedule, steps: SupportsFloat = 1000) -> list[str]:
    """Find problems of a schedule before a training.

    Use it for your own schedules and those of other packages. The schedule is evaluated eagerly and
    compiled (by `tf.function` with and without XLA, or `jax.jit`; torch trains eagerly), its rates are
    checked, and it is saved and loaded. Nothing is trained.

    Args:
        schedule: any `LearningRateSchedule`: of this package, of Keras, or your own.
        steps: number of steps to check, >= 1. Up to 33 of the steps from 0 to `steps` − 1 are tried.

    Returns:
        A list with one sentence for each problem; empty if there is none.

    Raises:
        TypeError: `schedule` is not a `LearningRateSchedule`.
        TypeError, ValueError: `steps` is not a whole number >= 1.

    Example:
        >>> check_schedule(CosineDecay(0.1, 1000))
        []
    """
    if not isinstance(schedule, LearningRateSchedule):
        refuse("check_schedule", "schedule", "a LearningRateSchedule", schedule, TypeError)
    count = check(COUNT, "check_schedule", "steps", steps)
    tried = np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(np.int64))
    try:
        rates = _rates(schedule, tried)
    except Exception as error:  # any error of the user's code is a finding
        return [f"it cannot be evaluated: {_said(error)}"]
    found = _about_rates(tried, rates)
    if not np.array_equal(_rates(schedule, tried[::-1])[::-1], rates, equal_nan=True):
        found.append("it returns another rate for the same step when called again: it must depend only on the step")
    for name, compile_ in _compilers():
        found += _about_compiled(name, compile_(lambda step: schedule(step)), tried, rates)
    return found + _about_saving(schedule, tried, rates)


def _rates(function: Callable[[Any], Any], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """The rates at steps, evaluated one after another as by an optimizer."""
    tensors = [ops.convert_to_tensor(int(step), dtype=counter_dtype()) for step in steps]
    return np.array([float(ops.convert_to_numpy(function(tensor))) for tensor in tensors])


def _about_rates(steps: NDArray[np.int64], rates: NDArray[np.float64]) -> list[str]:
    for what, wrong in (("not finite", ~np.isfinite(rates)), ("negative", rates < 0)):
        if wrong.any():
            first = int(np.argmax(wrong))
            return [f"its rate is {what} at step {steps[first]:,}: {rates[first]:g}"]
    return []


def _compilers() -> list[tuple[str, Callable[[Any], Any]]]:
    """The functions with which the backend compiles a training step, by name."""
    backend = keras.config.backend()
    if backend == "jax":
        return [("jax.jit", importlib.import_module("jax").jit)]
    if backend == "tensorflow":
        function = importlib.import_module("tensorflow").function
        # AutoGraph does not rewrite Keras's training step, so an `if` on the step fails there.
        return [
            ("tf.function", lambda f: function(f, autograph=False)),
            ("tf.function with XLA", lambda f: function(f, autograph=False, jit_compile=True)),
        ]
    return []


def _about_compiled(
    name: str, function: Callable[[Any], Any], steps: NDArray[np.int64], rates: NDArray[np.float64]
) -> list[str]:
    try:
        compiled = _rates(function, steps)
    except Exception as error:
        return [
            f"it fails in a compiled training step ({name}), where the step is not a number: {_said(error)}; write it "
            "with `keras.ops` (`ops.where` instead of `if`), or use `from_function`"
        ]
    return _difference(f"in a compiled training step ({name})", steps, compiled, rates)


def _about_saving(schedule: Any, steps: NDArray[np.int64], rates: NDArray[np.float64]) -> list[str]:
    try:
        text = json.dumps(keras.saving.serialize_keras_object(schedule))
    except Exception as error:
        return [f"a model with it cannot be saved: {_said(error)}"]
    try:
        loaded = keras.saving.deserialize_keras_object(json.loads(text))
        again = _rates(loaded, steps)
    except Exception as error:
        return [
            f"a saved model with it cannot be loaded: {_said(error)}; decorate the class with "
            "`keras.saving.register_keras_serializable`, and return all arguments in `get_config`"
        ]
    return _difference("after saving and loading", steps, again, rates)


def _difference(where: str, steps: NDArray[np.int64], got: NDArray[np.float64], want: NDArray[np.float64]) -> list[str]:
    finite = np.abs(want[np.isfinite(want)])
    tolerance = CLOSE * (finite.max() if finite.size else 1.0)
    wrong = ~np.isclose(got, want, rtol=CLOSE, atol=tolerance, equal_nan=True)
    if not wrong.any():
        return []
    first = int(np.argmax(wrong))
    return [f"it returns another rate {where}: {got[first]:g} instead of {want[first]:g} at step {steps[first]:,}"]


def _said(error: Exception) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
