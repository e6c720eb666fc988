"""If a worker of a `PyDataset` raises within an epoch, log and plateau stay correct, also in the next `fit`."""

import keras
import numpy as np
import pandas as pd
import pytest
from support.training import model_with

import keras_lr as klr


class Pictures(keras.utils.PyDataset):
    """Five batches, of which the fourth may be missing."""

    def __init__(self, is_whole, **options):
        super().__init__(**options)
        self._is_whole = is_whole

    def __len__(self):
        return 5

    def __getitem__(self, index):
        if index == 3 and not self._is_whole:
            raise OSError("no such picture")
        return np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 1},
        {"workers": 2},
        pytest.param({"workers": 2, "use_multiprocessing": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*fork")
def test_log_and_plateau_are_right_after_a_worker_raised(tmp_path, options):
    model = model_with(klr.LinearDecay(0.125, 100))
    log = klr.LearningRateLogger(("loss",), tmp_path / "log.csv", audit=False)
    plateau = klr.ReduceOnPlateau("loss", 0.5, 1, min_delta=100.0)

    def train(is_whole):
        data = Pictures(is_whole, **options)
        model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[plateau, log])

    train(True)
    before = plateau.get_state()
    assert before["n_reductions"] == 1
    with pytest.raises(Exception, match="no such picture"):  # TensorFlow raises an error of its own class
        train(False)
    assert plateau.get_state() == before
    made = len(log.to_frame())
    assert made > 10  # some backends do not train all batches before the missing one
    train(True)
    frame = log.to_frame()
    assert plateau.get_state()["n_reductions"] == 3
    # TensorFlow counts the step of the missing batch, although there is no update.
    gap = int(keras.config.backend() == "tensorflow")
    assert frame.step.tolist() == [*range(made), *range(made + gap, made + gap + 10)]
    assert frame.batch.tolist() == [*range(5), *range(5), *range(made - 10), *range(5), *range(5)]
    assert np.isfinite(frame.loss).all()
    reduced = np.repeat([1.0, 1.0, 0.5, 0.5, 0.25], [5, 5, made - 10, 5, 5])
    np.testing.assert_allclose(frame.learning_rate, 0.125 * (1 - frame.step / 100) * reduced, rtol=1e-6)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "log.csv"), frame)
