"""Several devices and processes have the rates of one device. They share each decision, and one process writes."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.backend import BACKEND
from support.backups import names

DEVICES = Path(__file__).parents[1] / "devices"
HOW = {"tensorflow": [("mirrored", 1)], "jax": [("data-parallel", 1), ("jax-processes", 2)], "torch": [("ddp", 2)]}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(script, how, processes, *arguments, folder):
    """Start the processes of a script, with a folder for each rank."""
    port = free_port()
    running = []
    for rank in range(processes):
        place = folder(rank)
        place.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(DEVICES / script), how, str(rank), str(port), str(place), *arguments]
        environment = os.environ | {"KERAS_BACKEND": BACKEND}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        running.append(subprocess.Popen(command, text=True, env=environment, **pipes))
    return running


def results(running):
    """The results that the processes print at their end."""
    outputs = [process.communicate(timeout=240)[0] for process in running]
    for process, output in zip(running, outputs, strict=True):
        assert process.returncode == 0, output[-3000:]
    return [json.loads(output[output.index("RESULT") + 6 :].splitlines()[0]) for output in outputs]


def train(how, processes, folder, rate, epochs):
    """A training in which each process has a separate folder."""
    return results(start("run.py", how, processes, rate, str(epochs), folder=lambda rank: folder / str(rank)))


def velocities(rates, momenta):
    """The change of a weight in each update at a gradient of 1. The velocity contains the rate, as in Keras."""
    moved, velocity = [], 0.0
    for rate, momentum in zip(rates, momenta, strict=True):
        velocity = momentum * velocity + rate
        moved.append(velocity)
    return np.array(moved)


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["number", "schedule", "momentum"])
@pytest.mark.parametrize(("how", "processes"), HOW[BACKEND], ids=[how for how, _ in HOW[BACKEND]])
def test_several_devices(tmp_path, how, processes, rate):
    """The first process decides. Its metric is flat, so the rate is reduced after epochs 3 and 5."""
    steps = np.arange(24)
    base = 0.32 * (1 - steps / 80) if rate == "schedule" else np.full(24, 0.32)
    expected = base * np.where(steps < 12, 1.0, np.where(steps < 20, 0.5, 0.25))
    moved = expected
    if rate == "momentum":
        moved = velocities(expected, 0.9 * (1 - steps / 24))
    # Train 3 epochs, and continue from the backup.
    first = train(how, processes, tmp_path, rate, 3)
    second = train(how, processes, tmp_path, rate, 6)
    assert len(first) == len(second) == processes
    for results, rows in ((first, slice(0, 12)), (second, slice(12, 24))):
        for result in results:
            assert result["steps"] == steps[rows].tolist()
            np.testing.assert_allclose(result["applied"], moved[rows], rtol=5e-5)
            np.testing.assert_allclose(result["logged"], expected[rows], rtol=1e-6)
            assert result["state"] == results[0]["state"]
    assert second[0]["state"]["n_reductions"] == 2
    written = pd.read_csv(tmp_path / "0" / "log.csv")
    assert written.step.tolist() == steps.tolist()
    np.testing.assert_allclose(written.learning_rate, expected, rtol=1e-6)
    assert [path.name for path in tmp_path.rglob("*.csv")] == ["log.csv"]
    assert [path.name for path in tmp_path.rglob("*.h5")] == ["latest.weights.h5"]


def killed(how, processes, folder, kill):
    """A training in which one process kills itself. Its partners wait for it, so they are killed too."""
    running = start("killed.py", how, processes, json.dumps(kill), folder=lambda rank: folder)
    try:
        assert running[kill[0]].wait(timeout=240) == -signal.SIGKILL
    finally:
        for process in running:
            process.kill()
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(("how", "processes"), HOW[BACKEND], ids=[how for how, _ in HOW[BACKEND]])
def test_killed_trainings_on_several_devices(tmp_path, how, processes):
    """The kill is within an epoch. The training has Dropout, a schedule and a plateau."""
    expected = results(start("killed.py", how, processes, "null", folder=lambda rank: tmp_path / "whole"))
    assert expected[0]["state"]["n_reductions"] > 0
    killed(how, processes, tmp_path / "killed", [processes - 1, "batch_end", 2, 4])
    assert names(tmp_path / "killed") == ["backup", "log-0.csv"]
    resumed = results(start("killed.py", how, processes, "null", folder=lambda rank: tmp_path / "killed"))
    assert resumed == expected
    assert (tmp_path / "killed" / "log-0.csv").read_bytes() == (tmp_path / "whole" / "log-0.csv").read_bytes()
    assert names(tmp_path / "killed") == names(tmp_path / "whole") == ["log-0.csv"]
