"""Schedules that rise again: triangular cycles, and (to come) restarts and one-cycle."""

from __future__ import annotations

from typing import Annotated

from keras_lr.curves import Step, Value, mix, power, real, where
from keras_lr.fields import Factor, OneOf, Rate, Steps, StepsOrNone
from keras_lr.schedule import Schedule

Mode = Annotated[str, OneOf(("triangular", "triangular2", "exp_range"))]


class CyclicalLearningRate(Schedule):
    """A zigzag between two rates, of constant, halving or shrinking height.

    f(t) = low + (high − low) · x · s, where x rises from 0 to 1 over `step_size` steps and
    falls back over `step_size_down`, and s is 1 ("triangular"), 2^−cycle with cycles
    counted from 0 ("triangular2"), or gamma^t ("exp_range").

    Smith 2015, arXiv 1506.01186, section 3, with `step_size` half a cycle as there. As
    torch's `CyclicLR`, value by value: gamma counts steps from the start of training, and
    only the height shrinks, not the lower rate.

    Args:
        initial_learning_rate: the lower rate, at step 0.
        maximal_learning_rate: the upper rate, at least the lower one.
        step_size: steps of the rise.
        step_size_down: steps of the fall; as the rise when None.
        mode: "triangular", "triangular2" or "exp_range".
        gamma: shrinking per step for "exp_range", in (0, 1].

    Raises:
        ValueError: also when the upper rate is below the lower, or `gamma` is given for
            another mode.

    Example:
        >>> CyclicalLearningRate(0.1, 1.0, 4).values([0, 2, 4, 8]).round(6).tolist()
        [0.1, 0.55, 1.0, 0.1]
    """

    words = "{mode} cycles between {initial_learning_rate} and {maximal_learning_rate}, {step_size} steps up"
    initial_learning_rate: Rate
    maximal_learning_rate: Rate
    step_size: Steps
    step_size_down: StepsOrNone = None
    mode: Mode = "triangular"
    gamma: Factor = 1.0

    def validate(self) -> None:
        if self.maximal_learning_rate < self.initial_learning_rate:
            self.refuse("maximal_learning_rate", f"at least `initial_learning_rate` ({self.initial_learning_rate!r})")
        if self.mode != "exp_range" and self.gamma != 1.0:
            self.refuse("gamma", f"1.0 unless `mode` is 'exp_range' (it is {self.mode!r})")
        if self.step_size + self._down >= 2**31:
            self.refuse("step_size_down", "so short that a cycle has less than 2**31 steps")

    @property
    def _down(self) -> int:
        return self.step_size if self.step_size_down is None else self.step_size_down

    def rate(self, step: Step) -> Value:
        up, down = self.step_size, self._down
        position = step % (up + down)
        height = where(position < up, real(position) / up, real(up + down - position) / down)
        if self.mode == "triangular2":
            height = height * power(0.5, step // (up + down))
        if self.mode == "exp_range":
            height = height * power(self.gamma, step)
        return mix(self.initial_learning_rate, self.maximal_learning_rate, height)


# Here: CosineDecayRestarts, OneCycle, sinusoidal and per-cycle-decayed cycles.
