"""One cycle of the rate, with the momentum in the opposite phase. Both are computed in the compiled step."""

import keras
from sklearn.datasets import load_digits

from keras_lr import BindSchedule, LearningRateLogger, OneCycle, Scheduled, fraction

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = x.astype("float32") / 16

cycle = OneCycle(0.2, fraction(1.0))
# Assigning to `optimizer.momentum` during training has no effect on TensorFlow and JAX. `Scheduled` works.
optimizer = Scheduled(keras.optimizers.SGD(cycle, nesterov=True), momentum=cycle.momentum(0.85, 0.95))
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")])
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])

log = LearningRateLogger()
held_out = x[1400:], y[1400:]
callbacks = [BindSchedule(), log]
history = model.fit(
    x[:1400], y[:1400], batch_size=28, epochs=6, validation_data=held_out, verbose=0, callbacks=callbacks
).history
frame = log.to_frame()
peak = frame.learning_rate.idxmax()
print(frame.loc[[0, peak // 2, peak, 2 * peak, len(frame) - 1], ["step", "learning_rate", "momentum"]].to_string())
print(f"held-out accuracy {history['val_accuracy'][-1]:.3f}")
