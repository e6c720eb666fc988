"""The state of callbacks, saved and loaded with the model's weights.

Keras does not save the state of callbacks. But every `.keras` and `.weights.h5` file contains
what the saveable attributes of a model write to a store, and Keras lets the same attributes load
it. So importing this package adds an attribute to `keras.Model`, which holds the state of our
callbacks as JSON. Models without such a callback write nothing, and a file with state can be
loaded without the package. It must be an attribute of the class, because `load_model` creates the
model and loads its weights before any callback could add an attribute.

A checkpoint may be written at any time, even by a callback that comes before ours in the list.
So a callback stores its entry here, and also a hook that updates the entry before a file is
written.

All state belongs to the training that a call of `compile` began. The next call of `compile`
begins another training and drops all of it: best values, scales of schedules, best weights, used
time, and rates to compare with.
"""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr.optimizers import configuration, install

# Keras loads attributes in the order of their names, those with an underscore last. This one must come
# before `optimizer`, so that the rate of `compile` can be read before it is overwritten.
ATTRIBUTE = "keras_lr_state"
VERSION = 1
RATES = "rates"

# Keras's saving code looks for this class, which has no public name.
_Saveable: Any = next(base for base in keras.Model.__mro__ if base.__name__ == "KerasSaveable")


class TrainingState(_Saveable):
    """The state of a model's callbacks, for the training that the last `compile` began.

    Attributes:
        entries: a dict of JSON values for each callback, by its key.
        arrays: a list of arrays for each callback that has some, by its key.
        hooks: functions that are called before a file is written, by the callback's key.
        session: the `Session` of the running `fit`; None between two calls.
        loads: how often the state was loaded from a file since `compile`.
        mismatch: rates that differ between the last loaded file and the model:
            column → (configuration in the file, configuration of the model).
        audited: the last start of a training that the audit checked: (step, first epoch, epochs).
        has_warned_of_loop: whether the user was warned that each of several `fit` calls binds the schedule again.
        training: a different object for each training.
    """

    def __init__(self, model: Any = None) -> None:
        self.hooks: dict[str, Callable[[], None]] = {}
        self.session: Any = None
        self._model = reference(model)
        self._begin(None)

    def _begin(self, compilation: Any) -> None:
        """Drop all state, because another training begins."""
        self.entries: dict[str, dict[str, Any]] = {}
        self.arrays: dict[str, list[NDArray[Any]]] = {}
        self.loads = 0
        self.mismatch: dict[str, tuple[Any, Any]] = {}
        self.audited: tuple[int, int, int] | None = None
        self.has_warned_of_loop = False
        self.training = object()
        self._compilation = reference(compilation)

    def follow(self, model: Any) -> None:
        """Drop all state if the model was compiled since the last call."""
        # Keras creates a new one in each `compile`, even with the same optimizer.
        compilation = getattr(model, "_compile_config", None)
        if compilation is not self._compilation():
            self._begin(compilation)

    def __deepcopy__(self, memo: dict[int, Any]) -> TrainingState:
        # A model is copied through its saved form, which contains the entries.
        return TrainingState()

    def _obj_type(self) -> str:
        # Keras does not save what every object of this type has. Any type would do.
        return "Loss"

    def save_own_variables(self, store: Any) -> None:
        for hook in list(self.hooks.values()):
            hook()
        if not self.entries:
            return
        model = self._model()
        if model is not None:
            note_rates(model)
            for key, entry in self.entries.items():
                if entry.get("scales"):  # another schedule may have been set since
                    entry["scales"] = install.scales(model, key)
        text = json.dumps({"version": VERSION, "entries": self.entries})
        store["json"] = np.frombuffer(text.encode(), np.uint8).copy()
        for key, arrays in self.arrays.items():
            for number, array in enumerate(arrays):
                store[f"{key}:{number}".replace("/", "|")] = array

    def load_own_variables(self, store: Any) -> None:
        """Load the state from a file. If the file has none, the current state is kept.

        Raises:
            ValueError: the state is damaged, or was written by a later version of this package.
        """
        if "json" not in store.keys():  # noqa: SIM118 - Keras's stores are no mappings
            return
        try:
            saved = json.loads(np.asarray(store["json"]).astype(np.uint8).tobytes().decode())
            version, entries = saved["version"], saved["entries"]
            if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
                raise TypeError("its entries are missing")
            arrays = _arrays(store)
            _check_rates(entries.get(RATES, {}))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"the state of keras_lr's callbacks in this file is damaged: {error}") from error
        if version != VERSION:
            raise ValueError(
                f"the state of keras_lr's callbacks in this file has version {version}, but this keras_lr supports "
                f"only {VERSION}: install a newer one"
            )
        self.arrays = arrays
        # The optimizer still has its own rate, see ATTRIBUTE.
        asked = configuration.configuration(self._model())
        saved_rates = entries.get(RATES, {})
        self.mismatch = {
            column: (saved_rates[column], asked[column])
            for column in asked
            if column in saved_rates and not configuration.is_same_configuration(saved_rates[column], asked[column])
        }
        self.entries = entries
        self.loads += 1


def reference(thing: Any) -> Callable[[], Any]:
    """A weak reference to an object, or one that always gives None."""
    return weakref.ref(thing) if thing is not None else lambda: None


def _check_rates(rates: dict[str, Any]) -> None:
    """Refuse anything that `note_rates` would not write."""
    for noted in rates.values():
        numbers = [noted[name] for name in ("rate", "now") if name in noted]
        if not all(isinstance(number, float | int) and math.isfinite(number) for number in numbers):
            raise ValueError("a rate is not a number")
        if not numbers and not isinstance(noted["schedule"]["config"], dict):
            raise ValueError("a schedule has no config")


def _arrays(store: Any) -> dict[str, list[NDArray[Any]]]:
    numbered: dict[str, dict[int, NDArray[Any]]] = {}
    for name in store.keys():  # noqa: SIM118
        if ":" in name:
            key, number = name.rsplit(":", 1)
            numbered.setdefault(key.replace("|", "/"), {})[int(number)] = np.array(store[name])
    return {key: [arrays[number] for number in sorted(arrays)] for key, arrays in numbered.items()}


class _Slot:
    """Creates a model's `TrainingState` at the first access."""

    def __get__(self, model: Any, owner: Any = None) -> Any:
        if model is None:
            return self
        # Directly into the instance: Keras's attribute tracking is for layers and variables.
        attributes = vars(model)
        if ATTRIBUTE not in attributes:
            attributes[ATTRIBUTE] = TrainingState(model)
        state = attributes[ATTRIBUTE]
        state.follow(model)
        return state

    def __set__(self, model: Any, value: Any) -> None:
        # Because of this method Python calls `__get__` at every access, even if the instance has its own value.
        raise AttributeError(f"`{ATTRIBUTE}` cannot be replaced")


setattr(keras.Model, ATTRIBUTE, _Slot())


def of(model: Any) -> TrainingState:
    """The saved state of a model's callbacks."""
    state: TrainingState = getattr(model, ATTRIBUTE)
    return state


class Follower:
    """Compares the training that a callback is in now with the last one that it was in."""

    SAME = "the same training as before"
    LOADED = "a training whose state was loaded from a file since"
    NEW = "another training"

    def __init__(self) -> None:
        self._training: Any = None
        self._loads = 0

    def meet(self, model: Any) -> str:
        """Which of the three it is. The next call compares with this training."""
        state = of(model)
        is_same = self._training is state.training
        is_loaded = state.loads > (self._loads if is_same else 0)
        self._training, self._loads = state.training, state.loads
        return self.LOADED if is_loaded else self.SAME if is_same else self.NEW


def memory(model: Any) -> dict[str, dict[str, Any]]:
    """The saved entries of the callbacks of `model`, by key."""
    return of(model).entries


def note_rates(model: Any) -> None:
    """Save the configured rates, so that a resume with other rates is detected.

    For a number, these are its first value, when one of our callbacks first trained with this
    optimizer, and its current value: it may have been reduced, and a `.keras` file is compiled with
    the current one. A schedule is saved without the layers that callbacks put around it.
    """
    noted = memory(model).setdefault(RATES, {})
    for column, asked in configuration.configuration(model).items():
        if "rate" in asked:
            first = noted.get(column, {}).get("rate", asked["rate"])
            asked = {"rate": first, "now": asked["rate"]}
        noted[column] = asked
