"""Durations in epochs and in fractions of the training: one schedule that is correct for every batch size."""

import keras
from sklearn.datasets import load_digits

from keras_lr import BindSchedule, CosineDecay, LearningRateLogger, Warmup, epochs, fraction

x, y = load_digits(return_X_y=True)
x = x.astype("float32") / 16
schedule = Warmup(CosineDecay(0.1, epochs(4)), fraction(0.2))  # a fifth of the five epochs, then the remaining four

for batch_size in (32, 128):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    log = LearningRateLogger()
    # BindSchedule converts epochs and fractions to steps when `fit` has counted the batches.
    history = model.fit(x, y, batch_size, epochs=5, verbose=0, callbacks=[BindSchedule(), log]).history
    print(f"batches of {batch_size}: {model.optimizer._learning_rate.describe()}")
    print(log.to_frame().groupby("epoch").learning_rate.agg(["first", "last", "size"]).to_string())
    print(f"accuracy {history['accuracy'][-1]:.3f}\n")
