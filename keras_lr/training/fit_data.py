"""The training data of the `fit` that runs, for callbacks: Keras gives them none."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras_lr.core.refusals import refuse
from keras_lr.training.others import fit_locals


class FitData(NamedTuple):
    """The inputs of `fit`, without those that `validation_split` has set aside."""

    x: Any
    batch_size: int | None


def fit_data(owner: str, name: str, model: Any) -> FitData:
    """The training data, from within a hook of a callback.

    Keras keeps them in the frame of `fit`, which called the hook.

    Args:
        owner: the callback, for errors.
        name: its argument for which the data are needed.
        model: the model that is trained.

    Raises:
        ValueError: no `fit` runs, or its data can be read only once.
    """
    found = fit_locals(model)
    if found is None:
        refuse(owner, name, "None in a training loop of your own, in which no `fit` has the data", model)
    if hasattr(found["x"], "__next__"):
        allowed = "None where `fit` has a generator, which can be read only once (`RefreshBatchNorm` takes other data)"
        refuse(owner, name, allowed, found["x"])
    return FitData(found["x"], found["batch_size"])
