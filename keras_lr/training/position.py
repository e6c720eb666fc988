"""The position within an epoch at which a training continues that was resumed from a backup.

`BackupAndRestore` keeps the entry of its file in the model's saved state until the first batch is
trained. The entry is needed to compute the number of finished epochs from the step counter.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.refusals import shown
from keras_lr.optimizers import lookup
from keras_lr.training.saved_state import memory, of

KEY = "backup"


@dataclass(frozen=True)
class Position:
    """A position in a training.

    Attributes:
        epoch: number of finished epochs.
        batch: number of batches of the next epoch that are trained already.
        batches: batches of this epoch when the backup was made; None if that was unknown.
    """

    epoch: int
    batch: int = 0
    batches: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Position:
        """The position in an entry. One without a batch is from a version that made backups only at ends of epochs.

        Raises:
            KeyError, ValueError: the entry is not valid.
        """
        found = cls(entry["epoch"], entry.get("batch", 0), entry.get("batches"))
        for name, value in found.to_json().items():
            if not (_is_count(value) or (name == "batches" and value is None)):
                raise ValueError(f"its {name} is {shown(value)}")
        return found


def batches_done(model: Any) -> int:
    """Batches of the current epoch that were trained before `fit` began; 0 after the first batch of `fit`."""
    entry = memory(model).get(KEY)
    return 0 if entry is None else Position.from_json(entry).batch


def epochs_of_training(model: Any, steps_per_epoch: int, epoch: int, epochs: int) -> int:
    """Epochs of the whole training, including those before this `fit`.

    Args:
        model: the model.
        steps_per_epoch: batches in an epoch.
        epoch: the epoch that begins now.
        epochs: the epoch at which this `fit` ends.
    """
    done = lookup.step_of(model) - batches_done(model)
    return max(round(done / steps_per_epoch) + epochs - epoch, 1)


def forget(model: Any) -> None:
    """Remove the entry, because the training has moved on."""
    memory(model).pop(KEY, None)
    of(model).arrays.pop(KEY, None)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < STEP_LIMIT
