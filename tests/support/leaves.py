"""Random schedules that are not made of others, of this package and Keras. Each function gets the pen."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import keras
from hypothesis import strategies as st

import keras_lr as klr
from support.backend import BACKEND
from support.pen import LAST, SHAPES


def falling(rates: list[float]) -> bool:
    return all(b <= a for a, b in pairwise(rates))


def constant(pen):
    rate = pen.rate()
    # A constant is at its end from the start, but its `duration` is None.
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


def hyperbola(pen):
    rate, span, more, shape = pen.rate(), pen.span(), pen.whole(0, 40), pen.one_of("linear", "exponential")
    rate = max(rate, 1e-3) if shape == "exponential" else rate
    infimum = pen.rate(rate) if shape == "linear" else rate * pen.number(0.01, 1.0)
    facts = {"top": rate, "length": span.steps, "falls": True, "blur": 2}
    return pen.leaf(klr.HyperbolicLR, rate, span, pen.written(min(span.steps + more, LAST)), infimum, shape, **facts)


def power_law(pen):
    rate = pen.rate()
    return pen.leaf(klr.PowerLawDecay, rate, pen.span(), pen.number(0.1, 3.0), top=rate, falls=True)


def inverse_square_root(pen):
    rate = pen.rate()
    return pen.leaf(klr.InverseSquareRootDecay, rate, pen.span(), top=rate)


def stable(pen):
    rate, warm, decay = pen.rate(), pen.whole(0, 40), pen.whole(0, 40)
    total = pen.written(max(warm + decay + pen.whole(0, 40), 1))
    shape = pen.one_of(*SHAPES, "halving")
    half_life = pen.span() if shape == "halving" else None
    arguments = (rate, total, pen.written(warm), pen.written(decay), pen.rate(rate), shape, half_life)
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
    klr.HyperbolicLR: hyperbola,
    klr.PowerLawDecay: power_law,
    klr.InverseSquareRootDecay: inverse_square_root,
    klr.WarmupStableDecay: stable,
    klr.CyclicalLearningRate: cyclical,
    klr.SinusoidalLearningRate: sinusoidal,
    klr.CosineDecayRestarts: restarts,
    klr.OneCycle: one_cycle,
    klr.OppositePhase: opposite,
}


# Schedules of Keras, which occur only inside those of this package. The length of stairs and powers is a power of two,
# because Keras divides in float32, where XLA multiplies by the inverse. Its PolynomialDecay would be NaN past an end of
# 48 steps.

THEIRS = keras.optimizers.schedules
FOREIGN = {"size": 0.0, "blur": 4, "relative": False, "exact": False}


def external(pen):
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
        # On torch it adds to a scalar in place, which fails with an array.
        return leaf(THEIRS.PiecewiseConstantDecay, edges, rates, at=at, size=max(rates), vector=BACKEND != "torch")
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
