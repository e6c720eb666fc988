"""The soak benchmark runs, confirms the rates of a short training, and detects wrong results."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.backend import BACKEND

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.slow
def test_a_short_soak():
    command = [sys.executable, str(SCRIPT), "--batches", "220", "--epoch", "10", "--backends", BACKEND]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=280)
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, result
    assert (result["batches"], result["reductions"], result["rows"]) == (220, 2, [220, 220])
    assert result["log_bytes"] == 8.0


RIGHT = {
    "control": False, "batches": 1_000_000, "per_epoch": 5000, "rows_right": True, "reductions": 19, "growth_bytes": 9.0,
    "log_bytes": 8.0, "log_deviation": 0.0, "epoch_deviation": 1e-7, "batch_deviation": 1e-4,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("log_deviation", 1e-9, ["log_deviation"]),
        ("epoch_deviation", float("nan"), ["epoch_deviation"]),
        ("batch_deviation", 0.1, ["batch_deviation"]),
        ("reductions", 18, ["reductions"]),
        ("rows_right", False, ["rows"]),
        ("growth_bytes", 200.0, ["memory"]),
        ("growth_bytes", 9.0, []),
    ],
)
def test_problems_are_reported(name, value, found):
    spec = importlib.util.spec_from_file_location("soak", SCRIPT)
    soak = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(soak)
    assert soak.wrong(RIGHT | {name: value}) == found
