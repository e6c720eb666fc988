"""The sentences of `describe`, and the numbers in them."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from support.catalogue import ROWS

import keras_lr as klr
from keras_lr import epochs, fraction
from keras_lr.core.describe import number
from keras_lr.core.fields import Rate, Steps

pytestmark = pytest.mark.once

SENTENCES = Path(__file__).parents[1] / "sentences.txt"
"""The schedules of the catalogue, each followed by its sentence, which people write."""


def sentences():
    """The sentences in the file. Keys are the reprs of the schedules."""
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    return dict(zip(lines[0::2], (line.strip() for line in lines[1::2]), strict=True))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_sentence_of_every_schedule(row):
    assert row.schedule.describe() == sentences()[repr(row.schedule)]


def test_no_sentence_is_left_over():
    assert set(sentences()) == {repr(row.schedule) for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if row.schedule.duration], ids=lambda row: row.id)
def test_the_numbers_are_those_of_the_formula(row):
    text, end = row.schedule.describe(), row.schedule.duration
    rates = np.array([row.oracle(step) for step in range(end + 1)])
    assert float(re.search(r"mean ([\d.e-]+)\.$", text)[1]) == pytest.approx(rates.mean(), rel=6e-3)
    for rate, step in re.findall(r"([\d.e-]+) at step ([\d,]+)[,;]", text):
        assert float(rate) == pytest.approx(rates[int(step.replace(",", ""))], rel=6e-4, abs=1e-12)


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (
            klr.Warmup(klr.CosineDecay(1e-3, 9500, alpha=0.01), 500),
            "A linear warmup from 0 over 500 steps, then a cosine from 0.001 to 1e-5 over 9,500 steps; "
            "1e-5 at step 10,000, mean 5.05e-4.",
        ),
        (
            klr.Warmup(klr.CosineDecay(0.1, epochs(9)), fraction(0.1)),
            "A linear warmup from 0 over 10 % of the training, then a cosine from 0.1 to 0 over 9 epochs.",
        ),
        (
            klr.MultiStepDecay(0.1, [epochs(30), epochs(60), epochs(80)]),
            "Stairs down from 0.1 by a factor of 0.1 after 30, 60 and 80 epochs.",
        ),
        (
            klr.PiecewiseInterpolation([epochs(1), fraction(0.5)], [0.1, 0.2]),
            "Linear pieces through 0.1 and 0.2 at 1 epoch and 50 % of the training.",
        ),
        (klr.LinearDecay(0.1, 1), "A straight line from 0.1 to 0 over 1 step; mean 0.05."),
        (
            2 * klr.LinearDecay(0.1, 10),
            "A straight line from 0.1 to 0 over 10 steps, times 2; 0.2 at step 0, mean 0.1.",
        ),
        (
            klr.WarmupStableDecay(0.1, 100, 0, 20),
            "0.1, then over the last 20 steps a linear fall to 0 (100 steps in all); mean 0.0896.",
        ),
        (
            klr.Reduced(klr.Warmup(klr.CosineDecay(0.1, 900), 100), 0.5),
            "A linear warmup from 0 over 100 steps, then a cosine from 0.1 to 0 over 900 steps, reduced to 50 %; "
            "0.05 at step 100, 0 at step 1,000, mean 0.025.",
        ),
        (
            klr.PiecewiseConstantDecay(list(range(1, 20)), [0.5 / (1 + index) for index in range(20)]),
            "Constant pieces of 0.5, 0.25, 0.166667, … and 0.025, changing after steps 1, 2, 3, … and 19.",
        ),
        (
            klr.CosineDecayRestarts(0.1, epochs(10), m_mul=0.8),
            "Cosines from 0.1 to 0, the first over 10 epochs, each twice as long and 0.8 times as high as the one before.",
        ),
    ],
)
def test_sentences_of_nested_schedules_and_units(schedule, sentence):
    assert schedule.describe() == sentence


class Mine(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1


class Fading(klr.Schedule, package="tests"):
    """A schedule of a user. Its template has a number of steps with and without the word."""

    template = "{learning_rate}, halved every {half_life} steps or {half_life:steps}<, at least {low}>"
    learning_rate: Rate
    half_life: Steps
    low: Rate = 0.0


class Wordless(klr.Schedule, package="tests"):
    """A user's schedule without a template."""

    learning_rate: Rate


def test_sentences_of_schedules_of_users():
    assert Fading(0.4, 1000).describe() == "0.4, halved every 1,000 steps or 1,000 steps."
    assert Fading(0.4, 1, 0.1).describe() == "0.4, halved every 1 steps or 1 step, at least 0.1."
    assert klr.Warmup(Mine(), 5).describe() == "A linear warmup from 0 over 5 steps, then the schedule Mine."
    assert klr.Warmup(Wordless(0.1), 5).describe() == "A linear warmup from 0 over 5 steps, then Wordless(0.1)."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.1, "0.1"),
        (1.0, "1"),
        (0.001, "0.001"),
        (9.5e-4, "9.5e-4"),
        (1e-7, "1e-7"),
        (1 / 3, "0.333333"),
        (1e-5 / 3, "3.33333e-6"),
        (12_345_678.0, "12,345,678"),
    ],
)
def test_numbers_are_written_briefly(value, text):
    assert number(value) == text
