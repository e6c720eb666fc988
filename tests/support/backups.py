"""Trainings of the test model that are killed, for the tests of backups."""

import keras
import pytest

from support.backend import BACKEND
from support.training import fit, model_with

no_executions = pytest.mark.skipif(BACKEND == "torch", reason="torch has no `steps_per_execution`")


class Kill(keras.callbacks.Callback):
    """Raises at one batch of one epoch."""

    def __init__(self, epoch, batch, error=RuntimeError):
        super().__init__()
        self.at, self.error = (epoch, batch), error

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise self.error("killed")


class Batches(keras.callbacks.Callback):
    """The epoch and the batch of every hook of a batch."""

    def __init__(self):
        super().__init__()
        self.begun, self.ended = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append((self.epoch, batch))

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append((self.epoch, batch))


def killed(*arguments, error=RuntimeError, **options):
    """A `fit` of the test model that is killed, with the place of the kill first."""
    place, *callbacks = arguments
    with pytest.raises(error, match="killed"):
        fit(model_with(0.1), *callbacks, Kill(*place, error), **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())
