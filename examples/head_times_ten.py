"""Fine-tuning with one optimizer: the new head has ten times the rate of the trained base, and biases do not decay."""

import keras
from sklearn.datasets import load_digits

from keras_lr import BindSchedule, CosineDecay, LearningRateLogger, Scheduled, Warmup, epochs

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x, small = x.astype("float32") / 16, y < 5

# A base that was trained on the digits 0 to 4.
body = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu")], name="body")
before = keras.Sequential([body, keras.layers.Dense(5, "softmax")])
before.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
before.fit(x[small], y[small], epochs=5, verbose=0)

# A new head for the digits 5 to 9. Patterns are searched in the paths of the variables.
model = keras.Sequential([body, keras.layers.Dense(5, "softmax", name="head")])
schedule = Warmup(CosineDecay(0.002, epochs(3)), epochs(1))
optimizer = Scheduled(
    keras.optimizers.AdamW(schedule, weight_decay=0.01),
    multipliers={"head/": 10},
    weight_decay_multipliers={"bias$": 0},
)
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
log = LearningRateLogger(groups=True)
history = model.fit(x[~small], y[~small] - 5, epochs=4, verbose=0, callbacks=[BindSchedule(), log]).history
print(log.to_frame().groupby("epoch")[["learning_rate", "learning_rate[head/]"]].max().to_string())
print("accuracy by epoch:", [round(value, 3) for value in history["accuracy"]])
