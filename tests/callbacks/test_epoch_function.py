"""`from_epoch_function` and `PerEpoch` give the same rates as callbacks that are called once per epoch."""

import keras
import numpy as np
import pytest

import keras_lr as klr
from keras_lr import epochs

STEPS = 5
X, Y = np.ones((2 * STEPS, 1), "float32"), np.ones((2 * STEPS, 1), "float32")


class Rates(keras.callbacks.Callback):
    """The rate of each batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(klr.get_learning_rate(self.model))


def rates(learning_rate, callbacks, count):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse", run_eagerly=True, jit_compile=False)
    seen = Rates()
    model.fit(X, Y, batch_size=2, epochs=count, verbose=0, shuffle=False, callbacks=[*callbacks, seen])
    return seen.seen


def by_epoch(epoch):
    return 0.1 / (1 + epoch)


def scheduler(epoch, lr):
    """The function from the docstring of Keras's callback."""
    return lr if epoch < 2 else lr * float(np.exp(-0.1))


@pytest.mark.parametrize(("function", "first"), [(by_epoch, None), (scheduler, 0.25)])
def test_the_rates_are_those_of_keras(function, first):
    theirs = rates(first or 0.7, [keras.callbacks.LearningRateScheduler(function)], 4)
    ours = rates(klr.from_epoch_function(function, epochs=4, learning_rate=first), [klr.BindSchedule()], 4)
    assert len(theirs) == 4 * STEPS
    assert len(set(theirs)) == (4 if first is None else 3)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.once
def test_per_epoch_equals_a_torch_scheduler_that_is_called_once_per_epoch():
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=9)
    ours = klr.PerEpoch(klr.CosineDecay(0.4, epochs(9))).bind(steps_per_epoch=7, epochs=9).values(range(63))
    for epoch in range(9):
        np.testing.assert_allclose(ours[7 * epoch : 7 * epoch + 7], optimizer.param_groups[0]["lr"], rtol=1e-12)
        optimizer.step()
        theirs.step()


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((3, 4), TypeError, "`function` must be a function of the epoch, or of the epoch and the rate, got 3"),
        ((by_epoch, 0), ValueError, "`epochs` must be a whole number of epochs in [1, 1000000], got 0"),
        ((by_epoch, epochs(3)), TypeError, "`epochs` must be a whole number of epochs in [1, 1000000], got epochs(3)"),
        ((scheduler, 4), ValueError, "`learning_rate` must be the rate before the first epoch, since `function` has"),
        ((by_epoch, 4, 0.1), ValueError, "`learning_rate` must be None, since `function` has one argument, got 0.1"),
        ((scheduler, 4, -1.0), ValueError, "`learning_rate` must be a finite learning rate >= 0, or None, got -1.0"),
        ((lambda epoch: 1.0 - epoch, 4), ValueError, "`function(2)` must be a finite learning rate >= 0, got -1.0"),
        ((lambda epoch: None, 4), TypeError, "`function(0)` must be a finite learning rate >= 0, got None"),
    ],
)
def test_other_arguments_are_refused(arguments, error, text):
    with pytest.raises(error) as caught:
        klr.from_epoch_function(*arguments)
    assert str(caught.value).startswith(f"from_epoch_function: {text}")
