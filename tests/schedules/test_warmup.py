"""Warmup as in papers and frameworks."""

import math

import keras
import numpy as np
import pytest

import keras_lr as klr
from keras_lr import epochs

pytestmark = pytest.mark.once


def test_milestones_count_from_the_start_of_training():
    """Goyal et al. 2017 decay after 30, 60 and 80 of 90 epochs, and the 5 epochs of warmup do not move that."""
    milestones = klr.MultiStepDecay(3.2, [epochs(30), epochs(60), epochs(80)])
    bound = klr.Warmup(milestones, epochs(5), start_learning_rate=0.1, overlap="replace").bind(
        steps_per_epoch=10, epochs=90
    )
    assert bound.values([0, 25, 50, 299, 300, 600, 800]).round(9).tolist() == [0.1, 1.65, 3.2, 3.2, 0.32, 0.032, 0.0032]


def test_the_jump_at_the_end_equals_that_of_bert():
    """BERT's decay runs during the warmup, but the warmup still rises to the full rate."""
    values = klr.Warmup(klr.LinearDecay(1.0, 100), 10, overlap="replace").values([9, 10, 11])
    assert values.round(12).tolist() == [0.9, 0.9, 0.89]


@pytest.mark.parametrize("overlap", ["none", "replace", "join", "multiply"])
@pytest.mark.parametrize("shape", ["linear", "cosine", "polynomial", "exponential"])
def test_every_shape_and_overlap_begins_and_ends_at_the_right_rate(shape, overlap):
    warmup = klr.Warmup(klr.LinearDecay(0.8, 100), 20, shape=shape, start_learning_rate=0.1, overlap=overlap)
    after = {"none": 0.8}.get(overlap, 0.64)
    assert warmup.values(0) == pytest.approx(0.1)
    assert warmup.values(20) == pytest.approx(after)
    assert warmup.duration == (120 if overlap == "none" else 100)
    jump = warmup.values(20) - warmup.values(19)
    assert (jump < -0.05) == (overlap == "replace")


def test_a_warmup_may_fall():
    """YOLO starts its biases at 0.1 and lowers the rate to 0.01."""
    assert klr.Warmup(0.01, 9, start_learning_rate=0.1).values([0, 3, 9]).round(9).tolist() == [0.1, 0.07, 0.01]
    falling = klr.Warmup(0.01, 2, start_learning_rate=0.09, shape="exponential").values([0, 1, 2])
    assert falling.round(9).tolist() == [0.09, 0.03, 0.01]


def test_an_exponential_warmup_to_0_is_finite():
    warmup = klr.Warmup(0.0, 4, start_learning_rate=0.1, shape="exponential")
    assert warmup.values(range(6)).tolist() == [0.1, 0, 0, 0, 0, 0]


def test_a_warmup_joins_a_schedule_of_keras():
    stock = keras.optimizers.schedules.PolynomialDecay(0.8, 100, 0.0)
    values = klr.Warmup(stock, 20, start_learning_rate=0.1, shape="exponential", overlap="join").values([0, 10, 20, 60])
    np.testing.assert_allclose(values, [0.1, math.sqrt(0.1 * 0.64), 0.64, 0.32], rtol=1e-6)


def test_the_untuned_warmup_is_that_of_the_paper():
    """Ma & Yarats: 2/(1 − 0.999) steps, or a time constant of 1/(1 − 0.999). They count steps from 1."""
    linear = klr.Warmup.untuned(1.0).from_step(1)
    assert linear.values([0, 999, 1999, 5000]).tolist() == [0.0005, 0.5, 1.0, 1.0]
    saturating = klr.Warmup.untuned(1.0, 0.999, shape="saturating").from_step(1)
    expected = [1 - math.exp(-0.001), 1 - math.exp(-1)]
    np.testing.assert_allclose(saturating.values([0, 999]), expected, rtol=1e-12)
    assert klr.Warmup.untuned(1.0, 0.0).warmup_steps == 2
    assert klr.Warmup.untuned(1.0, 0.9985).warmup_steps == 1333
    assert saturating.duration is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"start": 0.5, "start_learning_rate": 0.1},
            "`start_learning_rate` must be None when `start` is given, got 0.1",
        ),
        ({"shape": "exponential"}, "`start` must be above 0 for an exponential warmup, got 0.0"),
        (
            {"shape": "exponential", "start_learning_rate": 0.0},
            "`start_learning_rate` must be above 0 for an exponential warmup, got 0.0",
        ),
        ({"power": 2.0}, "`power` must be 1.0 unless `shape` is 'polynomial', got 2.0"),
        (
            {"shape": "saturating"},
            "`overlap` must be 'multiply' when `shape` is 'saturating', which has no end, got 'none'",
        ),
        ({"overlap": "prefix"}, "`overlap` must be one of 'none', 'replace', 'join', 'multiply', got 'prefix'"),
    ],
)
def test_arguments_that_do_not_fit_together_are_refused(arguments, text):
    with pytest.raises(ValueError, match=r"^Warmup: ") as caught:
        klr.Warmup(0.1, 10, **arguments)
    assert str(caught.value) == f"Warmup: {text}"


def test_wrong_arguments_of_the_untuned_warmup_are_refused():
    with pytest.raises(ValueError, match=r"^Warmup: `beta_2` must be a number in \[0, 1\), got 1.0$"):
        klr.Warmup.untuned(0.1, 1.0)
    with pytest.raises(ValueError, match=r"^Warmup: `shape` must be one of 'linear', 'saturating', got 'cosine'$"):
        klr.Warmup.untuned(0.1, shape="cosine")
