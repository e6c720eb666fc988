"""If the rate is changed within an epoch, the log has the rate that moved the weights."""

import keras
import numpy as np
import pytest
from support.training import Weight, assert_applied, data, fit, model_with

import keras_lr as klr
from keras_lr.callbacks.log_reader import read_frame

DECAY = klr.LinearDecay(0.4, 40)
CHANGES = {
    "number to number": (0.4, 0.1),
    "number to schedule": (0.4, klr.StepDecay(0.3, 2)),
    "schedule to number": (DECAY, 0.1),
    "schedule to schedule": (DECAY, klr.StepDecay(0.3, 2)),
}


class Change(keras.callbacks.Callback):
    """Sets another rate in a hook of the seventh batch."""

    def __init__(self, hook, rate):
        super().__init__()
        self.calls, self.rate = 0, rate
        setattr(self, hook, self.change)

    def change(self, batch, logs=None):
        self.calls += 1
        if self.calls == 7:
            klr.set_learning_rate(self.model, self.rate)


@pytest.mark.few(6)
@pytest.mark.parametrize("metrics", [(), ("loss",)], ids=str)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
@pytest.mark.parametrize("case", CHANGES)
def test_a_rate_that_is_set_within_an_epoch_is_logged(tmp_path, case, hook, first, metrics):
    before, after = CHANGES[case]
    log, weight = klr.LearningRateLogger(metrics, tmp_path / "log.csv", audit=False), Weight()
    change = Change(hook, after)
    fit(model_with(before), *([change, log] if first else [log, change]), weight, epochs=2)
    frame = log.to_frame()
    assert_applied(weight, frame.learning_rate)
    steps, at = np.arange(10), 6 if hook == "on_train_batch_begin" else 7
    old, new = (rate.values(steps) if isinstance(rate, klr.Schedule) else np.full(10, rate) for rate in (before, after))
    np.testing.assert_allclose(frame.learning_rate, np.where(steps < at, old, new), rtol=1e-6)
    assert frame.batch.tolist() == [*range(5), *range(5)]
    assert read_frame(tmp_path / "log.csv").step.tolist() == list(range(10))


@pytest.mark.parametrize("case", ["number to number", "number to schedule", "schedule to schedule"])
def test_rates_in_an_eager_custom_loop_are_logged(case):
    """The user calls the hooks around an update that is not compiled, and changes the rate between epochs."""
    before, after = CHANGES[case]
    model = model_with(before)
    log, weight = klr.LearningRateLogger(audit=False), Weight()
    callbacks = [log, weight]
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    optimizer, variables = model.optimizer, model.trainable_variables
    optimizer.build(variables)
    for epoch in range(2):
        for callback in callbacks:
            callback.on_epoch_begin(epoch)
        for batch in range(3):
            for callback in callbacks:
                callback.on_train_batch_begin(batch)
            optimizer.apply([keras.ops.ones(variable.shape) for variable in variables], variables)
            for callback in callbacks:
                callback.on_train_batch_end(batch, {})
        for callback in callbacks:
            callback.on_epoch_end(epoch, {})
        if epoch == 0:
            klr.set_learning_rate(model, after)
    for callback in callbacks:
        callback.on_train_end()
    assert_applied(weight, log.to_frame().learning_rate)
    assert log.to_frame().learning_rate.nunique() >= 2


def test_a_loop_without_the_first_hook_is_refused():
    log, model = klr.LearningRateLogger(), model_with(0.1)
    log.set_model(model)
    with pytest.raises(
        ValueError, match="^LearningRateLogger: `on_train_begin` must be called before the other hooks$"
    ):
        log.on_epoch_begin(0)


def test_rates_are_logged_when_the_number_of_one_optimizer_becomes_a_schedule():
    """On JAX the optimizer then has one variable fewer, which changes the positions of later variables."""
    inputs = keras.Input((1,))
    parts = [keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, keras.layers.Concatenate()(parts))
    chosen = keras.optimizers.OptimizerMap(
        keras.optimizers.SGD(0.5, name="a"), {"b/.*": keras.optimizers.SGD(0.25, name="b")}
    )
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss=lambda y, p: keras.ops.sum(p, axis=-1))
    log = klr.LearningRateLogger(audit=False)

    class Both(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append([float(np.squeeze(array)) for array in self.model.get_weights()])
            if batch == 1:
                klr.set_learning_rate(self.model, klr.Constant(0.125), optimizer="a")

    seen = [[0.0, 0.0]]
    x, y = data(4)
    model.fit(x, y, batch_size=4, epochs=1, verbose=0, shuffle=False, callbacks=[Both(), log])
    frame = log.to_frame()
    np.testing.assert_allclose(-np.diff(np.array(seen)[:, 0]), frame.learning_rate_a, rtol=1e-6)
    np.testing.assert_allclose(-np.diff(np.array(seen)[:, 1]), frame.learning_rate_b, rtol=1e-6)
    assert frame.learning_rate_a.tolist() == [0.5, 0.5, 0.125, 0.125]
