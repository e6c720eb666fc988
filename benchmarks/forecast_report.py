"""The tables and the picture of `docs/forecast.md`, from the results of `benchmarks.forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common

IMAGES = Path(__file__).parents[1] / "docs" / "images"
FIGURES = {IMAGES / "forecast.svg": "default", IMAGES / "forecast_dark.svg": "dark_background"}
"""The pictures, each with matplotlib's style."""
FITTED = ("constant", "cosine")


def rows() -> list[dict[str, Any]]:
    return [row for key, run in common.load("forecast").items() if key != "speed" for row in run["rows"]]


def ranks(values: list[float]) -> np.ndarray:
    return np.argsort(np.argsort(values)).astype(float)


def figures(row: dict[str, Any]) -> dict[str, float]:
    """Errors over the held-out schedules and all fits, the seeds' noise, and the rank correlation over all eight."""
    means = {name: float(np.mean(values)) for name, values in row["measured"].items()}
    errors = [abs(x / means[name] - 1) for name in means if name not in FITTED for x in row["forecast"][name]]
    noise = [np.std(values, ddof=1) / means[name] for name, values in row["measured"].items()]
    fits = len(row["forecast"]["constant"])
    order = [
        np.corrcoef(ranks(list(means.values())), ranks([row["forecast"][name][fit] for name in means]))[0, 1]
        for fit in range(fits)
    ]
    long = [
        abs(x / row["measured_long"][name] - 1) for name in row["measured_long"] for x in row["forecast_long"][name]
    ]
    return {
        "seeds": fits,
        "median": float(np.median(errors)),
        "worst": max(errors),
        "noise": float(np.mean(noise)),
        "order": float(np.mean(order)),
        "long": float(np.median(long)),
        "best": float(np.mean(row["best_fresh"])),
        "designed": float(np.mean(row["designed_fresh"])),
    }


def table() -> str:
    """The tables, and the conditions."""
    lines = [
        "| task | law | seeds | median error | worst error | noise of the seeds | rank correlation | median error at "
        "three times the length | best of eight, fresh seeds | designed, fresh seeds |",
        "| --- " * 10 + "|",
    ]
    for row in rows():
        it = figures(row)
        lines.append(
            f"| {row['task']} | {row['law']} | {it['seeds']} | {it['median']:.1%} | {it['worst']:.1%} "
            f"| {it['noise']:.1%} | {it['order']:.2f} | {it['long']:.1%} "
            f"| {it['best']:.4f} ({row['best']}) | {it['designed']:.4f} |"
        )
    known = common.load("forecast")
    speed = known["speed"]["rows"][0]
    lines += ["", "| law | fit of two logs of 100,000 rows | forecast of a million steps |", "| --- | --- | --- |"]
    lines += [
        f"| {law} | {speed[law]['fit']:.1f} s | {speed[law]['forecast']:.1f} s |"
        for law in ("multi-power", "annealing")
    ]
    run = known["speed"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    lines += [
        "",
        f"Joining falls of the rate changed no loss by more than {speed['thinning_error']:.1e} of it. "
        f"{run['date']}, Python {run['python']}, {versions}; {run['machine']}, shared with other work.",
    ]
    return "\n".join(lines)


def figure() -> None:
    """Fitted, predicted and measured: four schedules of the first task, for light and for dark pages."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    row = next(row for row in rows() if row["task"] == "characters" and row["law"] == "multi-power")
    for path, style in FIGURES.items():
        with pyplot.style.context(style), pyplot.rc_context({"svg.hashsalt": "keras_lr"}):
            drawn, ax = pyplot.subplots(figsize=(7.0, 3.6), layout="constrained")
            _draw(ax, row["curves"])
            drawn.savefig(path, metadata={"Date": None}, transparent=True)
            pyplot.close(drawn)


def _draw(ax: Any, curves: dict[str, Any]) -> None:
    """The law's curves as lines, and what was measured as dots."""
    for name, curve in curves.items():
        law = [np.nan if value is None else value for value in curve["law"]]
        label = f"{name} ({'fitted' if name in FITTED else 'predicted'})"
        (line,) = ax.plot(curve["step"], law, "-" if name in FITTED else "--", label=label)
        ax.plot(curve["step"], curve["measured"], ".", color=line.get_color(), markersize=4)
    ax.set_ylim(top=1.35 * max(curve["measured"][-1] for curve in curves.values()))
    ax.set_xlabel("step (batches)")
    ax.set_ylabel("held-out loss (dots: measured)")
    ax.grid(visible=True, alpha=0.3)
    ax.legend(fontsize="small")
