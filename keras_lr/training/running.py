"""What Keras does not pass to callbacks: the list of callbacks of the running `fit`, and its data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from keras_lr.core.refusals import refuse


class FitData(NamedTuple):
    """The inputs of `fit`, without those that `validation_split` removed."""

    x: Any
    batch_size: int | None


def running_list() -> Any:
    """The `CallbackList` whose hook is running; None if another loop calls the hooks."""
    callers = (variables.get("self") for _, variables in _frames())
    return next((caller for caller in callers if isinstance(caller, keras.callbacks.CallbackList)), None)


def running_batch_size() -> int | None:
    """Samples in a batch of the `fit` whose hook is running; None if unknown.

    Keras tells callbacks the number of batches, but not their size. The data adapter of `fit` has the size for arrays,
    for a `DataLoader`, and for a `tf.data.Dataset` whose batches all have the same size.
    """
    fit = next(_fits(), {})
    adapter = getattr(fit.get("epoch_iterator"), "data_adapter", None)
    return None if adapter is None or _is_distributed(adapter) else _size(adapter)


def fit_data(owner: str, name: str, model: Any) -> FitData:
    """The training data, for a hook of a callback.

    Args:
        owner: the callback, for errors.
        name: the argument of the callback that needs the data.
        model: the model that is trained.

    Raises:
        ValueError: no `fit` is running, or its data can be read only once.
    """
    found = next((fit for fit in _fits() if fit.get("self") is model), None)
    if found is None:
        refuse(owner, name, "None in your own training loop, since there is no `fit` with data", model)
    if hasattr(found["x"], "__next__"):
        allowed = "None if `fit` has a generator, which can be read only once (`RefreshBatchNorm` accepts other data)"
        refuse(owner, name, allowed, found["x"])
    return FitData(found["x"], found["batch_size"])


def _fits() -> Iterator[dict[str, Any]]:
    """The local variables of each `fit` that is running, the innermost first."""
    return (variables for name, variables in _frames() if name == "fit" and "epoch_iterator" in variables)


def _frames() -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the local variables of each function that is running, the innermost first.

    Nothing else in this package looks at local variables of other functions. Keras leaves no other way. It gives a
    callback the model and `params`, and neither leads to the list of callbacks or to the data. The list is in the
    frame that called the hook, and the data is in the frame of `fit`.
    """
    frame: Any = sys._getframe(1)
    while frame is not None:
        yield frame.f_code.co_name, frame.f_locals
        frame = frame.f_back


def _is_distributed(adapter: Any) -> bool:
    """Whether the batches of a `tf.distribute.DistributedDataset` may be for only one of several devices."""
    return "Distributed" in type(getattr(adapter, "_dataset", None)).__name__


def _size(adapter: Any) -> int | None:
    try:
        return int(adapter.batch_size)
    except (TypeError, ValueError, IndexError, AttributeError):  # None, or a first element without dimensions
        return None
