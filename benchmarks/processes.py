"""Two processes that train together for ten thousand steps: whether they decide alike, and what this package sends.

    KERAS_BACKEND=torch python -m benchmarks processes

The processes are those of `torch.distributed` (gloo) or `jax.distributed` on this machine. Each has a metric of its
own, so that a process which decided by its own would decide otherwise. A message is a call of this package that sends
something; what the training itself sends (gradients) is not counted.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import common

ROOT = Path(__file__).parents[1]
HOW = {"torch": "ddp", "jax": "jax-processes"}
PEAK, FACTOR = 0.1, 0.9
SENDERS = {
    "torch.distributed": ("broadcast_object_list", "all_gather_object", "broadcast", "all_reduce", "barrier"),
    "jax.experimental.multihost_utils": ("broadcast_one_to_all", "process_allgather", "sync_global_devices"),
}
"""Functions that send something, by module."""


def is_ours() -> bool:
    """Whether this package is what called."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        if "/keras_lr/" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def counting(name: str, function: Callable[..., Any], messages: Counter[str]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        if is_ours():
            messages[name] += 1
        return function(*arguments, **named)

    return counted


def train(how: str, rank: int, port: int, epochs: int, batches: int) -> None:
    """One of the processes; prints what it did."""
    sys.path.insert(0, str(ROOT / "tests" / "devices"))
    import distribution

    distribution.start(how, rank, port)
    import importlib

    import keras
    import numpy as np

    import keras_lr as klr

    class Metric(keras.callbacks.Callback):
        """A metric that is another one in each process: in the second one it always improves."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["metric"] = 1.0 if rank == 0 else -float(epoch)

    with distribution.scope(how):
        line = keras.layers.Dense(1, kernel_initializer="zeros")
        model = distribution.averaging(how, keras.Sequential([keras.Input((4,)), line]))
        model.compile(keras.optimizers.SGD(klr.LinearDecay(PEAK, klr.fraction(1.0))), loss="mse")
    plateau, log = klr.ReduceOnPlateau("metric", FACTOR, 2, mode="min"), klr.LearningRateLogger(["loss"], audit=False)
    x = np.ones((4 * batches, 4), "float32")
    messages: Counter[str] = Counter()
    module = importlib.import_module(next(m for m in SENDERS if m.startswith(common.backend())))
    names = [name for name in SENDERS[module.__name__] if hasattr(module, name)]
    with mock.patch.multiple(module, **{name: counting(name, getattr(module, name), messages) for name in names}):
        begin = time.perf_counter()
        callbacks = [klr.BindSchedule(audit=False), Metric(), plateau, log]
        model.fit(x, x[:, :1], batch_size=4, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks)
        seconds = time.perf_counter() - begin
    frame = log.to_frame()
    decided = {
        "steps": len(frame),
        "rates": hashlib.sha256(frame.learning_rate.to_numpy().tobytes()).hexdigest(),
        "last_rate": float(frame.learning_rate.iloc[-1]),
        "state": plateau.get_state(),
    }
    print("RESULT" + json.dumps({"decided": decided, "messages": messages, "seconds": seconds}))


def reductions(last_rate: float, steps: int) -> int:
    """How often the rate was reduced: the last one of the straight line would be 0.1/steps."""
    return round(math.log(last_rate / (PEAK / steps)) / math.log(FACTOR))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main(quick: bool = False, epochs: int = 100, batches: int = 100) -> None:
    backend = os.environ["KERAS_BACKEND"]
    epochs, batches = (6, 10) if quick else (epochs, batches)
    port = free_port()
    code = "import sys; from benchmarks import processes; processes.train({!r}, {}, {}, {}, {})"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code.format(HOW[backend], rank, port, epochs, batches)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for rank in range(2)
    ]
    results = []
    for one in running:
        output, _ = one.communicate()
        results.append(json.loads(next(line for line in output.splitlines() if line.startswith("RESULT"))[6:]))
    first, second = results
    row = {
        "steps": first["decided"]["steps"],
        "epochs": epochs,
        "reductions": reductions(first["decided"]["last_rate"], first["decided"]["steps"]),
        "alike": first["decided"] == second["decided"],
        "messages": [sum(one["messages"].values()) for one in results],
        "kinds": [one["messages"] for one in results],
        "seconds": first["seconds"],
    }
    print(f"{backend:10} {row}", flush=True)
    common.save("processes", backend, [row], quick)


if __name__ == "__main__":
    main()
