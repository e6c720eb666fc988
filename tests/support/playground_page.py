"""The playground without the rest of the site, and functions that read values from it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np

DOCS = Path(__file__).parents[2] / "docs"
HEAD = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'

PICTURE = """
const ticks = axis => {
  const lines = [...document.querySelectorAll(".pg-grid-" + axis)];
  const labels = [...document.querySelectorAll(".pg-tick-" + axis)];
  return lines.map((line, i) => [labels[i].textContent.replace(/,/g, ""), line.getAttribute(axis + "1")].map(Number));
};
const curves = [...document.querySelectorAll(".pg-curve")].map(path => [
  path.dataset.curve,
  path.getAttribute("d").split(/[ML]/).slice(1).map(point => point.split(" ").map(Number)),
]);
return {x: ticks("x"), y: ticks("y"), curves: Object.fromEntries(curves), log: document.getElementById("pg-log").checked};
"""


def write(folder: Path) -> str:
    """Write the HTML of docs/playground.md and its files. Returns the URL of the page."""
    for name in ("javascripts", "stylesheets"):
        shutil.copytree(DOCS / name, folder / name)
    html = re.findall(r"^<.*>$", (DOCS / "playground.md").read_text(), re.MULTILINE)
    path = folder / "playground.html"
    path.write_text(f"{HEAD}<body style='margin: 0; padding: 8px'>" + "\n".join(html))
    return path.as_uri()


class Curve:
    """A curve that is read from the picture by the labels of its axes.

    Attributes:
        x: the points on the horizontal axis.
        rates: the rates of these points.
        precision: the rate that a tenth of a pixel stands for. On a logarithmic axis, its logarithm.
    """

    def __init__(self, picture: dict, letter: str) -> None:
        points = np.array(picture["curves"][letter])
        self.x, _ = _read(picture["x"], points[:, 0])
        if picture["log"]:
            ticks = [[np.log(label), pixel] for label, pixel in picture["y"]]
            logs, self.precision = _read(ticks, points[:, 1])
            self.rates = np.exp(logs)
        else:
            self.rates, self.precision = _read(picture["y"], points[:, 1])


def _read(ticks: list, pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """The values of pixels by the first and the last tick, and the value of a tenth of a pixel."""
    (first, start), (last, end) = ticks[0], ticks[-1]
    scale = (last - first) / (end - start)
    return first + (pixels - start) * scale, abs(scale) / 10
