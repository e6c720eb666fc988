"""The sentence of `describe`, from the template that each schedule class defines.

A template is text with the arguments (or attributes) of the class in braces:

- ``{half_life:steps}`` is a length: "40 steps", "1 step", "4 epochs", "10 % of the training". Other
  nouns can be counted too. ``{boundaries:at}`` is a place: "step 3", "steps 3 and 9".
- ``{start:%}`` is a percentage, ``{t_mul:times}`` a comparison ("as", "twice as", "1.5 times as").
- ``{staircase:, in stairs}`` is that text if the argument is True, and nothing otherwise.
- ``{schedules:then}`` puts this word between schedules.
- ``<, at most {high}>`` is left out if its first argument has its default, or is 0 and has no default.
"""

from __future__ import annotations

import re
from inspect import Parameter
from string import Formatter
from typing import Any

import numpy as np

from keras_lr.core.duration import Duration
from keras_lr.core.tree import Formula, LearningRateSchedule

OPTIONAL = re.compile(r"<([^<>]*\{[^<>]*)>")
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?")
FULL_NAMES = {"cos": "cosine", "sqrt": "square-root"}
NOUNS = {"epochs": "epochs", "fraction": "% of the training", "samples": "samples", "only_steps": "steps"}
LONGEST_LIST = 8
MOST_STEPS = 100_001
"""At most so many steps are evaluated for the highest rate and the mean."""


def sentence(schedule: Formula) -> str:
    """What a schedule does, then those of its rates that the text does not contain yet, and their mean."""
    text = schedule._phrase()
    said = "; ".join([text[:1].upper() + text[1:], *_rates(schedule, text)])
    return said + "."


def filled(template: str, arguments: dict[str, Any], defaults: dict[str, Any], schedule: Any) -> str:
    """A template with the names replaced by the arguments or attributes of a schedule."""

    def optional(match: re.Match[str]) -> str:
        name = next(name for _, name, _, _ in Formatter().parse(match[1]) if name)
        default = defaults[name]
        is_given = bool(arguments[name]) if default is Parameter.empty else arguments[name] != default
        return match[1] if is_given else ""

    template = OPTIONAL.sub(optional, template)
    names = {name for _, name, _, _ in Formatter().parse(template) if name}
    values = {name: arguments[name] if name in arguments else getattr(schedule, name) for name in names}
    text = template.format(**{name: _Word(value) for name, value in values.items()})
    return re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text)


def number(value: float, digits: int = 6) -> str:
    """A number as people write it: 0.001, 1e-5, 5.2e-4, 12,000."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if 0.0 < abs(value) < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.{digits}g}"


def _rates(schedule: Formula, text: str) -> list[str]:
    """For a schedule with an end: its first, highest and last rate, unless the text contains them, and the mean."""
    end = schedule.length() if schedule.is_bound else None
    if not end:
        return []
    steps = np.unique(np.linspace(0, end, min(end + 1, MOST_STEPS)).astype(np.int64))
    rates = schedule.values(steps)
    top = int(rates.argmax())
    chosen = [0, *([top] if rates[top] > max(rates[0], rates[-1]) else []), -1]
    said = set(NUMBER.findall(text))
    new = [
        f"{number(rate, 4)} at step {step:,}"
        for rate, step in zip(rates[chosen].tolist(), steps[chosen].tolist(), strict=True)
        if number(rate) not in said or (step and f"{step:,}" not in said)
    ]
    return [", ".join([*new, f"mean {number(float(rates.mean()), 3)}"])]


class _Word:
    """A value in a template, with its format."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        value = self._value
        if isinstance(value, bool):
            return spec if value else ""
        if isinstance(value, LearningRateSchedule):
            return _name(value)
        if isinstance(value, tuple):
            return _several(value, spec)
        if isinstance(value, float) and spec == "%":
            return f"{100.0 * value:.4g} %" if value else "0"
        if isinstance(value, float) and spec == "times":
            return {0.5: "half as", 1.0: "as", 2.0: "twice as"}.get(value, f"{number(value)} times as")
        if isinstance(value, int | float | Duration) and spec:
            return lengths([value], spec)
        return _plain(value)


def _name(schedule: LearningRateSchedule) -> str:
    if isinstance(schedule, Formula):
        return schedule._phrase()
    module, name = type(schedule).__module__.split(".")[0], type(schedule).__name__
    return f"Keras's {name}" if module == "keras" else f"the schedule {name}"


def _plain(value: Any) -> str:
    if isinstance(value, Duration):
        return lengths([value], "steps")
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else FULL_NAMES.get(value, str(value))


def _several(values: tuple[Any, ...], spec: str) -> str:
    if all(isinstance(value, LearningRateSchedule) for value in values):
        parts = [_name(value) for value in values]
        if spec != "then" and len(parts) > 1:
            parts = [f"({part})" for part in parts]
        return (", then " if spec == "then" else f" {spec or 'and'} ").join(parts)
    if spec and all(isinstance(value, int | Duration) for value in values):
        return lengths(list(values), spec)
    return _listed([_plain(value) for value in values])


def lengths(values: list[int | float | Duration], spec: str) -> str:
    """Durations with their units. A unit that all share is named once."""
    counted = [_counted(value, "steps" if spec == "at" else spec) for value in values]
    units = {unit for _, unit in counted}
    if len(units) > 1:
        return _listed([f"{amount} {_unit(unit, amount)}".rstrip() for amount, unit in counted])
    (unit,) = units
    amounts = [amount for amount, _ in counted]
    if spec == "at" and unit == "steps":
        return f"{_unit(unit, '1' if len(amounts) == 1 else '2')} {_listed(amounts)}"
    return f"{_listed(amounts)} {_unit(unit, amounts[0] if len(amounts) == 1 else '2')}".rstrip()


def _counted(value: int | float | Duration, noun: str) -> tuple[str, str]:
    if not isinstance(value, Duration):
        return f"{value:,}" if isinstance(value, int) else number(value), noun
    if value.single is None:
        return _of_sum(value), ""
    return _of_unit(*value.single)


def _of_unit(unit: str, amount: float) -> tuple[str, str]:
    return f"{100.0 * amount:.4g}" if unit == "fraction" else number(amount), NOUNS[unit]


def _of_sum(duration: Duration) -> str:
    """A duration in several units."""
    text = ""
    for unit, amount in sorted(duration.amounts().items(), key=lambda item: item[1] < 0):
        counted, noun = _of_unit(unit, abs(amount))
        text += ("" if not text else " and " if amount > 0 else " less ") + f"{counted} {_unit(noun, counted)}"
    return text


def _unit(noun: str, amount: str) -> str:
    return noun.removesuffix("s") if amount == "1" else noun


def _listed(parts: list[str]) -> str:
    if len(parts) > LONGEST_LIST:
        parts = [*parts[:3], "…", parts[-1]]
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0] if parts else "none"
