"""Random lines of Python for the playground: every class, right and wrong arguments, combinations."""

from __future__ import annotations

import math
import random

import keras_lr as klr
from keras_lr.fields import Flag, Inner, OneOf, Optional, Real, Several, StepCount, Text, Whole
from keras_lr.schedule import Schedule

CLASSES = sorted(
    name for name in klr.__all__ if isinstance(getattr(klr, name), type) and issubclass(getattr(klr, name), Schedule)
)
CLASSES.remove("Schedule")
WRONG = (
    "-1",
    "0",
    "0.0",
    "0.5",
    "1.5",
    "-0.25",
    "2**31",
    "1e400",
    '"x"',
    "None",
    "True",
    "[9, 3]",
    "[]",
    "epochs(3)",
    "7.0",
    "7.3",
    '"3 epochs"',
)


class Lines:
    """A stream of lines that is the same for the same seed."""

    def __init__(self, seed: int, wrong: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.wrong = wrong
        """The share of arguments that are taken from `WRONG`."""

    def call(self, name: str, depth: int = 1) -> str:
        """A constructor with random arguments, some of those with a default left out."""
        shown = []
        for argument, parameter in getattr(klr, name)._signature.parameters.items():
            if parameter.default is not parameter.empty and self.random.random() < 0.4:
                continue
            kind = getattr(klr, name)._arguments[argument].kind
            shown.append(f"{argument}={self.value(kind, argument, depth)}")
        return f"{name}({', '.join(shown)})"

    def value(self, kind: object, argument: str, depth: int) -> str:
        if self.random.random() < self.wrong:
            return self.random.choice(WRONG)
        match kind:
            case Optional():
                return "None" if self.random.random() < 0.3 else self.value(kind.kind, argument, depth)
            case Real():
                return self.real(kind, argument)
            case Whole() | StepCount():
                whole = self.whole(kind)
                partial = isinstance(kind, StepCount) and self.random.random() < 0.15
                return f"{whole}.{self.random.choice(('5', '2', '25', '123'))}" if partial else whole
            case OneOf():
                return repr(self.random.choice(kind.choices))
            case Flag():
                return self.random.choice(("True", "False"))
            case Text():
                return "'name'"
            case Several():
                return self.several(kind, argument, depth)
            case Inner():
                return self.schedule(depth - 1)
        raise TypeError(kind)

    def real(self, kind: Real, argument: str) -> str:
        if self.random.random() < 0.1 and not kind.open_low and kind.low == 0.0:
            return repr(kind.low)
        if kind.low >= 0.0 and math.isfinite(kind.high):
            return repr(self.random.uniform(kind.low, kind.high))
        if kind.low < 0.0:
            return repr(self.random.uniform(-8.0, 8.0))
        # End rates are mostly below the initial ones, so that not too many lines are refused.
        middle = (
            -4.0 if argument.startswith(("end", "low", "min", "initial_l")) and self.random.random() < 0.8 else -1.0
        )
        middle = middle if "learning_rate" in argument or argument in ("low", "high", "min_lr") else 0.3
        return f"{10 ** self.random.gauss(middle, 0.7):.{self.random.choice((2, 4, 17))}g}"

    def whole(self, kind: Whole | StepCount) -> str:
        largest = self.random.choice((3, 30, 300, 300, 3000, 30_000, 2**31 - 1))
        return str(max(kind.low, self.random.randint(-largest if kind.low < 0 else kind.low, largest)))

    def several(self, kind: Several, argument: str, depth: int) -> str:
        count = self.random.randint(1, 4)
        items = [self.value(kind.item, argument, depth) for _ in range(count)]
        if kind.order is not None and all(item.replace(".", "").isdigit() for item in items):
            items = sorted(set(items), key=float)
        return "[" + ", ".join(items) + "]"

    def schedule(self, depth: int) -> str:
        """A schedule within another, down to some depth."""
        if depth <= 0:
            plain = [
                name
                for name in CLASSES
                if not any(self._holds(argument.kind) for argument in getattr(klr, name)._arguments.values())
            ]
            return (
                repr(round(self.random.random(), 3))
                if self.random.random() < 0.15
                else self.call(self.random.choice(plain), 0)
            )
        return self.combined(depth) if self.random.random() < 0.6 else self.call(self.random.choice(CLASSES), depth)

    @staticmethod
    def _holds(kind: object) -> bool:
        return isinstance(kind, Inner) or (isinstance(kind, Several) and isinstance(kind.item, Inner))

    def combined(self, depth: int = 2) -> str:
        """Two schedules, or one and a number, joined by an operator or a method."""
        a = self.call(self.random.choice(CLASSES), depth - 1)
        b = self.schedule(depth - 1)
        number = f"{self.random.random():.3g}"
        steps = self.random.randint(1, 900)
        return self.random.choice(
            (
                f"({a} >> {b})",
                f"({a} >> {number})",
                f"{a} * {b}",
                f"{a} * {number} * ({b})" if "(" in b else f"{a} * {number}",
                f"{number} * {a}",
                f"{a} / {steps}",
                f"({a} + {b})",
                f"({number} + {a} + {b})",
                f"({a} >> {b}).clip({number})",
                f"{a}.clip(high={number})",
                f"({b} * {a}).clip(0.001, {number})",
                f"{a}.from_step({self.random.choice((steps, -steps))}).from_step(5)",
                f"{a}.cooldown({steps}, 40, {number}, shape={self.random.choice(('linear', 'cosine', 'sqrt', 'exponential'))!r})",
                f"Warmup({a}, fraction(0.1)).bind(steps_per_epoch={steps}, epochs=9)",
                f"(LinearDecay(0.1, epochs({number})) * {a}).bind(steps_per_epoch={steps}, epochs=9)",
                f"OneCycle(0.1, {steps}).momentum({number})",
                f"CyclicalLearningRate(0.01, 0.1, {steps}).momentum(high=0.97)",
            )
        )
