"""The highest rate of a schedule over its whole length, by branch and bound.

A range of steps is divided repeatedly, the most promising range first, until no range can contain a higher rate than
the one found. The upper limit of a range follows from the parts of a schedule: the sum of the limits for a sum, their
product for a product, the amplitude in addition for `Noise`, and so on. Most schedules only rise or only fall between
a few turning points. So the rates there and at both ends of the range are the limit. Other schedules, such as a
user's own, are evaluated step by step.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import keras
import numpy as np

from keras_lr.core import algebra
from keras_lr.core.algebra import Schedule
from keras_lr.core.evaluation import external_rate
from keras_lr.core.fields import STEP_LIMIT, OrNone, Several, StepCount
from keras_lr.core.frozen import declared_arguments
from keras_lr.core.inner import length_of, values_of
from keras_lr.core.tree import LearningRateSchedule, durations, walk
from keras_lr.schedules import combinators, cyclical, decay, installed, stepwise, warmup
from keras_lr.tools.comparison.turning_points import TURNS, following

BLOCK, FEW = 16_384, 256
"""A range of at most so many steps is evaluated step by step; of fewer for Keras's schedules, which may take
milliseconds for each."""

EXACT = 1e-7
"""How much higher, relative to the highest rate found, the rate elsewhere may be: less than float32 resolves."""

EASY, MOST, SLACK = 100, 1_000, 1e-5
"""After so many blocks, each further one raises this tolerance by `SLACK`, up to 1 % after `MOST` more."""

LONG, SHORT = 1_000_000, 10_000
"""Steps that are evaluated of noise or another unknown schedule without an end; fewer if it takes single steps."""

CLOSE = 1e-3
"""Highest rates in trainings of different lengths count as equal up to this relative difference."""

LENGTHS = ((100, 100), (1_000, 90), (10_000, 1_000))
"""Steps per epoch, and epochs, of trainings that are tried if the length is unknown."""

SIZES = (8, 512)
"""Batch sizes that are tried if the batch size is unknown."""


def peak_of(schedule: LearningRateSchedule, training: tuple[int, int] | None = None) -> float:
    """The highest rate of a schedule over its whole length.

    Args:
        schedule: a schedule of this package, of Keras, or a user's own.
        training: steps per epoch, and epochs, for durations in `epochs` and `fraction`. If it is None, the highest rate
            must not depend on them. It must never depend on the batch size.

    Raises:
        ValueError: there is no highest rate: the rate rises without end, is not a number somewhere, or depends on the
            length of the training; or the schedule cannot be bound.
    """
    if not isinstance(schedule, Schedule) or schedule.is_bound:
        return _highest(schedule)
    found: list[float] = []
    sizes = SIZES if any(duration.samples for duration in durations(schedule)) else (None,)
    trainings = list(itertools.product(LENGTHS if training is None else [training], sizes))
    for numbers in trainings:
        (steps_per_epoch, epochs), batch_size = numbers
        try:
            bound = schedule.bind(steps_per_epoch=steps_per_epoch, epochs=epochs, batch_size=batch_size)
        except ValueError:  # the training is too short for a duration in steps
            if not found and numbers == trainings[-1]:
                raise
            continue
        found.append(_highest(bound))
    if max(found) - min(found) > CLOSE * max(found):
        raise ValueError("its highest rate depends on the length of the training, which is unknown")
    return found[-1]


def _highest(schedule: LearningRateSchedule) -> float:
    inside = list(walk(schedule))
    unknown = [part for part in inside if _is_unknown(part)]
    slow = any(map(_takes_one_step, unknown))
    last, length = STEP_LIMIT - 1, None
    if unknown or any(isinstance(part, combinators.Noise) for part in inside):
        length = length_of(schedule)
        last = min(last, length or sum(map(_steps_in, inside)) + (SHORT if slow else LONG))
    is_mixed = any(not isinstance(part, Schedule) for part in inside)
    size = FEW if slow or (is_mixed and not unknown) else BLOCK
    best = _search(schedule, last, size, 2 * SHORT // size if slow else EASY + MOST)
    if not math.isfinite(best):
        raise ValueError("its rate is not a number everywhere")
    if unknown and not length and _rate(schedule, last) == best > _rate(schedule, last - 1):
        raise ValueError(f"it still rises after {last:,} steps, and has no end")
    return best


def _search(schedule: LearningRateSchedule, last: int, size: int, most: int) -> float:
    """The highest rate at the steps from 0 to `last`, by branch and bound, from at most `most` blocks of a size."""
    best, seen = -math.inf, 0
    waiting = [(-ceiling(schedule, 0, last), 0, last)]
    while waiting and -waiting[0][0] > best * (1.0 + max(EXACT, SLACK * (seen - EASY))):
        if seen == most:
            raise ValueError("its highest rate cannot be found in reasonable time")
        _, first, end = heapq.heappop(waiting)
        is_block = end - first < size
        rates = values_of(schedule, np.arange(first, end + 1) if is_block else np.array([first, end]))
        best = max(best, float(rates.max()))
        seen += is_block
        middle = first + (end - first + 1) // 2
        for a, b in () if is_block else ((first, middle - 1), (middle, end)):
            heapq.heappush(waiting, (-ceiling(schedule, a, b), a, b))
    return best


def ceiling(schedule: LearningRateSchedule, first: int, last: int) -> float:
    """An upper limit of the rate at the steps from `first` to `last`; infinite if unknown."""
    twin = _twin(schedule)
    if type(twin) in LIMITS:
        return LIMITS[type(twin)](twin, first, last)
    if type(twin) in TURNS:
        return _highest_at(twin, TURNS[type(twin)](twin, first), first, last)
    length = length_of(schedule)
    return _rate(schedule, length) if length is not None and first >= length else math.inf


def _highest_at(schedule: LearningRateSchedule, turns: Iterable[float], first: int, last: int) -> float:
    """The highest rate at both ends and next to the turning points, which may lie between two steps."""
    steps = {step for turn in turns for step in (math.floor(turn), math.floor(turn) + 1) if first < step < last}
    return float(values_of(schedule, np.array([first, *steps, last])).max())


def _rate(schedule: LearningRateSchedule, step: int) -> float:
    return float(values_of(schedule, step))


STOCK = {
    "ExponentialDecay": decay.ExponentialDecay,
    "InverseTimeDecay": decay.TimeBasedDecay,
    "PolynomialDecay": decay.PolynomialDecay,
    "CosineDecay": decay.CosineDecay,
    "CosineDecayRestarts": cyclical.CosineDecayRestarts,
    "PiecewiseConstantDecay": stepwise.PiecewiseConstantDecay,
}


def _twin(schedule: LearningRateSchedule) -> LearningRateSchedule:
    """The schedule of this package with the formula of one of Keras's; otherwise the schedule itself."""
    name = type(schedule).__name__
    if name in STOCK and type(schedule) is getattr(keras.optimizers.schedules, name):
        try:
            twin: Schedule = STOCK[name](**schedule.get_config())
            return twin
        except (TypeError, ValueError):  # for example a decay that rises
            return schedule
    return schedule


def _is_unknown(part: LearningRateSchedule) -> bool:
    """Whether nothing is known about a schedule, not even its end."""
    is_known = type(_twin(part)) in LIMITS or type(_twin(part)) in TURNS
    return not is_known and length_of(part) is None


def _takes_one_step(part: LearningRateSchedule) -> bool:
    """Whether an external schedule accepts only single steps."""
    calls = 0

    def counted(step: Any) -> Any:
        nonlocal calls
        calls += 1
        return part(step)

    steps = np.arange(64)
    if not isinstance(part, Schedule):
        external_rate(cast(LearningRateSchedule, counted), steps)
    return calls > len(steps)


def _steps_in(part: LearningRateSchedule) -> int:
    """The sum of all durations in the arguments of a schedule."""
    if not isinstance(part, Schedule):
        try:
            values = part.get_config().values()
        except Exception:  # a user's schedule may have none, or raise anything
            return 0
        flat = [item for value in values for item in (value if isinstance(value, list | tuple) else [value])]
        return int(sum(item for item in flat if isinstance(item, int | float) and item < STEP_LIMIT))
    total = 0.0
    for name, value in part.arguments().items():
        kind = declared_arguments(type(part))[name].kind
        kind = kind.item if isinstance(kind, Several) else kind.kind if isinstance(kind, OrNone) else kind
        if isinstance(kind, StepCount) and value is not None:
            total += sum(map(abs, value)) if isinstance(value, tuple) else abs(value)
    return math.ceil(total)


# Upper limits of schedules that are made of others, from the limits of those.


def _zigzag(it: cyclical.CyclicalLearningRate, first: int, last: int) -> float:
    up, down = it.step_size, it._down
    top = following(first, up, up + down)
    if it.mode != "exp_range":
        return _highest_at(it, (top,), first, last)
    plain = cyclical.CyclicalLearningRate(0.0, 1.0, up, down)
    height = _highest_at(plain, (top,), first, last)
    low, high = it.initial_learning_rate, it.maximal_learning_rate
    return low + (high - low) * height * it.gamma**first


def _warmup(it: warmup.Warmup, first: int, last: int) -> float:
    end = last + 1 if it.shape == "saturating" else it.warmup_steps
    delay = it.warmup_steps if it.overlap == "none" else 0
    after = ceiling(it.schedule, max(first, end) - delay, last - delay) if last >= end else -math.inf
    steps = np.array([first, min(last, end - 1)])
    if first >= end:
        return after
    if it.overlap != "multiply":
        return max(after, float(values_of(it, steps).max()))
    # If the goal is the highest one everywhere, the rate only rises or only falls in the range.
    goal = ceiling(it.schedule, first, int(steps[1]))
    return max(after, float(it.risen(steps, goal).max())) if math.isfinite(goal) else math.inf


def _joined(schedules: Sequence[LearningRateSchedule], boundaries: Sequence[int], first: int, last: int) -> float:
    found = -math.inf
    for part, start, end in zip(schedules, (0, *boundaries), (*boundaries, last + 1), strict=True):
        a, b = max(first, start), min(last, end - 1)
        if a <= b:
            found = max(found, ceiling(part, a - start, b - start))
    return found


def _cooldown(it: algebra.Cooldown, first: int, last: int) -> float:
    before = ceiling(it.schedule, first, min(last, it.at - 1)) if first < it.at else -math.inf
    return max(before, *values_of(it, np.array([max(first, it.at), last])).tolist()) if last >= it.at else before


def _product(it: algebra.Product, first: int, last: int) -> float:
    limits = [it.factor, *(ceiling(part, first, last) for part in it.schedules)]
    return math.prod(limits) if all(limits) else 0.0


def _clip(it: algebra.Clip, first: int, last: int) -> float:
    return min(max(ceiling(it.schedule, first, last), it.low), math.inf if it.high is None else it.high)


def _reduced(it: installed.Reduced, first: int, last: int) -> float:
    if it.scale == 0.0:
        return it.min_lr
    inner = ceiling(it.schedule, first, last)
    return max(it.scale * inner, min(inner, it.min_lr))


def _rescaled(it: installed.Rescaled, first: int, last: int) -> float:
    inner = ceiling(it.schedule, first, last)
    return min(max(it.scale * inner, min(inner, it.min_lr)), max(inner, it.max_lr))


def _repeat(it: combinators.Repeat, first: int, last: int) -> float:
    times, start = divmod(first, it.every)
    more = last // it.every - times
    found = ceiling(it.schedule, start, it.every - 1 if more else last % it.every) * it.factor**times
    if more:
        end = it.every - 1 if more > 1 else last % it.every
        found = max(found, ceiling(it.schedule, 0, end) * it.factor ** (times + 1))
    return found


def _shifted(it: algebra.Shifted, first: int, last: int) -> float:
    return ceiling(it.schedule, max(first + it.steps, 0), max(last + it.steps, 0))


def _paced(it: installed.Paced, first: int, last: int) -> float:
    return ceiling(it.schedule, int(it.ticks_at(np.int64(first))), int(it.ticks_at(np.int64(last))))


LIMITS: dict[type, Callable[[Any, int, int], float]] = {
    cyclical.CyclicalLearningRate: _zigzag,
    cyclical.OppositePhase: lambda it, first, last: float(it.high),
    warmup.Warmup: _warmup,
    combinators.Sequential: lambda it, first, last: _joined(it.schedules, it.boundaries, first, last),
    algebra.Chain: lambda it, first, last: _joined(it.schedules, it._boundaries(), first, last),
    algebra.Cooldown: _cooldown,
    algebra.Bound: lambda it, first, last: ceiling(it.in_steps, first, last),
    stepwise.Tabulated: lambda it, first, last: max(
        it.levels[min(first // it.every, len(it.levels) - 1) : last // it.every + 1]
    ),
    installed.Paced: _paced,
    installed.Reduced: _reduced,
    installed.Rescaled: _rescaled,
    algebra.Product: _product,
    algebra.Sum: lambda it, first, last: sum(ceiling(part, first, last) for part in it.schedules),
    algebra.Clip: _clip,
    algebra.Shifted: _shifted,
    combinators.Repeat: _repeat,
    combinators.PerEpoch: lambda it, first, last: ceiling(
        it.schedule, first // it.steps_per_epoch * it.steps_per_epoch, last
    ),
    combinators.PerUpdate: lambda it, first, last: ceiling(
        it.schedule, first // it.accumulation_steps, last // it.accumulation_steps
    ),
    combinators.Noise: lambda it, first, last: ceiling(it.schedule, first, last) * (1.0 + it.amplitude * LOUDEST),
}


def _loudest() -> float:
    """The largest n(t) of `Noise`. Its hash ends with s² + 5s, which does not have every value modulo the prime.

    It has the value v if 25 + 4v is a square: s = (−5 ± √(25 + 4v))/2.
    """
    prime = combinators.PRIME
    top = next(v for v in range(prime - 1, 0, -1) if pow(25 + 4 * v, (prime - 1) // 2, prime) in (0, 1))
    return top * 2.0 / prime - 1.0


LOUDEST: float = _loudest()
