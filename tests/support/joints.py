"""Random schedules that are made of others. Each function gets the pen, and a function that draws a part."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from hypothesis import assume
from hypothesis import strategies as st

import keras_lr as klr
from support.pen import LAST, SHAPES, Made, Span


def warmup(pen, part):
    inner, span, shape = part(), pen.span(0), pen.one_of("linear", "cosine", "exponential", "polynomial")
    start, n = pen.number(0.01, 1.0) if shape == "exponential" else pen.number(0.0, 1.0), span.steps
    power, overlap = 2.0 if shape == "polynomial" else 1.0, pen.one_of("none", "none", "replace", "join", "multiply")

    def at(step):
        if step >= n:
            return inner.at(step - n if overlap == "none" else step)
        x, goal = step / n, inner.at({"join": n, "multiply": step}.get(overlap, 0))
        if shape == "exponential":
            return goal * start ** (1 - x)
        return goal * (start + (1 - start) * (math.sin(math.pi * x / 2) ** 2 if shape == "cosine" else x**power))

    length = inner.length and (n + inner.length if overlap == "none" else max(n, inner.length))
    length = n if inner.length == 0 else length
    arguments = (inner, span, start, shape, power, None, overlap)
    return pen.joint(klr.Warmup, *arguments, parts=[inner], top=inner.top, at=at, length=length)


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
    assume(before <= LAST)
    length = None if parts[-1].length is None else before + parts[-1].length
    falls = all(p.falls for p in parts) and all(b.at(0) <= a.at(a.length) for a, b in pairwise(parts))
    made = pen.joint(joined, *parts, parts=parts, top=max(p.top for p in parts), at=at, length=length, falls=falls)
    return replace(made, marks=(*made.marks, before))


def cooldown(pen, part):
    inner, start, span, shape = part(), pen.span(0), pen.span(), pen.one_of(*SHAPES)
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
    down = end <= inner.at(start.steps)
    # If the rate rises from 0, the share is a difference of numbers near 1, which is imprecise at the start.
    facts |= {"falls": inner.falls and down, "relative": inner.relative and down}
    made = pen.joint(
        lambda s, *rest: s.cooldown(*rest), ours(pen, inner), start, span, end, shape, parts=[inner], **facts
    )
    return replace(made, marks=(*made.marks, start.steps + n))


def bound(pen, part):
    inner, training = part(), pen.training

    def make(fitted):
        """The inner binding does not depend on the outer one."""
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


def rescaled(pen, part):
    inner, scale, floor = part(), pen.number(0.01, 5.0), pen.one_of(0.0, pen.rate())
    limit = floor + pen.rate()

    def scaled(rate):
        if scale < 1.0:
            return rate if rate <= floor else max(scale * rate, floor)
        return rate if rate >= limit else min(scale * rate, limit)

    facts = {
        "top": scaled(inner.top),
        "at": lambda step: scaled(inner.at(step)),
        "length": inner.length,
        "falls": inner.falls,
    }
    return pen.joint(klr.Rescaled, inner, scale, floor, limit, parts=[inner], **facts)


def product(pen, part):
    parts = [part() for _ in range(pen.whole(1, 3))]
    factor = pen.one_of(1.0, 0.0, pen.number(0.01, 5.0))
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
    """The longest length. Constants do not count, because they have ended from the start."""
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
    # An int32 counter stops at its last step.
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


def per_epoch(pen, part):
    inner, k = part(), pen.draw(st.one_of(st.integers(1, 9), st.integers(1, 5000)))
    length = None if inner.length is None else -(-inner.length // k) * k
    at = lambda step: inner.at(step // k * k)  # noqa: E731
    return pen.joint(klr.PerEpoch, inner, k, parts=[inner], top=inner.top, at=at, length=length, falls=inner.falls)


def noise(pen, part):
    inner, amplitude, seed = part(), pen.number(0.0, 1.0), pen.whole(0, LAST)

    def at(step):
        prime, state = 46337, step % 46337
        for salt in (step // prime % prime, seed % prime, seed // prime % prime):
            for multiplier, increment in ((31607, 7919), (27893, 12347)):
                state = (state * multiplier + salt + increment) % prime
                state = (state * state % prime + 5 * state) % prime
        return inner.at(step) * (1 + amplitude * (state * 2 / prime - 1))

    # A factor near 0 is imprecise.
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
        return inner.at(tick) if tick < 2**30 else math.nan  # the clock may have stopped

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
    klr.Rescaled: rescaled,
    klr.Product: product,
    klr.Sum: total,
    klr.Clip: clip,
    klr.Shifted: shifted,
    klr.Repeat: repeat,
    klr.PerUpdate: per_update,
    klr.PerEpoch: per_epoch,
    klr.Noise: noise,
    klr.Paced: paced,
}


def ours(pen, part, given=None):
    """A part that has the operators of this package. A schedule of Keras is wrapped in a product."""
    if part is None:
        return given if isinstance(given, klr.Schedule) else klr.Product([given])
    if isinstance(part.schedule, klr.Schedule):
        return part
    return replace(part, make=lambda training: klr.Product([part.make(training)]))
