"""`FittedRun`: the data of a training that a forecast contains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras_lr.tools.forecast.laws import Law
from keras_lr.tools.forecast.runs import Run
from keras_lr.tools.forecast.sums import Floats

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class FittedRun:
    """A training to which a law was fitted: its length, its rates after the warmup, and its smoothed loss."""

    name: str
    steps: int
    warmup: int
    highest_rate: float
    lowest_rate: float
    first_area: float
    loss_steps: tuple[int, ...]
    losses: tuple[float, ...]
    fitted: tuple[float, ...]

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """The run with the fields from JSON."""
        whole: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**whole)


def fitted_run(run: Run, law: Law, parameters: Floats) -> FittedRun:
    """The data of a training that a forecast contains."""
    after = run.rates[run.warmup :]
    sums = run.sums
    return FittedRun(
        run.name,
        len(run.rates),
        run.warmup,
        float(after.max()),
        float(after.min()),
        float(sums.area[0]) if len(sums.area) else 0.0,
        tuple(map(int, run.steps)),
        tuple(map(float, run.losses)),
        tuple(map(float, law.loss(parameters, sums))),
    )
