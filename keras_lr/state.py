"""What callbacks remember, saved and loaded with the model's weights.

Keras saves no callback state. It does save, into every `.keras` and `.weights.h5` file, what
each saveable attribute of a model puts into a store, and asks the same attribute to load it
again. So importing this package gives `keras.Model` one attribute more, which holds what our
callbacks remember as JSON. Models that use none of them write nothing, and a file with it
loads where the package is missing. It must be an attribute of the class: `load_model` makes
the model and loads its weights before any callback could attach something to it.
"""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np

ATTRIBUTE = "_keras_lr_state"
VERSION = 1

# The class that Keras's saving code looks for; it has no public name.
_Saveable: Any = next(base for base in keras.Model.__mro__ if base.__name__ == "KerasSaveable")


class TrainingState(_Saveable):
    """The memory of a model's callbacks: a dict of JSON values by the callback's key."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.loads = 0

    def _obj_type(self) -> str:
        # Keras leaves out of saving what every object of this type has; any type would do.
        return "Loss"

    def save_own_variables(self, store: Any) -> None:
        if self.entries:
            text = json.dumps({"version": VERSION, "entries": self.entries})
            store["json"] = np.frombuffer(text.encode(), np.uint8).copy()

    def load_own_variables(self, store: Any) -> None:
        """Take the memory from a file that has one; from another, keep what there is.

        Raises:
            ValueError: it is damaged, or was written by a later version of this package.
        """
        if "json" not in store.keys():  # noqa: SIM118 - Keras's stores are no mappings
            return
        try:
            saved = json.loads(np.asarray(store["json"]).astype(np.uint8).tobytes().decode())
            version, entries = saved["version"], saved["entries"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"the state of keras_lr's callbacks in this file is damaged: {error}") from error
        if version != VERSION:
            raise ValueError(
                f"the state of keras_lr's callbacks in this file has version {version}, and this keras_lr knows only "
                f"{VERSION}: install a newer one"
            )
        self.entries = entries
        self.loads += 1


class _Slot:
    """Makes a model's `TrainingState` when somebody first looks for it."""

    def __get__(self, model: Any, owner: Any = None) -> Any:
        # Straight into the instance: Keras's own attribute tracking is for layers and variables.
        return self if model is None else vars(model).setdefault(ATTRIBUTE, TrainingState())


setattr(keras.Model, ATTRIBUTE, _Slot())


def loads(model: Any) -> int:
    """How often the memory of `model` was loaded from a file."""
    return int(getattr(model, ATTRIBUTE).loads)


def memory(model: Any) -> dict[str, dict[str, Any]]:
    """What the callbacks of `model` remember, by key."""
    entries: dict[str, dict[str, Any]] = getattr(model, ATTRIBUTE).entries
    return entries
