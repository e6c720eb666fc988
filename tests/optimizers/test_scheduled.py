"""With `Scheduled` the weights equal those of Keras's optimizers that are given the value of each step."""

import inspect

import keras
import numpy as np
import pytest
from support.backend import BACKEND
from support.needs import needs
from support.processes import printed_lines
from support.training import Weight, prediction_sum, saved_and_loaded

import keras_lr as klr
from keras_lr import Scheduled
from keras_lr.optimizers import scheduled

STEPS = 12
GRADIENTS = np.random.default_rng(4).normal(size=(STEPS, 5)).astype("float32")
KERNEL = np.array([[0.5], [-1.0], [0.25], [2.0], [-0.125]], "float32")
FALL = klr.LinearDecay(0.9, 9)
RISE = klr.Warmup(0.9, 9, start=0.2)


def model_with(optimizer, **options):
    """A model whose gradient is its input."""
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, use_bias=False, name="line")])
    model.set_weights([KERNEL])
    model.compile(optimizer, loss=prediction_sum, **options)
    return model


def train(optimizer, *callbacks, gradients=GRADIENTS, **options):
    """A model after `fit` with one gradient for each step."""
    fit_options = {name: options.pop(name) for name in ("epochs", "initial_epoch") if name in options}
    model = model_with(optimizer, **options)
    x = np.asarray(gradients)
    model.fit(
        x, np.zeros((len(x), 1)), batch_size=1, shuffle=False, verbose=0, callbacks=list(callbacks), **fit_options
    )
    return model


def by_hand(make, gradients=GRADIENTS):
    """Weights and slots, if each step has a new Keras optimizer that continues with the slots of the previous one."""
    weight, slots = keras.Variable(KERNEL, name="kernel"), None
    for step, gradient in enumerate(gradients):
        optimizer = make(step)
        optimizer.build([weight])
        if slots is not None:
            for variable, value in zip(optimizer.variables, slots, strict=True):
                if not variable.path.endswith("learning_rate"):
                    variable.assign(value)
        optimizer.apply([keras.ops.convert_to_tensor(gradient[:, None])], [weight])
        slots = [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]
    return keras.ops.convert_to_numpy(weight), slots


CASES = {
    "sgd": ("SGD", {}, {"momentum": FALL}),
    "sgd-from-0": ("SGD", {"momentum": 0.7}, {"momentum": klr.Warmup(0.9, 9)}),
    "sgd-nesterov": ("SGD", {"nesterov": True}, {"momentum": FALL}),
    "sgd-decay": ("SGD", {"momentum": 0.9}, {"weight_decay": FALL}),
    "rmsprop": ("RMSprop", {}, {"momentum": FALL, "rho": RISE}),
    "rmsprop-rho": ("RMSprop", {}, {"rho": RISE}),
    "rmsprop-centered": ("RMSprop", {"centered": True}, {"momentum": FALL, "rho": RISE}),
    "adadelta": ("Adadelta", {}, {"rho": RISE}),
    "adagrad": ("Adagrad", {}, {"weight_decay": FALL}),
    "adam": ("Adam", {}, {"beta_1": FALL, "beta_2": RISE}),
    "adam-amsgrad": ("Adam", {"amsgrad": True}, {"beta_1": RISE}),
    "adamw": ("AdamW", {}, {"beta_1": RISE, "beta_2": RISE, "weight_decay": FALL}),
    "nadam": ("Nadam", {}, {"beta_1": RISE, "beta_2": RISE}),
    "adamax": ("Adamax", {}, {"beta_1": RISE, "beta_2": RISE}),
    "lamb": ("Lamb", {}, {"beta_1": RISE, "beta_2": RISE}),
    "lion": ("Lion", {}, {"beta_1": RISE, "beta_2": FALL, "weight_decay": FALL}),
    "muon": ("Muon", {}, {"momentum": RISE, "weight_decay": FALL}),
    "muon-adam": ("Muon", {"exclude_layers": ["kernel"]}, {"adam_beta_1": RISE, "adam_beta_2": RISE}),
    "clipnorm": ("SGD", {}, {"clipnorm": FALL + 0.1}),
    "global-clipnorm": ("SGD", {"momentum": 0.5}, {"global_clipnorm": FALL + 0.1}),
    "ema": ("SGD", {"use_ema": True}, {"ema_momentum": FALL}),
}


@pytest.mark.few(6)
@pytest.mark.parametrize("name", CASES)
def test_each_step_is_that_of_the_stock_optimizer_with_its_value(name):
    kind, options, schedules = CASES[name]
    stock = getattr(keras.optimizers, kind)
    rate = klr.LinearDecay(0.1, 40)

    def make(step):
        # Keras has no slot for a momentum of exactly 0.
        values = {name: max(float(schedule.values(step)), 1e-30) for name, schedule in schedules.items()}
        return stock(float(rate.values(step)), **{**options, **values})

    weight, slots = by_hand(make)
    model = train(Scheduled(stock(rate, **options), **schedules))
    np.testing.assert_allclose(model.get_weights()[0], weight, rtol=1e-4, atol=1e-5)
    mine = [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables]
    theirs = [slot for slot in slots if slot.ndim]
    for a, b in zip([slot for slot in mine if slot.ndim], theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    # The value of each step matters. With that of the first step alone, the weights would be different.
    frozen, frozen_slots = by_hand(lambda step: make(0))
    same = [
        np.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip([weight, *slots], [frozen, *frozen_slots], strict=True)
    ]
    assert not all(same)


EVERY = [(kind, name) for kind, own in scheduled.OWN.items() for name in own + scheduled.EVERYWHERE]


def applied(optimizer):
    """The weights and slots after each gradient was applied, without a model."""
    weight = keras.Variable(KERNEL, name="kernel")
    optimizer.build([weight])
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient[:, None])], [weight])
    found = [keras.ops.convert_to_numpy(variable) for variable in [weight, *optimizer.variables]]
    return [value for value in found if value.ndim]


@pytest.mark.few(13)
@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_hyperparameter_of_every_optimizer(kind, name):
    stock, rate = getattr(keras.optimizers, kind), klr.LinearDecay(0.5, 40)
    schedule = {"weight_decay": FALL, "adam_weight_decay": FALL, "clipnorm": 2 * FALL, "global_clipnorm": 2 * FALL}.get(
        name, RISE
    )
    options = {"use_ema": True} if name == "ema_momentum" else {}
    options |= {"exclude_layers": ["kernel"]} if name.startswith("adam_") else {}
    # A `clipnorm` of 0 means to Keras that nothing is clipped.
    schedule = schedule + 0.1 if "clipnorm" in name else schedule
    mine = applied(Scheduled(stock(rate, **options), **{name: schedule}))

    def make(step):
        return stock(float(rate.values(step)), **options, **{name: max(float(schedule.values(step)), 1e-30)})

    weight, slots = by_hand(make)
    for a, b in zip(mine, [weight, *[slot for slot in slots if slot.ndim]], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    frozen = applied(stock(rate, **options, **{name: float(schedule.values(0))}))
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(mine, frozen, strict=True))
    constant = applied(Scheduled(stock(rate, **options), **{name: klr.Constant(0.5)}))
    for a, b in zip(constant, applied(stock(rate, **options, **{name: 0.5})), strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_keras_optimizer_is_supported():
    """`ScheduleFreeAdamW` is left out, because it is meant for training without a schedule."""
    existing = {name for name, kind in vars(keras.optimizers).items() if inspect.isclass(kind)}
    others = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap", "ScheduleFreeAdamW"}
    assert set(scheduled.OWN) == existing - others


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("SGD", {"momentum": 0.9}),
        ("RMSprop", {"momentum": 0.6, "rho": 0.8}),
        ("Adam", {"beta_1": 0.8, "beta_2": 0.99}),
        ("AdamW", {"weight_decay": 0.02}),
        ("Lion", {"beta_1": 0.8}),
        ("Muon", {"momentum": 0.8}),
        ("SGD", {"clipnorm": 0.5}),
    ],
)
def test_a_constant_is_the_stock_optimizer_bit_for_bit(kind, values):
    stock = getattr(keras.optimizers, kind)
    schedules = {name: klr.Constant(value) for name, value in values.items()}
    mine, theirs = train(Scheduled(stock(0.1), **schedules)), train(stock(0.1, **values))
    np.testing.assert_array_equal(mine.get_weights()[0], theirs.get_weights()[0])


def test_nothing_moves_with_a_rate_and_a_momentum_of_0():
    for rate in (0.0, klr.Constant(0.0)):
        model = train(Scheduled(keras.optimizers.SGD(rate), momentum=klr.LinearDecay(0.0, 5)))
        np.testing.assert_array_equal(model.get_weights()[0], KERNEL)


def test_nothing_moves_in_adamw_with_a_rate_of_0():
    """Keras multiplies the decay by the rate (requirement R-21). An independent decay continues."""
    model = train(keras.optimizers.AdamW(0.0, weight_decay=0.5))
    np.testing.assert_array_equal(model.get_weights()[0], KERNEL)
    optimizer = Scheduled(
        keras.optimizers.AdamW(0.0), weight_decay=klr.Sequential([0.5, 0.0], [2]), independent_weight_decay=True
    )
    np.testing.assert_allclose(train(optimizer).get_weights()[0], KERNEL / 4, rtol=1e-6)


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_an_independent_weight_decay_follows_its_own_schedule_alone(kind):
    stock, decay, rate = getattr(keras.optimizers, kind), klr.LinearDecay(0.2, 9), klr.Warmup(0.1, 6)
    optimizer = Scheduled(stock(rate), weight_decay=decay, independent_weight_decay=True)
    model = train(optimizer, gradients=np.zeros((STEPS, 5), "float32"))
    np.testing.assert_allclose(model.get_weights()[0], KERNEL * np.prod(1 - decay.values(range(STEPS))), rtol=1e-5)


# Momentum correction.


def torch_weights(nesterov, steps, gradients):
    import torch

    weight = torch.nn.Parameter(torch.tensor(KERNEL[:, 0].copy()))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9, nesterov=nesterov)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps + 1)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        scheduler.step()
    return weight.detach().numpy()


@needs("torch")
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_correction_equals_torchs_sgd_with_cycled_momentum(nesterov):
    gradients = np.random.default_rng(8).normal(size=(200, 5)).astype("float32")
    cycle = klr.OneCycle(0.1, 201)
    stock = keras.optimizers.SGD(cycle, nesterov=nesterov)
    model = train(Scheduled(stock, momentum=cycle.momentum(), momentum_correction=True), gradients=gradients)
    expected = torch_weights(nesterov, 200, gradients)
    np.testing.assert_allclose(model.get_weights()[0][:, 0], expected, rtol=2e-5, atol=2e-5)
    # Without correction it is Keras's recurrence, in which the velocity contains the rate.
    velocity, weight = np.zeros(5), KERNEL[:, 0].astype("float64")
    for gradient, rate, momentum in zip(
        gradients, cycle.values(range(200)), cycle.momentum().values(range(200)), strict=True
    ):
        velocity = momentum * velocity - rate * gradient
        weight = weight + (momentum * velocity - rate * gradient if nesterov else velocity)
    plain = train(
        Scheduled(keras.optimizers.SGD(cycle, nesterov=nesterov), momentum=cycle.momentum()), gradients=gradients
    )
    np.testing.assert_allclose(plain.get_weights()[0][:, 0], weight, rtol=2e-5, atol=2e-5)
    assert np.abs(weight - expected).max() > 1e-3


def test_the_correction_is_right_where_the_rate_is_0():
    rate = klr.Sequential([0.1, 0.0, 0.2], [4, 8])
    stock = keras.optimizers.SGD(rate, momentum=0.9)
    model = train(Scheduled(stock, momentum_correction=True))
    velocity, weight = np.zeros(5), KERNEL[:, 0].astype("float64")
    for gradient, value in zip(GRADIENTS, rate.values(range(STEPS)), strict=True):
        velocity = 0.9 * velocity + gradient
        weight = weight - value * velocity
    np.testing.assert_allclose(model.get_weights()[0][:, 0], weight, rtol=1e-5)


# Saving, wrapping, binding, logging.


def make_adamw():
    return Scheduled(
        keras.optimizers.AdamW(klr.LinearDecay(0.1, 40)), beta_1=FALL, weight_decay=klr.LinearDecay(0.5, 20)
    )


@pytest.mark.parametrize("form", ["keras", "weights.h5"])
def test_a_resume_is_exact(tmp_path, form):
    x = GRADIENTS
    whole = train(make_adamw(), epochs=2)
    half = train(make_adamw(), epochs=1)
    again = saved_and_loaded(half, tmp_path / f"model.{form}", lambda: model_with(make_adamw()))
    assert type(again.optimizer) is type(whole.optimizer)
    assert again.optimizer.hyperparameters == make_adamw().hyperparameters
    again.fit(x, np.zeros((STEPS, 1)), batch_size=1, shuffle=False, verbose=0, initial_epoch=1, epochs=2)
    np.testing.assert_array_equal(again.get_weights()[0], whole.get_weights()[0])


@pytest.mark.slow
def test_a_fresh_process_needs_only_the_import(tmp_path):
    model = train(Scheduled(keras.optimizers.SGD(0.1), momentum=FALL, momentum_correction=True))
    model.compile(model.optimizer, loss="mse")
    model.save(tmp_path / "model.keras")
    code = (
        "import keras_lr, keras\n"
        f"optimizer = keras.models.load_model({str(tmp_path / 'model.keras')!r}).optimizer\n"
        "print(isinstance(optimizer, keras.optimizers.SGD), optimizer.hyperparameters, optimizer.momentum_correction)\n"
    )
    assert printed_lines(code)[-1] == f"True {{'momentum': {FALL!r}}} True"


def test_a_config_without_schedules_by_name_is_refused():
    config = Scheduled(keras.optimizers.SGD(0.25), momentum=FALL).get_config()
    with pytest.raises(TypeError, match="`hyperparameters` must be a dict of schedules by name"):
        klr.optimizers.scheduled.ScheduledOptimizer.from_config({**config, "hyperparameters": [0.9]})


def test_the_config_round_trip():
    optimizer = Scheduled(keras.optimizers.SGD(0.25, nesterov=True, name="mine"), momentum=FALL)
    again = type(optimizer).from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    assert (again.name, again.nesterov, float(keras.ops.convert_to_numpy(again.learning_rate))) == ("mine", True, 0.25)
    assert isinstance(again, keras.optimizers.SGD)
    assert isinstance(again, klr.optimizers.scheduled.ScheduledOptimizer)


def test_inside_a_loss_scale_optimizer():
    def make(wrap):
        inner = Scheduled(keras.optimizers.SGD(klr.LinearDecay(0.1, 40)), momentum=FALL)
        return keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0) if wrap else inner

    log = klr.LearningRateLogger(audit=False)
    wrapped = train(make(True), log)
    np.testing.assert_allclose(wrapped.get_weights()[0], train(make(False)).get_weights()[0], rtol=1e-5)
    np.testing.assert_allclose(log.to_frame()["momentum"], FALL.values(range(STEPS)))


def test_under_gradient_accumulation():
    momentum = klr.PerUpdate(klr.LinearDecay(0.9, 5), 3)
    model = train(Scheduled(keras.optimizers.SGD(0.1, gradient_accumulation_steps=3), momentum=momentum))
    velocity, weight = np.zeros(5), KERNEL[:, 0].astype("float64")
    for update in range(4):
        velocity = momentum.values(3 * update + 2) * velocity - 0.1 * GRADIENTS[3 * update : 3 * update + 3].mean(
            axis=0
        )
        weight = weight + velocity
    np.testing.assert_allclose(model.get_weights()[0][:, 0], weight, rtol=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras on torch runs the step eagerly, without XLA")
@pytest.mark.parametrize("jit", [True, False])
def test_weights_are_the_same_with_and_without_xla(jit):
    expected = train(make_adamw()).get_weights()[0]
    np.testing.assert_allclose(train(make_adamw(), jit_compile=jit).get_weights()[0], expected, rtol=1e-5)


def test_units_are_bound_and_values_logged():
    cycle = klr.OneCycle(0.1, klr.fraction(1.0))
    log = klr.LearningRateLogger(audit=False)
    optimizer = Scheduled(keras.optimizers.SGD(cycle), momentum=cycle.momentum())
    model = train(optimizer, log, klr.BindSchedule(), epochs=2)
    bound = klr.OneCycle(0.1, 2 * STEPS)
    frame = log.to_frame()
    assert list(frame.columns) == ["step", "epoch", "batch", "learning_rate", "momentum"]
    np.testing.assert_allclose(frame["learning_rate"], bound.values(range(2 * STEPS)))
    np.testing.assert_allclose(frame["momentum"], bound.momentum().values(range(2 * STEPS)))
    same = train(Scheduled(keras.optimizers.SGD(bound), momentum=bound.momentum()), epochs=2)
    np.testing.assert_array_equal(model.get_weights()[0], same.get_weights()[0])
    assert model.history.history["momentum"] == frame.groupby("epoch")["momentum"].last().tolist()


def test_an_unbound_schedule_is_refused_before_the_first_update():
    weight = Weight()
    with pytest.raises(ValueError, match="has durations in epochs, fractions or samples"):
        train(Scheduled(keras.optimizers.SGD(0.1), momentum=klr.LinearDecay(0.9, klr.epochs(2))), weight)
    assert weight.seen == [0.0]


def test_a_schedule_follows_a_counter_that_was_set():
    model = train(Scheduled(keras.optimizers.SGD(0.1), momentum=FALL))
    log = klr.LearningRateLogger(audit=False)
    klr.set_step(model, 3)
    before, velocity = model.get_weights()[0][:, 0], keras.ops.convert_to_numpy(model.optimizer.momentums[0])[:, 0]
    x = GRADIENTS[:2]
    model.fit(x, np.zeros((2, 1)), batch_size=1, shuffle=False, verbose=0, callbacks=[log])
    for gradient, momentum in zip(x, FALL.values([3, 4]), strict=True):
        velocity = momentum * velocity - 0.1 * gradient
        before = before + velocity
    np.testing.assert_allclose(model.get_weights()[0][:, 0], before, rtol=1e-5)
    assert log.to_frame()["momentum"].tolist() == pytest.approx(FALL.values([3, 4]).tolist())


def test_an_apply_without_gradients_makes_no_step():
    optimizer, weight = Scheduled(keras.optimizers.SGD(0.1), momentum=FALL), keras.Variable(KERNEL)
    velocity, expected = np.zeros(5), KERNEL[:, 0].astype("float64")
    for step, gradient in enumerate(GRADIENTS[:4]):
        optimizer.apply([keras.ops.convert_to_tensor(gradient[:, None])], [weight])
        optimizer.apply([], [])
        velocity = float(FALL.values(step)) * velocity - 0.1 * gradient
        expected = expected + velocity
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight)[:, 0], expected, rtol=1e-5)


def test_several_optimizers_have_separate_columns():
    inputs = keras.Input((5,))
    outputs = keras.layers.Concatenate()([keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")])
    model = keras.Model(inputs, outputs)
    chosen = keras.optimizers.OptimizerMap(
        default_optimizer=Scheduled(keras.optimizers.SGD(0.1, name="slow"), momentum=FALL),
        optimizer_map={"b/.*": keras.optimizers.SGD(0.2, name="fast")},
    )
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss=prediction_sum)
    log = klr.LearningRateLogger(audit=False)
    model.fit(GRADIENTS, np.zeros((STEPS, 1)), batch_size=1, shuffle=False, verbose=0, callbacks=[log])
    assert list(log.to_frame().columns)[3:] == ["learning_rate_fast", "learning_rate_slow", "momentum_slow"]
    np.testing.assert_allclose(log.to_frame()["momentum_slow"], FALL.values(range(STEPS)))


class Mine(keras.optimizers.SGD):
    pass


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Scheduled(0.1), TypeError, "`optimizer` must be a Keras optimizer, got 0.1"),
        (lambda: Scheduled(Mine(0.1), momentum=0.9), TypeError, "`optimizer` must be one of SGD, RMSprop, "),
        (
            lambda: Scheduled(keras.optimizers.Adam(0.1), momentum=0.9),
            ValueError,
            "Adam has no `momentum` that can be scheduled; it has beta_1, beta_2, weight_decay, ema_momentum, clipnorm, ",
        ),
        (lambda: Scheduled(keras.optimizers.SGD(0.1), nesterov=True), ValueError, "SGD has no `nesterov` that can be"),
        (
            lambda: Scheduled(keras.optimizers.SGD(0.1), momentum="x"),
            TypeError,
            "`momentum` must be a learning-rate schedule or a learning rate",
        ),
        (
            lambda: Scheduled(keras.optimizers.SGD(0.1), momentum=lambda s: 0.9),
            TypeError,
            "`momentum` must be a learning-",
        ),
        (
            lambda: Scheduled(keras.optimizers.SGD(0.1), momentum=-0.1),
            ValueError,
            "`momentum` must be a finite",
        ),
        (lambda: Scheduled(keras.optimizers.SGD(0.1), ema_momentum=0.9), ValueError, "`ema_momentum` must be left out"),
        (
            lambda: Scheduled(keras.optimizers.Adam(0.1), momentum_correction=True),
            ValueError,
            "`momentum_correction` must be False for Adam: it is for SGD, got True",
        ),
        (
            lambda: Scheduled(keras.optimizers.SGD(0.1), independent_weight_decay=True),
            ValueError,
            "`independent_weight_decay` must be False without a `weight_decay`, got True",
        ),
        (
            lambda: Scheduled(keras.optimizers.SGD(0.1), momentum_correction=1),
            TypeError,
            "must be True or False, got 1",
        ),
        (
            lambda: Scheduled(train(keras.optimizers.SGD(0.1)).optimizer, momentum=0.9),
            ValueError,
            "has not been built yet",
        ),
    ],
)
def test_wrong_multipliers_are_refused(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value).startswith("Scheduled: ")
    assert message in str(caught.value)
