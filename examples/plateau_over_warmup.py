"""A plateau reduction on top of a warmup, with durations in epochs."""

import keras
from sklearn.datasets import load_digits

from keras_lr import BindSchedule, LearningRateLogger, ReduceOnPlateau, Warmup, epochs

keras.utils.set_random_seed(0)
pixels, labels = load_digits(return_X_y=True)
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])
model.compile(keras.optimizers.Adam(Warmup(0.05, epochs(1))), loss="sparse_categorical_crossentropy")
log, plateau = LearningRateLogger(), ReduceOnPlateau("val_loss", factor=0.2, patience=2, min_delta=0.01)
model.fit(
    pixels.astype("float32") / 16,
    labels,
    epochs=12,
    validation_split=0.2,
    verbose=0,
    callbacks=[BindSchedule(), plateau, log],
)
print(log.to_frame().groupby("epoch").learning_rate.last())
print("reductions:", plateau.state.n_reductions)
