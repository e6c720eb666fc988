"""A training is killed, and the same script runs again: no step is lost, and none is repeated."""

import os
import signal
import subprocess
import sys

EPOCHS = 6


def train(kill_in_epoch):
    import keras
    from sklearn.datasets import load_digits

    from keras_lr import BackupAndRestore, BindSchedule, CosineDecay, LearningRateLogger, ReduceOnPlateau, fraction

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (kill_in_epoch, 10):
                os.kill(os.getpid(), signal.SIGKILL)  # no exception, no clean-up: like a machine that is switched off

    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.SGD(CosineDecay(0.1, fraction(1.0))), "sparse_categorical_crossentropy")
    callbacks = [
        BindSchedule(),
        ReduceOnPlateau("loss", 0.5, patience=1, min_delta=0.1),
        LearningRateLogger(path="log.csv"),
        BackupAndRestore("backup"),  # a resume needs only this line
        Kill(),
    ]
    model.fit(x.astype("float32") / 16, y, batch_size=32, epochs=EPOCHS, verbose=0, callbacks=callbacks)


if len(sys.argv) > 1:
    train(int(sys.argv[1]))
else:
    import pandas as pd

    for kill_in_epoch in (3, -1):
        code = subprocess.run([sys.executable, __file__, str(kill_in_epoch)]).returncode
        frame = pd.read_csv("log.csv")
        print(f"exit code {code}; the log has steps {frame.step.min()} to {frame.step.max()}, each once:", end=" ")
        print(frame.step.tolist() == list(range(len(frame))))
    print(frame.groupby("epoch").learning_rate.agg(["first", "last"]).to_string())
