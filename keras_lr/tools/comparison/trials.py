"""One training of a comparison, and functions that run many of them on an executor.

A worker gets one bytes object. It is made by `cloudpickle` if that is installed, so that lambdas and
functions of a notebook can be sent; otherwise by `pickle`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.callbacks.bind import BindSchedule
from keras_lr.optimizers import access, lookup
from keras_lr.training import seeding

START_HINT = (
    'In a script, `compare` must be called under `if __name__ == "__main__":`, since each worker imports the script.'
)

POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


@dataclass(frozen=True)
class Trial:
    """One training: its schedule, peak rate and seed."""

    schedule: str
    peak: float
    seed: int
    rate: float | LearningRateSchedule

    def key(self) -> str:
        """The key in a journal. Another schedule with the same name has another key."""
        return f"{self.schedule}|{self.peak!r}|{self.seed}|{self.rate!r}"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a training: a row for each epoch, or the error that ended it."""

    rows: list[dict[str, float]] = field(default_factory=list)
    error: str = ""


class EpochRows(keras.callbacks.Callback):
    """A row for each epoch: epoch, seconds of training so far, the last rate, and the metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self.start_clock()

    def start_clock(self) -> None:
        """Start to count the seconds now."""
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rated = lookup.primary(lookup.rated_optimizers(self.model))
        step = max(rated.step() - 1, 0)
        row = {"epoch": len(self.rows) + 1, "seconds": time.perf_counter() - self._begin}
        row["learning_rate"] = rated.rate(step)
        row |= {name: float(value) for name, value in (logs or {}).items() if name != "learning_rate"}
        self.rows.append(row)


def run(payload: bytes) -> Outcome:
    """Run one trial, in any process. An error of the user's code is an outcome."""
    backend, trial, build_model, fit = pickle.loads(payload)
    if keras.config.backend() != backend:
        raise RuntimeError(f"the worker runs Keras on {keras.config.backend()}, but the comparison runs on {backend}")
    rows = EpochRows()
    try:
        with seeding.seeded(trial.seed):
            rows.start_clock()  # the training may have waited for others
            model = _model(build_model, trial.rate)
            _train(fit, model, [BindSchedule(), rows])
    except Exception as error:  # any error: the other trainings continue
        return Outcome(rows.rows, f"{type(error).__name__}: {error}")
    return Outcome(rows.rows) if rows.rows else Outcome([], "no epoch was trained")


def packed(trial: Trial, build_model: Any, fit: Any) -> bytes:
    """A trial and the user's functions as bytes.

    Raises:
        TypeError: they cannot be pickled. The error says what would help.
    """
    try:
        dumps = importlib.import_module("cloudpickle").dumps
    except ImportError:
        dumps = pickle.dumps
    try:
        made: bytes = dumps((keras.config.backend(), trial, build_model, fit))
    except Exception as error:
        raise TypeError(
            "compare: `build_model`, `fit` and the schedules must be picklable, to be sent to other processes "
            f"({type(error).__name__}: {error}); functions of a module are, and `pip install cloudpickle` adds others"
        ) from error
    return made


def _model(build_model: Callable[..., Any], rate: Any) -> Any:
    if any(parameter.kind in POSITIONAL for parameter in inspect.signature(build_model).parameters.values()):
        return build_model(rate)
    model = build_model()
    access.set_learning_rate(model, rate)
    return model


def _train(fit: Any, model: Any, callbacks: list[Any]) -> None:
    if isinstance(fit, dict):
        model.fit(**{"verbose": 0, **fit, "callbacks": [*callbacks, *fit.get("callbacks", [])]})
    else:
        fit(model, callbacks)


def on_executor(executor: Executor, payloads: dict[str, bytes]) -> Iterator[tuple[str, Outcome]]:
    """The outcomes from an executor, as they arrive.

    Raises:
        RuntimeError: a worker died, which breaks the executor, or the workers cannot run the trainings.
    """
    running = {executor.submit(run, payload): key for key, payload in payloads.items()}
    try:
        for future in as_completed(running):
            key = running[future]
            try:
                outcome = future.result()
            except BrokenExecutor as error:
                raise RuntimeError(
                    f"compare: a worker died, which broke the executor ({error}). The cause may be a lack of memory. "
                    f"With a `journal`, the same call continues with the missing trainings. {START_HINT}"
                ) from error
            except Exception as error:
                raise RuntimeError(f"compare: a worker could not run {key!r}: {error}") from error
            yield key, outcome
    finally:
        for future in running:
            future.cancel()


def on_processes(workers: int, payloads: dict[str, bytes]) -> Iterator[tuple[str, Outcome]]:
    """The outcomes from processes of this machine, as they arrive."""
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = keras.config.backend()  # for the workers, which are new processes
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from on_executor(pool, payloads)
    finally:
        if before is None:
            os.environ.pop("KERAS_BACKEND", None)
        else:
            os.environ["KERAS_BACKEND"] = before
