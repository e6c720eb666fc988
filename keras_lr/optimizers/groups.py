"""The part of the training step that gives groups of variables their own rate and weight decay.

Keras passes the rate to `update_step` for each variable, so it is multiplied there, once for each group of variables
with the same factor. On torch most optimizers update all variables in one call. For SGD, Adam and AdamW that call takes
a rate for each group (`updates`). For the others it is made once for each group. The weight decay is applied by group
on every backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_not
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.algebra import Constant
from keras_lr.optimizers.multipliers import DECAY, RATE, Multipliers
from keras_lr.optimizers.updates import StepState, Stock


class Groups(Stock):
    """Factors of the rate and of the weight decay. Comes before `Step` in the bases of a scheduled optimizer."""

    _factors: dict[str, Multipliers]
    _state: StepState

    def build(self, variables: Any) -> None:
        if not self.built:
            self._state.splits = {}
            for multipliers in self._multipliers():
                multipliers.resolve(variables)
        super().build(variables)

    def _multipliers(self) -> tuple[Multipliers, Multipliers]:
        return self._factors[RATE], self._factors[DECAY]

    def assign_multiplier(self, name: str, pattern: str, factor: LearningRateSchedule) -> None:
        """Set the factor of a pattern. A step that is compiled already still uses the old one."""
        self._factors[name].factors[pattern] = factor
        self._state.splits = {}

    # Values in a step.

    def _values(self) -> dict[Any, Any]:
        """The scheduled hyperparameters by name, and the factors by argument and index of the pattern.

        The rates of groups are added in the step, by index of the pattern (`_once`).
        """
        values: dict[Any, Any] = super()._values()
        for multipliers in self._multipliers():
            for place, factor in enumerate(multipliers.factors.values()):
                key = multipliers.name, place
                values[key] = factor.learning_rate if isinstance(factor, Constant) else self._value(key, factor)
        return values

    def _factor(self, name: str, place: int) -> Any:
        """A factor in the current step: a number, or, if it follows a schedule, a tensor on TensorFlow and JAX."""
        return 1.0 if place < 0 else self._state.values[name, place]

    def _is_left_out(self, place: int) -> bool:
        """Whether the factor of the rate is the number 0. The update of such a variable is not computed."""
        if place < 0:
            return False
        factor = [*self._multipliers()[0].factors.values()][place]
        return isinstance(factor, Constant) and factor.learning_rate == 0.0

    def _once(self, rate: Any, place: int, factor: Any) -> Any:
        """The rate times the factor of a group: the same product for all variables of the group in this step."""
        if place < 0:
            return rate
        values = self._state.values
        known = values.get(place)
        if known is None or known[0] is not rate:
            values[place] = known = (rate, _times(rate, factor))
        return known[1]

    def _split(self, by: str, variables: Sequence[Any]) -> list[tuple[tuple[int, int], list[int]]]:
        """The groups of variables: the indices of both factors, and the positions of the variables of each group.

        With `by` "rate" the factor of the weight decay is ignored, and variables that the number 0 freezes are in no
        group. The variables are the same in each step.
        """
        splits = self._state.splits
        known = splits.get(by)
        if known is None or len(known[0]) != len(variables) or any(map(is_not, known[0], variables)):
            indices = [self._get_variable_index(variable) for variable in variables]
            count = len(self._trainable_variables)
            rates, decays = (multipliers.keys(count) for multipliers in self._multipliers())
            found: dict[tuple[int, int], list[int]] = {}
            for position, index in enumerate(indices):
                key = rates[index], decays[index] if by == "decay" else -1
                if by == "decay" or not self._is_left_out(key[0]):
                    found.setdefault(key, []).append(position)
            known = splits[by] = (list(variables), list(found.items()), indices)
        groups: list[tuple[tuple[int, int], list[int]]] = known[1]
        return groups

    # The update.

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        state = self._state
        rates = self._multipliers()[0]
        if not rates:
            super().update_step(gradient, variable, learning_rate)
            return
        if "keys" not in state.splits:
            state.splits["keys"] = rates.keys(len(self._trainable_variables))
        place = state.splits["keys"][self._get_variable_index(variable)]
        if self._is_left_out(place):
            return
        factor = self._factor(RATE, place)
        state.moving = None if isinstance(factor, float) else factor
        try:
            super().update_step(gradient, variable, self._once(learning_rate, place, factor))
        finally:
            state.moving = None

    def _parallel_update_step(self, grads: Any, variables: Any, learning_rate: Any) -> None:
        """The update of all variables in one call, on torch."""
        if not self._multipliers()[0]:
            super()._parallel_update_step(grads, variables, learning_rate)
            return
        groups = self._split("rate", variables)
        rate = self._rate_for_groups(learning_rate)
        if len(groups) > 1 and self._update_of_groups is not None:
            order, begin, parts = [], 0, []
            for (place, _), positions in groups:
                order += positions
                parts.append((slice(begin, begin := begin + len(positions)), self._factor(RATE, place)))
            indices = self._state.splits["rate"][2]
            self._update_of_groups(
                [grads[position] for position in order],
                [variables[position] for position in order],
                [indices[position] for position in order],
                rate,
                parts,
            )
            return
        # Nadam has a product that must be updated once per step, not once per group.
        product: Any = getattr(self, "_u_product", None)
        before = None if product is None else product.value.clone()
        for (place, _), positions in groups:
            if before is not None:
                product.assign(before)
            factor = self._factor(RATE, place)
            group = [variables[position] for position in positions]
            kept = [it.value.clone() for it in group] if factor == 0.0 and self._coasts() else []
            super()._parallel_update_step([grads[position] for position in positions], group, _times(rate, factor))
            for variable, value in zip(group, kept, strict=False):
                variable.value.copy_(value)

    # The weight decay.

    def _apply_weight_decay(self, variables: Any) -> None:
        if not any(self._multipliers()):
            super()._apply_weight_decay(variables)
            return
        state = self._state
        if all(getattr(self, name, None) is None for name in ("weight_decay", "adam_weight_decay")):
            return
        try:
            for (rate, decay), positions in self._split("decay", variables):
                factor = self._decay_factor(rate, decay)
                if isinstance(factor, float) and factor == 0.0:
                    continue
                state.decay_factor, state.decay_rate = factor, None
                super()._apply_weight_decay([variables[position] for position in positions])
        finally:
            state.decay_factor = state.decay_rate = state.decay_base = None

    def _decay_factor(self, rate: int, decay: int) -> Any:
        """The factor of `weight_decay`, besides the rate. Independent weight decay is 0 for a frozen variable."""
        of_rate, of_decay = self._factor(RATE, rate), self._factor(DECAY, decay)
        if self.independent_weight_decay:
            is_number = isinstance(of_rate, float)
            of_rate = float(of_rate > 0.0) if is_number else ops.cast(ops.greater(of_rate, 0), keras.config.floatx())
        return _times(of_decay, of_rate)

    def _get_current_learning_rate(self) -> Any:
        """Keras asks for each variable that decays; a schedule is computed once, and multiplied once for each group."""
        state = self._state
        factor = state.decay_factor
        if factor is None:
            return super()._get_current_learning_rate()
        if state.decay_rate is None:
            if state.decay_base is None:
                state.decay_base = super()._get_current_learning_rate()
            state.decay_rate = _times(state.decay_base, factor)
        return state.decay_rate


def _times(value: Any, factor: Any) -> Any:
    """The product. A factor of 1 returns the same object, so variables without a factor train exactly as before."""
    return value if isinstance(factor, float) and factor == 1.0 else value * factor
