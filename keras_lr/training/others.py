"""The other callbacks of the same `fit`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras


def running_list() -> Any:
    """The `CallbackList` whose hook is running; None if another loop calls the hooks.

    Keras does not give callbacks access to their list, but the list is in the frame that called the hook.
    """
    frame: Any = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            return caller
        frame = frame.f_back
    return None


def running_batch_size() -> int | None:
    """Samples in a batch of the `fit` whose hook is running; None if unknown.

    Keras tells callbacks the number of batches, but not their size. The data adapter of `fit` has the size for arrays,
    for a `DataLoader`, and for a `tf.data.Dataset` whose batches all have the same size.
    """
    adapter = getattr((fit_locals() or {}).get("epoch_iterator"), "data_adapter", None)
    return None if adapter is None or _is_distributed(adapter) else _size(adapter)


def fit_locals(model: Any = None) -> dict[str, Any] | None:
    """The local variables of the `fit` whose hook is running, of `model` if given; None if none is running."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        found: dict[str, Any] = frame.f_locals
        is_fit = frame.f_code.co_name == "fit" and "epoch_iterator" in found
        if is_fit and (model is None or found.get("self") is model):
            return found
        frame = frame.f_back
    return None


def _is_distributed(adapter: Any) -> bool:
    """Whether the batches of a `tf.distribute.DistributedDataset` may be for only one of several devices."""
    return "Distributed" in type(getattr(adapter, "_dataset", None)).__name__


def _size(adapter: Any) -> int | None:
    try:
        return int(adapter.batch_size)
    except (TypeError, ValueError, IndexError, AttributeError):  # None, or a first element without dimensions
        return None


def others(callback: Any, including: bool = False) -> list[Any]:
    """The other callbacks of the same list, in its order. To be called in a hook of this callback.

    With `including`, this callback is included.
    """
    running = running_list()
    if running is None:
        return []
    return [other for other in running.callbacks if including or other is not callback]


def rearrange(change: Callable[[list[Any]], list[Any]]) -> Any:
    """Replace the callbacks of the running list, from within a hook. Returns the list, or None.

    Keras is in the middle of a loop over the callbacks, so the list gets a new sequence of callbacks.

    Args:
        change: gets the callbacks, and returns those to call from the next hook on.
    """
    running = running_list()
    if running is not None:
        running.callbacks = change(running.callbacks)
    return running
