"""The training data of the running `fit`, for callbacks. Keras does not pass it to them."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras_lr.core.refusals import refuse
from keras_lr.training.others import fit_locals


class FitData(NamedTuple):
    """The inputs of `fit`, without those that `validation_split` removed."""

    x: Any
    batch_size: int | None


def fit_data(owner: str, name: str, model: Any) -> FitData:
    """The training data, for a hook of a callback.

    Keras keeps it in the frame of `fit`, which called the hook.

    Args:
        owner: the callback, for errors.
        name: the argument of the callback that needs the data.
        model: the model that is trained.

    Raises:
        ValueError: no `fit` is running, or its data can be read only once.
    """
    found = fit_locals(model)
    if found is None:
        refuse(owner, name, "None in your own training loop, since there is no `fit` with data", model)
    if hasattr(found["x"], "__next__"):
        allowed = "None if `fit` has a generator, which can be read only once (`RefreshBatchNorm` accepts other data)"
        refuse(owner, name, allowed, found["x"])
    return FitData(found["x"], found["batch_size"])
