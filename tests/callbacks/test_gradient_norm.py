"""`LearningRateLogger(gradient_norm=True)`: the norm of the gradient that the step computed."""

import keras
import numpy as np
import pytest
from support.backend import BACKEND
from support.training import data, fit, model_with

from keras_lr import LearningRateLogger, Scheduled, refine


def weighted(rate=0.1, optimizer=None, **compile_args):
    """A linear model on inputs of 1, whose gradient is 1 for each of its two weights."""
    return model_with(rate, optimizer, units=2, **compile_args)


def recorded(model, **args):
    log = LearningRateLogger(audit=False, gradient_norm=True)
    fit(model, log, **args)
    return log.to_frame()


def test_the_norm_of_each_batch_is_that_of_its_gradient():
    """The loss is Σ w·x over the outputs, averaged over the batch. So both gradients are the mean of the inputs."""
    model = weighted()
    x = np.arange(1.0, 9.0, dtype="float32")[:, None]
    log = LearningRateLogger(("loss",), audit=False, gradient_norm=True)
    model.fit(x, np.zeros_like(x), batch_size=2, epochs=2, shuffle=False, verbose=0, callbacks=[log])
    frame = log.to_frame()
    assert frame.columns.tolist() == ["step", "epoch", "batch", "learning_rate", "loss", "gradient_norm"]
    means = np.array([1.5, 3.5, 5.5, 7.5] * 2)
    np.testing.assert_allclose(frame["gradient_norm"], means * np.sqrt(2.0), rtol=1e-6)


def test_the_optimizer_is_restored_and_its_files_are_unchanged(tmp_path):
    model = weighted(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    path = tmp_path / "model.keras"
    save = keras.callbacks.ModelCheckpoint(path)
    log = LearningRateLogger(audit=False, gradient_norm=True)
    fit(model, log, save, epochs=2)
    loaded = keras.saving.load_model(path)
    names = [variable.path for variable in model.optimizer.variables]
    assert len(loaded.optimizer.variables) == len(names)
    assert not any("gradient_norm" in name for name in names)
    for a, b in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    weights = model.get_weights()[0]
    plain = weighted(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    fit(plain, epochs=2)
    np.testing.assert_allclose(plain.get_weights()[0], weights, rtol=1e-6)


def test_fits_with_and_without_the_norm_alternate():
    model = weighted()
    fit(model, epochs=1)
    frame = recorded(model, epochs=1)
    np.testing.assert_allclose(frame["gradient_norm"], np.sqrt(2.0), rtol=1e-6)
    fit(model, epochs=1)
    again = recorded(model, epochs=1)
    assert len(again) == 5
    np.testing.assert_allclose(again["gradient_norm"], np.sqrt(2.0), rtol=1e-6)


def test_the_norm_is_taken_before_clipping_also_with_scheduled():
    model = weighted(optimizer=Scheduled(keras.optimizers.SGD(0.1, momentum=0.5, clipnorm=0.1)))
    np.testing.assert_allclose(recorded(model, epochs=1)["gradient_norm"], np.sqrt(2.0), rtol=1e-6)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras refuses steps_per_execution on torch")
def test_with_steps_per_execution_the_last_row_has_the_norm():
    frame = recorded(weighted(steps_per_execution=2), epochs=1, batches=4)
    assert frame["gradient_norm"].isna().tolist() == [True, False, True, False]


def test_the_norm_includes_the_rows_of_an_embedding():
    model = keras.Sequential([keras.Input((1,), dtype="int32"), keras.layers.Embedding(5, 2, "zeros")])
    model.compile(keras.optimizers.SGD(0.1), loss=lambda y, prediction: keras.ops.sum(prediction, axis=(1, 2)))
    log = LearningRateLogger(audit=False, gradient_norm=True)
    x = np.array([[1], [1], [3], [4]], "int32")
    model.fit(x, np.zeros((4, 1), "float32"), batch_size=4, verbose=0, callbacks=[log])
    # The gradients of the three rows are 2/4, 1/4 and 1/4, in two columns each.
    assert log.to_frame()["gradient_norm"].item() == pytest.approx(np.sqrt(2 * (0.25 + 2 * 0.0625)))


def test_a_loss_scale_optimizer_and_a_wrong_argument_are_refused():
    scaled = weighted(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)))
    with pytest.raises(ValueError, match="`gradient_norm` must be False with LossScaleOptimizer"):
        recorded(scaled)
    with pytest.raises(TypeError, match="`gradient_norm` must be True or False, got 1"):
        LearningRateLogger(gradient_norm=1)


def test_a_recorded_log_can_be_refined():
    pytest.importorskip("scipy")
    log = LearningRateLogger(audit=False, gradient_norm=True)
    model = weighted()
    x, y = data(20)
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[log])
    # For equal norms the refined schedule is a line to 0.
    np.testing.assert_allclose(refine(log).values(np.arange(20)), 0.1 * np.arange(19, -1, -1) / 19, rtol=1e-5)
