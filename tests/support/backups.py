"""Callbacks that end a training as a kill does, for the tests of backups."""

import keras
import pytest

from support.backend import BACKEND
from support.training import fit, model_with

no_executions = pytest.mark.skipif(BACKEND == "torch", reason="torch has no `steps_per_execution`")


class Kill(keras.callbacks.Callback):
    """Raises after one batch of one epoch."""

    def __init__(self, epoch, batch, error=RuntimeError):
        super().__init__()
        self.at, self.error = (epoch, batch), error

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise self.error("killed")


class KillAtEnd(keras.callbacks.Callback):
    """Raises at the end of one epoch, or of the training if `epoch` is None. Later callbacks are not called."""

    def __init__(self, epoch, error=RuntimeError):
        super().__init__()
        self.epoch, self.error = epoch, error

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise self.error("killed")

    def on_train_end(self, logs=None):
        if self.epoch is None:
            raise self.error("killed")


def killed(place, *callbacks, error=RuntimeError, **options):
    """Train the test model until it is killed at a place, an epoch and a batch."""
    with pytest.raises(error, match="killed"):
        fit(model_with(0.1), *callbacks, Kill(*place, error), **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())
