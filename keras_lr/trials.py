"""One training of a comparison, and running many of them on an executor.

What goes to a worker is one bytes object: `cloudpickle` makes it where it is installed, so that
functions of a notebook and lambdas can be sent; otherwise `pickle`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr import optimizer as optimizers
from keras_lr import seeding
from keras_lr.callbacks.bind import BindSchedule

DEATHS = 3
"""How often a training may take its worker with it before it counts as failed."""

START_HINT = (
    'if no training can begin at all: in a script, `compare` must be called under `if __name__ == "__main__":`, '
    "since each worker imports the script"
)


@dataclass(frozen=True)
class Trial:
    """One training: which schedule, with which peak rate, and which seed."""

    schedule: str
    peak: float
    seed: int
    rate: float | LearningRateSchedule

    def key(self) -> str:
        """What a journal knows it by; another schedule of the same name is another trial."""
        return f"{self.schedule}|{self.peak!r}|{self.seed}|{self.rate!r}"


@dataclass(frozen=True)
class Outcome:
    """What a training gave: a row for each epoch, or the error that ended it."""

    rows: list[dict[str, float]] = field(default_factory=list)
    error: str = ""


class EpochRows(keras.callbacks.Callback):
    """A row for each epoch: epoch, seconds of training so far, the last rate, and what Keras reports."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self.start_clock()

    def start_clock(self) -> None:
        """Count the seconds from now on."""
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        owner = optimizers.leader(optimizers.rate_owners(self.model))
        step = max(owner.step() - 1, 0)
        row = {"epoch": len(self.rows) + 1, "seconds": time.perf_counter() - self._begin}
        row["learning_rate"] = owner.rate(step)
        row |= {name: float(value) for name, value in (logs or {}).items() if name != "learning_rate"}
        self.rows.append(row)


def run(payload: bytes) -> Outcome:
    """Carry out one trial, in whichever process. An error of the user's code is an outcome."""
    backend, trial, build_model, fit = pickle.loads(payload)
    if keras.config.backend() != backend:
        raise RuntimeError(
            f"the worker runs Keras on {keras.config.backend()}, and the comparison was begun on {backend}"
        )
    rows = EpochRows()
    try:
        with seeding.seeded(trial.seed):
            rows.start_clock()  # it may have waited for its turn
            model = _model(build_model, trial.rate)
            _train(fit, model, [BindSchedule(), rows])
    except Exception as error:  # whatever it is, the other trainings go on
        return Outcome(rows.rows, f"{type(error).__name__}: {error}")
    return Outcome(rows.rows) if rows.rows else Outcome([], "no epoch was trained")


def packed(trial: Trial, build_model: Any, fit: Any) -> bytes:
    """A trial and the user's functions as bytes.

    Raises:
        TypeError: they cannot be pickled; the message says what would help.
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
            f"({type(error).__name__}: {error}); functions of a module are, and others with `pip install cloudpickle`"
        ) from error
    return made


def _model(build_model: Callable[..., Any], rate: Any) -> Any:
    if _positional(build_model) == 0:
        model = build_model()
        optimizers.set_learning_rate(model, rate)
        return model
    return build_model(rate)


def _train(fit: Any, model: Any, callbacks: list[Any]) -> None:
    if isinstance(fit, dict):
        model.fit(**{"verbose": 0, **fit, "callbacks": [*callbacks, *fit.get("callbacks", [])]})
    else:
        fit(model, callbacks)


def _positional(function: Callable[..., Any]) -> int:
    """How many arguments a function takes by position."""
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return sum(parameter.kind in kinds for parameter in inspect.signature(function).parameters.values())


def on_executor(executor: Executor, payloads: dict[str, bytes]) -> Iterator[tuple[str, Outcome]]:
    """The outcomes as they come, from an executor of the user's.

    Raises:
        RuntimeError: the executor broke, or its workers cannot do the work.
    """
    running = {executor.submit(run, payload): key for key, payload in payloads.items()}
    try:
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                key = running.pop(future)
                try:
                    outcome = future.result()
                except BrokenExecutor as error:
                    raise RuntimeError(
                        f"compare: the executor broke ({error}); a `journal` keeps what is done"
                    ) from error
                except Exception as error:
                    raise RuntimeError(f"compare: a worker could not run {key!r}: {error}") from error
                yield key, outcome
    finally:
        for future in running:
            future.cancel()


def on_processes(workers: int, payloads: dict[str, bytes], printed: int | None = None) -> Iterator[tuple[str, Outcome]]:
    """The outcomes as they come, from processes of this machine.

    What the workers print goes where this process prints, or to the file with the descriptor `printed`.

    A worker that dies breaks the whole pool, and with it the trainings beside; all of them are run
    again, those first that may have been the cause, each alone, so that only the one that kills its
    worker again and again is given up.
    """
    left = dict(payloads)
    deaths = dict.fromkeys(payloads, 0)
    suspects: list[str] = []
    while left:
        chosen = suspects[:1] if suspects else list(left)
        broken: list[str] = []
        for key, outcome in _pool(1 if suspects else workers, {key: left[key] for key in chosen}, printed):
            if outcome is None:
                broken.append(key)
            else:
                del left[key]
                yield key, outcome
        for key in broken:
            deaths[key] += 1
            if deaths[key] >= DEATHS:
                del left[key]
                reason = f"its worker died {DEATHS} times (out of memory? {START_HINT})"
                yield key, Outcome([], reason)
        suspects = [key for key in dict.fromkeys([*suspects, *broken]) if key in left]


@contextmanager
def _printing_to(descriptor: int | None) -> Iterator[None]:
    """Let processes that are started meanwhile print to a file, their libraries in C++ included."""
    if descriptor is None:
        yield
        return
    kept = [os.dup(number) for number in (1, 2)]
    try:
        for number in (1, 2):
            os.dup2(descriptor, number)
        yield
    finally:
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)


def _pool(workers: int, payloads: dict[str, bytes], printed: int | None) -> Iterator[tuple[str, Outcome | None]]:
    """Outcomes from one pool; None for those that ran when it broke. The others are not mentioned then."""
    waiting = list(payloads)
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = keras.config.backend()  # for the workers, which begin anew
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        running: dict[Future[Outcome], str] = {}
        while waiting or running:
            # No more than there are workers: what waits in the pool would be lost with it.
            while waiting and len(running) < workers:
                key = waiting.pop(0)
                with _printing_to(printed):  # `submit` starts a worker if all others are busy
                    running[pool.submit(run, payloads[key])] = key
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                key = running.pop(future)
                try:
                    yield key, future.result()
                except BrokenExecutor:
                    yield key, None
                    for other in running.values():
                        yield other, None
                    return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if before is None:
            os.environ.pop("KERAS_BACKEND", None)
        else:
            os.environ["KERAS_BACKEND"] = before
