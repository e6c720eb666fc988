"""`LearningRateLogger`: the rate that every update really used, as a table.

A schedule is a pure function of the step, so nothing is read while an epoch runs: the
step counter is read at its two ends, and the rates of all steps between are computed on
the host at once. What can change between two batches (a float rate that some callback
assigns, the counter under loss scaling) is noted after each batch without waiting for it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_lr.callbacks import logfile
from keras_lr.callbacks.backup import BackupAndRestore
from keras_lr.callbacks.recording import Recording, Segment, frame_of
from keras_lr.core.fields import FLAG, PATH, STRING, Several
from keras_lr.core.refusals import check, refuse
from keras_lr.core.warning import warn_user
from keras_lr.optimizers import lookup
from keras_lr.optimizers.gradient_norm import GradientNorm
from keras_lr.optimizers.lookup import Source
from keras_lr.training import audit, checkpoint_rates, epoch_logs, idle, processes
from keras_lr.training.others import others
from keras_lr.training.saved_state import of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


METRICS = Several("a sequence of metric names", STRING, at_least=0)


class LearningRateLogger(keras.callbacks.Callback):
    """Record the learning rate that every update really used.

    It works with a number, a schedule (ours, Keras's, your own) or a function as the
    optimizer's rate, with `LossScaleOptimizer` and `MultiOptimizer`, with
    `steps_per_execution`, and over several calls of `fit`; and it puts the last rate of
    each epoch into the epoch's logs, so that `History`, the progress bar and all callbacks,
    before it in the list or after it, have a `learning_rate`.

    A row is one update: `step` (updates before it, which is what the schedule was called
    with), `epoch`, `batch` (within the epoch), `learning_rate`, other hyperparameters that are
    `Scheduled`, under their names, and the metrics asked for, as Keras reports them after the
    batch (running means over the epoch). A batch that loss scaling skipped made no update and
    has no row. Under `gradient_accumulation_steps` a row is one batch, as for the schedule, and
    a last column `update` counts the updates before it. With `steps_per_execution` Keras reports
    metrics once for several batches: they stand in the last row of them, NaN in the others.

    A rate that is a number is read at the end of each batch: put the logger before callbacks that
    assign another one there (on JAX it does not matter).

    A rate that is a function is called once more after each batch; a compiled training step
    (TensorFlow, JAX) has called it only when it was traced, so a function that returns
    Python numbers is recorded with the number of that time.

    Args:
        metrics: names of metrics to record beside the rate, such as ``("loss",)``.
        audit: warn (`ScheduleWarning`) at the start of `fit` when the schedule ends long before
            the training or after it, when the step counter does not go with `initial_epoch`, or when
            an optimizer trains nothing.
        path: a file ending in .csv or .parquet, written at the end of each epoch and before each
            checkpoint. Rows in it with steps that are to come (from a run that went further than
            the one that is resumed) are dropped at the start of `fit`. In a training of several
            processes only the first one writes.
        gradient_norm: record a last column `gradient_norm` as well, √(Σ g²) over all gradients of the batch, before
            the optimizer clips them. It is computed within the training step and fetched later. With
            `steps_per_execution` it stands in the last row of an execution. `refine` needs it.

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, if the
            file in `path` is damaged, or is no log with the same columns, and if `gradient_norm` is asked
            of a `MultiOptimizer` or a `LossScaleOptimizer`; after the first batch, if a metric is not among
            those that Keras reports.
    """

    def __init__(
        self,
        metrics: tuple[str, ...] | list[str] = (),
        path: str | os.PathLike[str] | None = None,
        *,
        audit: bool = True,
        gradient_norm: bool = False,
    ) -> None:
        super().__init__()
        self.metrics: tuple[str, ...] = check(METRICS, "LearningRateLogger", "metrics", metrics)
        self.gradient_norm: bool = check(FLAG, "LearningRateLogger", "gradient_norm", gradient_norm)
        if self.gradient_norm:
            self.metrics = (*self.metrics, "gradient_norm")
        self._norm: GradientNorm | None = None
        self.path = None if path is None else Path(check(PATH, "LearningRateLogger", "path", path))
        if self.path is not None and self.path.suffix not in (".csv", ".parquet"):
            refuse("LearningRateLogger", "path", "a file ending in .csv or .parquet", str(path))
        self.audit: bool = check(FLAG, "LearningRateLogger", "audit", audit)
        self._stretches: list[Segment] = []
        self._file: logfile.LogFile | None = None
        self._open: Recording | None = None
        # On TensorFlow and JAX a compiled step keeps the rate it was traced with.
        self._traced: tuple[Any, list[Source]] | None = None

    # Results.

    def to_frame(self) -> pd.DataFrame:
        """The rows so far: columns step, epoch, batch (int64), learning_rate, then metrics (float64).

        Under gradient accumulation there is a last column `update` (int64).

        A `MultiOptimizer` has a column ``learning_rate_<name>`` for each of its optimizers. One that
        trains nothing, since no variable was given to it, makes no steps: its rate is that of the step at
        which it stands, 0 for a new one.
        """
        self._close()
        if not self._stretches:
            empty = Segment(0, 0, range(0), {name: np.zeros(0) for name in ("learning_rate", *self.metrics)})
            return frame_of([empty])
        return frame_of(self._stretches)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the recorded rates over the step. Returns the axes."""
        from keras_lr.core import drawing

        return drawing.log(self.to_frame(), ax)

    # Hooks of Keras.

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._open is not None and self._net is not self.model:
            self._open = None
        # The rows of a training before this one that failed, for which `on_train_end` was not called.
        self._close()
        self._write()
        self._net: Any = self.model
        lookup.build(self._net)
        self._is_compiled = keras.config.backend() != "torch" and not self._net.run_eagerly
        self._audited = self._looked_for_idle = not self.audit
        self._resumed = False
        self._norm = GradientNorm(self._net) if self.gradient_norm else None
        epoch_logs.add_to_every_epoch(self._last_rates)
        if self.path is not None:
            # A checkpoint must not know of updates that the file does not.
            of(self._net).hooks[f"LearningRateLogger/{id(self)}"] = self._flush
            self._warn_of_savers_in_batches()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._close()
        if not self._resumed:
            # Only now have all callbacks begun, one of which may have loaded weights.
            self._resumed = True
            checkpoint_rates.note(self._net)
            self._take_up()
        self._epoch = epoch
        self._start(0)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._audited:
            # Not before the first batch: until then a callback may bind the schedule.
            self._audited = True
            self._audit()
        self._running = self._net.train_function
        # No `self.model` here: on JAX it would reattach the whole state at every batch.
        if self._open is not None and not (self._open.is_of(self._sources()) and self._open.goes_on_with(batch)):
            self._close()
            self._start(batch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        assert self._open is not None
        if self._is_compiled:
            # The step that has just run, not one that another callback has made since.
            self._traced = (self._running, self._open.sources)
        if not self._looked_for_idle:
            # Not before: TensorFlow may build the model in the first batch.
            self._looked_for_idle = True
            idle.warn(self._net)
        # With `steps_per_execution` the last number of an epoch may be past its end.
        steps = (self.params or {}).get("steps")
        if self._norm is not None:
            logs = {**(logs or {}), "gradient_norm": self._norm.now()}
        self._open.note(batch if steps is None else min(batch, steps - 1), logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Once more, for a loop that calls the hooks itself.
        if logs is not None:
            logs.update(self._last_rates())
        self._close()
        self._write()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._close()
        self._write()
        if self._norm is not None:
            self._norm.remove()
        of(self._net).hooks.pop(f"LearningRateLogger/{id(self)}", None)
        epoch_logs.remove(self._last_rates)

    # Parts.

    def _last_rates(self) -> dict[str, float]:
        """What the last update used, by column."""
        self._close()
        if not self._stretches:
            return {}
        columns = self._stretches[-1].columns
        return {name: float(values[-1]) for name, values in columns.items() if name not in self.metrics}

    def _take_up(self) -> None:
        """Make log and file end where this training begins."""
        step = lookup.step_of(self._net)
        if self._stretches and step == 0:
            return  # another training, whose rows follow
        self._stretches = [kept for segment in self._stretches if (kept := segment.until(step)) is not None]
        self._written = len(self._stretches)
        if self.path is None or not processes.is_chief():
            return
        if self._file is None:
            self._file = logfile.open_log(self.path)
        last = self._file.cut(step)
        # TensorFlow counts one step without a batch when a dataset of unknown length runs dry.
        if last is not None and last < step - 2:
            warn_user(
                f"LearningRateLogger: {str(self.path)!r} ends with step {last:,} and training goes on at step "
                f"{step:,}; the rows between are missing",
            )

    def _flush(self) -> None:
        """Write what is known so far, since a checkpoint is about to be written."""
        if self._file is None:
            return
        lookup.sync(self._net)
        self._append(None if self._open is None else self._open.finish())

    def _warn_of_savers_in_batches(self) -> None:
        before = True
        for other in others(self, including=True):
            before = before and other is not self
            # Ours saves when all callbacks have seen the batch.
            late = not isinstance(other, BackupAndRestore)
            if before and late and isinstance(getattr(other, "save_freq", None), int):
                warn_user(
                    f"LearningRateLogger: put {type(other).__name__}, which saves every {other.save_freq} batches, "
                    "after the logger: a resume from its file would miss the row of one batch",
                )

    def _audit(self) -> None:
        params = self.params or {}
        checkpoint_rates.warn(self._net)
        audit.warn(self._net, self._epoch, params.get("epochs", self._epoch + 1), params.get("steps"))

    def _sources(self) -> list[Source]:
        """Where the rates come from in the training step that will run."""
        if self._traced is not None and self._traced[0] is self._net.train_function:
            return self._traced[1]
        return [hyperparameter.source for hyperparameter in lookup.hyperparameters(self._net)]

    def _start(self, first_batch: int) -> None:
        hyperparameters = lookup.hyperparameters(self._net)
        self._open = Recording(self._net, self._epoch, first_batch, hyperparameters, self._sources(), self.metrics)

    def _close(self) -> None:
        if self._open is not None:
            lookup.sync(self._net)
            segment = self._open.finish()
            if segment is not None:
                self._stretches.append(segment)
        self._open = None

    def _write(self) -> None:
        if self._file is not None:
            self._append(None)
        # Rows of the segment that is being recorded which are in the file already.
        self._ahead = 0

    def _append(self, unfinished: Segment | None) -> None:
        """Write the rows that the file has not yet, those of an unfinished segment included."""
        assert self._file is not None
        new = [*self._stretches[self._written :], *([] if unfinished is None else [unfinished])]
        if new and len(missing := frame_of(new).iloc[self._ahead :]):
            self._file.append(missing)
        self._written = len(self._stretches)
        self._ahead = 0 if unfinished is None else len(unfinished)
