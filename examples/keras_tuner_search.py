"""Let KerasTuner choose schedule, peak rate and warmup. Needs `pip install "keras-lr[tune]"`."""

import tempfile

import keras
import keras_tuner
from sklearn.datasets import load_digits

import keras_lr.tuning

EPOCHS, BATCH = 3, 32
x, y = load_digits(return_X_y=True)
x = x.astype("float32") / 16


def build(hp):
    schedule = keras_lr.tuning.schedule(hp, total_steps=EPOCHS * -(-1400 // BATCH), peak=(1e-3, 0.5))
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


with tempfile.TemporaryDirectory() as folder:
    tuner = keras_tuner.RandomSearch(
        build, "val_accuracy", max_trials=4, seed=0, directory=folder, project_name="search", overwrite=True
    )
    held_out = x[1400:], y[1400:]
    tuner.search(x[:1400], y[:1400], batch_size=BATCH, epochs=EPOCHS, validation_data=held_out, verbose=0)
    best = tuner.oracle.get_best_trials(1)[0]
print(f"{best.score:.3f} with {best.hyperparameters.values}")
