"""`LearningRateLogger(effective=True)`: norms, η/‖w‖² and relative updates of kernels that are normalized."""

import keras
import numpy as np
import pytest
from support.training import fit, two_optimizers

import keras_lr as klr
from keras_lr import LearningRateLogger
from keras_lr.optimizers.scale_invariant import scale_invariant_kernels

L = keras.layers
X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")


def model_of(*layers, shape=(4,), optimizer=None, **options):
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile(keras.optimizers.SGD(0.1) if optimizer is None else optimizer, "mse", **options)
    return model


def kernels(*layers, shape=(4,)):
    return [variable.path.split("/")[-2] for variable in scale_invariant_kernels(model_of(*layers, shape=shape))]


IMAGE = (6, 6, 2)
CASES = {
    "a batch norm takes a bias away": ((L.Dense(3, name="a"), L.BatchNormalization()), (4,), ["a"]),
    "a layer norm does not": ((L.Dense(3, name="a"), L.LayerNormalization()), (4,), []),
    "without a bias": ((L.Dense(3, use_bias=False, name="a"), L.LayerNormalization()), (4,), ["a"]),
    "an activation between": ((L.Dense(3, activation="tanh", name="a"), L.BatchNormalization()), (4,), []),
    "convolutions": (
        (L.Conv2D(4, 3, name="a"), L.BatchNormalization(), L.DepthwiseConv2D(3, name="b"), L.BatchNormalization()),
        IMAGE,
        ["a", "b"],
    ),
    "pooling between": ((L.Conv2D(4, 3, name="a"), L.MaxPooling2D(), L.BatchNormalization()), IMAGE, ["a"]),
    "nothing behind it": ((L.BatchNormalization(), L.Dense(3, name="a")), (4,), []),
    "nested": ((keras.Sequential([keras.Input((4,)), L.Dense(3, name="a"), L.LayerNormalization()]),), (4,), []),
    "nested, with a batch norm": (
        (keras.Sequential([keras.Input((4,)), L.Dense(3, name="a"), L.BatchNormalization()]),),
        (4,),
        ["a"],
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("case", CASES)
def test_kernels_before_a_normalization_are_scale_invariant(case):
    layers, shape, expected = CASES[case]
    assert kernels(*layers, shape=shape) == expected
    if not expected:
        return
    # Without the ε of the normalization, the output in training mode does not depend on the scale of these kernels.
    model = model_of(*layers, shape=shape)
    for layer in model.layers:
        if hasattr(layer, "epsilon"):
            layer.epsilon = 1e-12
    x = 10.0 * np.random.default_rng(1).normal(size=(8, *shape)).astype("float32")
    before = keras.ops.convert_to_numpy(model(x, training=True))
    for kernel in scale_invariant_kernels(model):
        kernel.assign(kernel.value * 3.0)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x, training=True)), before, atol=2e-3, rtol=2e-3)


@pytest.mark.once
def test_a_kernel_with_another_output_is_not_scale_invariant():
    inputs = keras.Input((4,))
    both = L.Dense(4, name="both")(inputs)
    model = keras.Model(inputs, L.Add()([L.BatchNormalization()(both), both]))
    assert scale_invariant_kernels(model) == []


class Kernels(keras.callbacks.Callback):
    """The kernel before and after each batch."""

    def __init__(self, name):
        super().__init__()
        self.name, self.seen = name, []

    def _note(self):
        self.seen.append(np.array(keras.ops.convert_to_numpy(self.model.get_layer(self.name).kernel), np.float64))

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self._note()

    def on_train_batch_end(self, batch, logs=None):
        self._note()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_the_first_update_of_each_epoch_has_the_right_numbers(optimizer, tmp_path):
    rate = klr.LinearDecay(0.1, 20)
    model = model_of(
        *(L.Dense(3, name="line"), L.BatchNormalization(), L.Dense(1)),
        optimizer=getattr(keras.optimizers, optimizer)(rate),
        run_eagerly=True,
    )
    kernel, seen = model.get_layer("line").kernel.path, Kernels("line")
    log = LearningRateLogger(audit=False, effective=True, path=tmp_path / "log.csv")
    history = model.fit(X, X[:, :1], batch_size=4, epochs=2, verbose=0, callbacks=[seen, log])
    frame = log.to_frame()
    names = [f"{name}[{kernel}]" for name in ("norm", "effective_learning_rate", "relative_update")]
    assert frame.columns.tolist() == ["step", "epoch", "batch", "learning_rate", *names]
    norms = np.array([np.linalg.norm(weights) for weights in seen.seen])
    moved = np.array([np.linalg.norm(after - before) for before, after in zip(seen.seen, seen.seen[1:], strict=False)])
    for step in range(8):
        row = frame.iloc[step][names].to_numpy()
        if step in (0, 4):
            expected = [norms[step], rate.values(step) / norms[step] ** 2, moved[step] / norms[step]]
            np.testing.assert_allclose(row, expected, rtol=1e-6)
        else:
            assert np.isnan(row).all()
    assert not any("[" in name for name in history.history)
    import pandas as pd

    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "log.csv"), frame, check_dtype=False)


def test_the_effective_rate_contains_the_factor_of_the_layer():
    inner = keras.optimizers.SGD(0.1)
    model = model_of(
        *(L.Dense(3, name="low"), L.BatchNormalization(), L.Dense(2, name="high")),
        optimizer=klr.Scheduled(inner, multipliers={"low/": 0.5}),
        run_eagerly=True,
    )
    log = LearningRateLogger(audit=False, effective=["kernel$"])
    before = {layer: model.get_layer(layer).kernel for layer in ("low", "high")}
    norms = {layer: np.linalg.norm(keras.ops.convert_to_numpy(kernel)) for layer, kernel in before.items()}
    model.fit(X, X[:, :2], batch_size=16, verbose=0, callbacks=[log])
    first = log.to_frame().iloc[0]
    for layer, factor in (("low", 0.5), ("high", 1.0)):
        found = first[f"effective_learning_rate[{before[layer].path}]"]
        np.testing.assert_allclose(found, 0.1 * factor / norms[layer] ** 2, rtol=1e-5)


@pytest.mark.once
@pytest.mark.needs("matplotlib")
def test_the_effective_rate_is_drawn_on_a_separate_axis():
    model = model_of(L.Dense(3), L.BatchNormalization(), L.Dense(1), run_eagerly=True)
    log = LearningRateLogger(audit=False, effective=True)
    model.fit(X, X[:, :1], batch_size=8, epochs=3, verbose=0, callbacks=[log])
    ax = log.plot()
    (right,) = [axes for axes in ax.figure.axes if axes is not ax]
    frame = log.to_frame()
    column = next(name for name in frame.columns if name.startswith("effective"))
    np.testing.assert_allclose(right.lines[-1].get_ydata(), frame[column].dropna())
    assert right.get_yscale() == "log"


@pytest.mark.once
def test_wrong_patterns_and_models_without_such_kernels_are_refused():
    bare = model_of(L.Dense(1))
    with pytest.raises(
        ValueError, match="^LearningRateLogger: `effective` must be patterns of paths, since .*, got True$"
    ):
        bare.fit(X, X[:, :1], verbose=0, callbacks=[LearningRateLogger(effective=True)])
    with pytest.raises(ValueError, match=r"^LearningRateLogger: `effective` must be patterns .*, got \('x',\)$"):
        bare.fit(X, X[:, :1], verbose=0, callbacks=[LearningRateLogger(effective=["x"])])
    with pytest.raises(TypeError, match="^LearningRateLogger: `effective` must be True, False, or .*, got 3$"):
        LearningRateLogger(effective=3)


def test_several_optimizers_are_refused():
    model = two_optimizers(0.5, 0.25)
    with pytest.raises(
        ValueError, match=r"^LearningRateLogger: `effective` must be False with several optimizers, got"
    ):
        fit(model, LearningRateLogger(effective=["kernel"]))
