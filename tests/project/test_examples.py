"""Every example runs in a separate process, and its output is right.

The expected rates are formulas in plain Python. A check fails if the example trains with other rates.
"""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import fresh
from support.backend import BACKEND
from support.events import scalars
from support.generated import LONG
from support.needs import needs

import keras_lr as klr
from keras_lr.tools import parsing

EXAMPLES = Path(__file__).parents[2] / "examples"
PNG = b"\x89PNG"


def cosine(peak, steps, step):
    return peak / 2 * (1 + math.cos(math.pi * min(step / steps, 1)))


def warmed(peak, warmup, steps, step):
    return peak * step / warmup if step < warmup else cosine(peak, steps, step - warmup)


def table(output):
    """The rows of a printed table, which are the lines that contain only numbers."""
    lines = [line.split() for line in output.splitlines()]
    number = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
    return [[float(word) for word in line] for line in lines if len(line) > 1 and all(map(number.fullmatch, line))]


def column(rows, place):
    return [row[place] for row in rows]


def found(pattern, output):
    match = re.search(pattern, output)
    assert match, (pattern, output)
    return match.groups()


def first_steps(output, folder):
    assert output.startswith("A linear warmup from 0 over 20 steps, then a cosine from 0.1 to 0 over 151 steps")
    rows = table(output)
    assert column(rows, 1) == [0, 20, 60, 170]
    np.testing.assert_allclose(column(rows, 4), [warmed(0.1, 20, 151, step) for step in (0, 20, 60, 170)], atol=1e-6)
    assert rows[-1][5] < rows[0][5] / 3


def epochs_and_fractions(output, folder):
    rows = table(output)
    assert column(rows, 0) == [*range(5)] * 2
    assert column(rows, 3) == [57] * 5 + [15] * 5
    for half, steps in ((rows[:5], 57), (rows[5:], 15)):
        firsts = [warmed(0.1, steps, 4 * steps, epoch * steps) for epoch in range(5)]
        lasts = [warmed(0.1, steps, 4 * steps, epoch * steps - 1) for epoch in range(1, 6)]
        np.testing.assert_allclose(column(half, 1), firsts, atol=1e-6)
        np.testing.assert_allclose(column(half, 2), lasts, atol=1e-6)
    accuracies = [float(number) for number in re.findall(r"^accuracy (\S+)", output, re.MULTILINE)]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.8


def plateau_over_warmup(output, folder):
    rates = column(table(output), 1)
    (reductions,) = map(int, found(r"reductions: (\d+)", output))
    assert reductions >= 1
    # The first epoch has 45 batches, and the warmup ends with it. The output has no reduction after the last epoch.
    assert rates[:2] == pytest.approx([0.05 * 44 / 45, 0.05], rel=1e-4)
    assert rates[-1] == pytest.approx(0.05 * 0.2**reductions, rel=1e-3) or rates[-1] == pytest.approx(
        0.05 * 0.2 ** (reductions - 1), rel=1e-3
    )
    assert sorted(rates[1:], reverse=True) == rates[1:]
    assert rates[-1] < rates[1]


def one_cycle_with_momentum(output, folder):
    rows = table(output)
    rates, momenta = column(rows, 2), column(rows, 3)
    assert rates[0] == pytest.approx(0.2 / 25)
    assert rates[-1] == pytest.approx(0.2 / 25 / 1e4)
    assert [rates[2], momenta[2]] == pytest.approx([0.2, 0.85])
    assert [momenta[0], momenta[-1]] == pytest.approx([0.95, 0.95])
    for row, low in ((1, 0.2 / 25), (3, 0.2 / 25 / 1e4)):  # while the rate rises, and while it falls
        height = (rates[row] - low) / (0.2 - low)
        assert momenta[row] == pytest.approx(0.95 - 0.1 * height, abs=1e-5)
    assert float(found(r"accuracy (\S+)", output)[0]) > 0.8


def range_test(output, folder):
    rate, accuracy = map(float, found(r"one cycle up to (\S+): held-out accuracy (\S+)", output))
    assert 1e-3 < rate < 10
    assert accuracy > 0.8
    assert {"valley", "steepest", "minimum"} <= set(output.split())
    assert (folder / "range_test.png").read_bytes()[:4] == PNG


def resume_after_a_kill(output, folder):
    assert "exit code -9; the log has steps 0 to 170, each once: True" in output
    assert "exit code 0; the log has steps 0 to 341, each once: True" in output
    frame = pd.read_csv(folder / "log.csv")
    planned = np.array([cosine(0.1, 342, step) for step in frame.step])
    halvings = -np.log2(frame.learning_rate / planned)
    np.testing.assert_allclose(halvings, halvings.round(), atol=1e-4)
    # The plateau reduces between epochs, and the reductions before the kill are not lost.
    assert halvings.round().groupby(frame.epoch).nunique().eq(1).all()
    assert (np.diff(halvings.round()) >= 0).all()
    assert halvings.iloc[-1] > 0.5
    assert not (folder / "backup").exists()


def custom_schedule(output, folder):
    assert re.match(r"HalfLife\((learning_rate=)?0\.1, (half_life=)?50\)", output)
    np.testing.assert_allclose(column(table(output), 2), [0.1 * 0.5 ** (step / 50) for step in range(3)], atol=1e-6)


def custom_loop(output, folder):
    rows = table(output)
    steps = column(rows, 0)
    assert steps == [*range(0, 87, 12)]
    planned = [warmed(0.5, 10, 77, step) for step in steps]
    np.testing.assert_allclose(column(rows, 2), planned, atol=1e-6)
    np.testing.assert_allclose(column(rows, 3), planned, rtol=1e-3, atol=1e-6)
    assert rows[-1][1] < rows[0][1] / 2
    if BACKEND == "jax":
        assert "steps counted by the optimizer: 87" in output


def log_to_tensorboard(output, folder):
    cycle = klr.OneCycle(0.5, 171)
    steps, values = scalars(folder / "logs" / "steps")["learning_rate"]
    assert steps == [*range(171)]
    np.testing.assert_allclose(values, cycle.values(range(171)), rtol=1e-6)
    assert set(scalars(folder / "logs" / "steps", "loss")) == {"loss"}
    tags = scalars(folder / "logs" / "train")
    assert set(tags) == {"epoch_learning_rate"}
    assert tags["epoch_learning_rate"][0] == [0, 1, 2]
    np.testing.assert_allclose(tags["epoch_learning_rate"][1], cycle.values([57, 114, 171]), rtol=1e-5)
    np.testing.assert_allclose(column(table(output), 2), cycle.values([56, 113, 170]), atol=1e-6)


def log_to_mlflow(output, folder):
    assert "171 rates, the highest 0.1 at step 20" in output
    (run,) = (folder / "mlruns").glob("*/*/metrics")
    # A line of MLflow's file store is time, value and step.
    points = [line.split() for line in (run / "learning_rate").read_text().splitlines()]
    assert [int(step) for _, _, step in points] == [*range(171)]
    expected = [warmed(0.1, 20, 151, step) for step in range(171)]
    np.testing.assert_allclose([float(value) for _, value, _ in points], expected, atol=1e-9)
    accuracies = [line.split() for line in (run / "epoch_accuracy").read_text().splitlines()]
    assert [int(step) for _, _, step in accuracies] == [56, 113, 170]
    assert float(accuracies[-1][1]) > 0.5
    assert "Warmup(" in (run.parent / "params" / "schedule").read_text()


def log_to_wandb(output, folder):
    logged = json.loads((folder / "wandb.json").read_text())
    assert logged["init"]["config"]["schedule"].startswith("Warmup(")
    rows = dict(logged["rows"])
    assert [*rows] == [*range(171)]
    expected = [warmed(0.1, 20, 151, step) for step in rows]
    np.testing.assert_allclose([row["learning_rate"] for row in rows.values()], expected, atol=1e-9)
    ends = [step for step, row in rows.items() if "epoch/accuracy" in row]
    assert ends == [56, 113, 170]
    assert all(rows[step]["epoch/learning_rate"] == rows[step]["learning_rate"] for step in ends)
    assert set(rows[0]) == {"learning_rate", "loss"}
    assert "sent 171 steps; the highest rate 0.1 at step 20" in output


def fine_tuning_two_rates(output, folder):
    rows = table(output)
    highest = [0.02 * 27 / 28, 0.02, cosine(0.02, 3, 1), cosine(0.02, 3, 2)]
    np.testing.assert_allclose(column(rows, 1), highest, atol=1e-6)
    np.testing.assert_allclose(column(rows, 2), [rate / 10 for rate in highest], atol=1e-6)
    accuracies = json.loads(found(r"accuracy by epoch: (\[.*\])", output)[0])
    assert len(accuracies) == 4
    assert accuracies[-1] > 0.8


def tuned(output, low=0.8):
    """The last accuracy of a fine-tuning must be higher than the first, and than `low`."""
    accuracies = json.loads(found(r"accuracy by epoch: (\[.*\])", output)[0])
    assert accuracies[-1] > max(low, accuracies[0])


def head_times_ten(output, folder):
    rows = table(output)
    highest = [0.002 * 27 / 28, 0.002, cosine(0.002, 3, 1), cosine(0.002, 3, 2)]
    np.testing.assert_allclose(column(rows, 1), highest, atol=1e-6)
    np.testing.assert_allclose(column(rows, 2), np.multiply(column(rows, 1), 10), rtol=1e-3)
    tuned(output)


def layerwise_decay(output, folder):
    lines = [line.split() for line in output.splitlines() if "(^|/)" in line]
    assert [line[3] for line in lines] == ["(^|/)layer_0/", "(^|/)layer_1/", "(^|/)layer_2/", "(^|/)head/"]
    assert [float(line[0]) for line in lines] == [0.343, 0.49, 0.7, 1.0]
    moves = json.loads(found(r"first step: (\[.*\])", output)[0])
    np.testing.assert_allclose(moves, 0.005 * np.array([0.343, 0.49, 0.7]), atol=2e-6)
    tuned(output, 0.7)


def gradual_thawing(output, folder):
    moved = re.findall(r"after epoch \d: low moved (\w+), middle moved (\w+)", output)
    assert moved == [("False", "False"), ("False", "True"), ("True", "True"), ("True", "True")]
    rows = table(output)
    np.testing.assert_allclose(column(rows, 1), [0.005] * 4)
    np.testing.assert_allclose(column(rows, 2), [0.0, 0.0, 0.005, 0.005])
    np.testing.assert_allclose(column(rows, 3), [0.0, 0.005, 0.005, 0.005])
    tuned(output)


def lora_two_rates(output, folder):
    assert "'low lora_kernel_a', 'low lora_kernel_b'" in output
    assert "low kernel" not in output
    rows = table(output)
    rates = [cosine(0.001, 4, epoch) for epoch in range(4)]
    for place, factor in ((1, 1), (2, 16), (3, 10)):
        np.testing.assert_allclose(column(rows, place), np.multiply(rates, factor), atol=1e-6)
    tuned(output, 0.5)


def distributed_in_one_process(output, folder):
    steps = 29 if BACKEND == "tensorflow" else 28
    assert f"2 devices, {3 * steps} steps" in output
    rows = table(output)
    firsts = [cosine(0.5, 3 * steps, epoch * steps) for epoch in range(3)]
    lasts = [cosine(0.5, 3 * steps, epoch * steps - 1) for epoch in (1, 2, 3)]
    np.testing.assert_allclose([column(rows, 1), column(rows, 2)], [firsts, lasts], atol=1e-6)
    losses = json.loads(found(r"loss by epoch: (\[.*\])", output)[0])
    assert losses[-1] < losses[0] / 1.5


def distributed_torch(output, folder):
    lines = dict(re.findall(r"process (\d): (.*)", output))
    assert set(lines) == {"0", "1"}
    # Steps, rates and weights are the same, although each process has different data.
    assert lines["0"] == lines["1"]
    assert lines["0"].startswith("84 steps")
    frame = pd.read_csv(folder / "log.csv")
    np.testing.assert_allclose(frame.learning_rate, [cosine(0.5, 84, step) for step in range(84)], rtol=1e-6)


def dask_comparison(output, folder):
    assert {"constant", "cosine", "one-cycle"} <= set(output.split())
    assert (folder / "comparison.png").read_bytes()[:4] == PNG


def keras_tuner_search(output, folder):
    score, values = found(r"([01]\.\d{3}) with (\{.*\})", output)
    assert float(score) > 0.5
    assert "peak" in values


def optuna_search(output, folder):
    score, schedule = found(r"([01]\.\d{3}) with (.*)", output)
    assert float(score) > 0.5
    # The training has 3 epochs of 44 batches.
    assert parsing.parse(schedule).values(range(132)).max() <= 0.5


ALL = ("tensorflow", "jax", "torch")
TABLE = {
    "custom_loop_jax": (("jax",), custom_loop),
    "custom_loop_tensorflow": (("tensorflow",), custom_loop),
    "custom_loop_torch": (("torch",), custom_loop),
    "custom_schedule": (ALL, custom_schedule),
    "dask_comparison": (ALL, dask_comparison),
    "distributed_jax": (("jax",), distributed_in_one_process),
    "distributed_tensorflow": (("tensorflow",), distributed_in_one_process),
    "distributed_torch": (("torch",), distributed_torch),
    "epochs_and_fractions": (ALL, epochs_and_fractions),
    "fine_tuning_two_rates": (ALL, fine_tuning_two_rates),
    "first_steps": (ALL, first_steps),
    "gradual_thawing": (ALL, gradual_thawing),
    "head_times_ten": (ALL, head_times_ten),
    "keras_tuner_search": (ALL, keras_tuner_search),
    "layerwise_decay": (ALL, layerwise_decay),
    "log_to_mlflow": (ALL, log_to_mlflow),
    "log_to_tensorboard": (ALL, log_to_tensorboard),
    "log_to_wandb": (ALL, log_to_wandb),
    "lora_two_rates": (ALL, lora_two_rates),
    "one_cycle_with_momentum": (ALL, one_cycle_with_momentum),
    "optuna_search": (ALL, optuna_search),
    "plateau_over_warmup": (ALL, plateau_over_warmup),
    "range_test": (ALL, range_test),
    "resume_after_a_kill": (ALL, resume_after_a_kill),
}
"""Example → the backends that it runs on, and the check of its output and of the files that it leaves."""

ENVIRONMENT = {
    "log_to_mlflow": {
        "MLFLOW_TRACKING_URI": "mlruns",
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    },
    "log_to_wandb": {"PYTHONPATH": str(Path(__file__).parents[1] / "fakes")},
}


LIBRARIES = {
    "dask_comparison": "distributed",
    "keras_tuner_search": "keras_tuner",
    "log_to_mlflow": "mlflow",
    "log_to_tensorboard": "tensorflow",
    "log_to_wandb": None,  # tests/fakes/wandb.py replaces it
    "optuna_search": "optuna",
}
"""Examples about another library, which run on one backend."""

STARTS_PROCESSES = {"dask_comparison", "distributed_torch", "resume_after_a_kill"}
HERE = [name for name, (backends, _) in TABLE.items() if BACKEND in backends]


def marks(name):
    library = LIBRARIES.get(name)
    return [*([pytest.mark.once] if name in LIBRARIES else []), *([needs(library)] if library else [])]


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in HERE])
def test_example(tmp_path, name):
    # An example for one backend sets that backend itself, as when a reader runs it.
    chosen = {} if len(TABLE[name][0]) == 1 else {"KERAS_BACKEND": BACKEND}
    inherited = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    environment = inherited | chosen | ENVIRONMENT.get(name, {})
    script = EXAMPLES / f"{name}.py"
    if name in STARTS_PROCESSES or LONG:
        command = [sys.executable, str(script)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=600)
    else:
        done = fresh.run(script, tmp_path, environment, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    TABLE[name][1](done.stdout, tmp_path)


NOTEBOOK = EXAMPLES / "first_steps.ipynb"
EXECUTE = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=500, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


def text_of(cell):
    """The printed output of a cell, and its result as text."""
    return "".join(
        "".join(output.get("text", output.get("data", {}).get("text/plain", "")))
        for output in cell["outputs"]
        if output.get("name") != "stderr"
    )


@pytest.mark.slow
@pytest.mark.once
@needs("nbclient", "nbformat", "ipykernel")
def test_the_notebook_runs_and_shows_what_is_committed(tmp_path):
    """Only marked cells are compared, because losses differ between backends and rates do not."""
    ran = tmp_path / "ran.ipynb"
    command = [sys.executable, "-c", EXECUTE, str(NOTEBOOK), str(ran)]
    # Without `MPLBACKEND`, pictures are shown in the notebook.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    committed, new = (
        [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        for path in (NOTEBOOK, ran)
    )
    fixed = [cell for cell in committed if "# the same everywhere" in "".join(cell["source"])]
    assert [len(re.findall(r"0\.\d{6}", text_of(cell))) for cell in fixed] == [5, 5, 5]
    for cell, before in zip(new, committed, strict=True):
        if before in fixed:
            assert text_of(cell) == text_of(before)
    assert any("image/png" in output.get("data", {}) for cell in new for output in cell["outputs"])


def test_the_notebook_is_small_and_has_no_paths_of_a_machine():
    text = NOTEBOOK.read_text()
    assert len(text) < 100_000
    assert not re.search(r"/(home|root|tmp|work|Users)/|stderr|Traceback", text)
    assert set(json.loads(text)["metadata"]) <= {"kernelspec", "language_info"}


def test_every_example_is_tested():
    files = {path.name for path in EXAMPLES.iterdir() if path.name != "__pycache__"}
    assert files == {f"{name}.py" for name in TABLE} | {NOTEBOOK.name}


@pytest.mark.parametrize("name", TABLE)
def test_examples_are_short_and_begin_with_a_docstring(name):
    text = (EXAMPLES / f"{name}.py").read_text()
    assert text.startswith('"""')
    assert len(text.splitlines()) <= 62
