"""Statements of the README about Keras that depend on the backend."""

import keras
import numpy as np


class SetMomentum(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 1:
            self.model.optimizer.momentum = 0.5


def test_assigning_the_momentum_changes_nothing_where_a_step_is_compiled():
    def weights(*callbacks):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), "mse")
        x, y = np.ones((64, 2), "float32"), np.full((64, 1), 3.0, "float32")
        model.fit(x, y, batch_size=8, verbose=0, callbacks=list(callbacks))
        return keras.ops.convert_to_numpy(model.weights[0])

    is_same = np.array_equal(weights(), weights(SetMomentum()))
    assert is_same == (keras.backend.backend() in ("tensorflow", "jax"))
