"""What Keras gives no callback of the `fit` that runs: the list of its callbacks, and its data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from keras_lr.core.refusals import refuse


class FitData(NamedTuple):
    """The inputs of `fit`, without those that `validation_split` has set aside."""

    x: Any
    batch_size: int | None


def running_list() -> Any:
    """The `CallbackList` whose hook is running, from within it; None where another loop calls the hooks."""
    callers = (variables.get("self") for _, variables in _frames())
    return next((caller for caller in callers if isinstance(caller, keras.callbacks.CallbackList)), None)


def running_batch_size() -> int | None:
    """Samples in a batch of the `fit` whose hook is running, from within it; None where its data do not tell it.

    Keras gives callbacks the number of batches, but not their size. It is in the data adapter that `fit` has made, if
    the data tell it: arrays do, a `DataLoader`, and a `tf.data.Dataset` whose batches all have one size.
    """
    fit = next(_fits(), {})
    adapter = getattr(fit.get("epoch_iterator"), "data_adapter", None)
    return None if adapter is None or _is_distributed(adapter) else _size(adapter)


def fit_data(owner: str, name: str, model: Any) -> FitData:
    """The training data, from within a hook of a callback.

    Args:
        owner: the callback, for errors.
        name: its argument for which the data are needed.
        model: the model that is trained.

    Raises:
        ValueError: no `fit` runs, or its data can be read only once.
    """
    found = next((fit for fit in _fits() if fit.get("self") is model), None)
    if found is None:
        refuse(owner, name, "None in a training loop of your own, in which no `fit` has the data", model)
    if hasattr(found["x"], "__next__"):
        allowed = "None where `fit` has a generator, which can be read only once (`RefreshBatchNorm` takes other data)"
        refuse(owner, name, allowed, found["x"])
    return FitData(found["x"], found["batch_size"])


def _fits() -> Iterator[dict[str, Any]]:
    """The local variables of each `fit` that is running, the innermost first."""
    return (variables for name, variables in _frames() if name == "fit" and "epoch_iterator" in variables)


def _frames() -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the local variables of each function that is running, the innermost first.

    Nothing else in this package looks at local variables of other functions. Keras leaves no other way: it gives a
    callback the model and `params`, which lead neither to the list of callbacks nor to the data. The list is what
    has called the hook, and the data are local variables of `fit`.
    """
    frame: Any = sys._getframe(1)
    while frame is not None:
        yield frame.f_code.co_name, frame.f_locals
        frame = frame.f_back


def _is_distributed(adapter: Any) -> bool:
    """Whether the batches of a `tf.distribute.DistributedDataset` may be those of one device of several."""
    return "Distributed" in type(getattr(adapter, "_dataset", None)).__name__


def _size(adapter: Any) -> int | None:
    try:
        return int(adapter.batch_size)
    except (TypeError, ValueError, IndexError, AttributeError):  # None, and a first element without dimensions
        return None
