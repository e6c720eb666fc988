"""Randomly composed schedules, each with what is known about it without asking the package.

While a schedule is put together, its highest rate, its end, its marks and its values are worked out
beside it: bounds from the arguments alone, values of a composed schedule from those of its parts, step
by step in plain Python numbers. They share no code with the package: keep it so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from hypothesis import strategies as st

import keras_lr as klr

LAST = 2**31 - 1
FALLS = ("linear", "cosine", "sqrt", "exponential")


@dataclass(frozen=True)
class Training:
    """What durations in epochs and fractions are of."""

    steps_per_epoch: int
    epochs: int

    @property
    def total(self) -> int:
        return self.steps_per_epoch * self.epochs


@dataclass(frozen=True)
class Span:
    """A number of steps, and how it is written; `amount` is in the unit, where there is one."""

    steps: int
    unit: str = "steps"
    amount: float = 0.0

    def __call__(self, training: Training | None) -> Any:
        """The argument as it is written, or in steps of a training (half a step up)."""
        if self.unit == "steps":
            return self.steps
        if training is None:
            return klr.epochs(self.amount) if self.unit == "epochs" else klr.fraction(self.amount)
        return math.floor(self.amount * (training.steps_per_epoch if self.unit == "epochs" else training.total) + 0.5)


@dataclass(frozen=True)
class Made:
    """A schedule, and what is known of it.

    Attributes:
        make: the schedule as written (None), or in steps of a training.
        training: that for which the rest holds.
        top: no rate is above.
        at: the rate at a step.
        length: steps until it stays at one rate, None if it has no such end.
        falls: whether it never rises.
        marks: steps at which something happens.
        size: the magnitude that float32 roundings of the compiled step are relative to.
        blur: how many roundings add up.
        relative: whether small rates are right to their own digits too.
        exact: whether host values are those of a formula in float64 (Keras's own schedules: float32).
        flat: whether the rate stays at its end, and is not disturbed.
        vector: whether it takes an array of steps in a trace (Keras's with a condition do not).
    """

    make: Callable[[Training | None], Any]
    training: Training
    top: float
    at: Callable[[int], float]
    length: int | None = None
    falls: bool = False
    marks: tuple[int, ...] = ()
    size: float = 0.0
    blur: int = 1
    relative: bool = True
    exact: bool = True
    flat: bool = True
    vector: bool = True
    parts: tuple[Made, ...] = field(default=(), repr=False)

    @cached_property
    def schedule(self) -> Any:
        """As written, with units."""
        return self.make(None)

    @cached_property
    def plain(self) -> Any:
        """The same written in steps."""
        return self.make(self.training)

    @property
    def bound(self) -> Any:
        return self.schedule.bind(steps_per_epoch=self.training.steps_per_epoch, epochs=self.training.epochs)

    def __repr__(self) -> str:
        return f"{self.schedule!r} over {self.training}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis shows a failing example."""
        printer.text(repr(self))

    def classes(self) -> set[str]:
        return {type(self.schedule).__name__}.union(*(part.classes() for part in self.parts))

    def depth(self) -> int:
        return 1 + max((part.depth() for part in self.parts), default=0)

    def steps(self) -> np.ndarray:
        """The steps that tell most: the first ones, around the marks, where float32 ends to count, the last."""
        marks = [mark + off for mark in self.marks for off in (-1, 0, 1)]
        powers = [2**k + off for k in (8, 12, 20, 24, 28, 30) for off in (-1, 3)]
        chosen = np.unique([*range(40), *marks, *powers, LAST - 1, LAST])
        return chosen[(chosen >= 0) & (chosen <= LAST)]


def resolved(part: Any, training: Training | None) -> Any:
    """An argument of a constructor, in units (None) or in steps of a training."""
    if isinstance(part, (list, tuple)):
        return [resolved(item, training) for item in part]
    if isinstance(part, Made):
        return part.make(training)
    return part(training) if isinstance(part, Span) else part


class Pen:
    """Draws arguments and writes schedules with them."""

    def __init__(self, draw: Callable[[Any], Any], training: Training, units: bool) -> None:
        self.draw = draw
        self.training = training
        self.units = units

    # Arguments.

    def rate(self, high: float = 10.0, low: float = 0.0) -> float:
        """A rate: mostly of the usual size, at times 0."""
        usual = st.floats(max(low, 1e-4 * high), high)
        return self.draw(st.one_of(usual, usual, st.sampled_from([low, high, (low + high) / 2])))

    def number(self, low: float, high: float) -> float:
        return self.draw(st.floats(low, high))

    def whole(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def count(self, low: int = 1) -> int:
        """Steps: mostly few, at times about as many as a counter can count."""
        few = st.integers(low, 60)
        return self.draw(st.one_of(few, few, few, few, st.integers(low, 5000), st.integers(2**20, LAST)))

    def written(self, steps: int) -> Span:
        """A number of steps in a unit; not always a whole number of them, so that binding must round."""
        off = self.one_of(0.0, 0.4, -0.4, -0.5) if steps else 0.0
        unit = self.one_of("steps", "steps", "epochs", "fraction") if self.units else "steps"
        whole = {"steps": 1, "epochs": self.training.steps_per_epoch, "fraction": self.training.total}[unit]
        span = Span(steps, unit, (steps + off) / whole)
        fits = unit == "steps" or ((span.amount <= 1.0 or unit == "epochs") and span(self.training) == steps)
        return span if fits else Span(steps)

    def span(self, low: int = 1) -> Span:
        return self.written(self.count(low))

    def edges(self, least: int = 1, most: int = 4) -> list[Span]:
        """Strictly increasing steps."""
        steps = sorted(
            self.draw(st.sets(st.one_of(st.integers(0, 60), st.integers(0, LAST)), min_size=least, max_size=most))
        )
        return [self.written(step) for step in steps]

    # Schedules.

    def leaf(
        self, cls: Any, *arguments: Any, top: float, length: int | None = None, falls: bool = False, **facts: Any
    ) -> Made:
        """A schedule by itself. What it is worth at a step is for the catalogue to know."""

        def make(training: Training | None) -> Any:
            return cls(*(resolved(part, training) for part in arguments))

        plain = make(self.training)

        def at(step: int) -> float:
            return float(plain.values(step))

        facts = {"size": top} | facts
        return Made(make, self.training, top, at, length, falls, tuple(marks_of(arguments)), **facts)

    def joint(
        self, cls: Any, *arguments: Any, parts: list[Made], top: float, at: Callable[[int], float], **facts: Any
    ) -> Made:
        """A schedule made of others."""

        def make(training: Training | None) -> Any:
            return cls(*(resolved(part, training) for part in arguments))

        marks = {mark for part in parts for mark in part.marks}
        starts = marks_of(arguments)
        marks |= {start + mark for start in starts[:3] for mark in sorted(marks)[:6]} | set(starts)
        inherited = {
            "size": max(part.size for part in parts),
            "blur": max(part.blur for part in parts) + 1,
            "relative": all(part.relative for part in parts),
            "exact": all(part.exact for part in parts),
            "flat": all(part.flat for part in parts),
            "vector": all(part.vector for part in parts),
            "parts": tuple(parts),
        }
        return Made(make, self.training, top, at, marks=tuple(sorted(marks)[:24]), **inherited | facts)


def marks_of(arguments: Any) -> list[int]:
    found: list[int] = []
    for part in arguments:
        if isinstance(part, Span):
            found.append(part.steps)
        elif isinstance(part, (list, tuple)):
            found += marks_of(part)
    return found


def falling(rates: list[float]) -> bool:
    return all(b <= a for a, b in pairwise(rates))


# Schedules by themselves: a function of the pen for each class.


def constant(pen):
    rate = pen.rate()
    # A constant has come to its end at once, but says so of no step.
    return pen.leaf(klr.Constant, rate, top=rate, falls=True)


def step_decay(pen):
    rate = pen.rate()
    return pen.leaf(klr.StepDecay, rate, pen.span(), pen.number(1e-3, 1.0), top=rate, falls=True)


def multi_step(pen):
    rate = pen.rate()
    return pen.leaf(klr.MultiStepDecay, rate, pen.edges(), pen.number(1e-3, 1.0), top=rate, falls=True)


def piecewise_constant(pen):
    edges = pen.edges()
    rates = [pen.rate() for _ in range(len(edges) + 1)]
    return pen.leaf(klr.PiecewiseConstantDecay, edges, rates, top=max(rates), falls=falling(rates))


def interpolation(pen):
    edges = pen.edges()
    rates = [pen.rate() for _ in edges]
    shape = pen.one_of("linear", "cosine")
    facts = {"top": max(rates), "length": edges[-1].steps, "falls": falling(rates)}
    return pen.leaf(klr.PiecewiseInterpolation, edges, rates, shape, **facts)


def tabulated(pen):
    rates = [pen.rate() for _ in range(pen.whole(1, 6))]
    return pen.leaf(klr.Tabulated, rates, top=max(rates), length=len(rates), falls=falling(rates))


def exponential(pen):
    rate = pen.rate()
    return pen.leaf(
        klr.ExponentialDecay, rate, pen.span(), pen.number(1e-3, 1.0), pen.one_of(False, True), top=rate, falls=True
    )


def time_based(pen):
    rate = pen.rate()
    return pen.leaf(
        klr.TimeBasedDecay, rate, pen.span(), pen.number(0.0, 9.0), pen.one_of(False, True), top=rate, falls=True
    )


def polynomial(pen):
    rate, span, cycle = pen.rate(), pen.span(), pen.one_of(False, True)
    end = pen.rate(rate)
    length = None if cycle else span.steps
    return pen.leaf(
        klr.PolynomialDecay, rate, span, end, pen.number(0.2, 5.0), cycle, top=rate, length=length, falls=not cycle
    )


def linear(pen):
    rate, span = pen.rate(), pen.span()
    return pen.leaf(klr.LinearDecay, rate, span, pen.rate(rate), top=rate, length=span.steps, falls=True)


def cosine(pen):
    rate, span = pen.rate(), pen.span()
    if pen.one_of(False, True):
        target, warm = pen.rate(), pen.span(0)
        length = span.steps + warm.steps
        top = max(rate, target) if warm.steps else target
        return pen.leaf(klr.CosineDecay, rate, span, pen.number(0.0, 1.0), target, warm, top=top, length=length)
    return pen.leaf(klr.CosineDecay, rate, span, pen.number(0.0, 1.0), top=rate, length=span.steps, falls=True)


def rex(pen):
    rate, span = pen.rate(), pen.span()
    return pen.leaf(klr.REXDecay, rate, span, pen.rate(rate), top=rate, length=span.steps, falls=True)


def k_decay(pen):
    rate, span, shape = pen.rate(), pen.span(), pen.one_of("polynomial", "cosine")
    power = 1.0 if shape == "cosine" else pen.number(0.2, 5.0)
    facts = {"top": rate, "length": span.steps, "falls": True, "blur": 2}
    return pen.leaf(klr.KDecay, rate, span, pen.number(0.3, 4.0), pen.rate(rate), power, shape, **facts)


def tanh(pen):
    rate, span, lower = pen.rate(), pen.span(), pen.number(-8.0, 1.0)
    upper = lower + pen.number(0.5, 9.0)
    facts = {"top": rate, "length": span.steps, "falls": True, "blur": 2}
    return pen.leaf(klr.TanhDecay, rate, span, pen.rate(rate), lower, upper, **facts)


def power_law(pen):
    rate = pen.rate()
    return pen.leaf(klr.PowerLawDecay, rate, pen.span(), pen.number(0.1, 3.0), top=rate, falls=True)


def inverse_square_root(pen):
    rate = pen.rate()
    return pen.leaf(klr.InverseSquareRootDecay, rate, pen.span(), top=rate)


def stable(pen):
    rate, warm, decay = pen.rate(), pen.whole(0, 40), pen.whole(0, 40)
    total = pen.written(max(warm + decay + pen.whole(0, 40), 1))
    arguments = (rate, total, pen.written(warm), pen.written(decay), pen.rate(rate), pen.one_of(*FALLS))
    return pen.leaf(klr.WarmupStableDecay, *arguments, top=rate, length=total.steps, falls=warm == 0)


def cyclical_arguments(pen):
    low, mode = pen.rate(), pen.one_of("triangular", "triangular2", "exp_range")
    high = low + pen.rate()
    up, down = pen.written(pen.whole(1, 3000)), pen.one_of(None, pen.written(pen.whole(1, 3000)))
    return [low, high, up, down, mode, pen.number(0.5, 1.0) if mode == "exp_range" else 1.0]


def cyclical(pen):
    arguments = cyclical_arguments(pen)
    return pen.leaf(klr.CyclicalLearningRate, *arguments, top=arguments[1])


def sinusoidal(pen):
    low = pen.rate()
    high = low + pen.rate()
    return pen.leaf(klr.SinusoidalLearningRate, low, high, pen.span(), top=high)


def restarts(pen):
    rate = pen.rate()
    ratio = pen.draw(st.one_of(st.sampled_from([0.5, 0.9, 1.0, 2.0]), st.floats(1.2, 3.0)))
    return pen.leaf(
        klr.CosineDecayRestarts, rate, pen.span(), ratio, pen.number(0.1, 1.0), pen.number(0.0, 1.0), top=rate
    )


def one_cycle_arguments(pen):
    three = pen.one_of(False, True)
    share = pen.number(0.0, 0.5 if three else 1.0)
    total = pen.written(pen.draw(st.one_of(st.integers(1, 60), st.integers(1, 5000))))
    return [pen.rate(), total, share, pen.one_of("cos", "linear"), pen.number(0.5, 50.0), pen.number(0.5, 1e4), three]


def one_cycle(pen):
    arguments = one_cycle_arguments(pen)
    peak, total, _, _, div, final, _ = arguments
    top = max(peak, peak / div, peak / div / final)
    return pen.leaf(klr.OneCycle, *arguments, top=top, length=total.steps, blur=2)


def opposite(pen):
    high = pen.number(0.0, 0.99)
    low = pen.number(0.0, high)
    cls, arguments = pen.one_of((klr.OneCycle, one_cycle_arguments), (klr.CyclicalLearningRate, cyclical_arguments))
    drawn = arguments(pen)
    length = drawn[1].steps if cls is klr.OneCycle else None
    facts = {"top": high, "length": length, "blur": 2}
    return pen.leaf(lambda *given: cls(*given).momentum(low, high), *drawn, **facts)


LEAVES = {
    klr.Constant: constant,
    klr.StepDecay: step_decay,
    klr.MultiStepDecay: multi_step,
    klr.PiecewiseConstantDecay: piecewise_constant,
    klr.PiecewiseInterpolation: interpolation,
    klr.Tabulated: tabulated,
    klr.ExponentialDecay: exponential,
    klr.TimeBasedDecay: time_based,
    klr.PolynomialDecay: polynomial,
    klr.LinearDecay: linear,
    klr.CosineDecay: cosine,
    klr.REXDecay: rex,
    klr.KDecay: k_decay,
    klr.TanhDecay: tanh,
    klr.PowerLawDecay: power_law,
    klr.InverseSquareRootDecay: inverse_square_root,
    klr.WarmupStableDecay: stable,
    klr.CyclicalLearningRate: cyclical,
    klr.SinusoidalLearningRate: sinusoidal,
    klr.CosineDecayRestarts: restarts,
    klr.OneCycle: one_cycle,
    klr.OppositePhase: opposite,
}


# Keras's own, which only stand inside ours. Stairs and powers have a power of two as length: Keras divides
# in float32, where XLA multiplies with the inverse, and its PolynomialDecay is NaN past an end of 48 steps.

THEIRS = keras.optimizers.schedules
FOREIGN = {"size": 0.0, "blur": 4, "relative": False, "exact": False}


def foreign(pen):
    kind = pen.one_of(*2 * ("exponential", "inverse", "polynomial", "pieces", "cosine"), "warmup", "restarts")
    rate, steps, stairs = pen.rate(), pen.whole(1, 60), pen.one_of(False, True)
    divided = kind in ("restarts", "polynomial") or (stairs and kind in ("exponential", "inverse"))
    steps = 2 ** pen.whole(0, 6) if divided else steps
    factor = pen.number(0.01, 1.0)

    def time(t):
        return t // steps if stairs else t / steps

    def half_cosine(t, n, floor):
        return floor + (1 - floor) * math.cos(math.pi / 2 * min(t / n, 1.0)) ** 2

    def leaf(cls, *arguments, at, size=rate, vector=True):
        made = pen.leaf(cls, *arguments, top=size * (1 + 1e-6), **FOREIGN | {"size": size, "vector": vector})
        return replace(made, at=at)

    if kind == "exponential":
        return leaf(THEIRS.ExponentialDecay, rate, steps, factor, stairs, at=lambda t: rate * factor ** time(t))
    if kind == "inverse":
        return leaf(THEIRS.InverseTimeDecay, rate, steps, factor, stairs, at=lambda t: rate / (1 + factor * time(t)))
    if kind == "polynomial":
        end, power = pen.rate(rate), pen.number(0.5, 3.0)
        at = lambda t: end + (rate - end) * (1 - min(t / steps, 1.0)) ** power  # noqa: E731
        return leaf(THEIRS.PolynomialDecay, rate, steps, end, power, at=at)
    if kind == "pieces":
        edges = sorted(pen.draw(st.sets(st.integers(1, 60), min_size=1, max_size=3)))
        rates = [pen.rate() for _ in range(len(edges) + 1)]
        at = lambda t: rates[sum(t > edge for edge in edges)]  # noqa: E731
        return leaf(THEIRS.PiecewiseConstantDecay, edges, rates, at=at, size=max(rates))
    if kind == "restarts":
        at = lambda t: rate * factor ** (t // steps) * half_cosine(t % steps, steps, 0.0)  # noqa: E731
        return leaf(THEIRS.CosineDecayRestarts, rate, steps, 1.0, factor, at=at, vector=False)
    if kind == "cosine":
        return leaf(THEIRS.CosineDecay, rate, steps, factor, at=lambda t: rate * half_cosine(t, steps, factor))
    peak, warm = pen.rate(), pen.whole(1, 20)

    def at(t):
        return rate + (peak - rate) * t / warm if t < warm else peak * half_cosine(t - warm, steps, factor)

    def cosine_after_warmup(initial, floor, target, n):
        return THEIRS.CosineDecay(initial, steps, floor, warmup_target=target, warmup_steps=n)

    return leaf(cosine_after_warmup, rate, factor, peak, warm, at=at, size=max(rate, peak), vector=False)


# Schedules made of others: functions of the pen and of a function that draws a part.


def warmup(pen, part):
    inner, span, shape = part(), pen.span(0), pen.one_of("linear", "cosine", "exponential")
    start, n = pen.number(0.01, 1.0) if shape == "exponential" else pen.number(0.0, 1.0), span.steps

    def at(step):
        if step >= n:
            return inner.at(step - n)
        x = step / n
        if shape == "exponential":
            return inner.at(0) * start ** (1 - x)
        return inner.at(0) * (start + (1 - start) * (x if shape == "linear" else math.sin(math.pi * x / 2) ** 2))

    length = None if inner.length is None else n + inner.length
    return pen.joint(klr.Warmup, inner, span, start, shape, parts=[inner], top=inner.top, at=at, length=length)


def sequential(pen, part):
    parts = [part() for _ in range(pen.whole(1, 3))]
    steps = sorted(pen.count(0) for _ in parts[1:])
    written = {step: pen.written(step) for step in steps}
    edges = [written[step] for step in steps]

    def at(step):
        begun = [0, *(edge.steps for edge in edges if step >= edge.steps)]
        return parts[len(begun) - 1].at(step - begun[-1])

    last = parts[-1].length
    length = None if last is None else last + (edges[-1].steps if edges else 0)
    return pen.joint(klr.Sequential, parts, edges, parts=parts, top=max(p.top for p in parts), at=at, length=length)


def chain(pen, part):
    first = part(ends=True)
    parts = [first, *(part(ends=True) for _ in range(pen.whole(0, 1))), part()]

    def at(step):
        for piece in parts[:-1]:
            if step < piece.length:
                return piece.at(step)
            step -= piece.length
        return parts[-1].at(step)

    def joined(*pieces):
        whole = pieces[0]
        for piece in pieces[1:]:
            whole = whole >> piece
        return whole

    before = sum(piece.length for piece in parts[:-1])
    length = None if parts[-1].length is None else before + parts[-1].length
    falls = all(p.falls for p in parts) and all(b.at(0) <= a.at(a.length) for a, b in pairwise(parts))
    made = pen.joint(joined, *parts, parts=parts, top=max(p.top for p in parts), at=at, length=length, falls=falls)
    return replace(made, marks=(*made.marks, before))


def cooldown(pen, part):
    inner, start, span, shape = part(), pen.span(0), pen.span(), pen.one_of(*FALLS)
    end, n = pen.rate(), span.steps

    def at(step):
        if step < start.steps:
            return inner.at(step)
        x = min((step - start.steps) / n, 1.0)
        left = {
            "linear": 1 - x,
            "cosine": math.sin(math.pi * (1 - x) / 2) ** 2,
            "sqrt": 1 - math.sqrt(x),
            "exponential": 2 * 0.5**x - 1,
        }
        return end + (inner.at(start.steps) - end) * left[shape]

    facts = {
        "top": max(inner.top, end),
        "at": at,
        "length": start.steps + n,
        "size": max(inner.size, end),
        "flat": True,
    }
    facts["falls"] = inner.falls and end <= inner.at(start.steps)
    made = pen.joint(
        lambda s, *rest: s.cooldown(*rest), ours(pen, inner), start, span, end, shape, parts=[inner], **facts
    )
    return replace(made, marks=(*made.marks, start.steps + n))


def bound(pen, part):
    inner, training = part(), pen.training

    def make(fitted):
        """Bound to its own training, whatever that around it is bound to."""
        return klr.Bound(inner.make(None), training.steps_per_epoch, training.epochs)

    facts = {"top": inner.top, "at": inner.at, "length": inner.length, "falls": inner.falls}
    return replace(pen.joint(klr.Bound, inner, parts=[inner], **facts), make=make)


def reduced(pen, part):
    inner, scale, floor = part(), pen.number(0.0, 1.0), pen.one_of(0.0, pen.rate())

    def at(step):
        rate = inner.at(step)
        return rate if rate <= floor else max(scale * rate, floor)

    facts = {
        "top": max(scale * inner.top, min(inner.top, floor)),
        "at": at,
        "length": inner.length,
        "falls": inner.falls,
    }
    return pen.joint(klr.Reduced, inner, scale, floor, parts=[inner], **facts)


def product(pen, part):
    parts = [part() for _ in range(pen.whole(1, 3))]
    factor = pen.one_of(1.0, pen.number(0.0, 5.0))
    divide = factor > 0.0 and pen.one_of(False, True)

    def multiplied(*given):
        whole = ours(pen, None, given[0])
        for other in given[1:]:
            whole = whole * other
        return whole / (1.0 / factor) if divide else factor * whole

    def at(step):
        return factor * math.prod(piece.at(step) for piece in parts)

    facts = {
        "top": factor * math.prod(p.top for p in parts) * (1 + 1e-12),
        "at": at,
        "length": longest(parts),
        "falls": all(p.falls for p in parts),
        "size": factor * math.prod(p.size for p in parts),
        "blur": sum(p.blur for p in parts) + 1,
    }
    return pen.joint(multiplied, *parts, parts=parts, **facts)


def total(pen, part):
    parts = [part() for _ in range(pen.whole(1, 3))]
    more = pen.rate()

    def added(*given):
        whole = ours(pen, None, given[0])
        for other in given[1:]:
            whole = whole + other
        return whole + more if len(given) % 2 else more + whole

    facts = {
        "top": (more + sum(p.top for p in parts)) * (1 + 1e-12),
        "at": lambda step: more + sum(piece.at(step) for piece in parts),
        "length": longest(parts),
        "falls": all(p.falls for p in parts),
        "size": more + sum(p.size for p in parts),
    }
    return pen.joint(added, *parts, parts=parts, **facts)


def longest(parts: list[Made]) -> int | None:
    """A constant is at its end from the start, and waits for the others."""
    lengths = [part.length for part in parts if not is_constant(part)]
    return None if not lengths or None in lengths else max(lengths)


def is_constant(part: Made) -> bool:
    return type(part.plain) is klr.Constant


def clip(pen, part):
    inner, low = part(), pen.rate()
    high = pen.one_of(None, low + pen.rate())
    top = max(inner.top if high is None else min(inner.top, high), low)

    def at(step):
        rate = max(inner.at(step), low)
        return rate if high is None else min(rate, high)

    facts = {"top": top, "at": at, "length": inner.length, "falls": inner.falls, "size": max(inner.size, low)}
    return pen.joint(lambda s, *rest: s.clip(*rest), ours(pen, inner), low, high, parts=[inner], **facts)


def shifted(pen, part):
    inner = part()
    forward = pen.one_of(False, True)
    by = pen.span(0) if forward else Span(-pen.count(0))
    n = by.steps
    # The counter stands still at the last step of an int32.
    at = (lambda step: inner.at(min(step + n, LAST))) if forward else (lambda step: inner.at(max(step + n, 0)))
    length = None if inner.length is None else max(inner.length - n, 0)
    made = pen.joint(
        lambda s, k: s.from_step(k),
        ours(pen, inner),
        by,
        parts=[inner],
        top=inner.top,
        at=at,
        length=length,
        falls=inner.falls,
    )
    return replace(made, marks=tuple({*made.marks, *(max(mark - n, 0) for mark in inner.marks)}))


def repeat(pen, part):
    inner, span = part(), pen.span()
    factor, every = pen.one_of(1.0, pen.number(0.2, 1.0)), span.steps
    at = lambda step: factor ** (step // every) * inner.at(step % every)  # noqa: E731
    return pen.joint(klr.Repeat, inner, span, factor, parts=[inner], top=inner.top, at=at, blur=inner.blur + 2)


def per_update(pen, part):
    inner, k = part(), pen.draw(st.one_of(st.integers(1, 9), st.integers(1, 5000)))
    length = None if inner.length is None else inner.length * k
    at = lambda step: inner.at(step // k)  # noqa: E731
    return pen.joint(klr.PerUpdate, inner, k, parts=[inner], top=inner.top, at=at, length=length, falls=inner.falls)


def noise(pen, part):
    inner, amplitude, seed = part(), pen.number(0.0, 1.0), pen.whole(0, LAST)

    def at(step):
        prime, state = 46337, step % 46337
        for salt in (step // prime % prime, seed % prime, seed // prime % prime):
            for multiplier, increment in ((31607, 7919), (27893, 12347)):
                state = (state * multiplier + salt + increment) % prime
                state = (state * state % prime + 5 * state) % prime
        return inner.at(step) * (1 + amplitude * (state * 2 / prime - 1))

    # Where the factor is nearly 0, it has lost its digits.
    facts = {
        "relative": inner.relative and amplitude <= 0.8,
        "blur": inner.blur + 5,
        "size": inner.size * (1 + amplitude),
    }
    facts |= {"length": inner.length, "flat": inner.flat and (amplitude == 0.0 or inner.top == 0.0)}
    return pen.joint(klr.Noise, inner, amplitude, seed, parts=[inner], top=inner.top * (1 + amplitude), at=at, **facts)


def paced(pen, part):
    inner = part()
    paces = [(pen.whole(1, 40), pen.whole(1, 40)) for _ in range(pen.whole(1, 3))]
    steps, ticks = [0], [pen.one_of(0, 7)]
    for up, down in paces[:-1]:
        gone = pen.whole(1, 90)
        steps.append(steps[-1] + gone)
        ticks.append(ticks[-1] + gone * up // down)

    def at(step):
        piece = max(i for i, start in enumerate(steps) if step >= start)
        up, down = paces[piece]
        tick = ticks[piece] + (step - steps[piece]) * up // down
        return inner.at(tick) if tick < 2**30 else math.nan  # where the clock may stand still

    ups, downs = zip(*paces, strict=True)
    made = pen.joint(
        klr.Paced, inner, steps, ticks, list(ups), list(downs), parts=[inner], top=inner.top, at=at, falls=inner.falls
    )
    return replace(made, marks=(*made.marks, *steps))


JOINTS = {
    klr.Warmup: warmup,
    klr.Sequential: sequential,
    klr.Chain: chain,
    klr.Cooldown: cooldown,
    klr.Bound: bound,
    klr.Reduced: reduced,
    klr.Product: product,
    klr.Sum: total,
    klr.Clip: clip,
    klr.Shifted: shifted,
    klr.Repeat: repeat,
    klr.PerUpdate: per_update,
    klr.Noise: noise,
    klr.Paced: paced,
}


def ours(pen, part, given=None):
    """A part that has our operators: one of Keras is wrapped."""
    if part is None:
        return given if isinstance(given, klr.Schedule) else klr.Product([given])
    if isinstance(part.schedule, klr.Schedule):
        return part
    return replace(part, make=lambda training: klr.Product([part.make(training)]))


def composed(pen: Pen, depth: int, ends: bool = False, inside: bool = False) -> Made:
    """A schedule of at most this depth; with an end if asked for."""
    made = drawn(pen, depth, inside)
    # Not every schedule has an end, but every one can be given one.
    return cooldown(pen, lambda: made) if ends and made.length is None else made


def drawn(pen: Pen, depth: int, inside: bool) -> Made:
    if depth > 1 and (not inside or pen.whole(0, 3)):
        joint = pen.draw(st.sampled_from(list(JOINTS.values())))
        return joint(pen, lambda ends=False: composed(pen, depth - 1, ends, inside=True))
    if inside and pen.whole(0, 6) == 0:
        return foreign(pen)
    return pen.draw(st.sampled_from(list(LEAVES.values())))(pen)


TRAININGS = st.builds(Training, st.integers(1, 50), st.integers(1, 20))


@st.composite
def schedules(draw, depth=5, units=True, vector=False):
    """A schedule of a depth from 1 to `depth`, with what is known of it."""
    pen = Pen(draw, draw(TRAININGS), units)
    made = composed(pen, draw(st.integers(1, depth)))
    if vector and not made.vector:
        made = composed(pen, 1)
    return made
