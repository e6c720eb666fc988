"""What a file keeps of a `ReduceOnPlateau`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from keras_lr.callbacks.plateau_rule import PlateauState, is_finite, is_state
from keras_lr.callbacks.plateau_window import NOTHING, unfinished_window
from keras_lr.core.refusals import refuse

NAMES = {"best", "wait", "cooldown_counter", "n_reductions", "recent", "last_epoch", "scales"}


@dataclass(frozen=True)
class PlateauEntry:
    """The saved state.

    Attributes:
        state: that of the rule.
        last_epoch: the last epoch that was decided on; -1 before the first.
        scales: what schedules are scaled by, by the column of the optimizer.
        unfinished: with `every`, the window of batches that is not full yet.
    """

    state: PlateauState = field(default_factory=PlateauState)
    last_epoch: int = -1
    scales: dict[str, float] = field(default_factory=dict)
    unfinished: tuple[int, float, float] = NOTHING

    def to_json(
        self, pending: tuple[int, float] | None = None, unfinished: tuple[int, float, float] | None = None
    ) -> dict[str, Any]:
        """The entry as JSON values, with an epoch that is over and its metric, which is not decided on yet."""
        state = asdict(self.state) | {"recent": list(self.state.recent)}
        entry: dict[str, Any] = {**state, "last_epoch": self.last_epoch, "scales": dict(self.scales)}
        if unfinished is not None:
            entry["unfinished"] = list(unfinished)
        if pending is not None:
            entry["pending"] = {"epoch": pending[0], "metric": pending[1]}
        return entry

    @classmethod
    def from_json(cls, entry: Any) -> PlateauEntry:
        """The entry out of JSON values.

        Raises:
            ValueError: they are none.
        """
        parts = entry.items() if isinstance(entry, dict) else ()
        fields = {name: value for name, value in parts if name not in ("pending", "unfinished")}
        if set(fields) != NAMES or not is_state(fields):
            refuse("ReduceOnPlateau", "state", "what `get_state` returns", entry)
        scales, last_epoch = dict(fields.pop("scales")), fields.pop("last_epoch")
        state = PlateauState(**fields | {"recent": tuple(fields["recent"])})
        return cls(state, last_epoch, scales, unfinished_window(entry.get("unfinished", NOTHING)))

    @staticmethod
    def pop_pending(entry: dict[str, Any]) -> tuple[int, float] | None:
        """Take the undecided epoch and its metric out of JSON values."""
        if "pending" not in entry:
            return None
        pending = entry.pop("pending")
        is_pair = isinstance(pending, dict) and set(pending) == {"epoch", "metric"} and type(pending["epoch"]) is int
        if not (is_pair and (type(pending["metric"]) is float or is_finite(pending["metric"]))):
            refuse("ReduceOnPlateau", "pending", "an epoch and a metric in the saved state", pending)
        return pending["epoch"], float(pending["metric"])
