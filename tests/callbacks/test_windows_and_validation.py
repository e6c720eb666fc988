"""Windows of batches continue over the end of an epoch, although validation resets Keras's mean of the loss."""

import pytest
from support.training import data, fit, model_with, with_weights

import keras_lr as klr


class Values(klr.ReduceOnPlateau):
    """Records the means of its windows."""

    def on_train_begin(self, logs=None):
        self.values = []
        super().on_train_begin(logs)

    def _judge(self, rule, metric):
        self.values.append(metric)
        return super()._judge(rule, metric)


def values(**options):
    plateau = Values("loss", every=7, patience=99)
    fit(model_with(0.5), plateau, epochs=3, **options)
    return plateau.values


def test_a_validation_does_not_change_the_means_of_windows():
    # The loss of batch n is the weight, -0.5 n. The windows are batches 0 to 6 and 7 to 13. An epoch has five.
    assert values() == pytest.approx([-1.5, -5.0])
    assert values(validation_data=data(2)) == pytest.approx([-1.5, -5.0])
    assert values(validation_data=data(2), validation_freq=2) == pytest.approx([-1.5, -5.0])


def test_an_incomplete_window_continues_after_a_resume(tmp_path):
    options = {"validation_data": data(2)}
    plateau = Values("loss", every=7, patience=99)
    fit(model := model_with(0.5), plateau, epochs=1, **options)
    model.save_weights(tmp_path / "x.weights.h5")
    again, second = with_weights(model_with(0.5), tmp_path / "x.weights.h5"), Values("loss", every=7, patience=99)
    fit(again, second, initial_epoch=1, epochs=3, **options)
    assert plateau.values + second.values == pytest.approx([-1.5, -5.0])
