"""`refresh_batch_norm` and `BatchNormMomentum` on two virtual devices of one host."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "devices" / "batch_norm.py"
HOW = {"tensorflow": "mirrored", "jax": "data-parallel"}


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() == "torch", reason="torch has one process for each device")
def test_statistics_on_two_devices():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(SCRIPT), HOW[keras.config.backend()]]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))[6:])
    x = np.array(result["x"])
    assert result["count"] == len(result["refreshed"])
    is_mirrored = keras.config.backend() == "tensorflow"
    for place, (moving, refreshed) in enumerate(zip(result["moving"], result["refreshed"], strict=True)):
        # A layer of TensorFlow that is not synchronized shows the statistics of the first device, which gets half a batch.
        part = slice(4) if is_mirrored and place == 0 else slice(8)
        mean = np.zeros(2)
        for batch in x.reshape(3, 8, 2):
            mean = 0.5 * mean + 0.5 * batch[part].mean(axis=0)
        np.testing.assert_allclose(moving, mean, rtol=1e-5)
        np.testing.assert_allclose(refreshed, [x.mean(axis=0), x.var(axis=0)], rtol=1e-4)
