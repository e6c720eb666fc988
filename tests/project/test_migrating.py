"""Each line of docs/migrating.md gives the curve of the scheduler that it replaces."""

import json
import re

import numpy as np
import pytest
from support.migrations import CURVES, LIVE, PAGE, RECORDED, curve, lines
from support.needs import library, needs
from support.public import PUBLIC

import keras_lr as klr
from keras_lr.callbacks.plateau_rule import PlateauRule, PlateauState

pytestmark = [pytest.mark.once, needs("jax", "optax", "torch")]

jax, optax, torch = library("jax"), library("optax"), library("torch")

LINES = lines()


def expected(line):
    if line.package in LIVE:
        return curve(line)
    return json.loads(RECORDED.read_text())[line.package]["curves"][line.theirs]


# torch warns about the order of `optimizer.step` and `scheduler.step`.
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning")
@pytest.mark.parametrize("line", LINES, ids=[line.id for line in LINES])
def test_line(line):
    ours = eval(line.ours, dict(PUBLIC))
    rates = np.array(expected(line))
    assert len(rates) == line.steps
    # fastai and TensorFlow Addons compute in float32, and their positions are rounded.
    np.testing.assert_allclose(ours.values(np.arange(line.steps)), rates, rtol=0, atol=2e-6 * rates.max())


def test_every_row_of_the_page_is_tested():
    rows = [row for row in PAGE.read_text().splitlines() if re.match(r"\| `", row)]
    assert len(rows) == len(LINES) > 60
    assert {line.package for line in LINES} == set(CURVES)


def test_every_scheduler_of_torch_optax_and_keras_has_a_row():
    import keras

    text = PAGE.read_text()
    names = [name for name in vars(torch.optim.lr_scheduler) if re.fullmatch(r"[A-Z]\w*(LR|Scheduler|Restarts)", name)]
    names = [name for name in names if name not in ("LRScheduler", "_LRScheduler")]
    names += [name for name in vars(optax.schedules) if re.search(r"_(schedule|decay|schedules)$", name)]
    names += [
        name
        for name, value in vars(keras.optimizers.schedules).items()
        if isinstance(value, type) and name != "LearningRateSchedule"
    ]
    assert len(names) > 30
    assert [name for name in names if name not in text] == []


@pytest.mark.once
@pytest.mark.parametrize(("patience", "cooldown", "rtol"), [(1, 0, 1e-4), (2, 0, 0.01), (3, 2, 0.01), (4, 1, 0.05)])
def test_optax_plateau(patience, cooldown, rtol):

    transform = optax.contrib.reduce_on_plateau(factor=0.5, patience=patience, cooldown=cooldown, rtol=rtol)
    scales = transform.init({})
    update = jax.jit(lambda state, value: transform.update({}, state, value=value)[1])
    rule, state, scale = PlateauRule("min", patience, rtol, "rel", cooldown), PlateauState(), 1.0
    metrics = np.concatenate([np.random.default_rng(7).uniform(1.0, 2.0, 60), np.exp(-np.arange(40) / 9)])
    for metric in metrics.astype(np.float32):
        scales = update(scales, metric)
        state, due = rule.observe(state, float(metric))
        if due:
            state, scale = rule.reduced(state), scale * 0.5
        assert float(scales.scale) == scale
    assert scale < 1e-2


@pytest.mark.once
def test_a_function_of_the_epoch():
    """`LearningRateScheduler(f)` keeps the rate at `f(epoch)` during an epoch."""
    import keras

    def function(epoch):
        return 0.1 / (1 + epoch)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.7), loss="mse")
    callback = keras.callbacks.LearningRateScheduler(function)
    callback.set_model(model)
    ours = klr.PerUpdate(klr.from_function(function, 9), 4).values(range(36))
    for epoch in range(9):
        callback.on_epoch_begin(epoch)
        rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        np.testing.assert_allclose(ours[4 * epoch : 4 * epoch + 4], rate, rtol=1e-6)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_torch_plateau(mode):
    """A patience of p in torch is p + 1 here. The threshold is relative."""
    numbers = np.random.default_rng(7)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, factor=0.5, patience=3, cooldown=2, threshold=0.01, eps=0.0
    )
    rule, state, rate, reductions = PlateauRule(mode, 4, 0.01, "rel", 2), PlateauState(), 1.0, 0
    for metric in numbers.uniform(1.0, 2.0, 400):
        scheduler.step(metric)
        state, due = rule.observe(state, metric)
        if due:
            state, rate, reductions = rule.reduced(state), rate * 0.5, reductions + 1
        assert optimizer.param_groups[0]["lr"] == rate
    assert reductions > 10
