"""Let Optuna choose schedule, peak rate and warmup. Needs `pip install "keras-lr[tune]"`."""

import keras
import optuna
from sklearn.datasets import load_digits

import keras_lr.tuning

EPOCHS, BATCH = 3, 32
x, y = load_digits(return_X_y=True)
x = x.astype("float32") / 16


def objective(trial):
    keras.utils.set_random_seed(0)
    schedule = keras_lr.tuning.schedule(trial, total_steps=EPOCHS * -(-1400 // BATCH), peak=(1e-3, 0.5))
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    held_out = x[1400:], y[1400:]
    history = model.fit(x[:1400], y[:1400], BATCH, epochs=EPOCHS, validation_data=held_out, verbose=0).history
    trial.set_user_attr("schedule", repr(schedule))
    return history["val_accuracy"][-1]


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=6)
print(f"{study.best_value:.3f} with {study.best_trial.user_attrs['schedule']}")
