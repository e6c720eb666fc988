"""TensorFlow's MirroredStrategy, here with two virtual CPU devices: the rates are the same as on one device.

Only TensorFlow has this strategy. For JAX and torch see `distributed_jax.py` and `distributed_torch.py`.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from sklearn.datasets import load_digits

from keras_lr import BindSchedule, CosineDecay, LearningRateLogger, epochs

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])  # without a list it uses all GPUs

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
with strategy.scope():
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.SGD(CosineDecay(0.5, epochs(3))), "sparse_categorical_crossentropy")
log = LearningRateLogger()
# A step is a batch of 64, of which each device gets half.
history = model.fit(x.astype("float32") / 16, y, 64, epochs=3, verbose=0, callbacks=[BindSchedule(), log]).history
print(f"{strategy.num_replicas_in_sync} devices, {len(log.to_frame())} steps")
print(log.to_frame().groupby("epoch").learning_rate.agg(["first", "last"]).to_string())
print("loss by epoch:", [round(value, 3) for value in history["loss"]])
