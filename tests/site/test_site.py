"""The documentation is built with warnings as errors. Every link is followed, and every page opened in a browser.

KLR_SCREENSHOTS=FOLDER saves a picture of each page.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import migrations, site_checks
from support.site_checks import LOOKS, Look

import keras_lr as klr
from keras_lr.core.frozen import declared_arguments

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "docs" / "builder" / "mkdocs.yml"
BUILDER = [str(CONFIG.parent), str(ROOT / "tests")]

# One worker builds the site and opens it.
pytestmark = [pytest.mark.site, pytest.mark.once, pytest.mark.xdist_group("site")]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(CONFIG), "-d", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr[-6000:]
    return folder


def test_every_link_leads_somewhere_and_nothing_is_fetched_from_elsewhere(site):
    assert site_checks.wrong_links(site) == []


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS, ids=[look.name for look in LOOKS])
def test_every_page_in_a_browser(site, browser, look):
    site_checks.look_as(browser, look, site)
    keep = os.environ.get("KLR_SCREENSHOTS")
    pages = site_checks.pages_of(site)
    assert len(pages) > 25
    wrong = {}
    for path in pages:
        name = path.relative_to(site).as_posix().replace("/", "-")
        picture = Path(keep) / look.name / name.replace(".html", ".png") if keep else None
        found = site_checks.findings(browser, path.as_uri(), look, picture)
        if found:
            wrong[name] = found
    assert wrong == {}


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_lines_of_the_migration_page_can_be_read(site, browser, width):
    """No table is wider than its frame, no code is narrow or broken within a word, and the page does not scroll sideways."""
    site_checks.look_as(browser, Look("", width, 900, "light"), site)
    browser.get((site / "migrating.html").as_uri())
    count, wrong = browser.execute_script(site_checks.PAIRS)
    assert count == len(migrations.lines()) + 3  # three rows are in the section without Keras's optimizers
    assert wrong == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    shown = browser.find_element("css selector", ".klr-pairs td:nth-child(2) code").text
    assert shown.startswith("ExponentialDecay(0.4, 30")


@pytest.mark.parametrize("page", ["index", "choosing", "recipes", "resume", "gallery/stepwise"])
def test_lines_in_tables_can_be_read_on_a_phone(site, browser, page):
    """The cells of a row are below each other, so no name is broken and nothing is cut off."""
    site_checks.look_as(browser, Look("", 390, 844, "light"), site)
    browser.get((site / f"{page}.html").as_uri())
    count, wrong = browser.execute_script(site_checks.ROWS)
    assert count > 4
    assert wrong == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390


CURVE = '<svg class="klr-curve" aria-label="c" viewBox="0 0 200 100" width="200" height="100">{}</svg>'
LINE = '<polyline class="klr-line" points="0,90 100,10 200,60" style="fill:none;stroke:{};stroke-width:2"/>'
BAD = {
    "well": (CURVE.format(LINE.format("#3949ab")), None),
    "an error": ("<script>undefinedFunction()</script>", "console: "),
    "no such picture": ('<img src="missing.png">', "picture not loaded"),
    "an empty plot": (CURVE.format(""), "no curve to be seen"),
    "a curve in white": (CURVE.format(LINE.format("#ffffff")), "too little contrast"),
    "a hidden curve": (CURVE.format(LINE.format("#3949ab; opacity: 0")), "no curve to be seen"),
    "half a curve": (CURVE.format(LINE.format("#3949ab; stroke-dasharray: 60 900")), "no curve to be seen"),
    "an empty canvas": ('<canvas width="300" height="200"></canvas>', "empty picture"),
    "too wide": ('<div style="width: 500px">wide</div>', "wider than the window by"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_checks_find_faults(tmp_path, browser, name):
    """Each page has one fault, which the checks must find."""
    body, finding = BAD[name]
    page = tmp_path / "page.html"
    head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    page.write_text(f'{head}<body style="background:#ffffff;margin:0">{body}')
    look = Look("phone", 390, 844, "light")
    site_checks.look_as(browser, look)
    found = site_checks.findings(browser, page.as_uri(), look)
    assert (found == []) if finding is None else any(sentence.startswith(finding) for sentence in found), found


def test_the_link_check_finds_faults(tmp_path):
    (tmp_path / "a.html").write_text('<a id="here" href="#here"></a><a href="b.html#there">x</a>')
    (tmp_path / "b.html").write_text('<a href="c.html">x</a><script src="https://elsewhere.org/x.js"></script>')
    assert sorted(site_checks.wrong_links(tmp_path)) == [
        "a.html: b.html#there has no such anchor",
        "b.html: c.html does not exist",
        "b.html: https://elsewhere.org/x.js is not in the site",
    ]


def test_chromium_may_be_missing_only_outside_of_ci(monkeypatch):
    monkeypatch.setattr(site_checks.shutil, "which", lambda name: None)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(FileNotFoundError, match="chromium-driver"):
        site_checks.chromium()
    monkeypatch.delenv("CI")
    assert site_checks.chromium() is None


@pytest.fixture
def builder(monkeypatch):
    """The modules that make the gallery and the reference."""
    for path in BUILDER:
        monkeypatch.syspath_prepend(path)
    import frameworks
    import gallery
    import reference

    return gallery, reference, frameworks


def test_every_schedule_is_in_the_gallery(builder):
    gallery, *_ = builder
    text = "\n".join(gallery.pages().values())
    public = {name: getattr(klr, name) for name in klr.__all__ if name != "Schedule"}
    schedules = {name: it for name, it in public.items() if isinstance(it, type) and issubclass(it, klr.Schedule)}
    for name, schedule_class in schedules.items():
        assert f"\n## {name}\n" in text, f"{name} is in no family of docs/builder/reference.py"
        part = gallery.section(name)
        assert "```text\nf(t) " in part, f"the docstring of {name} has no formula that begins with f(t)"
        for argument in declared_arguments(schedule_class):
            assert f"| `{argument}` |" in part, f"the docstring of {name} does not explain {argument}"
        for row in gallery.rows(name):
            assert repr(row.schedule) in part, f"no line to copy for {row.id}"


def test_curves_are_the_values_of_the_schedule(builder):
    """The points, read back from the picture, are the rates on the scale of the axis."""
    import drawing

    gallery = builder[0]
    schedule = klr.LinearDecay(0.4, 30, 0.1)
    picture = drawing.svg(np.arange(41), schedule.values(range(41)), "a line")
    points = picture.split('class="klr-line" points="')[1].split('"')[0]
    x, y = np.array([point.split(",") for point in points.split()], float).T
    steps = (x - drawing.LEFT) / (drawing.RIGHT - drawing.LEFT) * 40
    rates = (drawing.BOTTOM - y) / (drawing.BOTTOM - drawing.TOP) * drawing.axis_end(0.4)
    np.testing.assert_allclose(steps, np.arange(41), atol=0.01)
    np.testing.assert_allclose(rates, schedule.values(range(41)), atol=0.001)
    assert picture.count('class="klr-dot"') == 41
    assert all("polyline" in drawing.curve(row.schedule, gallery.last_step(row)) for row in gallery.ROWS)


def test_every_public_name_is_in_the_reference(builder):
    pages = "\n".join(builder[1].pages().values())
    assert [name for name in klr.__all__ if f"::: keras_lr.{name}\n" not in pages] == []


def test_every_public_name_has_an_entry_in_the_built_reference(site):
    anchors = set().union(*(site_checks.Page(path).anchors for path in (site / "reference").glob("*.html")))
    assert [name for name in klr.__all__ if f"keras_lr.{name}" not in anchors] == []


def test_the_search_works_without_a_server(site, browser):
    """For a page from a file, browsers run no Worker. docs/javascripts/iframe-worker.js replaces it."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    site_checks.look_as(browser, LOOKS[0])
    browser.get((site / "resume.html").as_uri())
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script("return typeof __index !== 'undefined'"))
    field = browser.find_element(By.CSS_SELECTOR, "input.md-search__input")
    browser.execute_script("arguments[0].focus()", field)
    field.send_keys("CosineDecayRestarts")
    found = WebDriverWait(browser, 20).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
    )
    assert any("cyclical.html" in link.get_attribute("href") for link in found)
