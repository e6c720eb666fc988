"""The lines of `keras-lr inspect`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_lr.callbacks.metric_entry import MetricEntry
from keras_lr.callbacks.plateau_rule import PlateauState
from keras_lr.command.inspection import Inspection, Rate
from keras_lr.command.render import rates_at
from keras_lr.core.algebra import Schedule
from keras_lr.core.fields import STEP_LIMIT
from keras_lr.core.inner import length_of
from keras_lr.core.presentation import ENDLESS
from keras_lr.core.tree import is_bound

LONGEST_ENTRY = 400
"""Largest number of characters that are printed of a callback's state."""


def lines(path: str, found: Inspection, ahead: int | None) -> Iterator[str]:
    """The description of a saved model, line by line.

    Args:
        path: the file.
        found: its content.
        ahead: number of steps from the current one whose rates are listed; to the end of the schedule by default.
    """
    yield f"{path}, saved by Keras {found.keras_version}"
    if not found.rates:
        yield "The model is not compiled: no optimizer."
        return
    yield "Step: " + (f"{found.step:,}" if found.step is not None else "unknown (no optimizer state)")
    for rate in found.rates:
        yield from _rate_lines(rate, found.step or 0, ahead)
    for key, entry in found.callbacks.items():
        yield f"{key}: {_plateau(entry) if key.startswith('ReduceOnPlateau/') else _as_json(entry)}"


def _as_json(entry: Any) -> str:
    return json.dumps(entry)[:LONGEST_ENTRY]


def _plateau(entry: Any) -> str:
    """The state of a plateau callback as a sentence, or as JSON if it is not valid."""
    try:
        found = MetricEntry.from_json("ReduceOnPlateau", PlateauState, {**entry})
    except (ValueError, TypeError):
        return _as_json(entry)
    state, unit = found.state, "window" if "unfinished" in entry else "epoch"
    parts = [_count(state.n_reductions, "reduction") + " so far"]
    parts += [f"{name} scaled by {scale:.6g}" for name, scale in sorted(found.scales.items()) if scale != 1.0]
    parts.append("no metric seen yet" if state.best is None else f"best metric {state.best:.6g}")
    parts.append(f"{_count(state.wait, f'bad {unit}')} in a row")
    if state.cooldown_counter:
        parts.append(f"{_count(state.cooldown_counter, f'quiet {unit}')} left")
    if found.last_epoch >= 0:
        parts.append(f"last checked after epoch {found.last_epoch + 1}")
    return "; ".join(parts)


def _count(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}" + ("" if amount == 1 else "s")


def _rate_lines(rate: Rate, step: int, ahead: int | None) -> Iterator[str]:
    schedule = rate.source
    if isinstance(schedule, float | str):
        number = schedule if isinstance(schedule, str) else f"{schedule:.6g}"
        yield f"{rate.name} of {rate.optimizer}: {number}"
        return
    yield f"{rate.name} of {rate.optimizer}: {schedule!r}"
    if not is_bound(schedule):
        yield "  not bound yet: it has durations in epochs, fractions or samples"
        return
    if isinstance(schedule, Schedule):
        yield "  " + schedule.describe()
    yield f"  now {float(rates_at(schedule, step)):.6g}"
    length = length_of(schedule)
    until = step + (ahead or (max(length - step, 0) if length is not None else ENDLESS))
    until = min(until, STEP_LIMIT - 1)
    if until <= step:
        yield "  the schedule is at its end"
        return
    at = np.unique(np.linspace(step, until, 9).astype(np.int64))
    rates = rates_at(schedule, at)
    yield "  next " + ", ".join(f"{value:.4g} at {place:,}" for place, value in zip(at, rates, strict=True))
