"""A hyperparameter with a schedule from `Scheduled`, for callbacks that scale it like a rate."""

from __future__ import annotations

from dataclasses import dataclass

from keras_lr.core.refusals import refuse
from keras_lr.optimizers.lookup import RatedOptimizer, Source
from keras_lr.optimizers.scheduled import schedules_of


@dataclass(frozen=True, eq=False)
class ScheduledHyperparameter(RatedOptimizer):
    """Another hyperparameter of an optimizer that `Scheduled` made, used in place of its rate.

    Attributes:
        name: the name of the hyperparameter.
    """

    name: str = ""

    @property
    def source(self) -> Source:
        return schedules_of(self.optimizer)[self.name]


def scheduled(owner: str, optimizers: list[RatedOptimizer], name: str) -> list[RatedOptimizer]:
    """A hyperparameter, for each optimizer that has a schedule for it; "learning_rate" is the rate.

    Raises:
        ValueError: no optimizer has a schedule for it.
    """
    if name == "learning_rate":
        return optimizers
    having = [rated for rated in optimizers if name in schedules_of(rated.optimizer)]
    if optimizers and not having:
        there = sorted({"learning_rate", *(name for rated in optimizers for name in schedules_of(rated.optimizer))})
        allowed = (
            f"one of {', '.join(map(repr, there))} (`Scheduled(optimizer, {name}=…)` with a number or schedule adds it)"
        )
        refuse(owner, "hyperparameter", allowed, name)
    return [
        ScheduledHyperparameter(name + rated.suffix, rated.optimizer, rated.multi, rated.attribute, name)
        for rated in having
    ]
