"""`compare`: schedules trained side by side on equal terms, here or on many machines."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.algebra import SCHEDULE, Schedule
from keras_lr.core.fields import FLAG, PATH, POSITIVE, OrNone, Whole
from keras_lr.core.refusals import check, refuse
from keras_lr.core.warning import warn_user
from keras_lr.tools.comparison import trials
from keras_lr.tools.comparison.display import Display
from keras_lr.tools.comparison.journal import Journal
from keras_lr.tools.comparison.peaks import LENGTHS, peak_of
from keras_lr.tools.comparison.result import Comparison
from keras_lr.tools.comparison.trials import Outcome, Trial

if TYPE_CHECKING:
    pass

SEEDS = Whole("a number of seeds in [1, 10000], or a sequence of seeds in [0, 2**31)", 1, 10_001, steps=False)
SEED = Whole("a number of seeds in [1, 10000], or a sequence of seeds in [0, 2**31)", 0, steps=False)
WORKERS = OrNone(Whole("a whole number in [1, 4096]", 1, 4097, steps=False))


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
    """Train with every schedule, at every peak rate, from every seed.

    Each training sets the seed, builds a model and fits it: trainings with the same seed begin with
    the same weights and see the data in the same order, even if other threads of the process draw random numbers
    from Python's and NumPy's generators meanwhile. Trainings in threads of one process take turns.

    Args:
        build_model: ``build_model(rate)`` gives a compiled model whose optimizer has that rate, a
            number or a schedule; without an argument, a compiled model that is given it afterwards.
        schedules: name → schedule, number, or a function of the peak rate that gives one of them. Durations may
            be in `epochs`, `fraction` and `samples`.
        fit: the arguments of ``model.fit``; or ``fit(model, callbacks)``, which trains with these callbacks.
        seeds: how many (0, 1, …), or which.
        executor: where to train: any `concurrent.futures.Executor`, such as
            ``ThreadPoolExecutor(1)`` (in this process), or ``client.get_executor()`` of a Dask
            cluster. By default processes of this machine.
        rates: peak rates, the same for each schedule, which is scaled to have them as the highest
            rate of its whole course; by default each schedule is taken as it is.
        workers: processes, without an executor; half of the processors by default.
        journal: a file that records every finished training; a comparison that was interrupted goes
            on from it. It knows schedules, peak rates and seeds, not what `build_model` and `fit` do.
        progress: show a progress bar with a running table.

    Returns:
        A `Comparison`. A training that raises is among its `failures` (with a warning), and does not end
        the others.

    Raises:
        TypeError, ValueError: for wrong arguments, a file that is no journal, and, with `rates`, a schedule
            without a highest rate (0, rising on and on, or not known before the training).
        RuntimeError: a worker dies, which ends the comparison (the same call goes on from its `journal`); or
            every training fails.
    """
    progress = check(FLAG, "compare", "progress", progress)
    if not callable(build_model):
        refuse("compare", "build_model", "a function that gives a compiled model", build_model, TypeError)
    if not callable(fit) and not (isinstance(fit, dict) and all(isinstance(name, str) for name in fit)):
        refuse("compare", "fit", "a dict of the arguments of `model.fit`, or a function", fit, TypeError)
    if executor is not None and not isinstance(executor, Executor):
        refuse("compare", "executor", "a `concurrent.futures.Executor`, or None", executor, TypeError)
    processes: int | None = check(WORKERS, "compare", "workers", workers)
    wanted = {trial.key(): trial for trial in trials_of(schedules, _seeds(seeds), rates, _length(fit))}
    outcomes = {}
    book = None if journal is None else Journal(Path(check(PATH, "compare", "journal", journal)))
    if book is not None:
        outcomes = {key: outcome for key, outcome in book.read().items() if key in wanted and not outcome.error}
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
    if not rows:
        raise RuntimeError(f"compare: every training failed, the first one with {failures[0]['error']}")
    if failures:
        message = (
            f"compare: {len(failures)} of {len(wanted)} trainings failed, the first one with {failures[0]['error']}"
        )
        warn_user(message)
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
    """Each schedule at each peak rate with each seed, checked.

    Args:
        schedules: schedules, numbers or functions of the peak rate, by name.
        seeds: the seeds.
        rates: the peak rates, or None to take the schedules as they are.
        length: steps per epoch and epochs, where they are known.
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
            refuse("compare", "schedules", f"schedules of keras_lr where `rates` are given ({name!r})", schedule)
        top = _top(name, schedule, length)
        return [(rate, schedule * (rate / top)) for rate in rates]
    if callable(schedule):
        if rates is None:
            refuse("compare", "rates", f"given, since {name!r} is a function of the peak rate", None)
        return [(rate, check(SCHEDULE, "compare", f"schedules[{name!r}]({rate})", schedule(rate))) for rate in rates]
    number = float(check(POSITIVE, "compare", f"schedules[{name!r}]", schedule))
    return [(number, number)] if rates is None else [(rate, rate) for rate in rates]


def _top(name: str, schedule: Schedule, length: tuple[int, int] | None) -> float:
    """The highest rate of a schedule that is to be scaled by it."""
    why = "it is 0 at every step"
    try:
        top = peak_of(schedule, length)
    except ValueError as error:
        top, why = 0.0, str(error)
    if top == 0.0:
        allowed = f"a schedule with a highest rate, or a function of the peak rate, where `rates` are given ({why})"
        refuse("compare", f"schedules[{name!r}]", allowed, schedule)
    return top


def _label(schedule: LearningRateSchedule, length: tuple[int, int] | None) -> float:
    """The highest rate of a schedule that is trained as it is; infinite where it has none."""
    for training in (length, LENGTHS[-1]):
        with suppress(ValueError):
            return peak_of(schedule, training)
    return math.inf


def _length(fit: Any) -> tuple[int, int] | None:
    """Steps per epoch, and epochs, of a training with these arguments of `fit`; None where they do not say."""
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
