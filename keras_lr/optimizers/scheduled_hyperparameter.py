"""A hyperparameter that `Scheduled` has put on a schedule, for callbacks that scale it as they scale a rate."""

from __future__ import annotations

from dataclasses import dataclass

from keras_lr.core.refusals import refuse
from keras_lr.optimizers.lookup import RatedOptimizer, Source
from keras_lr.optimizers.scheduled import schedules_of


@dataclass(frozen=True, eq=False)
class ScheduledHyperparameter(RatedOptimizer):
    """Another hyperparameter of an optimizer that `Scheduled` made, in the place of its rate.

    Attributes:
        name: that of the hyperparameter.
    """

    name: str = ""

    @property
    def source(self) -> Source:
        return schedules_of(self.optimizer)[self.name]


def scheduled(owner: str, optimizers: list[RatedOptimizer], name: str) -> list[RatedOptimizer]:
    """A hyperparameter of those optimizers that have it on a schedule; "learning_rate" is the rate.

    Raises:
        ValueError: none of them has.
    """
    if name == "learning_rate":
        return optimizers
    having = [rated for rated in optimizers if name in schedules_of(rated.optimizer)]
    if optimizers and not having:
        there = sorted({"learning_rate", *(name for rated in optimizers for name in schedules_of(rated.optimizer))})
        allowed = f"among {', '.join(map(repr, there))}; others with `Scheduled(optimizer, {name}=…)`, also of a number"
        refuse(owner, "hyperparameter", allowed, name)
    return [
        ScheduledHyperparameter(name + rated.suffix, rated.optimizer, rated.multi, rated.attribute, name)
        for rated in having
    ]
