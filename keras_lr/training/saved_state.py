"""What callbacks remember, saved and loaded with the model's weights.

Keras saves no callback state. It does save, into every `.keras` and `.weights.h5` file, what
each saveable attribute of a model puts into a store, and asks the same attribute to load it
again. So importing this package gives `keras.Model` one attribute more, which holds what our
callbacks remember as JSON. Models that use none of them write nothing, and a file with it
loads where the package is missing. It must be an attribute of the class: `load_model` makes
the model and loads its weights before any callback could attach something to it.

A checkpoint may be written at any moment, also by a callback that comes before ours in the list.
So a callback does not only leave its entry here, but also a hook that brings the entry up to
date when a file is about to be written.

All that is remembered belongs to the training that a call of `compile` began. The next call
of `compile` begins another training, and nothing of the one before is left: no best value, no
scale of a schedule, no best weights, no used time, no rates to compare with.
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

# Keras loads attributes in the order of their names, those with an underscore last; this one must come
# before `optimizer`, so that the rate the model was compiled with is seen before it is overwritten.
ATTRIBUTE = "keras_lr_state"
VERSION = 1
RATES = "rates"

# The class that Keras's saving code looks for; it has no public name.
_Saveable: Any = next(base for base in keras.Model.__mro__ if base.__name__ == "KerasSaveable")


class TrainingState(_Saveable):
    """The memory of a model's callbacks, for the training that the last `compile` began.

    Attributes:
        entries: a dict of JSON values by the callback's key.
        arrays: lists of arrays by the callback's key, for what is no JSON.
        hooks: called before a file is written.
        session: the `Session` of the `fit` that runs; None between.
        loads: how often it was loaded from a file since `compile`.
        mismatch: where the rates in the file loaded last and those of the model differ:
            column → (configuration in the file, configuration of the model).
        audited: the start of training, (step, first epoch, epochs), that the audit has looked at.
        has_warned_of_loop: whether the user was warned of several calls of `fit` that bind a schedule anew.
        training: an object of its own for each training.
    """

    def __init__(self, model: Any = None) -> None:
        self.hooks: dict[str, Callable[[], None]] = {}
        self.session: Any = None
        self._model = weakref.ref(model) if model is not None else lambda: None
        self._begin(None)

    def _begin(self, compilation: Any) -> None:
        """Remember nothing, since another training begins."""
        self.entries: dict[str, dict[str, Any]] = {}
        self.arrays: dict[str, list[NDArray[Any]]] = {}
        self.loads = 0
        self.mismatch: dict[str, tuple[Any, Any]] = {}
        self.audited: tuple[int, int, int] | None = None
        self.has_warned_of_loop = False
        self.training = object()
        self._compilation = weakref.ref(compilation) if compilation is not None else lambda: None

    def follow(self, model: Any) -> None:
        """Begin anew if the model was compiled since this was last looked at."""
        # Keras makes a new one in each `compile`, also with the same optimizer.
        compilation = getattr(model, "_compile_config", None)
        if compilation is not self._compilation():
            self._begin(compilation)

    def __deepcopy__(self, memo: dict[int, Any]) -> TrainingState:
        # A copy of a model is made through its saved form, which has the entries.
        return TrainingState()

    def _obj_type(self) -> str:
        # Keras leaves out of saving what every object of this type has; any type would do.
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
        """Take the memory from a file that has one; from another, keep what there is.

        Raises:
            ValueError: it is damaged, or was written by a later version of this package.
        """
        if "json" not in store.keys():  # noqa: SIM118 - Keras's stores are no mappings
            return
        try:
            saved = json.loads(np.asarray(store["json"]).astype(np.uint8).tobytes().decode())
            version, entries = saved["version"], saved["entries"]
            if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
                raise TypeError("its entries are not there")
            arrays = _arrays(store)
            _check_rates(entries.get(RATES, {}))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"the state of keras_lr's callbacks in this file is damaged: {error}") from error
        if version != VERSION:
            raise ValueError(
                f"the state of keras_lr's callbacks in this file has version {version}, and this keras_lr knows only "
                f"{VERSION}: install a newer one"
            )
        self.arrays = arrays
        # The optimizer has its own rate still, see ATTRIBUTE.
        asked = configuration.configuration(self._model())
        saved_rates = entries.get(RATES, {})
        self.mismatch = {
            column: (saved_rates[column], asked[column])
            for column in asked
            if column in saved_rates and not configuration.is_same_configuration(saved_rates[column], asked[column])
        }
        self.entries = entries
        self.loads += 1


def _check_rates(rates: dict[str, Any]) -> None:
    """Refuse what `note_rates` does not write."""
    for noted in rates.values():
        numbers = [noted[name] for name in ("rate", "now") if name in noted]
        if not all(isinstance(number, float | int) and math.isfinite(number) for number in numbers):
            raise ValueError("a rate is no number")
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
    """Makes a model's `TrainingState` at the first access."""

    def __get__(self, model: Any, owner: Any = None) -> Any:
        if model is None:
            return self
        # Straight into the instance: Keras's own attribute tracking is for layers and variables.
        attributes = vars(model)
        if ATTRIBUTE not in attributes:
            attributes[ATTRIBUTE] = TrainingState(model)
        state = attributes[ATTRIBUTE]
        state.follow(model)
        return state

    def __set__(self, model: Any, value: Any) -> None:
        # With this method Python asks `__get__` at every access, also once the instance has its own.
        raise AttributeError(f"`{ATTRIBUTE}` cannot be replaced")


setattr(keras.Model, ATTRIBUTE, _Slot())


def of(model: Any) -> TrainingState:
    """The memory of a model."""
    state: TrainingState = getattr(model, ATTRIBUTE)
    return state


class Follower:
    """Compares the training that a callback meets with the one that it was part of before."""

    SAME = "the training that the callback was part of before"
    LOADED = "a training whose state was loaded from a file since"
    NEW = "another training"

    def __init__(self) -> None:
        self._training: Any = None
        self._loads = 0

    def meet(self, model: Any) -> str:
        """Which of the three it is; the next call compares with this one."""
        state = of(model)
        is_same = self._training is state.training
        is_loaded = state.loads > (self._loads if is_same else 0)
        self._training, self._loads = state.training, state.loads
        return self.LOADED if is_loaded else self.SAME if is_same else self.NEW


def memory(model: Any) -> dict[str, dict[str, Any]]:
    """What the callbacks of `model` remember, by key."""
    return of(model).entries


def note_rates(model: Any) -> None:
    """Remember what rates were asked for, so that a resume with others is noticed.

    Of a number, what it was when a callback of ours first trained with this optimizer, and what it
    is now, since it may have been reduced, and a `.keras` file is compiled with the number of
    now. Of a schedule, the schedule without what callbacks put around it.
    """
    noted = memory(model).setdefault(RATES, {})
    for column, asked in configuration.configuration(model).items():
        if "rate" in asked:
            first = noted.get(column, {}).get("rate", asked["rate"])
            asked = {"rate": first, "now": asked["rate"]}
        noted[column] = asked
