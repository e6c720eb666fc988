"""`refresh_batch_norm`: the moving statistics of the model as it is now."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, SupportsFloat

import keras

from keras_lr.core.fields import COUNT_OR_NONE, FLAG, Whole
from keras_lr.core.refusals import check, refuse
from keras_lr.optimizers import lookup, norms, training_step
from keras_lr.training import batch_statistics
from keras_lr.training.batches import inputs
from keras_lr.training.snapshot import RandomSnapshot

OWNER = "refresh_batch_norm"
KEY = "_keras_lr_refresh"
SEED = Whole("a whole number in [0, 2**31)", 0, steps=False)


def refresh_batch_norm(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    batch_size: SupportsFloat | None = None,
    steps: SupportsFloat | None = None,
    shuffle: bool = True,
    seed: SupportsFloat = 0,
    progress: bool = False,
) -> int:
    """Estimate the moving mean and variance of every `BatchNormalization` from the model as it is now.

    In training, the statistics with which a model is later evaluated are moving averages over batches of the past, when
    the weights were others. They lag behind at a high learning rate, and they belong to no model at all after weights
    were averaged, swapped (EMA), loaded or restored. This runs the model in training mode over some batches and gives
    each layer the mean and the variance of all numbers that it normalized, over the nᵢ of the batches i:

    μ = Σ nᵢ μᵢ/N,  σ² = Σ nᵢ (σᵢ² + (μᵢ − μ)²)/N,  N = Σ nᵢ

    This is PreciseBN (Wu & Johnson 2021, arXiv 2105.07576, section 3.1), with batches of unequal size weighted, where
    torch's `swa_utils.update_bn` takes the mean of the batches' variances. The variance is divided by N, as Keras does.

    Nothing else changes: not the weights, the optimizer, the step, the metrics, nor the states of random layers and of
    the process; also after an error. What the data remember themselves stays: a generator has moved on. Statistics of
    a layer that is frozen (``trainable=False``), or that uses its moving statistics in training too, stay as they are.
    Dropout is active while the model runs, as in training. `LayerNormalization`, `GroupNormalization` and
    `RMSNormalization` have no moving statistics and need none of this.

    Args:
        model: a model; it need not be compiled. The step is compiled as its `predict` is, once for several calls.
        x: what `fit` takes: arrays, dicts of them, `tf.data`, `PyDataset`, generators, torch `DataLoader`. Use the
            training data, with the augmentation of training.
        y: ignored; you may pass what you pass to `fit`.
        batch_size: of arrays, 32 by default. Use the batch size of training: the layers see statistics of batches.
        steps: batches, at most; all of the data when None. 32 batches are enough in most trainings.
        shuffle: whether the batches of arrays are drawn at random, and those of a `PyDataset` chosen at random. Other
            data come in an order of their own.
        seed: of that order, which is the same at each call.
        progress: show a progress bar.

    Returns:
        How many layers have new statistics.

    Raises:
        TypeError, ValueError: for wrong arguments; the model has no `BatchNormalization`.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
        >>> refresh_batch_norm(model, np.array([[1.0], [3.0], [5.0]], "float32"), batch_size=2)
        1
        >>> [round(float(value[0]), 4) for value in model.get_weights()[2:]]
        [3.0, 2.6667]
    """
    size: int | None = check(COUNT_OR_NONE, OWNER, "batch_size", batch_size)
    count: int | None = check(COUNT_OR_NONE, OWNER, "steps", steps)
    shuffle, first = check(FLAG, OWNER, "shuffle", shuffle), check(SEED, OWNER, "seed", seed)
    progress = check(FLAG, OWNER, "progress", progress)
    if not isinstance(model, keras.Model):
        refuse(OWNER, "model", "a Keras model", model, TypeError)
    if model.built and not norms.batch_norms(model):
        refuse(OWNER, "model", "a model with a BatchNormalization", model)
    random = RandomSnapshot()
    try:
        data = inputs(x, size, count, first if shuffle else None)
        # Batches that are drawn here have their size and number already.
        is_drawn = data is not x
        options = {"batch_size": None if is_drawn else size, "steps": None if is_drawn else count}
        return _refresh(model, data, {**options, "verbose": int(progress)})
    finally:
        random.restore()


def _refresh(model: Any, data: Any, options: dict[str, Any]) -> int:
    lookup.sync(model)
    with _unchanged_on_jax(model) if keras.config.backend() == "jax" else _unchanged(model):
        rows = _collected(model, data, options)
    layers = norms.batch_norms(model)
    found = {int(place): batch_statistics.together(part) for place, part in rows.items()}
    for place, statistics in found.items():
        if statistics is not None:
            batch_statistics.assign(layers[place], statistics)
    return sum(statistics is not None for statistics in found.values())


@contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Put back what a forward pass in training mode may change."""
    before = batch_statistics.values_of(model.non_trainable_variables) if model.built else []
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


@contextmanager
def _unchanged_on_jax(model: Any) -> Iterator[None]:
    """Give the variables their values again, which Keras has taken out of them when a step fails."""
    before = [(variable, variable.value) for variable in model.variables]
    try:
        yield
    except BaseException:
        lookup.sync(model)
        for variable, value in before:
            if not value.is_deleted():
                variable.assign(value)
        raise


def _collected(model: Any, data: Any, options: dict[str, Any]) -> dict[str, batch_statistics.Rows]:
    """The rows of each layer, over all batches."""
    if not model.built:
        _build(model, data)
    layers = norms.batch_norms(model)
    if not layers:
        refuse(OWNER, "model", "a model with a BatchNormalization", model)
    if not any(layer.trainable for layer in layers):
        return {}
    function = _kept(model, layers)
    found, made = training_step.predict_by(model, _step(model, layers), function, data, options)
    vars(model)[KEY] = _Kept(model, layers, made)
    rows: dict[str, batch_statistics.Rows] = found
    return rows


def _step(model: Any, layers: list[Any]) -> Callable[..., Any]:
    """A `predict_step` that runs the model in training mode and returns the rows."""

    def forward(x: Any, call: Callable[..., Any]) -> Any:
        # As in a training step: a model whose `call` has no `training` is called without one.
        with batch_statistics.collecting(layers) as rows:
            call(x, **({"training": True} if model._call_has_training_arg else {}))
            return rows()

    def step(data: Any) -> Any:
        return forward(keras.utils.unpack_x_y_sample_weight(data)[0], model)

    def step_of_jax(state: Any, data: Any) -> Any:
        call = lambda x, **training: model.stateless_call(*state, x, **training)  # noqa: E731
        return forward(keras.utils.unpack_x_y_sample_weight(data)[0], call), state[1]

    return step_of_jax if keras.config.backend() == "jax" else step


class _Kept:
    """The compiled step of a model, for the next call."""

    def __init__(self, model: Any, layers: list[Any], function: Any) -> None:
        self.function = function
        self._layers = [(weakref.ref(layer), layer.trainable) for layer in layers]
        self._compilation = _reference(getattr(model, "_compile_config", None))

    def is_of(self, model: Any, layers: list[Any]) -> bool:
        """Whether nothing has changed since that is baked into the step."""
        return [(layer(), trainable) for layer, trainable in self._layers] == [
            (layer, layer.trainable) for layer in layers
        ] and self._compilation() is getattr(model, "_compile_config", None)


def _reference(thing: Any) -> Callable[[], Any]:
    return (lambda: None) if thing is None else weakref.ref(thing)


def _kept(model: Any, layers: list[Any]) -> Any:
    kept = vars(model).get(KEY)
    return kept.function if kept is not None and kept.is_of(model, layers) else None


def _build(model: Any, data: Any) -> None:
    """Build a model from its first batch, as `predict` would."""
    keras.Model.predict(model, data, steps=1, verbose=0)
