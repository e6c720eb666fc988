"""A schedule adds no more to a training step than the recorded count, or than the nearest schedule of Keras.

After a change that needs more, run `python -m benchmarks counts` to record the counts again.
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
"""The count is a mean over updates, and one batch of rates more or less changes it."""


def has_counted_version(library):
    """Whether the counts were recorded with this version. Another version may fuse differently."""
    return importlib.metadata.version(library) == RUN["versions"][library]


@pytest.fixture(autouse=True)
def _few_updates(monkeypatch):
    monkeypatch.setattr(counts, "UPDATES", 16)


def count_of(schedule):
    return counts.COUNTED[BACKEND][1](schedule)


def test_every_case_has_a_recorded_count():
    assert sorted(COUNTED) == sorted(PAIRS)


@pytest.mark.parametrize("case", PAIRS)
def test_a_step_does_no_more_than_recorded(case):
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


def test_an_added_operation_raises_the_count():
    assert count_of(Wasteful()) > COUNTED["cosine"]["ours"] + ROOM
