"""How a script trains on several devices: `start` before Keras is imported, then `scope` and `averaging`.

mirrored        two virtual devices in TensorFlow's MirroredStrategy
data-parallel   two virtual devices in keras.distribution.DataParallel (JAX)
ddp             one of two processes of torch.distributed (gloo)
jax-processes   one of two processes of jax.distributed
"""

import contextlib
import os


def start(how, rank, port):
    """Create the devices, or join the other process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if how == "data-parallel":
        os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    if how == "jax-processes":
        import jax

        jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=rank)
    if how == "ddp":
        import torch

        address = f"tcp://127.0.0.1:{port}"
        torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)


def scope(how):
    """The scope in which the model is created."""
    import keras

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


def averaging(how, body):
    """The model. With "ddp", DistributedDataParallel averages its gradients over the processes."""
    import keras

    if how != "ddp":
        return body
    import torch

    class Averaging(keras.Model):
        def __init__(self):
            super().__init__()
            self.body = body
            self._parallel = [torch.nn.parallel.DistributedDataParallel(body)]
            self.built = True

        def call(self, x, training=None):
            return self.body(x, training=training)

        def train_step(self, data):
            x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
            self.zero_grad()
            loss = self.compute_loss(x=x, y=y, y_pred=self._parallel[0](x, training=True))
            self._loss_tracker.update_state(loss)
            loss.backward()
            variables = self.trainable_variables
            self.optimizer.apply([variable.value.grad for variable in variables], variables)
            return self.get_metrics_result()

    return Averaging()
