"""Every argument of every public callable refuses every wrong value, with an error that names the argument.

The error must be a `TypeError` or `ValueError`. A value that is accepted must be in `hostile.allowed`, and give the
same result as its plain form.
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
"""The limits for a call: seconds of computing, and seconds by the clock, in which a busy machine may keep it waiting."""

TARGETS = hostile.targets()


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    """Run in an empty folder, and replace trainings, which begin only after the checks."""
    monkeypatch.chdir(tmp_path)
    pyplot.close("all")  # those that other tests left

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


def outcome(target, argument, value):
    """The result of a call and None, or None and the problem with its error ("" if there is none)."""
    begun, waited = time.thread_time(), time.monotonic()
    try:
        with warnings.catch_warnings(), contextlib.ExitStack():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            # A number of steps still works for `to_frame` and `plot`.
            warnings.filterwarnings("ignore", r"\w+: `\w+\(\d+\)` is deprecated, since `values", DeprecationWarning)
            made = target(argument, value)
    except (TypeError, ValueError) as error:
        named = (argument, *blamed(target, argument))
        is_named = any(f"`{name}" in str(error) or f"'{name}'" in str(error) for name in named)
        says_whose = str(error).startswith(tuple(f"{owner}: " for owner in owners(target)))
        if target.name in hostile.OPERATORS:
            is_named = says_whose = says_which_operand(error, target.name, value)
        if not is_named:
            return None, f"does not name `{argument}`: {type(error).__name__}: {str(error)[:200]}"
        ours = says_whose or str(error).startswith(WITHOUT_OWNER)
        return None, "" if ours else f"does not begin with `{target.name}`: {str(error)[:200]}"
    except Exception as error:
        return None, f"raises {type(error).__name__}: {str(error)[:200]}"
    finally:
        pyplot.close("all")  # matplotlib warns of more than 20
        assert time.thread_time() - begun < SECONDS
        assert time.monotonic() - waited < WAITED
    return made, None


OWNERS = {
    "Schedule.clip": {"Clip"},
    "Schedule.from_step": {"Shifted"},
    "Schedule.cooldown": {"Cooldown"},
    "Warmup.untuned": {"Warmup"},
    "momentum": {"OppositePhase"},
    "Comparison.plot": {"summary"},
    "from_endpoints": {"ExponentialDecay", "TimeBasedDecay"},
    "ReduceOnPlateau.set_state": {"ReduceOnPlateau"},
    "Scheduled.from_config": {"Scheduled"},
}
"""Callables whose errors begin with another name: that of the schedule which they make, or of their class."""

WITHOUT_OWNER = "Sequential model sequential"
"""How an error of Keras begins, about a model without layers."""


def owners(target):
    """What an error of a callable may begin with: its name, or that of the schedule whose method it is."""
    kind, _, method = target.name.partition(" ")[0].rpartition(".")
    its_schedule = {"LinearDecay"} if kind == "Schedule" else set()
    return {target.name, method} | its_schedule | OWNERS.get(target.name, set())


def blamed(target, argument):
    """The other arguments that an error may name."""
    found = hostile.BLAMES.get((target.name, argument), ())
    return (found,) if isinstance(found, str) else found


def says_which_operand(error, sign, value):
    """Whether the error of an operator is right.

    If Python or the class of the left operand refuses first, the error cannot name our argument.
    """
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
                wrong = f"is accepted: {hostile.brief(made)}"
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


def test_errors_begin_with_the_callable_and_name_the_argument():
    """The quick form of the test above: one wrong value for each argument of each callable."""
    wrong = []
    for target in TARGETS:
        for argument in sorted(set(target.arguments) - set(target.unchecked)):
            for value in (object(), -1.5, ""):
                problem = outcome(target, argument, value)[1]
                wrong += [f"{target.name}({argument}={value!r}) {problem}"] if problem else []
    assert wrong == []


def test_how_many_wrong_arguments_are_tried(capsys):
    """It prints the figure for docs/reliability.md. New callables and arguments are found automatically."""
    pairs = [(target, name) for target in TARGETS for name in target.arguments if name not in target.unchecked]
    with capsys.disabled():
        print(f"\n{len(pairs):,} arguments of {len(TARGETS)} callables, {len(pairs) * len(hostile.VALUES):,} inputs")
    public = {getattr(klr, name) for name in klr.__all__} - hostile.RESULTS - set(hostile.NOT_CALLED)
    assert public <= {target.call for target in TARGETS}
    assert len(pairs) * len(hostile.VALUES) > 20_000


def strict(rate):
    """A callable without problems."""
    if type(rate) is not float or not 0 <= rate <= 1:
        raise ValueError(f"made up: `rate` must be a float in [0, 1], got {type(rate).__name__}")
    return rate


def lenient(rate):
    return rate


def without_its_name(rate):
    raise ValueError("made up: no")


def without_an_owner(rate):
    raise ValueError("another: `rate` must be a float")


def of_another_kind(rate):
    raise AttributeError("`rate` has no attribute 'x'")


def warned(rate):
    warnings.warn("`rate` is odd", UserWarning, stacklevel=1)


def another_schedule(rate):
    return klr.Constant(0.25 if type(rate) is float else 0.125)


def too_long(rate):
    return klr.from_function(lambda step: 0.1, 10) >> klr.LinearDecay(0.1, klr.epochs(2**31))


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (strict, None),
        (lenient, "is accepted: "),
        (without_its_name, "does not name `rate`: ValueError"),
        (without_an_owner, "does not begin with `made up`: another: "),
        (of_another_kind, "raises AttributeError"),
        (warned, "raises UserWarning"),
        (another_schedule, "another schedule than 0.25"),
        (too_long, "cannot be bound"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_problems_of_callables_are_found(call, problem, monkeypatch):
    """Each kind of problem is found, and none in a correct callable."""
    monkeypatch.setitem(hostile.ALLOWED, "made up.rate", {"a fraction", "5e-324"})
    if call is another_schedule:
        monkeypatch.setitem(hostile.ALLOWED, "made up.rate", set(hostile.VALUES))
    found = problems(hostile.Target("made up", call, {}, ("rate",)), Counter())
    assert found == [] if problem is None else any(problem in line for line in found), found
    if call is lenient:
        assert len(found) == len(hostile.VALUES) - 2
