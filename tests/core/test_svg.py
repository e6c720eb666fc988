"""Charts are SVG. The points that are read back from a picture are the values."""

import re

import numpy as np
import pytest
from support.svg import legend, points, read_back, root, sentence, ticks

from keras_lr.core import svg
from keras_lr.core.svg import Axes, Line, figure

pytestmark = pytest.mark.once

PLAIN = Axes("step", "rate")


def test_the_points_are_the_values_on_the_scale_of_the_axes():
    x, y = np.arange(41), np.linspace(0.37, 0.02, 41)
    html = figure("a line", [Line(x, y)], PLAIN)
    drawn = points(html)
    np.testing.assert_allclose(read_back(drawn[:, 0], ticks(html, "middle")), x, atol=0.02)
    np.testing.assert_allclose(read_back(drawn[:, 1], ticks(html, "end")), y, atol=0.001)


def test_a_logarithmic_axis():
    x = np.geomspace(3e-6, 7.0, 30)
    html = figure("a test", [Line(x, np.arange(30))], Axes("rate", "loss", log_x=True))
    assert [value for _, value in ticks(html, "middle")] == [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]
    np.testing.assert_allclose(read_back(points(html)[:, 0], ticks(html, "middle"), log=True), x, rtol=0.005)


@pytest.mark.parametrize(
    "y", [[0.0], [0.1] * 3, [0.0] * 3, [1e-300, 0.0], [5e38, 1.0], [-3.0, -3.0], [1.0, 1.0 + 1e-15]]
)
@pytest.mark.parametrize("from_zero", [False, True])
def test_flat_and_extreme_values_have_axes_too(y, from_zero):
    html = figure("a line", [Line(range(len(y)), y)], Axes("step", "rate", from_zero=from_zero))
    assert np.isfinite(points(html)).all()
    assert len(ticks(html, "end")) >= 2


def test_a_gap_where_a_value_is_not_finite():
    html = figure("a line", [Line(range(5), [1.0, 2.0, np.nan, np.inf, 3.0])], PLAIN)
    (path,) = [path.get("d") for path in root(html).iter("path") if path.get("stroke-width") == "1.8"]
    assert re.sub(r"[\d. ]", "", path) == "MLM"


def test_without_finite_values_only_the_sentence_is_shown():
    assert figure("no loss", [Line([0, 1], [np.nan, np.inf])], PLAIN) == (
        '<div style="max-width:42em"><div>no loss</div></div>'
    )


def test_peaks_stay_when_points_are_left_out():
    y = np.zeros(100_000)
    y[77_777], y[12_345] = 5.0, -3.0
    chosen = svg.spread(y)
    assert len(chosen) <= svg.MOST_POINTS + 2
    assert {0, 12_345, 77_777, 99_999} <= set(chosen.tolist())


def test_text_is_escaped():
    html = figure("<b>&", [Line([0, 1], [0, 1], "<script>x</script>")], Axes("<i>", "\"'"))
    assert not re.search(r"<(script|i|b)>", html)
    assert sentence(html) == "<b>&"


@pytest.mark.parametrize("page", [(255, 255, 255), (17, 17, 17), (30, 30, 30)], ids=["white", "Jupyter", "VS Code"])
def test_the_colours_can_be_read_on_light_and_dark_pages(page):
    """WCAG requires a contrast of 3:1 for graphics."""
    luminance = lambda colour: sum(  # noqa: E731
        share * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
        for share, part in zip((0.2126, 0.7152, 0.0722), (value / 255 for value in colour), strict=True)
    )
    for colour in svg.COLOURS:
        one, other = luminance(bytes.fromhex(colour[1:])), luminance(page)
        assert (max(one, other) + 0.05) / (min(one, other) + 0.05) >= 3.0, colour


def test_values_beyond_the_axis_are_cut_off():
    """An inner `svg` clips everything outside of its frame."""
    html = figure("diverged", [Line(range(3), [1.0, 2.0, 1e9])], Axes("rate", "loss", y_range=(0.0, 3.0)))
    inner = next(part for part in root(html).iter("svg") if part.get("x"))
    assert [path.get("stroke-width") for path in inner] == ["1.8"]
    assert points(html)[-1, 1] < float(inner.get("y"))


def test_the_legend_names_lines_that_have_a_name():
    html = figure("two", [Line([0, 1], [0, 1], "one"), Line([0, 1], [1, 0]), Line([1], [1], "best", "marks")], PLAIN)
    assert legend(html) == ["one", "best"]
