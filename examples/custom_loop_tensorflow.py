"""A schedule in your own training loop on TensorFlow (see also the JAX and torch files)."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from sklearn.datasets import load_digits

from keras_lr import CosineDecay, Warmup

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
batches = tf.data.Dataset.from_tensor_slices((x.astype("float32") / 16, y)).batch(64)

schedule = Warmup(CosineDecay(0.5, 77), 10)
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)])
optimizer = keras.optimizers.SGD(schedule)
optimizer.build(model.trainable_variables)
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_of(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    before = tf.identity(model.trainable_variables[0])
    rate = schedule(optimizer.iterations)  # the rate of this update; afterwards the counter is one higher
    optimizer.apply(gradients, model.trainable_variables)
    applied = tf.norm(model.trainable_variables[0] - before) / tf.norm(gradients[0])
    return loss, rate, applied


print("step   loss  schedule  applied to the weights")
step = 0
for _ in range(3):
    for batch in batches:
        loss, rate, applied = train_step(*batch)
        if step % 12 == 0:
            print(f"{step:4d} {float(loss):6.3f}  {float(rate):.6f}  {float(applied):.6f}")
        step += 1
