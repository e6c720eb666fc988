"""Tables and plots have the same steps as `values`. A notebook shows a schedule as HTML."""

import warnings

import keras
import numpy as np
import pytest
from support.catalogue import ROWS
from support.svg import points, read_back, sentence, ticks

import keras_lr as klr
from keras_lr import epochs, fraction

pytestmark = pytest.mark.once

LINE = klr.LinearDecay(0.4, 100)


# `steps` means the same everywhere.


@pytest.mark.parametrize("steps", [range(5), [3, 7, 1], np.arange(0, 100, 9), [100]])
def test_values_frame_and_plot_take_the_same_steps(steps):
    from matplotlib import pyplot

    frame, axes = LINE.to_frame(steps), LINE.plot(steps)
    (drawn,) = axes.get_lines()
    pyplot.close(axes.figure)
    for found in (frame["learning_rate"], drawn.get_ydata()):
        np.testing.assert_array_equal(found, LINE.values(steps))
    for found in (frame["step"], drawn.get_xdata()):
        np.testing.assert_array_equal(found, list(steps))


def test_without_steps_the_whole_curve():
    from matplotlib import pyplot

    frame, axes = LINE.to_frame(), LINE.plot()
    (drawn,) = axes.get_lines()
    pyplot.close(axes.figure)
    assert frame["step"].tolist() == drawn.get_xdata().tolist() == list(range(101))
    assert frame["learning_rate"].iloc[-1] == 0.0
    long = klr.LinearDecay(0.4, 10**9)
    with pytest.raises(
        ValueError, match="^LinearDecay: `steps` must be given for a schedule of more than 100,000,000 st"
    ):
        long.to_frame()
    axes = long.plot()
    (drawn,) = axes.get_lines()
    pyplot.close(axes.figure)
    assert drawn.get_xdata()[-1] == 10**9
    assert len(drawn.get_xdata()) == 10_000


@pytest.mark.parametrize("method", ["to_frame", "plot"])
def test_a_schedule_without_an_end_needs_steps(method):
    with pytest.raises(
        ValueError, match=r"^Constant: `steps` must be given, such as `range\(1000\)`, for a schedule wi"
    ):
        getattr(klr.Constant(0.1), method)()


def test_a_number_of_steps_still_works_and_warns():
    """`to_frame(5)` means the first five steps, while `values(5)` is the rate at step 5."""
    message = (
        r"^LinearDecay: `to_frame\(5\)` is deprecated, since `values\(5\)` is the rate at step 5: write `to_frame\("
    )
    with pytest.warns(DeprecationWarning, match=message) as caught:
        frame = LINE.to_frame(5)
    assert [warning.filename for warning in caught] == [__file__]
    assert frame["step"].tolist() == [0, 1, 2, 3, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LINE.to_frame(range(5))


# In a notebook.


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_schedule_shows_its_sentence_and_its_curve(row):
    html = row.schedule._repr_html_()
    assert sentence(html) == row.schedule.describe()
    drawn = points(html)
    steps = read_back(drawn[:, 0], ticks(html, "middle"))
    rates = read_back(drawn[:, 1], ticks(html, "end"))
    last = round(steps[-1])
    assert last >= max(row.schedule.duration or 0, 100 if len(drawn) > 100 else 1)
    expected = [row.oracle(step) for step in (0, last)]
    np.testing.assert_allclose([rates[0], rates[-1]], expected, atol=0.02 * max(rates.max(), 1e-30))


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        (klr.LinearDecay(0.4, 100), 110),
        (klr.StepDecay(0.4, 30), 90),
        (klr.MultiStepDecay(0.4, [30, 70]), 140),
        (klr.CyclicalLearningRate(0.1, 0.4, 20), 160),
        (klr.Constant(0.4), 1000),
        (klr.InverseSquareRootDecay(0.4, 4000), 16_000),
        (klr.LinearDecay(0.4, 2**31 - 1), 2**31 - 1),
        (klr.Warmup(keras.optimizers.schedules.ExponentialDecay(0.4, 100, 0.9), 10), 1000),
    ],
    ids=str,
)
def test_how_much_of_a_curve_is_drawn(schedule, last):
    assert schedule._last_drawn() == last


def test_a_schedule_that_is_not_bound_is_drawn_for_an_example():
    schedule = klr.Warmup(klr.CosineDecay(0.4, epochs(9)), fraction(0.1))
    html = schedule._repr_html_()
    assert sentence(html) == schedule.describe() + " Drawn for 10 epochs of 100 steps."
    assert "polyline" not in html
    assert round(read_back(points(html)[:, 0], ticks(html, "middle"))[-1]) == 1100
    too_long = klr.LinearDecay(0.4, fraction(1.0) - epochs(50))
    assert too_long._repr_html_() == f"<div>{too_long.describe()}</div>"


def test_the_plain_repr_stays_what_eval_takes():
    """The picture for a notebook does not change it."""
    schedule = klr.Warmup(klr.CosineDecay(0.1, 900), 100)
    assert repr(schedule) == "Warmup(CosineDecay(0.1, 900), 100)"
