"""Without Keras, in separate processes, the command has the same output and imports no backend."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.needs import needs

import keras_lr_command
from keras_lr_command import is_light

pytestmark = [pytest.mark.once, needs("typer", "plotext")]

ROOT = Path(__file__).parents[2]
BACKENDS = ("tensorflow", "jax", "torch", "keras.src.backend.config")
WARMUP = "Warmup(CosineDecay(0.1, 900), 100)"

LIGHT = f"""
import json, sys
import keras_lr_command
keras_lr_command.subprocess.call = lambda line: print("in full:", line[1:]) or 3
if sys.argv[1] == "asks for keras":
    keras_lr_command.import_module = lambda name: sys.modules["keras"].config
sys.argv[:2] = ["keras-lr"]
try:
    keras_lr_command.main()
except SystemExit as left:
    print(json.dumps([left.code or 0, [name for name in {BACKENDS} if name in sys.modules]]))
"""


def light(*words, first=""):
    """The output of the command, its exit status, the backends that it imported, and its errors."""
    environment = os.environ | {"COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", LIGHT, first, *words]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=environment)
    *printed, last = done.stdout.splitlines()
    return printed, *json.loads(last), done.stderr


def in_full(monkeypatch, *words):
    """The output of the command in this process, which has Keras."""
    from typer.testing import CliRunner

    from keras_lr.command.app import app

    monkeypatch.setenv("COLUMNS", "100")
    return CliRunner().invoke(app, list(words)).output.splitlines()


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("show", WARMUP),
        (
            "show",
            "OneCycle(0.1, 40) >> 0.5 * Noise(StepDecay(0.4, 10), 0.3, seed=3).clip(0.01, 0.2)",
            "--csv",
            "--steps",
            "90",
        ),
        (
            "show",
            "Warmup(LinearDecay(0.1, epochs(9)), fraction(0.1))",
            "--epochs",
            "10",
            "--steps-per-epoch",
            "7",
            "--csv",
        ),
    ],
    ids=["list", "show", "operators", "units"],
)
def test_the_output_equals_that_of_the_whole_package(monkeypatch, words):
    printed, status, backends, _ = light(*words)
    assert (status, backends) == (0, [])
    assert printed == in_full(monkeypatch, *words)
    assert len(printed) > 15


def test_the_help_needs_no_backend():
    printed, status, backends, _ = light("--help")
    assert (status, backends) == (0, [])
    assert any("inspect" in line for line in printed)


def test_an_error_has_one_line():
    printed, status, backends, error = light("show", "CosineDecay(0.1, -1)")
    assert (printed, status, backends) == ([], 2, [])
    assert error.startswith("keras-lr: CosineDecay: `decay_steps` must be")
    assert error.count("\n") == 1


def test_commands_that_need_keras_import_it():
    printed, status, backends, _ = light("show", "Constant(0.1)", first="asks for keras")
    assert (printed, status, backends) == (["in full: ['-m', 'keras_lr', 'show', 'Constant(0.1)']"], 3, [])


@pytest.mark.parametrize(
    ("words", "light"),
    [
        ([], True),
        (["--help"], True),
        (["inspect", "--help"], True),
        (["list"], True),
        (["show", WARMUP], True),
        (["show", "keras.optimizers.schedules.CosineDecay(0.1, 10)"], False),
        (["inspect", "model.keras"], False),
        (["demo"], False),
        (["--version"], False),
    ],
)
def test_only_arguments_that_need_no_keras_are_light(words, light):
    assert is_light(words) is light


def test_the_stand_in_has_exactly_the_needed_names():
    made = keras_lr_command.keras()
    with pytest.raises(keras_lr_command.KerasIsNeeded, match=r"keras\.config"):
        made["keras"].config.floatx()
    assert not issubclass(keras_lr_command.KerasIsNeeded, Exception)
