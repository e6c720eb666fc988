"""A model whose weight moves by exactly minus the rate at each update: an oracle for the applied rates."""

import keras
import numpy as np

from keras_lr.optimizers import install, lookup, training_step


def model_with(rate, optimizer=None, units=1, **compile_args):
    """A linear model without bias on inputs of 1, whose loss is its prediction: the gradient is 1."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(units, use_bias=False, kernel_initializer="zeros", name="line")]
    )
    optimizer = keras.optimizers.SGD(rate) if optimizer is None else optimizer
    model.compile(optimizer=optimizer, loss=prediction_sum, **compile_args)
    return model


def two_optimizers(number, schedule, first="a"):
    """A model with a weight `a` on a number and `b` on a schedule; the optimizer of `first` comes first."""
    inputs = keras.Input((1,))
    parts = [keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, keras.layers.Concatenate()(parts))
    optimizers = {
        "a": keras.optimizers.SGD(number, name="number"),
        "b": keras.optimizers.SGD(schedule, name="schedule"),
    }
    (rest,) = set("ab") - {first}
    chosen = keras.optimizers.OptimizerMap(optimizers[first], {f"{rest}/.*": optimizers[rest]})
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss=prediction_sum)
    return model


@keras.saving.register_keras_serializable("tests")
def prediction_sum(y, prediction):
    return keras.ops.sum(prediction, axis=-1)


def data(batches=5, size=4, last=None):
    """Inputs of 1: `batches` batches of `size`, the last one shorter if `last` is given."""
    count = batches * size if last is None else (batches - 1) * size + last
    return np.ones((count, 1), "float32"), np.zeros((count, 1), "float32")


def fit(model, *callbacks, epochs=3, batches=5, size=4, last=None, **args):
    x, y = data(batches, size, last)
    return model.fit(x, y, batch_size=size, epochs=epochs, verbose=0, shuffle=False, callbacks=list(callbacks), **args)


def drive(model, *callbacks, epochs=3, batches=5):
    """Call the hooks as `fit` does, with a step that only counts.

    It is for results that depend on the clock and the counter alone, and need no compiled step.
    """
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    model.make_train_function()  # it is never called, and so never compiled
    model.stop_training = False
    running = keras.callbacks.CallbackList(
        list(callbacks), add_history=False, model=model, epochs=epochs, steps=batches, verbose=0
    )
    running.on_train_begin()
    for epoch in range(epochs):
        running.on_epoch_begin(epoch)
        for batch in range(batches):
            running.on_train_batch_begin(batch)
            optimizer._iterations.assign_add(1)
            running.on_train_batch_end(batch, {"loss": 0.0})
            if model.stop_training:
                break
        running.on_epoch_end(epoch, {"loss": 0.0})
        if model.stop_training:
            break
    running.on_train_end()


def with_weights(model, path):
    """A new model after it has loaded weights and state from a file. Its optimizer must be built for that."""
    model.optimizer.build(model.trainable_variables)
    model.load_weights(path)
    return model


def saved_and_loaded(model, path, fresh):
    """The model from a `.keras` file. From a file of weights, a model made by `fresh` that has loaded them."""
    if path.suffix == ".keras":
        model.save(path)
        return keras.models.load_model(path)
    model.save_weights(path)
    return with_weights(fresh(), path)


class Weight(keras.callbacks.Callback):
    """The weight after each execution of the training step. `applied` is how much it fell."""

    def __init__(self):
        super().__init__()
        self.seen = [0.0]

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(float(self.model.get_weights()[0].ravel()[0]))

    @property
    def applied(self):
        return -np.diff(self.seen)


class Metric(keras.callbacks.Callback):
    """Adds a given sequence of values to the epochs' logs with the name `metric`."""

    def __init__(self, values):
        super().__init__()
        self.values = dict(enumerate(values)) if not isinstance(values, dict) else values

    def on_epoch_end(self, epoch, logs=None):
        if epoch in self.values:
            logs["metric"] = self.values[epoch]


class Batches(keras.callbacks.Callback):
    """The epoch and the number of each batch, when it begins and when it ends."""

    def __init__(self):
        super().__init__()
        self.begun, self.ended = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append((self.epoch, batch))

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append((self.epoch, batch))


class Fail(keras.callbacks.Callback):
    """Raises after the fourth batch."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            raise RuntimeError("out of power")


def calls(monkeypatch, *names):
    """Records calls of functions in `keras_lr.optimizers`, each with its name and model.

    Most of these functions do nothing on torch, so only the record shows a wrong model there.
    """
    made = []

    def spied(name, function):
        def spy(model, *args):
            made.append((name, model))
            return function(model, *args)

        return spy

    for name in names:
        module = next(module for module in (lookup, training_step, install) if hasattr(module, name))
        monkeypatch.setattr(module, name, spied(name, getattr(module, name)))
    return made


def assert_applied(weight, rates):
    """Compare with the rates that should have been applied, to float32 accuracy of the weight."""
    np.testing.assert_allclose(weight.applied, rates, rtol=2e-6, atol=3e-7 * max(1.0, np.abs(weight.seen).max()))
