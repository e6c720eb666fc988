"""Exact values of numbers of steps that are not whole: 751.2 means 3756/5.

No float equals 751.2. With the nearest float, the rounding would decide whether stair 5 of 751.2 steps begins at step
3756 or 3757. So the number that was meant is reconstructed:

- A float with a decimal of at most 15 digits means that decimal, since the user wrote it so.
- Any other float was computed. It means the fraction with the smallest denominator within four rounding errors:
  ``2000 / 3`` is two thousand thirds, ``2.4 * 313`` is 751.2, and ``1.1 * 100`` is 110.
"""

from __future__ import annotations

import math
import numbers
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

MOST = 2**28
"""Largest denominator. Most different fractions with smaller ones, from 1 on, are different floats too."""


def meant(number: Any) -> Fraction:
    """The fraction that a finite number means."""
    if isinstance(number, numbers.Rational):  # int, NumPy's integers, Fraction
        exact = Fraction(int(number.numerator), int(number.denominator))
        return exact if exact.denominator <= MOST else exact.limit_denominator(MOST)
    return _meant(double(number))


def double(number: Any) -> float:
    """A real number as a Python float. A float16 or float32 becomes its shortest decimal."""
    if isinstance(number, np.floating) and number.dtype.itemsize < 8:
        number = np.format_float_scientific(number)  # 751.2, and not 751.2000122070312
    return float(number)


@lru_cache(maxsize=1024)
def _meant(number: float) -> Fraction:
    text = f"{number:.15g}"
    if float(text) == number:
        return Fraction(text).limit_denominator(MOST)
    off = 4 * Fraction(math.ulp(number))
    return _simplest(Fraction(number) - off, Fraction(number) + off).limit_denominator(MOST)


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction with the smallest denominator between two others, from their continued fractions."""
    whole = math.floor(low)
    if whole == low:
        return Fraction(whole)
    if whole + 1 <= high:
        return Fraction(whole + 1)
    return whole + 1 / _simplest(1 / (high - whole), 1 / (low - whole))


def nearest(number: Fraction) -> int:
    """The nearest whole number. A half is rounded up, as for durations in epochs."""
    return math.floor(number + Fraction(1, 2))
