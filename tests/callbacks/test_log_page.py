"""A notebook shows a log as a curve of its rates and a sentence."""

import numpy as np
import pandas as pd
import pytest
from support.svg import legend, points, read_back, sentence, ticks
from support.training import fit, model_with

import keras_lr as klr
from keras_lr.callbacks import log_page

pytestmark = pytest.mark.once


def test_a_log_shows_the_rates_of_a_training():
    log = klr.LearningRateLogger(metrics=("loss",), audit=False)
    assert log._repr_html_() == "<div>A log without rows: nothing has been trained with this logger yet.</div>"
    fit(model_with(klr.LinearDecay(0.3, 10)), log, epochs=2, batches=5)
    html, frame = log._repr_html_(), log.to_frame()
    start, end = frame["learning_rate"].iloc[[0, -1]]
    assert (start, round(end, 12)) == (0.3, 0.03)
    assert sentence(html) == (
        f"10 updates in 2 epochs, with learning rates from 0.03 to 0.3; loss {frame['loss'].iloc[-1]:.4g} at the end."
    )
    drawn = points(html)
    np.testing.assert_allclose(read_back(drawn[:, 0], ticks(html, "middle")), range(10), atol=0.02)
    np.testing.assert_allclose(read_back(drawn[:, 1], ticks(html, "end")), frame["learning_rate"], atol=0.001)


def test_a_log_shows_several_optimizers_and_trainings():
    rows = {"training": [0, 0, 1], "step": [0, 1, 0], "epoch": [0, 0, 0], "batch": [0, 1, 0]}
    frame = pd.DataFrame({**rows, "learning_rate_a": [0.3, 0.2, 0.1], "learning_rate_b": [0.1] * 3})
    html = log_page.html_of(frame, [])
    assert sentence(html) == "3 updates in 2 epochs, with learning rates from 0.1 to 0.3."
    assert legend(html) == ["learning_rate_a", "learning_rate_b"]
    np.testing.assert_allclose(read_back(points(html)[:, 0], ticks(html, "middle")), [0, 1, 2], atol=0.01)


def test_the_sentence_leaves_out_a_missing_metric_and_a_nan():
    frame = pd.DataFrame({"step": [0], "epoch": [0], "batch": [0], "learning_rate": [np.nan], "loss": [np.nan]})
    assert log_page.html_of(frame, ["loss", "accuracy"]).endswith("<div>1 update in 1 epoch.</div></div>")
