"""torch's DistributedDataParallel with `fit`, here with two CPU processes: the same rates in both, and one log.

TensorFlow and JAX use several devices from one process: see `distributed_tensorflow.py` and `distributed_jax.py`.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from sklearn.datasets import load_digits
from torch import distributed

from keras_lr import BindSchedule, CosineDecay, LearningRateLogger, epochs


class Parallel(keras.Model):
    """A model whose gradients are averaged over the processes."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self._parallel = [torch.nn.parallel.DistributedDataParallel(inner)]  # in a list: it is not another layer

    def call(self, x):
        return self.inner(x)

    def train_step(self, data):
        x, y = data
        self.zero_grad()
        loss = self.compute_loss(x=x, y=y, y_pred=self._parallel[0](x))
        loss.backward()
        self._loss_tracker.update_state(loss)
        self.optimizer.apply([variable.value.grad for variable in self.trainable_variables], self.trainable_variables)
        return self.get_metrics_result()


def train(rank, processes):
    address = "file://" + os.path.abspath("rendezvous")
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = x[rank::processes].astype("float32") / 16, y[rank::processes]  # each process has its own half
    inner = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
    model = Parallel(inner)
    model.compile(keras.optimizers.SGD(CosineDecay(0.5, epochs(3))), "sparse_categorical_crossentropy")
    log = LearningRateLogger(path="log.csv")  # only the first process writes
    model.fit(x[:896], y[:896], 32, epochs=3, verbose=0, callbacks=[BindSchedule(), log])
    weights = sum(float(keras.ops.sum(weight**2)) for weight in model.trainable_variables)
    rates = log.to_frame().groupby("epoch").learning_rate.last().round(6).tolist()
    print(
        f"process {rank}: {len(log.to_frame())} steps, last rates {rates}, sum of squared weights {weights:.5f}\n",
        end="",
    )
    distributed.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(train, (2,), nprocs=2)
