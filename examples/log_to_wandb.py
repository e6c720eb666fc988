"""Log the rate of every step, and the metrics of each epoch, to Weights & Biases, offline. Needs `pip install wandb`.

`wandb sync wandb/offline-run-*` uploads the run later. Without `mode="offline"` it is uploaded at once.
"""

import keras
import wandb
from sklearn.datasets import load_digits

from keras_lr import CosineDecay, LearningRateLogger, Warmup


class ToWandb(keras.callbacks.Callback):
    """Sends the new rows of the log at the end of each epoch. W&B needs increasing steps, as the logger has."""

    def __init__(self, log, run):
        super().__init__()
        self.log, self.run, self.sent = log, run, 0

    def on_epoch_end(self, epoch, logs=None):
        new = self.log.to_frame().iloc[self.sent :]
        for row in new.itertuples():
            values = {"learning_rate": row.learning_rate, "loss": row.loss}
            if row.Index == new.index[-1]:  # one call for each step: W&B accepts each step only once
                values |= {f"epoch/{name}": float(value) for name, value in logs.items()}
            self.run.log(values, step=row.step)
        self.sent += len(new)


keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
schedule = Warmup(CosineDecay(0.1, 151), 20)
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
model.compile(keras.optimizers.SGD(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
log = LearningRateLogger(metrics=("loss",))
with wandb.init(project="digits", mode="offline", config={"schedule": repr(schedule)}) as run:
    model.fit(x.astype("float32") / 16, y, batch_size=32, epochs=3, verbose=0, callbacks=[log, ToWandb(log, run)])
frame = log.to_frame()
print(f"sent {len(frame)} steps; the highest rate {frame.learning_rate.max():g} at step {frame.learning_rate.idxmax()}")
