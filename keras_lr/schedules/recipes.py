"""Schedules for a whole training: warmup-stable-decay and one-cycle."""

from __future__ import annotations

import math
from typing import Literal, SupportsFloat

from keras_lr.core.algebra import Schedule
from keras_lr.core.curves import (
    FallShape,
    Step,
    Value,
    clip,
    cosine,
    fall,
    halving,
    maximum,
    minimum,
    mix,
    progress,
    real,
    since,
    where,
)
from keras_lr.core.describe import FULL_NAMES, lengths
from keras_lr.core.fields import FLOAT32_MAX, Positive, Rate, Share, Steps, StepsOrNone, StepsOrZero, Switch
from keras_lr.schedules.cyclical import OppositePhase
from keras_lr.schedules.decay import falls

StableShape = Literal[FallShape, "halving"]
Strategy = Literal["cos", "linear"]


class WarmupStableDecay(Schedule):
    """A trapezoid: a linear warmup from 0, a long flat part, and a fall at the end.

    f(t) = lr · t/warmup_steps                                        in the warmup
    f(t) = lr                                                         in the flat part
    f(t) = end + (lr − end) · s(x),  x from 0 to 1 over decay_steps   in the last `decay_steps`

    where s is 1 − x ("linear"), (1 + cos πx)/2 ("cosine"), 1 − √x ("sqrt"), 2·0.5^x − 1
    ("exponential", Megatron-LM's decay style of this name), or 0.5^(n/half_life) after n steps of the
    fall ("halving"). Only "halving" does not reach the end rate. Hu et al. 2024, "MiniCPM", arXiv
    2404.06395, section 4. "halving" is how MiniCPM itself was annealed (section 6.2), with a half-life
    of 5,000 steps. Hägele et al. 2024, arXiv 2405.18392, compare shapes. To end a training that was
    planned without an end, use `cooldown`.

    Args:
        learning_rate: rate of the flat part.
        total_steps: steps of all three parts.
        warmup_steps: steps of the warmup.
        decay_steps: steps of the fall.
        end_learning_rate: rate after the last step, at most `learning_rate`. With "halving", the
            rate that it approaches.
        shape: "linear", "cosine", "sqrt", "exponential" or "halving".
        half_life: for "halving", the steps after which half of the fall is left.

    Raises:
        TypeError, ValueError: an argument is not allowed, the parts do not fit into `total_steps`, or
            `half_life` is missing for "halving" or given for another shape.

    Example:
        >>> WarmupStableDecay(0.4, 100, 10, 20).values([0, 5, 10, 80, 90, 100]).round(6).tolist()
        [0.0, 0.2, 0.4, 0.4, 0.2, 0.0]
        >>> minicpm = WarmupStableDecay(0.4, 100, 10, 20, shape="halving", half_life=10)
        >>> minicpm.values([80, 90, 100, 110]).round(6).tolist()
        [0.4, 0.2, 0.1, 0.1]
    """

    template = (
        "<a linear warmup over {warmup_steps:steps} from 0, then >{learning_rate}"
        "<, then over the last {decay_steps:steps} {_fall} {end_learning_rate}> ({total_steps:steps} in all)"
    )
    learning_rate: Rate
    total_steps: Steps
    warmup_steps: StepsOrZero
    decay_steps: StepsOrZero
    end_learning_rate: Rate = 0.0
    shape: StableShape = "linear"
    half_life: StepsOrNone = None

    def validate(self) -> None:
        falls(self, "learning_rate", "end_learning_rate")
        if (self.shape == "halving") != (self.half_life is not None):
            allowed = "a number of steps when" if self.shape == "halving" else "None unless"
            self.refuse("half_life", f"{allowed} `shape` is 'halving'")

    def validate_steps(self) -> None:
        if self.warmup_steps + self.decay_steps > self.total_steps:
            self.refuse("total_steps", f"at least warmup and decay together ({self.warmup_steps + self.decay_steps})")

    def length(self) -> int | None:
        return self.total_steps

    def rate(self, step: Step) -> Value:
        value = real(step) * 0.0 + self.learning_rate
        if self.warmup_steps:
            value = where(step < self.warmup_steps, self.learning_rate * progress(step, self.warmup_steps), value)
        if self.decay_steps:
            start = self.total_steps - self.decay_steps
            gone = since(step, start)
            if self.half_life is None:
                share = fall(self.shape, gone, self.decay_steps)
            else:
                share = halving(minimum(gone, self.decay_steps), self.half_life)
            value = where(step >= start, mix(self.end_learning_rate, self.learning_rate, share), value)
        return value

    @property
    def _fall(self) -> str:
        """The shape of the fall, for the template."""
        if self.half_life is None:
            return f"a {FULL_NAMES.get(self.shape, self.shape)} fall to"
        return f"a fall by half every {lengths([self.half_life], 'steps')} towards"


class OneCycle(Schedule):
    """One rise to a high rate and one long fall to far below the start, for short trainings.

    f(t) = a + (b − a) · s(x),  x from 0 to 1 in the phase that goes from rate a to rate b

    The rate rises from max/div_factor to max in the first pct_start of the steps. Then it falls to
    max/(div_factor·final_div_factor) at the last step. With `three_phase`, it first falls back to
    max/div_factor in as many steps as the rise, then to the end. Each phase is half a cosine,
    s = (1 − cos πx)/2 ("cos"), or a straight line, s = x ("linear").

    Smith & Topin 2018, "Super-Convergence", arXiv 1708.07120. All values equal those of torch's
    `OneCycleLR` in its `total_steps` steps: the phases end at the (fractional) steps
    pct_start·total_steps − 1, with three phases 2·pct_start·total_steps − 2, and total_steps − 1.
    So a rise of less than one step is over at step 0, where the rate is below the peak. A rise of
    exactly one step starts at the peak; torch divides by zero there. After the last step the rate
    stays the same; torch returns one more value (the cosine turns upwards, the line goes below 0)
    and then raises. Three phases with a rise of more than half of the steps are refused; torch cuts
    off the second phase.

    Args:
        max_learning_rate: the peak.
        total_steps: all steps of the training.
        pct_start: the rise as a fraction of all steps, in [0, 1]; at most 1/2 with three phases.
        anneal_strategy: "cos" or "linear".
        div_factor: peak / start, > 0.
        final_div_factor: start / end, > 0.
        three_phase: whether to fall in two phases.

    Raises:
        TypeError, ValueError: an argument is not allowed, or three phases do not fit.

    Example:
        >>> OneCycle(1.0, 10).values([0, 1, 2, 5, 9]).round(4).tolist()
        [0.04, 0.52, 1.0, 0.6113, 0.0]
    """

    template = (
        "one {anneal_strategy} cycle over {total_steps:steps}, from {_start} up to {max_learning_rate} in the first "
        "{pct_start:%} and down to {_end}{three_phase: in two phases}"
    )
    max_learning_rate: Rate
    total_steps: Steps
    pct_start: Share = 0.3
    anneal_strategy: Strategy = "cos"
    div_factor: Positive = 25.0
    final_div_factor: Positive = 1e4
    three_phase: Switch = False

    def validate(self) -> None:
        if self.three_phase and self.pct_start > 0.5:
            self.refuse("pct_start", "at most 0.5 with three phases")
        start = self.max_learning_rate / self.div_factor
        if start > FLOAT32_MAX:
            self.refuse("div_factor", "large enough for a finite start")
        if start / self.final_div_factor > FLOAT32_MAX:
            self.refuse("final_div_factor", "large enough for a finite end")

    def length(self) -> int | None:
        return self.total_steps

    def cycle_end_after(self, step: int) -> int | None:
        return self.total_steps if step < self.total_steps else None

    def rate(self, step: Step) -> Value:
        return self._course(step, self._start, self.max_learning_rate, self._end)

    @property
    def _start(self) -> float:
        return self.max_learning_rate / self.div_factor

    @property
    def _end(self) -> float:
        return self._start / self.final_div_factor

    def height(self, step: Step) -> Value:
        """The position between start (0) and peak (1). The end counts as 0 too."""
        return self._course(step, 0.0, 1.0, 0.0)

    def momentum(self, low: SupportsFloat = 0.85, high: SupportsFloat = 0.95) -> OppositePhase:
        """A momentum in opposite phase: from `high` down to `low` at the peak of the rate, and back.

        momentum(t) = high − (high − low) · h(t), where h(t) is the height of the cycle, 1 at the peak.
        This is torch's cycled momentum.

        Args:
            low: momentum at the peak of the rate, in [0, 1).
            high: momentum at start and end, in [low, 1).

        Returns:
            A schedule for `Scheduled(optimizer, momentum=…)`.

        Raises:
            TypeError, ValueError: an argument is not allowed, or `low` is above `high`.

        Example:
            >>> OneCycle(1.0, 10).momentum().values([0, 1, 2, 9]).round(6).tolist()
            [0.95, 0.9, 0.85, 0.95]
        """
        return OppositePhase(self, low, high)

    def _course(self, step: Step, start: float, peak: float, end: float) -> Value:
        """The value of the cycle, for three levels."""
        last = self.total_steps - 1
        top = self.pct_start * self.total_steps - 1.0  # below 0 if the rise is over before the first step
        middle = 2.0 * top
        if not self.three_phase:
            falling = self._phase(step, top, last, peak, end)
        else:
            falling = where(
                real(step) <= middle,
                self._phase(step, top, middle, peak, start),
                self._phase(step, middle, last, start, end),
            )
        return where(real(step) <= top, self._phase(step, 0.0, top, start, peak), falling)

    def _phase(self, step: Step, start: float, end: float, before: float, after: float) -> Value:
        """One phase: from `before` at (fractional) step `start` to `after` at `end`."""
        if end <= start:
            return real(step) * 0.0 + after
        # Integers first: whole steps are subtracted exactly, then the fractions.
        first, last = math.floor(start), math.ceil(end)
        held = clip(step, first, last)
        # Beyond 2**24, float32 may put a step into the other phase, where the share is just outside [0, 1].
        left = minimum(maximum((real(last - held) - (last - end)) / (end - start), 0.0), 1.0)
        return mix(after, before, cosine(left) if self.anneal_strategy == "cos" else left)
