"""The other callbacks of the same `fit`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras


def running_list() -> Any:
    """The `CallbackList` whose hook is running, from within it; None where another loop calls the hooks.

    Keras gives a callback no way to its list, but the list is what called the hook.
    """
    frame: Any = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            return caller
        frame = frame.f_back
    return None


def running_batch_size() -> int | None:
    """Samples in a batch of the `fit` whose hook is running, from within it; None where its data do not tell it.

    Keras gives callbacks the number of batches, but not their size. It is in the data adapter that `fit` has made, if
    the data tell it: arrays do, a `DataLoader`, and a `tf.data.Dataset` whose batches all have one size.
    """
    adapter = getattr((fit_locals() or {}).get("epoch_iterator"), "data_adapter", None)
    return None if adapter is None or _is_distributed(adapter) else _size(adapter)


def fit_locals(model: Any = None) -> dict[str, Any] | None:
    """The local variables of the `fit` whose hook is running, of `model` if it is given; None where none runs."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        found: dict[str, Any] = frame.f_locals
        is_fit = frame.f_code.co_name == "fit" and "epoch_iterator" in found
        if is_fit and (model is None or found.get("self") is model):
            return found
        frame = frame.f_back
    return None


def _is_distributed(adapter: Any) -> bool:
    """Whether the batches of a `tf.distribute.DistributedDataset` may be those of one device of several."""
    return "Distributed" in type(getattr(adapter, "_dataset", None)).__name__


def _size(adapter: Any) -> int | None:
    try:
        return int(adapter.batch_size)
    except (TypeError, ValueError, IndexError, AttributeError):  # None, and a first element without dimensions
        return None


def others(callback: Any, including: bool = False) -> list[Any]:
    """The callbacks beside this one, from within one of its hooks; in the order of the list.

    With `including`, this one is among them.
    """
    running = running_list()
    if running is None:
        return []
    return [other for other in running.callbacks if including or other is not callback]


def rearrange(change: Callable[[list[Any]], list[Any]]) -> Any:
    """Give the running list other callbacks, from within a hook; returns the list, or None.

    Keras is in the middle of a loop over its callbacks, so they are exchanged and not changed.

    Args:
        change: takes the callbacks, and returns those that are called from the next hook on.
    """
    running = running_list()
    if running is not None:
        running.callbacks = change(running.callbacks)
    return running
