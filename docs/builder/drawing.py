"""A schedule's curve as SVG, in the colours of the page around it, whichever palette it has."""

from __future__ import annotations

import html

import numpy as np
from numpy.typing import NDArray

from keras_lr import Schedule
from keras_lr.core.presentation import evenly
from keras_lr.core.svg import MOST_POINTS, axis_end, round_values, short

WIDTH, HEIGHT = 360, 176
LEFT, RIGHT, TOP, BOTTOM = 46, 338, 12, 142
DOTS = 48
"""Up to so many steps, each one is drawn as a dot as well."""


def curve(schedule: Schedule, last: int) -> str:
    """The curve of a schedule from step 0 to the last one."""
    steps = evenly(last, MOST_POINTS)
    return svg(steps, schedule.values(steps), f"Learning rate of {schedule!r} over the steps")


def svg(steps: NDArray[np.int64], rates: NDArray[np.float64], title: str) -> str:
    """The curve with its axes, as an element for the page."""
    last, top = int(steps[-1]), axis_end(float(rates.max()))
    x = LEFT + (RIGHT - LEFT) * steps / last
    y = BOTTOM - (BOTTOM - TOP) * rates / top
    corners = (np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]) if is_staircase(rates) else (x, y)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(*corners, strict=True))
    parts = [
        f'<svg class="klr-curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">',
        f'<path class="klr-grid" d="{_grid()}"/>',
        f'<path class="klr-axes" d="M{LEFT} {TOP - 4}V{BOTTOM}H{RIGHT}"/>',
        *(_label(LEFT - 6, BOTTOM - (BOTTOM - TOP) * share + 4, top * share, "end") for share in (0.0, 0.5, 1.0)),
        *(_label(LEFT + (RIGHT - LEFT) * at / last, BOTTOM + 16, at, "middle") for at in round_values(0, last, 1.0)),
        f'<text class="klr-name" x="{RIGHT}" y="{HEIGHT - 4}" text-anchor="end">step</text>',
        f'<polyline class="klr-line" points="{points}"/>',
    ]
    if len(steps) <= DOTS:
        dots = (f'<circle class="klr-dot" cx="{a:.1f}" cy="{b:.1f}" r="2.2"/>' for a, b in zip(x, y, strict=True))
        parts.extend(dots)
    return "".join([*parts, "</svg>"])


def is_staircase(rates: NDArray[np.float64]) -> bool:
    """Whether the rate is the same for some steps, jumps, and is the same again."""
    jumps = np.flatnonzero(np.diff(rates))
    return bool(len(jumps)) and jumps[0] > 0 and (len(jumps) == 1 or bool(np.diff(jumps).min() > 1))


def _grid() -> str:
    heights = [BOTTOM - (BOTTOM - TOP) * share for share in (0.5, 1.0)]
    return "".join(f"M{LEFT} {height:g}H{RIGHT}" for height in heights)


def _label(x: float, y: float, value: float, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{short(value)}</text>'
