"""What the reports share: tables in Markdown, the rows of results, and the line about what they were made with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from benchmarks import common

SYSTEMS = {"tensorflow": "TensorFlow", "tensorflow, XLA": "TensorFlow, XLA", "jax": "JAX", "torch": "torch"}

Rows = list[dict[str, Any]]


def table(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, body)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def pivot(rows: Rows, line: str, column: str, cell: Callable[[dict[str, Any]], str], first: str) -> str:
    """A table with a line and a column for each value of two keys, in the order in which they come."""
    lines, columns = list(dict.fromkeys(r[line] for r in rows)), list(dict.fromkeys(r[column] for r in rows))
    found = {(r[line], r[column]): cell(r) for r in rows}
    return table([first, *map(str, columns)], [[str(a), *(found.get((a, b), "") for b in columns)] for a in lines])


def rows_of(part: str) -> Rows:
    """The rows of all backends, each with its backend."""
    return [{"backend": key, **row} for key, run in common.load(part).items() for row in run["rows"]]


def ratio(row: dict[str, Any], digits: int = 2) -> str:
    return f"{row['median']:.{digits}f} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"


def made_with(run: dict[str, Any]) -> str:
    """A line with date, versions and the class of machine of a run."""
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return f"{run['date']}, Python {run['python']}, {versions}; {run['machine']}, shared with other work."
