"""`RefreshBatchNorm`: statistics of the current model, before each validation and at the end of a training."""

from __future__ import annotations

from typing import Any, SupportsFloat

import keras

from keras_lr.core.fields import COUNT, COUNT_OR_NONE
from keras_lr.core.refusals import check, refuse
from keras_lr.optimizers import norms
from keras_lr.training.refresh import refresh_batch_norm
from keras_lr.training.running import FitData, fit_data
from keras_lr.training.session import Session

OWNER = "RefreshBatchNorm"


class RefreshBatchNorm(keras.callbacks.Callback):
    """Call `refresh_batch_norm` before each validation of `fit`, and at the end of training.

    The model is then validated with statistics of its current weights, not of earlier ones. The refresh comes after all
    other callbacks that change the weights at that moment, at any position in the list: `SwapEMAWeights`, which puts
    averages into the model for the validation, and `EarlyStopping(restore_best_weights=True)`. The training itself
    uses the statistics of each batch, so it is the same as without this callback. Only the moving averages continue
    from the refreshed ones.

    You do not need it with `ReduceOnPlateau(refresh_batch_norm=32)` or `SaveAtCycleEnds(…, refresh_batch_norm=32)`.

    Args:
        batches: number of batches in each refresh, >= 1. From arrays or a `PyDataset`, the same ones are drawn each
            time.
        x: the data, as for `refresh_batch_norm`; by default the data of `fit`. Required if `fit` has a generator.
        batch_size: samples in a batch of arrays; by default that of `fit`, or 32 with `x`.

    Raises:
        TypeError, ValueError: at construction, an argument is not allowed. At the start of `fit`, the model has no
            `BatchNormalization`, or `fit` has a generator and `x` is None.
    """

    def __init__(self, batches: SupportsFloat = 32, x: Any = None, *, batch_size: SupportsFloat | None = None) -> None:
        super().__init__()
        self.batches: int = check(COUNT, OWNER, "batches", batches)
        self.x = x
        self.batch_size: int | None = check(COUNT_OR_NONE, OWNER, "batch_size", batch_size)
        self._data: FitData | None = None
        self._is_for_validation = True
        # The callback (and its argument) for which this one works, if it is not in the user's list.
        self._by: Any = None
        self._owner, self._argument = OWNER, "x"

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self.model
        if model.built and not norms.batch_norms(model):
            needed = "a model with a BatchNormalization"
            if self._by is None:
                refuse(OWNER, "model", needed, model)
            refuse(self._owner, self._argument, f"None without {needed}", self.batches)
        data = fit_data(self._owner, self._argument, model) if self.x is None else FitData(self.x, None)
        self._data = FitData(data.x, self.batch_size or data.batch_size)
        # Last, so that all callbacks that swap or restore weights have done so.
        self._session = Session.join(self)
        self._session.rearrange(lambda callbacks: [*self._without(callbacks), self])

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._is_for_validation and self._is_last():
            self.refresh()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._is_last():
            self.refresh()
        self._data = None
        if self._by is not None:
            self._session.rearrange(self._without)
        self._session.leave(self)

    def refresh(self) -> None:
        """Refresh the statistics now. Outside of `fit`, this does nothing."""
        if self._data is not None:
            refresh_batch_norm(self.model, self._data.x, batch_size=self._data.batch_size, steps=self.batches)

    @classmethod
    def attach(cls, callback: Any, owner: str, batches: int, *, is_for_validation: bool = True) -> RefreshBatchNorm:
        """A `RefreshBatchNorm` that works for another callback until the end of the training.

        To be called in the other callback's `on_train_begin`.
        """
        made = cls(batches)
        made._by, made._owner, made._argument = callback, owner, "refresh_batch_norm"
        made._is_for_validation = is_for_validation
        made.set_model(callback.model)
        made.set_params(callback.params)
        made.on_train_begin()
        return made

    def _without(self, callbacks: list[Any]) -> list[Any]:
        """The list without this callback, and without what a failed training left of it."""
        return [it for it in callbacks if it is not self and not (self._by and getattr(it, "_by", None) is self._by)]

    def _is_last(self) -> bool:
        """Whether no other such callback comes after it, which would refresh again."""
        running = self._session.running
        alike = [it for it in getattr(running, "callbacks", ()) if isinstance(it, RefreshBatchNorm)]
        alike = [it for it in alike if it._is_for_validation or not self._is_for_validation]
        return not alike or alike[-1] is self
