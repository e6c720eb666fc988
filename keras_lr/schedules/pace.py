"""A schedule at another pace: its clock speeds up or slows down at given steps."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated

import numpy as np

from keras_lr.curves import Step, Value, lookup_steps, minimum, segment, since
from keras_lr.fields import AnySchedule, Several, Whole
from keras_lr.schedule import Schedule, rate_of

MOST = 46_340
"""Largest numerator and denominator of a pace: their product with each other is below 2**31."""

Counters = Annotated[
    Sequence[int],
    Several(
        "a non-empty sequence of whole numbers in [0, 2**31)", Whole("a whole number in [0, 2**31)", 0, steps=False)
    ),
]
Parts = Annotated[
    Sequence[int],
    Several(
        "a non-empty sequence of whole numbers in [1, 46340]",
        Whole("a whole number in [1, 46340]", 1, high=MOST + 1, steps=False),
    ),
]


class Paced(Schedule):
    """Another schedule on a clock that changes its pace: what a time budget installs.

    f(t) = schedule(ticks[i] + ⌊(t − steps[i]) · numerators[i] / denominators[i]⌋)

    with i the last piece that has begun. The clock never jumps, so neither does the rate.

    Args:
        schedule: the schedule, in ticks.
        steps: steps at which a pace begins; the first is 0.
        ticks: the clock at these steps.
        numerators: ticks of a piece for each `denominators` steps of it, in [1, 46340].
        denominators: see there.

    Raises:
        ValueError: also when the sequences differ in length, or do not begin at 0 and increase.

    Example:
        >>> Paced(LinearDecay(0.8, 8), [0, 2], [0, 2], [1, 3], [1, 1]).values([0, 2, 3, 4]).round(6).tolist()
        [0.8, 0.6, 0.3, 0.0]
    """

    words = "{schedule}, on the clock of a time budget"
    schedule: AnySchedule
    steps: Counters
    ticks: Counters
    numerators: Parts
    denominators: Parts

    def validate(self) -> None:
        for name in ("ticks", "numerators", "denominators"):
            if len(self.arguments()[name]) != len(self.steps):
                self.refuse(name, f"as long as `steps` ({len(self.steps)})")
        if self.steps[0] != 0 or any(b <= a for a, b in zip(self.steps, self.steps[1:], strict=False)):
            self.refuse("steps", "0 and then strictly increasing")

    def ticks_at(self, step: Step) -> Step:
        """The clock at a step, in whole numbers that stay below 2**31."""
        if len(self.steps) == 1:
            start, tick, up, down = self.steps[0], self.ticks[0], self.numerators[0], self.denominators[0]
            gone = since(step, start)
        else:
            piece = segment(step, self.steps[1:])
            tables = (self.steps, self.ticks, self.numerators, self.denominators)
            start, tick, up, down = (lookup_steps(table, piece, step) for table in tables)
            gone = step - start
        whole, rest = gone // down, gone % down
        # Beyond the last step of any schedule the clock may stand still.
        whole = minimum(whole, (2**31 - 1 - tick) // up - 1)
        return tick + whole * up + rest * up // down

    def pace(self) -> Fraction:
        """Ticks a step, now."""
        return Fraction(self.numerators[-1], self.denominators[-1])

    @staticmethod
    def nearest(pace: Fraction) -> Fraction:
        """The nearest pace that a piece can have."""
        if pace >= 1:
            return min(pace.limit_denominator(max(int(MOST / (pace + 1)), 1)), Fraction(MOST))
        return max(pace.limit_denominator(MOST), Fraction(1, MOST))

    def from_here(self, step: int, pace: Fraction) -> Paced:
        """The same up to `step`, and at another pace from there on."""
        tick = int(self.ticks_at(np.int64(step)))
        kept = [piece for piece in zip(*self.pieces().values(), strict=True) if piece[0] < step]
        columns = zip(*kept, (step, tick, pace.numerator, pace.denominator), strict=True)
        return Paced(self.schedule, *map(list, columns))

    def pieces(self) -> dict[str, list[int]]:
        """The clock, as JSON values."""
        return {name: list(value) for name, value in self.arguments().items() if name != "schedule"}

    def rate(self, step: Step) -> Value:
        return rate_of(self.schedule, self.ticks_at(step))
