"""One process of a training on several devices. It prints its results as JSON.

python run.py HOW RANK PORT FOLDER RATE EPOCHS

HOW is one of those in distribution.py.
"""

import json
import sys
from pathlib import Path

import distribution

how, rank, port, folder, rate_kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5]
distribution.start(how, rank, port)

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_lr as klr  # noqa: E402

EPOCHS, BATCHES, BATCH = int(sys.argv[6]), 4, 8


@keras.saving.register_keras_serializable("tests")
def total(y, prediction):
    return keras.ops.sum(prediction, axis=-1)


class Metric(keras.callbacks.Callback):
    """A metric that is constant in the first process and always improves in the second."""

    def on_epoch_end(self, epoch, logs=None):
        logs["metric"] = 1.0 if rank == 0 else -float(epoch)


class Weight(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        # When training begins, the weights of a backup may not be loaded yet.
        if not self.seen:
            self.on_train_batch_end(0)

    def on_train_batch_end(self, batch, logs=None):
        variable = self.model.trainable_variables[0]
        self.seen.append(float(np.ravel(keras.ops.convert_to_numpy(variable))[0]))


with distribution.scope(how):
    line = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = distribution.averaging(how, keras.Sequential([keras.Input((1,)), line]))
    rate = klr.LinearDecay(0.32, klr.epochs(20)) if rate_kind == "schedule" else 0.32
    optimizer = keras.optimizers.SGD(rate)
    if rate_kind == "momentum":
        optimizer = klr.Scheduled(optimizer, momentum=klr.LinearDecay(0.9, klr.epochs(6)))
    model.compile(optimizer, loss=total)

plateau = klr.ReduceOnPlateau("metric", 0.5, 2, mode="min")
log = klr.LearningRateLogger(path=folder / "log.csv", audit=False)
weight = Weight()
backup = klr.BackupAndRestore(folder.parent / "backup", delete_checkpoint=False)
callbacks = [klr.BindSchedule(audit=False), Metric(), plateau, log, weight, backup]
mine = slice(None)
size = BATCH
if how in ("ddp", "jax-processes"):  # each process has half of each batch
    mine, size = slice(None, BATCH * BATCHES // 2), BATCH // 2
x = np.ones((BATCH * BATCHES, 1), "float32")[mine]
model.fit(x, np.zeros_like(x), batch_size=size, epochs=EPOCHS, verbose=0, shuffle=False, callbacks=callbacks)
result = {
    "applied": (-np.diff(weight.seen)).tolist(),
    "logged": log.to_frame().learning_rate.tolist(),
    "steps": log.to_frame().step.tolist(),
    "state": plateau.get_state(),
    "rate": klr.get_learning_rate(model),
}
print("RESULT" + json.dumps(result))
