"""The files of results were made with the settings that the benchmarks have today."""

import pytest

from benchmarks import common, instructions, training, training_further

pytestmark = pytest.mark.once


def test_each_training_has_the_peaks_and_lengths_of_the_script():
    rows = common.known_rows("training", "jax")
    lengths = {*((name, training.SHORT) for name in training.SCHEDULES), (training.CONSTANT, training.LONG)}
    cells = {(task, optimizer) for task in training.TASKS for optimizer in training.PEAKS}
    assert {(row["task"], row["optimizer"]) for row in rows} == cells
    for task, optimizer in cells:
        mine = [row for row in rows if (row["task"], row["optimizer"]) == (task, optimizer)]
        assert {(row["schedule"], row["epochs"]) for row in mine} == lengths
        for row in mine:
            assert row["peak"] in training.PEAKS[optimizer]
            assert row.get("peaks", training.PEAKS[optimizer]) == training.PEAKS[optimizer]
            assert row["seeds"] == len(training.REPORTED)
            assert len(row["curve"]) == row["epochs"]


def test_the_wider_search_tried_the_peaks_of_the_script():
    for row in common.known_rows("training_further", "jax"):
        assert set(training.PEAKS[row["optimizer"]]) <= set(row["peaks"])
        assert row["peak"] in row["peaks"]
        assert row["weight_decay"] in training_further.DECAYS[row["optimizer"]]


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_instructions_were_counted_for_all_cases(backend):
    rows = common.known_rows("instructions", backend)
    assert {row["case"] for row in rows} == {*instructions.CASES, instructions.SCHEDULED}


def test_the_total_of_a_file_of_callgrind(tmp_path):
    (tmp_path / "counts.1").write_text("desc: Trigger: dump\nevents: Ir\n\nfn=(1)\n2 7\ntotals: 1234\n")
    assert instructions.total(tmp_path) == 1234
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "counts.2").write_text("events: Ir\n")
    with pytest.raises(ValueError, match="has no total"):
        instructions.total(tmp_path)


def test_without_valgrind_the_benchmark_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="needs Valgrind: apt-get install valgrind"):
        instructions.under_callgrind(False, 1, 1, 2)
