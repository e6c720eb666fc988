"""The operations of formulas that differ by backend, one function each. They take and return tensors of the backend."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def counter_dtype() -> str:
    """The dtype in which the backend's optimizers count steps."""
    return "int64" if keras.config.backend() == "tensorflow" else "int32"


def has_64_bits(step: Any) -> bool:
    """Whether 64-bit integers can be computed from a step."""
    return keras.config.backend() != "jax" or bool(keras.backend.standardize_dtype(step.dtype) == "int64")


def whole_number(number: Any, dtype: str) -> Any:
    """A number as a tensor of an integer dtype."""
    if keras.config.backend() == "tensorflow":  # where Keras converts a number to int32, and casts it in each step
        number = np.array(number, dtype)
    return ops.convert_to_tensor(number, dtype=dtype)


def quotient(step: Any, length: int) -> Any:
    """⌊t/n⌋."""
    if keras.config.backend() == "jax":
        # `//` takes a division, a remainder and five more operations, to support numbers below 0.
        jax = sys.modules["jax"]
        return jax.lax.div(step, jax.numpy.asarray(length, step.dtype))
    return step // length


def product(step: Any, factor: float) -> Any:
    """step·factor as a float32, with about one rounding. TensorFlow has float64.

    On JAX and torch the factor is split into its first 12 bits and the rest, and the step into its last 12 bits and
    the rest. The large products are then exact.
    """
    if keras.config.backend() == "tensorflow":
        return ops.cast(ops.cast(step, "float64") * factor, "float32")
    mantissa, exponent = math.frexp(factor)
    head = math.ldexp(round(mantissa * 2**12), exponent - 12)
    fine, coarse, whole = (ops.cast(part, "float32") for part in (step % 4096, step // 4096, step))
    return coarse * (head * 4096.0) + (fine * head + whole * (factor - head))


def fuses_comparisons() -> bool:
    """Whether the compiler fuses many comparisons, and the operations after them, into one kernel, as XLA does."""
    return bool(keras.config.backend() == "jax")


def taken(table: Sequence[float], index: Any, dtype: str) -> Any:
    """table[index]."""
    tensor = ops.convert_to_tensor(np.array(table, dtype), dtype=dtype)
    # `ops.take` supports indices that are negative or too large: four more operations on TensorFlow, a kernel on JAX.
    if keras.config.backend() == "tensorflow":
        return sys.modules["tensorflow"].gather(tensor, index)
    if keras.config.backend() == "jax":
        return sys.modules["jax"].numpy.take(tensor, index, axis=0, mode="clip")
    return ops.take(tensor, index, axis=0)
