"""`LearningRateLogger` after ten million batches: memory, table, Parquet file.

    KERAS_BACKEND=jax python -m benchmarks logger

The hooks are called as `fit` calls them, without training between: the counter is moved to where a training would
have it. Three shapes of a training: few long epochs, many short ones, and with a number as the rate (whose
value must be noted after each batch; here for fewer batches, since each is a copy on the device).
"""

from __future__ import annotations

import gc
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import keras

import keras_lr as klr
from benchmarks import common

BATCHES = 10_000_000


def model_with(rate: Any) -> Any:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def logged(model: Any, epochs: int, batches: int, metrics: tuple[str, ...] = ()) -> klr.LearningRateLogger:
    """A logger that has seen a training from the first step on."""
    model.optimizer._iterations.assign(0)
    log, logs = klr.LearningRateLogger(metrics, audit=False), dict.fromkeys(metrics, 0.5)
    log.set_params({"epochs": epochs, "steps": batches, "verbose": 0})
    log.set_model(model)
    log.on_train_begin()
    end = log.on_train_batch_end
    for epoch in range(epochs):
        log.on_epoch_begin(epoch)
        for batch in range(batches):
            log.on_train_batch_begin(batch)
            end(batch, logs)
        model.optimizer._iterations.assign(batches * (epoch + 1))
        log.on_epoch_end(epoch, {})
    log.on_train_end()
    return log


def measured(name: str, rate: Any, epochs: int, batches: int) -> dict[str, Any]:
    """A row: bytes a batch that the logger keeps, seconds for the table and the file."""
    model, count = model_with(rate), epochs * batches
    gc.collect()
    tracemalloc.start()
    begin = time.perf_counter()
    log = logged(model, epochs, batches)
    hooks = time.perf_counter() - begin
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    begin = time.perf_counter()
    frame = log.to_frame()
    table = time.perf_counter() - begin
    assert len(frame) == count, (len(frame), count)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        frame.to_parquet(Path(folder) / "log.parquet")
        file = time.perf_counter() - begin
    return {
        "case": name,
        "batches": count,
        "bytes_per_batch": kept / count,
        "to_frame_seconds": table,
        "parquet_seconds": file,
        "hooks_microseconds": hooks / count * 1e6,
        "peak_mib": common.peak_mib(),
    }


def main(quick: bool = False) -> None:
    size = BATCHES // 10_000 if quick else BATCHES
    schedule = klr.Warmup(klr.CosineDecay(0.1, size), size // 10)
    rows = []
    logged(model_with(schedule), 1, 1).to_frame()  # imports what is imported late
    for name, rate, epochs, batches in (
        ("a schedule, 10 epochs", schedule, 10, size // 10),
        ("a schedule, 10,000 epochs", schedule, size // 1000, 1000),
        ("a number, 10 epochs", 0.1, 10, size // 1000),
    ):
        row = measured(name, rate, epochs, batches)
        rows.append(row)
        print(
            f"{common.backend():10} {name}: {row['batches']:,} batches, {row['bytes_per_batch']:.1f} bytes a batch, "
            f"to_frame {row['to_frame_seconds']:.2f} s, Parquet {row['parquet_seconds']:.2f} s",
            flush=True,
        )
    common.save("logger", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
