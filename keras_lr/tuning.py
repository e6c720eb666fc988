"""Search spaces of schedules for KerasTuner and Optuna.

    keras_lr.tuning.schedule(hp, total_steps=5_000)       # in a KerasTuner's build function
    keras_lr.tuning.schedule(trial, total_steps=5_000)    # in an Optuna objective

Neither library is imported here: an object with `Choice` is from KerasTuner, one with
`suggest_categorical` from Optuna.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat

from keras_lr.core.algebra import Constant, Schedule
from keras_lr.core.fields import NON_NEGATIVE, POSITIVE, STRING, OneOf, Several, whole
from keras_lr.core.refusals import check, refuse
from keras_lr.schedules.decay import CosineDecay, ExponentialDecay, LinearDecay
from keras_lr.schedules.recipes import OneCycle, WarmupStableDecay
from keras_lr.schedules.shaped import InverseSquareRootDecay
from keras_lr.schedules.stepwise import StepDecay
from keras_lr.schedules.warmup import Warmup

__all__ = ["FAMILIES", "schedule"]

STEPS = whole(10, of="steps")


def _stable(peak: float, warmup: int, length: int) -> Schedule:
    total = warmup + length
    return WarmupStableDecay(peak, total, warmup_steps=warmup, decay_steps=max(length // 5, 1))


FAMILIES: dict[str, Callable[[float, int, int], Schedule]] = {
    "constant": lambda peak, warmup, length: Warmup(Constant(peak), warmup),
    "cosine": lambda peak, warmup, length: Warmup(CosineDecay(peak, length), warmup),
    "linear": lambda peak, warmup, length: Warmup(LinearDecay(peak, length), warmup),
    "exponential": lambda peak, warmup, length: Warmup(
        ExponentialDecay.from_endpoints(peak, 0.01 * peak, length), warmup
    ),
    "step": lambda peak, warmup, length: Warmup(StepDecay(peak, max(length // 3, 1), 0.1), warmup),
    "inverse_square_root": lambda peak, warmup, length: InverseSquareRootDecay(peak, max(warmup, 1)),
    "one_cycle": lambda peak, warmup, length: OneCycle(peak, warmup + length),
    "warmup_stable_decay": _stable,
}
"""Functions by name, which return a schedule from the peak rate, the steps of warmup, and the steps after it."""


def schedule(
    tuner: Any,
    *,
    total_steps: SupportsFloat,
    families: tuple[str, ...] | list[str] = ("constant", "cosine", "linear", "one_cycle", "warmup_stable_decay"),
    peak: tuple[float, float] = (1e-4, 1e-1),
    warmup: tuple[float, float] = (0.0, 0.2),
    length: tuple[float, float] = (1.0, 1.0),
    prefix: str = "schedule",
) -> Schedule:
    """A schedule chosen by a tuner: its family, peak rate, warmup and length.

    The choices have the names ``schedule_family``, ``schedule_peak`` (on a log scale), ``schedule_warmup``
    and ``schedule_length`` (fractions of `total_steps`). A range whose two ends are equal is not searched.

    Args:
        tuner: KerasTuner's `hp` or Optuna's `trial`.
        total_steps: steps of the training, >= 10.
        families: the schedules to choose from: names in `FAMILIES`. "one_cycle" has its own rise, in 30 % of its
            steps, and ignores `warmup`.
        peak: lowest and highest peak rate, > 0.
        warmup: shortest and longest warmup, as a fraction of `total_steps`, within [0, 0.9].
        length: shortest and longest length of the whole schedule, as a fraction of `total_steps`, > 0. Below 1,
            the schedule ends before the training; above 1, it is cut off.
        prefix: prefix of the names of the choices.

    Returns:
        A `Schedule`.

    Raises:
        TypeError, ValueError: an argument is not allowed.
    """
    owner = "tuning.schedule"
    total = check(STEPS, owner, "total_steps", total_steps)
    allowed = "a non-empty sequence of some of " + ", ".join(map(repr, FAMILIES))
    families = check(Several(allowed, OneOf(tuple(FAMILIES))), owner, "families", families)
    prefix = check(STRING, owner, "prefix", prefix)
    low, high = _range(owner, "peak", peak, POSITIVE)
    warm = _range(owner, "warmup", warmup, NON_NEGATIVE)
    if warm[1] > 0.9:
        refuse(owner, "warmup", "a range within [0, 0.9]", warmup)
    long = _range(owner, "length", length, POSITIVE)
    choose = _Chooser(tuner)
    family = choose.one_of(f"{prefix}_family", list(families))
    rate = choose.real(f"{prefix}_peak", low, high, log=True)
    share = choose.real(f"{prefix}_warmup", *warm)
    steps = max(round(total * choose.real(f"{prefix}_length", *long)), 2)
    before = min(round(share * total), steps - 1)
    return FAMILIES[family](rate, before, steps - before)


def _range(owner: str, name: str, value: Any, kind: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        refuse(owner, name, "two numbers, the smallest and the largest", value, TypeError)
    low, high = (float(check(kind, owner, name, end)) for end in value)
    if low > high:
        refuse(owner, name, "two numbers, the smallest and the largest", value)
    return low, high


class _Chooser:
    """The choices of a tuner. A choice with one possible value is not made, so the tuner does not search it."""

    def __init__(self, tuner: Any) -> None:
        self._tuner = tuner
        self._is_optuna = hasattr(tuner, "suggest_categorical")
        if not self._is_optuna and not (hasattr(tuner, "Choice") and hasattr(tuner, "Float")):
            refuse("tuning.schedule", "tuner", "KerasTuner's `hp` or Optuna's `trial`", tuner, TypeError)

    def one_of(self, name: str, choices: list[str]) -> str:
        if len(choices) == 1:
            return choices[0]
        choose = self._tuner.suggest_categorical if self._is_optuna else self._tuner.Choice
        return str(choose(name, choices))

    def real(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        if low == high:
            return low
        if self._is_optuna:
            return float(self._tuner.suggest_float(name, low, high, log=log))
        return float(self._tuner.Float(name, low, high, sampling="log" if log else "linear"))
