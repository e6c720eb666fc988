"""The recording of one `fit` for `LearningRateLogger`, and the rates with which a compiled step was traced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_lr.callbacks.effective import EffectiveRates
from keras_lr.callbacks.group_columns import group_columns
from keras_lr.callbacks.logbook import Logbook
from keras_lr.callbacks.recording import Recording, Segment
from keras_lr.core.keras_versions import last_batch
from keras_lr.optimizers import attributes, choice, lookup
from keras_lr.optimizers.gradient_norm import GradientNorm
from keras_lr.optimizers.lookup import Hyperparameter, RatedOptimizer, Source
from keras_lr.training.session import Session

GRADIENT_NORM = "gradient_norm"
"""The column of the norm of the gradient."""


class Wanted(NamedTuple):
    """What to record. The fields are arguments of `LearningRateLogger`."""

    metrics: tuple[str, ...]
    optimizer: Any
    groups: bool
    gradient_norm: bool
    effective: bool | tuple[str, ...] = False


class Watch:
    """What is recorded while one `fit` runs.

    Args:
        model: the model that is trained.
        wanted: what to record.
        book: stores the rows.
        steps: batches in an epoch; None if unknown.
        session: what it shares with other callbacks.

    Attributes:
        model, session: the same.
        epoch: the epoch that runs.
    """

    def __init__(self, model: Any, wanted: Wanted, book: Logbook, steps: int | None, session: Session) -> None:
        self.model = model
        self.session = session
        self._wanted = wanted
        self._book = book
        self._steps = steps
        self._is_compiled = keras.config.backend() != "torch" and not model.run_eagerly
        self.epoch = 0
        self._norm = GradientNorm(model) if wanted.gradient_norm else None
        self._effective = EffectiveRates(model, wanted.effective) if wanted.effective else None
        self._open: Recording | None = None
        self._is_running = self._has_trained = False
        self._logs: dict[str, Any] = {}
        # The optimizers that are recorded, and what they depend on.
        self._optimizers: list[RatedOptimizer] = []
        self._optimizers_of: Any = None
        # On TensorFlow and JAX a compiled step keeps the rate with which it was traced.
        self._traced: tuple[Any, list[Source]] | None = None

    def once(self, what: str) -> bool:
        """Whether this is the first call with this argument in this `fit`."""
        return self.session.once((self, what))

    def begin_epoch(self, epoch: int) -> None:
        self.close()
        self.epoch = epoch
        self._logs = {}
        self._optimizers_of = None
        if self._effective is not None:
            self._effective.begin_epoch()
        self._open = self._recording(0)

    def begin_batch(self, batch: int) -> None:
        self._is_running = True
        if self._open is not None and batch != self._open.next_batch:  # in an epoch that was begun before a resume
            self.close()
            self._open = self._recording(batch)

    def end_batch(self, batch: int, logs: dict[str, Any] | None) -> None:
        """Record a batch, if it was not recorded yet. No rate has changed since its update."""
        if not self._is_running:
            return
        self._is_running, self._has_trained = False, True
        self._logs = logs or {}
        if self._norm is not None:
            logs = {**(logs or {}), GRADIENT_NORM: self._norm.now()}
        if self._effective is not None:
            self._effective.after_batch()
        if self._open is None:
            return
        sources = self._sources()
        if not self._open.is_of(sources):
            # The rate was changed between the logger's hook at the start of the batch and its update.
            first, before = self._open.next_batch, self._open
            self._add(before)
            self._open = self._recording(first, before)
        # With `steps_per_execution` the last batch may be past the end of the epoch.
        last = last_batch(self.model, batch)
        self._open.note(last if self._steps is None else min(last, self._steps - 1), logs or {})

    def complete(self, logs: dict[str, Any] | None) -> None:
        """Add the metrics that earlier callbacks have added to the logs of the batch."""
        if self._open is not None:
            self._open.complete(logs or {})

    def break_off(self) -> None:
        """Record the last batch of a training that ended with an error, if its update was made."""
        if self._is_running and self._open is not None:
            self._is_running = False
            self._sync()
            if not self._got_no_batch():
                self._open.note_broken_off(self.model.steps_per_execution)
        self.close()

    def _got_no_batch(self) -> bool:
        """Whether TensorFlow counted a step in which the data raised an error. The metrics have then not changed."""
        if keras.config.backend() != "tensorflow" or not self._is_compiled:
            return False
        now, before = self.model.get_metrics_result(), self._logs
        to_numpy = keras.ops.convert_to_numpy
        return all(np.array_equal(to_numpy(value), to_numpy(before.get(name, 0.0))) for name, value in now.items())

    def close(self) -> None:
        """Convert the recording to rows."""
        if self._open is not None:
            self._add(self._open)
        self._open = None

    def end(self) -> None:
        """Restore the optimizer to its state before."""
        if self._norm is not None:
            self._norm.remove()

    def unfinished(self) -> Segment | None:
        """The rows of the current recording."""
        if self._open is None:
            return None
        self._sync()
        return self._finished(self._open)

    def _add(self, recording: Recording) -> None:
        self._sync()
        segment = self._finished(recording)
        if segment is not None:
            self._book.segments.append(segment)

    def _finished(self, recording: Recording) -> Segment | None:
        segment = recording.finish(self._book.training)
        return segment if segment is None or self._effective is None else self._effective.columns(segment)

    def _sync(self) -> None:
        # After another `compile`, JAX still holds the state of the previous optimizer.
        if self._open is not None and self._open.optimizer is self.model.optimizer:
            lookup.sync(self.model)

    def _sources(self) -> list[Source]:
        """The sources of the rates in the last training step."""
        sources = self._traced_sources()
        if sources is None:
            sources = [it.source for it in self._hyperparameters()]
            self._traced = (self.model.train_function, sources)
        return sources

    def _traced_sources(self) -> list[Source] | None:
        """The sources with which the compiled training step was traced; None if there is no such step yet."""
        # Without a training function the user's own loop trains. It is not compiled, or reports that itself.
        step = self.model.train_function if self._is_compiled else None
        return self._traced[1] if step is not None and self._traced is not None and self._traced[0] is step else None

    def _hyperparameters(self) -> list[Hyperparameter]:
        """All hyperparameters with a column: those of optimizers, and numbers that callbacks compute from the step."""
        self._survey()
        found = lookup.hyperparameters(self._optimizers)
        schedules = self.session.schedules
        if schedules and found:
            rated = lookup.primary([it.rated for it in found])
            found += [Hyperparameter(column, rated, schedule) for column, schedule in schedules.items()]
        return found

    def _survey(self) -> None:
        """Find the optimizers in each epoch, after the first batch, and whenever the model has others than before.

        Not in each batch: to find out whether the optimizer of `compile` is used, its counter is read, which waits for
        the device.
        """
        search = attributes.candidates if self._wanted.optimizer is None else attributes.attributes
        there = self._has_trained, self.model.optimizer, search(self.model)
        if there != self._optimizers_of:
            self._optimizers_of = there
            self._optimizers = choice.chosen("LearningRateLogger", self.model, self._wanted.optimizer)

    def _recording(self, first_batch: int, after: Recording | None = None) -> Recording:
        hyperparameters = self._hyperparameters()
        if traced := self._traced_sources():
            hyperparameters = [replace(it, source=source) for it, source in zip(hyperparameters, traced, strict=True)]
        groups = group_columns(hyperparameters) if self._wanted.groups else []
        return Recording(self.model, self.epoch, first_batch, hyperparameters, self._wanted.metrics, groups, after)
