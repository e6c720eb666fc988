"""`BackupAndRestore`: a training that was killed at any moment continues from its last backup."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, SupportsFloat

import keras
import numpy as np

from keras_lr.callbacks.backup_entry import BackupEntry
from keras_lr.callbacks.backup_folder import BackupFolder
from keras_lr.callbacks.backup_seal import entry_of, optimizer_of, seal
from keras_lr.callbacks.keras_state import has_stopped, restore
from keras_lr.callbacks.metric_options import EpochOrBatches
from keras_lr.callbacks.skipping import Skip, assign
from keras_lr.core.fields import FLAG, PATH
from keras_lr.core.refusals import check, refuse
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup
from keras_lr.training import processes
from keras_lr.training.position import KEY, Position, forget
from keras_lr.training.random_state import capture
from keras_lr.training.saved_state import memory
from keras_lr.training.session import Session
from keras_lr.training.snapshot import seeds_of

MOST_TEXT = 300
"""How many characters of a reason an error shows."""

SAVE_FREQ = EpochOrBatches()


class BackupAndRestore(keras.callbacks.Callback):
    """Save the whole training at intervals, and resume it at the start of `fit`.

    The arguments are those of `keras.callbacks.BackupAndRestore`. The differences are:

    - A backup is one file with the weights, the optimizer, the step, the seeds of layers, the epoch
      and the state of this package's callbacks. It replaces the previous backup in one operation.
      Keras writes weights and epoch to two files. If it is killed between the two writes,
      it repeats an epoch, beginning with the weights and the step from the end of that epoch.
    - A backup within an epoch is exact: training continues with the next batch, and the metrics
      are means over the whole epoch. Keras repeats the epoch from its first batch.
    - At the end only the backup is deleted. If nothing else is in the folder, it is deleted too.

    To resume, run the same script again. Put the callback after those that add metrics to the
    epoch's logs. Apart from that, it may be anywhere in the list. In a training of several processes,
    the first one writes the backup, and all of them read it.

    When a training is resumed within an epoch, the earlier batches of this epoch are taken from the
    data again. The model is not trained on them, and no hooks are called for them. So the data must
    have the same order as in the interrupted training: use `fit(shuffle=False)`, or an order that
    depends only on the epoch.

    Args:
        backup_dir: a folder for the backup. It may contain other files.
        save_freq: "epoch", or a number of batches. With a number, a backup is made after so many
            batches: before the next batch begins, or at the end of the epoch. As in Keras, the count
            continues from epoch to epoch.
        double_checkpoint: whether to keep the previous backup too. If the latest one is damaged,
            training continues from the previous one, with a warning.
        delete_checkpoint: whether to delete the backups at the end of the training. If that fails,
            there is a warning.

    Raises:
        TypeError, ValueError: at construction, an argument is not allowed. At the start of `fit`, the
            model is not built, the folder cannot be written, or the backup is damaged or belongs to
            another model. In the first epoch, the backup was made within an epoch, and the training
            has fewer batches, other metrics or another `initial_epoch`.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: SupportsFloat | str = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        # Absolute, since the process may change its current folder while it trains.
        self.backup_dir = Path(os.path.abspath(check(PATH, "BackupAndRestore", "backup_dir", backup_dir)))
        self.save_freq: int | str = _save_freq(save_freq)
        self.double_checkpoint: bool = check(FLAG, "BackupAndRestore", "double_checkpoint", double_checkpoint)
        self.delete_checkpoint: bool = check(FLAG, "BackupAndRestore", "delete_checkpoint", delete_checkpoint)
        self._folder = BackupFolder(self.backup_dir)
        self._skip: Skip | None = None
        self._loaded: BackupEntry | None = None

    @property
    def path(self) -> Path:
        """The file of the latest backup, a `Path`. It need not exist."""
        return self._folder.latest

    # Hooks of Keras. There is none for the end of a batch, because Keras would then wait for each batch.

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self._net = self.model
        lookup.require_optimizer("BackupAndRestore", model)
        session = self._session = Session.join(self)
        if not model.built:
            raise ValueError("BackupAndRestore: the model must be built before `fit`: give it an `Input`, or call it")
        if self._skip is not None:  # left by a `fit` that ended with an error
            self._skip.end()
        self._skip = None
        self._seen, self._begun = 0, False
        self._damaged = False
        self._loaded = None
        if not self._is_of_another(memory(model).get(KEY)):
            forget(model)
        if processes.is_chief():
            self._folder.prepare()
        if self._folder.backups():
            # Keras's own callback passes the first epoch to `fit` in this way.
            self._loaded = self._load()
            model._initial_epoch = self._first_epoch(self._loaded)
        # Keras's callbacks reset their state in `on_train_begin`, so it is restored after that.
        session.first.add(self, on_epoch_begin=self._restore_states, on_train_end=self._restore_states)
        # A backup is written after all callbacks have seen the end of the epoch.
        session.last.add(self, on_epoch_end=self._write_epoch)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._batch = epoch, 0
        if not self._begun and self._loaded is not None and self._has_loaded(memory(self._net).get(KEY)):
            # `fit` has read it by now. Otherwise the next `fit` would begin there too.
            self._net._initial_epoch = None
            self._go_on(epoch, self._loaded)
        self._begun = True
        self._random_of_epoch = capture() if self.save_freq != "epoch" else {}

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Not `self.model`: on JAX each access writes the whole state back to the variables.
        if batch > self._batch:
            forget(self._net)
            self._seen += batch - self._batch
            self._batch = batch
        # Before a batch. After one, some callbacks have not seen its end yet.
        if self._is_due():
            self._write(Position(self._epoch, batch, (self.params or {}).get("steps")))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        forget(self._net)
        # The last execution may have fewer batches. Then a backup is early, never late.
        self._seen += self._net.steps_per_execution
        if self._session.running is None:
            self._write_epoch(epoch)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        forget(self._net)
        if self._loaded is not None:
            self._net._initial_epoch = None
        if self.delete_checkpoint and processes.is_chief():
            self._folder.delete()
        self._session.leave(self)

    # Resuming.

    def _is_of_another(self, entry: Any) -> bool:
        """Whether another callback of this class loaded the entry. The last one in the list with a backup is used."""
        backups = [other for other in self._session.others(self) if isinstance(other, BackupAndRestore)]
        return any(other._has_loaded(entry) for other in backups)

    def _has_loaded(self, entry: Any) -> bool:
        """Whether an entry of the model's memory is the one that this callback loaded."""
        return self._loaded is not None and self._loaded.saved is entry

    def _first_epoch(self, loaded: BackupEntry) -> int:
        """The epoch at which `fit` continues. If `EarlyStopping` had stopped the training, nothing is left to train."""
        position = loaded.position
        epochs: int = (self.params or {}).get("epochs", position.epoch)
        return epochs if has_stopped(loaded.callbacks[0], position.epoch) else position.epoch

    def _load(self) -> BackupEntry:
        """Load the latest backup, or the previous one if that is damaged."""
        errors: list[tuple[Path, Exception]] = []
        for path in self._folder.backups():
            try:
                loaded = self._load_from(path)
            except OtherTrainingError:
                raise
            except Exception as error:  # h5py raises errors of many classes for damaged files
                errors.append((path, error))
                continue
            if errors:
                self._damaged = True
                position = loaded.position
                warn_user(
                    f"BackupAndRestore: {_names(errors)}; training continues from the previous backup, of epoch "
                    f"{position.epoch:,} and batch {position.batch:,} (counted from 0)",
                )
            return loaded
        hint = "" if self.double_checkpoint else "; with `double_checkpoint=True` the previous backup is kept too"
        raise ValueError(f"BackupAndRestore: {_names(errors)}; move it away to start again{hint}") from errors[0][1]

    def _load_from(self, path: Path) -> BackupEntry:
        model = self._net
        # An optimizer without variables loads nothing, and its counter of 0 looks like the start of a training.
        lookup.build_optimizer(model)
        forget(model)
        entry = entry_of(path)
        Position.from_json(entry)
        trained, now = entry.get("optimizer"), optimizer_of(model)
        if trained not in (None, now):
            raise OtherTrainingError(
                f"BackupAndRestore: {str(path)!r} is of a training with {trained}, but the model is compiled with "
                f"{now}; compile it with the same optimizer, or move the backup away to start again"
            )
        model.load_weights(path)
        loaded = BackupEntry.of_loaded(model)
        if loaded.seeds is not None:
            assign(seeds_of(model), [[seed] for seed in loaded.seeds], "seeds")
        return loaded

    def _go_on(self, epoch: int, loaded: BackupEntry) -> None:
        """Skip the trained batches of the epoch in which the backup was made."""
        position, random = loaded.position, loaded.random_states()
        if random:
            random.pop(0).restore()
        if position.batch == 0:
            forget(self._net)
            return
        if epoch != position.epoch:
            raise ValueError(
                f"BackupAndRestore: the backup was made within epoch {position.epoch:,}, but `fit` begins with epoch "
                f"{epoch:,}; pass the `initial_epoch` of the interrupted training"
            )
        callbacks = self._session.running
        if callbacks is None:
            raise ValueError("BackupAndRestore: only `fit` can resume from a backup that was made within an epoch")
        self._skip = Skip(self._net, callbacks, position, loaded.metrics, random)
        self._batch = position.batch

    def _restore_states(self, *_: Any) -> None:
        """Restore the states of Keras's callbacks. By now they have reset them."""
        if self._loaded is not None and self._session.once((self, "states")):
            restore(self._session.others(self), *self._loaded.callbacks)
            self._loaded.callbacks[1].clear()  # which may be as large as the model

    # Writing.

    def _write_epoch(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.save_freq == "epoch" or self._is_due():
            self._write(Position(epoch + 1))

    def _is_due(self) -> bool:
        return isinstance(self.save_freq, int) and self._seen >= self.save_freq

    def _write(self, position: Position) -> None:
        self._seen = 0
        model = self.model
        others = self._session.others(self)
        entry = BackupEntry.capture(model, position, optimizer_of(model), others, self._random_of_epoch)
        keep_latest = self.double_checkpoint and not self._damaged

        def save(path: Path) -> None:
            model.save_weights(path, overwrite=True)
            seal(path)

        with entry.in_memory(model):
            processes.let_chief_write(model, lambda: self._folder.write(save, keep_latest=keep_latest))
        self._damaged = False


class OtherTrainingError(ValueError):
    """A backup that is not damaged, but belongs to another training."""


def _save_freq(value: Any) -> int | str:
    if isinstance(value, bool | np.bool_):
        allowed = f"{SAVE_FREQ.allowed}; whether to delete the backup is `delete_checkpoint=`"
        refuse("BackupAndRestore", "save_freq", allowed, value, TypeError)
    freq: int | str = check(SAVE_FREQ, "BackupAndRestore", "save_freq", value)
    return freq


def _names(errors: list[tuple[Path, Exception]]) -> str:
    """The backups that cannot be loaded, with reasons."""
    (path, error), *rest = errors
    also = "".join(f", and so is {str(other)!r}: {_reason(why)}" for other, why in rest)
    return f"{str(path)!r} is damaged, or is not a backup of this model: {_reason(error)}{also}"


def _reason(error: Exception) -> str:
    """An error in one line. If Keras has collected several errors, the one that it shows as an example."""
    paragraphs = [" ".join(part.split()) for part in str(error).split("\n\n") if part.strip()]
    is_list = len(paragraphs) > 1 and paragraphs[0].startswith("A total of ")
    return (paragraphs[is_list] if paragraphs else type(error).__name__)[:MOST_TEXT]
