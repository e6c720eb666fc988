"""`refresh_batch_norm`: estimate the moving statistics of the current model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, SupportsFloat

import keras

from keras_lr.core.fields import COUNT_OR_NONE, COUNT_OR_ZERO, FLAG
from keras_lr.core.refusals import check, refuse
from keras_lr.optimizers import lookup, norms, training_step
from keras_lr.training import batch_statistics
from keras_lr.training.batches import inputs
from keras_lr.training.saved_state import reference
from keras_lr.training.snapshot import RandomSnapshot, host_copy

OWNER = "refresh_batch_norm"
KEY = "_keras_lr_refresh"


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
    """Estimate the moving mean and variance of every `BatchNormalization` for the current weights.

    A model is evaluated with moving averages over past batches, when the weights were different. At a high learning
    rate these statistics lag behind. After weights were averaged, swapped (EMA), loaded or restored, they do not belong
    to the model at all. This function runs the model in training mode over some batches. Then it sets the statistics of
    each layer to the mean and variance of all values that the layer normalized, nᵢ in batch i:

    μ = Σ nᵢ μᵢ/N,  σ² = Σ nᵢ (σᵢ² + (μᵢ − μ)²)/N,  N = Σ nᵢ

    This is PreciseBN (Wu & Johnson 2021, arXiv 2105.07576, section 3.1), except that batches are weighted by their
    size. (torch's `swa_utils.update_bn` averages the variances of the batches.) The variance is divided by N, as in
    Keras.

    Nothing else changes, even after an error: the weights, the optimizer, the step, the metrics, and the states of
    random layers and of the process stay the same. Only a generator has moved on. A layer that is frozen
    (``trainable=False``), or that uses its moving statistics in training too, keeps its statistics.

    Dropout is active while the model runs, as in training. `LayerNormalization`, `GroupNormalization` and
    `RMSNormalization` have no moving statistics and do not need this.

    Args:
        model: a model, compiled or not. The step is compiled in the same way as `predict`, once for several calls.
        x: data as for `fit`: arrays, dicts of arrays, `tf.data`, `PyDataset`, generators, torch `DataLoader`. Use the
            training data with its augmentation.
        y: ignored, so that you can pass the arguments of `fit`.
        batch_size: samples in a batch of arrays, 32 by default. Use the batch size of the training, since the layers
            normalize with the statistics of a batch.
        steps: largest number of batches; None for all. 32 batches are enough in most trainings.
        shuffle: whether to draw the samples of arrays, and the batches of a `PyDataset`, at random. Other data keeps
            its order.
        seed: seed of that order, which is the same in each call.
        progress: whether to show a progress bar.

    Returns:
        The number of layers with new statistics.

    Raises:
        TypeError, ValueError: an argument is not allowed, or the model has no `BatchNormalization`.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
        >>> refresh_batch_norm(model, np.array([[1.0], [3.0], [5.0]], "float32"), batch_size=2)
        1
        >>> [round(float(value[0]), 4) for value in model.get_weights()[2:]]
        [3.0, 2.6667]
    """
    size: int | None = check(COUNT_OR_NONE, OWNER, "batch_size", batch_size)
    count: int | None = check(COUNT_OR_NONE, OWNER, "steps", steps)
    shuffle, first = check(FLAG, OWNER, "shuffle", shuffle), check(COUNT_OR_ZERO, OWNER, "seed", seed)
    progress = check(FLAG, OWNER, "progress", progress)
    if not isinstance(model, keras.Model):
        refuse(OWNER, "model", "a Keras model", model, TypeError)
    if model.built and not norms.batch_norms(model):
        refuse(OWNER, "model", "a model with a BatchNormalization", model)
    random = RandomSnapshot()
    try:
        data = inputs(x, size, count, first if shuffle else None)
        # Batches that are drawn here already have their size and number.
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
    """A context that restores everything that a forward pass in training mode may change."""
    before = [(it, host_copy(it)) for it in model.non_trainable_variables] if model.built else []
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


@contextmanager
def _unchanged_on_jax(model: Any) -> Iterator[None]:
    """A context that restores the values of variables. On JAX they are missing after a step that failed."""
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
        keras.Model.predict(model, data, steps=1, verbose=0)  # which builds it
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
        # As in a training step, `training` is passed only if the model's `call` accepts it.
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
    """The compiled step of a model, kept for the next call."""

    def __init__(self, model: Any, layers: list[Any], function: Any) -> None:
        self.function = function
        self._layers = [(reference(layer), layer.trainable) for layer in layers]
        self._compilation = reference(getattr(model, "_compile_config", None))

    def is_of(self, model: Any, layers: list[Any]) -> bool:
        """Whether the step is still valid: nothing that was compiled into it has changed."""
        return [(layer(), trainable) for layer, trainable in self._layers] == [
            (layer, layer.trainable) for layer in layers
        ] and self._compilation() is getattr(model, "_compile_config", None)


def _kept(model: Any, layers: list[Any]) -> Any:
    kept = vars(model).get(KEY)
    return kept.function if kept is not None and kept.is_of(model, layers) else None
