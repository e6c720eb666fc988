"""One process of a training on several devices; prints what happened as JSON.

python run.py HOW RANK PORT FOLDER RATE EPOCHS

mirrored        two virtual devices in TensorFlow's MirroredStrategy
data-parallel   two virtual devices in keras.distribution.DataParallel (JAX)
ddp             one of two processes of torch.distributed (gloo)
jax-processes   one of two processes of jax.distributed
"""

import contextlib
import json
import os
import sys
from pathlib import Path

how, rank, port, folder, rate_kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if how == "data-parallel":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
if how == "jax-processes":
    import jax

    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=rank)
if how == "ddp":
    import torch

    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_lr as klr  # noqa: E402

EPOCHS, BATCHES, BATCH = int(sys.argv[6]), 4, 8


@keras.saving.register_keras_serializable("tests")
def total(y, prediction):
    return keras.ops.sum(prediction, axis=-1)


class Metric(keras.callbacks.Callback):
    """A metric that is another one in each process: in the second one it always improves."""

    def on_epoch_end(self, epoch, logs=None):
        logs["metric"] = 1.0 if rank == 0 else -float(epoch)


class Weight(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        # Not when training begins: until now weights may be loaded.
        if not self.seen:
            self.on_train_batch_end(0)

    def on_train_batch_end(self, batch, logs=None):
        variable = self.model.trainable_variables[0]
        self.seen.append(float(np.ravel(keras.ops.convert_to_numpy(variable))[0]))


class Averaging(keras.Model):
    """A model whose gradients torch's DistributedDataParallel averages over the processes."""

    def __init__(self):
        super().__init__()
        self.line = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        self.line.build((None, 1))
        self._parallel = [torch.nn.parallel.DistributedDataParallel(self.line)]

    def call(self, x):
        return self.line(x)

    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.zero_grad()
        loss = self.compute_loss(x=x, y=y, y_pred=self._parallel[0](x))
        self._loss_tracker.update_state(loss)
        loss.backward()
        variables = self.trainable_variables
        self.optimizer.apply([variable.value.grad for variable in variables], variables)
        return self.get_metrics_result()


def build():
    if how == "ddp":
        return Averaging()
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])


def scope():
    if how == "mirrored":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        assert strategy.num_replicas_in_sync == 2
        return strategy.scope()
    if how in ("data-parallel", "jax-processes"):
        devices = keras.distribution.list_devices()
        assert len(devices) == 2, devices
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))
    return contextlib.nullcontext()


with scope():
    model = build()
    rate = klr.LinearDecay(0.32, klr.epochs(20)) if rate_kind == "schedule" else 0.32
    optimizer = keras.optimizers.SGD(rate)
    if rate_kind == "momentum":
        optimizer = klr.Scheduled(optimizer, momentum=klr.LinearDecay(0.9, klr.epochs(6)))
    model.compile(optimizer, loss=total)

plateau = klr.ReduceOnPlateau("metric", 0.5, 2, mode="min")
log = klr.LearningRateLogger(path=folder / "log.csv", audit=False)
weight = Weight()
backup = klr.BackupAndRestore(folder.parent / "backup", delete_checkpoint=False)
callbacks = [klr.BindSchedule(audit=False), Metric(), plateau, log, weight, backup]
mine = slice(None)
if how in ("ddp", "jax-processes"):  # each process has its half of each batch
    mine = slice(None, BATCH * BATCHES // 2)
x = np.ones((BATCH * BATCHES, 1), "float32")[mine]
size = BATCH // 2 if how == "ddp" else BATCH
if how == "jax-processes":
    # Keras shards by the global batch; every process hands in its share.
    size = BATCH // 2
model.fit(x, np.zeros_like(x), batch_size=size, epochs=EPOCHS, verbose=0, shuffle=False, callbacks=callbacks)
result = {
    "applied": (-np.diff(weight.seen)).tolist(),
    "logged": log.to_frame().learning_rate.tolist(),
    "steps": log.to_frame().step.tolist(),
    "state": plateau.get_state(),
    "rate": klr.get_learning_rate(model),
}
print("RESULT" + json.dumps(result))
