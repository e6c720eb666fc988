"""`BackupAndRestore`: a training that is killed at any moment goes on where its last epoch ended."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras

from keras_lr import processes
from keras_lr.fields import FLAG, PATH, STEP_LIMIT, check, shown
from keras_lr.state import memory


class BackupAndRestore(keras.callbacks.Callback):
    """Save the whole training at the end of each epoch, and take it up at the start of `fit`.

    As `keras.callbacks.BackupAndRestore`, with one difference that matters when a process is
    killed: the backup is one file, which has the weights, the optimizer, the step, the epoch
    and the state of this package's callbacks, and which takes the place of the one before at
    once. Keras writes weights and epoch into two files, one after the other; killed in between,
    it repeats an epoch with the weights and the step of its end, and killed within, it cannot go on.

    The recipe: run the same script again. It may stand anywhere in the list of callbacks, but
    after those that put metrics into the epoch's logs. In a training of several processes the
    first one writes, and all of them read.

    Args:
        backup_dir: a directory for the backup.
        delete_checkpoint: delete it when training has come to its end.

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, if the
            model is not built, or the backup is damaged or belongs to another model.
    """

    def __init__(self, backup_dir: str | os.PathLike[str], delete_checkpoint: bool = True) -> None:
        super().__init__()
        self.backup_dir = Path(check(PATH, "BackupAndRestore", "backup_dir", backup_dir))
        self.delete_checkpoint: bool = check(FLAG, "BackupAndRestore", "delete_checkpoint", delete_checkpoint)

    @property
    def path(self) -> Path:
        """The file of the backup."""
        return self.backup_dir / "latest.weights.h5"

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self.model
        if not model.built:
            raise ValueError("BackupAndRestore: the model must be built before `fit`: give it an `Input`, or call it")
        if not self.path.exists():
            return
        # A counter of 0 in the model would be taken for the start of a training.
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        memory(model).pop("backup", None)
        try:
            model.load_weights(self.path)
            epoch = memory(model)["backup"]["epoch"]
            if type(epoch) is not int or not 0 <= epoch < STEP_LIMIT:
                raise ValueError(f"its epoch is {shown(epoch)}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"BackupAndRestore: {str(self.path)!r} is damaged, or is no backup of this model: {error}; move it "
                "away to begin anew"
            ) from error
        # How Keras's own callback tells `fit` where to go on.
        model._initial_epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        model = self.model
        memory(model)["backup"] = {"epoch": epoch + 1}
        if processes.is_chief():
            self.backup_dir.mkdir(parents=True, exist_ok=True)
            part = self.backup_dir / "part.weights.h5"
            model.save_weights(part, overwrite=True)
            with part.open("r+b") as file:
                os.fsync(file.fileno())
            os.replace(part, self.path)
        elif keras.config.backend() == "jax":
            # There, all processes must read a variable for one of them to do so.
            with tempfile.TemporaryDirectory() as folder:
                model.save_weights(Path(folder) / "same.weights.h5")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        memory(self.model).pop("backup", None)
        if self.delete_checkpoint and processes.is_chief() and self.backup_dir.exists():
            shutil.rmtree(self.backup_dir)
