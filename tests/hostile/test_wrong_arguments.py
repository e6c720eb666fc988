"""Wrong arguments of constructors raise, each with an exact sentence."""

import operator

import keras
import numpy as np
import pytest
from support.needs import needs

import keras_lr as klr

pytestmark = pytest.mark.once

STEPS = "must be a number of steps in [1, 2**31), got "
ZERO_STEPS = "must be a number of steps in [0, 2**31), got "
RATE = "must be a finite learning rate >= 0, got "
FACTOR = "must be a number in (0, 1], got "
SHARE = "must be a number in [0, 1], got "
POSITIVE = "must be a finite number > 0, got "
RISING = "must be a non-empty sequence of steps in [0, 2**31), none smaller than the one before, got "
INCREASING = "must be a non-empty sequence of steps in [0, 2**31), each larger than the one before, got "
RATES = "must be a non-empty sequence of finite learning rates >= 0, got "
SCHEDULE = "must be a learning-rate schedule or a learning rate"
nan, inf = float("nan"), float("inf")

TABLE = [
    (lambda: klr.Constant(-0.1), ValueError, "Constant: `learning_rate` " + RATE + "-0.1"),
    (lambda: klr.Constant(nan), ValueError, "Constant: `learning_rate` " + RATE + "nan"),
    (lambda: klr.Constant(inf), ValueError, "Constant: `learning_rate` " + RATE + "inf"),
    (
        lambda: klr.Constant(10**400),
        ValueError,
        "Constant: `learning_rate` " + RATE + "100000000000000000...0000000000000000000",
    ),
    (
        lambda: klr.Constant("0.1"),
        TypeError,
        "Constant: `learning_rate` must be a finite learning rate >= 0, got '0.1'",
    ),
    (lambda: klr.Constant(True), TypeError, "Constant: `learning_rate` " + RATE + "True"),
    (lambda: klr.Constant(None), TypeError, "Constant: `learning_rate` " + RATE + "None"),
    (lambda: klr.Constant([0.1]), TypeError, "Constant: `learning_rate` " + RATE + "[0.1]"),
    (lambda: klr.Constant(1j), TypeError, "Constant: `learning_rate` " + RATE + "1j"),
    (
        lambda: klr.Constant(),
        TypeError,
        "Constant: missing a required argument: 'learning_rate'; the arguments are learning_rate",
    ),
    (
        lambda: klr.Constant(0.1, rate=3),
        TypeError,
        "Constant: got an unexpected keyword argument 'rate', perhaps `learning_rate`; the arguments are learning_rate",
    ),
    (
        lambda: klr.Constant(0.1, 0.2),
        TypeError,
        "Constant: too many positional arguments; the arguments are learning_rate",
    ),
    (lambda: klr.StepDecay(0.1, -5), ValueError, "StepDecay: `decay_steps` " + STEPS + "-5"),
    (lambda: klr.StepDecay(0.1, 0), ValueError, "StepDecay: `decay_steps` " + STEPS + "0"),
    (
        lambda: klr.StepDecay(0.1, 0.5),
        ValueError,
        "StepDecay: `decay_steps` must be a number of steps in [1, 2**31) (write `fraction(0.5)` for a share of the training), got 0.5",
    ),
    (lambda: klr.StepDecay(0.1, 2**31), ValueError, "StepDecay: `decay_steps` " + STEPS + "2147483648"),
    (lambda: klr.StepDecay(0.1, nan), ValueError, "StepDecay: `decay_steps` " + STEPS + "nan"),
    (lambda: klr.StepDecay(0.1, inf), ValueError, "StepDecay: `decay_steps` " + STEPS + "inf"),
    (
        lambda: klr.StepDecay(0.1, "7"),
        TypeError,
        "StepDecay: `decay_steps` must be a number of steps in [1, 2**31) (write 7, without quotes), got '7'",
    ),
    (lambda: klr.StepDecay(0.1, True), TypeError, "StepDecay: `decay_steps` " + STEPS + "True"),
    (lambda: klr.StepDecay(0.1, np.bool_(True)), TypeError, "StepDecay: `decay_steps` " + STEPS + "np.True_"),
    (lambda: klr.StepDecay(0.1, 5, 0.0), ValueError, "StepDecay: `decay_rate` " + FACTOR + "0.0"),
    (lambda: klr.StepDecay(0.1, 5, 1.5), ValueError, "StepDecay: `decay_rate` " + FACTOR + "1.5"),
    (lambda: klr.StepDecay(0.1, klr.epochs(0)), ValueError, "StepDecay: `decay_steps` " + STEPS + "epochs(0)"),
    (lambda: klr.MultiStepDecay(0.1, []), ValueError, "MultiStepDecay: `milestones` " + RISING + "[]"),
    (
        lambda: klr.PiecewiseInterpolation([5, 5], [0.1, 0.2]),
        ValueError,
        "PiecewiseInterpolation: `boundaries` " + INCREASING + "[5, 5]",
    ),
    (
        lambda: klr.PiecewiseInterpolation([5.2, 5.4], [0.1, 0.2]),
        ValueError,
        "PiecewiseInterpolation: `boundaries` " + INCREASING + "[5.2, 5.4]",
    ),
    (lambda: klr.MultiStepDecay(0.1, [5.8, 5.2]), ValueError, "MultiStepDecay: `milestones` " + RISING + "[5.8, 5.2]"),
    (lambda: klr.MultiStepDecay(0.1, [5, 3]), ValueError, "MultiStepDecay: `milestones` " + RISING + "[5, 3]"),
    (lambda: klr.MultiStepDecay(0.1, [5, "a"]), TypeError, "MultiStepDecay: `milestones` " + RISING + "[5, 'a']"),
    (lambda: klr.MultiStepDecay(0.1, 5), TypeError, "MultiStepDecay: `milestones` " + RISING + "5"),
    (lambda: klr.MultiStepDecay(0.1, {5, 9}), TypeError, "MultiStepDecay: `milestones` " + RISING + "{5, 9}"),
    (
        lambda: klr.MultiStepDecay(0.1, [klr.epochs(3), klr.epochs(2)]),
        ValueError,
        "MultiStepDecay: `milestones` " + RISING + "[epochs(3), epochs(2)]",
    ),
    (
        lambda: klr.PiecewiseConstantDecay([3], [0.1]),
        ValueError,
        "PiecewiseConstantDecay: `values` must be one rate more than `boundaries` (2), got (0.1,)",
    ),
    (lambda: klr.PiecewiseConstantDecay([3], []), ValueError, "PiecewiseConstantDecay: `values` " + RATES + "[]"),
    (
        lambda: klr.PiecewiseConstantDecay([3], [0.1, -1]),
        ValueError,
        "PiecewiseConstantDecay: `values` " + RATES + "[0.1, -1]",
    ),
    (
        lambda: klr.PiecewiseConstantDecay([9, 3], [1, 2, 3]),
        ValueError,
        "PiecewiseConstantDecay: `boundaries` " + RISING + "[9, 3]",
    ),
    (
        lambda: klr.PiecewiseInterpolation([3, 9], [0.1]),
        ValueError,
        "PiecewiseInterpolation: `values` must be as many rates as there are `boundaries` (2), got (0.1,)",
    ),
    (
        lambda: klr.Paced(0.1, [1], [0], [1], [1]),
        ValueError,
        "Paced: `steps` must be 0 and then strictly increasing, got (1,)",
    ),
    (
        lambda: klr.Paced(0.1, [0, 5, 5], [0, 5, 5], [1, 1, 1], [1, 1, 1]),
        ValueError,
        "Paced: `steps` must be 0 and then strictly increasing, got (0, 5, 5)",
    ),
    (
        lambda: klr.Paced(0.1, [0], [0, 1], [1], [1]),
        ValueError,
        "Paced: `ticks` must be as long as `steps` (1), got (0, 1)",
    ),
    (
        lambda: klr.OneCycle(1e38, 10, div_factor=1e-3),
        ValueError,
        "OneCycle: `div_factor` must be large enough for a finite start, got 0.001",
    ),
    (
        lambda: klr.OneCycle(1e38, 10, final_div_factor=1e-3),
        ValueError,
        "OneCycle: `final_div_factor` must be large enough for a finite end, got 0.001",
    ),
    (
        lambda: klr.Chain([klr.PolynomialDecay(0.1, klr.epochs(1), cycle=True), 0.1]).bind(steps_per_epoch=5, epochs=9),
        ValueError,
        "Chain: `schedules` must be schedules with an end, except for the last, and PolynomialDecay(0.1, 5, cycle=True) "
        "has none (use `Sequential`), got (PolynomialDec...5, cycle=True), Constant(0.1))",
    ),
    (lambda: klr.Constant(0.1) / "2", TypeError, "unsupported operand type(s) for /: 'Constant' and 'str'"),
    (
        lambda: klr.Constant(0.1) / klr.Constant(0.1),
        TypeError,
        "unsupported operand type(s) for /: 'Constant' and 'Constant'",
    ),
    (lambda: klr.Tabulated([]), ValueError, "Tabulated: `values` " + RATES + "[]"),
    (lambda: klr.ExponentialDecay(0.1, 5, 1.1), ValueError, "ExponentialDecay: `decay_rate` " + FACTOR + "1.1"),
    (
        lambda: klr.ExponentialDecay(0.1, 5, 0.5, 1),
        TypeError,
        "ExponentialDecay: `staircase` must be True or False, got 1",
    ),
    (
        lambda: klr.ExponentialDecay(0.1, 5, 0.5, name=3),
        TypeError,
        "ExponentialDecay: `name` must be a string, or None, got 3",
    ),
    (
        lambda: klr.TimeBasedDecay(0.1, 5, -1),
        ValueError,
        "TimeBasedDecay: `decay_rate` must be a finite number >= 0, got -1",
    ),
    (lambda: klr.PolynomialDecay(0.1, 5, power=0), ValueError, "PolynomialDecay: `power` " + POSITIVE + "0"),
    (
        lambda: klr.PolynomialDecay(5e-5, 5),
        ValueError,
        "PolynomialDecay: `end_learning_rate` must be at most `initial_learning_rate` (5e-05); `Warmup` is for rates that rise, "
        "got 0.0001",
    ),
    (
        lambda: klr.LinearDecay(0.1, 5, 0.2),
        ValueError,
        "LinearDecay: `end_learning_rate` must be at most `initial_learning_rate` (0.1); `Warmup` is for rates that rise, got 0.2",
    ),
    (lambda: klr.CosineDecay(0.1, 5, alpha=1.5), ValueError, "CosineDecay: `alpha` " + SHARE + "1.5"),
    (lambda: klr.CosineDecay(0.1, 5, alpha=-0.5), ValueError, "CosineDecay: `alpha` " + SHARE + "-0.5"),
    (
        lambda: klr.CosineDecay(0.1, 5, warmup_steps=3),
        ValueError,
        "CosineDecay: `warmup_steps` must be 0 when there is no `warmup_target`, got 3",
    ),
    (
        lambda: klr.CosineDecay(0.1, 5, warmup_target=-1, warmup_steps=3),
        ValueError,
        "CosineDecay: `warmup_target` must be a finite learning rate >= 0, or None, got -1",
    ),
    (
        lambda: klr.KDecay(0.1, 5, 2, power=2, shape="cosine"),
        ValueError,
        "KDecay: `power` must be 1.0 when `shape` is 'cosine', got 2.0",
    ),
    (
        lambda: klr.KDecay(0.1, 5, 2, shape="x"),
        ValueError,
        "KDecay: `shape` must be one of 'polynomial', 'cosine', got 'x'",
    ),
    (lambda: klr.TanhDecay(0.1, 5, lower=3), ValueError, "TanhDecay: `upper` must be above `lower` (3.0), got 3.0"),
    (lambda: klr.PowerLawDecay(0.1, 5, 0), ValueError, "PowerLawDecay: `exponent` " + POSITIVE + "0"),
    (lambda: klr.InverseSquareRootDecay(0.1, 0), ValueError, "InverseSquareRootDecay: `warmup_steps` " + STEPS + "0"),
    (
        lambda: klr.OppositePhase(klr.Constant(0.1), 0.8, 0.9),
        ValueError,
        "OppositePhase: `schedule` must be a `OneCycle` or a `CyclicalLearningRate`, got Constant(0.1)",
    ),
    (
        lambda: klr.OneCycle(0.1, 10).momentum(0.95, 0.9),
        ValueError,
        "OppositePhase: `low` must be at most `high` (0.9), got 0.95",
    ),
    (
        lambda: klr.OneCycle(0.1, 10).momentum(0.5, 1.0),
        ValueError,
        "OppositePhase: `high` must be a number in [0, 1), got 1.0",
    ),
    (
        lambda: klr.CyclicalLearningRate(0.2, 0.1, 5),
        ValueError,
        "CyclicalLearningRate: `maximal_learning_rate` must be at least `initial_learning_rate` (0.2), got 0.1",
    ),
    (
        lambda: klr.CyclicalLearningRate(0.1, 0.2, 5, mode="square"),
        ValueError,
        "CyclicalLearningRate: `mode` must be one of 'triangular', 'triangular2', 'exp_range', got 'square'",
    ),
    (
        lambda: klr.CyclicalLearningRate(0.1, 0.2, 5, gamma=0.9),
        ValueError,
        "CyclicalLearningRate: `gamma` must be 1.0 unless `mode` is 'exp_range' (it is 'triangular'), got 0.9",
    ),
    (
        lambda: klr.CyclicalLearningRate(0.1, 0.2, 5, 2**31 - 3),
        ValueError,
        "CyclicalLearningRate: `step_size_down` must be so short that a cycle has fewer than 2**31 steps, got 2147483645",
    ),
    (lambda: klr.CosineDecayRestarts(0.1, 5, t_mul=0), ValueError, "CosineDecayRestarts: `t_mul` " + POSITIVE + "0"),
    (lambda: klr.CosineDecayRestarts(0.1, 5, m_mul=2), ValueError, "CosineDecayRestarts: `m_mul` " + FACTOR + "2"),
    (
        lambda: klr.CosineDecayRestarts(0.1, 1, t_mul=1.000001),
        ValueError,
        "CosineDecayRestarts: `t_mul` must be 1, or such that there are at most 100,000 restarts, got 1.000001",
    ),
    (
        lambda: klr.WarmupStableDecay(0.1, 10, 6, 5),
        ValueError,
        "WarmupStableDecay: `total_steps` must be at least warmup and decay together (11), got 10",
    ),
    (
        lambda: klr.WarmupStableDecay(0.1, 10, 2, 5, shape="halving"),
        ValueError,
        "WarmupStableDecay: `half_life` must be a number of steps when `shape` is 'halving', got None",
    ),
    (
        lambda: klr.WarmupStableDecay(0.1, 10, 2, 5, shape="exponential", half_life=5),
        ValueError,
        "WarmupStableDecay: `half_life` must be None unless `shape` is 'halving', got 5",
    ),
    (
        lambda: klr.WarmupStableDecay(0.1, 10, 2, 5, shape="halving", half_life=0),
        ValueError,
        "WarmupStableDecay: `half_life` must be a number of steps in [1, 2**31), or None, got 0",
    ),
    (lambda: klr.OneCycle(0.1, 10, 1.5), ValueError, "OneCycle: `pct_start` " + SHARE + "1.5"),
    (
        lambda: klr.OneCycle(0.1, 10, 0.6, three_phase=True),
        ValueError,
        "OneCycle: `pct_start` must be at most 0.5 with three phases, got 0.6",
    ),
    (lambda: klr.OneCycle(0.1, 10, div_factor=0), ValueError, "OneCycle: `div_factor` " + POSITIVE + "0"),
    (
        lambda: klr.Warmup(lambda step: 0.1, 5),
        TypeError,
        None,
    ),
    (
        lambda: klr.Warmup("cosine", 5),
        TypeError,
        "Warmup: `schedule` must be a learning-rate schedule or a learning rate, got 'cosine'",
    ),
    (lambda: klr.Warmup(0.1, -1), ValueError, "Warmup: `warmup_steps` " + ZERO_STEPS + "-1"),
    (lambda: klr.Warmup(0.1, 5, start=2), ValueError, "Warmup: `start` " + SHARE + "2"),
    (
        lambda: klr.Warmup(0.1, 5, shape="exponential"),
        ValueError,
        "Warmup: `start` must be above 0 for an exponential warmup, got 0.0",
    ),
    (
        lambda: klr.Sequential([0.1, 0.2], []),
        ValueError,
        "Sequential: `boundaries` must be one fewer than there are `schedules` (1), got ()",
    ),
    (
        lambda: klr.Sequential([0.1, 0.2, 0.3], [5, 3]),
        ValueError,
        "Sequential: `boundaries` must be a sequence of steps in [0, 2**31), none smaller than the one before, "
        "got [5, 3]",
    ),
    (
        lambda: klr.StepDecay(0.1, 5) >> klr.Constant(0.1),
        ValueError,
        None,
    ),
    (lambda: klr.LinearDecay(0.1, 5).cooldown(-1, 5), ValueError, "Cooldown: `at` " + ZERO_STEPS + "-1"),
    (lambda: klr.LinearDecay(0.1, 5).clip(0.2, 0.1), ValueError, "Clip: `high` must be at least `low` (0.2), got 0.1"),
    (lambda: klr.LinearDecay(0.1, 5) * -1, ValueError, "*: `factor` must be a finite number >= 0, got -1"),
    (lambda: klr.LinearDecay(0.1, 5) / 0, ValueError, "/: `divisor` " + POSITIVE + "0"),
    *(
        (
            lambda combine=combine: combine(klr.LinearDecay(0.1, 5), np.array([2.0, 3.0])),
            TypeError,
            f"{sign}: `{name}` must be {allowed} (for the rate at a step, call schedule(step)), got array([2., 3.])",
        )
        for sign, combine, name, allowed in [
            ("/", operator.truediv, "divisor", "a number"),
            ("*", operator.mul, "factor", "a number or a learning-rate schedule"),
            ("+", operator.add, "schedules", "a number or a learning-rate schedule"),
            (">>", operator.rshift, "schedules", "a number or a learning-rate schedule"),
        ]
    ),
    *(
        (
            lambda combine=combine: combine(klr.LinearDecay(0.1, 5), "2"),
            TypeError,
            f"unsupported operand type(s) for {sign}: 'LinearDecay' and 'str'",
        )
        for sign, combine in [("/", operator.truediv), ("+", operator.add), (">>", operator.rshift)]
    ),
    (lambda: klr.LinearDecay(0.1, 5) * {}, TypeError, "unsupported operand type(s) for *: 'LinearDecay' and 'dict'"),
    (
        lambda: klr.HyperbolicLR(0.1, 60, 100, shape="exponential"),
        ValueError,
        "HyperbolicLR: `infimum_learning_rate` must be above 0 when `shape` is 'exponential', got 0.0",
    ),
    (
        lambda: klr.HyperbolicLR(0.1, 60, 59),
        ValueError,
        "HyperbolicLR: `upper_bound` must be at least `decay_steps` (60), got 59",
    ),
    (
        lambda: klr.Tabulated([0.1, 0.2], every=2**30),
        ValueError,
        "Tabulated: `every` must be so short that the table has fewer than 2**31 steps, got 1073741824",
    ),
    (
        lambda: klr.Rescaled(0.1, 2.0, min_lr=0.2, max_lr=0.1),
        ValueError,
        "Rescaled: `max_lr` must be at least `min_lr` (0.2), got 0.1",
    ),
    (lambda: klr.Repeat(0.1, 0), ValueError, "Repeat: `every` " + STEPS + "0"),
    (
        lambda: klr.PerUpdate(0.1, 0),
        ValueError,
        "PerUpdate: `accumulation_steps` must be a whole number in [1, 2**31), got 0",
    ),
    (lambda: klr.Noise(0.1, 2), ValueError, "Noise: `amplitude` " + SHARE + "2"),
    (lambda: klr.Reduced(0.1, 1.5), ValueError, "Reduced: `scale` " + SHARE + "1.5"),
    (lambda: klr.epochs(-1), ValueError, "epochs: `count` must be a finite number >= 0, got -1"),
    (lambda: klr.epochs("3"), TypeError, "epochs: `count` must be a finite number >= 0, got '3'"),
    (lambda: klr.fraction(1.5), ValueError, "fraction: `share` must be a number in [0, 1], got 1.5"),
    (lambda: klr.fraction(nan), ValueError, "fraction: `share` must be a number in [0, 1], got nan"),
    (lambda: klr.from_function(3, 5), TypeError, "from_function: `function` must be a function of the step, got 3"),
    (lambda: klr.from_function(lambda s: -s, 5), ValueError, "from_function: `function(1)` " + RATE + "-1"),
    (
        lambda: klr.from_function(lambda s: 0.1, 0),
        ValueError,
        "from_function: `steps` must be a whole number of steps in [1, 1000000], got 0",
    ),
    (
        lambda: klr.LinearDecay(0.1, klr.epochs(2)).bind(steps_per_epoch=0, epochs=3),
        ValueError,
        "bind: `steps_per_epoch` must be a whole number in [1, 2**31), got 0",
    ),
    (
        lambda: klr.LinearDecay(0.1, klr.epochs(0.001)).bind(steps_per_epoch=10, epochs=3),
        ValueError,
        "LinearDecay: `decay_steps` " + STEPS + "0",
    ),
    (
        lambda: klr.CosineDecay(0.1, 0.9),
        ValueError,
        "CosineDecay: `decay_steps` must be a number of steps in [1, 2**31) "
        "(write `fraction(0.9)` for a share of the training), got 0.9",
    ),
    (
        lambda: klr.CosineDecay(0.1, np.float32(0.9)),
        ValueError,
        "CosineDecay: `decay_steps` must be a number of steps in [1, 2**31) "
        "(write `fraction(0.9)` for a share of the training), got np.float32(0.9)",
    ),
    (
        lambda: klr.Warmup(0.1, 0.05),
        ValueError,
        "Warmup: `warmup_steps` must be a number of steps in [0, 2**31) "
        "(write `fraction(0.05)` for a share of the training), got 0.05",
    ),
    (
        lambda: klr.PiecewiseConstantDecay([0.5, 0.8], [3, 2, 1]),
        ValueError,
        "PiecewiseConstantDecay: `boundaries` must be a non-empty sequence of steps in [0, 2**31), none smaller than the one "
        "before (write `fraction(0.5)` for a share of the training), got [0.5, 0.8]",
    ),
    (
        lambda: klr.CosineDecay(0.1, "3 epochs"),
        TypeError,
        "CosineDecay: `decay_steps` must be a number of steps in [1, 2**31) (write `epochs(3)`), got '3 epochs'",
    ),
    (
        lambda: klr.CosineDecay(0.1, "2.5 Epochs"),
        TypeError,
        "CosineDecay: `decay_steps` must be a number of steps in [1, 2**31) (write `epochs(2.5)`), got '2.5 Epochs'",
    ),
    (
        lambda: klr.CosineDecay(0.1, "10%"),
        TypeError,
        "CosineDecay: `decay_steps` must be a number of steps in [1, 2**31) "
        "(write `fraction(0.1)` for this share of the training), got '10%'",
    ),
    (
        lambda: klr.CosineDecay(lr=0.1),
        TypeError,
        "CosineDecay: got an unexpected keyword argument 'lr', perhaps `initial_learning_rate`; the arguments are "
        "initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps, name",
    ),
    (
        lambda: klr.CosineDecay(0.1, T_max=9, eta_min=0.01),
        TypeError,
        "CosineDecay: got unexpected keyword arguments 'T_max', perhaps `decay_steps`, 'eta_min', perhaps `alpha` (the floor "
        "as a share of the peak); the arguments are initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps, name",
    ),
    (
        lambda: klr.Warmup(klr.LinearDecay, 5),
        TypeError,
        "Warmup: `schedule` must be a learning-rate schedule or a learning rate (LinearDecay is a class: pass a schedule, "
        "`LinearDecay(…)`), got <class 'keras....LinearDecay'>",
    ),
    (lambda: klr.set_step(None), ValueError, "set_step: pass either `step`, or `epoch` and `steps_per_epoch`"),
    (
        lambda: klr.BindSchedule("soon"),
        ValueError,
        "BindSchedule: `time_budget` must be seconds > 0, a timedelta, or a string such as '30min', got 'soon'",
    ),
]


@pytest.mark.parametrize("number", range(len(TABLE)))
def test_a_wrong_argument_raises_with_the_sentence(number):
    make, error, message = TABLE[number]
    with pytest.raises(error) as caught:
        make()
    if message is not None:
        assert str(caught.value) == message


def test_errors_suggest_a_fix():
    with pytest.raises(TypeError, match="a function cannot be saved with a model; subclass `Schedule`"):
        klr.Warmup(lambda step: 0.1, 5)
    with pytest.raises(ValueError, match=r"StepDecay\(0.1, 5\) has none \(use `Sequential`\)"):
        klr.StepDecay(0.1, 5) >> klr.Constant(0.1)
    with pytest.raises(ValueError, match="is refused|is not bound"):
        klr.LinearDecay(0.1, klr.epochs(3)).values(0)
    with pytest.raises(TypeError):
        klr.LinearDecay(0.1, 5) * "2"
    assert keras.backend.backend()
    assert len(TABLE) >= 60


NAMES = [
    (klr.CosineDecay, "learning_rate", "initial_learning_rate"),
    (klr.CosineDecay, "base_lr", "initial_learning_rate"),
    (klr.CosineDecay, "steps", "decay_steps"),
    (klr.CosineDecay, "warmup", "warmup_steps"),
    (klr.CosineDecay, "initial_learning_rat", "initial_learning_rate"),
    (klr.LinearDecay, "eta_min", "end_learning_rate"),
    (klr.LinearDecay, "min_learning_rate", "end_learning_rate"),
    (klr.Constant, "lr", "learning_rate"),
    (klr.StepDecay, "step_size", "decay_steps"),
    (klr.StepDecay, "gamma", "decay_rate"),
    (klr.MultiStepDecay, "boundaries", "milestones"),
    (klr.PiecewiseConstantDecay, "milestones", "boundaries"),
    (klr.PiecewiseConstantDecay, "learning_rates", "values"),
    (klr.OneCycle, "max_lr", "max_learning_rate"),
    (klr.OneCycle, "steps", "total_steps"),
    (klr.CyclicalLearningRate, "base_lr", "initial_learning_rate"),
    (klr.CyclicalLearningRate, "max_lr", "maximal_learning_rate"),
    (klr.CyclicalLearningRate, "step_size_up", "step_size"),
    (klr.CosineDecayRestarts, "T_0", "first_decay_steps"),
    (klr.CosineDecayRestarts, "T_mult", "t_mul"),
    (klr.WarmupStableDecay, "num_warmup_steps", "warmup_steps"),
    (klr.WarmupStableDecay, "num_training_steps", "total_steps"),
    (klr.Warmup, "scheduler", "schedule"),
    (klr.Warmup, "start_factor", "start"),
    (klr.PolynomialDecay, "exponent", "power"),
    (klr.Clip, "min_lr", "low"),
]


@pytest.mark.once
@pytest.mark.parametrize(("cls", "wrong", "right"), NAMES)
def test_a_wrong_name_suggests_the_right_one(cls, wrong, right):
    with pytest.raises(
        TypeError, match=f"^{cls.__name__}: got an unexpected keyword argument '{wrong}', perhaps `{right}`"
    ):
        cls(**{wrong: 1})


@pytest.mark.once
def test_a_name_without_a_similar_one():
    with pytest.raises(
        TypeError, match="^Constant: got an unexpected keyword argument 'zzz'; the arguments are learning_rate$"
    ):
        klr.Constant(zzz=1)


def torch_scheduler():
    import torch

    return torch.optim.lr_scheduler.StepLR(torch.optim.SGD([torch.zeros(1)], 0.1), 3)


INSTEAD = [
    (
        lambda: keras.optimizers.SGD(0.1),
        "this is an optimizer: its rate is `optimizer.learning_rate`, and you pass a schedule to it, `SGD",
    ),
    (
        lambda: klr.Scheduled(keras.optimizers.SGD(0.1), momentum=0.5),
        "this is an optimizer: its rate is `optimizer.learning_rate`",
    ),
    (lambda: klr.ReduceOnPlateau("loss"), "this is a callback: pass it to `fit"),
    (lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 0.1), "this is a callback: pass it to `fit"),
    (lambda: keras.Sequential(), "this is a model: `get_learning_rate"),
    (lambda: klr.CosineDecay, "CosineDecay is a class: pass a schedule, `CosineDecay"),
    (lambda: keras.optimizers.SGD, "SGD is a class"),
    (torch_scheduler, "this is a scheduler of torch: docs/migrating.md lists"),
    (lambda: torch_scheduler().optimizer, "this is an optimizer of torch"),
    (lambda: lambda step: 0.1, "a function cannot be saved with a model; subclass `Schedule`"),
]


OF_TORCH = (7, 8)


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=needs("torch")) if n in OF_TORCH else n for n in range(len(INSTEAD))]
)
def test_the_error_says_what_was_given_instead_of_a_schedule(number):
    make, hint = INSTEAD[number]
    sentence = f"must be a learning-rate schedule or a learning rate ({hint}"
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    for use in (lambda value: klr.Warmup(value, 10), lambda value: klr.Sequential([value], [])):
        with pytest.raises(TypeError) as refused:
            use(make())
        assert "\n" not in str(refused.value)
    with pytest.raises(TypeError) as refused:
        klr.Warmup(make(), 10)
    assert sentence in str(refused.value)


def test_the_rate_of_an_optimizer_can_be_warmed_up():
    optimizer = keras.optimizers.SGD(0.1)
    assert klr.Warmup(optimizer.learning_rate, 10) == klr.Warmup(0.1, 10)
