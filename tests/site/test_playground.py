"""The playground's formulas, limits and lines of Python are those of the package."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
from support import playground_page
from support.playground_arguments import CLASSES, FALLING, RISING, Draw, address, arguments

from keras_lr.core.fields import OrNone, Several
from keras_lr.core.refusals import RefusedError

DOCS = Path(__file__).parents[2] / "docs"
SCRIPTS = DOCS / "javascripts"
STEPS = [*range(131), 199, 200, 299, 300, 301, 999, 1000, 1001, 46_337, 99_999, 10**6, 2**24 + 1, 2**31 - 1]

pytestmark = [pytest.mark.site, pytest.mark.once, pytest.mark.xdist_group("playground")]

EVALUATE = """
const { playground } = document.getElementById("keras-lr-playground");
return arguments[0].map(address => {
  playground.load(address);
  return playground.schedule("a", arguments[1]);
});
"""


@pytest.fixture(scope="module")
def evaluate(browser, tmp_path_factory):
    """A function that returns the rates of the page at `STEPS` for each address."""
    browser.get(playground_page.write(tmp_path_factory.mktemp("page")))
    return lambda addresses: browser.execute_script(EVALUATE, addresses, STEPS)


@pytest.fixture
def module():
    """docs/playground_spec.py."""
    spec = importlib.util.spec_from_file_location("playground_spec", DOCS / "playground_spec.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def run(code):
    """The schedule of the copied lines, which import what they need."""
    names = {}
    exec(code, names)
    return names["schedule"]


def check_values(got, want, what):
    peak = np.abs(want).max()
    np.testing.assert_allclose(np.array(got, np.float64), want, rtol=1e-9, atol=1e-12 * peak, err_msg=repr(what))


def test_the_spec_of_the_page_is_current(module):
    assert module.script() == (SCRIPTS / "playground_spec.js").read_text(), "run python docs/playground_spec.py"


def test_every_class_is_on_the_page_or_made_of_others(module):
    classes = module.spec()["classes"]
    assert list(classes) == CLASSES
    assert all(f"`{name}`" in (DOCS / "playground.md").read_text() for name in module.LEFT_OUT)


def test_a_warmup_is_offered_if_the_schedule_does_not_begin_with_a_rise(module):
    classes = module.spec()["classes"]
    assert {name: classes[name]["warmup"] for name in RISING | FALLING} == {
        name: name in FALLING for name in RISING | FALLING
    }


def test_a_class_without_an_example_is_named(module, monkeypatch):
    del module.EXAMPLES["StepDecay"]
    with pytest.raises(LookupError, match="no example for StepDecay: add it to EXAMPLES in docs/playground_spec.py"):
        module.spec()


def test_every_class_has_a_formula(module, browser, evaluate):
    formulas = browser.execute_script("return Object.keys(KerasLRPlayground.formulas)")
    missing = set(module.on_the_page()) - set(formulas)
    assert not missing, f"docs/javascripts/playground_formulas.js has no formula for {', '.join(sorted(missing))}"
    assert set(formulas) <= set(module.on_the_page())


def test_every_example_shows_its_shape(module):
    for name, example in module.EXAMPLES.items():
        rates = example.values(range(1001))
        assert np.ptp(rates) > 0.5 * rates.max() or name == "Constant", name


def test_the_scripts_stay_small():
    assert sum(len(path.read_text().splitlines()) for path in SCRIPTS.glob("playground*.js")) < 1000


@pytest.mark.parametrize("per_epoch", [0, 1, 7, 390])
def test_random_arguments_give_the_right_curve_and_line(evaluate, per_epoch):
    """Curve and copied line are right for durations in steps and in epochs."""
    draw = Draw(seed=per_epoch)
    drawn = [draw.schedule(name, per_epoch) for name in CLASSES for _ in range(10 if per_epoch else 30)]
    for one, made in zip(drawn, evaluate([one.address for one in drawn]), strict=True):
        assert "problem" not in made, (one.schedule, made["problem"])
        check_values(made["values"], one.bound.values(STEPS), one.schedule)
        assert run(made["python"]) == one.schedule


TEXTS = ("", "-1", "0", "1e-40", "0.25", "1", "1.5", "1000", "1001", "2147483647", "2147483648", "1e39", "nan", "x")
LISTS = ("", "1,", "3, 2", "2, 2", "2, 3", "-1, 2", "0, x", "2, 2147483648")


@pytest.mark.parametrize("name", CLASSES)
def test_a_field_marks_values_that_its_kind_refuses(module, evaluate, browser, name):
    """Python and the page allow the same values, and their message is the same."""
    cases = [
        (key, kind, text)
        for key, kind in arguments(name).items()
        for text in (LISTS if isinstance(kind, Several) else TEXTS)
    ]
    fields = {one["name"]: one for one in module.spec()["classes"][name]["arguments"]}
    script = "return arguments[0].map(([kind, text]) => KerasLRPlayground.read(kind, text, 0).wrong || null)"
    made = browser.execute_script(script, [[fields[key], text] for key, _, text in cases])
    for (key, kind, text), wrong in zip(cases, made, strict=True):
        if fields[key]["type"] != "flag":  # a checkbox cannot be wrong
            assert wrong == (None if is_right(kind, text) else kind.allowed), (key, text)


def is_right(kind, text):
    try:
        kind.coerce(meant(kind, text))
    except RefusedError:
        return False
    return True


def meant(kind, text):
    """The value of a text: a list, a number, None for an empty field, or the text itself."""
    if isinstance(kind, Several):
        return [meant(kind.item, item.strip()) for item in text.split(",")] if text else []
    if isinstance(kind, OrNone) and not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if math.isfinite(number) and number.is_integer() else number


def test_the_warmup_of_the_page_is_linear_from_0(evaluate):
    (made,) = evaluate([address("StepDecay", {"initial_learning_rate": "0.4", "decay_steps": "50", "warmup": "10"})])
    assert made["python"] == "from keras_lr import StepDecay, Warmup\n\nschedule = Warmup(StepDecay(0.4, 50), 10)\n"
    expected = {0: 0.0, 5: 0.2, 9: 0.36, 10: 0.4, 59: 0.4, 60: 0.2, 110: 0.1}
    assert {step: round(made["values"][STEPS.index(step)], 12) for step in expected} == expected


def test_the_spec_is_plain_json():
    text = (SCRIPTS / "playground_spec.js").read_text()
    spec = json.loads(text.split("window.KERAS_LR_SPEC = ")[1].rstrip().rstrip(";"))
    assert spec["classes"]["StepDecay"]["arguments"][2]["default"] == 0.5
