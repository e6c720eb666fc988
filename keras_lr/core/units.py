"""Durations in epochs, in samples, or as a fraction of the training, for every argument in steps."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Set
from contextlib import suppress
from typing import Any, SupportsFloat

from keras_lr.core.duration import Duration
from keras_lr.core.fields import FLAG, NON_NEGATIVE, SHARE, Whole
from keras_lr.core.plain import NoNumberYetError, plain
from keras_lr.core.refusals import check, refuse

# The three functions return Any, so that type checkers accept the results as steps (int).


def epochs(count: SupportsFloat) -> Any:
    """A duration of `count` epochs, instead of a number of steps.

    Durations can be added, subtracted and multiplied by a number. A number that is added means steps:
    ``Warmup(CosineDecay(0.1, fraction(1.0) - 500), 500)`` ends with the training, and
    ``epochs(90) - epochs(5)`` are 85 epochs. The result is checked when the schedule is bound.

    Args:
        count: epochs, >= 0; ``epochs(0.5)`` is half an epoch. The duration is rounded to whole steps (half
            a step up) when the schedule is bound.

    Returns:
        A duration, for any argument in steps.

    Raises:
        TypeError, ValueError: `count` is not a finite number >= 0.

    Example:
        >>> LinearDecay(0.1, epochs(30)).bind(steps_per_epoch=100, epochs=90).duration
        3000
    """
    return Duration(epochs=check(NON_NEGATIVE, "epochs", "count", count))


def fraction(share: SupportsFloat) -> Any:
    """A duration as a fraction of all steps of the training, instead of a number of steps.

    Args:
        share: the fraction, in [0, 1]. The duration is rounded to whole steps (half a step up) when the
            schedule is bound.

    Returns:
        A duration, for any argument in steps.

    Raises:
        TypeError, ValueError: `share` is not a number in [0, 1].

    Example:
        >>> LinearDecay(0.1, fraction(0.1)).bind(steps_per_epoch=100, epochs=90).duration
        900
    """
    return Duration(fraction=check(SHARE, "fraction", "share", share))


def samples(count: SupportsFloat) -> Any:
    """A duration of `count` samples, instead of a number of steps: count/b steps for batches of b samples.

    The amount of data stays the same when the batch size changes. A number of tokens is a number of
    samples times a constant: ``samples(300e9 / 2048)`` are 300 billion tokens in sequences of 2,048. Every
    batch counts as full, even the last one of an epoch.

    Args:
        count: samples, >= 0. The duration is rounded to whole steps (half a step up) when the schedule is
            bound.

    Returns:
        A duration, for any argument in steps.

    Raises:
        TypeError, ValueError: `count` is not a finite number >= 0.

    Example:
        >>> LinearDecay(0.1, samples(50_000)).bind(batch_size=100).duration
        500
    """
    return Duration(samples=check(NON_NEGATIVE, "samples", "count", count))


def steps_per_epoch(data: Any, batch_size: SupportsFloat | None = None, *, drop_last: bool = False) -> int:
    """The number of batches in an epoch, for a schedule that you bind yourself.

    `BindSchedule` gets the number from `fit`. This function is for your own training loops, and for
    plots before the training.

    Args:
        data: samples or batches, as for `fit`. Samples are a number, an array, a tensor, a data frame or
            list, a dict or tuple of arrays, or a torch `Dataset`; they need `batch_size`. Batches are a
            `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch `DataLoader`, or any object whose
            length is the number of batches.
        batch_size: samples in a batch, >= 1. Leave it out for data that is already in batches.
        drop_last: whether an incomplete last batch is dropped.

    Returns:
        Batches in an epoch, >= 1.

    Raises:
        TypeError: `data` has no length (a generator), `batch_size` is missing for samples or given
            for batches, or a number is not whole.
        ValueError: `data` is endless or of unknown length, has arrays of different lengths, or has no
            complete batch; or a number is below 1.

    Example:
        >>> steps_per_epoch(1000, 32), steps_per_epoch(1000, 32, drop_last=True)
        (32, 31)
    """
    check(FLAG, "steps_per_epoch", "drop_last", drop_last)
    is_number = _is_number(data)
    rows = None if is_number else _samples(data)
    if rows is None and not is_number:
        batches = _length(data)
        if batch_size is not None:
            allowed = "left out for a data set that is already in batches"
            refuse("steps_per_epoch", "batch_size", allowed, batch_size, TypeError)
    else:
        if batch_size is None:
            what = "a number of samples" if is_number else f"samples ({type(data).__name__})"
            refuse("steps_per_epoch", "batch_size", f"given with {what}", None, TypeError)
        size = _whole("batch_size", batch_size)
        count = _whole("data", data) if rows is None else rows
        batches = count // size if drop_last else -(-count // size)
    if batches < 1:
        raise ValueError(f"steps_per_epoch: `data` must have at least one batch, got {batches}")
    return batches


def _samples(data: Any) -> int | None:
    """How many samples the data has, or None if it is in batches."""
    allowed = "a data set, or samples: an array, or a dict or sequence of arrays that belong together"
    if isinstance(data, str | bytes | Set):
        refuse("steps_per_epoch", "data", allowed, data, TypeError)
    if isinstance(data, Mapping | list | tuple):
        parts = list(data.values()) if isinstance(data, Mapping) else list(data)
        counts = [rows for part in parts if (rows := _rows(part)) is not None]
        if isinstance(data, Mapping) or (counts and len(counts) == len(parts)):
            if not counts or len(set(counts)) > 1:
                error = ValueError if counts else TypeError
                refuse("steps_per_epoch", "data", f"{allowed}, all of one length", data, error)
            return counts[0]
        return len(data)
    rows = _rows(data)
    if rows is not None:
        return rows
    return _length(data) if isinstance(data, range) or _is_torch_dataset(data) else None


def _is_number(data: Any) -> bool:
    try:
        return isinstance(plain(data), numbers.Number)
    except NoNumberYetError:
        return True  # `_whole` refuses it


def _rows(data: Any) -> int | None:
    """The first dimension of an array, tensor, data frame or anything else with a shape; otherwise None."""
    if hasattr(data, "cardinality") or hasattr(data, "num_batches"):
        return None
    try:
        shape = tuple(data.shape)
        return int(shape[0])
    except Exception:  # no shape, no dimensions, or a user's object that raises
        return None


def _is_torch_dataset(data: Any) -> bool:
    """Whether this is a data set of torch or Hugging Face, whose length is a number of samples."""
    origin = {(base.__module__.partition(".")[0], base.__name__) for base in type(data).__mro__}
    return ("torch", "Dataset") in origin or ("datasets", "Dataset") in origin


def _length(data: Any) -> int:
    """The length of a data set."""
    try:
        if hasattr(data, "cardinality"):  # tf.data: -1 for an endless one, -2 for an unknown length
            length = int(data.cardinality())
        else:
            batches = getattr(data, "num_batches", None)
            length = len(data) if batches is None else int(batches)
    except Exception as error:  # a user's data set may raise anything
        raise TypeError(f"steps_per_epoch: `data` must have a length, got {type(data).__name__}") from error
    if length < 0:
        what = "is endless" if length == -1 else "does not know its length"
        raise ValueError(
            f"steps_per_epoch: `data` must be a data set with a known length, and this one {what}; count the "
            "batches yourself, or use `data.apply(tf.data.experimental.assert_cardinality(…))`"
        )
    return length


def _whole(name: str, value: Any) -> int:
    with suppress(NoNumberYetError):
        number = plain(value)
        if isinstance(number, numbers.Real) and number % 1 != 0:
            refuse("steps_per_epoch", name, "a whole number >= 1", value, TypeError)
    return int(check(Whole("a whole number >= 1", 1, 2**63, steps=False), "steps_per_epoch", name, value))
