"""A schedule in your own training loop on JAX, with a pure step (see also the TensorFlow and torch files)."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
from jax import numpy as jnp
from sklearn.datasets import load_digits

from keras_lr import CosineDecay, Warmup

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = x.astype("float32") / 16

schedule = Warmup(CosineDecay(0.5, 77), 10)
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)])
optimizer = keras.optimizers.SGD(schedule)
optimizer.build(model.trainable_variables)
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def loss_and_updates(weights, others, x, y):
    outputs, others = model.stateless_call(weights, others, x, training=True)
    return loss_of(y, outputs), others


@jax.jit
def train_step(state, x, y):
    weights, others, slots = state
    (loss, others), gradients = jax.value_and_grad(loss_and_updates, has_aux=True)(weights, others, x, y)
    rate = schedule(slots[0])  # the step counter is the optimizer's first variable, and a part of the state
    slots, (new, *rest) = optimizer.stateless_apply(slots, gradients, weights)[::-1]
    applied = jnp.linalg.norm(new - weights[0]) / jnp.linalg.norm(gradients[0])
    return ([new, *rest], others, slots), loss, rate, applied


state = ([v.value for v in model.trainable_variables], [], [v.value for v in optimizer.variables])
print("step   loss  schedule  applied to the weights")
for step in range(87):
    rows = slice(step % 29 * 64, step % 29 * 64 + 64)
    state, loss, rate, applied = train_step(state, x[rows], y[rows])
    if step % 12 == 0:
        print(f"{step:4d} {float(loss):6.3f}  {float(rate):.6f}  {float(applied):.6f}")

for variable, value in zip([*model.trainable_variables, *optimizer.variables], [*state[0], *state[2]], strict=True):
    variable.assign(value)  # write the values back into the model, for `save` and `evaluate`
print("steps counted by the optimizer:", int(optimizer.iterations))
