"""The tables of waits for the device, and of what was measured on a GPU."""

from __future__ import annotations

from typing import Any

from benchmarks import common

NAMES = {"jax": "JAX", "torch": "torch", "tensorflow": "TensorFlow"}
WHEN = ("in a step", "in a thread beside it", "at the end of an epoch")


def _table(head: list[str], body: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *body])


def waits() -> str:
    """Waits of a step by case and backend."""
    runs = {backend: {row["case"]: row for row in run["rows"]} for backend, run in common.load("waits").items()}
    body = [
        [case, *(" + ".join(f"{rows[case][when]:.0f}" for when in WHEN) for rows in runs.values())]
        for case in next(iter(runs.values()))
    ]
    return _table(["waits of a step: " + " + ".join(WHEN), *(NAMES[backend] for backend in runs)], body)


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
            found = f"{row['microseconds']:,.0f} µs" if base else _ratio(row)
            body.append([f"{row['case']}, {row['size']}, {row['mode']}", found])
        elif row["kind"] == "range_test":
            body.append([f"a batch of the range test, of one of `fit`, {row['size']}", _ratio(row)])
        elif row["kind"] == "waits":
            cuda = f"; CUDA reports {row['CUDA']:.1f}" if "CUDA" in row else ""
            body.append([f"waits in a step, {row['case']}", f"{row['in a step']:.0f}{cuda}"])
        else:
            body.append([row["what"], f"not measured: {row['why']}"])
    head = [f"{NAMES[backend]} on {run['device']}, {run['date']}", "of a constant rate's step"]
    return _table(head, body)


def _ratio(row: dict[str, Any]) -> str:
    return f"{row['median']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
