"""The playground: its curves are those of `values`, in a browser, and its lines of Python make them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import playground_page
from support.catalogue import ROWS
from support.playground_lines import CLASSES, Lines

import keras_lr as klr

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NAMES = vars(klr)
STEPS = [
    *range(131),
    199,
    200,
    299,
    300,
    301,
    999,
    1000,
    1001,
    4095,
    4096,
    46336,
    46337,
    99_999,
    10**6,
    2**24 + 1,
    2**31 - 1,
]

pytestmark = [pytest.mark.site, pytest.mark.once, pytest.mark.xdist_group("playground")]

EVALUATE = """
const P = KerasLRPlayground;
return arguments[0].map(text => {
  try {
    const raw = P.parse(text), built = P.build(raw);
    return {values: P.values(built, arguments[1]), line: P.line(raw), repr: P.scheduleRepr(built), said: P.describe(built)};
  } catch (error) {
    if (!(error instanceof P.Refusal)) throw new Error(text + ": " + error.stack);
    return {refused: error.message};
  }
});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return playground_page.write(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def evaluate(browser, page):
    """Lines to what the page makes of them at `STEPS`."""
    browser.get(page)
    return lambda lines: browser.execute_script(EVALUATE, lines, STEPS)


def check_values(got, want, what):
    want = np.asarray(want)
    peak = np.abs(want).max()
    np.testing.assert_allclose(np.array(got, np.float64), want, rtol=1e-9, atol=1e-12 * peak, err_msg=what)


NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?")


def check_words(said, schedule):
    """The sentence of `describe`; its figures may differ in the last digit."""
    want = schedule.describe()
    assert NUMBER.sub("n", said) == NUMBER.sub("n", want)
    assert said.split("; ")[0] == want.split("; ")[0]
    figures = [[float(figure.replace(",", "")) for figure in NUMBER.findall(text)] for text in (said, want)]
    np.testing.assert_allclose(*figures, rtol=0.01, err_msg=f"{said} | {want}")


def expected(line):
    """The schedule of a line in Python, or the words in which it is refused."""
    try:
        schedule = eval(line, dict(NAMES))
        return schedule, schedule.values(STEPS)
    except (TypeError, ValueError) as error:
        return None, str(error)


def test_what_the_page_knows_of_the_classes_is_current():
    code = "import runpy, sys; sys.stdout.write(runpy.run_path('docs/playground_spec.py')['script']())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == (DOCS / "javascripts" / "playground_spec.js").read_text(), (
        "run python docs/playground_spec.py"
    )


def test_every_class_is_there_or_left_out_with_a_reason(browser, page):
    browser.get(page)
    script = """
    const P = KerasLRPlayground;
    const menus = [...P.cores(), ...P.layers(), P.partner];
    return [Object.keys(P.formulas), menus, P.SPEC.leftOut, document.getElementById("keras-lr-left-out").innerText];
    """
    formulas, menus, left_out, told = browser.execute_script(script)
    assert sorted([*formulas, *left_out]) == CLASSES
    assert sorted(menus) == sorted(formulas)
    assert all(f"{name}: {reason}" in told for name, reason in left_out.items())


def test_curves_of_the_catalogue(evaluate):
    foreign = [row.id for row in ROWS if "keras.optimizers" in repr(row.schedule)]
    assert foreign == ["Warmup-of-Keras"]  # said on the page: their formulas are Python
    rows = [row for row in ROWS if row.id not in foreign]
    assert {type(row.schedule).__name__ for row in rows} == set(CLASSES)
    for row, made in zip(rows, evaluate([repr(row.schedule) for row in rows]), strict=True):
        assert "refused" not in made, (row.id, made)
        check_values(made["values"], row.schedule.values(STEPS), row.id)
        assert made["repr"] == repr(row.schedule)
        check_line(made, row.schedule)
        check_words(made["said"], row.schedule)


def check_line(made, schedule):
    """The line that the page gives makes the same schedule again."""
    again = eval(made["line"], dict(NAMES))
    assert again == schedule, made["line"]
    np.testing.assert_array_equal(again.values(STEPS), schedule.values(STEPS))


RIGHT = Lines(seed=1)
RANDOM = {
    "each class": [RIGHT.call(name) for name in CLASSES for _ in range(14)],
    "combinations": [RIGHT.combined() for _ in range(400)],
    "deep": [RIGHT.schedule(4) for _ in range(100)],
}


@pytest.mark.parametrize("which", RANDOM)
def test_random_lines(evaluate, which):
    drawn = 0
    for line, made in zip(RANDOM[which], evaluate(RANDOM[which]), strict=True):
        schedule, answer = expected(line)
        if schedule is None:
            # `a >> (b >> c)` is flat here before it is checked, so more is shown of the chain that is refused.
            known = slice(0, 70 if answer.startswith("Chain: ") else None)
            assert list(made) == ["refused"], line
            assert made["refused"][known] == answer[known], line
            continue
        assert "refused" not in made, (line, made)
        drawn += 1
        check_values(made["values"], answer, line)
        assert made["repr"] == repr(schedule)
        check_values(eval(made["line"], dict(NAMES)).values(STEPS), answer, made["line"])
        check_words(made["said"], schedule)
    assert drawn > len(RANDOM[which]) / 3


def test_wrong_arguments_are_refused_in_the_words_of_the_class(evaluate):
    wrong = Lines(seed=2, wrong=0.3)
    lines = [wrong.call(name) for name in CLASSES for _ in range(25)]
    refusals = set()
    for line, made in zip(lines, evaluate(lines), strict=True):
        schedule, answer = expected(line)
        if schedule is None:
            assert made == {"refused": answer}, line
            refusals.add(answer.split(", got")[0])
        else:
            check_values(made["values"], answer, line)
    assert len(refusals) > 120
