"""Falls of other shapes, each from a paper: REX, k-decay, tanh, hyperbolic, power law, inverse square root."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from keras_lr.core.algebra import Schedule
from keras_lr.core.curves import (
    Step,
    Value,
    at_least,
    ceiling,
    clip,
    cosine,
    exact,
    exponential,
    exponential_less_one,
    is_before,
    log_less,
    minimum,
    mix,
    progress,
    raised,
    real,
    remaining,
    root,
    until,
    where,
)
from keras_lr.core.fields import Length, Positive, Rate, Real
from keras_lr.core.typed import Number
from keras_lr.schedules.decay import falls

Bend = Annotated[Number[float], Real("a number in [-1000, 1000]", -1000.0, 1000.0)]

KShape = Literal["polynomial", "cosine"]
HyperbolicShape = Literal["linear", "exponential"]


class REXDecay(Schedule):
    """A curve that stays high for long and falls faster and faster ("reflected exponential").

    f(t) = end + (initial − end) · (1 − x) / (1 − x/2),  x = min(t/decay_steps, 1)

    Chen et al. 2021, "REX: Revisiting Budgeted Training with an Improved Schedule", arXiv
    2107.04197.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps until the end rate.
        end_learning_rate: rate from there on, at most the initial one.

    Raises:
        TypeError, ValueError: an argument is not allowed, or the end rate is above the initial one.

    Example:
        >>> REXDecay(0.3, 100).values([0, 50, 100]).round(6).tolist()
        [0.3, 0.2, 0.0]
    """

    template = "a REX curve from {initial_learning_rate} to {end_learning_rate} over {decay_steps:steps}"
    initial_learning_rate: Rate
    decay_steps: Length
    end_learning_rate: Rate = 0.0

    def validate(self) -> None:
        falls(self, "initial_learning_rate", "end_learning_rate")

    def length(self) -> int | None:
        return ceiling(self.decay_steps)

    def rate(self, step: Step) -> Value:
        left = remaining(step, self.decay_steps)
        return mix(self.end_learning_rate, self.initial_learning_rate, 2.0 * left / (1.0 + left))


class KDecay(Schedule):
    """A polynomial or cosine decay that stays near its start longer, the larger `k` is.

    f(t) = end + (initial − end) · (1 − x^k)^power          (shape "polynomial")
    f(t) = end + (initial − end) · (1 + cos(π·x^k))/2       (shape "cosine"),  x = min(t/decay_steps, 1)

    Zhang & Li 2020, "k-decay: A New Method for Learning Rate Schedule", arXiv 2004.05909. As
    timm's `PolyLRScheduler` and `CosineLRScheduler`.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps until the end rate.
        k: exponent of the time, > 0; 1 is the plain decay.
        end_learning_rate: rate from there on, at most the initial one.
        power: exponent of the polynomial, > 0.
        shape: "polynomial" or "cosine".

    Raises:
        TypeError, ValueError: an argument is not allowed, the end rate is above the initial one, or
            `power` is given for the cosine.

    Example:
        >>> KDecay(1.0, 100, 2.0, shape="cosine").values([25, 50, 75]).round(4).tolist()
        [0.9904, 0.8536, 0.4025]
    """

    template = (
        "a {shape} k-decay from {initial_learning_rate} to {end_learning_rate} over {decay_steps:steps} with k = {k}"
        "< and power {power}>"
    )
    initial_learning_rate: Rate
    decay_steps: Length
    k: Positive
    end_learning_rate: Rate = 0.0
    power: Positive = 1.0
    shape: KShape = "polynomial"

    def validate(self) -> None:
        falls(self, "initial_learning_rate", "end_learning_rate")
        if self.shape == "cosine" and self.power != 1.0:
            self.refuse("power", "1.0 when `shape` is 'cosine'")

    def length(self) -> int | None:
        return ceiling(self.decay_steps)

    def rate(self, step: Step) -> Value:
        gone = raised(progress(step, self.decay_steps), self.k)
        # 1 − x^k. In the second half, where it falls to 0, it is computed from the remaining steps.
        late = -exponential_less_one(self.k * log_less(minimum(remaining(step, self.decay_steps), 0.5)))
        left = where(2.0 * progress(step, self.decay_steps) < 1.0, 1.0 - gone, late)
        share = cosine(left) if self.shape == "cosine" else raised(left, self.power)
        return mix(self.end_learning_rate, self.initial_learning_rate, share)


class TanhDecay(Schedule):
    """An S-shaped curve with a long flat start and a steep middle: a hyperbolic tangent.

    f(t) = end + (initial − end) · (1 − tanh(lower + (upper − lower)·x))/2,  x = min(t/decay_steps, 1)

    Hsueh et al. 2019, "Stochastic Gradient Descent with Hyperbolic-Tangent Decay", arXiv
    1806.01593. As in the paper, the start and end rates are not quite reached: with upper = 3,
    0.25 % of the fall are left at the end.

    Args:
        initial_learning_rate: the upper rate.
        decay_steps: steps of the fall.
        end_learning_rate: the lower rate, at most the initial one.
        lower: argument of tanh at step 0.
        upper: argument of tanh at the end, above `lower`.

    Raises:
        TypeError, ValueError: an argument is not allowed, the end rate is above the initial one, or
            `upper` is not above `lower`.

    Example:
        >>> TanhDecay(1.0, 100, lower=-7.0).values([0, 50, 75, 100]).round(4).tolist()
        [1.0, 0.982, 0.2689, 0.0025]
    """

    template = (
        "a tanh curve from {initial_learning_rate} to {end_learning_rate} over {decay_steps:steps}"
        ", from tanh({lower}) to tanh({upper})"
    )
    initial_learning_rate: Rate
    decay_steps: Length
    end_learning_rate: Rate = 0.0
    lower: Bend = -6.0
    upper: Bend = 3.0

    def validate(self) -> None:
        falls(self, "initial_learning_rate", "end_learning_rate")
        if self.upper - self.lower < 1e-6:
            self.refuse("upper", f"above `lower` ({self.lower!r})")

    def length(self) -> int | None:
        return ceiling(self.decay_steps)

    def rate(self, step: Step) -> Value:
        # (1 − tanh z)/2 = 1/(1 + e^2z) does not cancel. z is computed from the step nearest to its
        # zero, since its error matters most there.
        slope = (self.upper - self.lower) / self.decay_steps
        middle = min(max(round(-self.lower / slope), 0), int(self.decay_steps))
        offset = self.lower + slope * middle
        argument = real(clip(step, 0, ceiling(self.decay_steps)) - middle) * (2.0 * slope) + 2.0 * offset
        # From e^80 on the share is 0 in float32, and e^89 would be infinite.
        share = 1.0 / (1.0 + exponential(minimum(argument, min(2.0 * self.upper, 80.0))))
        return mix(self.end_learning_rate, self.initial_learning_rate, share)


class HyperbolicLR(Schedule):
    """A part of a hyperbola. Its start hardly depends on the length of the training.

    f(t) = lr + (lr − inf) · (h(t) − h(0))     (shape "linear")
    f(t) = lr · (lr/inf)^(h(t) − h(0))         (shape "exponential")

    where h(t) = √((N − t)/U · (2 − (N + t)/U)), N is decay_steps, U is upper_bound, lr is the
    initial rate, inf is the infimum, and t = min(t, N). Kim 2024, "HyperbolicLR: Epoch insensitive
    learning rate scheduler", arXiv 2407.15200, which calls the exponential shape ExpHyperbolicLR.
    The end rate is above the infimum unless `decay_steps` equals `upper_bound`.

    Args:
        initial_learning_rate: rate at step 0.
        decay_steps: steps of the fall.
        upper_bound: steps of the longest training that you consider, at least `decay_steps`. It
            determines the slope at the start: keep it when you change `decay_steps`.
        infimum_learning_rate: rate that a fall over `upper_bound` steps would reach, at most the
            initial one; above 0 for the exponential shape.
        shape: "linear" or "exponential".

    Raises:
        TypeError, ValueError: an argument is not allowed, the infimum is above the initial rate, or
            `upper_bound` is below `decay_steps`.

    Example:
        >>> HyperbolicLR(1.0, 60, 100).values([0, 30, 60]).round(4).tolist()
        [1.0, 0.6579, 0.0835]
    """

    template = (
        "a hyperbola ({shape}) from {initial_learning_rate} over {decay_steps:steps} "
        "(over {upper_bound:steps} it would reach {infimum_learning_rate})"
    )
    initial_learning_rate: Rate
    decay_steps: Length
    upper_bound: Length
    infimum_learning_rate: Rate = 0.0
    shape: HyperbolicShape = "linear"

    def validate(self) -> None:
        falls(self, "initial_learning_rate", "infimum_learning_rate")
        if self.shape == "exponential" and self.infimum_learning_rate == 0.0:
            self.refuse("infimum_learning_rate", "above 0 when `shape` is 'exponential'")

    def validate_steps(self) -> None:
        if exact(self.upper_bound) < exact(self.decay_steps):
            self.refuse("upper_bound", f"at least `decay_steps` ({self.decay_steps!r})")

    def length(self) -> int | None:
        return ceiling(self.decay_steps)

    def rate(self, step: Step) -> Value:
        # h(t)/h(0), from the remaining steps n = N − t: √(n·(n + 2·(U − N))), divided by its value at n = N.
        left = until(step, self.decay_steps)
        beyond = 2.0 * float(exact(self.upper_bound) - exact(self.decay_steps))
        whole = float(self.decay_steps)
        share = root(left / whole * ((left + beyond) / (whole + beyond)))
        start, end = self.initial_learning_rate, self._end
        if self.shape == "exponential":
            return end * exponential(share * math.log(start / end))
        return mix(end, start, share)

    @property
    def _end(self) -> float:
        """The rate at the end, where h is 0."""
        part = float(exact(self.decay_steps) / exact(self.upper_bound))
        height = math.sqrt(part * (2.0 - part))
        start, infimum = self.initial_learning_rate, self.infimum_learning_rate
        if self.shape == "exponential":
            return float(start * (infimum / start) ** height)
        return (1.0 - height) * start + height * infimum


class PowerLawDecay(Schedule):
    """Flat for `hold_steps` steps, then a power of the step, without an end.

    f(t) = learning_rate · max(1, t/hold_steps)^−exponent

    It equals min(p, a·t^−b) with a = p·hold_steps^b: the power scheduler of Shen et al. 2024,
    arXiv 2408.13359, where t counts tokens and b is about 0.51. With exponent 1/2 it is the schedule
    of T5, 1/√max(t, k) with k = 10,000 (Raffel et al. 2020, arXiv 1910.10683, section 3.1.2).

    Args:
        learning_rate: the rate of the flat part.
        hold_steps: steps of the flat part.
        exponent: the exponent b, > 0; 0.5 is an inverse square root.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> PowerLawDecay(0.4, 100, exponent=0.5).values([0, 100, 400, 10_000]).round(6).tolist()
        [0.4, 0.4, 0.2, 0.04]
        >>> t5 = PowerLawDecay(0.01, 10_000, exponent=0.5)
        >>> t5.values([0, 10_000, 40_000, 1_000_000]).round(6).tolist()
        [0.01, 0.01, 0.005, 0.001]
    """

    template = "{learning_rate} for {hold_steps:steps}, then a fall with the power -{exponent} of the step"
    learning_rate: Rate
    hold_steps: Length
    exponent: Positive = 0.51

    def rate(self, step: Step) -> Value:
        return self.learning_rate * raised(float(self.hold_steps) / at_least(step, self.hold_steps), self.exponent)


class InverseSquareRootDecay(Schedule):
    """A linear warmup, then a fall with the inverse square root of the step, without an end.

    f(t) = learning_rate · t/warmup_steps        for t < warmup_steps
    f(t) = learning_rate · √(warmup_steps/t)     from there on

    The "Noam" schedule of Vaswani et al. 2017, arXiv 1706.03762, equation 3, where the peak is
    (d_model · warmup_steps)^−1/2. There the first update is step 1; use `from_step(1)` for that.
    The schedule of T5 has no warmup but is flat at first: see `PowerLawDecay`.

    Args:
        learning_rate: the peak, at step `warmup_steps`.
        warmup_steps: steps of the warmup. They are also the time scale of the fall.

    Raises:
        TypeError, ValueError: an argument is not allowed.

    Example:
        >>> InverseSquareRootDecay(0.4, 100).values([0, 50, 100, 400]).round(6).tolist()
        [0.0, 0.2, 0.4, 0.2]
    """

    template = (
        "a linear warmup from 0 to {learning_rate} over {warmup_steps:steps}, "
        "then a fall with the inverse square root of the step"
    )
    learning_rate: Rate
    warmup_steps: Length

    def rate(self, step: Step) -> Value:
        falling = root(float(self.warmup_steps) / at_least(step, self.warmup_steps))
        rising = progress(step, self.warmup_steps)
        return self.learning_rate * where(is_before(step, self.warmup_steps), rising, falling)
