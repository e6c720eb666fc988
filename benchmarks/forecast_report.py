"""The tables and the picture of `docs/forecast.md`, from the results of `benchmarks.forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common, tables
from benchmarks.forecast import FITTED, LONG, TASKS
from keras_lr.tools.forecast.laws import LAWS

IMAGES = Path(__file__).parents[1] / "docs" / "images"
FIGURES = {IMAGES / "forecast.svg": "default", IMAGES / "forecast_dark.svg": "dark_background"}
"""The pictures, each with matplotlib's style."""
Row = dict[str, Any]


def rows() -> list[Row]:
    known = common.load("forecast")
    return [row for task in TASKS if task in known for row in known[task]["rows"]]


def ranks(values: list[float]) -> np.ndarray:
    return np.argsort(np.argsort(values)).astype(float)


def means(row: Row) -> dict[str, float]:
    """The measured final losses, each the mean over the seeds."""
    return {name: float(np.mean(values)) for name, values in row["measured"].items()}


def errors(row: Row) -> dict[str, float]:
    """Errors of the forecasts of the held-out schedules, relative to what was measured."""
    measured = means(row)
    return {name: row["forecast"][name] / measured[name] - 1 for name in measured if name not in FITTED}


def cells(row: Row) -> list[str]:
    """Errors on held-out schedules, the noise, and the rank correlation over all eight."""
    measured, found = means(row), errors(row)
    single = [abs(x / measured[name] - 1) for name in found for x in row["forecast_of_seeds"][name]]
    spread = [np.std(values, ddof=1) / measured[name] for name, values in row["measured"].items()]
    of_mean = np.mean(spread) / np.sqrt(len(row["measured"]["constant"]))
    worst = max(found, key=lambda name: abs(found[name]))
    order = np.corrcoef(ranks(list(measured.values())), ranks([row["forecast"][name] for name in measured]))[0, 1]
    return [
        row["task"],
        f"{row['peak']:g}",
        row["law"],
        f"{np.median([abs(it) for it in found.values()]):.1%}",
        f"{signed(found[worst])} ({worst})",
        f"{np.median(single):.1%}",
        f"{np.mean(spread):.1%}, {of_mean:.1%}",
        f"{row['evaluation_noise']:.1%}",
        f"{order:.2f}",
    ]


def ahead(row: Row) -> list[str]:
    """Three times the length, and the designed schedule beside the best of the eight, on the same seeds."""
    long = [signed(row["forecast_long"][name] / it - 1) for name, it in row["measured_long"].items()]
    pairs = np.array(row["designed_fresh"]) / np.array(row["best_fresh"]) - 1
    best, designed = (f"{np.mean(row[which]):.4f}" for which in ("best_fresh", "designed_fresh"))
    more = f"{signed(np.mean(pairs))} ± {np.std(pairs, ddof=1):.1%}"
    return [row["task"], row["law"], *long, f"{best} ({row['best']})", designed, more]


def signed(part: Any) -> str:
    return f"{part:+.1%}".replace("-", "−")


def table() -> str:
    """The tables, and the conditions."""
    head = ["task", "peak", "law", "median error", "worst error", "median error, fitted to one seed"]
    head += ["noise of one seed, of the mean of three", "noise of the evaluation", "rank correlation"]
    found = [tables.table(head, map(cells, rows()))]
    long = [f"{name}, three times the length" for name in LONG]
    head = ["task", "law", *long, "best of the eight, fresh seeds", "designed, fresh seeds", "more"]
    found.append(tables.table(head, [ahead(row) for row in rows() if "designed" in row]))
    run = common.load("forecast")["speed"]
    speed = run["rows"][0]
    times = [[law, f"{speed[law]['fit']:.1f} s", f"{speed[law]['forecast']:.1f} s"] for law in LAWS]
    found.append(tables.table(["law", "fit of two logs of 100,000 rows", "forecast of a million steps"], times))
    thinned = f"Joining falls of the rate changed no loss by more than {speed['thinning_error']:.1e} of it."
    return "\n\n".join([*found, f"{thinned} {tables.made_with(run)}"])


def figure() -> None:
    """Fitted, predicted and measured: the transformer at the lower peak, for light and for dark pages."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    chosen = [row for row in rows() if row["task"] == "characters" and row["law"] == "multi-power"]
    row = min(chosen, key=lambda row: row["peak"])
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
    ax.set_xlim(left=0.2 * max(curve["step"][-1] for curve in curves.values()))
    ax.set_ylim(top=1.17 * max(curve["measured"][-1] for curve in curves.values()))
    ax.set_xlabel("step (batches)")
    ax.set_ylabel("held-out loss (dots: measured)")
    ax.grid(visible=True, alpha=0.3)
    ax.legend(fontsize="small")
