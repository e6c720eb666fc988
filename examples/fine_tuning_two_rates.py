"""Fine-tuning with one schedule: the new head uses the full rate, and the trained base a tenth of it."""

import keras
from sklearn.datasets import load_digits

from keras_lr import BindSchedule, CosineDecay, LearningRateLogger, Warmup, epochs

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x, small = x.astype("float32") / 16, y < 5

# A base that was trained on the digits 0 to 4.
body = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu")], name="body")
before = keras.Sequential([body, keras.layers.Dense(5, "softmax")])
before.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
before.fit(x[small], y[small], epochs=5, verbose=0)

# A new head for the digits 5 to 9.
model = keras.Sequential([body, keras.layers.Dense(5, "softmax", name="head")])
schedule = Warmup(CosineDecay(0.02, epochs(3)), epochs(1))
optimizer = keras.optimizers.MultiOptimizer(
    keras.optimizers.OptimizerMap(
        default_optimizer=keras.optimizers.Adam(0.1 * schedule, name="body"),
        optimizer_map={".*head/.*": keras.optimizers.Adam(schedule, name="head")},
    )
)
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
log = LearningRateLogger()
history = model.fit(x[~small], y[~small] - 5, epochs=4, verbose=0, callbacks=[BindSchedule(), log]).history
print(log.to_frame().groupby("epoch")[["learning_rate_head", "learning_rate_body"]].max().to_string())
print("accuracy by epoch:", [round(value, 3) for value in history["accuracy"]])
