"""The rows of a log: finished segments of epochs, and the recording of the current one."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_lr.callbacks.columns import TRAINING
from keras_lr.callbacks.group_columns import GroupColumn
from keras_lr.callbacks.metrics import metric_number
from keras_lr.core.inner import values_of
from keras_lr.core.keras_versions import Variable
from keras_lr.core.tree import LearningRateSchedule
from keras_lr.optimizers import lookup
from keras_lr.optimizers.deferred import Snapshots
from keras_lr.optimizers.lookup import Hyperparameter, RatedOptimizer, Source, read_float

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """Consecutive updates of an epoch. `batches` are their indices in it; `training` is the training's number."""

    epoch: int
    first_step: int
    batches: NDArray[np.int64] | range
    columns: dict[str, Floats]
    accumulation: int | None = None
    training: int = 0

    @classmethod
    def empty(cls, columns: list[str]) -> Segment:
        """A segment without rows."""
        return cls(0, 0, range(0), {name: np.zeros(0) for name in columns})

    def __len__(self) -> int:
        return len(self.batches)

    def until(self, step: int) -> Segment | None:
        """The rows before a step, or None."""
        return self._part(0, min(step - self.first_step, len(self)))

    def after(self, step: int) -> Segment | None:
        """The rows after a step, or None."""
        return self._part(max(step + 1 - self.first_step, 0), len(self))

    def _part(self, first: int, end: int) -> Segment | None:
        if first >= end:
            return None
        columns = {name: values[first:end] for name, values in self.columns.items()}
        return replace(self, first_step=self.first_step + first, batches=self.batches[first:end], columns=columns)

    def table(self, numbered: bool = False) -> dict[str, NDArray[Any]]:
        """The columns as arrays. With `numbered`, the number of the training is included."""
        count, batches = len(self), self.batches
        if isinstance(batches, range):
            batches = np.arange(batches.start, batches.stop, dtype=np.int64)
        steps = np.arange(self.first_step, self.first_step + count, dtype=np.int64)
        update = {} if self.accumulation is None else {"update": steps // self.accumulation}
        epoch = np.full(count, self.epoch, np.int64)
        training = {TRAINING: np.full(count, self.training, np.int64)} if numbered else {}
        return {**training, "step": steps, "epoch": epoch, "batch": batches, **self.columns, **update}


def frame_of(segments: list[Segment]) -> pd.DataFrame:
    """The rows of segments, with the number of their training unless all are 0.

    Segments with the same columns are joined as arrays, since a DataFrame for each would be slow.
    """
    import pandas as pd

    frames = []
    numbered = any(segment.training for segment in segments)
    for names, alike in itertools.groupby((segment.table(numbered) for segment in segments), key=tuple):
        tables = list(alike)
        frames.append(pd.DataFrame({name: np.concatenate([table[name] for table in tables]) for name in names}))
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


class Recording:
    """The recording of one segment while an epoch runs."""

    def __init__(
        self,
        model: Any,
        epoch: int,
        first_batch: int,
        hyperparameters: list[Hyperparameter],
        metrics: tuple[str, ...],
        groups: Sequence[GroupColumn] = (),
        after: Recording | None = None,
    ) -> None:
        self.optimizer = model.optimizer
        self._groups = groups
        self._epoch = epoch
        self._first_batch = first_batch
        self._hyperparameters = hyperparameters
        self._sources = [it.source for it in hyperparameters]
        self._first_steps = (
            {it.rated: it.rated.step() for it in hyperparameters}
            if after is None
            else after.steps_after(hyperparameters, model.steps_per_execution)
        )
        self._last_batch = first_batch - 1
        self._last_batches: list[int] = []
        self._metrics: dict[str, list[Any]] = {name: [] for name in metrics}
        self._meters = [_meter(model, it.source) for it in hyperparameters]
        # The counter of the whole, since it may be unknown which optimizer of a `MultiOptimizer` trains something.
        counter = lookup.counter_of(model)
        self._counters = Snapshots(model, counter) if lookup.skips_updates(model) else None
        self._first_count = lookup.read_int(counter) if after is None else after.count_after()
        # Between its two ends a segment of a schedule needs nothing from its batches.
        self._idle = not metrics and self._counters is None and all(meter is None for meter in self._meters)

    def _primary(self) -> RatedOptimizer:
        """The optimizer whose counter is the step. On TensorFlow it may be known only after the first batch."""
        return lookup.primary([it.rated for it in self._hyperparameters])

    def is_of(self, sources: list[Source]) -> bool:
        """Whether the recorded rates come from these sources."""
        return len(self._sources) == len(sources) and all(map(operator.is_, self._sources, sources))

    @property
    def next_batch(self) -> int:
        """The batch after the last one that was recorded."""
        return self._last_batch + 1

    def note(self, last_batch: int, logs: dict[str, Any] | None) -> None:
        """Record an execution of the training step that ended with `last_batch`. `logs` may be None."""
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
            values.append(None if logs is None else logs.get(name))

    def complete(self, logs: dict[str, Any]) -> None:
        """Read the metrics of the last execution again, since callbacks may have added some to the logs.

        Raises:
            ValueError: a metric is missing.
        """
        for name, values in self._metrics.items():
            if not values:
                continue
            values[-1] = logs.get(name, values[-1])
            if values[-1] is None:
                there = ", ".join(sorted(logs))
                raise ValueError(f"LearningRateLogger: `metrics` must be one of {there}, got {name!r}")

    def note_broken_off(self, most: int) -> None:
        """Record the execution in which the training was interrupted, if its update was made.

        Args:
            most: batches in an execution. If the counter has moved further, other code has set it.
        """
        primary = self._primary()
        made = primary.step() - self._first_steps[primary] - self._made()
        if 0 < made <= most:
            self.note(self._last_batch + made, None)

    def _made(self) -> int:
        """The number of recorded updates."""
        if self._counters is None:
            return self._last_batch + 1 - self._first_batch
        return self.count_after() - self._first_count

    def count_after(self) -> int:
        """The counter of the whole after the last recorded batch. It is needed when loss scaling skips batches."""
        return self._first_count if self._counters is None else self._counters.last(self._first_count)

    def steps_after(self, hyperparameters: list[Hyperparameter], executed: int) -> dict[RatedOptimizer, int]:
        """The counters after the last recorded batch, when the batches of one more execution are trained already."""
        before = {id(rated.optimizer): step for rated, step in self._first_steps.items()}
        made, steps = self._made(), {}
        for rated in (it.rated for it in hyperparameters):
            # An optimizer that the model did not have before has trained only in that execution.
            start = before.get(id(rated.optimizer))
            first, moved = (rated.step(), -executed) if start is None else (start, made)
            steps[rated] = first if rated.is_idle else max(first + moved, 0)
        return steps

    def finish(self, training: int = 0) -> Segment | None:
        """Fetch the recorded values and return the rows; None if no update was made."""
        primary = self._primary()
        first = self._first_steps[primary]
        # At the end of the data, TensorFlow counts a step without a batch, which makes no update.
        count = min(primary.step() - first, self._made())
        if count <= 0:
            return None
        ends = self._updates_after(count)
        batches: NDArray[np.int64] | range = range(self._first_batch, self._first_batch + count)
        if self._counters is not None and len(ends) and count != len(ends):
            batches = self._executed(ends)
        columns: dict[str, Floats] = {}
        for it, meter in zip(self._hyperparameters, self._meters, strict=True):
            start = self._first_steps[it.rated]
            if meter is not None:
                columns[it.column] = np.repeat(np.array(meter.numbers()), np.diff(ends, prepend=0))[:count]
            elif it.rated.is_idle:
                columns[it.column] = np.full(count, values_of(it.source, start))
            else:
                # The user's own training step may call an optimizer several times in a batch.
                each = max((it.rated.step() - start) // count, 1) if it.rated.attribute else 1
                columns[it.column] = values_of(it.source, np.arange(start, start + each * count, each))
        for group in self._groups:
            columns[group.column] = group.rates(columns, self._first_steps[group.rated])
        for name, values in self._metrics.items():
            columns[name] = np.full(count, np.nan)
            for end, before, value in zip(ends, [0, *ends[:-1]], values, strict=True):
                if end > before and value is not None:
                    columns[name][end - 1] = metric_number("LearningRateLogger", name, value)
        return Segment(self._epoch, first, batches, columns, primary.accumulation, training)

    def _updates_after(self, count: int) -> NDArray[np.int64]:
        """The number of updates at the end of each execution."""
        if self._counters is not None:
            return np.array([int(number) for number in self._counters.numbers()], np.int64) - self._first_count
        # Keras passes the last batch of the execution, which may be past the end of the data.
        return np.minimum(np.array(self._last_batches, np.int64) + 1 - self._first_batch, count)

    def _executed(self, ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """The batches that made an update, if loss scaling skipped others."""
        made = np.diff(ends, prepend=0)
        last = np.array(self._last_batches, np.int64)
        return np.concatenate([np.arange(end - n + 1, end + 1) for end, n in zip(last, made, strict=True)])


def _meter(model: Any, source: Source) -> Snapshots | _Calls | None:
    """The recorder of a rate after each batch; None for a schedule."""
    if isinstance(source, LearningRateSchedule):
        return None
    return Snapshots(model, source) if isinstance(source, Variable) else _Calls(source)


class _Calls:
    """The values of a rate that is a function."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self._taken: list[Any] = []

    def take(self) -> None:
        self._taken.append(self._function())

    def numbers(self) -> list[float]:
        return [read_float(value) for value in self._taken]
