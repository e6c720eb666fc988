"""The benchmarks for accelerators find code that waits for the device, and keep what was measured before time ran out."""

import time

import keras
import numpy as np
import pytest

from benchmarks import accelerator, accelerator_report, common, waits

OWN = [name for name in waits.CASES if name.startswith(("cosine", "restarts", "join", "plateau", "logger"))]


class ReadsLoss(keras.callbacks.Callback):
    """Converts a tensor to a float after each batch."""

    def on_train_batch_end(self, batch, logs=None):
        float(keras.ops.sum(keras.ops.ones(3)))


def test_a_float_of_a_tensor_in_each_step_is_counted(monkeypatch):
    monkeypatch.setitem(waits.CASES, "reads", (waits.CASES[waits.CONSTANT][0], lambda: [ReadsLoss()]))
    empty, reads = waits.of_case(waits.EMPTY), waits.of_case("reads")
    assert reads[waits.STEP] == empty[waits.STEP] + 1
    assert any("test_accelerator.py" in line for line in reads["where"])


@pytest.mark.parametrize(
    "read",
    [float, int, bool, lambda it: np.asarray(it), lambda it: np.array(it), keras.ops.convert_to_numpy],
)
def test_each_kind_of_read_is_one_wait(read):
    tensor = keras.ops.ones(())
    with waits.counted() as seen:
        read(tensor)
    assert (seen.count(waits.STEP), seen.count(waits.THREAD)) == (1, 0)


def test_code_that_reads_no_tensor_does_not_count():
    with waits.counted() as seen:
        np.asarray([1.0, 2.0])
        float("3")
        keras.ops.add(keras.ops.ones(2), 1.0)
    assert not seen.places


@pytest.mark.parametrize("name", [*OWN, "Scheduled", "multipliers"])
def test_no_schedule_or_callback_waits_in_a_step(name):
    found = waits.of_case(name)
    # Keras converts the logs of each batch in a thread. If a callback has hooks for batches, it does so in the step.
    assert found[waits.STEP] + found[waits.THREAD] == waits.of_case(waits.EMPTY)[waits.STEP]


def rows_of(kind):
    return {
        "waits": {"kind": "waits", "case": "cosine", "in a step": 0.0, "CUDA": 1.0},
        "step": {
            "kind": "step",
            "case": "cosine",
            "size": "small",
            "mode": "jit",
            "median": 1.0,
            "low": 0.9,
            "high": 1,
        },
        "base": {"kind": "step", "case": "constant", "size": "small", "mode": "jit", "microseconds": 350.0},
        "range_test": {"kind": "range_test", "size": "small", "median": 1.0, "low": 0.9, "high": 1.1},
        "left out": {"kind": "left out", "what": "range test", "why": "no time was left"},
    }[kind]


@pytest.mark.once
def test_a_part_that_fails_has_a_row_with_the_reason():
    def broken(seconds):
        raise ValueError("out of memory")

    assert accelerator.part("steps", broken, 1.0)[0]["why"] == "ValueError: out of memory"
    assert accelerator.part("steps", broken, 0.0)[0]["why"] == "no time was left"


@pytest.mark.once
def test_measuring_ends_when_the_time_is_over():
    taken = common.interleaved({"a": lambda: time.sleep(0.01), "b": lambda: None}, turns=100_000, seconds=0.1)
    assert 1 <= len(taken["a"]) == len(taken["b"]) < 100_000


@pytest.mark.once
def test_a_table_of_each_kind_of_row():
    kinds = ("waits", "step", "base", "range_test", "left out")
    run = {"device": "a GPU", "date": "2026-11-28", "rows": [rows_of(kind) for kind in kinds]}
    table = accelerator_report.measured({"jax": run})
    assert len(table.splitlines()) == 2 + len(kinds)
    assert "JAX on a GPU" in table
    assert "CUDA reports 1.0" in table
    assert "1.000 (0.900 to 1.000)" in table
    assert "350 µs" in table
    assert "not measured: no time was left" in table


@pytest.mark.once
def test_without_a_result_the_page_says_so():
    assert accelerator_report.measured({}) == "No GPU was measured yet."


@pytest.mark.once
def test_a_process_that_hangs_is_ended_and_its_rows_stay(tmp_path, monkeypatch):
    def hang(command, **options):
        code = "import time; open('rows', 'w').write('kept'); time.sleep(600)"
        return popen([command[0], "-c", code], cwd=tmp_path)

    popen = accelerator.subprocess.Popen
    monkeypatch.setattr(accelerator, "MARGIN", 5.0)
    monkeypatch.setattr(accelerator.subprocess, "Popen", hang)
    assert accelerator.run("jax", 0.0, True, None).startswith("ended after 5 s")
    assert (tmp_path / "rows").read_text() == "kept"
