"""A resume with another rate than in the checkpoint: detected here, decided by the user."""

from __future__ import annotations

from typing import Any

from keras_lr.core.warning import warn_user
from keras_lr.optimizers import configuration, install, lookup, training_step
from keras_lr.training.audit import ScheduleWarning
from keras_lr.training.saved_state import RATES, memory, note_rates, of


def note(model: Any) -> None:
    """Save the rates that the model is trained with, unless there is an unresolved mismatch."""
    if not of(model).mismatch:
        note_rates(model)


def resolve(model: Any, policy: str) -> None:
    """Resolve a mismatch: "raise" an error, use the rates of the "checkpoint", or use the "new" ones.

    Raises:
        ValueError: there is a mismatch and the policy is "raise".
    """
    state = of(model)
    if not state.mismatch:
        return
    if policy == "raise":
        raise ValueError(f"BindSchedule: {mismatch_text(model)}; choose one with `on_mismatch`: 'checkpoint' or 'new'")
    replaced = False
    for rated in lookup.rated_optimizers(model):
        if rated.column in state.mismatch:
            saved, configured = state.mismatch[rated.column]
            chosen = saved if policy == "checkpoint" else configured
            # A number was loaded with the optimizer's variables, reductions included.
            if "rate" in chosen and "rate" in saved and "rate" in configured:
                scale = rated.rate() / saved["rate"] if saved["rate"] else 1.0
                install.replace(model, rated, chosen["rate"] * scale)
            elif chosen is saved:
                configuration.configure(model, rated, saved)
                replaced = True
            memory(model).setdefault(RATES, {})[rated.column] = chosen
    state.mismatch = {}
    if replaced:
        training_step.retrace(model)


def warn(model: Any) -> None:
    """Warn of an unresolved mismatch. The model continues with the rates that Keras loaded."""
    state = of(model)
    if state.mismatch:
        warn_user(
            f"{mismatch_text(model)}; Keras continues with the checkpoint's number or the model's schedule: "
            "`BindSchedule(on_mismatch='checkpoint')` or `'new'` decides",
            ScheduleWarning,
        )
        state.mismatch = {}
        note_rates(model)


def mismatch_text(model: Any) -> str:
    """The mismatch as a part of a sentence."""
    parts = [
        f"{column} was {_shown(saved)} in the checkpoint and is {_shown(configured)} in the model"
        for column, (saved, configured) in of(model).mismatch.items()
    ]
    return "; ".join(parts)


def _shown(configuration: dict[str, Any]) -> str:
    if "rate" in configuration:
        return f"{configuration['rate']:.6g}"
    serialized = configuration["schedule"]
    arguments = ", ".join(f"{name}={_value(value)}" for name, value in serialized["config"].items())
    return f"{serialized['class_name']}({arguments})"


def _value(value: Any) -> str:
    if isinstance(value, dict) and "class_name" in value:
        return _shown({"schedule": value})
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, list) else repr(value)
