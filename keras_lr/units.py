"""Durations in epochs, or as a fraction of the training, wherever steps are asked for."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Duration:
    """A length of training that becomes a number of steps once `fit`'s numbers are known.

    Attributes:
        unit: "epochs" or "fraction" (of all steps of the training).
        amount: how many, >= 0; a fraction is at most 1.
    """

    unit: str
    amount: float

    def steps(self, steps_per_epoch: int, epochs: int) -> int:
        """The nearest whole number of steps; half a step is rounded up."""
        whole = steps_per_epoch if self.unit == "epochs" else steps_per_epoch * epochs
        return math.floor(self.amount * whole + 0.5)

    def __repr__(self) -> str:
        amount = int(self.amount) if self.amount == int(self.amount) else self.amount
        return f"{self.unit}({amount!r})"


# The two functions return Any, so that a type checker takes them where steps (int) are due.


def epochs(count: float) -> Any:
    """A duration of `count` epochs, in place of a number of steps.

    Args:
        count: epochs >= 0; ``epochs(0.5)`` is half an epoch. Rounded to whole steps (half a
            step up) when the schedule is bound.

    Raises:
        TypeError, ValueError: `count` is not a finite number >= 0.

    Example:
        >>> LinearDecay(0.1, epochs(30)).bind(steps_per_epoch=100, epochs=90).duration
        3000
    """
    return Duration("epochs", _amount("epochs", "count", count, math.inf))


def fraction(share: float) -> Any:
    """A duration as a share of all steps of the training, in place of a number of steps.

    Args:
        share: in [0, 1]. Rounded to whole steps (half a step up) when the schedule is bound.

    Raises:
        TypeError, ValueError: `share` is not a number in [0, 1].

    Example:
        >>> LinearDecay(0.1, fraction(0.1)).bind(steps_per_epoch=100, epochs=90).duration
        900
    """
    return Duration("fraction", _amount("fraction", "share", share, 1.0))


def steps_per_epoch(data: Any, batch_size: int | None = None, *, drop_last: bool = False) -> int:
    """Batches in an epoch, for a schedule that is bound by hand.

    `BindSchedule` takes the number from `fit` itself; this is for training loops of your own,
    and for plots before the training.

    Args:
        data: how many samples there are, or a data set that knows how many batches it has: a
            `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch `DataLoader`, or anything with
            a length that counts batches. With `batch_size`, also an array of samples.
        batch_size: samples in a batch; needed for a number or an array of samples.
        drop_last: whether a last batch that is not full is left out.

    Raises:
        TypeError: `data` has no length (a generator), or `batch_size` is missing or not whole.
        ValueError: `data` is endless, does not know its length, or has not one whole batch; or
            a number is below 1.

    Example:
        >>> steps_per_epoch(1000, 32), steps_per_epoch(1000, 32, drop_last=True)
        (32, 31)
    """
    from keras_lr.fields import FLAG, check

    check(FLAG, "steps_per_epoch", "drop_last", drop_last)
    if batch_size is not None:
        size = _whole("batch_size", batch_size)
        samples = _whole("data", data) if isinstance(data, numbers.Number) else _length(data)
        batches = samples // size if drop_last else -(-samples // size)
    elif isinstance(data, numbers.Number):
        raise TypeError("steps_per_epoch: `batch_size` must be given with a number of samples, got None")
    else:
        batches = _length(data)
    if batches < 1:
        raise ValueError(f"steps_per_epoch: `data` must have at least one batch, got {batches}")
    return batches


def _length(data: Any) -> int:
    """The length of a data set."""
    from keras_lr.fields import refuse

    if isinstance(data, str | bytes | Mapping | Set):
        allowed = "a data set or an array (of a dict of arrays, give one of them)"
        refuse("steps_per_epoch", "data", allowed, data, TypeError)
    try:
        if hasattr(data, "cardinality"):  # tf.data: -1 for one without an end, -2 for one that does not know
            length = int(data.cardinality())
        else:
            batches = getattr(data, "num_batches", None)
            length = len(data) if batches is None else int(batches)
    except Exception as error:  # a data set of the user's own may raise anything
        raise TypeError(f"steps_per_epoch: `data` must have a length, got {type(data).__name__}") from error
    if length < 0:
        what = "has no end" if length == -1 else "does not know its length"
        raise ValueError(
            f"steps_per_epoch: `data` must be a data set with a known length, and this one {what}; count the "
            "batches yourself, or use `data.apply(tf.data.experimental.assert_cardinality(…))`"
        )
    return length


def _whole(name: str, value: Any) -> int:
    from keras_lr.fields import Whole, check, refuse

    if not isinstance(value, numbers.Integral):
        refuse("steps_per_epoch", name, "a whole number >= 1", value, TypeError)
    return int(check(Whole("a whole number >= 1", 1, 2**63, steps=False), "steps_per_epoch", name, value))


def _amount(owner: str, name: str, value: Any, high: float) -> float:
    from keras_lr.fields import Real, check

    allowed = "a finite number >= 0" if math.isinf(high) else "a number in [0, 1]"
    return float(check(Real(allowed, 0.0, high), owner, name, value))
