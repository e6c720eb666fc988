"""LoRA with two rates, as in LoRA+ (Hayou et al. 2024, arXiv 2402.12354): B has 16 times the rate of A."""

import keras
from sklearn.datasets import load_digits

from keras_lr import CosineDecay, LearningRateLogger, Scheduled

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x, small = x.astype("float32") / 16, y < 5

# A body that was trained on the digits 0 to 4.
layers = [keras.layers.Dense(64, "relu", name=name) for name in ("low", "high")]
body = keras.Sequential([keras.Input((64,)), *layers], name="body")
before = keras.Sequential([body, keras.layers.Dense(5, "softmax")])
before.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
before.fit(x[small], y[small], epochs=5, verbose=0)

# Its kernels stay, and each gets a product of two thin matrices, A and B.
for layer in layers:
    layer.enable_lora(4)
model = keras.Sequential([body, keras.layers.Dense(5, "softmax", name="head")])
print("trained:", [f"{layer.name} {variable.name}" for layer in layers for variable in layer.trainable_variables])
optimizer = Scheduled(keras.optimizers.Adam(CosineDecay(0.001, 112)), multipliers={"lora_kernel_b": 16, "head/": 10})
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
log = LearningRateLogger(groups=True)
history = model.fit(x[~small], y[~small] - 5, epochs=4, verbose=0, callbacks=[log]).history
print(log.to_frame().groupby("epoch").first().filter(like="learning_rate").to_string())
print("accuracy by epoch:", [round(value, 3) for value in history["accuracy"]])
