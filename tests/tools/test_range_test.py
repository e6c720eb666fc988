"""The range test records the right curve, makes sound suggestions, and leaves the model unchanged."""

import json
import random
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support.backend import BACKEND
from support.svg import legend, points, read_back, root, sentence, ticks

import keras_lr as klr
from keras_lr.tools.range_test import suggestions
from keras_lr.tools.range_test.result import Sweep

RNG = np.random.default_rng(3)
X = RNG.normal(size=(96, 6)).astype("float32")
Y = (X[:, :1] * 0.7 + X[:, 1:2] ** 2).astype("float32")


def network(optimizer, **compile_args):
    """A model with everything that a step changes: batch normalization, dropout, and metrics with state."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, "tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer, loss="mse", metrics=[keras.metrics.RootMeanSquaredError(), "mae"], **compile_args)
    return model


OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "Adam": lambda: keras.optimizers.Adam(0.01),
    "schedule": lambda: keras.optimizers.AdamW(klr.CosineDecay(0.01, 50)),
    "Keras's schedule": lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)),
    "Scheduled": lambda: klr.Scheduled(
        keras.optimizers.SGD(klr.OneCycle(0.1, 40)), momentum=klr.OneCycle(0.1, 40).momentum()
    ),
    "EMA": lambda: keras.optimizers.SGD(0.01, use_ema=True, ema_overwrite_frequency=3),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), dynamic_growth_steps=4),
    "accumulation": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=3),
}


def state(model):
    """Everything that must be restored bit by bit."""
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    found = [*model.variables, *model.metrics_variables, *optimizer.variables, *inner.variables]
    values = [np.array(keras.ops.convert_to_numpy(variable)).tobytes() for variable in found]
    sources = inner._learning_rate if not isinstance(inner._learning_rate, keras.Variable) else id(inner._learning_rate)
    return values, sources, model.stop_training, id(model.history), model.train_function, "train_step" in vars(model)


def randomness():
    """The states of all random generators."""
    found = [random.getstate(), str(np.random.get_state())]  # noqa: NPY002 - Keras shuffles with it
    generator = keras.src.backend.common.global_state.get_global_attribute("global_seed_generator")
    if generator is not None:
        found.append(np.array(keras.ops.convert_to_numpy(generator.state)).tolist())
    if "torch" in sys.modules:
        found.append(sys.modules["torch"].get_rng_state().tolist())
    if "tensorflow.python.eager.context" in sys.modules:
        context = sys.modules["tensorflow.python.eager.context"].context()
        found.append((context._seed, context._rng.getstate()))
    return found


def trained(name):
    # This creates Keras's global generator now, because its creation draws from Python's generator. Before Keras 3.13,
    # `set_random_seed` does not reset it.
    keras.random.normal((2,))
    keras.utils.set_random_seed(5)
    keras.random.normal((2,))
    model = network(OPTIMIZERS[name]())
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    return model


@pytest.mark.few(4)
@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_model_and_generators_are_as_before(name, repeats):
    model = trained(name)
    before, drawn = state(model), randomness()
    result = klr.find_learning_rate(model, X, Y, steps=25, batch_size=16, progress=False, repeats=repeats)
    assert state(model) == before
    assert randomness() == drawn
    assert len(result.sweeps) == repeats
    if name == "EMA" and BACKEND == "jax":
        return  # in Keras 3.15.1 a second `fit` fails, because the average and the weight share a buffer
    # Training continues as without the range test, with the step that was compiled before.
    history = model.fit(X, Y, batch_size=16, epochs=2, verbose=0).history
    twin = trained(name)
    assert history == twin.fit(X, Y, batch_size=16, epochs=2, verbose=0).history
    assert state(model)[0] == state(twin)[0]


def test_the_weights_change_during_the_test():
    model = trained("SGD")
    seen = []
    weights = model.get_weights()[0]
    original = klr.training.snapshot.ModelSnapshot.restore

    def restore(self):
        seen.append(np.abs(self._model.get_weights()[0] - weights).max())
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(klr.training.snapshot.ModelSnapshot, "restore", restore)
        klr.find_learning_rate(model, X, Y, steps=25, batch_size=16, max_rate=1.0, progress=False)
    assert seen[-1] > 0.01


def test_a_new_model_trains_as_without_the_test():
    def fresh():
        keras.utils.set_random_seed(5)
        return network(keras.optimizers.Adam(klr.CosineDecay(0.01, 50)))

    model, twin = fresh(), fresh()
    klr.find_learning_rate(model, X, Y, steps=12, batch_size=16, progress=False, seed=9)
    # The seed is set when training begins, because on JAX and torch `fit` draws random numbers to build a model.
    seeding = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: keras.utils.set_random_seed(6))
    how = {"batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0, "callbacks": [seeding]}
    assert model.fit(X, Y, **how).history == twin.fit(X, Y, **how).history
    assert model.optimizer.iterations == 18


def test_a_model_without_input_shape():
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    frame = klr.find_learning_rate(model, X, Y, steps=12, progress=False).to_frame()
    assert len(frame) == 12
    assert model.optimizer.iterations == 0
    assert not hasattr(model, "history") or model.history is None


class Failing(keras.utils.PyDataset):
    """Six batches. An error may be raised in the middle."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def __len__(self):
        return 6

    def __getitem__(self, index):
        if self.error is not None and index >= 3:
            raise self.error
        return X[index * 16 : index * 16 + 16], Y[index * 16 : index * 16 + 16]


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["SGD", "Adam", "Scheduled", "loss scale"])
def test_everything_is_restored_after_an_exception(name):
    model = trained(name)
    before, drawn = state(model), randomness()
    with pytest.raises(Exception, match="on purpose"):
        klr.find_learning_rate(model, Failing(RuntimeError("on purpose")), steps=25, progress=False)
    assert state(model) == before
    assert randomness() == drawn
    model.fit(X, Y, batch_size=16, verbose=0)
    twin = trained(name)
    twin.fit(X, Y, batch_size=16, verbose=0)
    assert state(model)[0] == state(twin)[0]


def test_everything_is_restored_after_an_interrupt(monkeypatch):
    model = trained("Adam")
    before, drawn = state(model), randomness()
    calls = []

    def interrupt(self):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(klr.tools.range_test.sweep.Watch, "_look", interrupt)
    with pytest.raises(KeyboardInterrupt):
        klr.find_learning_rate(model, X, Y, steps=25, batch_size=16, progress=False)
    assert len(calls) == 3
    assert state(model) == before
    assert randomness() == drawn


@pytest.mark.parametrize("name", ["SGD", "Adam", "loss scale"])
def test_everything_is_restored_after_a_divergence_to_nan(name):
    model = trained(name)
    before = state(model)
    target = Y.copy()
    target[40:] = np.nan
    result = klr.find_learning_rate(model, X, target, steps=25, batch_size=16, progress=False)
    assert result.diverged
    assert not np.isfinite(result.to_frame()["loss"].iloc[-1])
    assert np.isfinite(result.to_frame()["loss"].iloc[:-1]).all()
    assert state(model) == before


@pytest.mark.slow
def test_mixed_precision():
    policy = "mixed_bfloat16" if BACKEND == "torch" else "mixed_float16"
    keras.config.set_dtype_policy(policy)
    try:
        model = trained("Adam")
    finally:
        keras.config.set_dtype_policy("float32")
    if BACKEND != "torch":
        assert hasattr(model.optimizer, "inner_optimizer")
    before = state(model)
    frame = klr.find_learning_rate(model, X, Y, steps=25, batch_size=16, progress=False).to_frame()
    assert len(frame) > 10
    assert state(model) == before


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_other_ways_to_compile(jit_compile):
    if BACKEND == "torch" and jit_compile:
        pytest.skip("torch.compile needs a C++ compiler")
    executions = 1 if BACKEND == "torch" else 3  # Keras allows only 1 on torch
    keras.utils.set_random_seed(5)
    model = network(OPTIMIZERS["schedule"](), jit_compile=jit_compile, steps_per_execution=executions)
    model.fit(X, Y, batch_size=16, verbose=0)
    before = state(model)
    frame = klr.find_learning_rate(model, X, Y, steps=25, batch_size=16, progress=False).to_frame()
    assert len(frame) == 25
    assert state(model) == before
    assert model.steps_per_execution == executions


def test_the_rates_of_chosen_optimizers_are_swept():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    first, second = (
        keras.optimizers.SGD(0.25 / 16, name="first"),
        keras.optimizers.SGD(klr.Constant(0.125 / 8), name="second"),
    )
    chosen = keras.optimizers.OptimizerMap(
        default_optimizer=second, optimizer_map={model.layers[0].path + "/.*": first}
    )
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss="mse")
    model.fit(X, Y, batch_size=16, verbose=0)
    weights = [array.copy() for array in model.get_weights()]
    klr.find_learning_rate(model, X, Y, steps=12, progress=False)
    assert second._learning_rate == klr.Constant(0.125 / 8)
    assert klr.get_learning_rate(model, "first") == 0.25 / 16
    for now, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, before)
    moved = []
    original = klr.training.snapshot.ModelSnapshot.restore

    def restore(self):
        moved.append([np.abs(now - then).max() for now, then in zip(model.get_weights(), weights, strict=True)])
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(klr.training.snapshot.ModelSnapshot, "restore", restore)
        klr.find_learning_rate(model, X, Y, steps=12, max_rate=1e-6, only=["first"], progress=False)
    # The second optimizer kept its rate. The rate of the first was at most 1e-6.
    assert moved[-1][0] < 1e-4 < 1e-3 < moved[-1][2]
    with pytest.raises(ValueError, match="`only` must be one of 'first', 'second', got 'third'"):
        klr.find_learning_rate(model, X, Y, only=["third"])


# The curve.


def prediction_free(y, prediction):
    """A loss that equals the target. It does not depend on the model, so its gradient is 0."""
    return keras.ops.mean(y, axis=-1) + 0.0 * keras.ops.mean(prediction, axis=-1)


def known_losses(losses, size=4):
    """A model and data in which each batch has a given loss."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", loss=prediction_free)
    return model, np.ones((len(losses) * size, 1), "float32"), np.repeat(losses, size)[:, None].astype("float32")


def test_the_recorded_loss_is_that_of_the_batch():
    losses = np.array([3.0, 1.0, 2.5, 0.5, 7.25, 1.0, 2.0, 2.0, 4.0, 0.25, 1.5, 3.5])
    model, x, y = known_losses(losses)
    frame = klr.find_learning_rate(
        model, x, y, batch_size=4, shuffle=False, steps=12, divergence=1e9, progress=False
    ).to_frame()
    assert list(frame.columns) == ["learning_rate", "loss", "smoothed_loss"]
    np.testing.assert_allclose(frame["loss"], losses, rtol=3e-7)
    smoothed = [
        sum(0.02 * 0.98 ** (i - j) * losses[j] for j in range(i + 1)) / (1 - 0.98 ** (i + 1)) for i in range(12)
    ]
    np.testing.assert_allclose(frame["smoothed_loss"], smoothed, rtol=1e-6)
    np.testing.assert_allclose(frame["learning_rate"], np.geomspace(1e-7, 10.0, 12), rtol=1e-12)


def test_the_recorded_rates_are_applied():
    from support.training import Weight, data, model_with

    model = model_with(0.5)
    x, y = data(batches=40)
    weight = Weight()
    fit = keras.Model.fit

    def with_weight(self, *args, **kwargs):
        kwargs["callbacks"] = [*kwargs["callbacks"], weight]
        return fit(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Sequential, "fit", with_weight, raising=False)
        patch.setattr(type(model), "fit", with_weight, raising=False)
        klr.find_learning_rate(
            model, x, y, batch_size=4, min_rate=1e-3, max_rate=1.0, steps=40, divergence=1e9, progress=False
        )
    np.testing.assert_allclose(weight.applied, np.geomspace(1e-3, 1.0, 40), rtol=2e-5)


def test_a_quadratic_turns_at_two_over_its_curvature():
    # For one weight w and the loss λ/2·w², gradient descent shrinks w below a rate of 2/λ and enlarges it above.
    curvature = 25.0
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(
        keras.optimizers.SGD(1.0), loss=lambda y, p: 0.5 * curvature * keras.ops.mean(keras.ops.square(p), axis=-1)
    )
    x = np.ones((40, 1), "float32")
    result = klr.find_learning_rate(
        model, x, x, batch_size=4, min_rate=1e-3, max_rate=1.0, steps=120, smoothing=0.0, progress=False
    )
    frame = result.to_frame()
    lowest = int(frame["loss"].argmin())
    rates = frame["learning_rate"].to_numpy()
    # The loss of a batch is taken before its update, so the lowest loss belongs to the first rate above the limit.
    assert rates[lowest - 1] < 2 / curvature <= rates[lowest]
    assert result.diverged
    assert rates[-1] < 0.3
    assert result.suggestion("minimum") == pytest.approx(0.2 / curvature, rel=0.06)
    steepest = result.suggestion("steepest")
    assert 0.05 / curvature < steepest < 2 / curvature


# Kinds of data.


def small_model():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    return model


def test_sample_weights_scale_the_loss_over_several_epochs():
    model = small_model()
    plain = klr.find_learning_rate(
        model, X, Y, batch_size=32, steps=20, progress=False, shuffle=False, max_rate=1e-6
    ).to_frame()
    weighted = klr.find_learning_rate(
        model,
        X,
        Y,
        batch_size=32,
        steps=20,
        progress=False,
        shuffle=False,
        max_rate=1e-6,
        sample_weight=np.full(len(X), 3.0),
    ).to_frame()
    assert len(plain) == 20
    np.testing.assert_allclose(weighted["loss"], 3.0 * plain["loss"], rtol=2e-4)


def test_class_weights_scale_the_loss():
    labels = (X[:, 0] > 0).astype("int32")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    both = [
        klr.find_learning_rate(
            model, X, labels, steps=12, progress=False, shuffle=False, class_weight=weights, max_rate=1e-5
        ).to_frame()["loss"]
        for weights in (None, {0: 2.0, 1: 2.0})
    ]
    np.testing.assert_allclose(both[1], 2.0 * both[0], rtol=1e-4)


def test_a_generator_is_asked_for_as_many_batches_as_there_are_steps():
    asked = []

    def batches():
        while True:
            asked.append(1)
            yield X[:16], Y[:16]

    result = klr.find_learning_rate(small_model(), batches(), steps=15, max_rate=0.1, progress=False)
    assert len(result.to_frame()) == 15
    # Keras reads the first batch to build the model, and its threads read ahead by a number of batches that varies. A
    # second pass would read many more.
    assert 15 <= len(asked) < 30


def test_a_generator_that_ends_early_warns():
    generator = ((X[:16], Y[:16]) for _ in range(12))
    with pytest.warns(
        UserWarning, match="ran out of data|the data ended after"
    ) as caught:  # Keras's warning, and that of this package
        result = klr.find_learning_rate(small_model(), generator, steps=30, progress=False)
    assert any("the data ended after" in str(one.message) for one in caught)
    assert 10 <= len(result.to_frame()) <= 12


def test_a_tensorflow_dataset():
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    assert len(klr.find_learning_rate(small_model(), dataset, steps=20, max_rate=0.1, progress=False).to_frame()) == 20
    assert (
        len(klr.find_learning_rate(small_model(), dataset.repeat(), steps=20, max_rate=0.1, progress=False).to_frame())
        == 20
    )


def test_a_keras_dataset_over_several_epochs():
    result = klr.find_learning_rate(small_model(), Failing(None), steps=20, max_rate=0.1, progress=False)
    assert len(result.to_frame()) == 20


def test_a_torch_loader():
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    loader = data.DataLoader(data.TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=16, shuffle=True)
    # The order differs each time, and a batch may have four times the loss of the previous one.
    result = klr.find_learning_rate(small_model(), loader, steps=20, max_rate=0.1, divergence=1e6, progress=False)
    assert len(result.to_frame()) == 20


def test_a_dict_of_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(keras.layers.Concatenate()([a, b])))
    model.compile("adam", loss="mse")
    inputs = {"a": X[:, :3], "b": X[:, 3:]}
    assert len(klr.find_learning_rate(model, inputs, Y, steps=20, max_rate=0.1, progress=False).to_frame()) == 20


def test_losses_of_a_custom_training_step_are_no_running_means():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.line = keras.layers.Dense(1)
            self.tracker = keras.metrics.Mean(name="loss")

        def call(self, x):
            return self.line(x)

        @property
        def metrics(self):
            return [self.tracker]

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = keras.ops.mean(keras.ops.square(y - y_pred))
            self.tracker.update_state(loss)
            return loss

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return {"loss": self.tracker.result()}

    model = Own()
    model.compile("sgd")
    still = klr.find_learning_rate(
        model, X, Y, batch_size=len(X), steps=12, min_rate=1e-9, max_rate=1e-8, progress=False
    )
    # Batch and weights are the same at each step, so each loss must be too, unless it is a mean over several.
    loss = still.to_frame()["loss"].to_numpy()
    np.testing.assert_allclose(loss, loss[0], rtol=1e-5)
    np.testing.assert_allclose(loss[0], np.mean(np.square(Y - model.predict(X, verbose=0))), rtol=1e-4)


# Repeats, suggestions.


def test_repeats_differ_in_the_order_of_the_data_and_are_reproducible():
    keras.utils.set_random_seed(2)
    model = small_model()
    results = [
        klr.find_learning_rate(
            model, X, Y, batch_size=16, steps=20, max_rate=0.1, repeats=3, seed=4, progress=False
        ).to_frame()
        for _ in range(2)
    ]
    assert list(results[0].columns) == ["learning_rate", "loss", "smoothed_loss", "repeat"]
    assert results[0].equals(results[1])
    first = [part["loss"].to_numpy()[:10] for _, part in results[0].groupby("repeat")]
    assert len(first) == 3
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(first[1], first[2])


def test_repeats_differ_in_dropout():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    result = klr.find_learning_rate(model, X, Y, batch_size=len(X), steps=12, repeats=2, progress=False)
    assert abs(result.sweeps[0].loss[0] - result.sweeps[1].loss[0]) > 1e-4


RECORDED = json.loads((Path(__file__).parents[1] / "support" / "suggestions.json").read_text())


@pytest.mark.parametrize("curve", RECORDED["curves"], ids=lambda curve: curve["name"])
@pytest.mark.parametrize("rule", suggestions.RULES)
def test_the_rules_are_those_of_fastai(curve, rule):
    theirs = curve["suggestions"][rule]
    result = result_of(curve["learning_rate"], curve["loss"], curve["smoothed_loss"], curve["steps"])
    assert result.suggestion(rule) == pytest.approx(theirs, rel=2e-6)


def result_of(rates, losses, smoothed=None, steps=None):
    losses = np.array(losses, np.float64)
    smoothed = losses if smoothed is None else np.array(smoothed, np.float64)
    sweep = Sweep(np.array(rates, np.float64), losses, smoothed)
    return klr.RangeTest((sweep,), len(rates) if steps is None else steps, False)


RATES = np.geomspace(1e-6, 1.0, 100)
NOISE = 0.7 + 0.1 * np.random.default_rng(0).normal(size=100)
BOWL = 2.0 - np.exp(-((np.log10(RATES) + 2.0) ** 2))


@pytest.mark.parametrize(
    ("losses", "rule", "reason"),
    [
        (BOWL[:11], "valley", "points of the curve are left"),
        (np.full(100, 0.7), "valley", "not more than its noise"),
        (NOISE, "steepest", "not more than its noise"),
        (np.linspace(1.0, 3.0, 100), "minimum", "not more than its noise"),
        (np.linspace(3.0, 1.0, 100), "minimum", "still falls at the end"),
        (np.full(100, np.nan), "valley", "0 points of the curve are left"),
        (np.concatenate([np.full(11, 3.0), np.full(89, 1.0)]), "valley", "does not fall over three points"),
        (np.linspace(3.0, 1.0, 22), "slide", "more than 15 points, but there are only 15"),
    ],
)
def test_a_curve_without_a_suggestion_gives_the_reason(losses, rule, reason):
    # This is the smoothing of the range test.
    weights = 0.98 ** np.abs(np.subtract.outer(np.arange(len(losses)), np.arange(len(losses))))
    weights = np.tril(weights)
    smoothed = (weights / weights.sum(axis=1, keepdims=True)) @ losses if losses is NOISE else losses
    result = result_of(RATES[: len(losses)], losses, smoothed)
    with pytest.warns(UserWarning, match=reason):
        assert result.suggestion(rule) is None
    assert reason in result.suggestions().set_index("rule").loc[rule, "reason"]


def test_losses_after_an_infinite_one_are_ignored():
    losses = BOWL.copy()
    cut = losses.copy()
    cut[80:] = np.inf
    cut[85:] = -100.0
    # fastai leaves out the last five points, and then the points that are not finite.
    assert result_of(RATES, cut).suggestion("minimum") == result_of(RATES, losses).suggestion("minimum")


def test_repeats_give_the_median_and_refuse_when_they_disagree():
    def shifted(decades):
        return Sweep(RATES, *(2.0 - np.exp(-((np.log10(RATES) + 2.0 + decades) ** 2)),) * 2)

    near = klr.RangeTest((shifted(0.0), shifted(0.3), shifted(-0.3)), 100, False)
    assert near.suggestion("minimum") == pytest.approx(1e-3, rel=0.08)
    far = klr.RangeTest((shifted(-1.0), shifted(1.0)), 100, False)
    with pytest.warns(UserWarning, match="more than a factor of ten"):
        assert far.suggestion("minimum") is None


def test_the_plot_marks_the_suggestions():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    ax = result_of(RATES, BOWL).plot()
    labels = ax.get_legend_handles_labels()[1]
    assert [label.split(":")[0] for label in labels[2:]] == ["valley", "steepest", "minimum", "slide"]
    assert ax.get_xscale() == "log"
    sweep = result_of(RATES, BOWL).sweeps[0]
    band = klr.RangeTest((sweep, sweep), 100, False).plot(ax)
    assert band is ax
    assert len(ax.collections) == 1
    matplotlib.pyplot.close("all")


def test_a_notebook_shows_the_curve_and_the_suggestions():
    test = result_of(RATES, BOWL)
    html = test._repr_html_()
    minimum = test.suggestion("minimum")
    assert sentence(html).startswith(
        "A range test of 100 batches, with rates from 1e-06 to 1. Suggested learning rates: "
    )
    assert f"{minimum:.2g} (minimum)" in sentence(html)
    assert [name.split(":")[0] for name in legend(html)] == ["smoothed loss", "valley", "steepest", "minimum", "slide"]
    drawn = points(html)
    np.testing.assert_allclose(read_back(drawn[:, 0], ticks(html, "middle"), log=True), RATES, rtol=0.01)
    np.testing.assert_allclose(read_back(drawn[:, 1], ticks(html, "end")), BOWL, atol=0.01)
    marks = [float(circle.get("cx")) for circle in root(html).iter("circle")]
    assert any(
        rate == pytest.approx(minimum, rel=0.02) for rate in read_back(np.array(marks), ticks(html, "middle"), True)
    )
    assert sentence(result_of(RATES, np.full(100, np.nan))._repr_html_()).endswith("No rule suggests a learning rate.")
    repeated = klr.RangeTest((test.sweeps[0],) * 2, 100, False)._repr_html_()
    assert "of 200 batches" in repeated
    assert repeated.count("fill-opacity") == 1


def test_a_result_is_frozen():
    result = result_of(RATES, BOWL)
    with pytest.raises(AttributeError):
        result.steps = 3


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"min_rate": 0.0}, ValueError, "`min_rate` must be a finite number > 0, got 0.0"),
        ({"max_rate": 1e-8}, ValueError, "`max_rate` must be more than `min_rate`"),
        ({"steps": 5}, ValueError, "`steps` must be a whole number of batches"),
        ({"smoothing": 1.0}, ValueError, "`smoothing` must be"),
        ({"divergence": 1.0}, ValueError, "`divergence` must be"),
        ({"repeats": 0}, ValueError, "`repeats` must be"),
        ({"seed": -1}, ValueError, "`seed` must be"),
        ({"progress": 1}, TypeError, "`progress` must be"),
        ({"only": ["x"]}, ValueError, "`only` must be"),
        ({"class_weight": {0: "much"}}, TypeError, "`class_weight` must be a dict of weights"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        klr.find_learning_rate(small_model(), X, Y, **arguments)


def test_wrong_models_are_refused():
    with pytest.raises(TypeError, match="`model` must be a compiled Keras model"):
        klr.find_learning_rate("model", X, Y)
    with pytest.raises(ValueError, match="compile"):
        klr.find_learning_rate(keras.Sequential([keras.layers.Dense(1)]), X, Y)
    with pytest.raises(ValueError, match="`rule` must be one of 'valley', 'steepest', 'minimum', 'slide'"):
        result_of(RATES, BOWL).suggestion("best")
