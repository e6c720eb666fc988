"""Layer-wise decay: each layer has seven tenths of the rate of the layer above it, as in BEiT and ELECTRA."""

import keras
from sklearn.datasets import load_digits

from keras_lr import CosineDecay, Scheduled, layerwise_decay

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x, small = x.astype("float32") / 16, y < 5


def network(body):
    return keras.Sequential([body, keras.layers.Dense(5, "softmax", name="head")])


# A body of three layers that was trained on the digits 0 to 4.
body = keras.Sequential(
    [keras.Input((64,)), *[keras.layers.Dense(32, "relu", name=f"layer_{place}") for place in range(3)]], name="body"
)
before = network(body)
before.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
before.fit(x[small], y[small], epochs=5, verbose=0)
trained = [variable.numpy() for variable in body.variables[::2]]

# The mapping prints as a table, and is a dict: an entry can be replaced.
model = network(body)
multipliers = layerwise_decay(model, 0.7)
print(multipliers)
optimizer = Scheduled(keras.optimizers.Lion(CosineDecay(0.005, 113)), multipliers=multipliers)
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
# The first step of Lion moves each weight by the rate of its layer.
model.train_on_batch(x[~small][:32], y[~small][:32] - 5)
moves = [abs(now.numpy() - old).max() for now, old in zip(body.variables[::2], trained, strict=True)]
print("moved in the first step:", [round(float(move), 6) for move in moves])
history = model.fit(x[~small], y[~small] - 5, epochs=4, verbose=0).history
print("accuracy by epoch:", [round(value, 3) for value in history["accuracy"]])
