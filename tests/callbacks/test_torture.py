"""A short run of benchmarks/torture.py: a training that is killed and resumed has the same results, bit by bit."""

import pytest
from support.backend import BACKEND

from benchmarks import torture


@pytest.mark.slow
def test_killed_trainings_equal_those_without_a_kill():
    found = torture.torture(BACKEND, kills=3, seed=11)
    assert sum(row["kills"] for row in found) == 3
    assert all(row["changes"] > 1 for row in found)
    different = [(row, name) for row in found for name, value in row.items() if value is False]
    assert different == []
