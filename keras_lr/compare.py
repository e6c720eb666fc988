"""`compare`: schedules trained side by side on equal terms, here or on many machines."""

from __future__ import annotations

import math
import numbers
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr import trials
from keras_lr.fields import FLAG, PATH, POSITIVE, SCHEDULE, OneOf, Optional, Real, Whole, check, refuse
from keras_lr.journal import Journal
from keras_lr.peaks import LENGTHS, peak_of
from keras_lr.schedule import Schedule
from keras_lr.trials import Outcome, Trial
from keras_lr.warning import warn_user

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from rich.console import Group
    from rich.live import Live

SEEDS = Whole("a number of seeds in [1, 10000], or a sequence of seeds in [0, 2**31)", 1, 10_001, steps=False)
SEED = Whole("a number of seeds in [1, 10000], or a sequence of seeds in [0, 2**31)", 0, steps=False)
WORKERS = Optional(Whole("a whole number in [1, 4096]", 1, 4097, steps=False))
TARGET = Optional(Real("a finite number"))
MODE = OneOf(("auto", "min", "max"))

PREFERRED = ("val_accuracy", "val_sparse_categorical_accuracy", "val_loss", "accuracy", "loss")


@dataclass(frozen=True, eq=False)
class Comparison:
    """The result of `compare`.

    Attributes:
        names: the schedules, in the order in which they were given.
        frame: a row for each epoch of each training.
        failures: a row for each training that failed: schedule, peak, seed, error.
    """

    names: tuple[str, ...]
    frame: pd.DataFrame
    failures: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """All curves: schedule, peak, seed, epoch (from 1), seconds (of training so far), learning_rate, metrics.

        The peak of a schedule that has no highest rate, and was trained as it is, is infinite.
        """
        return self.frame.copy()

    def summary(
        self, metric: str | None = None, target: float | None = None, *, mode: str = "auto", all_peaks: bool = False
    ) -> pd.DataFrame:
        """A row for each schedule, with its best peak rate, the best schedule first.

        Args:
            metric: a column of the frame; by default the first of val_accuracy, val_loss, accuracy, loss
                that there is.
            target: a value of the metric; by default what the schedule given first has on average
                at its end, with its best peak.
            mode: "max", "min", or "auto": "max" if the name has "acc", "auc", "f1", "precision" or "recall" in it.
            all_peaks: a row for each peak rate instead.

        Returns:
            schedule, peak, seeds (trainings that ended), mean and std of the metric after the last
            epoch (std with n − 1; NaN for one seed), reached (trainings that came to the target), and
            of these the mean epochs_to_target and seconds_to_target (NaN for none).

        Raises:
            ValueError: an unknown metric or mode.
        """
        import pandas as pd

        metric = self._metric(metric)
        target = check(TARGET, "summary", "target", target)
        all_peaks = check(FLAG, "summary", "all_peaks", all_peaks)
        sign = -1.0 if _mode(metric, mode) == "min" else 1.0
        groups: dict[Any, list[pd.DataFrame]] = {
            key: [run for _, run in part.groupby("seed", sort=True)]
            for key, part in self.frame.groupby(["schedule", "peak"], sort=False)
        }
        ends: dict[Any, Any] = {
            key: np.array([run[metric].iloc[-1] for run in runs], np.float64) for key, runs in groups.items()
        }
        best: dict[str, Any] = {}
        for key in ends:
            name = key[0]
            if name not in best or _better(sign * ends[key].mean(), sign * ends[best[name]].mean()):
                best[name] = key
        if target is None:
            first = next((name for name in self.names if name in best), None)
            target = math.nan if first is None else float(ends[best[first]].mean())
        rows = []
        for key, runs in groups.items():
            if not all_peaks and best[key[0]] != key:
                continue
            hits = [run[sign * run[metric] >= sign * target] for run in runs]
            hits = [hit for hit in hits if len(hit)]
            rows.append(
                {
                    "schedule": key[0],
                    "peak": key[1],
                    "seeds": len(runs),
                    "mean": ends[key].mean(),
                    "std": ends[key].std(ddof=1) if len(runs) > 1 else math.nan,
                    "reached": len(hits),
                    "epochs_to_target": np.mean([hit["epoch"].iloc[0] for hit in hits]) if hits else math.nan,
                    "seconds_to_target": np.mean([hit["seconds"].iloc[0] for hit in hits]) if hits else math.nan,
                }
            )
        frame = pd.DataFrame(rows)
        order = (sign * frame["mean"]).sort_values(ascending=False, kind="stable", na_position="last").index
        frame = frame.loc[order].reset_index(drop=True)
        frame.attrs.update(metric=metric, target=target)
        return frame

    def plot(self, metric: str | None = None, ax: Axes | None = None, *, mode: str = "auto") -> Axes:
        """Draw the metric over the epochs: the mean of each schedule at its best peak, in a band of one std."""
        from keras_lr import plots

        return plots.comparison(self, self._metric(metric), self.summary(metric, mode=mode), ax)

    def _metric(self, metric: str | None) -> str:
        names = list(self.frame.columns)[6:]
        if metric is None:
            return next((name for name in PREFERRED if name in names), names[0])
        return str(check(OneOf(tuple(names)), "summary", "metric", metric))


def compare(
    build_model: Callable[..., keras.Model],
    schedules: Mapping[str, Any],
    fit: Callable[..., Any] | dict[str, Any],
    seeds: int | list[int] | tuple[int, ...] = 3,
    executor: Executor | None = None,
    *,
    rates: list[float] | tuple[float, ...] | None = None,
    workers: int | None = None,
    journal: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Comparison:
    """Train with every schedule, at every peak rate, from every seed.

    Each training sets the seed, builds a model and fits it: trainings with the same seed begin with
    the same weights and see the data in the same order, whatever other threads of the process draw
    from Python's and NumPy's generators meanwhile. Trainings in threads of one process take turns.

    Args:
        build_model: ``build_model(rate)`` gives a compiled model whose optimizer has that rate, a
            number or a schedule; without an argument, a compiled model that is given it afterwards.
        schedules: name → schedule, number, or a function of the peak rate that gives one of them. Durations may
            be in `epochs` and `fraction`.
        fit: the arguments of ``model.fit``; or ``fit(model, callbacks)``, which trains with these callbacks.
        seeds: how many (0, 1, …), or which.
        executor: where to train: any `concurrent.futures.Executor`, such as
            ``ThreadPoolExecutor(1)`` (in this process), or ``client.get_executor()`` of a Dask
            cluster. By default processes of this machine.
        rates: peak rates, the same for each schedule, which is scaled to have them as the highest
            rate of its whole course; by default each schedule is taken as it is.
        workers: processes, without an executor; half of the processors by default.
        journal: a file in which every training that ends is noted; a comparison that was broken off goes
            on from it. It knows schedules, peak rates and seeds, not what `build_model` and `fit` do.
        progress: show a progress bar with a running table.

    Returns:
        A `Comparison`. A training that raises, or kills its worker three times, is among its
        `failures` (with a warning), and does not end the others.

    Raises:
        TypeError, ValueError: for wrong arguments, a file that is no journal, and, with `rates`, a schedule
            without a highest rate (0, rising on and on, or not known before the training).
        RuntimeError: the executor breaks, or every training fails.
    """
    progress = check(FLAG, "compare", "progress", progress)
    if not callable(build_model):
        refuse("compare", "build_model", "a function that gives a compiled model", build_model, TypeError)
    if not callable(fit) and not (isinstance(fit, dict) and all(isinstance(name, str) for name in fit)):
        refuse("compare", "fit", "a dict of the arguments of `model.fit`, or a function", fit, TypeError)
    if executor is not None and not isinstance(executor, Executor):
        refuse("compare", "executor", "a `concurrent.futures.Executor`, or None", executor, TypeError)
    workers = check(WORKERS, "compare", "workers", workers)
    wanted = {trial.key(): trial for trial in _trials(schedules, _seeds(seeds), rates, _length(fit))}
    outcomes = {}
    book = None if journal is None else Journal(Path(check(PATH, "compare", "journal", journal)))
    if book is not None:
        outcomes = {key: outcome for key, outcome in book.read().items() if key in wanted and not outcome.error}
    payloads = {key: trials.packed(trial, build_model, fit) for key, trial in wanted.items() if key not in outcomes}
    with _Display(wanted, outcomes, shown=progress) as display:
        if executor is None:
            coming = trials.on_processes(workers or max((os.cpu_count() or 2) // 2, 1), payloads, display.printed)
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


def _trials(schedules: Any, seeds: list[int], rates: Any, length: tuple[int, int] | None = None) -> list[Trial]:
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


def _mode(metric: str, mode: str) -> str:
    check(MODE, "summary", "mode", mode)
    if mode != "auto":
        return mode
    return "max" if any(part in metric.lower() for part in ("acc", "auc", "f1", "precision", "recall")) else "min"


def _better(a: float, b: float) -> bool:
    """Whether a mean is better than another; one that is not finite never is."""
    return a > b or (math.isfinite(a) and not math.isfinite(b))


class _Display:
    """A progress bar, and under it how the schedules stand; over it what the workers print.

    Attributes:
        printed: descriptor of the file that workers are to print to, which would break the table otherwise;
            None where nothing is shown, or not in a terminal.
    """

    printed: int | None = None

    def __init__(self, wanted: dict[str, Trial], outcomes: dict[str, Outcome], *, shown: bool) -> None:
        from rich.progress import Progress

        self._wanted, self._outcomes, self._shown = wanted, outcomes, shown
        self._bar = Progress()
        self._task = self._bar.add_task("trainings", total=len(wanted), completed=len(outcomes))
        self._open = ExitStack()
        self._live: Live | None = None
        self._told = 0

    def __enter__(self) -> _Display:
        from rich.console import Console
        from rich.live import Live

        if not self._shown:
            return self
        console, usual = None, sys.__stdout__
        if usual is not None and sys.stdout is usual and usual.isatty() and hasattr(os, "pread"):
            self.printed = self._open.enter_context(TemporaryFile("ab+")).fileno()
            # A descriptor of its own: that of the process is the workers' for a moment, while they are started.
            terminal = os.fdopen(os.dup(usual.fileno()), "w", encoding=usual.encoding)
            console = Console(file=self._open.enter_context(terminal))
        self._live = Live(self._draw(), console=console, transient=True, refresh_per_second=4)
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._open:
            if self._live is not None:
                self._tell()
                self._live.stop()

    def update(self) -> None:
        self._bar.update(self._task, completed=len(self._outcomes))
        if self._live is not None:
            self._tell()
            self._live.update(self._draw())

    def _tell(self) -> None:
        """Print what workers have printed since the last time."""
        if self.printed is None or self._live is None:
            return
        new = os.pread(self.printed, os.fstat(self.printed).st_size - self._told, self._told)
        self._told += len(new)
        if new:
            text = new.decode(errors="replace").rstrip("\n")
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _draw(self) -> Group:
        from rich.console import Group
        from rich.table import Table

        done = {key: outcome for key, outcome in self._outcomes.items() if not outcome.error}
        last = [set(outcome.rows[-1]) for outcome in done.values()]
        metric = next((name for name in PREFERRED if any(name in names for names in last)), "")
        table = Table("schedule", "done", f"{metric} so far, best peak" if metric else "so far")
        for name in dict.fromkeys(trial.schedule for trial in self._wanted.values()):
            keys = [key for key, trial in self._wanted.items() if trial.schedule == name]
            ended = [key for key in keys if key in self._outcomes]
            ends: dict[float, list[float]] = {}
            for key in ended:
                if key in done and metric in done[key].rows[-1]:
                    ends.setdefault(self._wanted[key].peak, []).append(done[key].rows[-1][metric])
            means = [float(np.mean(values)) for values in ends.values()]
            best = (max if _mode(metric, "auto") == "max" else min)(means) if means else None
            table.add_row(name, f"{len(ended)}/{len(keys)}", "" if best is None else f"{best:.4f}")
        return Group(self._bar, table)
