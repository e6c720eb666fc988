"""Models whose `compile` accepts several optimizers and whose `train_step` uses them, as in Keras's GAN examples."""

import keras
import numpy as np
import pytest
from support.backend import BACKEND
from support.training import Metric, fit

import keras_lr as klr
from keras_lr.optimizers import attributes, choice, lookup

in_fit = pytest.mark.skipif(
    BACKEND == "jax", reason="Keras on JAX gives `train_step` the variables of the optimizer of `compile` only"
)


class Pair(keras.Model):
    """Two weights with separate optimizers, and gradients of 1."""

    def __init__(self, repeats=1, **kwargs):
        super().__init__(**kwargs)
        self.d, self.g = (keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name) for name in "dg")
        self.repeats = repeats

    def build(self, shape):
        self.d.build(shape)
        self.g.build(shape)

    def call(self, x):
        return self.d(x) + self.g(x)

    def compile(self, d_optimizer, g_optimizer, **kwargs):
        super().compile(**kwargs)
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer

    def step(self):
        for _ in range(self.repeats):
            self.d_optimizer.apply([keras.ops.ones((1, 1))], [self.d.kernel])
        self.g_optimizer.apply([keras.ops.ones((1, 1))], [self.g.kernel])

    def train_step(self, data):
        self.step()
        return {"loss": 1.0}

    def fallen(self):
        return [-float(keras.ops.convert_to_numpy(layer.kernel).item()) for layer in (self.d, self.g)]


def pair(d=0.5, g=klr.Constant(0.25), repeats=1, **kwargs):
    model = Pair(repeats)
    model.build((None, 1))
    optimizers = keras.optimizers.SGD(d, name="one"), keras.optimizers.SGD(g, name="two")
    model.compile(*optimizers, run_eagerly=True, **kwargs)
    model.d_optimizer.build([model.d.kernel])
    model.g_optimizer.build([model.g.kernel])
    return model


def loop(model, *callbacks, epochs=3, batches=5):
    """A custom loop that calls the hooks, on every backend."""
    running = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=epochs, steps=batches, verbose=0)
    running.on_train_begin()
    for epoch in range(epochs):
        running.on_epoch_begin(epoch)
        for batch in range(batches):
            running.on_train_batch_begin(batch)
            model.step()
            running.on_train_batch_end(batch, {"loss": 1.0})
        running.on_epoch_end(epoch, {"loss": 1.0})
    running.on_train_end()


RUNS = [pytest.param(fit, marks=in_fit, id="fit"), pytest.param(loop, id="loop")]
pytestmark = pytest.mark.filterwarnings("ignore:.*the schedule is scaled from now on, but in your own training loop")


def plateau(**options):
    return klr.ReduceOnPlateau("metric", 0.5, 2, mode="min", **options)


@pytest.mark.few(4)
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    ("choice", "factors"),
    [
        (None, (0.5, 0.5)),
        ("d_optimizer", (0.5, 1.0)),
        ("two", (1.0, 0.5)),
        (["g_optimizer", "d_optimizer"], (0.5, 0.5)),
    ],
    ids=str,
)
def test_a_plateau_reduces_the_optimizers_that_train(run, choice, factors):
    model, log = pair(), klr.LearningRateLogger(optimizer=choice)
    run(model, Metric([1.0] * 4), plateau(optimizer=choice), log, epochs=4)
    np.testing.assert_allclose(model.fallen(), [0.5 * (15 + 5 * factors[0]), 0.25 * (15 + 5 * factors[1])])
    assert klr.get_learning_rate(model, "d_optimizer") == 0.5 * factors[0]
    names = {"d_optimizer": 0.5, "two": 0.25}
    columns = {"d_optimizer": "learning_rate_d_optimizer", "two": "learning_rate_g_optimizer"}
    frame = log.to_frame()
    wanted = {columns[name]: rate for name, rate in names.items() if choice in (None, name) or isinstance(choice, list)}
    assert [name for name in frame if name.startswith("learning_rate")] == list(wanted)
    assert frame.step.tolist() == list(range(20))
    for column, rate in wanted.items():
        factor = factors[column == "learning_rate_g_optimizer"]
        np.testing.assert_allclose(frame[column], [rate] * 15 + [rate * factor] * 5)
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 0


@pytest.mark.parametrize("run", RUNS)
def test_schedules_in_units_are_bound(run):
    line = klr.LinearDecay(0.5, klr.fraction(1.0))
    model, log = pair(line, klr.Constant(0.25) * klr.LinearDecay(1.0, klr.epochs(2))), klr.LearningRateLogger()
    run(model, klr.BindSchedule(), log, epochs=2)
    rates = klr.LinearDecay(0.5, 10).values(range(10))
    np.testing.assert_allclose(log.to_frame().learning_rate_d_optimizer, rates, rtol=1e-6)
    np.testing.assert_allclose(log.to_frame().learning_rate_g_optimizer, 0.5 * rates, rtol=1e-6)
    np.testing.assert_allclose(model.fallen(), [rates.sum(), 0.5 * rates.sum()], rtol=1e-5)


def test_an_optimizer_that_steps_several_times_in_a_batch_has_the_rates_of_its_own_steps():
    line = klr.LinearDecay(0.5, 100)
    model, log = pair(line, line, repeats=3), klr.LearningRateLogger(audit=False)
    loop(model, log, epochs=2)
    frame = log.to_frame()
    assert frame.step.tolist() == list(range(10))
    np.testing.assert_allclose(frame.learning_rate_g_optimizer, line.values(range(10)), rtol=1e-6)
    np.testing.assert_allclose(frame.learning_rate_d_optimizer, line.values(range(0, 30, 3)), rtol=1e-6)


@pytest.mark.parametrize("choice", [None, "d_optimizer"])
def test_the_optimizers_are_not_looked_for_in_each_batch(monkeypatch, choice):
    """Whether that of `compile` is used follows from its counter, and to read it waits for the device."""

    def looked(batches):
        calls = []
        with monkeypatch.context() as patch:
            survey = attributes.survey
            patch.setattr(attributes, "survey", lambda model: calls.append(model) or survey(model))
            loop(pair(), klr.LearningRateLogger(optimizer=choice, audit=False), epochs=2, batches=batches)
        return len(calls)

    assert 0 < looked(4) == looked(40)


def test_an_optimizer_that_is_exchanged_within_an_epoch():
    model, log = pair(), klr.LearningRateLogger(audit=False)

    class Exchange(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                model.d_optimizer = keras.optimizers.SGD(0.125)
                model.d_optimizer.build([model.d.kernel])

    loop(model, log, Exchange(), epochs=1)
    frame = log.to_frame()
    assert frame.learning_rate_d_optimizer.tolist() == [0.5] * 3 + [0.125] * 2
    assert model.fallen()[0] == 0.5 * 3 + 0.125 * 2


def test_the_default_optimizer_beside_others_that_are_not_used():
    """Only after the first batch it is known that the default optimizer of `compile` trains."""
    model, log = pair(), klr.LearningRateLogger(audit=False)
    model.optimizer.build([model.d.kernel])
    model.step = lambda: model.optimizer.apply([keras.ops.ones((1, 1))], [model.d.kernel])
    loop(model, log, epochs=2)
    frame = log.to_frame()
    assert [name for name in frame if name.startswith("learning_rate")] == ["learning_rate"]
    assert frame.step.tolist() == list(range(10))


@in_fit
def test_the_state_is_saved_and_resumed(tmp_path):
    whole, first, again = pair(), pair(), pair()
    for model in (first, again):
        model.optimizer.build(
            model.trainable_variables
        )  # this optimizer is not used, and only TensorFlow does not build it
    fit(whole, Metric([1.0] * 9), plateau(), epochs=6)
    fit(first, Metric([1.0] * 9), plateau(), epochs=4)
    first.save_weights(tmp_path / "x.weights.h5")
    again.load_weights(tmp_path / "x.weights.h5")
    fit(again, Metric([1.0] * 9), plateau(), initial_epoch=4, epochs=6)
    assert again.fallen() == whole.fallen()


class Broken(keras.callbacks.Callback):
    """Interrupts the training in the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@in_fit
def test_a_backup_is_resumed(tmp_path):
    """The default optimizer of `compile` has no variables yet when a backup is written on TensorFlow."""
    with pytest.raises(KeyboardInterrupt):
        fit(pair(), klr.BackupAndRestore(tmp_path), Broken())
    model = pair()
    fit(model, klr.BackupAndRestore(tmp_path))
    assert model.fallen() == pytest.approx([0.5 * 15, 0.25 * 15])


def test_the_optimizer_of_compile_is_the_default_until_others_are_named():
    """By default a callback uses it alone. Named optimizers count until the next `compile`."""
    model = pair(optimizer=keras.optimizers.SGD(0.125, name="third"))
    assert [rated.column for rated in lookup.rated_optimizers(model)] == ["learning_rate"]
    model.optimizer.build([model.d.kernel])
    model.step = lambda: model.optimizer.apply([keras.ops.ones((1, 1))], [model.d.kernel])
    callback = klr.ReduceOnPlateau("metric", 0.5, 1, mode="min", optimizer=["optimizer", model.g_optimizer])
    loop(model, Metric([1.0] * 2), callback, epochs=2)
    rates = {rated.column: rated.rate() for rated in lookup.rated_optimizers(model)}
    assert rates == {"learning_rate": 0.0625, "learning_rate_g_optimizer": 0.125}
    assert klr.get_learning_rate(model, "third") == 0.0625
    # The next `compile` begins another training.
    model.compile(model.d_optimizer, model.g_optimizer, optimizer=keras.optimizers.SGD(0.125), run_eagerly=True)
    assert [rated.column for rated in lookup.rated_optimizers(model)] == ["learning_rate"]


@pytest.mark.once
def test_parts_of_a_multi_optimizer_can_be_chosen():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="a"), keras.layers.Dense(1, name="b")])
    slow, fast = keras.optimizers.SGD(0.5, name="slow"), keras.optimizers.SGD(0.5, name="fast")
    chosen = keras.optimizers.OptimizerMap(slow, {"a/.*": fast})
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss="mse", run_eagerly=True)
    for given in ("fast", fast, ["fast"]):
        found = choice.chosen("X", model, klr.BindSchedule(optimizer=given).optimizer)
        assert [rated.optimizer for rated in found] == [fast]
    assert len(choice.chosen("X", model, (model.optimizer,))) == 2


@pytest.mark.once
@pytest.mark.parametrize("make", [plateau, klr.BindSchedule, klr.LearningRateLogger])
def test_an_unknown_name_is_refused(make):
    callback = make(optimizer="e")
    callback.set_model(pair())
    owner, names = type(callback).__name__, "'d_optimizer', 'g_optimizer', 'one', 'two'"
    with pytest.raises(ValueError, match=f"^{owner}: `optimizer` must be one of {names}, got 'e'$"):
        callback.on_train_begin()


@pytest.mark.once
@pytest.mark.parametrize(("wrong", "error"), [(3, TypeError), ([], ValueError), ([0.1], TypeError)])
def test_an_object_that_is_no_optimizer_is_refused(wrong, error):
    for make in (klr.ReduceOnPlateau, klr.BindSchedule, klr.LearningRateLogger):
        with pytest.raises(
            error, match="`optimizer` must be an optimizer, the name of one, a non-empty list of them, or"
        ):
            make(optimizer=wrong)
    message = "ReduceOnPlateau: `optimizer` must be left out if `optimizers` is given, got .*'a'"
    with pytest.raises(ValueError, match=f"^{message}"):
        klr.ReduceOnPlateau(optimizer="a", optimizers=["a"])


class Hidden(Pair):
    """Stores its optimizers in a dict, where the package does not look."""

    def compile(self, d_optimizer, g_optimizer, **kwargs):
        keras.Model.compile(self, **kwargs)
        self.hidden = {"d": d_optimizer, "g": g_optimizer}

    def step(self):
        self.hidden["d"].apply([keras.ops.ones((1, 1))], [self.d.kernel])


@in_fit
@pytest.mark.parametrize("make", [plateau, klr.BindSchedule, klr.LearningRateLogger])
def test_a_warning_if_no_optimizer_is_found(make):
    model = Hidden()
    model.build((None, 1))
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), run_eagerly=True)
    with pytest.warns(klr.ScheduleWarning, match="optimizer 'rm_sprop.*' of `compile` made no step in the first batch"):
        fit(model, Metric([1.0]), make(), epochs=1)
    model = Hidden()
    model.build((None, 1))
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), run_eagerly=True)
    fit(model, Metric([1.0] * 3), plateau(optimizer=model.hidden["d"]), epochs=3)
    assert float(model.hidden["d"].learning_rate) == 0.25
