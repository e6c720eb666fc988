"""Numbers of steps that are not whole, kept exact: 751.2 means 3756/5.

No float is 751.2. In the nearest one, stair 5 of 751.2 steps would begin at step 3757 or at 3756 as the rounding
happens to go, so that what was meant is looked for:

- A float that has a decimal of at most 15 digits is taken as that decimal, since that is what was written.
- Another one was computed, and is the fraction of the smallest denominator within four of its roundings: ``2000 / 3``
  is two thousand thirds, ``2.4 * 313`` is 751.2, and ``1.1 * 100`` is 110.
"""

from __future__ import annotations

import math
import numbers
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

MOST = 2**28
"""Largest denominator; of two fractions below it that differ, a float from 1 on tells most apart."""


def meant(number: Any) -> Fraction:
    """The fraction that a finite number means."""
    if isinstance(number, numbers.Rational):  # int, NumPy's integers, Fraction
        exact = Fraction(int(number.numerator), int(number.denominator))
        return exact if exact.denominator <= MOST else exact.limit_denominator(MOST)
    return _meant(double(number))


def double(number: Any) -> float:
    """A real number as a Python float; for a float16 or float32, its shortest decimal."""
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
    """The fraction of the smallest denominator between two, by their continued fractions."""
    whole = math.floor(low)
    if whole == low:
        return Fraction(whole)
    if whole + 1 <= high:
        return Fraction(whole + 1)
    return whole + 1 / _simplest(1 / (high - whole), 1 / (low - whole))


def nearest(number: Fraction) -> int:
    """The nearest whole number; half a step is rounded up, as where durations in epochs are bound."""
    return math.floor(number + Fraction(1, 2))
