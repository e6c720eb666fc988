"""Random arguments for the playground, as texts for its fields and as the equal line of Python."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlencode

from keras.optimizers.schedules import LearningRateSchedule

import keras_lr as klr
from keras_lr.core.fields import Flag, OneOf, OrNone, Real, Several, StepCount
from keras_lr.core.frozen import declared_arguments
from support.catalogue import ROWS, Row


def _is_on_the_page(row: Row) -> bool:
    """Whether a schedule has fields on the page. Schedules made of others and tables of rates have none."""
    parts = [
        part for value in row.schedule.arguments().values() for part in (value if type(value) is tuple else [value])
    ]
    return not any(isinstance(part, LearningRateSchedule) for part in parts) and not isinstance(
        row.schedule, klr.Tabulated
    )


CLASSES = sorted({type(row.schedule).__name__ for row in ROWS if _is_on_the_page(row)})
WITHOUT_FIELD = {("CosineDecay", "warmup_target"), ("CosineDecay", "warmup_steps")}
RISING = {
    *("CyclicalLearningRate", "InverseSquareRootDecay", "OneCycle"),
    *("PiecewiseInterpolation", "SinusoidalLearningRate", "WarmupStableDecay"),
}
"""Some classes that begin with a rise, so the page offers no warmup."""
FALLING = {"Constant", "CosineDecay", "ExponentialDecay", "KDecay", "LinearDecay", "MultiStepDecay", "StepDecay"}
"""Some classes that do not begin with a rise."""


class Drawn(NamedTuple):
    """The address of a schedule on the page, the equal schedule as written, and the same in steps."""

    address: str
    schedule: klr.Schedule
    bound: klr.Schedule


def arguments(name: str) -> dict[str, Any]:
    """The kinds of the arguments that have a field."""
    found = declared_arguments(getattr(klr, name))
    return {key: found[key].kind for key in found if key != "name" and (name, key) not in WITHOUT_FIELD}


def address(name: str, texts: dict[str, str], letter: str = "a", **more: Any) -> str:
    return urlencode({letter: name, **{f"{letter}.{key}": text for key, text in texts.items()}, **more})


class Draw:
    """A stream of schedules that is the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def schedule(self, name: str, per_epoch: int = 0) -> Drawn:
        """A schedule of a class, sometimes with a warmup. Durations are in epochs if `per_epoch` is not 0.

        If two arguments contradict each other, all are drawn again.
        """
        while True:
            there, python = self.line(name, per_epoch)
            with suppress(ValueError):
                schedule = eval(python, dict(vars(klr)))
                return Drawn(there, schedule, schedule.bind(steps_per_epoch=per_epoch or 1, epochs=1000))

    def line(self, name: str, per_epoch: int) -> tuple[str, str]:
        """The address, and the Python."""
        pairs = {key: self.pair(kind, key, per_epoch) for key, kind in arguments(name).items()}
        texts = {key: text for key, (text, _) in pairs.items()}
        python = f"{name}({', '.join(f'{key}={value}' for key, (_, value) in pairs.items())})"
        if name in FALLING and self.random.random() < 0.5:
            text, value = self.steps(0, per_epoch)
            texts["warmup"] = text
            python = f"Warmup({python}, {value})" if float(text) else python
        more = {"epoch": per_epoch} if per_epoch else {}
        return address(name, texts, **more), python

    def pair(self, kind: Any, key: str, per_epoch: int) -> tuple[str, str]:
        """An argument: its text, and its Python."""
        match kind:
            case OrNone():
                return ("", "None") if self.random.random() < 0.5 else self.pair(kind.kind, key, per_epoch)
            case StepCount():
                return self.steps(kind.low, per_epoch)
            case Real():
                number = self.real(kind, key)
                return number, number
            case OneOf():
                choice = self.random.choice(kind.choices)
                return choice, repr(choice)
            case Flag():
                flag = self.random.choice(("True", "False"))
                return flag, flag
            case Several():
                items = [self.pair(kind.item, key, per_epoch) for _ in range(self.random.randint(1, 4))]
                if kind.order is not None:
                    items = list(dict(sorted(items, key=lambda pair: float(pair[0]))).items())
                return ", ".join(text for text, _ in items), f"[{', '.join(value for _, value in items)}]"
        raise TypeError(kind)

    def steps(self, low: int, per_epoch: int) -> tuple[str, str]:
        if per_epoch:
            amount = repr(round(self.random.uniform(0.1, self.random.choice((1, 10, 100))), self.random.randint(1, 3)))
            return amount, f"epochs({amount})"
        count = str(self.random.randint(low, self.random.choice((3, 30, 300, 300, 3000, 30_000, 2**31 - 1))))
        return count, count

    def real(self, kind: Real, key: str) -> str:
        if self.random.random() < 0.1 and kind.low == 0.0 and not kind.open_low:
            return "0"
        if kind.low >= 0.0 and math.isfinite(kind.high):
            return repr(self.random.uniform(kind.low, kind.high))
        if kind.low < 0.0:
            return repr(self.random.uniform(-8.0, 8.0))
        # End rates are mostly below initial ones. Otherwise many schedules would be refused.
        is_low = key.startswith(("end", "initial_l")) and self.random.random() < 0.8
        middle = (-4.0 if is_low else -1.0) if "learning_rate" in key else 0.3
        return f"{10 ** self.random.gauss(middle, 0.7):.{self.random.choice((2, 4, 17))}g}"
