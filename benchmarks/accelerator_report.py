"""The tables of waits for the device, and of what was measured on a GPU."""

from __future__ import annotations

from typing import Any

from benchmarks import common
from benchmarks.tables import SYSTEMS, ratio, table
from benchmarks.waits import END, STEP, THREAD

WHEN = (STEP, THREAD, END)


def waits() -> str:
    """Waits of a step by case and backend."""
    runs = {backend: {row["case"]: row for row in run["rows"]} for backend, run in common.load("waits").items()}
    body = [
        [case, *(" + ".join(f"{rows[case][when]:.0f}" for when in WHEN) for rows in runs.values())]
        for case in next(iter(runs.values()))
    ]
    return table(["waits of a step: " + " + ".join(WHEN), *(SYSTEMS[backend] for backend in runs)], body)


def measured(runs: dict[str, Any]) -> str:
    """What was measured on a GPU, a table for each backend; a sentence where there is nothing."""
    if not runs:
        return "No GPU was measured yet."
    return "\n\n".join(_of_backend(backend, run) for backend, run in runs.items())


def _of_backend(backend: str, run: dict[str, Any]) -> str:
    rows, body = run["rows"], []
    for row in rows:
        if row["kind"] == "step":
            base = "microseconds" in row
            found = f"{row['microseconds']:,.0f} µs" if base else ratio(row, 3)
            body.append([f"{row['case']}, {row['size']}, {row['mode']}", found])
        elif row["kind"] == "range_test":
            body.append([f"a batch of the range test, of one of `fit`, {row['size']}", ratio(row, 3)])
        elif row["kind"] == "waits":
            cuda = f"; CUDA reports {row['CUDA']:.1f}" if "CUDA" in row else ""
            body.append([f"waits in a step, {row['case']}", f"{row[STEP]:.0f}{cuda}"])
        else:
            body.append([row["what"], f"not measured: {row['why']}"])
    head = [f"{SYSTEMS[backend]} on {run['device']}, {run['date']}", "of a constant rate's step"]
    return table(head, body)
