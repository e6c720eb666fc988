"""`SaveAtCycleEnds`: save the model at the end of each cycle of its schedule."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras

from keras_lr.callbacks.refreshing import RefreshBatchNorm
from keras_lr.core.fields import COUNT_OR_NONE, PATH
from keras_lr.core.inner import cycle_end_after, earliest
from keras_lr.core.refusals import check, refuse
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.training import processes

SUFFIXES = (".keras", ".weights.h5")


class SaveAtCycleEnds(keras.callbacks.Callback):
    """Save the model at the end of each cycle of its schedule, when the rate is lowest.

    Use it for snapshot ensembles (Huang et al. 2017, arXiv 1704.00109) and for averages of weights as in
    SWA (Izmailov et al. 2018, arXiv 1803.05407). The ends are those of `Schedule.cycle_ends`: of
    restarts, cyclical and one-cycle schedules, of `Repeat`, and of schedules made of these. They are
    determined by the step counter of the optimizer. So a resumed training continues with the same
    numbers and files, and no state has to be saved.

    The model is saved before the first update of the next cycle, even within an epoch. With
    ``steps_per_execution`` a cycle may end within an execution, where nothing can be saved. Then the
    model is saved before that execution, with a warning. In a training of several processes, the first
    one writes.

    Args:
        filepath: the file to save to. It contains ``{cycle}``, the number of the cycle (from 1), or
            ``{step}``, the end of the cycle, with or without a format: ``"snapshots/{cycle:02d}.keras"``.
            It ends in ".keras" for the model, or ".weights.h5" for the weights. Folders are created.
        refresh_batch_norm: number of batches of the training data with which the statistics of batch
            normalizations are estimated again, before each save and at the end of training, as by the function
            `refresh_batch_norm`; None for no refresh.

    Raises:
        TypeError, ValueError: at construction, an argument is not allowed. In the first batch, the
            schedule of the optimizer has no cycles. At the start of `fit`, `refresh_batch_norm` is given, but the
            model has no `BatchNormalization` or `fit` has a generator.
    """

    def __init__(self, filepath: str | os.PathLike[str], *, refresh_batch_norm: int | None = None) -> None:
        super().__init__()
        # Absolute, since the process may change its current folder while it trains.
        self.filepath: str = os.path.abspath(check(PATH, "SaveAtCycleEnds", "filepath", filepath))
        if not self.filepath.endswith(SUFFIXES) or _path(self.filepath, 1, 1) == _path(self.filepath, 2, 2):
            allowed = "a path with {cycle} or {step} that ends in .keras or .weights.h5"
            refuse("SaveAtCycleEnds", "filepath", allowed, filepath)
        self.refresh_batch_norm: int | None = check(
            COUNT_OR_NONE, "SaveAtCycleEnds", "refresh_batch_norm", refresh_batch_norm
        )
        self._refresher: RefreshBatchNorm | None = None
        self._saved: int | None = None
        self._is_warned = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        lookup.require_optimizer("SaveAtCycleEnds", self.model)
        self._saved, self._is_first = None, True
        self._optimizers: list[RatedOptimizer] = []
        if self.refresh_batch_norm is not None:
            self._refresher = RefreshBatchNorm.attach(
                self, "SaveAtCycleEnds", self.refresh_batch_norm, is_for_validation=False
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._net = self.model
        self._counter = lookup.read_int(lookup.counter_of(self._net))
        self._start: int | None = None

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Not `self.model`: on JAX each access writes the whole state back to the variables.
        if self._start is None:
            self._start = self._counter - batch  # a resumed epoch may begin with a later batch
            self._begin()
        step = self._start + batch
        batches = (self.params or {}).get("steps")
        following = batch + self._net.steps_per_execution
        following = following if batches is None else min(following, max(batches, batch + 1))
        if lookup.skips_updates(self._net) and self._due(step, self._start + following) is not None:
            # Loss scaling skipped updates, which the optimizer does not count.
            step = lookup.read_int(lookup.counter_of(self.model))
            self._start = step - batch
        self._visit(step, self._start + following)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        step = lookup.read_int(lookup.counter_of(self.model))
        if self._optimizers:
            self._visit(step, step + 1)

    def _begin(self) -> None:
        """Find the schedules, which are bound when the first batch begins."""
        self._optimizers = lookup.training(lookup.rated_optimizers(self._net))
        if self._end_after(0) is None:
            sources = [rated.source for rated in self._optimizers]
            found = sources[0] if len(sources) == 1 else sources
            refuse("SaveAtCycleEnds", "learning_rate", "a schedule with cycles", found)

    def _end_after(self, step: int) -> int | None:
        """The next end of a cycle in the current schedules, which other callbacks may have changed."""
        sources = [rated.source for rated in self._optimizers]
        return earliest(cycle_end_after(source, step) for source in sources if lookup.is_schedule(source))

    def _due(self, step: int, following: int) -> int | None:
        """The end of a cycle at this step, or before the next step at which the model can be saved."""
        end = self._end_after(max(step - 1, 0))
        return end if end is not None and end < following else None

    def _visit(self, step: int, following: int) -> None:
        """Save the model if a cycle ends at this step."""
        end = self._due(step, following)
        if end is not None and end != self._saved:
            if end > step and not self._is_warned:
                self._is_warned = True
                warn_user(
                    f"SaveAtCycleEnds: the cycle that ends at step {end:,} is saved at step {step:,}, since "
                    f"{self._net.steps_per_execution} steps are executed at once"
                )
            path = _path(self.filepath, self._number(end), end)
            # The first step of `fit` may be an end that was saved before, perhaps with other weights.
            if not (self._is_first and path.exists()):
                self._write(path)
            self._saved = end
        self._is_first = False

    def _number(self, end: int) -> int:
        """The number of the cycle that ends there, from 1."""
        number, found = 1, self._end_after(0)
        while found is not None and found < end:
            number, found = number + 1, self._end_after(found)
        return number

    def _write(self, path: Path) -> None:
        if self._refresher is not None:
            self._refresher.refresh()
        model = self.model
        processes.let_chief_write(model, lambda: _save(model, path))


def _save(model: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"part.{path.name}")  # so that `path` is never incomplete
    save = model.save_weights if path.name.endswith(".weights.h5") else model.save
    save(part, overwrite=True)
    os.replace(part, path)


def _path(filepath: str, cycle: int, step: int) -> Path:
    try:
        return Path(filepath.format(cycle=cycle, step=step))
    except (LookupError, ValueError, AttributeError):
        allowed = "a path in which only {cycle} and {step} are in braces"
        refuse("SaveAtCycleEnds", "filepath", allowed, filepath)
