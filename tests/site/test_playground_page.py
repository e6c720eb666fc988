"""The playground is used as by a reader: menus, sliders, the keyboard, the Python to copy, the link, a phone."""

import numpy as np
import pytest
from support import playground_page, site_checks
from support.catalogue import ROWS
from support.needs import library
from support.playground_arguments import CLASSES, RISING, address, arguments
from support.playground_page import Curve

import keras_lr as klr
from keras_lr.core.fields import StepCount

PHONE = site_checks.Look("phone", 390, 844, "light")
DESK, DARK = site_checks.LOOKS[:2]

library("selenium")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

pytestmark = [pytest.mark.site, pytest.mark.once, pytest.mark.xdist_group("playground")]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return playground_page.write(tmp_path_factory.mktemp("page"))


@pytest.fixture
def driver(browser, url):
    """The browser with the page newly opened. A test fails if it leaves an error in the console."""
    site_checks.look_as(browser, DESK)
    follow(browser, url)
    yield browser
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def follow(driver, url, there=""):
    """Open the page, or a link into it, from the start."""
    driver.get("about:blank")
    driver.get_log("browser")
    driver.get(url + (f"#{there}" if there else ""))


def one(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


def all_of(driver, selector):
    return driver.find_elements(By.CSS_SELECTOR, selector)


def field(driver, key):
    return driver.find_element(By.ID, f"pg-{key}")


def choose(driver, letter, name):
    Select(field(driver, letter)).select_by_value(name)


def write(driver, key, text):
    field(driver, key).send_keys(Keys.CONTROL, "a")
    field(driver, key).send_keys(Keys.BACKSPACE, text)


def python(driver, letter="a"):
    return one(driver, f".pg-line.pg-{letter} pre").text


def schedule(driver, letter="a"):
    """The schedule of the lines on the page, which import what they need."""
    names = {}
    exec(python(driver, letter), names)
    return names["schedule"]


def picture(driver):
    return driver.execute_script(playground_page.PICTURE)


def check_drawn(driver, letter="a", wanted=None):
    """Compare the pixels of a curve with the rates of the Python on the page. Returns the rates of the curve."""
    curve = Curve(picture(driver), letter)
    steps = curve.x.round().astype(int)
    np.testing.assert_allclose(curve.x, steps, atol=0.1)
    rates = (wanted or schedule(driver, letter)).values(steps)
    if picture(driver)["log"]:
        np.testing.assert_allclose(np.log(curve.rates), np.log(rates), atol=curve.precision)
    else:
        np.testing.assert_allclose(curve.rates, rates, atol=curve.precision)
    return curve.rates


OVERLAPS = """
const texts = [...document.querySelectorAll(".pg-svg text")].map(text => [text.textContent, text.getBoundingClientRect()]);
const frame = document.querySelector(".pg-svg").getBoundingClientRect();
const found = [];
texts.forEach(([a, p], i) => {
  if (p.left < frame.left - 1 || p.right > frame.right + 1 || p.top < frame.top - 1 || p.bottom > frame.bottom + 1) found.push(a);
  for (const [b, q] of texts.slice(0, i)) {
    if (p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom) found.push(a + " over " + b);
  }
});
return found;
"""


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_chosen_from_the_fresh_page_shows_its_shape(driver, name):
    choose(driver, "a", name)
    rates = check_drawn(driver)
    assert type(schedule(driver)).__name__ in (name, "Warmup")
    assert np.ptp(rates) > 0.5 * rates.max()  # this holds for Constant too, because the page begins with a warmup
    assert "`" not in one(driver, "#keras-lr-playground").text
    assert driver.execute_script(OVERLAPS) == []
    field(driver, "log").click()
    assert driver.execute_script(OVERLAPS) == []


@pytest.mark.parametrize("name", ["CyclicalLearningRate", "SinusoidalLearningRate"])
def test_a_cycle_goes_from_its_low_to_its_high_rate(driver, name):
    choose(driver, "a", name)
    made = schedule(driver).values([0, 100, 200])
    np.testing.assert_allclose(made, [0.01, 0.1, 0.01], rtol=1e-6)


MIDDLE = """
const slider = document.getElementById(arguments[0]);
slider.value = Math.floor(slider.max / 2);
slider.dispatchEvent(new Event("input"));
"""


EPOCHS = {"epoch": 64, "shown": 30}


@pytest.mark.parametrize(("name", "more"), [*((name, {}) for name in CLASSES), ("WarmupStableDecay", EPOCHS)])
def test_the_keyboard_moves_every_slider_both_ways(driver, url, name, more):
    follow(driver, url, address(name, {}, **more))
    sliders = [slider.get_attribute("id") for slider in all_of(driver, "input[type=range]")]
    assert "pg-shown-slider" in sliders
    for slider in sliders:
        key = slider.removesuffix("-slider").removeprefix("pg-")
        driver.execute_script(MIDDLE, slider)
        texts = [field(driver, key).get_attribute("value")]
        for arrow in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_LEFT):
            driver.find_element(By.ID, slider).send_keys(arrow)
            texts.append(field(driver, key).get_attribute("value"))
        assert texts[0] == texts[2], key
        assert float(texts[1]) > float(texts[2]) > float(texts[3]), key


def test_the_keyboard_moves_the_steps_that_are_shown_from_1000(driver):
    slider = field(driver, "shown-slider")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert field(driver, "shown").get_attribute("value") == "1100"
    assert Curve(picture(driver), "a").x.max() == pytest.approx(1100, abs=0.5)
    slider.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert field(driver, "shown").get_attribute("value") == "990"
    check_drawn(driver)


def test_sliders_move_the_curve(driver):
    choose(driver, "a", "LinearDecay")
    before = picture(driver)
    for key in ("initial_learning_rate", "decay_steps", "end_learning_rate", "warmup"):
        arrow = Keys.ARROW_LEFT if key == "decay_steps" else Keys.ARROW_RIGHT
        field(driver, f"a.{key}-slider").send_keys(*[arrow] * 9)
        assert picture(driver) != before, key
        before = picture(driver)
        check_drawn(driver)


def test_a_warmup_is_offered_where_the_schedule_has_none(driver):
    assert python(driver).endswith("schedule = Warmup(CosineDecay(0.1, 900), 100)")
    choose(driver, "a", "LinearDecay")
    assert python(driver).endswith("schedule = Warmup(LinearDecay(0.1, 900), 100)")
    for name in RISING:
        choose(driver, "a", "LinearDecay")
        write(driver, "a.warmup", "50")
        choose(driver, "a", name)
        assert all_of(driver, "[id='pg-a.warmup']") == []
        assert type(schedule(driver)).__name__ == name
    choose(driver, "a", "StepDecay")
    assert field(driver, "a.warmup").get_attribute("value") == "0"
    assert type(schedule(driver)) is klr.StepDecay


def test_copy_includes_the_import(driver):
    choose(driver, "b", "StepDecay")
    for letter, wanted in (("a", klr.Warmup(klr.CosineDecay(0.1, 900), 100)), ("b", klr.StepDecay(0.1, 250))):
        one(driver, f".pg-line.pg-{letter} button").click()
        WebDriverWait(driver, 5).until(lambda d, at=letter: one(d, f".pg-line.pg-{at} button").text == "Copied")
        driver.execute_script("document.body.prepend(Object.assign(document.createElement('textarea'), {id: 'paste'}))")
        one(driver, "#paste").send_keys(Keys.CONTROL, "v")
        names = {}
        exec(one(driver, "#paste").get_attribute("value"), names)
        assert names["schedule"] == wanted
        driver.execute_script("document.getElementById('paste').remove()")


def state(driver):
    texts = driver.execute_script(
        "return [...document.querySelectorAll('#keras-lr-playground :is(input, select)')].map(e => e.id + e.value + e.checked)"
    )
    return texts, [line.text for line in all_of(driver, ".pg-line pre")], picture(driver)


PASTE = """
const { playground } = document.getElementById("keras-lr-playground");
return arguments[0].map(text => playground.paste(text) ? document.querySelector(".pg-line pre").textContent : null);
"""


def is_whole(schedule):
    """Whether all lengths are whole steps. The page rounds other lengths."""
    kinds = arguments(type(schedule).__name__)
    given = schedule.arguments()
    return all(float(given[key] or 0).is_integer() for key, kind in kinds.items() if isinstance(kind, StepCount))


def test_a_line_of_python_is_pasted(driver):
    """The line may be that of the README, or any schedule of the catalogue with fields on the page."""
    readme = (playground_page.DOCS.parent / "README.md").read_text()
    line = next(line for line in readme.splitlines() if line.startswith("schedule = "))
    write(driver, "paste", line + Keys.TAB)
    assert schedule(driver) == eval(line.removeprefix("schedule = "), dict(vars(klr)))
    assert field(driver, "epoch").get_attribute("value") == "100"
    schedules = [row.schedule for row in ROWS if type(row.schedule).__name__ in CLASSES and row.schedule.is_bound]
    shown = [one for one in schedules if getattr(one, "warmup_target", None) is None and is_whole(one)]
    assert len(shown) > 25
    for one, made in zip(shown, driver.execute_script(PASTE, [repr(one) for one in shown]), strict=True):
        names = {}
        exec(made, names)
        bound = names["schedule"].bind(steps_per_epoch=100, epochs=100)
        np.testing.assert_array_equal(bound.values(range(200)), one.values(range(200)), err_msg=repr(one))


@pytest.mark.parametrize(
    "text",
    ["Repeat(LinearDecay(0.1, 5), 5)", "LinearDecay(0.1", "0.1", "LinearDecay(0.1, fraction(1.0))", "Warmup(0.1, 5)"],
)
def test_schedules_without_fields_are_reported(driver, text):
    before = python(driver)
    write(driver, "paste", text + Keys.TAB)
    assert field(driver, "paste-message").text == "This page has no fields for this schedule."
    assert python(driver) == before


def test_the_address_contains_all_fields(driver, url):
    choose(driver, "a", "ExponentialDecay")
    field(driver, "a.staircase").click()
    write(driver, "a.initial_learning_rate", "0.35")
    choose(driver, "b", "MultiStepDecay")
    write(driver, "b.milestones", "100, 250")
    write(driver, "shown", "640")
    field(driver, "log").click()
    field(driver, "epochs").click()
    write(driver, "epoch", "64")
    before = state(driver)
    WebDriverWait(driver, 5).until(lambda d: "epoch=64" in d.current_url)
    there = driver.current_url
    follow(driver, there)
    assert state(driver) == before
    assert driver.current_url == there


def test_links_open_the_page_with_their_schedule(driver, url):
    there = address("LinearDecay", {"initial_learning_rate": "0.2", "decay_steps": "300", "warmup": "30"}, shown=500)
    follow(driver, url, there)
    wanted = klr.Warmup(klr.LinearDecay(0.2, 300), 30)
    assert schedule(driver) == wanted
    check_drawn(driver, wanted=wanted)
    # The hash may also be changed within the page, name only a class, or be no state at all.
    driver.execute_script("location.hash = 'a=StepDecay&shown=2000'")
    WebDriverWait(driver, 5).until(lambda d: "StepDecay" in python(d))
    assert schedule(driver) == klr.StepDecay(0.1, 500)  # the example, stretched to the steps that are drawn
    driver.execute_script("location.hash = 'how-it-works'")
    driver.execute_async_script("setTimeout(arguments[0], 400)")
    assert schedule(driver) == klr.StepDecay(0.1, 500)


@pytest.mark.parametrize(
    "there", ["a=Nothing&b=toString", "shown=-3&a=__proto__", "epoch=x&log=0", "a.decay_steps=%zz&=&&"]
)
def test_a_wrong_link_still_opens_the_page(driver, url, there):
    follow(driver, url, there)
    assert len(all_of(driver, ".pg-card")) == 2
    assert Select(field(driver, "a")).first_selected_option.text == "CosineDecay"
    assert Select(field(driver, "b")).first_selected_option.text == "none"


def test_a_field_out_of_range_is_marked(driver):
    choose(driver, "a", "StepDecay")
    for text in ("-5", "many", "0.5", ""):
        write(driver, "a.decay_steps", text)
        box = field(driver, "a.decay_steps")
        assert box.get_attribute("aria-invalid") == "true"
        assert field(driver, "a.decay_steps-message").text == "must be a number of steps in [1, 2**31)"
        assert one(driver, ".pg-line.pg-a").text == "A: decay_steps must be a number of steps in [1, 2**31)"
        assert picture(driver)["curves"] == {}
    write(driver, "a.decay_steps", "20")
    assert box.get_attribute("aria-invalid") == "false"
    assert not field(driver, "a.decay_steps-message").is_displayed()
    check_drawn(driver)
    write(driver, "shown", "0")
    assert field(driver, "shown-message").text == "must be a number of steps in [1, 2**31)"
    check_drawn(driver)  # with the steps as before


@pytest.mark.parametrize(
    "there",
    [
        address("PiecewiseConstantDecay", {"boundaries": "10, 20", "values": "0.1"}),
        address("PiecewiseInterpolation", {"boundaries": "10, 20", "values": "0.1"}),
        address("WarmupStableDecay", {"shape": "halving"}),
    ],
)
def test_arguments_that_contradict_each_other_have_no_line(driver, url, there):
    follow(driver, url, there)
    assert one(driver, ".pg-line.pg-a").text == "A: These arguments do not fit together."
    assert picture(driver)["curves"] == {}


def test_durations_can_be_switched_to_epochs_and_back(driver):
    choose(driver, "b", "MultiStepDecay")
    before = python(driver), python(driver, "b")
    in_steps = picture(driver)["curves"]
    field(driver, "epochs").click()
    assert driver.switch_to.active_element.get_attribute("id") == "pg-epochs"
    assert schedule(driver) == klr.Warmup(klr.CosineDecay(0.1, klr.epochs(9)), klr.epochs(1))
    assert schedule(driver, "b") == klr.MultiStepDecay(0.1, [klr.epochs(3), klr.epochs(6), klr.epochs(9)])
    assert "BindSchedule()" in one(driver, ".pg-lines").text
    assert picture(driver)["curves"] == in_steps
    assert [text.text for text in all_of(driver, ".pg-axis")] == ["learning rate", "epoch"]
    assert Curve(picture(driver), "a").x.max() == pytest.approx(10, abs=0.01)
    # With another length of an epoch, 9 epochs are another number of steps.
    write(driver, "epoch", "33")
    write(driver, "a.warmup", "2.5")
    curve = Curve(picture(driver), "a")
    bound = schedule(driver).bind(steps_per_epoch=33, epochs=10)
    assert bound.schedule.warmup_steps == klr.epochs(2.5)
    np.testing.assert_allclose(curve.rates, bound.values((curve.x * 33).round().astype(int)), atol=curve.precision)
    write(driver, "epoch", "100")
    write(driver, "a.warmup", "1")
    field(driver, "epochs").click()
    assert (python(driver), python(driver, "b")) == before
    assert picture(driver)["curves"] == in_steps


def test_epochs_that_are_not_whole_come_back_as_the_same_steps(driver, url):
    follow(driver, url, address("StepDecay", {"decay_steps": "337", "warmup": "3"}, shown=1234))
    before = python(driver)
    field(driver, "epochs").click()
    assert python(driver).endswith("schedule = Warmup(StepDecay(0.1, epochs(3.37)), epochs(0.03))")
    field(driver, "epochs").click()
    assert python(driver) == before
    assert field(driver, "shown").get_attribute("value") == "1234"


def test_the_readout_shows_the_values_under_the_cursor(driver, url):
    follow(driver, url, address("CosineDecay", {"decay_steps": "900"}, b="StepDecay"))
    readout = one(driver, ".pg-readout")
    cosine, stairs = klr.CosineDecay(0.1, 900), klr.StepDecay(0.1, 250)
    plot = one(driver, ".pg-svg")
    driver.execute_script("arguments[0].focus()", plot)
    plot.send_keys(Keys.HOME)
    for key, step in ((Keys.ARROW_RIGHT, 10), (Keys.ARROW_RIGHT, 20), (Keys.END, 1000), (Keys.ARROW_LEFT, 990)):
        plot.send_keys(key)
        check_readout(readout, step, cosine, stairs)
        assert plot.get_attribute("aria-valuenow") == str(step)
    ActionChains(driver).move_to_element(plot).perform()
    step = int(readout.text.split()[1])
    assert 400 < step < 600
    check_readout(readout, step, cosine, stairs)


def check_readout(readout, step, *schedules):
    word, at, a, first, b, second = readout.text.replace(",", "").split()
    assert (word, at, a, b) == ("step", str(step), "A", "B")
    wanted = [schedule.values(step) for schedule in schedules]
    np.testing.assert_allclose([float(first), float(second)], wanted, rtol=1e-5)


def test_a_second_curve_can_be_added_and_removed(driver):
    assert list(picture(driver)["curves"]) == ["a"]
    choose(driver, "b", "OneCycle")
    assert list(picture(driver)["curves"]) == ["a", "b"]
    check_drawn(driver, "a")
    check_drawn(driver, "b")
    choose(driver, "b", "")
    assert list(picture(driver)["curves"]) == ["a"]
    driver.execute_async_script("setTimeout(arguments[0], 400)")
    assert "b" not in dict(part.split("=") for part in driver.current_url.split("#")[1].split("&"))


def test_the_curve_is_right_on_a_logarithmic_axis(driver, url):
    follow(driver, url, address("ExponentialDecay", {}, log=1))
    check_drawn(driver)
    field(driver, "log").click()
    check_drawn(driver)


@pytest.mark.parametrize("look", [DESK, DARK], ids=["light", "dark"])
def test_the_curves_have_enough_contrast_with_the_background(browser, driver, url, look):
    site_checks.look_as(browser, look)
    choose(driver, "b", "StepDecay")
    colours = "return [...document.querySelectorAll('.pg-curve')].map(e => getComputedStyle(e).stroke)"
    ground = one(driver, ".pg-picture").value_of_css_property("background-color")
    lines = driver.execute_script(colours)
    assert len(set(lines)) == 2
    assert all(site_checks.contrast(site_checks.rgb(line), site_checks.rgb(ground)) > 3 for line in lines)


UNLABELLED = """
return [...document.querySelectorAll("#keras-lr-playground :is(input, select, button)")].filter(e =>
  !(e.getAttribute("aria-label") || e.labels && e.labels.length)).map(e => e.outerHTML);
"""


@pytest.mark.parametrize(
    "there",
    [
        address("OneCycle", {}, b="WarmupStableDecay", log=1),
        address("PiecewiseInterpolation", {}, b="KDecay", epoch=390, shown=90),
        address("StepDecay", {"decay_steps": "-1"}, shown=2**31 - 1, log=1),
        address("MultiStepDecay", {"milestones": ", ".join(map(str, range(1, 200)))}, shown=123_456),
        address("ExponentialDecay", {"initial_learning_rate": "1.23456789e-7"}, shown=3),
    ],
)
def test_the_page_fits_a_phone_and_every_field_has_a_label(browser, driver, url, there):
    site_checks.look_as(browser, PHONE)
    follow(driver, url, there)
    assert driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [390, 390]
    assert driver.execute_script(UNLABELLED) == []
    assert driver.execute_script(OVERLAPS) == []
