"""Gradual thawing, as in ULMFiT: first the head alone is trained, and one layer more from each epoch on."""

import keras
from sklearn.datasets import load_digits

from keras_lr import BindSchedule, LearningRateLogger, Scheduled, Sequential, epochs

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x, small = x.astype("float32") / 16, y < 5

# A body of two layers that was trained on the digits 0 to 4.
layers = [keras.layers.Dense(32, "relu", name=name) for name in ("low", "middle")]
body = keras.Sequential([keras.Input((64,)), *layers], name="body")
before = keras.Sequential([body, keras.layers.Dense(5, "softmax")])
before.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
before.fit(x[small], y[small], epochs=5, verbose=0)

model = keras.Sequential([body, keras.layers.Dense(5, "softmax", name="head")])


def thaw(at):
    """A factor that is 0 until an epoch, and then 1."""
    return Sequential([0.0, 1.0], [epochs(at)])


optimizer = Scheduled(keras.optimizers.Adam(0.005), multipliers={"low/": thaw(2), "middle/": thaw(1)})
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
log = LearningRateLogger(groups=True)
kernels = [layer.kernel.numpy() for layer in layers]


class Moved(keras.callbacks.Callback):
    """Prints which layers are no longer what they were."""

    def on_epoch_end(self, epoch, logs=None):
        moved = [bool((layer.kernel.numpy() != old).any()) for layer, old in zip(layers, kernels, strict=True)]
        print(f"after epoch {epoch}: low moved {moved[0]}, middle moved {moved[1]}")


callbacks = [BindSchedule(), log, Moved()]
history = model.fit(x[~small], y[~small] - 5, epochs=4, verbose=0, callbacks=callbacks).history
print(log.to_frame().groupby("epoch").last().filter(like="learning_rate").to_string())
print("accuracy by epoch:", [round(value, 3) for value in history["accuracy"]])
