"""Everything that you need to write your own schedule.

A schedule is a class with annotated fields and a pure method ``rate(step)``, written with the functions of this module:

    from keras_lr.custom import Rate, Schedule, Steps, power

    class HalfLife(Schedule):
        \"\"\"Halves every `half_life` steps.\"\"\"

        learning_rate: Rate
        half_life: Steps

        def rate(self, step):
            return self.learning_rate * power(0.5 ** (1 / self.half_life), step)

The type of a field defines which values are allowed: `Rate`, `Steps`, `Share` and so on. For another type, use
`Annotated` with a kind: ``Share = Annotated[float, Real("a number in [0, 1]", 0.0, 1.0)]``. For one of a few strings,
use `Literal`: ``Shape = Literal["linear", "cosine"]``.
"""

from keras_lr.core.algebra import AnySchedule, Schedule, Schedules
from keras_lr.core.curves import (
    Step,
    Value,
    clip,
    cosine,
    exponential,
    fall,
    later,
    lookup,
    maximum,
    minimum,
    mix,
    power,
    progress,
    real,
    remaining,
    root,
    segment,
    since,
    where,
)
from keras_lr.core.fields import (
    Boundaries,
    Count,
    CountOrZero,
    Factor,
    Length,
    LengthOrNone,
    LengthOrZero,
    Milestones,
    Momentum,
    NonNegative,
    OneOf,
    OptionalRate,
    Points,
    Positive,
    Rate,
    Rates,
    Real,
    Several,
    Share,
    Shift,
    Steps,
    StepsOrNone,
    StepsOrZero,
    Switch,
    Whole,
)
from keras_lr.core.frozen import field
from keras_lr.core.inner import length_of, rate_at, rate_of
from keras_lr.core.turns import stair

__all__ = [
    "AnySchedule",
    "Boundaries",
    "Count",
    "CountOrZero",
    "Factor",
    "Length",
    "LengthOrNone",
    "LengthOrZero",
    "Milestones",
    "Momentum",
    "NonNegative",
    "OneOf",
    "OptionalRate",
    "Points",
    "Positive",
    "Rate",
    "Rates",
    "Real",
    "Schedule",
    "Schedules",
    "Several",
    "Share",
    "Shift",
    "Step",
    "Steps",
    "StepsOrNone",
    "StepsOrZero",
    "Switch",
    "Value",
    "Whole",
    "clip",
    "cosine",
    "exponential",
    "fall",
    "field",
    "later",
    "length_of",
    "lookup",
    "maximum",
    "minimum",
    "mix",
    "power",
    "progress",
    "rate_at",
    "rate_of",
    "real",
    "remaining",
    "root",
    "segment",
    "since",
    "stair",
    "where",
]
