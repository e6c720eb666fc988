"""The journal: a file with the trainings of a comparison, from which an interrupted comparison continues."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from keras_lr.tools.comparison.trials import Outcome

FORMAT = 1


class Journal:
    """A header line, then a line of JSON for each finished training."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Outcome]:
        """The finished trainings. An incomplete last line is removed from the file.

        Raises:
            ValueError: the file is not a journal of this version.
        """
        if not self._path.exists() or self._path.stat().st_size == 0:
            self._append({"keras_lr journal": FORMAT})
            return {}
        try:
            text = self._path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]
            lines = whole.splitlines()
            if json.loads(lines[0]) != {"keras_lr journal": FORMAT}:
                raise ValueError(lines[0])
            entries = [json.loads(line) for line in lines[1:]]
            found: dict[str, Outcome] = {}
            for entry in entries:
                found.setdefault(str(entry["trial"]), Outcome(_rows(entry["rows"]), str(entry["error"])))
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            raise ValueError(
                f"compare: `journal` {str(self._path)!r} is not a journal of this version: {error}"
            ) from None
        if whole != text:
            self._path.write_text(whole, encoding="utf-8")
        return found

    def write(self, key: str, outcome: Outcome) -> None:
        if not outcome.error:  # failed trainings are repeated
            self._append({"trial": key, "rows": outcome.rows, "error": ""})

    def _append(self, entry: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _rows(rows: Any) -> list[dict[str, float]]:
    """Rows from a journal, in the form that a training returns."""
    is_table = isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)
    if not is_table or not all({"epoch", "seconds", "learning_rate"} <= set(row) for row in rows):
        raise ValueError("a training has no rows")
    values = [value for row in rows for value in row.values()]
    # JSON supports integers of any size, but pandas does not.
    if not all(type(value) is float or (type(value) is int and abs(value) < 2**63) for value in values):
        raise ValueError("a value is not a number")
    return list(rows)
