"""One row for each schedule: an instance, points computed by hand, and an independent formula.

The formulas follow the papers and the documentation of Keras, torch and optax. They are scalar functions in plain
`math`, and must not share code with the package.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import keras

import keras_lr as klr
from keras_lr import epochs, fraction


@dataclass(frozen=True)
class Row:
    """A schedule, its rates at some steps, and its formula as a plain function of the step."""

    schedule: klr.Schedule
    points: dict[int, float]
    oracle: Callable[[int], float]
    name: str = field(default="")

    @property
    def id(self) -> str:
        return self.name or type(self.schedule).__name__


def cosine(x):
    return (1 + math.cos(math.pi * min(x, 1.0))) / 2


def line(a, b, t, n):
    return a + (b - a) * min(t / n, 1.0)


def triangle(t, up, down):
    position = t % (up + down)
    return position / up if position <= up else (up + down - position) / down


def poly_cycle(t):
    whole = 40 * max(1, math.ceil(t / 40))
    return 0.02 + (0.3 - 0.02) * (1 - t / whole) ** 1.5


def pieces(edges, rates, t):
    """As in Keras, the edge still has the old rate."""
    return next((rate for edge, rate in zip(edges, rates, strict=False) if t <= edge), rates[-1])


def interpolated(edges, rates, t, bend=lambda x: x):
    if t <= edges[0]:
        return rates[0]
    for a, b, low, high in zip(edges, edges[1:], rates, rates[1:], strict=False):
        if t <= b:
            return low + (high - low) * bend((t - a) / (b - a))
    return rates[-1]


def restarting(t, first, ratio, height, alpha, rate):
    """The cycle is found by walking along the starts, which are rounded sums of the lengths."""
    cycle, start, total = 0, 0, float(first)
    while math.floor(total + 0.5) <= t:
        start = math.floor(total + 0.5)
        cycle += 1
        total += first * ratio**cycle
    x = (t - start) / (math.floor(total + 0.5) - start)
    return rate * (alpha + (1 - alpha) * height**cycle * cosine(x))


def one_cycle(t, peak, total, share, div, final, three=False, bend=cosine):
    """As in torch, the phases end at fractions of a step."""
    t = min(t, total - 1)
    start, end = peak / div, peak / div / final
    first, last = share * total - 1, total - 1
    ends = (
        [(first, start, peak), (2 * first, peak, start), (last, start, end)]
        if three
        else [
            (first, start, peak),
            (last, peak, end),
        ]
    )
    begin = 0.0
    for finish, a, b in ends:
        if t <= finish:
            return b + (a - b) * bend((t - begin) / (finish - begin))
        begin = finish
    raise AssertionError


def trapezoid(t, rate, total, warmup, decay, end, shape):
    if t < warmup:
        return rate * t / warmup
    x = min(max(t - (total - decay), 0) / decay, 1.0)
    return end + (rate - end) * shape(x)


def k_decay(t, n, k, power):
    return (1 - min(t / n, 1.0) ** k) ** power


def hyperbola(t, n, most):
    """Kim's h(t) − h(0)."""
    t = min(t, n)
    return math.sqrt((n - t) / most * (2 - (n + t) / most)) - math.sqrt(n / most * (2 - n / most))


def tanh(t, n, low, high):
    return (1 - math.tanh(low + (high - low) * min(t / n, 1.0))) / 2


def warm(t, steps, start, after, shape=lambda x: x):
    if t >= steps:
        return after(t - steps)
    return after(0) * (start + (1 - start) * shape(t / steps))


FALLS = {
    "linear": lambda x: 1 - x,
    "cosine": cosine,
    "sqrt": lambda x: 1 - math.sqrt(x),
    "exponential": lambda x: 2 * 0.5**x - 1,
}

KERAS_COSINE = keras.optimizers.schedules.CosineDecay(0.3, 40, alpha=0.2)
NOISE = klr.Noise(klr.LinearDecay(0.3, 70), 0.4, seed=11)


def noise(t):
    """The documented hash, with squares and products modulo the largest prime below √2³¹."""
    prime, state = 46337, t % 46337
    for salt in (t // prime % prime, 11, 0):
        for multiplier, increment in ((31607, 7919), (27893, 12347)):
            state = (state * multiplier + salt + increment) % prime
            state = (state * state % prime + 5 * state) % prime
    return line(0.3, 0.0, t, 70) * (1 + 0.4 * (state * 2 / prime - 1))


def wave(t, n):
    """The height of a triangle at a step. It rises and falls for n steps each, and n is a fraction."""
    gone = t % (2 * n)
    return min(gone, 2 * n - gone) / n


def begun_at_whole_steps(t, n):
    """The index of the cycle at a step, and how much of it is over. Cycles of n steps, a fraction, begin at whole steps."""
    cycle = 0
    while math.floor((cycle + 1) * n + Fraction(1, 2)) <= t:
        cycle += max((t - math.ceil((cycle + 1) * n)) // math.ceil(n), 1)
    start, end = (math.floor(i * n + Fraction(1, 2)) for i in (cycle, cycle + 1))
    return cycle, (t - start) / (end - start)


# Lengths that are not whole. The arguments are decimals, and the formulas have fractions.
PARTIAL = [
    Row(
        # EfficientNet has stairs of 2.4 epochs of 313 steps. The fifth ends at a whole step, 3756.
        klr.ExponentialDecay(0.016, 751.2, 0.97, staircase=True),
        {751: 0.016, 752: 0.01552, 1502: 0.01552, 1503: 0.0150544, 3755: 0.016 * 0.97**4, 3756: 0.016 * 0.97**5},
        lambda t: 0.016 * 0.97 ** (t * 5 // 3756),
        "ExponentialDecay-751.2",
    ),
    Row(
        klr.ExponentialDecay(0.8, 7.5, 0.25),
        {15: 0.05, 30: 0.003125},
        lambda t: 0.8 * 0.25 ** (t / 7.5),
        "ExponentialDecay-7.5",
    ),
    Row(
        klr.StepDecay(0.8, 7.3, 0.25),
        {7: 0.8, 8: 0.2, 14: 0.2, 15: 0.05, 72: 0.8 * 0.25**9, 73: 0.8 * 0.25**10},
        lambda t: 0.8 * 0.25 ** (t * 10 // 73),
        "StepDecay-7.3",
    ),
    Row(
        klr.MultiStepDecay(0.8, [3.5, 9, 9], 0.5),
        {3: 0.8, 4: 0.4, 8: 0.4, 9: 0.1},
        lambda t: 0.8 * 0.5 ** sum(t >= edge for edge in (3.5, 9, 9)),
        "MultiStepDecay-3.5",
    ),
    Row(
        klr.PiecewiseConstantDecay([3.5, 9, 9], [0.7, 0.5, 0.3, 0.2]),
        {3: 0.7, 4: 0.5, 9: 0.5, 10: 0.2},
        lambda t: pieces([3.5, 9, 9], [0.7, 0.5, 0.3, 0.2], t),
        "PiecewiseConstantDecay-3.5",
    ),
    Row(
        klr.TimeBasedDecay(0.9, 20.4, 0.5, staircase=True),
        {20: 0.9, 21: 0.6, 40: 0.6, 41: 0.45, 101: 0.9 / 3, 102: 0.9 / 3.5},
        lambda t: 0.9 / (1 + 0.5 * (t * 5 // 102)),
        "TimeBasedDecay-20.4",
    ),
    Row(
        klr.PolynomialDecay(0.42, 40.5, 0.02, power=2.0),
        {27: 0.02 + 0.4 / 9, 40: 0.02 + 0.4 / 81**2, 41: 0.02, 77: 0.02},
        lambda t: 0.02 + 0.4 * (1 - min(t, 40.5) / 40.5) ** 2,
        "PolynomialDecay-40.5",
    ),
    Row(
        klr.PolynomialDecay(0.3, 7.5, 0.02, power=1.5, cycle=True),
        {7: 0.02 + 0.28 / 15**1.5, 8: 0.02 + 0.28 * (7 / 15) ** 1.5, 15: 0.02, 30: 0.02},
        lambda t: 0.02 + 0.28 * float(1 - t / (Fraction(15, 2) * max(1, math.ceil(t / Fraction(15, 2))))) ** 1.5,
        "PolynomialDecay-cycle-7.5",
    ),
    Row(
        klr.LinearDecay(0.5, 40.4, 0.1),
        {20: 0.5 - 0.4 * 20 / 40.4, 40: 0.1 + 0.4 * 0.4 / 40.4, 41: 0.1},
        lambda t: line(0.5, 0.1, t, 40.4),
        "LinearDecay-40.4",
    ),
    Row(
        klr.CosineDecay(0.1, 40.5, alpha=0.2, warmup_target=0.5, warmup_steps=7.5),
        {3: 0.26, 7: 0.1 + 0.4 * 7 / 7.5, 21: 0.5 * (0.2 + 0.8 * 0.75), 48: 0.1, 99: 0.1},
        lambda t: line(0.1, 0.5, t, 7.5) if t < 7.5 else 0.5 * (0.2 + 0.8 * cosine((t - 7.5) / 40.5)),
        "CosineDecay-warmup-7.5",
    ),
    Row(
        klr.REXDecay(0.5, 40.5, 0.2),
        {27: 0.2 + 0.3 * 0.5, 41: 0.2},
        lambda t: 0.2 + 0.3 * (1 - min(t / 40.5, 1)) / (1 - min(t / 40.5, 1) / 2),
        "REXDecay-40.5",
    ),
    Row(
        klr.HyperbolicLR(1.5, 40.5, 50.625, 0.5),
        {41: 1.5 - math.sqrt(0.96), 99: 1.5 - math.sqrt(0.96)},
        lambda t: 1.5 + hyperbola(t, 40.5, 50.625),
        "HyperbolicLR-40.5",
    ),
    Row(
        klr.TanhDecay(1.5, 100.5, 0.5, lower=-7.0, upper=3.0),
        {101: 0.5 + 0.002473, 999: 0.5 + 0.002473},
        lambda t: 0.5 + tanh(t, 100.5, -7.0, 3.0),
        "TanhDecay-100.5",
    ),
    Row(
        klr.InverseSquareRootDecay(0.6, 20.25),
        {9: 0.6 * 9 / 20.25, 20: 0.6 * 20 / 20.25, 81: 0.3},
        lambda t: 0.6 * t / 20.25 if t < 20.25 else 0.6 * math.sqrt(20.25 / t),
        "InverseSquareRootDecay-20.25",
    ),
    Row(
        klr.PowerLawDecay(0.6, 20.25, exponent=0.5),
        {20: 0.6, 81: 0.3},
        lambda t: 0.6 * max(1.0, t / 20.25) ** -0.5,
        "PowerLawDecay-20.25",
    ),
    Row(
        klr.CyclicalLearningRate(0.1, 0.9, 4.5, mode="triangular2"),
        {3: 0.1 + 0.8 * 2 / 3, 9: 0.1, 12: 0.1 + 0.4 * 2 / 3, 18: 0.1},
        lambda t: 0.1 + 0.8 * float(wave(t, Fraction(9, 2))) * 0.5 ** (t // 9),
        "CyclicalLearningRate-4.5",
    ),
    Row(
        klr.SinusoidalLearningRate(0.1, 0.5, 6.4),
        {16: 0.3, 32: 0.5},
        lambda t: 0.1 + 0.4 * math.sin(math.pi / 2 * wave(t, Fraction(32, 5))) ** 2,
        "SinusoidalLearningRate-6.4",
    ),
    Row(
        klr.CosineDecayRestarts(0.8, 10.4, t_mul=1.5, m_mul=0.5, alpha=0.25),
        {5: 0.5, 10: 0.5, 26: 0.35},
        lambda t: restarting(t, 10.4, 1.5, 0.5, 0.25, 0.8),
        "CosineDecayRestarts-10.4",
    ),
    Row(
        # The multiples of 10.4, rounded to the nearest step, are 0, 10, 21, 31, 42 and 52.
        klr.CosineDecayRestarts(0.8, 10.4, t_mul=1.0, m_mul=0.5),
        {5: 0.4, 10: 0.4, 20: 0.4 * math.sin(math.pi / 22) ** 2, 21: 0.2, 31: 0.1, 42: 0.05, 52: 0.025},
        lambda t: (
            0.8
            * 0.5 ** begun_at_whole_steps(t, Fraction(52, 5))[0]
            * cosine(begun_at_whole_steps(t, Fraction(52, 5))[1])
        ),
        "CosineDecayRestarts-equal-10.4",
    ),
]

ROWS = [
    Row(klr.Constant(0.3), {5: 0.3}, lambda t: 0.3),
    Row(klr.StepDecay(0.8, 7, 0.25), {6: 0.8, 7: 0.2, 14: 0.05}, lambda t: 0.8 * 0.25 ** (t // 7)),
    Row(
        klr.MultiStepDecay(0.8, [3, 9, 11], 0.5),
        {2: 0.8, 3: 0.4, 9: 0.2, 11: 0.1},
        lambda t: 0.8 * 0.5 ** sum(t >= edge for edge in (3, 9, 11)),
    ),
    Row(
        klr.PiecewiseConstantDecay([3, 9], [0.7, 0.5, 0.2]),
        {3: 0.7, 4: 0.5, 9: 0.5, 10: 0.2},
        lambda t: pieces([3, 9], [0.7, 0.5, 0.2], t),
    ),
    Row(
        klr.PiecewiseInterpolation([10, 30, 70], [0.2, 0.6, 0.1]),
        {4: 0.2, 20: 0.4, 50: 0.35, 99: 0.1},
        lambda t: interpolated([10, 30, 70], [0.2, 0.6, 0.1], t),
    ),
    Row(
        klr.PiecewiseInterpolation([10, 30, 70], [0.2, 0.6, 0.1], shape="cosine"),
        {20: 0.4, 30: 0.6, 50: 0.35},
        lambda t: interpolated([10, 30, 70], [0.2, 0.6, 0.1], t, lambda x: 1 - cosine(x)),
        "PiecewiseInterpolation-cosine",
    ),
    Row(
        klr.Tabulated([0.3, 0.5, 0.2]),
        {2: 0.2, 1: 0.5, 9: 0.2},
        lambda t: [0.3, 0.5, 0.2][min(t, 2)],
    ),
    Row(klr.ExponentialDecay(0.8, 20, 0.25), {10: 0.4, 20: 0.2}, lambda t: 0.8 * 0.25 ** (t / 20)),
    Row(
        klr.ExponentialDecay(0.8, 20, 0.25, staircase=True),
        {19: 0.8, 20: 0.2, 45: 0.05},
        lambda t: 0.8 * 0.25 ** (t // 20),
        "ExponentialDecay-staircase",
    ),
    Row(klr.TimeBasedDecay(0.9, 20, 0.5), {20: 0.6, 40: 0.45}, lambda t: 0.9 / (1 + 0.5 * t / 20)),
    Row(
        klr.TimeBasedDecay(0.9, 20, 0.5, staircase=True),
        {19: 0.9, 39: 0.6, 40: 0.45},
        lambda t: 0.9 / (1 + 0.5 * (t // 20)),
        "TimeBasedDecay-staircase",
    ),
    Row(
        klr.PolynomialDecay(0.42, 40, 0.02, power=2.0),
        {20: 0.12, 40: 0.02, 77: 0.02},
        lambda t: 0.02 + 0.4 * (1 - min(t, 40) / 40) ** 2,
    ),
    Row(
        klr.PolynomialDecay(0.3, 40, 0.02, power=1.5, cycle=True),
        {40: 0.02, 80: 0.02, 60: 0.02 + 0.28 * 0.25**1.5},
        poly_cycle,
        "PolynomialDecay-cycle",
    ),
    Row(klr.LinearDecay(0.5, 40, 0.1), {10: 0.4, 40: 0.1, 99: 0.1}, lambda t: line(0.5, 0.1, t, 40)),
    Row(
        klr.CosineDecay(0.4, 40, alpha=0.25),
        {20: 0.25, 40: 0.1, 99: 0.1},
        lambda t: 0.4 * (0.25 + 0.75 * cosine(t / 40)),
    ),
    Row(
        klr.CosineDecay(0.1, 40, alpha=0.2, warmup_target=0.5, warmup_steps=8),
        {4: 0.3, 8: 0.5, 28: 0.3, 48: 0.1},
        lambda t: line(0.1, 0.5, t, 8) if t < 8 else 0.5 * (0.2 + 0.8 * cosine((t - 8) / 40)),
        "CosineDecay-warmup",
    ),
    Row(
        klr.REXDecay(0.5, 40, 0.2),
        {20: 0.4, 40: 0.2},
        lambda t: 0.2 + 0.3 * (1 - min(t / 40, 1)) / (1 - min(t / 40, 1) / 2),
    ),
    Row(
        klr.KDecay(0.5, 40, 2.5, 0.1, power=1.5),
        {40: 0.1, 55: 0.1},
        lambda t: 0.1 + 0.4 * k_decay(t, 40, 2.5, 1.5),
    ),
    Row(
        klr.KDecay(1.5, 100, 2.0, 0.5, shape="cosine"),
        {25: 0.5 + 0.990393, 50: 0.5 + 0.853553, 75: 0.5 + 0.402455},
        lambda t: 0.5 + cosine(min(t / 100, 1.0) ** 2),
        "KDecay-cosine",
    ),
    Row(
        klr.TanhDecay(1.5, 100, 0.5, lower=-7.0, upper=3.0),
        {50: 0.5 + 0.982014, 70: 1.0, 75: 0.5 + 0.268941, 100: 0.5 + 0.002473},
        lambda t: 0.5 + tanh(t, 100, -7.0, 3.0),
    ),
    Row(
        # The values of h are √(0.6·1.4) = 0.916515, √(0.3·1.1) = 0.574456 and √(0.1·0.9) = 0.3.
        klr.HyperbolicLR(1.5, 60, 100, 0.5),
        {0: 1.5, 30: 1.5 + 0.574456 - 0.916515, 50: 1.5 + 0.3 - 0.916515, 60: 1.5 - 0.916515, 99: 1.5 - 0.916515},
        lambda t: 1.5 + hyperbola(t, 60, 100),
    ),
    Row(
        klr.HyperbolicLR(0.8, 40, 40, 0.05, shape="exponential"),
        {0: 0.8, 10: 0.4, 20: 0.2, 40: 0.05, 99: 0.05},
        lambda t: 0.8 * 16 ** hyperbola(t, 40, 40),
        "HyperbolicLR-exponential",
    ),
    Row(
        klr.PowerLawDecay(0.6, 20, exponent=0.5),
        {20: 0.6, 80: 0.3, 180: 0.2},
        lambda t: 0.6 * max(1.0, t / 20) ** -0.5,
    ),
    Row(
        klr.InverseSquareRootDecay(0.6, 20),
        {5: 0.15, 20: 0.6, 80: 0.3},
        lambda t: 0.6 * t / 20 if t < 20 else 0.6 * math.sqrt(20 / t),
    ),
    Row(
        klr.CyclicalLearningRate(0.1, 0.9, 4, 8),
        {2: 0.5, 4: 0.9, 8: 0.5, 12: 0.1, 14: 0.5},
        lambda t: 0.1 + 0.8 * triangle(t, 4, 8),
    ),
    Row(
        klr.CyclicalLearningRate(0.1, 1.0, 4, mode="triangular2"),
        {4: 1.0, 9: 0.2125, 12: 0.55, 20: 0.325},
        lambda t: 0.1 + 0.9 * triangle(t, 4, 4) * 0.5 ** (t // 8),
        "CyclicalLearningRate-triangular2",
    ),
    Row(
        klr.CyclicalLearningRate(0.1, 1.0, 4, mode="exp_range", gamma=0.9),
        {1: 0.3025, 2: 0.4645, 4: 0.69049, 9: 0.187170},
        lambda t: 0.1 + 0.9 * triangle(t, 4, 4) * 0.9**t,
        "CyclicalLearningRate-exp_range",
    ),
    Row(
        klr.SinusoidalLearningRate(0.1, 0.5, 6),
        {3: 0.3, 6: 0.5, 9: 0.3, 12: 0.1},
        lambda t: 0.1 + 0.4 * (1 - math.cos(math.pi * (t % 12) / 6)) / 2,
    ),
    Row(
        klr.CosineDecayRestarts(0.8, 10, t_mul=1.5, m_mul=0.5, alpha=0.25),
        {5: 0.5, 10: 0.5, 25: 0.35, 48: 0.2 + 0.075},
        lambda t: restarting(t, 10, 1.5, 0.5, 0.25, 0.8),
    ),
    Row(
        klr.CosineDecayRestarts(0.8, 10, t_mul=1.0, m_mul=0.5),
        {5: 0.4, 10: 0.4, 15: 0.2, 30: 0.1},
        lambda t: 0.8 * 0.5 ** (t // 10) * cosine(t % 10 / 10),
        "CosineDecayRestarts-equal",
    ),
    Row(
        klr.WarmupStableDecay(0.6, 60, 10, 20, end_learning_rate=0.1),
        {5: 0.3, 30: 0.6, 50: 0.35, 60: 0.1, 99: 0.1},
        lambda t: trapezoid(t, 0.6, 60, 10, 20, 0.1, FALLS["linear"]),
    ),
    *(
        Row(
            klr.WarmupStableDecay(0.6, 60, 10, 20, end_learning_rate=0.1, shape=shape),
            {5: 0.3, 40: 0.6, 60: 0.1},
            lambda t, shape=shape: trapezoid(t, 0.6, 60, 10, 20, 0.1, FALLS[shape]),
            f"WarmupStableDecay-{shape}",
        )
        for shape in ("cosine", "sqrt", "exponential")
    ),
    Row(
        klr.WarmupStableDecay(0.6, 60, 10, 20, 0.1, shape="halving", half_life=8),
        {5: 0.3, 40: 0.6, 48: 0.35, 56: 0.225, 60: 0.1 + 0.5 * 0.5**2.5, 99: 0.1 + 0.5 * 0.5**2.5},
        lambda t: 0.6 * t / 10 if t < 10 else 0.1 + 0.5 * 0.5 ** (min(max(t - 40, 0), 20) / 8),
        "WarmupStableDecay-halving",
    ),
    Row(
        klr.OneCycle(1.0, 10),
        {0: 0.04, 1: 0.52, 2: 1.0, 3: 0.950484, 5: 0.611261, 8: 0.0495194},
        lambda t: one_cycle(t, 1.0, 10, 0.3, 25.0, 1e4),
    ),
    Row(
        klr.OneCycle(1.0, 10, anneal_strategy="linear", three_phase=True),
        {1: 0.52, 2: 1.0, 3: 0.52, 4: 0.04, 5: 0.0320008, 8: 0.0080032},
        lambda t: one_cycle(t, 1.0, 10, 0.3, 25.0, 1e4, three=True, bend=FALLS["linear"]),
        "OneCycle-three-linear",
    ),
    Row(
        klr.OneCycle(0.7, 97, pct_start=0.37, div_factor=12.0, final_div_factor=300.0, three_phase=True),
        {96: 0.7 / 3600, 99: 0.7 / 3600},
        lambda t: one_cycle(t, 0.7, 97, 0.37, 12.0, 300.0, three=True),
        "OneCycle-three-cos",
    ),
    # The rise ends 0.2 steps before the first step. So x = (t + 0.2)/7.2, which is 1/6 at t = 1.
    Row(
        klr.OneCycle(25.0, 8, pct_start=0.1),
        {0: 24.9524339, 1: 23.3253242, 7: 1e-4, 9: 1e-4},
        lambda t: one_cycle(t, 25.0, 8, 0.1, 25.0, 1e4),
        "OneCycle-short-rise",
    ),
    Row(
        klr.OneCycle(1.0, 21, 0.02, "linear", 4.0, 5.0, three_phase=True),
        {0: 0.25 - 0.2 * 1.16 / 21.16, 20: 0.05, 30: 0.05},
        lambda t: one_cycle(t, 1.0, 21, 0.02, 4.0, 5.0, three=True, bend=FALLS["linear"]),
        "OneCycle-three-short-rise",
    ),
    Row(
        klr.CyclicalLearningRate(0.1, 0.9, 4, 8, mode="triangular2").momentum(0.5, 0.8),
        {0: 0.8, 2: 0.65, 4: 0.5, 8: 0.65, 12: 0.8, 16: 0.65},
        lambda t: 0.8 - 0.3 * triangle(t, 4, 8) * 0.5 ** (t // 12),
    ),
    Row(
        klr.OneCycle(1.0, 10).momentum(0.85, 0.95),
        {0: 0.95, 1: 0.9, 2: 0.85, 9: 0.95, 99: 0.95},
        lambda t: 0.95 - 0.1 * one_cycle(t, 1.0, 10, 0.3, 1e15, 1.0),
        "OppositePhase-one-cycle",
    ),
    Row(
        klr.Warmup(klr.LinearDecay(0.4, 40), 8, start=0.25),
        {4: 0.25, 8: 0.4, 28: 0.2},
        lambda t: warm(t, 8, 0.25, lambda s: line(0.4, 0.0, s, 40)),
    ),
    Row(
        klr.Warmup(KERAS_COSINE, 8),
        {4: 0.15, 8: 0.3, 28: 0.18},
        lambda t: warm(t, 8, 0.0, lambda s: 0.3 * (0.2 + 0.8 * cosine(s / 40))),
        "Warmup-of-Keras",
    ),
    Row(klr.Warmup(0.4, 8), {4: 0.2, 9: 0.4}, lambda t: warm(t, 8, 0.0, lambda s: 0.4), "Warmup-of-number"),
    Row(
        klr.Warmup(klr.LinearDecay(0.4, 40), 8, start=0.25, shape="cosine"),
        {4: 0.25},
        lambda t: warm(t, 8, 0.25, lambda s: line(0.4, 0.0, s, 40), lambda x: 1 - cosine(x)),
        "Warmup-cosine",
    ),
    Row(
        klr.Warmup(klr.LinearDecay(0.4, 40), 8, start=0.25, shape="exponential"),
        {4: 0.2, 8: 0.4},
        lambda t: 0.4 * 0.25 ** (1 - t / 8) if t < 8 else line(0.4, 0.0, t - 8, 40),
        "Warmup-exponential",
    ),
    Row(
        klr.Warmup(klr.LinearDecay(0.4, 40), 8, start=0.25, shape="polynomial", power=2.0),
        {0: 0.1, 4: 0.175, 8: 0.4},
        lambda t: warm(t, 8, 0.25, lambda s: line(0.4, 0.0, s, 40), lambda x: x**2),
        "Warmup-quadratic",
    ),
    Row(
        klr.Warmup(klr.LinearDecay(0.4, 40), 8, start_learning_rate=0.8),
        {0: 0.8, 2: 0.7, 8: 0.4, 28: 0.2},
        lambda t: 0.8 - 0.05 * t if t < 8 else line(0.4, 0.0, t - 8, 40),
        "Warmup-falling",
    ),
    Row(
        klr.Warmup(klr.LinearDecay(0.4, 40), 8, shape="exponential", start_learning_rate=0.025),
        {0: 0.025, 2: 0.05, 4: 0.1, 8: 0.4, 28: 0.2},
        lambda t: 0.025 * 2 ** (t / 2) if t < 8 else line(0.4, 0.0, t - 8, 40),
        "Warmup-exponential-rate",
    ),
    Row(
        # The milestones count from the start of the training.
        klr.Warmup(klr.MultiStepDecay(0.4, [30, 60]), 8, start_learning_rate=0.08, overlap="replace"),
        {0: 0.08, 4: 0.24, 8: 0.4, 29: 0.4, 30: 0.04, 60: 0.004},
        lambda t: 0.08 + 0.04 * t if t < 8 else 0.4 * 0.1 ** min(t // 30, 2),
        "Warmup-replace",
    ),
    Row(
        klr.Warmup(klr.LinearDecay(0.4, 40), 8, start=0.5, overlap="join"),
        {0: 0.16, 4: 0.24, 8: 0.32, 20: 0.2, 40: 0.0},
        lambda t: 0.32 * (0.5 + t / 16) if t < 8 else line(0.4, 0.0, t, 40),
        "Warmup-join",
    ),
    Row(
        klr.Warmup(klr.LinearDecay(0.4, 40), 8, overlap="multiply"),
        {0: 0.0, 4: 0.18, 8: 0.32, 20: 0.2, 40: 0.0},
        lambda t: min(t / 8, 1) * line(0.4, 0.0, t, 40),
        "Warmup-multiply",
    ),
    Row(
        # 1 − 1/e = 0.632121
        klr.Warmup(klr.LinearDecay(0.4, 40), 8, start_learning_rate=0.1, shape="saturating", overlap="multiply"),
        {0: 0.1, 8: 0.1 / math.e + 0.32 * 0.6321206, 40: 0.1 * math.exp(-5)},
        lambda t: 0.1 * math.exp(-t / 8) + (1 - math.exp(-t / 8)) * line(0.4, 0.0, t, 40),
        "Warmup-saturating",
    ),
    Row(
        klr.Warmup.untuned(0.4, 0.95, "saturating"),
        {0: 0.0, 20: 0.4 * 0.6321206, 40: 0.4 * 0.8646647},
        lambda t: 0.4 * (1 - math.exp(-t * 0.05)),
        "Warmup-untuned-saturating",
    ),
    Row(
        klr.Warmup.untuned(klr.LinearDecay(0.4, 80), 0.95),
        {0: 0.0, 20: 0.15, 40: 0.2, 60: 0.1},
        lambda t: min(t * 0.05 / 2, 1) * line(0.4, 0.0, t, 80),
        "Warmup-untuned",
    ),
    Row(
        klr.PerEpoch(klr.LinearDecay(0.4, 40), 8),
        {7: 0.4, 8: 0.32, 15: 0.32, 16: 0.24, 40: 0.0},
        lambda t: line(0.4, 0.0, t // 8 * 8, 40),
    ),
    Row(
        klr.from_epoch_function(lambda epoch, lr: lr / (1 + epoch), 4, 0.6).bind(steps_per_epoch=10, epochs=4),
        {9: 0.6, 10: 0.3, 20: 0.1, 30: 0.025, 99: 0.025},
        lambda t: [0.6, 0.3, 0.1, 0.025][min(t // 10, 3)],
        "Tabulated-epochs",
    ),
    Row(
        klr.Tabulated([0.3, 0.5, 0.2], every=4),
        {3: 0.3, 4: 0.5, 8: 0.2, 99: 0.2},
        lambda t: [0.3, 0.5, 0.2][min(t // 4, 2)],
        "Tabulated-every",
    ),
    Row(
        klr.Sequential([klr.LinearDecay(0.4, 40), 0.15, klr.StepDecay(0.8, 5)], [20, 30]),
        {19: 0.21, 20: 0.15, 30: 0.8, 35: 0.4},
        lambda t: line(0.4, 0.0, t, 40) if t < 20 else 0.15 if t < 30 else 0.8 * 0.5 ** ((t - 30) // 5),
    ),
    Row(
        klr.LinearDecay(0.4, 40, 0.2) >> klr.CosineDecay(0.3, 30) >> 0.07,
        {20: 0.3, 40: 0.3, 55: 0.15, 70: 0.07},
        lambda t: line(0.4, 0.2, t, 40) if t < 40 else 0.3 * cosine((t - 40) / 30) if t < 70 else 0.07,
        "Chain",
    ),
    *(
        Row(
            klr.StepDecay(0.8, 30).cooldown(45, 20, 0.1, shape),
            {29: 0.8, 45: 0.4, 65: 0.1},
            lambda t, shape=shape: (
                0.8 * 0.5 ** (t // 30) if t < 45 else 0.1 + 0.3 * FALLS[shape](min((t - 45) / 20, 1))
            ),
            f"Cooldown-{shape}",
        )
        for shape in FALLS
    ),
    Row(
        klr.Warmup(klr.LinearDecay(0.4, epochs(4)), fraction(0.2)).bind(steps_per_epoch=10, epochs=5),
        {5: 0.2, 10: 0.4, 30: 0.2, 50: 0.0},
        lambda t: warm(t, 10, 0.0, lambda s: line(0.4, 0.0, s, 40)),
        "Bound",
    ),
    Row(
        klr.Paced(klr.LinearDecay(0.8, 80), [0, 10, 20], [0, 10, 25], [1, 3, 1], [1, 2, 2]),
        {10: 0.7, 12: 0.67, 20: 0.55, 22: 0.54},
        lambda t: line(0.8, 0.0, t if t < 10 else 10 + (t - 10) * 3 // 2 if t < 20 else 25 + (t - 20) // 2, 80),
    ),
    Row(
        klr.Reduced(klr.LinearDecay(0.4, 40), 0.25, min_lr=0.05),
        {0: 0.1, 20: 0.05, 36: 0.04},
        lambda t: max(0.25 * line(0.4, 0.0, t, 40), min(line(0.4, 0.0, t, 40), 0.05)),
    ),
    Row(
        klr.Rescaled(klr.LinearDecay(0.4, 40), 1.5, min_lr=0.05, max_lr=0.45),
        {0: 0.45, 20: 0.3, 36: 0.06},
        lambda t: min(1.5 * line(0.4, 0.0, t, 40), 0.45),
    ),
    Row(
        3 * klr.StepDecay(0.8, 9) * klr.LinearDecay(0.5, 40, 0.1),
        {9: 3 * 0.4 * 0.41},
        lambda t: 3 * 0.8 * 0.5 ** (t // 9) * line(0.5, 0.1, t, 40),
        "Product",
    ),
    Row(
        klr.StepDecay(0.8, 9) + klr.LinearDecay(0.5, 40, 0.1) + 0.02,
        {10: 0.82},
        lambda t: 0.8 * 0.5 ** (t // 9) + line(0.5, 0.1, t, 40) + 0.02,
        "Sum",
    ),
    Row(
        klr.LinearDecay(0.5, 40).clip(0.1, 0.3),
        {2: 0.3, 20: 0.25, 39: 0.1},
        lambda t: min(max(line(0.5, 0.0, t, 40), 0.1), 0.3),
        "Clip",
    ),
    Row(klr.LinearDecay(0.5, 40).from_step(8), {2: 0.375}, lambda t: line(0.5, 0.0, t + 8, 40), "Shifted"),
    Row(
        klr.LinearDecay(0.5, 40).from_step(-8),
        {7: 0.5, 18: 0.375},
        lambda t: line(0.5, 0.0, max(t - 8, 0), 40),
        "Shifted-back",
    ),
    Row(
        klr.Repeat(klr.LinearDecay(0.4, 12, 0.1), 8, factor=0.5),
        {4: 0.3, 8: 0.2, 12: 0.15},
        lambda t: 0.5 ** (t // 8) * line(0.4, 0.1, t % 8, 12),
    ),
    Row(
        klr.PerUpdate(klr.LinearDecay(0.4, 40), 3),
        {2: 0.4, 3: 0.39, 60: 0.2},
        lambda t: line(0.4, 0.0, t // 3, 40),
    ),
    Row(NOISE, {70: 0.0}, noise),
    *PARTIAL,
]
