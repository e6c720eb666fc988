"""`samples(n)` is a duration in data, whatever the batch size. Here the user binds it."""

import keras
import pytest

import keras_lr as klr
from keras_lr import CosineDecay, LinearDecay, Warmup, epochs, samples

pytestmark = pytest.mark.once


def test_the_steps_are_the_samples_over_the_batch_size_to_the_nearest_step():
    line = LinearDecay(0.1, samples(1_000))
    assert [line.bind(batch_size=size).duration for size in (1, 16, 32, 400)] == [
        1000,
        63,
        31,
        3,
    ]  # from 62.5, 31.25 and 2.5
    assert line.bind(batch_size=250).values([0, 2, 4]).tolist() == pytest.approx([0.1, 0.05, 0.0])


def test_a_schedule_in_samples_needs_no_epochs_and_keeps_only_the_batch_size():
    bound = Warmup(LinearDecay(0.1, samples(9_000)), samples(1_000)).bind(batch_size=100, steps_per_epoch=7, epochs=3)
    assert (bound.steps_per_epoch, bound.epochs, bound.batch_size) == (None, None, 100)
    assert bound == Warmup(LinearDecay(0.1, samples(9_000)), samples(1_000)).bind(batch_size=100)
    assert eval(repr(bound), vars(klr)) == bound == klr.parse(repr(bound)) == klr.Schedule.from_json(bound.to_json())
    assert bound.describe().startswith(
        "A linear warmup from 0 over 10 steps, then a straight line from 0.1 to 0 over 90 steps, with 100 samples in a "
        "batch;"
    )


def test_samples_and_epochs_can_be_mixed():
    mixed = Warmup(CosineDecay(0.1, epochs(3) - samples(160)), samples(160))
    bound = mixed.bind(steps_per_epoch=10, epochs=3, batch_size=32)
    assert bound == klr.Bound(mixed, 10, 3, 32)
    assert bound.values(range(40)) == pytest.approx(Warmup(CosineDecay(0.1, 25), 5).values(range(40)))
    assert "in 3 epochs of 10 steps, with 32 samples in a batch" in bound.describe()


def test_without_samples_the_batch_size_does_not_matter():
    line = LinearDecay(0.1, epochs(2))
    assert line.bind(steps_per_epoch=5, epochs=2, batch_size=8) == line.bind(steps_per_epoch=5, epochs=2)
    assert LinearDecay(0.1, 10).bind(steps_per_epoch=5, epochs=2, batch_size=8) == LinearDecay(0.1, 10)


@pytest.mark.parametrize(
    "text", ["samples(1000)", "LinearDecay(0.1, 2 * samples(500))", "LinearDecay(0.1, samples(1e3))"]
)
def test_samples_can_be_parsed(text):
    text = text if text.startswith("Linear") else f"LinearDecay(0.1, {text})"
    assert klr.parse(text) == LinearDecay(0.1, samples(1000))


def test_samples_are_saved_in_the_config():
    schedule = LinearDecay(0.1, samples(1000) + 5)
    assert schedule.get_config()["decay_steps"] == {"samples": 1000.0, "only_steps": 5.0}
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert again == schedule


@pytest.mark.parametrize(
    ("schedule", "numbers", "message"),
    [
        (LinearDecay(0.1, samples(9)), {}, r"Bound: `batch_size` must be given if there are durations in samples, such as "
         r"samples\(9\), got None"),
        (LinearDecay(0.1, samples(9)), {"batch_size": 0}, r"bind: `batch_size` must be a whole number in \[1, 2\*\*31\), or "
         r"None, got 0"),
        (LinearDecay(0.1, samples(9)), {"batch_size": 100}, r"LinearDecay: `decay_steps` must be .*, got 0"),
        (LinearDecay(0.1, epochs(9)), {"batch_size": 4}, r"bind: `steps_per_epoch` must be a whole number .*, got None"),
    ],
)  # fmt: skip
def test_errors_name_the_missing_or_wrong_argument(schedule, numbers, message):
    with pytest.raises((TypeError, ValueError), match=message):
        schedule.bind(**numbers)


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "9", None, True])
def test_an_invalid_number_of_samples_is_refused(wrong):
    with pytest.raises((TypeError, ValueError), match="samples: `count` must be a finite number >= 0, got"):
        samples(wrong)
