"""What ``import keras_lr`` adds to ``import keras``, each time in a new process.

KERAS_BACKEND=jax python -m benchmarks importing
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from benchmarks import common

CODE = """
import time
begin = time.perf_counter()
import keras
middle = time.perf_counter()
import keras_lr
print(middle - begin, time.perf_counter() - middle)
"""


def main(quick: bool = False) -> None:
    # Compiled once into files, as after an installation; what writes them is not counted.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    taken = []
    for _ in range(2 if quick else 16):
        done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment)
        taken.append([1e3 * float(part) for part in done.stdout.split()])
    keras_takes, ours = np.median(np.array(taken[1:]), axis=0)
    rows = [{"keras_milliseconds": float(keras_takes), "keras_lr_milliseconds": float(ours), "runs": len(taken) - 1}]
    print(f"{common.backend():10} import keras {keras_takes:.0f} ms, import keras_lr {ours:.1f} ms more")
    common.save("importing", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
