"""The training step of an optimizer that `Scheduled` makes.

Each hyperparameter is a property. While `apply` runs, and only then, a scheduled one has the value of its
schedule at the optimizer's step counter. So Keras's own code computes with it. On TensorFlow and JAX the
value is a tensor in the traced step. On torch, which trains eagerly, it is a number: the counter is
followed on the host, and read again only after other code has written to it, so that nothing waits for
the device.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.algebra import Constant
from keras_lr.core.inner import values_of

Part = tuple[slice, float]
"""A group of variables in a list of all of them, and its factor."""

BLOCK = 256
"""Steps whose values are computed at once on torch."""


def hyperparameter(name: str) -> property:
    """A hyperparameter: its value in the current step, and otherwise the argument of the optimizer."""

    def read(self: Any) -> Any:
        own, now = self.__dict__, self._state.values
        if name in now:
            return now[name]
        if f"_made_with_{name}" not in own:  # TensorFlow reads it before the first assignment
            raise AttributeError(name)
        return own[f"_made_with_{name}"]

    def write(self: Any, value: Any) -> None:
        self.__dict__[f"_made_with_{name}"] = value

    return property(read, write)


Stock: Any = object
"""What follows in the bases of a scheduled optimizer, the stock class. Keras has no type information."""


@dataclass(eq=False)
class StepState:
    """What a scheduled optimizer knows about its steps. Keras would track the dicts if they were its own attributes.

    Attributes:
        values: the hyperparameters and factors of this step, while `apply` runs; empty at other times.
        depth: calls of `apply` that have not returned.
        moving: the factor of the variable that is updated now, if it follows a schedule.
        unit_rate: whether the rate counts as 1, for independent weight decay.
        decay_factor, decay_base, decay_rate: the factor of the group that decays now, the rate, and their product.
        mirror: on torch the step, the counter, and the version of the counter at that step.
        blocks: on torch values of many steps, with the schedule and the first step.
        splits: the groups of the variables, which are the same in each step.
    """

    values: dict[Any, Any] = field(default_factory=dict)
    depth: int = 0
    moving: Any = None
    unit_rate: bool = False
    decay_factor: Any = None
    decay_base: Any = None
    decay_rate: Any = None
    mirror: tuple[int, Any, int] | None = None
    blocks: dict[Any, tuple[LearningRateSchedule, int, list[float]]] = field(default_factory=dict)
    splits: dict[str, Any] = field(default_factory=dict)


class Step(Stock):
    """The additions of a scheduled optimizer to the stock training step."""

    hyperparameters: dict[str, LearningRateSchedule]
    _state: StepState

    def build(self, variables: Any) -> None:
        state = self._state
        # TensorFlow builds the optimizer in the first step. Which slots exist must not depend on its values.
        values, state.values = state.values, {}
        try:
            super().build(variables)
        finally:
            state.values = values

    # The step.

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        state = self._state
        # The replicas of MirroredStrategy enter in turns; the values of the first are used.
        if state.depth == 0:
            state.values = self._values()
        state.depth += 1
        try:
            super().apply(grads, trainable_variables)
        finally:
            state.depth -= 1
            if state.depth == 0:
                state.values = {}
        mirror = state.mirror
        # Without a gradient Keras makes no update, and the counter stays.
        if mirror is not None and mirror[1]._version != mirror[2]:
            state.mirror = (mirror[0] + 1, mirror[1], mirror[1]._version)

    def _values(self) -> dict[str, Any]:
        # Keras leaves out the slot if a momentum is 0. This number is 0 next to any float.
        return {name: self._value(name, schedule, least=1e-30) for name, schedule in self.hyperparameters.items()}

    def _value(self, key: Any, schedule: LearningRateSchedule, least: float = 0.0) -> Any:
        """The value of a schedule in this step: a tensor, on torch a number that is at least `least`.

        On torch the values of many steps are computed at once, which takes as long as computing one.
        """
        counter = self._iterations
        if keras.config.backend() != "torch":
            # A constant stays a number, so that the stock code computes exactly the same as without a schedule.
            return schedule.learning_rate if isinstance(schedule, Constant) else schedule(counter)
        step = self._host_step(counter.value)
        known = self._state.blocks.get(key)
        if known is None or known[0] is not schedule or not 0 <= step - known[1] < BLOCK:
            values = np.maximum(values_of(schedule, np.arange(step, step + BLOCK)), least)
            self._state.blocks[key] = known = (schedule, step, values.tolist())
        return known[2][step - known[1]]

    def _host_step(self, counter: Any) -> int:
        """Torch's counter without waiting for the device: it is counted on the host until other code writes to it."""
        mirror = self._state.mirror
        if mirror is None or mirror[1] is not counter or mirror[2] != counter._version:
            self._state.mirror = mirror = (int(counter), counter, counter._version)
        return mirror[0]

    # For groups of variables with their own factors (`groups`).

    def _coasts(self) -> bool:
        """Whether a variable still moves at a rate of 0, because its velocity contains earlier rates."""
        return False

    def _rate_for_groups(self, learning_rate: Any) -> Any:
        """The rate in the form in which it is multiplied for each group, on torch."""
        return learning_rate

    _update_of_groups: Any = None
    """On torch the update of all variables in one call, with a rate for each group; None where there is none.

    It takes gradients, variables and their indices, in the order of the groups, then the rate, and of each group the
    slice and the factor. It computes what Keras's fused update computes for a group by itself.
    """

    def _moved(self, amount: Any) -> Any:
        """The amount by which a variable moves. It is 0 while the schedule of its factor is 0."""
        factor = self._state.moving
        if factor is None:
            return amount
        amount = ops.convert_to_tensor(amount)
        return ops.where(ops.greater(factor, 0), amount, ops.zeros_like(amount))

    # Places where the stock code branches on a value, which is impossible in a traced step.

    def _clip_gradients(self, grads: Any) -> Any:
        if "clipnorm" in self.hyperparameters:
            clip = super()._clip_by_norm
            return [gradient if gradient is None else clip(gradient) for gradient in grads]
        if "global_clipnorm" in self.hyperparameters:
            limit = self.global_clipnorm
            known = [ops.cast(gradient, "float32") for gradient in grads if gradient is not None]
            norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in known))
            factor = limit / ops.maximum(norm, limit)
            return [
                gradient if gradient is None else ops.multiply(gradient, ops.cast(factor, gradient.dtype))
                for gradient in grads
            ]
        return super()._clip_gradients(grads)

    def _apply_weight_decay(self, variables: Any) -> None:
        # Keras calls torch's `_foreach_mul_`, which refuses an empty list.
        if keras.config.backend() == "torch" and not any(map(self._use_weight_decay, variables)):
            return
        self._state.unit_rate = self.independent_weight_decay
        try:
            super()._apply_weight_decay(variables)
        finally:
            self._state.unit_rate = False

    def _get_current_learning_rate(self) -> Any:
        return 1.0 if self._state.unit_rate else super()._get_current_learning_rate()


class SGDStep(Step):
    """SGD: the momentum may be 0 for a while, and the velocity may be without the rate."""

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        if keras.config.backend() == "torch" and self.momentum_correction:
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                self.update_step(gradient, variable, learning_rate)
        else:
            super()._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if not self.momentums:
            super().update_step(gradient, variable, learning_rate)
            return
        velocity = self.momentums[self._get_variable_index(variable)]
        rate = ops.cast(learning_rate, variable.dtype)
        momentum = ops.cast(self.momentum, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        if self.momentum_correction:
            self.assign(velocity, ops.add(ops.multiply(velocity, momentum), gradient))
            step = ops.add(ops.multiply(velocity, momentum), gradient) if self.nesterov else velocity
            self.assign_sub(variable, ops.multiply(step, rate))
            return
        scaled = ops.multiply(gradient, rate)
        self.assign(velocity, ops.subtract(ops.multiply(velocity, momentum), scaled))
        if self.nesterov:
            self.assign_add(variable, self._moved(ops.subtract(ops.multiply(velocity, momentum), scaled)))
        else:
            self.assign_add(variable, self._moved(velocity))

    def _coasts(self) -> bool:
        return bool(self.momentums) and not self.momentum_correction

    def _rate_for_groups(self, learning_rate: Any) -> Any:
        # Keras's fused update needs a number. It is fetched once, not for each group.
        return float(ops.convert_to_numpy(learning_rate))

    def _update_of_groups(
        self, gradients: list[Any], variables: list[Any], indices: list[int], rate: float, parts: list[Part]
    ) -> None:
        torch = sys.modules["torch"]

        values, moved = [variable.value for variable in variables], []
        if self.momentum != 0:
            moved = [self.momentums[index].value for index in indices]
            torch._foreach_mul_(moved, self.momentum)
        for part, factor in parts:
            if moved:
                torch._foreach_add_(moved[part], gradients[part], alpha=-(rate * factor))
            if not moved or (self.nesterov and factor != 0.0):
                torch._foreach_add_(values[part], gradients[part], alpha=-(rate * factor))
        # A frozen variable does not go with its velocity.
        moving = [part for part, factor in parts if factor != 0.0]
        for part in [slice(None)] if len(moving) == len(parts) else moving:
            if moved:
                torch._foreach_add_(values[part], moved[part], alpha=self.momentum if self.nesterov else 1)


class AdamStep(Step):
    """Adam and AdamW, with rates for groups in one update on torch."""

    def _update_of_groups(
        self, gradients: list[Any], variables: list[Any], indices: list[int], rate: Any, parts: list[Part]
    ) -> None:
        torch = sys.modules["torch"]

        values = [variable.value for variable in variables]
        means, squares = ([it[index].value for index in indices] for it in (self._momentums, self._velocities))
        dtype = variables[0].dtype
        step = ops.cast(self.iterations + 1, dtype)
        below = 1 - ops.power(ops.cast(self.beta_1, dtype), step)
        root = ops.sqrt(1 - ops.power(ops.cast(self.beta_2, dtype), step))
        rates = ops.cast(ops.convert_to_tensor(rate) * self._as_tensor([factor for _, factor in parts]), dtype)
        torch._foreach_mul_(means, self.beta_1)
        torch._foreach_add_(means, gradients, alpha=1 - self.beta_1)
        torch._foreach_mul_(squares, self.beta_2)
        torch._foreach_add_(squares, torch._foreach_mul(gradients, gradients), alpha=1 - self.beta_2)
        if self.amsgrad:
            highest = [self._velocity_hats[index].value for index in indices]
            torch._foreach_maximum_(highest, squares)
            squares = highest
        moves: list[Any] = []
        for (part, _), alpha in zip(parts, (rates * root / below).unbind(), strict=True):
            moves += torch._foreach_mul(means[part], alpha)
        divisors = torch._foreach_add(torch._foreach_sqrt(squares), self.epsilon)
        torch._foreach_add_(values, torch._foreach_div(moves, divisors), alpha=-1)

    def _as_tensor(self, factors: list[float]) -> Any:
        """Factors on the device, where they stay until one of them changes."""
        splits = self._state.splits
        known = splits.get("factors")
        if known is None or known[0] != factors:
            splits["factors"] = known = (factors, ops.convert_to_tensor(factors))
        return known[1]


class RMSpropStep(Step):
    """RMSprop: the momentum may be 0 for a while."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if "momentum" not in self.hyperparameters and (self._state.moving is None or not self._coasts()):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        square, momentum = self._velocities[index], self._momentums[index]
        gradient = ops.cast(gradient, variable.dtype)
        rho = self.rho  # a constant is still a number, and then 1 − rho is exact
        self.assign(square, ops.add(ops.multiply(rho, square), ops.multiply(1 - rho, ops.square(gradient))))
        spread = square
        if self.centered:
            mean = self._average_gradients[index]
            self.assign(mean, ops.add(ops.multiply(rho, mean), ops.multiply(1 - rho, gradient)))
            spread = ops.subtract(square, ops.square(mean))
        rate = ops.cast(learning_rate, variable.dtype)
        step = ops.divide(ops.multiply(rate, gradient), ops.sqrt(ops.add(spread, self.epsilon)))
        self.assign(momentum, ops.add(ops.multiply(self.momentum, momentum), step))
        self.assign_sub(variable, self._moved(momentum))

    def _coasts(self) -> bool:
        return bool(getattr(self, "_momentums", None))
