"""Log the rate to TensorBoard: Keras's tag for each epoch, and ours for each step. TensorBoard needs `tensorflow`."""

import keras
import tensorflow as tf
from sklearn.datasets import load_digits

from keras_lr import LearningRateLogger, OneCycle

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
model.compile(keras.optimizers.SGD(OneCycle(0.5, 171), momentum=0.9), "sparse_categorical_crossentropy")
log = LearningRateLogger(metrics=("loss",))
board = keras.callbacks.TensorBoard("logs")
model.fit(x.astype("float32") / 16, y, batch_size=32, epochs=3, verbose=0, callbacks=[board, log])

# The logger has every step. A second run in the same folder shows them, with the step on the axis.
with tf.summary.create_file_writer("logs/steps").as_default():
    for row in log.to_frame().itertuples():
        tf.summary.scalar("learning_rate", row.learning_rate, step=row.step)
        tf.summary.scalar("loss", row.loss, step=row.step)
print(log.to_frame().groupby("epoch").learning_rate.agg(["max", "last"]).to_string())
print("now: tensorboard --logdir logs")
