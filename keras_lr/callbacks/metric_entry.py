"""The saved state of a callback that changes the rate by a metric."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from keras_lr.callbacks.metric_rule import is_finite
from keras_lr.callbacks.plateau_window import NOTHING, unfinished_window
from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.refusals import refuse


@dataclass(frozen=True)
class MetricEntry:
    """The saved state.

    Attributes:
        state: the state of the rule.
        last_epoch: the last epoch with a decision; -1 before the first.
        scales: the scales of schedules, by the column of the optimizer.
        unfinished: with `every`, the window of batches that is not complete yet.
    """

    state: Any
    last_epoch: int = -1
    scales: dict[str, float] = field(default_factory=dict)
    unfinished: tuple[int, float, float] = NOTHING

    def to_json(
        self, pending: tuple[int, float] | None = None, unfinished: tuple[int, float, float] | None = None
    ) -> dict[str, Any]:
        """The entry as JSON values, with a finished epoch and its metric if the decision is still open."""
        state = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.state).items()}
        entry: dict[str, Any] = {**state, "last_epoch": self.last_epoch, "scales": dict(self.scales)}
        if unfinished is not None:
            entry["unfinished"] = list(unfinished)
        if pending is not None:
            entry["pending"] = {"epoch": pending[0], "metric": pending[1]}
        return entry

    @classmethod
    def from_json(cls, owner: str, kind: Any, entry: Any) -> MetricEntry:
        """The entry from JSON values.

        Args:
            owner: the callback, for errors.
            kind: the class of the rule's state.
            entry: the values.

        Raises:
            ValueError: the values are not valid.
        """
        parts = entry.items() if isinstance(entry, dict) else ()
        given = {name: value for name, value in parts if name not in ("pending", "unfinished")}
        names = {part.name for part in fields(kind)}
        if set(given) != names | {"last_epoch", "scales"} or not _is_right(kind, given):
            refuse(owner, "state", "what `get_state` returns", entry)
        scales, last_epoch = dict(given.pop("scales")), given.pop("last_epoch")
        state = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
        return cls(state, last_epoch, scales, unfinished_window(owner, entry.get("unfinished", NOTHING)))

    @staticmethod
    def pop_pending(owner: str, entry: dict[str, Any]) -> tuple[int, float] | None:
        """Remove the open epoch and its metric from JSON values, and return them."""
        if "pending" not in entry:
            return None
        pending = entry.pop("pending")
        is_pair = isinstance(pending, dict) and set(pending) == {"epoch", "metric"} and type(pending["epoch"]) is int
        if not (is_pair and (type(pending["metric"]) is float or is_finite(pending["metric"]))):
            refuse(owner, "pending", "an epoch and a metric in the saved state", pending)
        return pending["epoch"], float(pending["metric"])


def _is_right(kind: Any, given: dict[str, Any]) -> bool:
    """Whether the values are of the same kinds as the defaults of the state."""
    scales = given["scales"]
    return (
        all(_is_like(part.default, given[part.name]) for part in fields(kind))
        and _is_like(-1, given["last_epoch"])
        and isinstance(scales, dict)
        and all(is_finite(scale) and 0 <= scale <= kind.LARGEST_SCALE for scale in scales.values())
    )


def _is_like(default: Any, value: Any) -> bool:
    """Whether a value is of the same kind as a default: a count, several numbers, or one number or None."""
    if isinstance(default, int):
        return type(value) is int and -1 <= value < STEP_LIMIT
    if isinstance(default, tuple):
        return isinstance(value, list) and all(map(is_finite, value))
    return value is None or is_finite(value)
