"""Turns of one length, which need not be whole: stairs, waves and cycles, exactly at any step.

⌊t/751.2⌋ in floats would be a step late or early at some of the stairs, in float32 at most of them. So it is
computed in whole numbers, with 751.2 as 3756/5, in integers no wider than those of the step: a JAX counter is an int32.
"""

from __future__ import annotations

from fractions import Fraction as Ratio
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_lr.curves import Length, Step, Value, clip, exact, minimum, on_host, real


def stair(step: Step, length: Length) -> Step:
    """⌊t/n⌋, exactly, at any step."""
    return turn(step, length).count


class Turn(NamedTuple):
    """Where in a sequence of turns of one length a step is: t = count·n + gone, with 0 ≤ gone < n.

    Attributes:
        count: whole turns before this one.
        gone: steps since its beginning, in whole ones and
        gone_parts: parts of one, of which `parts` make a step.
        left: steps until its end, in whole ones and
        left_parts: parts.
        parts: the denominator of the length.
    """

    count: Step
    gone: Step
    gone_parts: Any
    left: Step
    left_parts: Any
    parts: int

    @property
    def since(self) -> Value:
        """Steps since the beginning, as a float."""
        return real(self.gone) if self.parts == 1 else real(self.gone) + real(self.gone_parts) / self.parts

    @property
    def until(self) -> Value:
        """Steps until the end, as a float."""
        return real(self.left) if self.parts == 1 else real(self.left) + real(self.left_parts) / self.parts


def turn(step: Step, length: Length) -> Turn:
    """The turn that a step is in, in whole numbers that stay within the integers of the step."""
    ratio = exact(length)
    parts = ratio.denominator
    if parts == 1:
        whole = int(ratio)
        gone = step % whole
        return Turn(step // whole, gone, 0, whole - gone, 0, 1)
    whole, more = divmod(ratio.numerator, parts)
    count = _turns(step, ratio)
    # t − count·n is gone − behind/parts: the first step of those that are gone counts as the part of it in this turn.
    gone, behind = _steps_and_parts(step, count, ratio)
    begun = as_whole(behind > 0, step)
    gone, gone_parts = gone - begun, (parts - behind) * begun
    borrowed = as_whole(gone_parts > more, step)
    return Turn(count, gone, gone_parts, whole - gone - borrowed, more - gone_parts + borrowed * parts, parts)


def _turns(step: Step, length: Ratio) -> Step:
    """⌊t/n⌋ for a length that is not whole: estimated in floats, and put right in whole numbers."""
    whole, more = divmod(length.numerator, length.denominator)
    bits = 31 if not on_host(step) and keras.backend.standardize_dtype(step.dtype) == "int32" else 62
    most = int((2**bits - 1) / length)
    count = minimum(_estimate(real(step) / float(length), most, step), most)
    for _ in range(2):  # each time what the float was off by shrinks to a ten-millionth of it
        gone, _behind = _steps_and_parts(step, count, length)
        count = clip(count + _estimate(real(gone) / float(length), most, step), 0, most)
    gone, behind = _steps_and_parts(step, count, length)
    too_few = gone > whole + as_whole(more + behind > length.denominator, step)
    too_many = (gone < 0) | ((gone == 0) & (behind > 0))
    return count + as_whole(too_few, step) - as_whole(too_many, step)


def _estimate(turns: Value, most: int, like: Step) -> Step:
    """The whole number below a float; within what the float and the integer can hold."""
    if on_host(turns):
        return np.floor(np.minimum(turns, float(most))).astype(np.int64)
    # The largest float32 that is an int32.
    most = min(most, 2**31 - 128) if keras.backend.standardize_dtype(like.dtype) == "int32" else most
    return ops.cast(ops.floor(minimum(turns, float(most))), keras.backend.standardize_dtype(like.dtype))


def _steps_and_parts(step: Step, count: Step, length: Ratio) -> tuple[Step, Step]:
    """t − count·n as whole steps minus parts of one: (t − ⌊count·n⌋, count·n·parts mod parts)."""
    whole, more = divmod(length.numerator, length.denominator)
    steps, parts = _scaled(count, more, length.denominator)
    return step - count * whole - steps, parts


def _scaled(count: Step, up: int, down: int) -> tuple[Step, Step]:
    """⌊count·up/down⌋ and count·up mod down, by long division with digits so short that no product is too large."""
    narrow = not on_host(count) and keras.backend.standardize_dtype(count.dtype) == "int32"
    bits = 31 if narrow else 62
    digit = bits - 1 - down.bit_length()
    quotient, rest = count * 0, count * 0
    for shift in range((bits - 1) // digit * digit, -1, -digit):
        rest = rest * 2**digit + count // 2**shift % 2**digit * up
        quotient, rest = quotient * 2**digit + rest // down, rest % down
    return quotient, rest


def as_whole(condition: Any, like: Step) -> Step:
    """1 where a condition holds, and 0 elsewhere, in the dtype of the steps."""
    if on_host(condition):
        return condition.astype(np.int64)
    return ops.cast(condition, keras.backend.standardize_dtype(like.dtype))
