"""Schedules in the optimizers of optax and torch, without Keras's."""

import io
import math
import pickle

import keras
import numpy as np
import pytest
from support.needs import library

import keras_lr as klr

jax, optax, torch = library("jax"), library("optax"), library("torch")

SCHEDULE = klr.Warmup(klr.LinearDecay(0.8, 8), 4)
RATES = [0.0, 0.2, 0.4, 0.6, 0.8, 0.7, 0.6]
"""Computed by hand: 0.2 up for 4 steps, and then 0.1 down."""

needs_jax = pytest.mark.skipif(keras.config.backend() != "jax", reason="a compiled step of JAX needs Keras on JAX")


@pytest.mark.once
def test_a_callable_returns_floats_and_arrays():
    function = SCHEDULE.as_callable()
    assert [function(step) for step in range(7)] == pytest.approx(RATES, abs=1e-15)
    assert {type(function(step)) for step in (0, 5, np.int64(3), np.float32(2.0), 10**9)} == {float}
    np.testing.assert_allclose(function(np.arange(7)), RATES, atol=1e-15)
    assert function([[1, 2]]).shape == (1, 2)
    assert pickle.loads(pickle.dumps(function))(5) == function(5)
    stock = keras.optimizers.schedules.ExponentialDecay(0.8, 1, 0.5)
    assert klr.Warmup(stock, 0).as_callable()(1) == pytest.approx(0.4)
    assert type(klr.Warmup(stock, 0).as_callable()(1)) is float


@pytest.mark.once
def test_invalid_steps_are_refused():
    with pytest.raises(ValueError, match=r"^Warmup: `step` must be a whole number >= 0, or an array of them, got -1$"):
        SCHEDULE.as_callable()(-1)
    with pytest.raises(TypeError, match=r"^Warmup: `step` must be a whole number >= 0"):
        SCHEDULE.as_callable()("3")
    with pytest.raises(ValueError, match="is not bound"):
        klr.LinearDecay(0.1, klr.epochs(3)).as_callable()


@pytest.mark.once
def test_torch_accepts_it_and_its_state_can_be_loaded():
    """The gradient of a sum is 1, so the weight falls by the sum of the rates."""
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, SCHEDULE.as_callable())
    for step, rate in enumerate(RATES):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate, abs=1e-15)
        assert type(optimizer.param_groups[0]["lr"]) is float
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()
        scheduler.step()
        assert weight.item() == pytest.approx(-sum(RATES[: step + 1]), rel=1e-6)
    # A NumPy number could be saved, but not loaded with torch's default, `weights_only=True`.
    file = io.BytesIO()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], file)
    file.seek(0)
    saved, position = torch.load(file)
    other = torch.optim.SGD([weight], lr=1.0)
    other.load_state_dict(saved)
    resumed = torch.optim.lr_scheduler.LambdaLR(torch.optim.SGD([weight], lr=1.0), SCHEDULE.as_callable())
    resumed.load_state_dict(position)
    assert resumed.get_last_lr() == [pytest.approx(0.5)]


def trained(learning_rate, compiled):
    """The weight after each update with a gradient of 1."""
    transform = optax.sgd(learning_rate=learning_rate)
    update = jax.jit(transform.update) if compiled else transform.update
    weight = jax.numpy.zeros(())
    state, seen = transform.init(weight), []
    for _ in RATES:
        change, state = update(jax.numpy.ones(()), state)
        weight = optax.apply_updates(weight, change)
        seen.append(float(weight))
    return seen


FALLEN = [-math.fsum(RATES[: count + 1]) for count in range(len(RATES))]


def test_optax_accepts_it():
    np.testing.assert_allclose(trained(SCHEDULE.as_callable(), compiled=False), FALLEN, atol=1e-6)


@needs_jax
def test_optax_accepts_it_in_a_compiled_step():
    np.testing.assert_allclose(trained(SCHEDULE.as_callable(), compiled=True), FALLEN, atol=1e-6)
    np.testing.assert_allclose(trained(SCHEDULE, compiled=True), FALLEN, atol=1e-6)
    injected = optax.inject_hyperparams(optax.sgd)(learning_rate=SCHEDULE.as_callable())
    state = injected.init(jax.numpy.zeros(()))
    for rate in RATES:
        _, state = jax.jit(injected.update)(jax.numpy.ones(()), state)
        assert float(state.hyperparams["learning_rate"]) == pytest.approx(rate, abs=1e-7)


@pytest.mark.skipif(keras.config.backend() == "jax", reason="there it works")
def test_in_a_compiled_step_of_another_backend_the_error_says_what_to_do():
    with pytest.raises(TypeError, match=r"^Warmup: `step` must be a number that is known, .*KERAS_BACKEND=jax, got "):
        trained(SCHEDULE.as_callable(), compiled=True)
