"""Factors of the learning rate, or of the weight decay, for the variables whose paths match a pattern.

A pattern is a regular expression that is searched in `variable.path`. The first one that matches is used. The patterns
are matched with the paths once, when the optimizer is built. When Keras loads a model, the paths of variables change
(`model/dense/kernel` becomes `dense/kernel`). So a config contains the result of the matching too.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.core.algebra import Constant, Inner
from keras_lr.core.refusals import RefusedError, check, compiled, refuse
from keras_lr.core.serialization import from_serialized
from keras_lr.core.warning import warn_user

RATE, DECAY = "multipliers", "weight_decay_multipliers"


class Factor(Inner):
    """A factor: a schedule, or a number, which is a constant."""

    def coerce(self, value: Any) -> LearningRateSchedule:
        try:
            return super().coerce(value)
        except RefusedError as refused:
            raise RefusedError(refused.error, self.allowed, refused.hint) from None


FACTOR = Factor("a schedule or a finite number >= 0")

ALLOWED = "a mapping of regular expressions to factors, each a schedule or a number >= 0"

CONFIG = (
    "a dict of `factors` (pairs of a pattern and a factor), `variables` (a string or None) and `places` (whole numbers)"
)

NEAR = 5
"""How many paths an error lists."""


class Multipliers:
    """The factors of one argument of `Scheduled`, and the factor of each variable.

    Args:
        name: the argument, for errors: ``"multipliers"`` or ``"weight_decay_multipliers"``.
        given: factors by pattern, or None.

    Raises:
        TypeError: `given` is not a mapping, a pattern is not a string, or a factor is neither a number nor a schedule.
        ValueError: a pattern is not a valid regular expression, or a number is negative or not finite.
    """

    def __init__(self, name: str, given: Any) -> None:
        self.name = name
        if given is not None and not isinstance(given, Mapping):
            refuse("Scheduled", name, ALLOWED, given, TypeError)
        self.factors: dict[str, LearningRateSchedule] = {}
        self._patterns: list[re.Pattern[str]] = []
        for pattern, factor in (given or {}).items():
            self._patterns.append(_compiled(name, pattern))
            self.factors[pattern] = check(FACTOR, "Scheduled", f"{name}[{pattern!r}]", factor)
        self._found: tuple[str, list[int]] | None = None
        """The fingerprint of the variables, and of each the index of its pattern, or −1; None until known."""

    def __bool__(self) -> bool:
        return bool(self.factors)

    def shown(self) -> dict[str, Any]:
        """The factors by pattern, as the user gave them: a constant is a number."""
        return {pattern: number_or_schedule(factor) for pattern, factor in self.factors.items()}

    # The factor of each variable.

    def resolve(self, variables: Sequence[Any]) -> None:
        """Find the pattern of each variable.

        Raises:
            ValueError: a pattern matches no path.
        """
        if not self.factors:
            return
        fingerprint = _fingerprint(variables)
        if self._found is not None and self._found[0] == fingerprint:  # from a config
            return
        paths = [_path(variable) for variable in variables]
        found = [[place for place, it in enumerate(self._patterns) if it.search(path)] for path in paths]
        for place, pattern in enumerate(self.factors):
            if not any(place in matching for matching in found):
                raise ValueError(
                    f"Scheduled: `{self.name}` must be patterns of paths of trainable variables, got {pattern!r}, "
                    f"which matches none; similar paths: {', '.join(near(pattern, paths)) or 'no variable is trained'}"
                )
            if not any(matching[:1] == [place] for matching in found):
                warn_user(
                    f"Scheduled: {pattern!r} in `{self.name}` has no effect, since earlier patterns match all of its "
                    "variables: move it before them"
                )
        self._found = fingerprint, [matching[0] if matching else -1 for matching in found]

    def keys(self, count: int) -> list[int]:
        """The index of each variable's factor. Equal factors have the same index; −1 means 1.0."""
        if not self.factors:
            return [-1] * count
        assert self._found is not None
        firsts: dict[Any, int] = {1.0: -1}
        numbers = []
        for place, factor in enumerate(self.factors.values()):
            numbers.append(firsts.setdefault(number_or_schedule(factor), place))
        return [-1 if place < 0 else numbers[place] for place in self._found[1]]

    # The config.

    def get_config(self) -> dict[str, Any]:
        """The factors as Keras serializes them, in order, and, once known, the positions of their variables."""
        fingerprint, places = self._found or (None, [])
        factors = [
            [pattern, it if isinstance(it, float) else keras.saving.serialize_keras_object(it)]
            for pattern, it in self.shown().items()
        ]
        return {"factors": factors, "variables": fingerprint, "places": places}

    @classmethod
    def from_config(cls, name: str, config: Any) -> Multipliers:
        """The factors from a config that `get_config` returned.

        Raises:
            TypeError, ValueError: the config is not valid.
        """
        if not isinstance(config, dict) or set(config) != {"factors", "variables", "places"}:
            refuse("Scheduled", name, CONFIG, config, TypeError)
        pairs, fingerprint, places = config["factors"], config["variables"], config["places"]
        if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            refuse("Scheduled", name, CONFIG, config, TypeError)
        factors = {
            pattern: from_serialized(factor) if isinstance(factor, dict) else factor for pattern, factor in pairs
        }
        made = cls(name, factors)
        if not isinstance(places, list) or not all(type(place) is int and -1 <= place < len(pairs) for place in places):
            refuse("Scheduled", name, CONFIG, config)
        if isinstance(fingerprint, str):
            made._found = fingerprint, places
        return made


def check_multipliers(
    kind: str, optimizer: Any, rates: Multipliers, decays: Multipliers, scheduled: Collection[str]
) -> None:
    """Refuse factors that the optimizer does not support.

    Raises:
        ValueError: a factor is 0 for Ftrl, or there are factors of a weight decay but no weight decay.
    """
    if kind == "Ftrl":
        for pattern, factor in rates.shown().items():
            if not isinstance(factor, float) or factor == 0.0:
                # Ftrl computes the weights from sums that it divides by the rate.
                refuse("Scheduled", f"{RATE}[{pattern!r}]", "a number > 0 for Ftrl, which divides by the rate", factor)
    names = ("weight_decay", "adam_weight_decay")
    if decays and all(getattr(optimizer, name, None) is None and name not in scheduled for name in names):
        refuse("Scheduled", DECAY, "left out without a `weight_decay`", decays.shown())


def _compiled(name: str, pattern: Any) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        refuse("Scheduled", name, ALLOWED, pattern, TypeError)
    return compiled("Scheduled", name, "a mapping of regular expressions", pattern)


def number_or_schedule(factor: LearningRateSchedule) -> Any:
    """A factor as the user gave it: a constant is a number."""
    return float(factor.learning_rate) if isinstance(factor, Constant) else factor


def _path(variable: Any) -> str:
    """The path of a variable. A TensorFlow variable has only a name."""
    return str(getattr(variable, "path", None) or variable.name)


def _fingerprint(variables: Sequence[Any]) -> str:
    """The names and shapes of variables, in order. They are the same for a model and its copy."""
    text = ";".join(f"{variable.name.split('/')[-1]}{tuple(variable.shape)}" for variable in variables)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def near(pattern: str, paths: Sequence[str]) -> list[str]:
    """The reprs of the paths most similar to a pattern, as a whole or in a part."""
    plain = re.sub(r"[\\^$.*+?()\[\]{}|]", "", pattern).strip("/")

    def likeness(path: str) -> float:
        parts = [path, *path.split("/")]
        return max(difflib.SequenceMatcher(None, plain, part).ratio() for part in parts)

    return [repr(path) for path in sorted(dict.fromkeys(paths), key=likeness, reverse=True)[:NEAR]]
