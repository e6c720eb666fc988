"""Charts as SVG text, for notebooks and the documentation, without a plotting library.

Text and axes have the text colour of the page (`currentColor`). The colours of the lines are readable on white and on
black, so a chart needs no separate version for dark pages.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 480, 200
LEFT, RIGHT, TOP, BOTTOM = 62, 456, 12, 158
COLOURS = ("#3f74d1", "#c8641b", "#2f8f4e", "#b0529e", "#c9484a", "#2b8a99")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2")
MOST_POINTS = 600
"""Points that are drawn of a line: two of each interval, so that peaks stay visible."""

MOST_LINES = 12

SMALLEST = 1e-290
"""A number below it is drawn as 0."""


@dataclass(frozen=True, eq=False)
class Line:
    """A line of a chart.

    Attributes:
        x, y: its points, x rising.
        label: its name in the legend; without one it is not listed.
        style: "line", "dots", or "marks" (a few large dots).
        band: the lowest and the highest y at each x, drawn as an area.
    """

    x: Any
    y: Any
    label: str = ""
    style: str = "line"
    band: tuple[Any, Any] | None = None


@dataclass(frozen=True)
class Axes:
    """Labels, scale and limits of the axes.

    Attributes:
        x_label, y_label: the names of the axes.
        log_x: a logarithmic horizontal axis, for x > 0.
        from_zero: the vertical axis begins at 0.
        y_range: lowest and highest value of the vertical axis; by default those of the points.
    """

    x_label: str
    y_label: str
    log_x: bool = False
    from_zero: bool = False
    y_range: tuple[float, float] | None = None


def figure(sentence: str, lines: Sequence[Line], axes: Axes) -> str:
    """A sentence, and below it a chart with its legend, as HTML."""
    parts = ['<div style="max-width:42em">', f"<div>{html.escape(sentence)}</div>"]
    drawn = [line for line in lines if np.isfinite(np.asarray(line.y, np.float64)).any()][:MOST_LINES]
    if drawn:
        parts += [_chart(sentence, drawn, axes), *_legend(drawn)]
    return "".join([*parts, "</div>"])


def without_chart(sentence: str) -> str:
    """A sentence as HTML."""
    return f"<div>{html.escape(sentence)}</div>"


def _chart(title: str, lines: Sequence[Line], axes: Axes) -> str:
    scale = _Scale(lines, axes)
    style = f"max-width:{WIDTH}px;width:100%;height:auto;font:11px sans-serif;display:block"
    edge = f"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" style="{style}" role="img" '
        f'aria-label="{html.escape(title)}"><g fill="currentColor" stroke="none">',
    ]
    grid = ""
    for value in scale.y_ticks:
        height = scale.y(value)
        grid += f"M{LEFT} {height:.1f}H{RIGHT}"
        parts.append(_text(LEFT - 6, height + 4, short(value), "end"))
    for value in scale.x_ticks:
        parts.append(_text(scale.x(value), BOTTOM + 15, short(value), "middle"))
    parts += [
        _text((LEFT + RIGHT) / 2, HEIGHT - 8, axes.x_label, "middle"),
        f'<text transform="translate(11 {(TOP + BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(axes.y_label)}</text></g>",
        f'<path d="{grid}" fill="none" stroke="currentColor" stroke-opacity="0.18"/>',
        f'<path d="{edge}" fill="none" stroke="currentColor" stroke-opacity="0.6"/>',
        # The frame of an inner `svg` cuts off everything outside the axes.
        f'<svg x="{LEFT}" y="{TOP - 4}" width="{RIGHT - LEFT + 4}" height="{BOTTOM - TOP + 5}" '
        f'viewBox="{LEFT} {TOP - 4} {RIGHT - LEFT + 4} {BOTTOM - TOP + 5}">',
    ]
    for place, line in enumerate(lines):
        parts += _drawn(line, scale, COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)])
    return "".join([*parts, "</svg></svg>"])


def _drawn(line: Line, scale: _Scale, colour: str, dash: str) -> Iterator[str]:
    x, y = np.asarray(line.x, np.float64), np.asarray(line.y, np.float64)
    if line.band is not None:
        at = spread(np.asarray(line.band[0], np.float64))
        low, high = (np.asarray(side, np.float64)[at] for side in line.band)
        whole = np.isfinite(low) & np.isfinite(high)
        around = np.concatenate([x[at][whole], x[at][whole][::-1]])
        points = _path(scale.x(around), scale.y(np.concatenate([low[whole], high[whole][::-1]])))
        yield f'<path d="{points}" fill="{colour}" fill-opacity="0.18" stroke="none"/>'
    at = spread(y)
    x, y = scale.x(x[at]), scale.y(y[at])
    if line.style == "line":
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        yield f'<path d="{_path(x, y)}" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}/>'
        if len(x) > 1:
            return
    radius = {"dots": 1.3, "marks": 4.0}.get(line.style, 2.5)
    for a, b in zip(x, y, strict=True):
        if math.isfinite(b):
            yield f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{radius}" fill="{colour}"/>'


def _legend(lines: Sequence[Line]) -> Iterator[str]:
    named = [(place, line) for place, line in enumerate(lines) if line.label]
    if not named:
        return
    yield '<div style="font-size:0.85em">'
    signs = {"dots": "&#183;&#183;&#183;", "marks": "&#9679;"}
    for place, line in named:
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        sign = signs.get(line.style, "&#8211; &#8211;" if dash else "&#8212;")
        yield f'<span style="display:inline-block;margin-right:1.2em"><b style="color:{colour}">{sign}</b> '
        yield f"{html.escape(line.label)}</span> "
    yield "</div>"


class _Scale:
    """Converts values to positions in the picture, and chooses the values that label an axis."""

    def __init__(self, lines: Sequence[Line], axes: Axes) -> None:
        x = np.concatenate([np.asarray(line.x, np.float64).reshape(-1) for line in lines])
        sides = [side for line in lines for side in (line.y, *(line.band or ()))]
        y = np.concatenate([np.asarray(side, np.float64).reshape(-1) for side in sides])
        y = y[np.isfinite(y)]
        self._log = axes.log_x
        self._x = _apart(float(x.min()), float(x.max()))
        low, high = axes.y_range or (float(y.min()), float(y.max()))
        if axes.from_zero and low >= 0.0:
            self._y = (0.0, axis_end(high))
        else:
            self._y = _apart(low, high)
        self.x_ticks = _decades(*self._x) if self._log else round_values(*self._x, least=1.0)
        self.y_ticks = round_values(*self._y)

    def x(self, value: Any) -> Any:
        low, high = self._x
        if self._log:
            value, low, high = np.log10(value), math.log10(low), math.log10(high)
        return LEFT + (RIGHT - LEFT) * (value - low) / (high - low)

    def y(self, value: Any) -> Any:
        low, high = self._y
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)


def _apart(low: float, high: float) -> tuple[float, float]:
    """Two ends, moved apart if they hardly differ."""
    size = max(abs(low), abs(high))
    if high - low > 1e-9 * size and size > SMALLEST:
        return low, high
    return (low - size / 2, low + size / 2) if size > SMALLEST else (low - 0.5, low + 0.5)


def _path(x: Floats, y: Floats) -> str:
    """A path through points, interrupted where a value is not finite."""
    written, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if not math.isfinite(b):
            pen = "M"
            continue
        written.append(f"{pen}{a:.1f} {b:.1f}")
        pen = "L"
    return "".join(written)


def spread(y: Floats) -> NDArray[np.int64]:
    """Indices of the points to draw: all, or the first, the last, and the lowest and highest of each interval."""
    if len(y) <= MOST_POINTS:
        return np.arange(len(y))
    edges = np.linspace(0, len(y), MOST_POINTS // 2 + 1).astype(np.int64)
    chosen = {0, len(y) - 1}
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = y[start:end]
        if np.isfinite(part).any():
            chosen |= {start + int(np.nanargmin(part)), start + int(np.nanargmax(part))}
    return np.array(sorted(chosen), np.int64)


def axis_end(highest: float) -> float:
    """The end of an axis: the next number of few digits above the highest value."""
    if highest <= SMALLEST:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(highest))
    return next(unit * factor for factor in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10, 12) if unit * factor >= highest)


def round_values(low: float, high: float, least: float = 0.0) -> list[float]:
    """Three to six values of few digits between two ends, at least `least` apart."""
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    width = max(next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999), least)
    first = math.ceil(low / width - 1e-9)
    return [width * place for place in range(first, math.floor(high / width + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """The powers of ten between two ends, or the ends themselves if there are none."""
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    found = [10.0**power for power in powers]
    return found[:: max(len(found) // 6, 1)] if found else [low, high]


def short(value: float) -> str:
    """A number on an axis."""
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:.3g}"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'
