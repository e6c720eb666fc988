"""The memory of `LearningRateLogger` with a file: all rows kept, and `keep` of them.

    KERAS_BACKEND=torch python -m benchmarks log_memory

The hooks are called as `fit` calls them, without training between. Each case runs in a process of its own, and what is
reported is by how much its peak of memory rises from the first epoch to the last, or when a log is continued.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import keras

import keras_lr as klr
from benchmarks import common
from benchmarks.logger import model_with

EPOCH, KEEP = 10_000, 100_000


def logger(model: Any, path: Path, batches: int, keep: int | None) -> klr.LearningRateLogger:
    """A logger that has begun a training of so many batches."""
    log = klr.LearningRateLogger(path=path, audit=False, keep=keep)
    log.set_params({"epochs": batches // EPOCH, "steps": EPOCH, "verbose": 0})
    log.set_model(model)
    log.on_train_begin()
    return log


def measured(batches: int, keep: int | None) -> dict[str, Any]:
    """A row, measured in this process."""
    model = model_with(klr.Warmup(klr.CosineDecay(0.1, batches), batches // 10))
    before = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        begin = time.process_time()
        log = logger(model, path, batches, keep)
        for epoch in range(batches // EPOCH):
            log.on_epoch_begin(epoch)
            for batch in range(EPOCH):
                log.on_train_batch_begin(batch)
                log.on_train_batch_end(batch, {})
            model.optimizer._iterations.assign(EPOCH * (epoch + 1))
            log.on_epoch_end(epoch, {})
            before = before or common.peak_mib()
        log.on_train_end()
        taken = time.process_time() - begin
        size = path.stat().st_size / 2**20
        with path.open("rb") as file:
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**20), b""))
    assert lines == batches + 1, lines
    return {
        "batches": batches,
        "keep": keep,
        "rows_in_memory": len(log.to_frame()) if keep else batches,
        "more_mib": common.peak_mib() - before,
        "file_mib": size,
        "microseconds": taken / batches * 1e6,
    }


def resumed(batches: int, keep: int | None) -> dict[str, Any]:
    """A row: what it takes to continue a log of so many rows, of which the last 1,000 are trained again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        with path.open("w") as file:
            file.write("step,epoch,batch,learning_rate\n")
            file.writelines(f"{at},{at // EPOCH},{at % EPOCH},{0.1 * (1 - at / batches)!r}\n" for at in range(batches))
        # The first epoch of a process imports pandas, and TensorFlow if it is installed. That is not counted.
        before = begin = 0.0
        for there in (Path(folder) / "other.csv", path):
            before, begin = common.peak_mib(), time.process_time()
            model = model_with(klr.LinearDecay(0.1, batches))
            klr.set_step(model, batches - 1000)
            log = logger(model, there, batches, keep)
            log.on_epoch_begin((batches - 1000) // EPOCH)
            log.on_train_end()
        taken = time.process_time() - begin
    return {"resumed": batches, "keep": keep, "more_mib": common.peak_mib() - before, "seconds": taken}


def main(quick: bool = False) -> None:
    rows = []
    sizes = (EPOCH * 2,) if quick else (1_000_000, 10_000_000)
    cases = [(batches, keep) for batches in sizes for keep in (KEEP, None)]
    calls = [f"{what}({batches}, {keep})" for batches, keep in cases for what in ("measured", "resumed")]
    for call in calls if quick else [*calls, f"measured(100_000_000, {KEEP})"]:
        rows.append(common.in_new_process("log_memory", call))
        print(f"{common.backend():10} {rows[-1]}", flush=True)
        common.save("log_memory", keras.config.backend(), rows, quick)


if __name__ == "__main__":
    main()
