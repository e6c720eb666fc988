"""The tables of the counts, and of what is large: schedules, models, processes and trainings."""

from __future__ import annotations

from typing import Any

from benchmarks import common
from benchmarks.tables import SYSTEMS, rows_of, table

COLUMNS = {"jax": "JAX: kernels", "tensorflow": "TensorFlow: operations", "torch": "torch: Python calls"}
PRECISE = {
    "cosine": ("CosineDecay", "CosineDecay"),
    "restarts": ("CosineDecayRestarts", "CosineDecayRestarts"),
    "exponential": ("ExponentialDecay", "ExponentialDecay"),
    "polynomial": ("PolynomialDecay", "PolynomialDecay"),
    "hyperbola": ("TimeBasedDecay", "InverseTimeDecay"),
}
"""The rows of the part `precision` for some cases: ours, and Keras's."""


def _rows(kind: str | None) -> dict[str, dict[str, dict[str, Any]]]:
    """Backend → case → row; None for the rows of schedules, whose unit is the backend's own."""
    return {
        backend: {row["case"]: row for row in run["rows"] if row["kind"] == kind or (kind is None and "ours" in row)}
        for backend, run in common.load("counts").items()
    }


def _errors() -> dict[tuple[str, str], float]:
    rows = common.known_rows("precision", "jax")
    return {(row["system"], row["case"]): row["of_value"] for row in rows}


def schedules() -> str:
    """Ours and Keras's beside each other, and how exact both are."""
    rows, errors = _rows(None), _errors()
    body = []
    for case in next(iter(rows.values())):
        cells = [f"{rows[backend][case]['ours']:.3g} / {rows[backend][case]['keras']:.4g}" for backend in COLUMNS]
        names = PRECISE.get(case)
        both = [] if names is None else [errors.get(("keras_lr", names[0])), errors.get(("Keras", names[1]))]
        body.append([case, *cells, " / ".join(f"{error:.1e}" for error in both if error is not None)])
    return table(["ours / Keras's nearest", *COLUMNS.values(), "error of the value on JAX"], body)


def updates() -> str:
    """What an update costs more than that of the stock optimizer."""
    rows = _rows("update")
    body = [
        [case, *(f"{rows[backend][case]['count']:.0f} ({rows[backend][case]['more']:+.0f})" for backend in COLUMNS)]
        for case in next(iter(rows.values()))
    ]
    return table(["an update of four variables", *COLUMNS.values()], body)


def batches() -> str:
    """What a batch of `fit` costs more than one with a constant rate."""
    rows = _rows("batch")
    body = [
        [case, *(f"{rows[backend][case]['calls']:+.0f} of {rows[backend][case]['of']:,.0f}" for backend in COLUMNS)]
        for case in next(iter(rows.values()))
        if case != "constant"
    ]
    return table(["Python calls of a batch of `fit`", *(SYSTEMS[backend] for backend in COLUMNS)], body)


def counts() -> str:
    return "\n\n".join([schedules(), updates(), batches()])


def scale() -> str:
    """The time until the first step, and the memory, of large schedules and models."""
    body = [
        [row["case"], SYSTEMS[row["backend"]], f"{row['first_seconds']:.1f}", f"{row['peak_mib']:,.0f}"]
        for row in rows_of("scale")
    ]
    return table(["", "", "first step, s", "peak memory, MiB"], body)


def processes() -> str:
    """What two processes sent, and whether they decided alike."""
    names = {"jax": "two processes of `jax.distributed`", "torch": "two processes of `torch.distributed` (DDP)"}
    body = [
        [
            names[row["backend"]],
            f"{row['steps']:,}",
            str(row["epochs"]),
            str(row["reductions"]),
            "the same" if row["alike"] else "different",
            " and ".join(map(str, row["messages"])),
        ]
        for row in rows_of("processes")
    ]
    return table(["", "steps", "epochs", "reductions", "rates and state in both", "messages of each"], body)


def log_memory() -> str:
    """By how much the memory of a process grows while a log is written, and when it is continued."""
    rows = rows_of("log_memory")
    kept = lambda row: f"{row['keep']:,}" if row["keep"] else "all"  # noqa: E731
    written = [[f"{it['batches']:,}", kept(it), f"{it['more_mib']:.0f}"] for it in rows if "batches" in it]
    continued = [
        [f"{it['resumed']:,}", kept(it), f"{it['more_mib']:.0f}", f"{it['seconds']:.1f}"]
        for it in rows
        if "resumed" in it
    ]
    head = ["rows kept in memory", "more memory, MiB"]
    return "\n\n".join(
        [
            table(["batches written", *head], written),
            table(["rows in the file, when it is continued", *head, "seconds"], continued),
        ]
    )


def many_trainings() -> str:
    """A comparison on a cluster."""
    body = [
        [
            f"{row['trainings']:,}",
            f"{row['seconds']:,.0f}",
            f"{row['trained_again']}: {'the same losses' if row['alike'] else 'other losses'}",
        ]
        for row in rows_of("many_trainings")
    ]
    return table(["trainings", "seconds", "trained again on processes"], body)


def worst_of_steps() -> list[tuple[str, str, str]]:
    """The lines of the goals that a clock cannot answer."""
    lines = []
    for backend, cases in _rows(None).items():
        more = [case for case, row in cases.items() if row["ours"] > row["keras"]]
        found = "none" if not more else f"{len(more)} of {len(cases)}: {', '.join(more)}"
        system, unit = COLUMNS[backend].split(": ")
        what = f"more {unit} for a schedule than Keras's nearest, on {system}"
        lines.append((f"{what}: none", found, "met" if not more else "missed"))
    return lines
