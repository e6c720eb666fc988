"""The variables that `exclude_from_weight_decay` excludes, in the config of an optimizer.

Keras stores a pattern and the ids of variables, and writes neither to a config. So a stock optimizer that is saved and
loaded, cloned or pickled decays all variables. Ids are meaningless in another process. Our config contains the
positions of the variables among those that the optimizer was built for. Keras restores the optimizer's own variables
by position too.
"""

from __future__ import annotations

import re
from typing import Any

from keras_lr.core.refusals import refuse
from keras_lr.optimizers.updates import Stock

KEY = "excluded_from_weight_decay"

ALLOWED = (
    "a dict of `pattern` (a regular expression or None), `variables` (positions in [0, `of`)) and `of` (a whole number)"
)


class Exclusions(Stock):
    """Exclusions from weight decay that a scheduled optimizer keeps in its config."""

    _saved_places: tuple[list[int], int] | None = None
    """Positions from a config and the number of variables; until the optimizer is built."""

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Exclude variables from weight decay, as in Keras. The call replaces earlier exclusions."""
        super().exclude_from_weight_decay(var_list=var_list, var_names=var_names)
        self.__dict__["_saved_places"] = None

    def build(self, variables: Any) -> None:
        if self.built:
            super().build(variables)
            return
        if self._saved_places is not None:
            places, count = self._saved_places
            if len(variables) != count:
                refuse(
                    "Scheduled", "variables", f"{count}, some of which are excluded from weight decay", len(variables)
                )
            self._exclude_from_weight_decay = {self._var_key(variables[place]) for place in places}
            self._exclude_from_weight_decay_cache: dict[Any, bool] = {}
            self.__dict__["_saved_places"] = None
        super().build(variables)


def exclusions(optimizer: Any) -> dict[str, Any]:
    """The exclusions of an optimizer as a part of its config; empty if it has none.

    Raises:
        ValueError: single variables are excluded, but the optimizer is not built, so their positions are unknown.
    """
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    keys = getattr(optimizer, "_exclude_from_weight_decay", None) or ()
    places, count = optimizer._saved_places or ([], 0)
    if keys and not optimizer.built:
        raise ValueError(
            f"Scheduled: `var_list` of `exclude_from_weight_decay` ({len(keys)} variables) cannot be saved or copied "
            "before the optimizer is built: call `optimizer.build(model.trainable_variables)` first, or use `var_names`"
        )
    if keys:
        trained = optimizer._trainable_variables
        places = [place for place, variable in enumerate(trained) if optimizer._var_key(variable) in keys]
        count = len(trained)
    if pattern is None and not places:
        return {}
    return {KEY: {"pattern": None if pattern is None else pattern.pattern, "variables": places, "of": count}}


def exclude(optimizer: Any, config: Any) -> None:
    """Exclude the variables in a config of `exclusions`.

    Raises:
        TypeError, ValueError: the config is not valid.
    """
    if not isinstance(config, dict) or set(config) != {"pattern", "variables", "of"}:
        refuse("Scheduled", KEY, ALLOWED, config, TypeError)
    pattern, places, count = config["pattern"], config["variables"], config["of"]
    if not isinstance(places, list) or not all(type(number) is int for number in [*places, count]):
        refuse("Scheduled", KEY, ALLOWED, config, TypeError)
    if not all(0 <= place < count for place in places):
        refuse("Scheduled", KEY, ALLOWED, config)
    if pattern is not None:
        if not isinstance(pattern, str):
            refuse("Scheduled", KEY, ALLOWED, config, TypeError)
        try:
            optimizer.exclude_from_weight_decay(var_names=[pattern])
        except (re.error, RecursionError, OverflowError):
            refuse("Scheduled", KEY, ALLOWED, config)
    if places:
        vars(optimizer)["_saved_places"] = (places, count)
