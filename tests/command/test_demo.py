"""The demo and the command as a user calls them."""

import os
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
    for name in ("learning_rate.png", "learning_rate_dark.png"):
        assert (tmp_path / "here" / name).stat().st_size > 10_000
    # There are no warnings, and no start-up lines of TensorFlow.
    assert done.stderr == ""


@pytest.mark.once
def test_the_loss_of_each_batch_and_the_events(tmp_path):
    import pandas as pd

    from keras_lr.command import demo

    losses = [4.0, 2.0, 1.0, 0.5, 0.25, 0.125]
    sizes = [32, 32, 3] * 2  # 67 examples
    log = pd.DataFrame({"epoch": [0] * 3 + [1] * 3, "batch": [0, 1, 2] * 2, "learning_rate": [0.1] * 3 + [0.03] * 3})
    for start in (0, 3):
        for end in range(start + 1, start + 4):
            seen = list(zip(losses[start:end], sizes[start:end], strict=True))
            log.loc[end - 1, "loss"] = sum(loss * size for loss, size in seen) / sum(size for _, size in seen)
    assert demo.batch_losses(log, 67).tolist() == pytest.approx(losses)
    assert demo.events(log, {"reduced_after": [1, 2], "best": [0.5, 0.25]}) == [
        "Plateau: after epoch 1 the rate changed from 0.10000 to 0.03000. For 3 epochs the validation loss had not fallen "
        "below 0.5000 by more than 0.002.",
        "Plateau: after epoch 2 the rate changed from 0.03000 to none, since the training ends here. For 3 epochs the "
        "validation loss had not fallen below 0.2500 by more than 0.002.",
    ]


@pytest.mark.once
def test_only_start_up_lines_are_hidden(capfd):
    from keras_lr.core import quiet

    with quiet.without_startup_lines():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called\nI0000 00:00: oneDNN\nreal\n")
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "real\nlater\n"
    assert not quiet.is_command()


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
