"""Your own schedule: fields and a formula. Checks, saving and previews come with the base class."""

import tempfile
from pathlib import Path

import keras

from keras_lr.custom import Rate, Schedule, Steps, power


class HalfLife(Schedule, package="my_project"):
    """Halves every `half_life` steps."""

    template = "{learning_rate}, halved every {half_life:steps}"
    learning_rate: Rate
    half_life: Steps

    def rate(self, step):
        return self.learning_rate * power(0.5 ** (1 / self.half_life), step)


model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(HalfLife(0.1, 50)), loss="mse")
with tempfile.TemporaryDirectory() as folder:
    model.save(Path(folder) / "model.keras")
    again = keras.models.load_model(Path(folder) / "model.keras")
print(keras.optimizers.schedules.deserialize(again.optimizer.get_config()["learning_rate"]))
print(HalfLife(0.1, 50).to_frame(range(3)))
