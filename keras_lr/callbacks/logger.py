"""`LearningRateLogger`: the rate that every update really used, as a table.

A schedule is a pure function of the step, so nothing is read while an epoch runs: the
step counter is read at its two ends, and the rates of all steps between are computed on
the host at once. What can change between two batches (a float rate that some callback
assigns, the counter under loss scaling) is noted after each batch without waiting for it.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras.optimizers.schedules import LearningRateSchedule
from numpy.typing import NDArray

from keras_lr import audit as audits
from keras_lr import idle, processes
from keras_lr import optimizer as optimizers
from keras_lr import resume as resumes
from keras_lr.callbacks import epoch_logs, logfile
from keras_lr.callbacks.backup import BackupAndRestore
from keras_lr.callbacks.metrics import metric_number
from keras_lr.callbacks.others import others
from keras_lr.fields import FLAG, PATH, TEXT, Several, check, refuse
from keras_lr.optimizer import Channel, RateOwner, Snapshots, Source, read_float
from keras_lr.schedule import values_of
from keras_lr.state import of
from keras_lr.warning import warn_user

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

METRICS = Several("a sequence of metric names", TEXT, at_least=0)


@dataclass(frozen=True)
class Stretch:
    """Consecutive updates of one epoch; `batches` is their number within the epoch."""

    epoch: int
    first_step: int
    batches: NDArray[np.int64] | range
    columns: dict[str, Floats]
    accumulation: int | None = None

    def __len__(self) -> int:
        return len(self.batches)

    def until(self, step: int) -> Stretch | None:
        """The rows before a step; None if there are none."""
        count = min(step - self.first_step, len(self))
        if count <= 0:
            return None
        columns = {name: values[:count] for name, values in self.columns.items()}
        return replace(self, batches=self.batches[:count], columns=columns)

    def table(self) -> dict[str, NDArray[Any]]:
        """The columns, as arrays."""
        count, batches = len(self), self.batches
        if isinstance(batches, range):
            batches = np.arange(batches.start, batches.stop, dtype=np.int64)
        steps = np.arange(self.first_step, self.first_step + count, dtype=np.int64)
        update = {} if self.accumulation is None else {"update": steps // self.accumulation}
        epoch = np.full(count, self.epoch, np.int64)
        return {"step": steps, "epoch": epoch, "batch": batches, **self.columns, **update}


def frame_of(stretches: list[Stretch]) -> pd.DataFrame:
    """The rows of stretches; those with the same columns are joined as arrays: a DataFrame for each takes long."""
    import pandas as pd

    frames = []
    for names, alike in itertools.groupby((stretch.table() for stretch in stretches), key=tuple):
        tables = list(alike)
        frames.append(pd.DataFrame({name: np.concatenate([table[name] for table in tables]) for name in names}))
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


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

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, if the
            file in `path` is damaged, or is no log with the same columns; after the first
            batch, if a metric is not among those that Keras reports.
    """

    def __init__(
        self,
        metrics: tuple[str, ...] | list[str] = (),
        path: str | os.PathLike[str] | None = None,
        *,
        audit: bool = True,
    ) -> None:
        super().__init__()
        self.metrics: tuple[str, ...] = check(METRICS, "LearningRateLogger", "metrics", metrics)
        self.path = None if path is None else Path(check(PATH, "LearningRateLogger", "path", path))
        if self.path is not None and self.path.suffix not in (".csv", ".parquet"):
            refuse("LearningRateLogger", "path", "a file ending in .csv or .parquet", str(path))
        self.audit: bool = check(FLAG, "LearningRateLogger", "audit", audit)
        self._stretches: list[Stretch] = []
        self._file: logfile.LogFile | None = None
        self._open: _Recording | None = None
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
            empty = Stretch(0, 0, range(0), {name: np.zeros(0) for name in ("learning_rate", *self.metrics)})
            return frame_of([empty])
        return frame_of(self._stretches)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the recorded rates over the step. Returns the axes."""
        from keras_lr import plots

        return plots.log(self.to_frame(), ax)

    # Hooks of Keras.

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._open is not None and self._net is not self.model:
            self._open = None
        # The rows of a training before this one that failed, for which `on_train_end` was not called.
        self._close()
        self._write()
        self._net: Any = self.model
        optimizers.build(self._net)
        self._is_compiled = keras.config.backend() != "torch" and not self._net.run_eagerly
        self._audited = self._looked_for_idle = not self.audit
        self._resumed = False
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
            resumes.note(self._net)
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
        step = optimizers.step_of(self._net)
        if self._stretches and step == 0:
            return  # another training, whose rows follow
        self._stretches = [kept for stretch in self._stretches if (kept := stretch.until(step)) is not None]
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
        optimizers.sync(self._net)
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
        resumes.warn(self._net)
        audits.warn(self._net, self._epoch, params.get("epochs", self._epoch + 1), params.get("steps"))

    def _sources(self) -> list[Source]:
        """Where the rates come from in the training step that will run."""
        if self._traced is not None and self._traced[0] is self._net.train_function:
            return self._traced[1]
        return [channel.source for channel in optimizers.channels(self._net)]

    def _start(self, first_batch: int) -> None:
        channels = optimizers.channels(self._net)
        self._open = _Recording(self._net, self._epoch, first_batch, channels, self._sources(), self.metrics)

    def _close(self) -> None:
        if self._open is not None:
            optimizers.sync(self._net)
            stretch = self._open.finish()
            if stretch is not None:
                self._stretches.append(stretch)
        self._open = None

    def _write(self) -> None:
        if self._file is not None:
            self._append(None)
        # Rows of the stretch that is being recorded which are in the file already.
        self._ahead = 0

    def _append(self, unfinished: Stretch | None) -> None:
        """Write the rows that the file has not yet, those of an unfinished stretch included."""
        assert self._file is not None
        new = [*self._stretches[self._written :], *([] if unfinished is None else [unfinished])]
        if new and len(missing := frame_of(new).iloc[self._ahead :]):
            self._file.append(missing)
        self._written = len(self._stretches)
        self._ahead = 0 if unfinished is None else len(unfinished)


class _Recording:
    """What is noted while one stretch of an epoch runs."""

    def __init__(
        self,
        model: Any,
        epoch: int,
        first_batch: int,
        channels: list[Channel],
        sources: list[Source],
        metrics: tuple[str, ...],
    ) -> None:
        self.sources = sources
        self._epoch = epoch
        self._first_batch = first_batch
        self._channels = channels
        self._first_steps = {channel.owner: channel.owner.step() for channel in channels}
        self._last_batch = first_batch - 1
        self._last_batches: list[int] = []
        self._metrics: dict[str, list[Any]] = {name: [] for name in metrics}
        self._meters = [_meter(model, source) for source in sources]
        # The counter of the whole, since it may be undecided which optimizer of a `MultiOptimizer` trains something.
        counter = optimizers.optimizer_of(model)._iterations
        self._counters = Snapshots(model, counter) if optimizers.skips_updates(model) else None
        self._first_count = optimizers.read_int(counter)
        # Between its two ends a stretch of a schedule needs nothing from its batches.
        self._idle = not metrics and self._counters is None and all(meter is None for meter in self._meters)

    def _leader(self) -> RateOwner:
        """Whose counter is that of the rows; TensorFlow may know it only after the first batch, which builds."""
        return optimizers.leader([channel.owner for channel in self._channels])

    def is_of(self, sources: list[Source]) -> bool:
        return all(a is b for a, b in zip(self.sources, sources, strict=True))

    def goes_on_with(self, batch: int) -> bool:
        """Whether a batch is the next one; not so in an epoch that was begun before a resume."""
        return batch == self._last_batch + 1

    def note(self, last_batch: int, logs: dict[str, Any]) -> None:
        """After an execution of the training step, of which `last_batch` was the last batch."""
        self._last_batch = last_batch
        if self._idle:
            return
        self._last_batches.append(last_batch)
        for meter in self._meters:
            if meter is not None:
                meter.take()
        if self._counters is not None:
            self._counters.take()
        for name, values in self._metrics.items():
            if name not in logs:
                there = ", ".join(sorted(logs))
                raise ValueError(f"LearningRateLogger: `metrics` must be among {there}, got {name!r}")
            values.append(logs[name])

    def finish(self) -> Stretch | None:
        """Fetch what was noted and make the rows; None if no update was made."""
        leader = self._leader()
        first = self._first_steps[leader]
        count = leader.step() - first
        if self._counters is None:
            # TensorFlow counts a step for which the dataset had no batch left, though it makes no update.
            count = min(count, self._last_batch + 1 - self._first_batch)
        if count == 0:
            return None
        ends = self._updates_after(count)
        batches: NDArray[np.int64] | range = range(self._first_batch, self._first_batch + count)
        if self._counters is not None and len(ends) and count != len(ends):
            batches = self._executed(ends)
        columns: dict[str, Floats] = {}
        for channel, source, meter in zip(self._channels, self.sources, self._meters, strict=True):
            start = self._first_steps[channel.owner]
            if meter is None and channel.owner.is_idle:
                columns[channel.column] = np.full(count, values_of(source, start))
            elif meter is None:
                columns[channel.column] = values_of(source, np.arange(start, start + count))
            else:
                columns[channel.column] = np.repeat(np.array(meter.numbers()), np.diff(ends, prepend=0))[:count]
        for name, values in self._metrics.items():
            columns[name] = np.full(count, np.nan)
            for end, before, value in zip(ends, [0, *ends[:-1]], values, strict=True):
                if end > before:
                    columns[name][end - 1] = metric_number("LearningRateLogger", name, value)
        return Stretch(self._epoch, first, batches, columns, leader.optimizer.gradient_accumulation_steps)

    def _updates_after(self, count: int) -> NDArray[np.int64]:
        """Updates made by the end of each execution."""
        if self._counters is not None:
            return np.array([int(number) for number in self._counters.numbers()], np.int64) - self._first_count
        # Keras gives the last batch of the execution, past the end in the last one.
        return np.minimum(np.array(self._last_batches, np.int64) + 1 - self._first_batch, count)

    def _executed(self, ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """The batches that made an update, where loss scaling skipped others."""
        made = np.diff(ends, prepend=0)
        last = np.array(self._last_batches, np.int64)
        return np.concatenate([np.arange(end - n + 1, end + 1) for end, n in zip(last, made, strict=True)])


def _meter(model: Any, source: Source) -> Snapshots | _Calls | None:
    """What must be taken after each batch to know its rate; nothing for a schedule."""
    if isinstance(source, LearningRateSchedule):
        return None
    return Snapshots(model, source) if isinstance(source, keras.Variable) else _Calls(source)


class _Calls:
    """The values of a rate that is a function."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self._taken: list[Any] = []

    def take(self) -> None:
        self._taken.append(self._function())

    def numbers(self) -> list[float]:
        return [read_float(value) for value in self._taken]
