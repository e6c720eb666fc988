"""Schedules that rise repeatedly: triangles, waves, cosines with restarts."""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from typing import Any, Literal, SupportsFloat

from keras_lr.core.algebra import AnySchedule, Schedule
from keras_lr.core.curves import (
    Step,
    Value,
    cosine,
    exact,
    lookup_steps,
    minimum,
    mix,
    power,
    real,
    segment,
    where,
)
from keras_lr.core.fields import (
    STEP_LIMIT,
    Factor,
    Length,
    LengthOrNone,
    Momentum,
    Positive,
    Rate,
    Share,
    StringOrNone,
)
from keras_lr.core.inner import FollowsInner
from keras_lr.core.ratios import nearest
from keras_lr.core.turns import as_whole, multiple_after, turn

MOST_RESTARTS = 100_000

Mode = Literal["triangular", "triangular2", "exp_range"]


class CyclicalLearningRate(Schedule):
    """A zigzag between two rates, of constant, halving or shrinking height.

    f(t) = low + (high − low) · x · s, where x rises from 0 to 1 over `step_size` steps and
    falls back over `step_size_down`, and s is 1 ("triangular"), 2^−cycle with cycles
    counted from 0 ("triangular2"), or gamma^t ("exp_range").

    Smith 2015, arXiv 1506.01186, section 3. As in the paper, `step_size` is half a cycle. All
    values equal those of torch's `CyclicLR`: the exponent of gamma counts steps from the start of
    the training, and only the height shrinks, not the lower rate.

    Args:
        initial_learning_rate: the lower rate, at step 0.
        maximal_learning_rate: the upper rate, at least the lower one.
        step_size: steps of the rise.
        step_size_down: steps of the fall; `step_size` by default.
        mode: "triangular", "triangular2" or "exp_range".
        gamma: factor of the height per step for "exp_range", in (0, 1].

    Raises:
        TypeError, ValueError: an argument is not allowed, the upper rate is below the lower one, or
            `gamma` is given for another mode.

    Example:
        >>> CyclicalLearningRate(0.1, 1.0, 4).values([0, 2, 4, 8]).round(6).tolist()
        [0.1, 0.55, 1.0, 0.1]
    """

    template = (
        "cycles ({mode}) between {initial_learning_rate} and {maximal_learning_rate}, {step_size:steps} up and "
        "{_down:steps} down<, their height multiplied by {gamma} every step>"
    )
    initial_learning_rate: Rate
    maximal_learning_rate: Rate
    step_size: Length
    step_size_down: LengthOrNone = None
    mode: Mode = "triangular"
    gamma: Factor = 1.0

    def validate(self) -> None:
        rises(self)
        if self.mode != "exp_range" and self.gamma != 1.0:
            self.refuse("gamma", f"1.0 unless `mode` is 'exp_range' (it is {self.mode!r})")

    def validate_steps(self) -> None:
        if self.step_size + self._down >= 2**31:
            self.refuse("step_size_down", "so short that a cycle has fewer than 2**31 steps")

    @property
    def _down(self) -> float:
        return self.step_size if self.step_size_down is None else self.step_size_down

    def cycle_end_after(self, step: int) -> int | None:
        return multiple_after(step, exact(self.step_size) + exact(self._down), math.ceil)

    def rate(self, step: Step) -> Value:
        return mix(self.initial_learning_rate, self.maximal_learning_rate, self.height(step))

    def height(self, step: Step) -> Value:
        """The position of the zigzag between the lower rate (0) and the upper rate (1)."""
        up, down = self.step_size, self._down
        whole = up + down if isinstance(up, int) and isinstance(down, int) else exact(up) + exact(down)
        now = turn(step, whole)
        height = minimum(minimum(now.since / float(up), now.until / float(down)), 1.0)
        if self.mode == "triangular2":
            height = height * power(0.5, now.count)
        if self.mode == "exp_range":
            height = height * power(self.gamma, step)
        return height

    def momentum(self, low: SupportsFloat = 0.8, high: SupportsFloat = 0.9) -> OppositePhase:
        """A momentum in opposite phase: `high` where the rate is low, and `low` at its peak.

        momentum(t) = high − (high − low) · x · s, with x and s as for the rate. This is torch's cycled
        momentum.

        Args:
            low: momentum at the peak of the rate, in [0, 1).
            high: momentum at the lower rate, in [low, 1).

        Returns:
            A schedule for `Scheduled(optimizer, momentum=…)`.

        Raises:
            TypeError, ValueError: an argument is not allowed, or `low` is above `high`.

        Example:
            >>> CyclicalLearningRate(0.1, 1.0, 4).momentum().values([0, 2, 4]).round(6).tolist()
            [0.9, 0.85, 0.8]
        """
        return OppositePhase(self, low, high)


class OppositePhase(FollowsInner, Schedule):
    """A momentum that is low where the rate of a cycle is high: the result of `momentum` of a cycle.

    f(t) = high − (high − low) · h(t), where h(t) from 0 to 1 is the height of the cycle

    Smith 2018, arXiv 1803.09820, section 4.3. All values equal the momentum of torch's `CyclicLR`
    and `OneCycleLR`. In a three-phase cycle, it is back at `high` after the second phase and stays
    there.

    Args:
        schedule: a `OneCycle` or `CyclicalLearningRate`.
        low: momentum at the peak of the rate, in [0, 1).
        high: momentum at the lowest rate, in [low, 1).

    Raises:
        TypeError, ValueError: an argument is not allowed, `schedule` is of another class, or `low` is above `high`.

    Example:
        >>> OppositePhase(CyclicalLearningRate(0.1, 1.0, 4), 0.8, 0.9).values([0, 2, 4]).round(6).tolist()
        [0.9, 0.85, 0.8]
    """

    template = "{high} down to {low} and back, in the opposite phase to {schedule}"
    schedule: AnySchedule
    low: Momentum
    high: Momentum

    def validate(self) -> None:
        if not hasattr(self.schedule, "height"):
            self.refuse("schedule", "a `OneCycle` or a `CyclicalLearningRate`")
        if self.low > self.high:
            self.refuse("low", f"at most `high` ({self.high!r})")

    def rate(self, step: Step) -> Value:
        cycle: Any = self.schedule
        return mix(self.high, self.low, cycle.height(step))


class SinusoidalLearningRate(Schedule):
    """A smooth wave between two rates.

    f(t) = low + (high − low) · (1 − cos(π·t/step_size))/2

    The sinusoidal (Hann) window, which Smith 2015, arXiv 1506.01186, section 3, compared with the
    triangular one. For waves that shrink, multiply it by a decay.

    Args:
        initial_learning_rate: the lower rate, at step 0.
        maximal_learning_rate: the upper rate, at least the lower one.
        step_size: steps of a rise, which is half a cycle.

    Raises:
        TypeError, ValueError: an argument is not allowed, or the upper rate is below the lower one.

    Example:
        >>> SinusoidalLearningRate(0.1, 0.5, 4).values([0, 2, 4, 6, 8]).round(6).tolist()
        [0.1, 0.3, 0.5, 0.3, 0.1]
    """

    template = (
        "waves between {initial_learning_rate} and {maximal_learning_rate}, {step_size:steps} from one to the other"
    )
    initial_learning_rate: Rate
    maximal_learning_rate: Rate
    step_size: Length

    def validate(self) -> None:
        rises(self)

    def cycle_end_after(self, step: int) -> int | None:
        return multiple_after(step, 2 * exact(self.step_size), math.ceil)

    def rate(self, step: Step) -> Value:
        now = turn(step, self.step_size)
        up = where(now.count % 2 == 0, now.since, now.until) / float(self.step_size)
        return mix(self.initial_learning_rate, self.maximal_learning_rate, cosine(up))


class CosineDecayRestarts(Schedule):
    """Half cosines from a peak to a floor, with restarts. Cycles can become longer and lower.

    f(t) = initial · (alpha + (1 − alpha) · m_mul^i · (1 + cos(π·x))/2)

    in cycle i, which has ``first_decay_steps · t_mul^i`` steps; x goes from 0 to 1 in it.
    Loshchilov & Hutter 2017, "SGDR", arXiv 1608.03983, equation 5. As Keras, except that cycles
    start at whole steps (the sum of the lengths, rounded once). So every restart begins exactly at
    the peak, on every backend and at any step. Keras computes the cycle by a float32 logarithm, and
    returns NaN after the end of shrinking cycles.

    Args:
        initial_learning_rate: rate at step 0.
        first_decay_steps: steps of the first cycle.
        t_mul: length of a cycle relative to the one before, > 0. Below 1, the cycles end after
            first_decay_steps/(1 − t_mul) steps in total, and the rate stays at the floor.
        m_mul: height of a cycle relative to the one before, in (0, 1].
        alpha: the floor as a fraction of the initial rate, in [0, 1].
        name: accepted because Keras has it.

    Raises:
        TypeError, ValueError: an argument is not allowed, or `t_mul` is not 1 and leads to more than
            100,000 cycles before step 2**31.

    Example:
        >>> CosineDecayRestarts(0.4, 10, m_mul=0.5).values([0, 5, 10, 20, 30]).round(6).tolist()
        [0.4, 0.2, 0.2, 0.1, 0.1]
    """

    template = (
        "cosines from {initial_learning_rate} to {_floor}, the first over {first_decay_steps:steps}, "
        "each {t_mul:times} long and {m_mul:times} high as the one before"
    )
    initial_learning_rate: Rate
    first_decay_steps: Length
    t_mul: Positive = 2.0
    m_mul: Factor = 1.0
    alpha: Share = 0.0
    name: StringOrNone = None

    def validate_steps(self) -> None:
        if self.t_mul != 1.0 and len(restarts(self.first_decay_steps, self.t_mul)) > MOST_RESTARTS:
            self.refuse("t_mul", f"1, or such that there are at most {MOST_RESTARTS:,} restarts")

    def cycle_end_after(self, step: int) -> int | None:
        if self.t_mul == 1.0:
            return multiple_after(step, exact(self.first_decay_steps), nearest)
        starts = restarts(self.first_decay_steps, self.t_mul)
        place = bisect_right(starts, step)
        return starts[place] if place < len(starts) and starts[place] < STEP_LIMIT - 1 else None

    def rate(self, step: Step) -> Value:
        if self.t_mul == 1.0:
            cycle, left = restarted(step, self.first_decay_steps)
        else:
            starts = restarts(self.first_decay_steps, self.t_mul)
            held = minimum(step, starts[-1])
            cycle = segment(held, starts[1:-1])
            start, end = lookup_steps(starts[:-1], cycle, step), lookup_steps(starts[1:], cycle, step)
            left = real(end - held) / real(end - start)
        height = cosine(left) if self.m_mul == 1.0 else power(self.m_mul, cycle) * cosine(left)
        return self.initial_learning_rate * mix(self.alpha, 1.0, height)

    @property
    def _floor(self) -> float:
        return self.alpha * self.initial_learning_rate


def restarted(step: Step, length: float) -> tuple[Step, Value]:
    """For cycles of one length, begun at the nearest whole steps: the index of a step's cycle, and the share left."""
    now = turn(step, length)
    if now.parts == 1:
        return now.count, real(now.left) / real(now.gone + now.left)
    # Half a step before its exact start, the next cycle has begun already at this step.
    begun = as_whole((now.left == 0) & (2 * now.left_parts < now.parts), now.count)
    gone = now.gone + as_whole(2 * now.gone_parts > now.parts, now.count)
    to_go = now.left + as_whole(2 * now.left_parts >= now.parts, now.count)
    return now.count + begun, real(to_go + gone * begun) / real(gone + to_go)


@lru_cache(maxsize=64)
def restarts(first: float, ratio: float) -> tuple[int, ...]:
    """The whole steps at which cycles start, up to the last one that fits into an int32."""
    starts = [0]
    growth = math.log(ratio)
    while starts[-1] < STEP_LIMIT - 1 and len(starts) <= MOST_RESTARTS + 1:
        # first · (ratio^i − 1)/(ratio − 1), also for ratios very near to 1.
        exponent = len(starts) * growth
        # If e^x is too large for a float, the cycle lasts beyond every step.
        total = first * math.expm1(exponent) / math.expm1(growth) if exponent < 700.0 else math.inf
        following = math.floor(min(total, STEP_LIMIT - 1.5) + 0.5)
        if following == starts[-1]:
            break
        starts.append(following)
    return tuple(starts)


def rises(schedule: CyclicalLearningRate | SinusoidalLearningRate) -> None:
    """Refuse an upper rate below the lower one."""
    if schedule.maximal_learning_rate < schedule.initial_learning_rate:
        low = schedule.initial_learning_rate
        schedule.refuse("maximal_learning_rate", f"at least `initial_learning_rate` ({low!r})")
