"""Hints in error texts: what the user may have meant by an argument that is refused."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.ratios import double

DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(epochs?|ep|steps?|batch(?:es)?|%|percent)?\s*", re.IGNORECASE)


def for_a_number(value: Any) -> str:
    """A hint for an array or tensor of one number, where a number is expected."""
    shape = getattr(value, "shape", None)
    try:
        ones = tuple(map(int, shape)) if shape is not None else ()
    except Exception:  # an unknown shape, or a `shape` with another meaning
        return ""
    if not ones or any(length != 1 for length in ones):
        return ""
    return f"this is an array of shape {ones}: pass its number, `value{'[0]' * len(ones)}`"


def for_steps(text: str) -> str:
    """A hint for a duration that is a string: "3 epochs", "10 %", "500 steps"."""
    match = DURATION.fullmatch(text)
    if match is None:
        return ""
    amount, unit = float(match[1]), (match[2] or "steps").lower()
    if unit.startswith("ep"):
        return f"write `epochs({amount:g})`"
    if unit in ("%", "percent"):
        return f"write `fraction({amount / 100:g})` for this share of the training" if amount <= 100 else ""
    return f"write {amount:g}, without quotes"


def for_share(number: Any) -> str:
    """A hint for a number of steps between 0 and 1."""
    share = f"{double(number):.12g}"
    return f"write `fraction({share})` for a share of the training" if float(share) > 0.0 else ""


def for_cardinality(value: Any, number: Any) -> str:
    """A hint for a negative whole number of TensorFlow, as `cardinality()` of a data set returns it."""
    tensorflow = sys.modules.get("tensorflow")
    from_data = isinstance(value, np.int64) or (
        tensorflow is not None and isinstance(value, getattr(tensorflow, "Tensor", ()))
    )
    if not from_data or not number < 0:
        return ""
    return (
        "`cardinality()` is -1 for an endless data set and -2 for one of unknown length: count the batches yourself, "
        "or use `epochs(…)` and `BindSchedule(steps_per_epoch=…)`"
    )


def instead_of_a_schedule(value: Any) -> str:
    """A hint for something that is neither a schedule nor a number: what to pass instead."""
    if inspect.isclass(value):
        name = value.__name__
        is_schedule = issubclass(value, LearningRateSchedule)
        return f"{name} is a class: pass a schedule, `{name}(…)`" if is_schedule else f"{name} is a class"
    if isinstance(value, keras.optimizers.Optimizer):
        name = type(value).__name__
        return (
            f"this is an optimizer: its rate is `optimizer.learning_rate`, and you pass a schedule to it, "
            f"`{name}(schedule)`"
        )
    if isinstance(value, keras.callbacks.Callback):
        return "this is a callback: pass it to `fit(…, callbacks=[…])`"
    if isinstance(value, keras.Model):
        return "this is a model: `get_learning_rate(model)` returns its rate, and `set_learning_rate` sets a schedule"
    origin = {(base.__module__.split(".")[0], base.__name__) for base in type(value).__mro__}
    if ("torch", "LRScheduler") in origin:
        return "this is a scheduler of torch: docs/migrating.md lists the schedule that replaces it"
    if ("torch", "Optimizer") in origin:
        return "this is an optimizer of torch: pass the rate, or a schedule"
    if callable(value):
        return "a function cannot be saved with a model; subclass `Schedule`"
    return ""


NAMES: list[tuple[str, str]] = [
    (
        "end_learning_rate alpha min_lr low",
        "eta_min min_lr lr_min end_lr lr_end final_lr end_value final_value min_learning_rate minimum_learning_rate "
        "floor minimum",
    ),
    (
        "initial_learning_rate learning_rate max_learning_rate values",
        "lr base_lr init_lr initial_lr start_lr lr_max eta eta_max rate init_value learning_rate max_learning_rate "
        "initial_learning_rate min_learning_rate minimal_learning_rate",
    ),
    (
        "maximal_learning_rate max_learning_rate warmup_target learning_rate initial_learning_rate",
        "max_lr peak_lr lr_peak peak_value peak maximal_lr target_lr max_learning_rate",
    ),
    ("total_steps", "num_training_steps total_iters max_iters max_steps total"),
    (
        "decay_steps first_decay_steps total_steps step_size every hold_steps warmup_steps",
        "t_max t_0 t_initial total_steps total_iters max_iters max_steps num_steps n_steps num_training_steps steps "
        "transition_steps decay_steps first_decay_steps period step_size step_size_up iterations duration length "
        "epochs decay_epochs",
    ),
    ("warmup_steps hold_steps", "warmup num_warmup_steps n_warmup_steps warmup_iters warmup_t warmup_epochs"),
    ("decay_rate gamma factor m_mul", "gamma factor decay decay_factor decay_rate drop alpha cycle_decay"),
    ("milestones boundaries at", "milestones boundaries boundaries_and_scales steps decay_epochs edges"),
    ("values schedules", "lrs rates learning_rates levels schedulers schedules parts"),
    ("t_mul", "t_mult cycle_mul"),
    ("power exponent k", "exponent power p degree k_decay"),
    ("schedule", "scheduler lr_scheduler lr_schedule after after_scheduler inner"),
    ("start", "start_factor warmup_start warmup_factor init_factor"),
    ("shape anneal_strategy mode", "strategy kind decay_type warmup_strategy policy"),
    ("accumulation_steps", "gradient_accumulation_steps k every"),
    ("high", "maximum"),
]
"""Names of arguments here, in order of preference, and the names that torch, optax, Keras 2 and others use."""


def for_argument(wrong: str, arguments: Iterable[str]) -> str | None:
    """The argument that a user may have meant by an unknown name."""
    known = list(arguments)
    name = wrong.lower()
    for candidates, others in NAMES:
        if name in others.split():
            for candidate in candidates.split():
                if candidate in known:
                    return candidate
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


def for_names(given: Iterable[str], arguments: Iterable[str]) -> str:
    """Unknown names of arguments, each with the one that may have been meant; empty if all are known."""
    known = list(arguments)
    wrong = [name for name in given if name not in known]
    told = []
    for name in wrong:
        meant = for_argument(name, known)
        note = " (the floor as a share of the peak)" if meant == "alpha" else ""
        told.append(f"{name!r}, perhaps `{meant}`{note}" if meant else repr(name))
    noun = "an unexpected keyword argument" if len(wrong) == 1 else "unexpected keyword arguments"
    return f"got {noun} {', '.join(told)}" if wrong else ""
