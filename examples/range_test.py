"""Find a learning rate by a range test, then train with it."""

import keras
from sklearn.datasets import load_digits

import keras_lr as klr

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = x.astype("float32") / 16

model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(10, "softmax")])
model.compile(keras.optimizers.SGD(momentum=0.9), loss="sparse_categorical_crossentropy", metrics=["accuracy"])

# Afterwards the model is as it was: weights, optimizer, step counter, random states.
result = klr.find_learning_rate(model, x[:1400], y[:1400], batch_size=32, repeats=3)
print(result.suggestions().to_string())
result.plot().figure.savefig("range_test.png")

rate = result.suggestion("minimum")
klr.set_learning_rate(model, klr.OneCycle(rate, klr.fraction(1.0)))
history = model.fit(
    x[:1400],
    y[:1400],
    batch_size=32,
    epochs=8,
    validation_data=(x[1400:], y[1400:]),
    callbacks=[klr.BindSchedule()],
    verbose=0,
).history
print(f"one cycle up to {rate:.3g}: held-out accuracy {history['val_accuracy'][-1]:.3f}")
