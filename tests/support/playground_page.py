"""The playground without the rest of the site, and what a test reads from it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
HEAD = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'

POINTS = """
const { plot } = document.getElementById("keras-lr-playground").playground;
return [...document.querySelectorAll(".pg-curve")].map((path, i) => {
  const { axis, y } = plot.marks[i];
  const numbers = path.getAttribute("d").match(/-?[\\d.]+/g).map(Number);
  const [bottom, top] = [y(axis.low), y(axis.high)];
  const points = Array.from({length: numbers.length / 2}, (_, k) => [numbers[2 * k], numbers[2 * k + 1]]);
  const log = plot.shown.log && path.dataset.curve.endsWith("rate");
  return {
    curve: path.dataset.curve,
    precision: 0.006 * (axis.high - axis.low) / Math.abs(top - bottom),
    steps: points.map(([x]) => x / plot.width * plot.shown.total),
    values: points.map(([, at]) => {
      const share = (bottom - at) / (bottom - top);
      return log ? axis.low * (axis.high / axis.low) ** share : axis.low + share * (axis.high - axis.low);
    }),
  };
});
"""
"""Curves back from their pixels: steps, values, and how exact the pixels are."""


def write(folder: Path) -> str:
    """The HTML of docs/playground.md and its files, as they are; the URL of the page."""
    for name in ("javascripts", "stylesheets"):
        shutil.copytree(DOCS / name, folder / name)
    html = re.findall(r"^<.*>$", (DOCS / "playground.md").read_text(), re.MULTILINE)
    path = folder / "playground.html"
    path.write_text(f"{HEAD}<body style='margin: 0; padding: 8px'>" + "\n".join(html))
    return path.as_uri()
