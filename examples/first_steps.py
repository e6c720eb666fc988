"""A schedule in `compile`, the logger in `fit`, and the rate of every batch."""

import keras
from sklearn.datasets import load_digits

from keras_lr import CosineDecay, LearningRateLogger, Warmup

keras.utils.set_random_seed(0)
pixels, labels = load_digits(return_X_y=True)
steps = -(-len(pixels) // 32) * 3
schedule = Warmup(CosineDecay(0.1, steps - 20), 20)
print(schedule.describe())

model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])
model.compile(keras.optimizers.SGD(schedule, momentum=0.9), loss="sparse_categorical_crossentropy")
log = LearningRateLogger(metrics=("loss",))
model.fit(pixels.astype("float32") / 16, labels, batch_size=32, epochs=3, verbose=0, callbacks=[log])
print(log.to_frame().iloc[[0, 20, 60, -1]])
