"""A schedule in your own training loop on torch (see also the TensorFlow and JAX files).

You can also use a schedule with a torch optimizer:
`torch.optim.lr_scheduler.LambdaLR(torch.optim.SGD(parameters, lr=1.0), schedule.values)`.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from sklearn.datasets import load_digits

from keras_lr import CosineDecay, Warmup

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
data = torch.utils.data.TensorDataset(torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y))
batches = torch.utils.data.DataLoader(data, batch_size=64)

schedule = Warmup(CosineDecay(0.5, 77), 10)
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)])
optimizer = keras.optimizers.SGD(schedule)
optimizer.build(model.trainable_variables)
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train_step(x, y):
    model.zero_grad()
    loss = loss_of(y, model(x, training=True))
    loss.backward()
    gradients = [variable.value.grad for variable in model.trainable_variables]
    before = model.trainable_variables[0].value.detach().clone()
    rate = schedule(optimizer.iterations)  # the rate of this update; afterwards the counter is one higher
    with torch.no_grad():
        optimizer.apply(gradients, model.trainable_variables)
        applied = (model.trainable_variables[0].value - before).norm() / gradients[0].norm()
    return loss.detach(), rate, applied


print("step   loss  schedule  applied to the weights")
step = 0
for _ in range(3):
    for batch in batches:
        loss, rate, applied = train_step(*batch)
        if step % 12 == 0:
            print(f"{step:4d} {float(loss):6.3f}  {float(rate):.6f}  {float(applied):.6f}")
        step += 1
