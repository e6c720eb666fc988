"""A schedule does not add more to a training step than counted before, or than the nearest one of Keras.

Run `python -m benchmarks counts` to count again after a change that needs more.
"""

import importlib.metadata

import keras
import pytest

from benchmarks import common, counts

BACKEND = keras.config.backend()
PAIRS = counts.pairs()
RUN = common.load("counts")[BACKEND]
COUNTED = {row["case"]: row for row in RUN["rows"] if "ours" in row}
ROOM = 0.5 if BACKEND == "torch" else 0
"""A mean of calls, of which one batch of rates more or fewer is a part."""


def has_counted_version(library):
    """Whether this is the version with which it was counted. Another one may fuse differently."""
    return importlib.metadata.version(library) == RUN["versions"][library]


@pytest.fixture(autouse=True)
def _few_updates(monkeypatch):
    monkeypatch.setattr(counts, "UPDATES", 16)


def count_of(schedule):
    return counts.COUNTED[BACKEND][1](schedule)


def test_every_case_was_counted():
    assert sorted(COUNTED) == sorted(PAIRS)


@pytest.mark.parametrize("case", PAIRS)
def test_no_more_than_counted(case):
    if BACKEND == "tensorflow" and case in counts.DEARER:
        most = COUNTED[case]["ours"]
    elif has_counted_version("keras") and (BACKEND != "jax" or has_counted_version("jax")):
        assert COUNTED[case]["ours"] <= COUNTED[case]["keras"]
        most = COUNTED[case]["ours"]
    else:
        most = count_of(PAIRS[case].keras)
    assert count_of(PAIRS[case].ours) <= most + ROOM


class Wasteful(keras.optimizers.schedules.LearningRateSchedule):
    """A cosine plus the median of a table, which XLA does not fuse with it."""

    def __call__(self, step):
        table = keras.ops.convert_to_tensor([0.3, 0.1, 0.2])
        return PAIRS["cosine"].ours(step) + keras.ops.sort(table * keras.ops.cast(step, "float32"))[1]


def test_a_count_sees_what_is_added():
    assert count_of(Wasteful()) > COUNTED["cosine"]["ours"] + ROOM
