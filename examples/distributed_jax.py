"""`keras.distribution` on JAX, here with two virtual CPU devices: the rates are the same as on one device.

`keras.distribution` trains on JAX; for TensorFlow and torch see `distributed_tensorflow.py` and `distributed_torch.py`.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"  # not needed with real GPUs or TPUs

import keras
from sklearn.datasets import load_digits

from keras_lr import BindSchedule, CosineDecay, LearningRateLogger, epochs

devices = keras.distribution.list_devices()
keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x, y = x[:1792], y[:1792]  # batches of 64, of which each device gets half
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
model.compile(keras.optimizers.SGD(CosineDecay(0.5, epochs(3))), "sparse_categorical_crossentropy")
log = LearningRateLogger()
history = model.fit(x.astype("float32") / 16, y, 64, epochs=3, verbose=0, callbacks=[BindSchedule(), log]).history
print(f"{len(devices)} devices, {len(log.to_frame())} steps")
print(log.to_frame().groupby("epoch").learning_rate.agg(["first", "last"]).to_string())
print("loss by epoch:", [round(value, 3) for value in history["loss"]])
