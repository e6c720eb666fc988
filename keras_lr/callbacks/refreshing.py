"""`RefreshBatchNorm`: statistics of the model as it is, before each validation and at the end of training."""

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

    Validation is then that of the weights, and not of weights with the statistics of earlier ones. It goes after
    whatever else changes the weights at that moment: `SwapEMAWeights`, which puts averages into the model for the
    validation, and `EarlyStopping(restore_best_weights=True)`, wherever they stand in the list. Training itself uses
    the statistics of each batch, so it goes on as without this callback; the moving averages go on from the
    refreshed ones.

    `ReduceOnPlateau(refresh_batch_norm=32)` and `SaveAtCycleEnds(…, refresh_batch_norm=32)` need no such callback.

    Args:
        batches: batches of each refresh, always the same ones where they are drawn from arrays or a `PyDataset`.
        x: the data, as for `refresh_batch_norm`; those of `fit` when None. `fit` with a generator needs them.
        batch_size: of arrays; that of `fit` when None, or 32 with `x`.

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, if the model has no
            `BatchNormalization`, or `fit` has a generator and `x` is None.
    """

    def __init__(self, batches: SupportsFloat = 32, x: Any = None, *, batch_size: SupportsFloat | None = None) -> None:
        super().__init__()
        self.batches: int = check(COUNT, OWNER, "batches", batches)
        self.x = x
        self.batch_size: int | None = check(COUNT_OR_NONE, OWNER, "batch_size", batch_size)
        self._data: FitData | None = None
        self._is_for_validation = True
        # The callback and its argument that this one works for, if it is not in the user's list.
        self._by: Any = None
        self._owner, self._argument = OWNER, "x"

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self.model
        if model.built and not norms.batch_norms(model):
            refuse(self._owner, self._argument if self._by else "model", self._allowed(), self._given())
        data = fit_data(self._owner, self._argument, model) if self.x is None else FitData(self.x, None)
        self._data = FitData(data.x, self.batch_size or data.batch_size)
        # Last, so that whatever swaps or restores weights has done so.
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
        """Refresh now; nothing outside `fit`."""
        if self._data is not None:
            refresh_batch_norm(self.model, self._data.x, batch_size=self._data.batch_size, steps=self.batches)

    @classmethod
    def attach(cls, callback: Any, owner: str, batches: int, *, is_for_validation: bool = True) -> RefreshBatchNorm:
        """One that works for another callback, from its `on_train_begin`; gone at the end of training."""
        made = cls(batches)
        made._by, made._owner, made._argument = callback, owner, "refresh_batch_norm"
        made._is_for_validation = is_for_validation
        made.set_model(callback.model)
        made.set_params(callback.params)
        made.on_train_begin()
        return made

    def _without(self, callbacks: list[Any]) -> list[Any]:
        """A list without this one, and without what it has left in a training that failed."""
        return [it for it in callbacks if it is not self and not (self._by and getattr(it, "_by", None) is self._by)]

    def _is_last(self) -> bool:
        """Whether no other one comes after it, which would do the same again."""
        running = self._session.running
        alike = [it for it in getattr(running, "callbacks", ()) if isinstance(it, RefreshBatchNorm)]
        alike = [it for it in alike if it._is_for_validation or not self._is_for_validation]
        return not alike or alike[-1] is self

    def _allowed(self) -> str:
        needed = "a model with a BatchNormalization"
        return needed if self._by is None else f"None without {needed}"

    def _given(self) -> Any:
        return self.model if self._by is None else self.batches
