"""`LearningRateLogger`: the rate that every update really used, as a table.

A schedule is a pure function of the step. So nothing is read while an epoch runs: the step
counter is read at its start and end, and the rates of all steps between are computed on the
host at once. Values that can change between two batches (a float rate that a callback
assigns, the counter under loss scaling) are recorded after each batch without waiting for
the device.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_lr.callbacks.columns import RESERVED
from keras_lr.callbacks.effective import COLUMNS, checked
from keras_lr.callbacks.logbook import Logbook
from keras_lr.callbacks.recording import Segment
from keras_lr.callbacks.watch import GRADIENT_NORM, Wanted, Watch
from keras_lr.core.fields import COUNT_OR_NONE, FLAG, PATH, STRING, Several
from keras_lr.core.refusals import check, refuse
from keras_lr.optimizers import choice, lookup
from keras_lr.training import audit, checkpoint_rates, epoch_logs, idle
from keras_lr.training.saved_state import of
from keras_lr.training.session import Session

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


METRICS = Several("a sequence of metric names", STRING, at_least=0)


class LearningRateLogger(keras.callbacks.Callback):
    """Record the learning rate that every update really used.

    The rate of the optimizer may be a number, a schedule (of this package, of Keras, or your own) or
    a function. The logger supports `LossScaleOptimizer`, `MultiOptimizer`, `steps_per_execution` and
    several calls of `fit`. It adds the last rate of each epoch to the epoch's logs. So `History`, the
    progress bar and all callbacks, earlier or later in the list, have a `learning_rate`.

    A row is one update. Its columns are `step` (updates before it, with which the schedule was
    called), `epoch`, `batch` (within the epoch), `learning_rate`, other `Scheduled` hyperparameters by
    name, and the requested metrics, as Keras reports them after the batch (running means over the
    epoch). Batches skipped by loss scaling are not logged. With `gradient_accumulation_steps`, a row is
    one batch, as for the schedule, and a last column `update` counts the updates before it. With
    `steps_per_execution`, Keras reports metrics once for several batches: they are in the last row of
    these, NaN in the others.

    It may be anywhere in the list of callbacks: a batch is recorded before any of them sees its end. (In your
    own loop it is recorded when you call the hook. So call it before hooks that assign a rate.)

    If one logger is used for several trainings (fine-tuning after another `compile`, two models, folds), the
    rows of later trainings follow, and a first column `training` numbers the trainings from 0. The number is
    saved with the model's weights, so that a resume continues the same training.

    If the rate is a function, it is called again after each batch. A compiled training step (TensorFlow,
    JAX) calls it only when it is traced. So if it returns Python numbers, the number from that time is
    recorded.

    Args:
        metrics: names of metrics to record in addition to the rate, such as ``("loss",)``.
        audit: whether to warn (`ScheduleWarning`) at the start of `fit` if the schedule ends long before
            the training or after it, if the step counter does not match `initial_epoch`, or if an
            optimizer trains nothing.
        path: a file ending in .csv or .parquet. It is written at the end of each epoch and before each
            checkpoint. At the start of `fit`, rows of later steps are removed (from a run that went
            further than the resumed checkpoint). If a training begins at step 0, a log of an earlier run
            is renamed (``log.csv.1``), with a warning. In a training of several processes only the first
            one writes.
        groups: whether to add a column ``learning_rate[pattern]`` for each pattern in the `multipliers` of a
            `Scheduled` optimizer: the rate times the factor. The column `learning_rate` is the rate without factors.
        optimizer: the optimizers whose rates are logged, if the model has several: an optimizer, its name, the
            name of an attribute of the model, or a list of these; None for all. If your own `train_step` calls
            one of them several times in a batch, the rate of its first update is logged.
        gradient_norm: whether to add a last column `gradient_norm`: √(Σ g²) over all gradients of the batch, before
            the optimizer clips them. It is computed in the training step and fetched later. With
            `steps_per_execution` it is in the last row of an execution. `refine` needs it.
        effective: whether to add columns for kernels whose scale does not matter, since a normalization follows:
            ``norm[path]``, ``effective_learning_rate[path]``, η/‖w‖² (van Laarhoven 2017, arXiv 1706.05350), and, for
            optimizers such as Adam, ``relative_update[path]``, ‖Δw‖/‖w‖. They are measured at the first update of each
            epoch (with `steps_per_execution` at the first execution), and NaN in the other rows. The kernels are found
            in the graph of a functional or sequential model. For other models, pass regular expressions that are
            searched in ``variable.path``.
        keep: number of rows that stay in memory, for trainings so long that 8 bytes per batch are too many; None for
            all. Older epochs are dropped when they are in the file, which must be CSV. `to_frame` and `plot` then
            show only the kept rows.

    Raises:
        TypeError, ValueError: at construction, an argument is not allowed. At the start of `fit`, the file in `path`
            is damaged or is not a log with the same columns, or `gradient_norm` is used with a `MultiOptimizer` or a
            `LossScaleOptimizer`. After the first batch, Keras does not report a metric. When rows are written,
            another logger or process has written to the file.
        OSError: the file cannot be written. It is then as before. The next write, in the same `fit` or another one
            with this logger, writes all missing rows.
    """

    def __init__(
        self,
        metrics: tuple[str, ...] | list[str] = (),
        path: str | os.PathLike[str] | None = None,
        *,
        audit: bool = True,
        groups: bool = False,
        optimizer: Any = None,
        gradient_norm: bool = False,
        effective: Any = False,
        keep: int | None = None,
    ) -> None:
        super().__init__()
        self.metrics: tuple[str, ...] = check(METRICS, "LearningRateLogger", "metrics", metrics)
        for name in self.metrics:
            if name in RESERVED:
                refuse("LearningRateLogger", "metrics", f"names other than {', '.join(RESERVED)}", name)
            if any("\ud800" <= char <= "\udfff" for char in name):
                refuse("LearningRateLogger", "metrics", "names that can be written in UTF-8", name)
        self.gradient_norm: bool = check(FLAG, "LearningRateLogger", "gradient_norm", gradient_norm)
        if self.gradient_norm:
            self.metrics = (*self.metrics, GRADIENT_NORM)
        # Absolute, since the process may change its current folder while it trains.
        self.path = None if path is None else Path(os.path.abspath(check(PATH, "LearningRateLogger", "path", path)))
        if self.path is not None and self.path.suffix not in (".csv", ".parquet"):
            refuse("LearningRateLogger", "path", "a file ending in .csv or .parquet", str(path))
        self.audit: bool = check(FLAG, "LearningRateLogger", "audit", audit)
        self.groups: bool = check(FLAG, "LearningRateLogger", "groups", groups)
        self.effective: bool | tuple[str, ...] = checked(effective)
        self.optimizer: Any = check(choice.OptimizerChoice(), "LearningRateLogger", "optimizer", optimizer)
        self.keep: int | None = check(COUNT_OR_NONE, "LearningRateLogger", "keep", keep)
        if keep is not None and (self.path is None or self.path.suffix != ".csv"):
            refuse("LearningRateLogger", "keep", "None without a `path` that ends in .csv", keep)
        self._book = Logbook(self.path, self.keep)
        self._fit: Watch | None = None

    def __getstate__(self) -> dict[str, Any]:
        # The model and its `fit` are not part of a log.
        return {**vars(self), "_model": None, "_fit": None, "_book": self._book.copy(self._unfinished())}

    # Results.

    def to_frame(self) -> pd.DataFrame:
        """The rows so far as a pandas DataFrame.

        A `MultiOptimizer` has a column ``learning_rate_<name>`` for each of its optimizers. If one has no
        variables, it makes no steps: its rate is that of its own step counter, which is 0 for a new one.

        Returns:
            A DataFrame with one row for each update: the columns step, epoch, batch (int64), learning_rate,
            then metrics (float64). With gradient accumulation there is a last column `update` (int64).
        """
        return self._book.frame(self._unfinished(), ["learning_rate", *self.metrics])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the recorded rates over the step with matplotlib, and effective rates on a second axis.

        Args:
            ax: the axes to draw on; those of a new figure by default.

        Returns:
            The axes.

        Raises:
            TypeError: `ax` is not matplotlib's axes.
            ImportError: matplotlib is missing.
        """
        from keras_lr.core import drawing

        return drawing.log(self.to_frame(), ax)

    def _repr_html_(self) -> str:
        """A sentence and a chart of the rates so far, as HTML for a notebook."""
        from keras_lr.callbacks import log_page

        return log_page.html_of(self.to_frame(), list(self.metrics))

    # Hooks of Keras.

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._fit is not None:  # an earlier training failed, and `on_train_end` was not called
            self._fit.break_off()
            self._end(self._fit)
        model = self.model
        lookup.build("LearningRateLogger", model)
        choice.chosen("LearningRateLogger", model, self.optimizer)  # refuses an unknown name
        wanted = Wanted(self.metrics, self.optimizer, self.groups, self.gradient_norm, self.effective)
        session = Session.join(self)
        fit = self._fit = Watch(model, wanted, self._book, (self.params or {}).get("steps"), session)
        session.first.add(self, on_train_batch_end=fit.end_batch)
        epoch_logs.add_to_every_epoch(session, self, self._last_rates)
        if self.path is not None:
            # A checkpoint must not contain updates that are missing in the file.
            of(model).hooks[self._hook] = self._flush

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        fit = self._running()
        fit.close()
        if fit.once("begin"):
            # Only now have all callbacks begun, one of which may have loaded weights.
            checkpoint_rates.note(fit.model)
            name = "" if self.path is None else self.path.name
            self._book.begin(fit.model, lookup.step_of(fit.model), fit.session.key(f"log/{name}"))
        fit.begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Not `self.model`: on JAX each access writes the whole state back to the variables.
        fit = self._running()
        if fit.once("audit") and self.audit:
            # Not before the first batch, since a callback may bind the schedule until then.
            params = self.params or {}
            checkpoint_rates.warn(fit.model)
            audit.warn(fit.model, fit.epoch, params.get("epochs", fit.epoch + 1), params.get("steps"))
        fit.begin_batch(batch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        fit = self._running()
        # If a Keras list runs, the batch was recorded before any callback.
        fit.end_batch(batch, logs)
        fit.complete(logs)
        if fit.once("idle") and self.audit:
            # Not earlier: TensorFlow may build the model in the first batch.
            idle.warn(fit.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Again, for a loop that calls the hooks itself.
        if logs is not None:
            logs.update(self._last_rates())
        self._running().close()
        self._book.write()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        fit = self._running()
        fit.close()
        self._end(fit)

    # Parts.

    @property
    def _hook(self) -> str:
        return f"LearningRateLogger/{id(self)}"

    def _running(self) -> Watch:
        if self._fit is None:
            raise ValueError("LearningRateLogger: `on_train_begin` must be called before the other hooks")
        return self._fit

    def _end(self, fit: Watch) -> None:
        """End the recording of a `fit`, and write the missing rows."""
        of(fit.model).hooks.pop(self._hook, None)
        epoch_logs.remove(fit.session, self)
        fit.session.leave(self)
        fit.end()
        self._fit = None
        self._book.write()

    def _unfinished(self) -> Segment | None:
        return None if self._fit is None else self._fit.unfinished()

    def _last_rates(self) -> dict[str, float]:
        """The values of the last update, by column."""
        self._running().close()
        if not self._book.segments:
            return {}
        columns = self._book.segments[-1].columns
        return {name: float(values[-1]) for name, values in columns.items() if self._is_logged(name)}

    def _is_logged(self, name: str) -> bool:
        """Whether a column is added to the logs of the epoch."""
        return name not in self.metrics and not name.startswith(COLUMNS)

    def _flush(self) -> None:
        """Write all rows so far, because a checkpoint is about to be written."""
        self._book.write(self._unfinished())
