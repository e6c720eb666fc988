"""What was perhaps meant by an argument that is refused: the part of a sentence in parentheses."""

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
    """Of something that is no number: an array or tensor that holds one."""
    shape = getattr(value, "shape", None)
    try:
        ones = tuple(map(int, shape)) if shape is not None else ()
    except Exception:  # a shape of another kind of object, or an unknown one
        return ""
    if not ones or any(length != 1 for length in ones):
        return ""
    return f"the shape {ones} is that of an array: take its one number out, `value{'[0]' * len(ones)}`"


def for_steps(text: str) -> str:
    """Of a duration written as a text: "3 epochs", "10 %", "500 steps"."""
    match = DURATION.fullmatch(text)
    if match is None:
        return ""
    amount, unit = float(match[1]), (match[2] or "steps").lower()
    if unit.startswith("ep"):
        return f"this duration is written `epochs({amount:g})`"
    if unit in ("%", "percent"):
        return f"this share of the training is written `fraction({amount / 100:g})`" if amount <= 100 else ""
    return f"this number of steps is written {amount:g}, without quotes"


def for_share(number: Any) -> str:
    """Of a number of steps between 0 and 1."""
    share = f"{double(number):.12g}"
    return f"a share of the training is written `fraction({share})`" if float(share) > 0.0 else ""


def for_cardinality(value: Any, number: Any) -> str:
    """Of a negative whole number of TensorFlow's, which a data set says of its length."""
    tensorflow = sys.modules.get("tensorflow")
    from_data = isinstance(value, np.int64) or (
        tensorflow is not None and isinstance(value, getattr(tensorflow, "Tensor", ()))
    )
    if not from_data or not number < 0:
        return ""
    return (
        "`cardinality()` is -1 of a data set without an end and -2 of one that does not know its length: count its "
        "batches, or use `epochs(…)` and `BindSchedule(steps_per_epoch=…)`"
    )


def instead_of_a_schedule(value: Any) -> str:
    """Of something else than a schedule or a number: what to pass in its place."""
    if inspect.isclass(value):
        name = value.__name__
        is_schedule = issubclass(value, LearningRateSchedule)
        return f"{name} is a class: make a schedule with it, `{name}(…)`" if is_schedule else f"{name} is a class"
    if isinstance(value, keras.optimizers.Optimizer):
        name = type(value).__name__
        return (
            f"this is an optimizer: its rate is `optimizer.learning_rate`, and it takes a schedule, `{name}(schedule)`"
        )
    if isinstance(value, keras.callbacks.Callback):
        return "this is a callback: give it to `fit(…, callbacks=[…])`"
    if isinstance(value, keras.Model):
        return "this is a model: `get_learning_rate(model)` is its rate, and `set_learning_rate` gives it a schedule"
    origin = {(base.__module__.split(".")[0], base.__name__) for base in type(value).__mro__}
    if ("torch", "LRScheduler") in origin:
        return "this is a scheduler of torch: docs/migrating.md has the schedule that replaces it"
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
"""What arguments are called here, in the order of preference, and what torch, optax, Keras 2 and others call them."""


def for_argument(wrong: str, arguments: Iterable[str]) -> str | None:
    """The argument that was perhaps meant by a name that no argument has."""
    known = list(arguments)
    name = wrong.lower()
    for candidates, others in NAMES:
        if name in others.split():
            for candidate in candidates.split():
                if candidate in known:
                    return candidate
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


def for_names(given: Iterable[str], arguments: Iterable[str]) -> str:
    """What is wrong with names of arguments, and what was perhaps meant; nothing if all of them are known."""
    known = list(arguments)
    wrong = [name for name in given if name not in known]
    told = []
    for name in wrong:
        meant = for_argument(name, known)
        note = " (the floor as a share of the peak)" if meant == "alpha" else ""
        told.append(f"{name!r}, perhaps `{meant}`{note}" if meant else repr(name))
    noun = "an unexpected keyword argument" if len(wrong) == 1 else "unexpected keyword arguments"
    return f"got {noun} {', '.join(told)}" if wrong else ""
