"""The playground as a reader uses it: sliders, menus, the line of Python, the link, wrong arguments, a phone."""

import json
from urllib.parse import quote

import numpy as np
import pytest
from support import playground_page, site_checks
from support.needs import library
from support.playground_lines import CLASSES

import keras_lr as klr

NAMES = vars(klr)
PHONE = site_checks.Look("phone", 390, 844, "light")
DESK = site_checks.LOOKS[0]
LONG = (
    "Warmup(PiecewiseInterpolation([100, 200, 300, 400, 500], [0.1, 0.2, 0.3, 0.2, 0.1234567890123]), 100, start=0.25, "
    'shape="exponential").cooldown(700, 200, shape="sqrt") + Sequential([Repeat(LinearDecay(0.1, 20), 30), 0.02, Constant(0.03)], [300, 500])'
)

library("selenium")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

pytestmark = [pytest.mark.site, pytest.mark.once, pytest.mark.xdist_group("playground")]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return playground_page.write(tmp_path_factory.mktemp("page"))


@pytest.fixture
def driver(browser, url):
    """The browser at the page; no test may leave an error in the console."""
    site_checks.look_as(browser, DESK)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(url)
    yield browser
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def link(url, *lines, steps=1000, **more):
    parts = {"steps": steps, **dict(zip("abc", lines, strict=False)), **more}
    return url + "#" + "&".join(f"{name}={quote(str(value))}" for name, value in parts.items())


def open_link(driver, url, *lines, **more):
    """What following a link does, without loading the page anew."""
    script = """
    const { playground } = document.getElementById("keras-lr-playground");
    history.replaceState(null, "", arguments[0]);
    playground.state = null;
    playground.load();
    """
    driver.execute_script(script, link("", *lines, **more))


def all_of(driver, selector):
    return driver.find_elements(By.CSS_SELECTOR, selector)


def one(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


def lines(driver):
    return driver.execute_script("return [...document.querySelectorAll('.pg-line')].map(line => line.value)")


def refusals(driver):
    return driver.execute_script("return [...document.querySelectorAll('.pg-refusals p')].map(p => p.textContent)")


def curves(driver):
    return {curve["curve"]: curve for curve in driver.execute_script(playground_page.POINTS)}


def check_drawn(curve, schedule):
    """The pixels of a curve are the rates of a schedule."""
    steps = np.array(curve["steps"])
    np.testing.assert_allclose(steps, steps.round(), atol=0.05)
    want = schedule.values(steps.round().astype(int))
    np.testing.assert_allclose(curve["values"], want, atol=2 * curve["precision"])


def check_picture(driver):
    """Curve A is that of line A; or both Python and the page refuse it, in the same words. Whether it is drawn."""
    line = lines(driver)[0]
    schedule, refused = None, []
    try:
        schedule = eval(line, dict(NAMES))
        schedule.values(0)
    except (TypeError, ValueError) as error:
        refused = [f"A: {error}"]
    assert refusals(driver) == refused, line
    drawn = list(curves(driver).values())
    assert bool(drawn) != bool(refused)
    if drawn:
        check_drawn(drawn[0], schedule)
    return bool(drawn)


def example(driver, name):
    return driver.execute_script("return KerasLRPlayground.SPEC.classes[arguments[0]].example", name)


SLIDE = """
const slider = document.querySelectorAll(".pg-editor input[type=range]")[arguments[0]];
slider.value = Number(slider.value) < 500 ? Number(slider.value) + arguments[1] : Number(slider.value) - arguments[1];
slider.dispatchEvent(new Event("input", {bubbles: true}));
return slider.closest("[data-argument]").dataset.argument + " of " + slider.closest("fieldset").dataset.class;
"""


# Sliders that cannot change the curve of the example: refused without another argument, or not part of a momentum.
IDLE = {
    "CosineDecay": ["warmup_steps of CosineDecay"],
    "CyclicalLearningRate": ["gamma of CyclicalLearningRate"],
    "OppositePhase": [f"{name} of OneCycle" for name in ("max_learning_rate", "div_factor", "final_div_factor")],
}


@pytest.mark.parametrize("name", CLASSES)
def test_every_slider_moves_the_curve(driver, url, name):
    open_link(driver, url, example(driver, name))
    assert check_picture(driver)
    shown = json.dumps(curves(driver))
    for index in range(len(all_of(driver, ".pg-editor input[type=range]"))):
        open_link(driver, url, example(driver, name))
        drawn = False
        for notches in (30, 137, 333):
            before = lines(driver)
            moved = driver.execute_script(SLIDE, index, notches)
            assert lines(driver) != before, moved
            drawn |= check_picture(driver) and json.dumps(curves(driver)) != shown
            if drawn:
                break
        inside = "CosineDecay" if moved == IDLE["CosineDecay"][0] else name
        assert drawn != (moved in IDLE.get(inside, [])), moved


def test_every_class_and_every_layer_by_its_menu(driver, url):
    cores, layers = driver.execute_script("return [KerasLRPlayground.cores(), KerasLRPlayground.layers()]")
    for name in cores:
        Select(one(driver, ".pg-class")).select_by_value(name)
        assert one(driver, ".pg-card").get_attribute("data-class") == name
        assert check_picture(driver) or name == "CosineDecay", name
    drawn = 0
    for name in layers:
        open_link(driver, url, "LinearDecay(0.1, 500)")
        Select(all_of(driver, ".pg-add")[-1]).select_by_value(name)
        assert name in [card.get_attribute("data-class") for card in all_of(driver, ".pg-card")]
        drawn += check_picture(driver)
        one(driver, f"[data-class={name}] > .pg-head > button").click()
        assert lines(driver) == ["LinearDecay(0.1, 500)"], name
    assert drawn == len(layers)


def test_parts_of_a_sequence(driver, url):
    open_link(driver, url, "LinearDecay(0.1, 300) >> Constant(0.02)")
    next(button for button in all_of(driver, "button") if button.text == "Add a part").click()
    assert refusals(driver)  # a constant has no end, so nothing can follow it
    next(button for button in all_of(driver, "button") if button.text == "Remove part 2").click()
    assert lines(driver) == ["LinearDecay(0.1, 300) >> LinearDecay(0.1, 1000)"]
    assert check_picture(driver)


def test_the_link_holds_everything(driver, url):
    given = ["Warmup(CosineDecay(0.1, 900), 100)", LONG, "CyclicalLearningRate(0.01, 0.1, 100)"]
    open_link(driver, url, *given, steps=2345, y="log", cm="0.7,0.9")
    slider = one(driver, ".pg-editor input[type=range]")
    slider.send_keys(Keys.ARROW_LEFT)
    before, address, drawn = lines(driver), driver.current_url, curves(driver)
    assert before[0] != given[0]
    assert before[1:] == given[1:]
    driver.get("about:blank")
    driver.get(address)
    assert driver.current_url == address
    assert lines(driver) == before
    assert curves(driver) == drawn
    assert set(drawn) == {"a-rate", "b-rate", "c-rate", "c-momentum"}
    for letter, line in zip("abc", before, strict=True):
        curve = drawn[f"{letter}-rate"]
        want = eval(line, dict(NAMES)).values(np.array(curve["steps"]).round().astype(int))
        np.testing.assert_allclose(curve["values"], want, rtol=2e-3)
    driver.execute_script("location.hash = arguments[0]", link("", "Constant(0.5)", steps=50)[1:])
    assert driver.execute_script("return new Promise(done => setTimeout(() => done(location.hash), 100))")
    assert lines(driver) == ["Constant(0.5)"]


def test_the_momentum_partner(driver, url):
    open_link(driver, url, "OneCycle(0.1, 1000)")
    one(driver, "#pg-momentum").click()
    partner = one(driver, ".pg-partner code").text
    assert partner == "OneCycle(0.1, 1000).momentum()"
    check_drawn(curves(driver)["a-momentum"], eval(partner, dict(NAMES)))
    low = one(driver, "[data-argument=low] input[type=text]")
    low.clear()
    low.send_keys("0.96")
    assert refusals(driver) == ["A: OppositePhase: `low` must be at most `high` (0.95), got 0.96"]
    low.clear()
    low.send_keys("0.5")
    partner = one(driver, ".pg-partner code").text
    assert partner == "OneCycle(0.1, 1000).momentum(low=0.5)"
    check_drawn(curves(driver)["a-momentum"], eval(partner, dict(NAMES)))
    one(driver, "#pg-momentum").click()
    assert list(curves(driver)) == ["a-rate"]


WRONG = {
    "-5": "StepDecay: `decay_steps` must be a number of steps in [1, 2**31), got -5",
    "many": "StepDecay: `decay_steps` must be a number of steps in [1, 2**31), got 'many'",
    "": "StepDecay: `decay_steps` must be a number of steps in [1, 2**31), got ''",
    "epochs(3)": "StepDecay(0.1, epochs(3)) has durations in epochs or fractions, which are not known yet: give",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_arguments_show_the_reason(driver, url, text):
    open_link(driver, url, "StepDecay(0.1, 250)")
    field = one(driver, "[data-argument=decay_steps] input[type=text]")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(Keys.BACKSPACE, text)
    assert not check_picture(driver)
    assert refusals(driver)[0].startswith("A: " + WRONG[text])
    if text != "epochs(3)":
        assert field.get_attribute("aria-invalid") == "true"
        assert one(driver, "[data-argument=decay_steps] .pg-refusal").text == WRONG[text]
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("2 * 125")
    assert check_picture(driver)
    assert lines(driver) == ["StepDecay(0.1, 250)"]
    assert field.get_attribute("aria-invalid") == "false"


def test_a_line_can_be_typed_and_pasted_and_copied(driver, url):
    field = one(driver, ".pg-line")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("schedule = keras_lr.LinearDecay(0.1, 2 ** 9) >> Const")
    assert refusals(driver) == ["A: `Const` is no schedule of this page"]
    assert curves(driver) == {}
    field.send_keys("ant(0.03)")
    assert refusals(driver) == []
    one(driver, "#pg-total").click()  # leaving the line writes it as the page does
    assert lines(driver) == ["LinearDecay(0.1, 512) >> Constant(0.03)"]
    assert check_picture(driver)
    one(driver, ".pg-compare").click()
    field = one(driver, "[data-slot=a] .pg-line")
    field.send_keys(Keys.END, " ")
    one(driver, "[data-slot=a] .pg-copy").click()  # right after typing
    other = one(driver, "[data-slot=b] .pg-line")
    other.send_keys(Keys.CONTROL, "a")
    other.send_keys(Keys.CONTROL, "v")
    assert lines(driver) == ["LinearDecay(0.1, 512) >> Constant(0.03)"] * 2


def test_what_is_under_the_cursor(driver, url):
    open_link(driver, url, "CosineDecay(0.1, 900)", "StepDecay(0.1, 250)")
    readout = one(driver, ".pg-readout")
    cosine, stairs = klr.CosineDecay(0.1, 900), klr.StepDecay(0.1, 250)
    picture = one(driver, ".pg-svg")
    driver.execute_script("arguments[0].focus()", picture)
    picture.send_keys(Keys.HOME)
    for key, step in ((Keys.ARROW_RIGHT, 10), (Keys.ARROW_RIGHT, 20), (Keys.END, 1000), (Keys.ARROW_LEFT, 990)):
        picture.send_keys(key)
        told = readout.text.split()
        assert told == ["step", f"{step:,}", "A", f"{cosine.values(step):.6g}", "B", f"{stairs.values(step):.6g}"]
        assert picture.get_attribute("aria-valuenow") == str(step)
    ActionChains(driver).move_to_element(picture).perform()
    step = int(readout.text.split()[1])
    assert 400 < step < 600
    assert readout.text.split()[3] == f"{cosine.values(step):.6g}"


def test_compare_and_remove(driver, url):
    open_link(driver, url, "CosineDecay(0.1, 900)")
    one(driver, ".pg-compare").click()
    one(driver, ".pg-compare").click()
    assert set(curves(driver)) == {"a-rate", "b-rate", "c-rate"}
    assert all_of(driver, ".pg-compare") == []
    one(driver, "[aria-label='Remove schedule B']").click()
    assert set(curves(driver)) == {"a-rate", "c-rate"}
    assert "&b=" not in driver.current_url
    for letter, line in zip("ac", lines(driver), strict=True):
        check_drawn(curves(driver)[f"{letter}-rate"], eval(line, dict(NAMES)))


def test_steps_and_axis(driver, url):
    open_link(driver, url, "ExponentialDecay(0.1, 200, 0.5)")
    one(driver, "#pg-log").click()
    curve = curves(driver)["a-rate"]
    rates = klr.ExponentialDecay(0.1, 200, 0.5).values(np.array(curve["steps"]).round().astype(int))
    np.testing.assert_allclose(curve["values"], rates, rtol=1e-3)
    one(driver, "#pg-log").click()
    field = one(driver, "#pg-total")
    for text, right in (("0", False), ("x", False), ("2**31", False), ("64 * 100", True)):
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)
        wrong = [message.text for message in all_of(driver, ".pg-settings .pg-refusal") if message.is_displayed()]
        assert wrong == ([] if right else [f"The number of steps must be a whole number in [1, 2**31), got {text}"])
    assert max(curves(driver)["a-rate"]["steps"]) == pytest.approx(6400, abs=5)


def test_the_examples_are_drawn(driver, url):
    names = [option.text for option in Select(one(driver, "#pg-presets")).options][1:]
    assert len(names) > 6
    for name in names:
        Select(one(driver, "#pg-presets")).select_by_visible_text(name)
        driver.execute_async_script("setTimeout(arguments[0], 60)")
        assert refusals(driver) == [], name
        drawn = curves(driver)
        for letter, line in zip("abc", lines(driver), strict=False):
            curve = drawn[f"{letter}-rate"]
            want = eval(line, dict(NAMES)).values(np.array(curve["steps"]).round().astype(int))
            # A pixel of a long training is several steps, so compare where little changes.
            assert np.mean(np.isclose(curve["values"], want, rtol=0.01, atol=2 * curve["precision"])) > 0.9, name


UNLABELLED = """
return [...document.querySelectorAll("#keras-lr-playground :is(input, select, textarea, button)")].filter(e =>
  !(e.getAttribute("aria-label") || e.textContent.trim() && e.tagName === "BUTTON" || e.labels && e.labels.length)
).map(e => e.outerHTML);
"""


def test_on_a_phone_with_labels_everywhere(browser, driver, url):
    site_checks.look_as(browser, PHONE)
    for shown in ((LONG, LONG, LONG), ("Sum([Sum([CosineDecay(0.1, 100)])])",), ("foo(" * 30,)):
        open_link(driver, url, *shown, am="0.8,0.9")
        width, used = driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
        assert (width, used) == (390, 390), shown
        assert driver.execute_script(UNLABELLED) == []
        picture = driver.execute_script("return document.querySelector('.pg-svg').getBoundingClientRect().right")
        assert picture <= 390
