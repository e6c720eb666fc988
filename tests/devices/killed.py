"""One process of a training on several devices that may be killed. When run again, it continues from its backup.

python killed.py HOW RANK PORT FOLDER KILL

HOW is one of those in distribution.py. KILL is JSON: null, or [rank, hook, epoch, batch]. The process with that rank
kills itself there with SIGKILL. The hook is "batch_begin", "batch_end" or "epoch_end". The results are printed as
JSON, to the last bit.
"""

import json
import os
import signal
import sys
from pathlib import Path

import distribution

how, rank, port, folder, kill = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5]
kill = json.loads(kill)
distribution.start(how, rank, port)

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_lr as klr  # noqa: E402

EPOCHS, BATCHES, BATCH = 4, 5, 8


class Killer(keras.callbacks.Callback):
    def called(self, hook, batch=0):
        if kill == [rank, hook, self.epoch, batch]:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.called("batch_begin", batch)

    def on_train_batch_end(self, batch, logs=None):
        self.called("batch_end", batch)

    def on_epoch_end(self, epoch, logs=None):
        self.called("epoch_end")


# On torch each process has a different seed for its Dropout, and starts with the weights of the first process.
keras.utils.set_random_seed(3 + (rank if how == "ddp" else 0))
with distribution.scope(how):
    layers = [keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    model = distribution.averaging(how, keras.Sequential([keras.Input((6,)), *layers]))
    model.compile(keras.optimizers.Adam(klr.Warmup(klr.CosineDecay(0.1, klr.fraction(1.0)), 3)), loss="mse")

numbers = np.random.default_rng(5)
x = numbers.normal(size=(BATCHES * BATCH, 6)).astype("float32")
y = np.tanh(x @ numbers.normal(size=(6, 1))).astype("float32")
size = BATCH
if how in ("ddp", "jax-processes"):  # each process has half of each batch
    size = BATCH // 2
    mine = (np.arange(len(x)) // size) % 2 == rank
    x, y = x[mine], y[mine]
plateau = klr.ReduceOnPlateau("loss", 0.5, 1, min_delta=0.5)
log = klr.LearningRateLogger(("loss",), folder / f"log-{rank}.csv", audit=False)
# All processes share one backup, and only the first one writes a log.
backup = klr.BackupAndRestore(folder / "backup", save_freq=3)
callbacks = [klr.BindSchedule(audit=False), Killer(), plateau, log, backup, Killer()]
callbacks.pop(1 if kill and kill[1] == "epoch_end" else -1)
model.fit(x, y, batch_size=size, epochs=EPOCHS, verbose=0, shuffle=False, callbacks=callbacks)
result = {
    "weights": [keras.ops.convert_to_numpy(variable).tobytes().hex() for variable in model.weights],
    "optimizer": [keras.ops.convert_to_numpy(variable).tobytes().hex() for variable in model.optimizer.variables],
    "state": plateau.get_state(),
    "rate": klr.get_learning_rate(model),
}
print("RESULT" + json.dumps(result))
