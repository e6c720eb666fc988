"""Log the rate of every step, and the metrics of each epoch, to MLflow. Needs `pip install "keras-lr[mlflow]"`.

MLFLOW_TRACKING_URI sets where runs are stored, for example `sqlite:///mlflow.db`.
"""

import time

import keras
import mlflow
from mlflow.entities import Metric
from sklearn.datasets import load_digits

from keras_lr import CosineDecay, LearningRateLogger, Warmup


class ToMlflow(keras.callbacks.Callback):
    """Sends the new rows of the log at the end of each epoch, up to 1,000 numbers in a call."""

    def __init__(self, log, run):
        super().__init__()
        self.log, self.run, self.sent = log, run, 0

    def on_epoch_end(self, epoch, logs=None):
        new, now = self.log.to_frame().iloc[self.sent :], int(time.time() * 1000)
        rates = [Metric("learning_rate", row.learning_rate, now, row.step) for row in new.itertuples()]
        last = int(new.step.iloc[-1])
        epochs = [Metric(f"epoch_{name}", float(value), now, last) for name, value in logs.items()]
        for first in range(0, len(rates), 900):
            mlflow.MlflowClient().log_batch(self.run.info.run_id, metrics=rates[first : first + 900])
        mlflow.MlflowClient().log_batch(self.run.info.run_id, metrics=epochs)
        self.sent += len(new)


keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
schedule = Warmup(CosineDecay(0.1, 151), 20)
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
model.compile(keras.optimizers.SGD(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
with mlflow.start_run() as run:
    mlflow.log_param("schedule", repr(schedule))
    log = LearningRateLogger()
    model.fit(x.astype("float32") / 16, y, batch_size=32, epochs=3, verbose=0, callbacks=[log, ToMlflow(log, run)])
history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "learning_rate")
print(f"{len(history)} rates, the highest {max(point.value for point in history):g} at step", end=" ")
print(max(history, key=lambda point: point.value).step)
