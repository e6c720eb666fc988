"""Turns: equal parts whose length need not be whole, for stairs, waves and cycles. They are exact at any step.

In floats, ⌊t/751.2⌋ is a step late at some stairs, and in float32, far from the start, at most of them. So it is
computed in integers, with 751.2 as 3756/5. They are no wider than those of the step: a JAX counter is an int32.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction as Ratio
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_lr.core.by_backend import counter_dtype, has_64_bits
from keras_lr.core.curves import (
    Length,
    Step,
    Value,
    are_compared,
    clip,
    exact,
    minimum,
    on_host,
    quotient,
    real,
    segment,
)


def stair(step: Step, length: Length) -> Step:
    """⌊t/n⌋, exactly, at any step."""
    ratio = exact(length)
    # TensorFlow computes everything in a graph, even unused values.
    return quotient(step, int(ratio)) if ratio.denominator == 1 else turn(step, ratio).count


def stair_up_to(step: Step, length: int, most: int) -> Step:
    """min(⌊t/n⌋, most)."""
    if are_compared(step, most):  # XLA fuses comparisons with later operations, but not a division
        return segment(step, [length * stairs for stairs in range(1, most + 1)])
    return clip(stair(step, length), 0, most)


def multiple_after(step: int, length: Ratio, rounded: Callable[[Ratio], int]) -> int:
    """The first multiple of a length after a step, rounded to a whole step."""
    count = max(int(step / length), 0)
    while rounded(count * length) <= step:
        count += 1
    return rounded(count * length)


class Turn(NamedTuple):
    """The position of a step in a sequence of turns of length n: t = count·n + gone, with 0 ≤ gone < n.

    Attributes:
        count: complete turns before this one.
        gone: whole steps since the start of the turn; there are `gone_parts` more.
        gone_parts: parts of a step since the start.
        left: whole steps until the end of the turn; there are `left_parts` more.
        left_parts: parts of a step until the end.
        parts: how many parts make a step: the denominator of n.
    """

    count: Step
    gone: Step
    gone_parts: Any
    left: Step
    left_parts: Any
    parts: int

    @property
    def since(self) -> Value:
        """Steps since the start of the turn, as a float."""
        return real(self.gone) if self.parts == 1 else real(self.gone) + real(self.gone_parts) / self.parts

    @property
    def until(self) -> Value:
        """Steps until the end of the turn, as a float."""
        return real(self.left) if self.parts == 1 else real(self.left) + real(self.left_parts) / self.parts


def turn(step: Step, length: Length) -> Turn:
    """The turn that contains a step, in whole numbers. It is exact at any step of a schedule."""
    if isinstance(length, int):
        gone = step % length
        return Turn(step // length, gone, 0, length - gone, 0, 1)
    ratio = exact(length)
    if ratio.denominator == 1:
        return turn(step, int(ratio))
    return _in_64_bits(step, ratio) if on_host(step) or has_64_bits(step) else _in_32_bits(step, ratio)


def _in_64_bits(step: Step, length: Ratio) -> Turn:
    """The turn, computed in parts of a step: a turn has a whole number of them."""
    size, parts = length.numerator, length.denominator
    wide = step if on_host(step) else ops.cast(step, "int64")
    if on_host(step) or counter_dtype() == "int64":
        # After the last step of any schedule the result may stay the same. (On torch a counter has 32 bits, and Keras
        # returns an int32 for the minimum of two int64.)
        wide = minimum(wide, 2**62 // parts)
    gone = wide * parts % size
    left = size - gone
    return Turn(wide * parts // size, gone // parts, gone % parts, left // parts, left % parts, parts)


# JAX has 32 bits, which are too few for steps times parts.


def _in_32_bits(step: Step, length: Ratio) -> Turn:
    whole, more = divmod(length.numerator, length.denominator)
    parts = length.denominator
    count = _turns(step, length)
    # t − count·n is gone − behind/parts. So the first of the steps that are gone counts as its part in this turn.
    gone, behind = _steps_and_parts(step, count, length)
    begun = as_whole(behind > 0, step)
    gone, gone_parts = gone - begun, (parts - behind) * begun
    borrowed = as_whole(gone_parts > more, step)
    return Turn(count, gone, gone_parts, whole - gone - borrowed, more - gone_parts + borrowed * parts, parts)


def _turns(step: Step, length: Ratio) -> Step:
    """⌊t/n⌋: estimated in floats, and corrected in whole numbers."""
    whole, more = divmod(length.numerator, length.denominator)
    most = int((2**31 - 1) / length)
    count = minimum(_estimate(step, length), most)
    for _ in range(2):  # each pass reduces the error of the float to a millionth
        gone, _behind = _steps_and_parts(step, count, length)
        count = clip(count + _estimate(gone, length), 0, most)
    gone, behind = _steps_and_parts(step, count, length)
    too_few = gone > whole + as_whole(more + behind > length.denominator, step)
    too_many = (gone < 0) | ((gone == 0) & (behind > 0))
    return count + as_whole(too_few, step) - as_whole(too_many, step)


def _estimate(steps: Step, length: Ratio) -> Step:
    """Turns in a number of steps, estimated by a float, at most the largest float32 that fits into an int32."""
    turns = ops.floor(minimum(real(steps) / float(length), float(2**31 - 128)))
    return ops.cast(turns, keras.backend.standardize_dtype(steps.dtype))


def _steps_and_parts(step: Step, count: Step, length: Ratio) -> tuple[Step, Step]:
    """The steps t − count·n as whole steps minus parts of one: (t − ⌊count·n⌋, count·n·parts mod parts)."""
    whole, more = divmod(length.numerator, length.denominator)
    steps, parts = _scaled(count, more, length.denominator)
    return step - count * whole - steps, parts


def _scaled(count: Step, up: int, down: int) -> tuple[Step, Step]:
    """⌊count·up/down⌋ and count·up mod down, by long division. The digits are so short that no product overflows."""
    digit = 30 - down.bit_length()
    quotient, rest = count * 0, count * 0
    for shift in range(30 // digit * digit, -1, -digit):
        rest = rest * 2**digit + count // 2**shift % 2**digit * up
        quotient, rest = quotient * 2**digit + rest // down, rest % down
    return quotient, rest


def as_whole(condition: Any, like: Step) -> Step:
    """1 where a condition holds and 0 elsewhere, as integers of the dtype of `like`."""
    if on_host(condition):
        return condition.astype(np.int64)
    return ops.cast(condition, keras.backend.standardize_dtype(like.dtype))
