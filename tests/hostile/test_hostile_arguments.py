"""Every public callable × every argument × every wrong value: a `TypeError` or `ValueError` that names the argument.

What is accepted must be in `hostile.allowed`, and give what the plain value gives.
"""

import contextlib
import numbers
import time
import warnings
from collections import Counter

import keras
import numpy as np
import pytest
from matplotlib import pyplot
from support import hostile

import keras_lr as klr
from keras_lr.core import by_backend
from keras_lr.tools.comparison import trials
from keras_lr.tools.forecast import design, fitting
from keras_lr.tools.range_test import sweep

pytestmark = pytest.mark.once

SECONDS, WAITED = 20.0, 300.0
"""Of computing that a call may take, and by the clock: a busy machine can keep a call of milliseconds waiting for long."""

TARGETS = hostile.targets()


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    """Run in an empty folder, close pictures, and replace trainings, which come after the checks."""
    monkeypatch.chdir(tmp_path)

    def trained(_, payloads, *rest):
        row = {"epoch": 1, "seconds": 1.0, "learning_rate": 0.1, "loss": 1.0}
        yield from ((key, trials.Outcome([row])) for key in payloads)

    def swept(_, watch, seed, *, mix):
        assert seed is None or type(seed) is int
        watch.losses = watch.smoothed = [1.0] * watch.steps

    def fitted(owner, law, runs, draws, seed):
        parameters = np.array(list(hostile.forecast().parameters.values()))
        return fitting.Fit(parameters, parameters[None, :], [run.losses * 0.0 for run in runs])

    def designed(plan, peak, count, make):
        return 0.0, make(plan, peak, np.full(count, 0.5))

    monkeypatch.setattr(fitting, "fit", fitted)
    monkeypatch.setattr(design, "_best_of", designed)
    monkeypatch.setattr(trials, "on_processes", trained)
    monkeypatch.setattr(trials, "on_executor", trained)
    monkeypatch.setattr(sweep.Sweeper, "run", swept)
    yield
    pyplot.close("all")


def outcome(target, argument, value):
    """The outcome of a call: a result or an error, and the problems of the error."""
    begun, waited = time.thread_time(), time.monotonic()
    try:
        with warnings.catch_warnings(), contextlib.ExitStack():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            # A number of steps for `to_frame` and `plot` works still.
            warnings.filterwarnings("ignore", r"\w+: `\w+\(\d+\)` is deprecated, since `values", DeprecationWarning)
            made = target(argument, value)
    except (TypeError, ValueError) as error:
        named = (argument, *blamed(target, argument))
        is_named = any(f"`{name}" in str(error) or f"'{name}'" in str(error) for name in named)
        if target.name in hostile.OPERATORS:
            is_named = says_which_operand(error, target.name, value)
        return None, "" if is_named else f"does not name `{argument}`: {type(error).__name__}: {str(error)[:200]}"
    except Exception as error:
        return None, f"raises {type(error).__name__}: {str(error)[:200]}"
    finally:
        assert time.thread_time() - begun < SECONDS
        assert time.monotonic() - waited < WAITED
    return made, None


def blamed(target, argument):
    """The other arguments that an error may name."""
    found = hostile.BLAMES.get((target.name, argument), ())
    return (found,) if isinstance(found, str) else found


def says_which_operand(error, sign, value):
    """Whether an operator's error names our argument. Where Python, or the class of the operand on the left, refuses
    before we are asked, it is in its own words."""
    named = any(f"`{name}`" in str(error) for name in ("factor", "divisor", "schedules"))
    if f"{sign}.other" in hostile.ALLOWED and sign != "other >> schedule":
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            return named and isinstance(error, ValueError | TypeError)
        if hostile.is_tensor(value) and sign.startswith("schedule"):
            return named and isinstance(error, TypeError)
    return isinstance(error, TypeError) or hostile.is_tensor(value)


def problems(target, count):
    found = []
    for argument in target.arguments:
        if argument in target.unchecked:
            continue
        for name, make in hostile.VALUES.items():
            made, wrong = outcome(target, argument, make())
            count["tried"] += 1
            if wrong is None and name not in hostile.allowed(target.name, argument):
                wrong = f"is accepted: {hostile.shown(made)}"
            elif wrong is None:
                count["accepted"] += 1
                wrong = about(made, target, argument, name)
            if wrong:
                found.append(f"{target.name}({argument}={name}) {wrong}")
    return found


def about(made, target, argument, name):
    """The problems of the result for an allowed value."""
    if not isinstance(made, klr.Schedule):
        return ""
    if name in hostile.PLAIN and made != target(argument, hostile.PLAIN[name]):
        return f"gives {made!r}, another schedule than {hostile.PLAIN[name]!r}"
    try:
        bound = made.bind(steps_per_epoch=7, epochs=9)
    except ValueError as error:
        named = (argument, *blamed(target, argument))
        return "" if any(f"`{name}`" in str(error) for name in named) else f"cannot be bound: {error}"
    steps = np.array([0, 1, 2, 5, 10, 1000, 2**31 - 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        rates = bound.values(steps)
    if not (np.all(np.isfinite(rates)) and np.all(rates >= 0)):
        return f"has the rates {rates}"
    tensor = keras.ops.convert_to_tensor(steps, dtype=by_backend.counter_dtype())
    if bound.has_external:
        return ""
    compiled = keras.ops.convert_to_numpy(bound.rate(tensor)).astype(np.float64)
    if not np.allclose(compiled, rates, rtol=1e-4, atol=1e-6 * rates.max() + 1e-37):
        return f"has the rates {rates} on the host and {compiled} in a step"
    return ""


COUNT = Counter()


@pytest.mark.few(20)
@pytest.mark.parametrize("number", range(len(TARGETS)), ids=[f"{target.name}-{i}" for i, target in enumerate(TARGETS)])
def test_wrong_arguments_are_refused_by_name(number):
    assert problems(TARGETS[number], COUNT) == []


def test_how_many_wrong_arguments_are_tried(capsys):
    """The figure in docs/reliability.md; run with ``-s`` to see it. New callables and arguments are found automatically."""
    pairs = [(target, name) for target in TARGETS for name in target.arguments if name not in target.unchecked]
    with capsys.disabled():
        print(f"\n{len(pairs):,} arguments of {len(TARGETS)} callables, {len(pairs) * len(hostile.VALUES):,} inputs")
    public = {getattr(klr, name) for name in klr.__all__} - hostile.RESULTS - set(hostile.NOT_CALLED)
    assert public <= {target.call for target in TARGETS}
    assert len(pairs) * len(hostile.VALUES) > 20_000


def strict(rate):
    """A callable without problems."""
    if type(rate) is not float or not 0 <= rate <= 1:
        raise ValueError(f"`rate` must be a float in [0, 1], got {type(rate).__name__}")
    return rate


def lenient(rate):
    return rate


def without_its_name(rate):
    raise ValueError("no")


def of_another_kind(rate):
    raise AttributeError("`rate` has no attribute 'x'")


def warned(rate):
    warnings.warn("`rate` is odd", UserWarning, stacklevel=1)


def another_schedule(rate):
    return klr.Constant(0.25 if type(rate) is float else 0.125)


def too_long(rate):
    return klr.from_function(lambda step: 0.1, 10) >> klr.LinearDecay(0.1, klr.epochs(2**31))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (strict, None),
        (lenient, "is accepted: "),
        (without_its_name, "does not name `rate`: ValueError"),
        (of_another_kind, "raises AttributeError"),
        (warned, "raises UserWarning"),
        (another_schedule, "another schedule than 0.25"),
        (too_long, "cannot be bound"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_strict_is_found(call, said, monkeypatch):
    """`problems` finds each kind of problem, and nothing in a correct callable."""
    monkeypatch.setitem(hostile.ALLOWED, "made up.rate", {"a fraction", "5e-324"})
    if call is another_schedule:
        monkeypatch.setitem(hostile.ALLOWED, "made up.rate", set(hostile.VALUES))
    found = problems(hostile.Target("made up", call, {}, ("rate",)), Counter())
    assert found == [] if said is None else any(said in line for line in found), found
    if call is lenient:
        assert len(found) == len(hostile.VALUES) - 2
