"""Models and optimizers with a kernel that decays and a bias that does not, and ways to copy them."""

import copy
import json
import pickle

import keras
import numpy as np

import keras_lr as klr
from keras_lr import Scheduled
from keras_lr.optimizers import scheduled

STEPS = 4
KERNEL, BIAS = [[0.5], [-1.0], [0.25]], [2.0]
RNG = np.random.default_rng(5)
GRADIENTS = [(RNG.normal(size=(3, 1)).astype("float32"), RNG.normal(size=1).astype("float32")) for _ in range(STEPS)]
NO_GRADIENTS = [(np.zeros((3, 1), "float32"), np.zeros(1, "float32"))] * STEPS
KINDS = list(scheduled.OWN)


@keras.saving.register_keras_serializable("tests")
def nothing(y, prediction):
    """A loss whose gradient is 0."""
    return 0.0 * keras.ops.sum(prediction, axis=-1)


def variables():
    return [keras.Variable(KERNEL, name="kernel"), keras.Variable(BIAS, name="bias")]


def applied(optimizer, weights, gradients=GRADIENTS):
    """The weights after some steps."""
    for pair in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in pair], weights)
    return [keras.ops.convert_to_numpy(weight) for weight in weights]


def numbers(optimizer):
    return [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]


def model_with(optimizer, loss=nothing):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="line")])
    model.set_weights([np.asarray(KERNEL), np.asarray(BIAS)])
    model.compile(optimizer, loss=loss)
    return model


def fit(model, steps=STEPS):
    model.fit(np.ones((steps, 3)), np.zeros((steps, 1)), batch_size=1, verbose=0)
    return model


def by_name(optimizer, model=None):
    optimizer.exclude_from_weight_decay(var_names=["bias"])


def by_variable(optimizer, model=None):
    optimizer.exclude_from_weight_decay(var_list=[model.layers[0].bias])


def decaying(exclude, where="before", **options):
    """A compiled model whose optimizer decays the kernel by 1 % a step, and not the bias."""
    model = model_with(None)
    stock = keras.optimizers.AdamW(0.1, weight_decay=0.1)
    if where == "before":
        exclude(stock, model)
    optimizer = Scheduled(stock, beta_1=klr.LinearDecay(0.9, 9), **options)
    if where == "after":
        exclude(optimizer, model)
    model.compile(optimizer, loss=nothing)
    return model


def assert_decayed(model, steps, factor=0.99):
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, np.asarray(KERNEL) * factor**steps, rtol=1e-5)
    np.testing.assert_array_equal(bias, BIAS)


def saved_and_loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


def cloned(model, folder):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def pickled(model, folder):
    return pickle.loads(pickle.dumps(model))


def of_the_same_optimizer(change):
    def copied(model, folder):
        return model_with_weights(model, change(model.optimizer))

    return copied


def model_with_weights(model, optimizer):
    again = model_with(optimizer)
    again.set_weights(model.get_weights())
    return again


COPIES = {
    "saved": saved_and_loaded,
    "clone_model": cloned,
    "a pickled model": pickled,
    "deepcopy of a model": lambda model, folder: copy.deepcopy(model),
    "config": of_the_same_optimizer(lambda optimizer: type(optimizer).from_config(optimizer.get_config())),
    "JSON": of_the_same_optimizer(
        lambda optimizer: keras.optimizers.deserialize(json.loads(json.dumps(keras.optimizers.serialize(optimizer))))
    ),
    "deepcopy": of_the_same_optimizer(copy.deepcopy),
    "pickle": of_the_same_optimizer(lambda optimizer: pickle.loads(pickle.dumps(optimizer))),
    "twice": of_the_same_optimizer(lambda optimizer: copy.deepcopy(copy.deepcopy(optimizer))),
}
