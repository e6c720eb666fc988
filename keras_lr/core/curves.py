"""Step arithmetic: every cast, clip and interpolation of the package.

Each function takes steps as a NumPy integer array (on the host, in float64) or as
a backend integer tensor (in the compiled step, in float32 for every `floatx`). So a
schedule writes its formula once. All functions are elementwise.

Two rules keep float32 exact to the last digits at any step. Integers first:
subtract, clip and divide with remainder on the integer step, and cast last. No
cancellation: a value that falls to zero is computed from the steps that remain,
never as one minus something.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from fractions import Fraction as Ratio
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from keras_lr.core import by_backend
from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.ratios import meant

Step = Any
"""Steps, >= 0: a NumPy integer array or a backend integer tensor, of any shape."""

Value = Any
"""Float values of the same shape as the steps."""


HOST = (np.ndarray, np.generic)


def on_host(x: Any) -> bool:
    """Whether `x` is NumPy (the float64 evaluation) rather than a backend tensor."""
    return isinstance(x, HOST)


def real(step: Step) -> Value:
    """The step as a floating-point number."""
    return np.asarray(step, np.float64) if on_host(step) else ops.cast(step, "float32")


def where(condition: Any, a: Value, b: Value) -> Value:
    """Elementwise `a` where the condition holds, else `b`."""
    return np.where(condition, a, b) if on_host(condition) else ops.where(condition, a, b)


def minimum(a: Value, b: Value) -> Value:
    """Elementwise minimum."""
    return np.minimum(a, b) if on_host(a) else ops.minimum(a, _beside(a, b))


def maximum(a: Value, b: Value) -> Value:
    """Elementwise maximum."""
    return np.maximum(a, b) if on_host(a) else ops.maximum(a, _beside(a, b))


def is_whole(tensor: Any) -> bool:
    """Whether a backend tensor holds integers."""
    return "int" in keras.backend.standardize_dtype(tensor.dtype)


def _beside(tensor: Any, number: Any) -> Any:
    """A number for an operation with a tensor: in the dtype of the tensor if that holds integers.

    When Keras promotes an integer with a number, digits are lost: `ops.minimum` returns int32 for
    int64 on torch, and float32 for int32 on JAX if `floatx` is bfloat16.
    """
    if not is_whole(tensor):
        return number
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if ops.is_tensor(number):
        return ops.cast(number, dtype)
    return by_backend.whole_number(number, dtype)


def clip(step: Step, low: int, high: int) -> Step:
    """The step, at least `low` and at most `high`."""
    return minimum(maximum(step, low), high)


def since(step: Step, start: int) -> Step:
    """Steps since `start`: 0 before it."""
    return maximum(step, start) - start


def later(step: Step, steps: int) -> Step:
    """The step `steps` later, at most the last step that an int32 counter can reach."""
    return minimum(step, STEP_LIMIT - 1 - steps) + steps


def quotient(step: Step, length: int) -> Step:
    """⌊t/n⌋, for steps t and a whole length n."""
    return step // length if on_host(step) else by_backend.quotient(step, length)


# Lengths, which may have a fraction (`keras_lr.core.fields`).

Length = int | float | Ratio
"""Steps > 0: an int, a float that means a fraction (`keras_lr.core.ratios`), or that fraction."""


def exact(length: Length) -> Ratio:
    """The exact value that a length means."""
    return length if isinstance(length, Ratio) else meant(length)


def ceiling(length: Length) -> int:
    """The first whole step that is not before the end of a length."""
    return length if isinstance(length, int) else math.ceil(exact(length))


def is_before(step: Step, end: Length) -> Any:
    """Elementwise step < end."""
    return step < ceiling(end)


def at_least(step: Step, low: Length) -> Value:
    """The step as a float, at least `low`."""
    return real(maximum(step, low)) if isinstance(low, int) else maximum(real(step), float(low))


def until(step: Step, end: Length) -> Value:
    """Steps from here to `end`, as a float: 0 from there on."""
    last = ceiling(end) if on_host(step) else min(ceiling(end), STEP_LIMIT - 1)
    left = last - minimum(step, last)
    beyond = 0 if isinstance(end, int) else ceiling(end) - exact(end)
    if not beyond:
        return real(left)
    # left − beyond would cancel. So the last of the remaining steps counts as its part before the end.
    return (real(maximum(left, 1) - 1) + float(1 - beyond)) * real(minimum(left, 1))


def progress(step: Step, duration: Length) -> Value:
    """t/n, from 0 at step 0 to 1 at step n, then 1."""
    share = real(minimum(step, ceiling(duration))) / float(duration)
    return share if isinstance(duration, int) else minimum(share, 1.0)


def remaining(step: Step, duration: Length) -> Value:
    """(n − t)/n, from 1 at step 0 to 0 at step n, then 0."""
    return until(step, duration) / float(duration)


def mix(low: float, high: Value, share: Value) -> Value:
    """low·(1 − share) + high·share: exactly `low` at 0 and exactly `high` at 1."""
    part = share if isinstance(high, float) and high == 1.0 else share * high
    return part if low == 0.0 else (1.0 - share) * low + part


def times(step: Step, factor: float) -> Value:
    """step·factor, exact to about one float32 rounding even if neither is a float32.

    A float32 product would contain the rounding errors of step and factor, and
    ``exp(times(…))`` multiplies them by up to 14 before its value is a millionth.
    """
    return real(step) * factor if on_host(step) else by_backend.product(step, factor)


def power(base: float, exponent: Step | Value) -> Value:
    """base**exponent for a base in (0, 1] and exponents >= 0: steps, or small floats."""
    whole = on_host(exponent) or is_whole(exponent)
    return exponential(times(exponent, math.log(base)) if whole else exponent * math.log(base))


def exponential(value: Value) -> Value:
    """Elementwise e**value."""
    return np.exp(value) if on_host(value) else ops.exp(value)


def raised(value: Value, exponent: float | Value) -> Value:
    """value**exponent; the usual exponent 1 costs nothing."""
    if isinstance(exponent, float) and exponent == 1.0:
        return value
    return np.power(value, exponent) if on_host(value) else ops.power(value, exponent)


def cosine(left: Value) -> Value:
    """(1 − cos(π·left))/2: it falls from 1 to 0 as `left`, the remaining share, does.

    It is computed as sin² of half the angle, which is equal but does not cancel near the end.
    """
    angle = left * (math.pi / 2)
    sine = np.sin(angle) if on_host(angle) else ops.sin(angle)
    return sine * sine


def root(value: Value) -> Value:
    """Elementwise square root."""
    return np.sqrt(value) if on_host(value) else ops.sqrt(value)


def exponential_less_one(value: Value) -> Value:
    """Elementwise e**value − 1, exact near 0."""
    return np.expm1(value) if on_host(value) else ops.expm1(value)


def log_less(share: Value) -> Value:
    """Elementwise log(1 − share), exact near 0."""
    return np.log1p(-share) if on_host(share) else ops.log1p(-share)


FallShape = Literal["linear", "cosine", "sqrt", "exponential"]


def fall(shape: str, step: Step, duration: Length) -> Value:
    """A fall from 1 at step 0 to 0 at step n.

    With x = t/n: linear 1 − x; cosine (1 + cos πx)/2; sqrt 1 − √x; exponential 2·0.5^x − 1. Each
    is computed from the remaining share, so that it does not cancel near 0.
    """
    left = remaining(step, duration)
    if shape == "cosine":
        return cosine(left)
    if shape == "sqrt":
        return left / (1.0 + root(progress(step, duration)))
    if shape == "exponential":
        return exponential_less_one(left * math.log(2.0))
    return left


def halving(step: Step, half_life: int) -> Value:
    """0.5^(t/half_life): 1 at step 0, then halved over each half-life."""
    return exponential(times(step, -math.log(2.0) / half_life))


FEW_EDGES = 64
"""Up to this number of edges, a compiler that fuses comparisons gets one for each. It cannot fuse a table's sum."""


def are_compared(step: Step, edges: int) -> bool:
    """Whether a step is compared with each of so many edges."""
    return 0 < edges <= FEW_EDGES and not on_host(step) and by_backend.fuses_comparisons()


def segment(step: Step, edges: Sequence[int], *, passed: bool = False) -> Step:
    """The index of the segment: how many of the sorted edges have been reached or, with `passed`, passed."""
    if on_host(step):
        return np.searchsorted(np.array(edges, np.int64), step, side="left" if passed else "right")
    dtype = keras.backend.standardize_dtype(step.dtype)
    if are_compared(step, len(edges)):
        reached = (step > edge if passed else step >= edge for edge in edges)
        return functools.reduce(operator.add, (ops.cast(each, "int32") for each in reached))
    table = ops.convert_to_tensor(np.array(edges, np.int64), dtype=dtype)
    column = ops.expand_dims(step, -1)
    return ops.sum(ops.cast(column > table if passed else column >= table, "int32"), axis=-1)


def lookup(table: Sequence[float], index: Step) -> Value:
    """table[index], as floats."""
    if on_host(index):
        return np.array(table, np.float64)[index]
    return by_backend.taken(table, index, "float32")


def lookup_steps(table: Sequence[int], index: Step, like: Step) -> Step:
    """table[index], as steps of the dtype of `like`. On TensorFlow an index has another dtype."""
    if on_host(index):
        return np.array(table, np.int64)[index]
    return by_backend.taken(table, index, keras.backend.standardize_dtype(like.dtype))
