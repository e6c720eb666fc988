"""`refine` is compared with algorithm 1 of arXiv 2310.07831, written as loops."""

import sys

import numpy as np
import pandas as pd
import pytest
from support.needs import needs

from keras_lr import Tabulated, refine

pytestmark = [pytest.mark.once, needs("scipy")]


def log(norms, rate=0.3):
    return pd.DataFrame({"step": np.arange(len(norms)), "learning_rate": rate, "gradient_norm": norms})


def by_loops(norms, width, power):
    half = width // 2
    smooth = [
        sorted(norms[min(max(i + j, 0), len(norms) - 1)] for j in range(-half, half + 1))[half]
        for i in range(len(norms))
    ]
    weights = [norm**-power for norm in smooth]
    rates = [weights[t] * sum(weights[t + 1 :]) for t in range(len(norms))]
    return np.array(rates) / max(rates)


@pytest.mark.parametrize(("optimizer", "power"), [("sgd", 2), ("adam", 1)])
@pytest.mark.parametrize(("smoothing", "width"), [(0.0, 1), (0.1, 5), (0.2, 11)])
def test_refine_is_the_algorithm_of_the_paper(optimizer, power, smoothing, width):
    norms = (1.0 + np.linspace(1, 0, 50) ** 4 + 0.3 * np.random.default_rng(0).random(50)).tolist()
    found = refine(log(norms), optimizer=optimizer, smoothing=smoothing)
    assert type(found) is Tabulated
    np.testing.assert_allclose(found.values(np.arange(50)), 0.3 * by_loops(norms, width, power), rtol=1e-9)


def test_equal_norms_give_a_line_and_high_ones_at_first_a_warmup():
    line = refine(log(np.full(40, 7.0)), peak=2.0).values(np.arange(40))
    np.testing.assert_allclose(line, 2.0 * np.arange(39, -1, -1) / 39)
    warm = refine(log(np.concatenate([np.linspace(5, 1, 10), np.ones(30)])), smoothing=0.0).values(np.arange(40))
    assert np.all(np.diff(warm[:9]) > 0.0)
    assert warm.max() == pytest.approx(0.3)
    assert warm[-1] == 0.0


def test_tiny_and_huge_norms_do_not_overflow():
    for scale in (1e-200, 1e200):
        np.testing.assert_allclose(
            refine(log(np.full(40, scale))).values(np.arange(40)), 0.3 * np.arange(39, -1, -1) / 39
        )


def test_steps_without_a_norm_get_the_previous_one():
    norms = np.repeat(np.linspace(2, 1, 20), 2)
    gaps = norms.copy()
    gaps[1::2] = np.nan
    assert refine(log(gaps)) == refine(log(norms))


@pytest.mark.parametrize(
    ("norms", "options", "message"),
    [
        ([1.0] * 5, {}, "must have 10 gradient norms, got 5"),
        ([1.0] * 20 + [0.0], {}, "gradient norms must be > 0, got 0"),
        (
            [1.0] * 20,
            {"column": "norm"},
            "`column` must be one of the log, which has step, learning_rate, gradient_norm, got 'norm'",
        ),
        (["high"] * 20, {}, "`log` must have one column 'gradient_norm' of numbers, got one with another one"),
        ([1.0] * 20, {"optimizer": "lion"}, "`optimizer` must be one of 'sgd', 'adam', got 'lion'"),
        ([1.0] * 20, {"smoothing": 0.9}, "`smoothing` must be a part of the training"),
        ([1.0] * 20, {"peak": 0.0}, "`peak` must be a finite number > 0, or None"),
    ],
)
def test_wrong_norms_and_arguments_are_refused(norms, options, message):
    with pytest.raises(ValueError, match="^refine: .*" + message):
        refine(log(norms), **options)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (log([1.0] * 20, rate=0.0), "`log` must be a log whose highest rate is finite and > 0, got "),
        (log([1.0] * 20, rate=np.nan), "`log` must be a log whose highest rate is finite and > 0, got "),
        (log([1.0] * 20).drop(columns="learning_rate"), "`log` must have a column 'learning_rate', got one with"),
        ("log.txt", "`log` must be a log of LearningRateLogger .*: 'log.txt' is not a log"),
        (Tabulated([1.0, 0.5]), "`log` must be a log of LearningRateLogger .*, got Tabulated"),
    ],
    ids=["zero", "nan", "no rate", "file", "schedule"],
)
def test_an_object_that_is_no_log_is_refused(made, message):
    with pytest.raises((TypeError, ValueError), match="^refine: " + message):
        refine(made)


def test_a_missing_scipy_is_named_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r'^refine needs scipy: pip install "keras-lr\[forecast\]"$'):
        refine(log([1.0] * 20))
