"""`compare`: train with several schedules under equal conditions, on one or many machines."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import Any, SupportsFloat

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.algebra import SCHEDULE, Schedule
from keras_lr.core.fields import FLAG, PATH, POSITIVE, OrNone, Whole, whole
from keras_lr.core.refusals import check, refuse
from keras_lr.core.warning import warn_user
from keras_lr.tools.comparison import trials
from keras_lr.tools.comparison.display import Display
from keras_lr.tools.comparison.journal import Journal
from keras_lr.tools.comparison.peaks import LENGTHS, peak_of
from keras_lr.tools.comparison.result import Comparison
from keras_lr.tools.comparison.trials import Outcome, Trial

ALLOWED_SEEDS = "a number of seeds in [1, 10000], or a sequence of seeds in [0, 2**31)"
SEEDS = Whole(ALLOWED_SEEDS, 1, 10_001, steps=False)
SEED = Whole(ALLOWED_SEEDS, 0, steps=False)
WORKERS = OrNone(whole(1, 4096))


def compare(
    build_model: Callable[..., keras.Model],
    schedules: Mapping[str, Any],
    fit: Callable[..., Any] | dict[str, Any],
    seeds: SupportsFloat | list[int] | tuple[int, ...] = 3,
    executor: Executor | None = None,
    *,
    rates: list[float] | tuple[float, ...] | None = None,
    workers: SupportsFloat | None = None,
    journal: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Comparison:
    """Train with every schedule, at every peak rate, with every seed.

    Each training sets the seed, builds a model and fits it. Trainings with the same seed begin with the
    same weights and get the data in the same order, even if other threads of the process draw random
    numbers from Python's and NumPy's generators meanwhile. Trainings in threads of one process run one at
    a time.

    Args:
        build_model: ``build_model(rate)`` returns a compiled model whose optimizer has that rate, a
            number or a schedule. A function without arguments returns a compiled model, and the rate is
            set afterwards.
        schedules: a dict from names to schedules, numbers, or functions of the peak rate that return one of
            these. Durations may be in `epochs`, `fraction` and `samples`.
        fit: the arguments of ``model.fit``, or a function ``fit(model, callbacks)`` that trains with these
            callbacks.
        seeds: the number of seeds (0, 1, …), or a sequence of seeds.
        executor: where to train: any `concurrent.futures.Executor`, such as ``ThreadPoolExecutor(1)`` (in
            this process) or ``client.get_executor()`` of a Dask cluster. By default, processes of this
            machine are used.
        rates: peak rates, the same for each schedule. A schedule is scaled so that its highest rate is the
            peak rate. By default the schedules are not scaled.
        workers: number of processes without an executor; by default half of the processors.
        journal: a file to which every finished training is written. An interrupted comparison continues
            from it. It identifies trainings by schedule, peak rate and seed; changes of `build_model` and
            `fit` are not noticed.
        progress: whether to show a progress bar with the results so far.

    Returns:
        A `Comparison`. A training that raises is listed in its `failures` (with a warning), and the others
        continue.

    Raises:
        TypeError, ValueError: an argument is not allowed, the file is not a journal, or, with `rates`, a
            schedule has no highest rate (it is 0, rises without end, or is unknown before the training).
        RuntimeError: a worker died, which ends the comparison (the same call continues from its `journal`),
            or every training failed.
    """
    progress = check(FLAG, "compare", "progress", progress)
    if not callable(build_model):
        refuse("compare", "build_model", "a function that returns a compiled model", build_model, TypeError)
    if not callable(fit) and not (isinstance(fit, dict) and all(isinstance(name, str) for name in fit)):
        refuse("compare", "fit", "a dict of the arguments of `model.fit`, or a function", fit, TypeError)
    if executor is not None and not isinstance(executor, Executor):
        refuse("compare", "executor", "a `concurrent.futures.Executor`, or None", executor, TypeError)
    processes: int | None = check(WORKERS, "compare", "workers", workers)
    wanted = {trial.key(): trial for trial in trials_of(schedules, _seeds(seeds), rates, _length(fit))}
    book = None if journal is None else Journal(Path(check(PATH, "compare", "journal", journal)))
    known = {} if book is None else book.read()
    outcomes = {key: outcome for key, outcome in known.items() if key in wanted and not outcome.error}
    payloads = {key: trials.packed(trial, build_model, fit) for key, trial in wanted.items() if key not in outcomes}
    display = Display(wanted, outcomes, visible=progress)
    if executor is None:
        coming = trials.on_processes(processes or max((os.cpu_count() or 2) // 2, 1), payloads)
    else:
        coming = trials.on_executor(executor, payloads)
    for key, outcome in coming:
        outcomes[key] = outcome
        if book is not None:
            book.write(key, outcome)
        display.update()
    return _result(tuple(schedules), wanted, outcomes)


def _result(names: tuple[str, ...], wanted: dict[str, Trial], outcomes: dict[str, Outcome]) -> Comparison:
    import pandas as pd

    rows, failures = [], []
    for key, trial in wanted.items():
        who = {"schedule": trial.schedule, "peak": trial.peak, "seed": trial.seed}
        outcome = outcomes[key]
        if outcome.error:
            failures.append({**who, "error": outcome.error})
        else:
            rows += [{**who, **row} for row in outcome.rows]
    if failures:
        failed = f"failed, the first one with {failures[0]['error']}"
        if not rows:
            raise RuntimeError(f"compare: every training {failed}")
        warn_user(f"compare: {len(failures)} of {len(wanted)} trainings {failed}")
    frame = pd.DataFrame(rows).astype({"seed": "int64", "epoch": "int64"})
    return Comparison(names, frame, pd.DataFrame(failures, columns=["schedule", "peak", "seed", "error"]))


def _seeds(seeds: Any) -> list[int]:
    if isinstance(seeds, tuple | list):
        chosen = [check(SEED, "compare", "seeds", seed) for seed in seeds]
        if not chosen or len(set(chosen)) < len(chosen):
            refuse("compare", "seeds", "different seeds, at least one", seeds)
        return chosen
    return list(range(check(SEEDS, "compare", "seeds", seeds)))


def trials_of(schedules: Any, seeds: list[int], rates: Any, length: tuple[int, int] | None = None) -> list[Trial]:
    """Each schedule at each peak rate with each seed. The arguments are checked.

    Args:
        schedules: schedules, numbers or functions of the peak rate, by name.
        seeds: the seeds.
        rates: the peak rates, or None to leave the schedules unscaled.
        length: steps per epoch and epochs, or None.
    """
    if not isinstance(schedules, Mapping) or not schedules or not all(isinstance(name, str) for name in schedules):
        refuse("compare", "schedules", "a non-empty dict of schedules by name", schedules, TypeError)
    if rates is not None:
        if not isinstance(rates, tuple | list) or not rates:
            refuse("compare", "rates", "a non-empty sequence of peak rates", rates, TypeError)
        rates = [check(POSITIVE, "compare", "rates", rate) for rate in rates]
    found = []
    for name, schedule in schedules.items():
        for peak, rate in _at_rates(name, schedule, rates, length):
            found += [Trial(name, peak, seed, rate) for seed in seeds]
    return found


def _at_rates(
    name: str, schedule: Any, rates: list[float] | None, length: tuple[int, int] | None
) -> list[tuple[float, Any]]:
    """A schedule at each peak rate: (peak, rate)."""
    if isinstance(schedule, LearningRateSchedule):
        if rates is None:
            return [(_label(schedule, length), schedule)]
        if not isinstance(schedule, Schedule):
            refuse("compare", "schedules", f"schedules of keras_lr if `rates` are given ({name!r})", schedule)
        top = _top(name, schedule, length)
        return [(rate, schedule * (rate / top)) for rate in rates]
    if callable(schedule):
        if rates is None:
            refuse("compare", "rates", f"given, since {name!r} is a function of the peak rate", None)
        return [(rate, check(SCHEDULE, "compare", f"schedules[{name!r}]({rate})", schedule(rate))) for rate in rates]
    number = float(check(POSITIVE, "compare", f"schedules[{name!r}]", schedule))
    return [(number, number)] if rates is None else [(rate, rate) for rate in rates]


def _top(name: str, schedule: Schedule, length: tuple[int, int] | None) -> float:
    """The highest rate of a schedule, by which it is scaled."""
    why = "it is 0 at every step"
    try:
        top = peak_of(schedule, length)
    except ValueError as error:
        top, why = 0.0, str(error)
    if top == 0.0:
        allowed = f"a schedule with a highest rate, or a function of the peak rate, if `rates` are given ({why})"
        refuse("compare", f"schedules[{name!r}]", allowed, schedule)
    return top


def _label(schedule: LearningRateSchedule, length: tuple[int, int] | None) -> float:
    """The highest rate of a schedule that is not scaled; infinite if it has none."""
    for training in (length, LENGTHS[-1]):
        with suppress(ValueError):
            return peak_of(schedule, training)
    return math.inf


def _length(fit: Any) -> tuple[int, int] | None:
    """Steps per epoch, and epochs, of a training with these arguments of `fit`; None if unknown."""
    if not isinstance(fit, dict):
        return None
    epochs, steps, batch_size, data = (fit.get(name) for name in ("epochs", "steps_per_epoch", "batch_size", "x"))
    shape = getattr(data, "shape", ())
    if steps is None and shape:
        samples = math.floor(shape[0] * (1.0 - (fit.get("validation_split") or 0.0)))
        steps = math.ceil(samples / (batch_size or 32))
    counts = [steps, 1 if epochs is None else epochs]
    whole = [int(count) for count in counts if isinstance(count, numbers.Integral)]
    return (whole[0], whole[1]) if len(whole) == 2 and min(whole) > 0 else None
