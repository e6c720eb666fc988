"""The command as a user calls it, the examples, and the README's code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_lr

ROOT = Path(keras_lr.__file__).parent.parent


def command(*args, cwd):
    line = [sys.executable, "-m", "keras_lr", *args]
    return subprocess.run(
        line, capture_output=True, text=True, check=False, cwd=cwd, env=os.environ | {"COLUMNS": "200"}
    )


@pytest.mark.slow
def test_the_demo(tmp_path):
    import pandas as pd

    done = command("demo", "--out", "here", "--epochs", "6", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Continued: step 129 was made by the new process" in done.stdout
    log = pd.read_csv(tmp_path / "here" / "log.csv")
    assert log.step.tolist() == list(range(6 * 43))
    assert (tmp_path / "here" / "learning_rate.png").stat().st_size > 10_000


@pytest.mark.slow
def test_list_help_and_mistakes(tmp_path):
    listed = command("list", cwd=tmp_path)
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in ("OneCycle", "Warmup", "WarmupStableDecay"))
    assert not any(name in listed.stdout for name in ("Bound ", "Paced ", "Reduced "))
    assert "demo" in command("--help", cwd=tmp_path).stdout
    wrong = command("demo", "--epochs", "many", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_the_readme_example(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "learning_rate" in done.stdout
