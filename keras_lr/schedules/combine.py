"""Schedules one after another: warmup, sequences, chains, cooldown; and binding to a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from keras.optimizers.schedules import LearningRateSchedule

from keras_lr.curves import SHAPES, Step, Value, cosine, fall, mix, power, progress, remaining, since, where
from keras_lr.fields import (
    STEP_LIMIT,
    AnySchedule,
    Boundaries,
    Count,
    Fraction,
    OneOf,
    Rate,
    Schedules,
    Steps,
    StepsOrZero,
)
from keras_lr.schedule import Schedule, length_of, rate_at, rate_of
from keras_lr.units import Duration

WarmupShape = Annotated[str, OneOf(("linear", "cosine", "exponential"))]
FallShape = Annotated[str, OneOf(SHAPES)]


class Warmup(Schedule):
    """A rise to the first rate of another schedule, which then runs from its own step 0.

    f(t) = schedule(0) · w(t/warmup_steps)    for t < warmup_steps
    f(t) = schedule(t − warmup_steps)         from there on

    where w rises from `start` to 1: in a straight line ("linear"), in half a cosine ("cosine"),
    or by equal factors, start^(1 − x) ("exponential"). There is no jump: at `warmup_steps` the
    rate is exactly ``schedule(0)``. The linear one is the "gradual warmup" of Goyal et al. 2017,
    arXiv 1706.02677, section 2.2; the exponential one fastai's `SchedExp`.

    Args:
        schedule: what follows: a schedule (ours, Keras's, your own), or a constant rate.
        warmup_steps: steps of the rise; 0 for none.
        start: where it begins, as a fraction of ``schedule(0)``, in [0, 1]. With 0 the first
            update does not move the weights.
        shape: "linear", "cosine" or "exponential".

    Raises:
        ValueError: also for an exponential warmup from 0.

    Example:
        >>> Warmup(LinearDecay(0.1, 100), 10).values([0, 5, 10, 60, 110]).round(6).tolist()
        [0.0, 0.05, 0.1, 0.05, 0.0]
    """

    words = "a {shape} warmup from {start:%} over {warmup_steps:steps}, then {schedule}"
    schedule: AnySchedule
    warmup_steps: StepsOrZero
    start: Fraction = 0.0
    shape: WarmupShape = "linear"

    def validate(self) -> None:
        if self.shape == "exponential" and self.start == 0.0:
            self.refuse("start", "above 0 for an exponential warmup")

    def length(self) -> int | None:
        after = length_of(self.schedule)
        return None if after is None else self.warmup_steps + after

    def rate(self, step: Step) -> Value:
        after = rate_of(self.schedule, since(step, self.warmup_steps))
        if not self.warmup_steps:
            return after
        return where(step < self.warmup_steps, self._share(step) * rate_at(self.schedule, 0, step), after)

    def _share(self, step: Step) -> Value:
        if self.shape == "exponential":
            return power(self.start, remaining(step, self.warmup_steps))
        gone = progress(step, self.warmup_steps)
        return mix(self.start, 1.0, cosine(gone) if self.shape == "cosine" else gone)


class Sequential(Schedule):
    """One schedule after another, each from its own step 0, at given boundaries.

    f(t) = schedules[i](t − boundaries[i−1]),  i the number of boundaries ≤ t

    torch's `SequentialLR` and optax's `join_schedules`. A part between equal boundaries is
    skipped. ``a >> b`` needs no boundaries.

    Args:
        schedules: the parts: schedules or constant rates.
        boundaries: steps at which the next part begins, one fewer than parts, none smaller
            than the one before.

    Raises:
        ValueError: also when the numbers of parts and boundaries do not fit.

    Example:
        >>> Sequential([LinearDecay(0.4, 8), StepDecay(0.1, 2)], [4]).values([0, 3, 4, 6]).round(6).tolist()
        [0.4, 0.25, 0.1, 0.05]
    """

    words = "{schedules:then}<, changing at {boundaries:at}>"
    schedules: Schedules
    boundaries: Boundaries

    def validate(self) -> None:
        if len(self.boundaries) != len(self.schedules) - 1:
            self.refuse("boundaries", f"one fewer than there are `schedules` ({len(self.schedules) - 1})")

    def length(self) -> int | None:
        last = length_of(self.schedules[-1])
        return None if last is None else sum(self.boundaries[-1:]) + last

    def rate(self, step: Step) -> Value:
        return joined(self.schedules, self.boundaries, step)


class Chain(Schedule):
    """Schedules one after another, each for its own duration: what ``a >> b`` makes.

    f(t) = b(t − duration of a) once a has come to its end, a(t) before.

    Args:
        schedules: the parts; all but the last have an end (`duration`).

    Raises:
        ValueError: also when a part that is not the last has no end.

    Example:
        >>> (LinearDecay(0.4, 4, 0.2) >> LinearDecay(0.2, 2)).values([0, 2, 4, 5, 6]).round(6).tolist()
        [0.4, 0.3, 0.2, 0.1, 0.0]
    """

    words = "{schedules:then}"
    schedules: Schedules

    def validate(self) -> None:
        for schedule in self.schedules[:-1]:
            endless = not isinstance(schedule, Schedule) or type(schedule).length is Schedule.length
            if endless or (schedule.is_bound and schedule.length() is None):
                self.refuse(
                    "schedules",
                    f"schedules with an end, except for the last, and {schedule!r} has none (use `Sequential`)",
                )

    def validate_steps(self) -> None:
        if any(boundary >= STEP_LIMIT for boundary in self._boundaries()):
            self.refuse("schedules", "schedules that have less than 2**31 steps together before the last begins")

    def _boundaries(self) -> tuple[int, ...]:
        boundaries = [0]
        for schedule in self.schedules[:-1]:
            length = length_of(schedule)
            assert length is not None  # `validate` has refused it
            boundaries.append(boundaries[-1] + length)
        return tuple(boundaries[1:])

    def length(self) -> int | None:
        last = length_of(self.schedules[-1])
        return None if last is None else sum(self._boundaries()[-1:]) + last

    def rate(self, step: Step) -> Value:
        return joined(self.schedules, self._boundaries(), step)


def joined(schedules: Sequence[LearningRateSchedule], boundaries: Sequence[int], step: Step) -> Value:
    """The rate of schedules that follow one another at boundaries."""
    value = rate_of(schedules[0], step)
    for boundary, schedule in zip(boundaries, schedules[1:], strict=True):
        value = where(step >= boundary, rate_of(schedule, since(step, boundary)), value)
    return value


def chained(a: Schedule, b: Any) -> Schedule:
    """``a >> b``, flat, so that it does not matter how a chain was put together."""
    parts = [part.schedules if isinstance(part, Chain) else (part,) for part in (a, b)]
    return Chain((*parts[0], *parts[1]))


class Cooldown(Schedule):
    """Another schedule until a step, and from its rate there down to an end rate.

    f(t) = schedule(t)                                          for t < at
    f(t) = end + (schedule(at) − end) · s((t − at)/steps)       from there on

    with the shapes s of `WarmupStableDecay` that come to the end rate. For "start the cooldown
    now" and for a branch from a checkpoint: there is no jump at `at`. Zhai et al. 2022, arXiv
    2106.04560, section 3.

    Args:
        schedule: a schedule or a constant rate.
        at: step at which it is left.
        steps: steps of the fall.
        end_learning_rate: rate from at + steps on.
        shape: "linear", "cosine", "sqrt" or "exponential".

    Example:
        >>> Constant(0.4).cooldown(at=100, steps=20).values([99, 100, 110, 120]).round(6).tolist()
        [0.4, 0.4, 0.2, 0.0]
    """

    words = "{schedule}, left after {at:steps} for a {shape} fall to {end_learning_rate} over {steps:steps}"
    schedule: AnySchedule
    at: StepsOrZero
    steps: Steps
    end_learning_rate: Rate = 0.0
    shape: FallShape = "linear"

    def length(self) -> int | None:
        return self.at + self.steps

    def rate(self, step: Step) -> Value:
        share = fall(self.shape, since(step, self.at), self.steps)
        falling = mix(self.end_learning_rate, rate_at(self.schedule, self.at, step), share)
        return where(step < self.at, rate_of(self.schedule, step), falling)


class Bound(Schedule):
    """A schedule with its epochs and fractions turned into steps: what `bind` returns.

    f(t) = schedule(t), its durations of n epochs being ⌊n · steps_per_epoch + 1/2⌋ steps, those of a
    fraction s of the training ⌊s · steps_per_epoch · epochs + 1/2⌋.

    It keeps the schedule as it was written, so that it can be bound anew for another training.

    Args:
        schedule: a schedule with durations in epochs or fractions.
        steps_per_epoch: batches in an epoch.
        epochs: epochs of the training.

    Raises:
        ValueError: also when a duration comes out as a number of steps that is not allowed.

    Example:
        >>> LinearDecay(0.1, epochs(2)).bind(steps_per_epoch=50, epochs=3).values([0, 50, 100]).tolist()
        [0.1, 0.05, 0.0]
    """

    words = "{in_steps}, in {epochs:epochs} of {steps_per_epoch:steps}"
    schedule: AnySchedule
    steps_per_epoch: Count
    epochs: Count
    in_steps: ClassVar[LearningRateSchedule]

    def validate(self) -> None:
        object.__setattr__(self, "is_bound", True)
        object.__setattr__(self, "in_steps", self._resolve(self.schedule))

    def _resolve(self, part: Any) -> Any:
        """The same thing with durations in steps."""
        if isinstance(part, Duration):
            return part.steps(self.steps_per_epoch, self.epochs)
        return part.with_parts(self._resolve) if isinstance(part, Schedule) and not part.is_bound else part

    def length(self) -> int | None:
        return length_of(self.in_steps)

    def changes(self) -> tuple[int, ...]:
        return self.in_steps.changes() if isinstance(self.in_steps, Schedule) else ()

    def rate(self, step: Step) -> Value:
        return rate_of(self.in_steps, step)


def rebound(schedule: LearningRateSchedule, steps_per_epoch: int, epochs: int) -> LearningRateSchedule:
    """A schedule with everything in it that has units bound to these numbers, also what was bound to others."""

    def rebind(part: Any) -> Any:
        if isinstance(part, Bound):
            return rebound(part.schedule, steps_per_epoch, epochs)
        if isinstance(part, Schedule) and contains_bound(part):
            return part.with_parts(rebind)
        return part

    inner = rebind(schedule)
    return inner.bind(steps_per_epoch=steps_per_epoch, epochs=epochs) if isinstance(inner, Schedule) else inner


def contains_bound(schedule: Schedule) -> bool:
    """Whether a `Bound` is somewhere inside."""
    values = schedule.arguments().values()
    parts = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    return any(isinstance(part, Bound) or (isinstance(part, Schedule) and contains_bound(part)) for part in parts)
