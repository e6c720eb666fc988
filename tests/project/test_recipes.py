"""Each line of docs/recipes.md gives the rates that were computed by hand from its source."""

import re
from pathlib import Path

import numpy as np
import pytest
from support.recipes import RATES

import keras_lr as klr

pytestmark = pytest.mark.once

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
LINES = dict(re.findall(r"^\| (.+?) \| `(.+?)` \| .+ \|$", PAGE.read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", LINES)
def test_the_rates_are_those_of_the_source(name):
    training, rates = RATES[name]
    schedule = klr.parse(LINES[name])
    if training is not None:
        schedule = schedule.bind(steps_per_epoch=training[0], epochs=training[1])
    np.testing.assert_allclose(schedule.values(list(rates)), list(rates.values()), rtol=2e-6, atol=1e-12)


def test_every_row_is_tested_and_no_rates_are_left_over():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) == len(LINES) > 40
    assert set(LINES) == set(RATES)
    # Each recipe has rates at two or more steps in order, and not all of them are 0.
    assert all(len(rates) > 2 and list(rates) == sorted(rates) for _, rates in RATES.values())
