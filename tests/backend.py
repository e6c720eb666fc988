"""How to run something in a compiled step of the backend under test."""

import keras

BACKEND = keras.config.backend()
COUNTER = "int64" if BACKEND == "tensorflow" else "int32"


def compiled(function):
    """The function as the backend compiles a training step (torch runs it eagerly)."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    return function


def graph(function):
    """The function in the backend's other way of tracing, where it has one."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    return compiled(function)


def counter(steps):
    """Steps as a tensor of the dtype in which the backend's optimizers count."""
    return keras.ops.convert_to_tensor(steps, dtype=COUNTER)
