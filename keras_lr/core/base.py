"""What every schedule is, without the operators that combine schedules (`keras_lr.core.algebra` adds them).

A schedule is its fields, a docstring, and one pure method of the step:

    class HalfLife(Schedule):
        \"\"\"Halves every `half_life` steps.\"\"\"

        template = "{learning_rate}, halved every {half_life:steps}"
        learning_rate: Rate
        half_life: Steps

        def rate(self, step):
            return self.learning_rate * power(0.5 ** (1 / self.half_life), step)

Construction and its checks, config, equality, hash, repr, both evaluations and the
registration with Keras are derived from the fields, once for all schedules.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, SupportsFloat

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr.core import evaluation, serialization
from keras_lr.core.curves import Step, Value
from keras_lr.core.fields import Whole
from keras_lr.core.frozen import Frozen
from keras_lr.core.presentation import Presented
from keras_lr.core.refusals import check, refuse
from keras_lr.core.tree import DEEPEST, MOST_PARTS, Cache, Formula, count_of, depth_of, is_bound, is_external

if TYPE_CHECKING:
    from typing_extensions import Self

TRAINING = Whole("a whole number of steps in [0, 2**31)", 0, steps=False)


class BaseSchedule(Frozen, Presented, abstract=True):
    """A learning rate as a function of the step, the number of updates already applied."""

    # NumPy leaves operators with a schedule to the schedule, and makes no array of schedules.
    __array_ufunc__: ClassVar[None] = None

    def __init_subclass__(cls, package: str | None = None, *, abstract: bool = False, **kwargs: Any) -> None:
        if "words" in vars(cls):
            warnings.warn(f"{cls.__name__}: `words` is called `template` now", DeprecationWarning, stacklevel=2)
            cls.template = vars(cls)["words"]
        super().__init_subclass__(abstract=abstract, **kwargs)
        if not abstract:
            if package is None:
                package = "keras_lr" if cls.__module__.split(".")[0] == "keras_lr" else "Custom"
            keras.saving.register_keras_serializable(package)(cls)

    def _complete(self) -> None:
        given = self.arguments()
        external = any(is_external(part) or getattr(part, "has_external", False) for part in Formula._parts(self))
        depths = {name: depth_of(value) for name, value in given.items()}
        counts = {name: count_of(value) for name, value in given.items()}
        for name, value in (
            ("is_bound", all(map(is_bound, given.values()))),
            ("has_external", external),
            ("_depth", 1 + max(depths.values(), default=0)),
            ("_count", 1 + sum(counts.values())),
            ("_cache", Cache()),
        ):
            object.__setattr__(self, name, value)
        for name, depth in depths.items():
            if depth >= DEEPEST:
                self.refuse(name, f"nested at most {DEEPEST - 1} schedules deep")
        if sum(counts.values()) >= MOST_PARTS:
            self.refuse(max(counts, key=lambda name: counts[name]), f"made of at most {MOST_PARTS - 1:,} schedules")
        self.validate()
        if self.is_bound:
            self.validate_steps()

    # What a schedule class writes.

    def rate(self, step: Step) -> Value:
        """The formula: steps (NumPy integers or a backend integer tensor, any shape) to rates."""
        raise NotImplementedError(f"{type(self).__name__} must define `rate(self, step)`")

    def validate_steps(self) -> None:
        """Rules between fields that need durations in steps: checked once all of them are."""

    def length(self) -> int | None:
        """Steps until the curve has reached its end, None if it has none. Overridden where it has."""
        return None

    def changes(self) -> tuple[int, ...]:
        """Steps at which the rate first changes, where a schedule is flat before; for the audit."""
        return ()

    def cycle_end_after(self, step: int) -> int | None:
        """The first end of a cycle after a step, or None. Schedules with cycles override it.

        The end is a number of updates: those with the rates of the cycle are made, and the next one
        has the first rate of another cycle.
        """
        return None

    # What every schedule gets.

    def __call__(self, step: Any) -> Any:
        """The rate at `step`, as a backend tensor in `floatx`, of the shape of `step`.

        A step whose number is known on the host is evaluated there in float64, without
        launching a single backend operation; a traced step (in `tf.function`, `jax.jit`,
        or on a GPU in torch) in float32 operations.

        Args:
            step: updates already applied: an int, an integer array, tensor or variable of
                any shape. Whole-valued floats are accepted.
        """
        self._require_bound()
        return evaluation.evaluate(self, step)

    def values(self, steps: Any) -> NDArray[np.float64]:
        """The rates at `steps`, in float64 NumPy, computed on the host without a backend.

        Args:
            steps: an int or an array-like of whole numbers >= 0, of any shape.

        Returns:
            An array of the same shape (a NumPy scalar for an int).

        Raises:
            TypeError: `steps` is not numeric.
            ValueError: `steps` are negative or not whole.
        """
        self._require_bound()
        whole = evaluation.whole_steps(steps, self)
        if self.has_external:
            return np.array(self.rate(whole), np.float64)[()]
        return evaluation.in_chunks(self.rate, whole)[()]

    def as_callable(self) -> Callable[[Any], Any]:
        """The schedule as a function ``step -> rate``, for training loops without Keras.

        It gives a Python float for one step, a NumPy array for an array of steps, and a tensor for a
        step in a compiled function. It can be pickled. `LambdaLR` multiplies with the optimizer's rate.

            optax.sgd(learning_rate=schedule.as_callable())            # with KERAS_BACKEND=jax
            LambdaLR(torch.optim.SGD(weights, lr=1.0), schedule.as_callable())

        Raises:
            ValueError: the schedule is not bound.
            TypeError: by the function, for no step, and in compiled JAX while Keras has another backend.
        """
        self._require_bound()
        return partial(evaluation.plain_rate, self)

    @property
    def duration(self) -> int | None:
        """Steps until the curve has reached its end and stays flat; None if it has no end.

        Raises:
            ValueError: the schedule is not bound.
        """
        self._require_bound()
        return self.length()

    def cycle_ends(self, steps: SupportsFloat) -> list[int]:
        """The ends of the cycles in a training of so many steps, for snapshots and averages of weights.

        Each is the number of updates made when a cycle is over. `SaveAtCycleEnds` saves there.

        Args:
            steps: steps of the training, >= 0.

        Raises:
            TypeError, ValueError: for no such number, and for a schedule that is not bound.

        Example:
            >>> CosineDecayRestarts(0.1, 10).cycle_ends(100)
            [10, 30, 70]
        """
        self._require_bound()
        last = check(TRAINING, type(self).__name__, "steps", steps)
        ends: list[int] = []
        while (end := self.cycle_end_after(ends[-1] if ends else 0)) is not None and end <= last:
            ends.append(end)
        return ends

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON values."""
        return {name: serialization.encode(value) for name, value in self.arguments().items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The schedule with these arguments.

        Raises:
            TypeError, ValueError: the config has unknown or missing arguments, or a value
                that the constructor refuses.
        """
        if not isinstance(config, dict) or not all(isinstance(name, str) for name in config):
            refuse(cls.__name__, "config", "a dict of the arguments by name", config, TypeError)
        if (limit := serialization.broken_limit(config)) is not None:
            refuse(cls.__name__, "config", f"schedules {limit}", config)
        return cls(**{name: serialization.decode(value) for name, value in config.items()})

    def to_json(self) -> str:
        """The schedule as JSON text, in the form of Keras's own serialization.

        Example:
            >>> Schedule.from_json(LinearDecay(0.1, epochs(3)).to_json())
            LinearDecay(0.1, epochs(3))
        """
        return serialization.to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The schedule that `to_json` has written: ``Schedule.from_json(text)``.

        The text may come from somewhere that you do not trust: nothing is imported, and nothing
        else than a schedule is made. The class of a schedule of your own must be registered, which
        it is once its module is imported.

        Raises:
            TypeError, ValueError: it is no JSON of a schedule of this class, or has wrong arguments.
        """
        made = serialization.from_json(text)
        if not isinstance(made, cls):
            refuse(cls.__name__, "text", f"the JSON of a {cls.__name__}", made)
        return made

    def _comparable(self, value: Any) -> Any:
        return serialization.comparable(value)

    def _source(self, value: Any) -> str:
        return serialization.source(value)
