"""The base of every schedule, without the operators that combine schedules (`keras_lr.core.algebra` adds them).

A schedule class consists of fields, a docstring, and one pure method of the step:

    class HalfLife(Schedule):
        \"\"\"Halves every `half_life` steps.\"\"\"

        template = "{learning_rate}, halved every {half_life:steps}"
        learning_rate: Rate
        half_life: Steps

        def rate(self, step):
            return self.learning_rate * power(0.5 ** (1 / self.half_life), step)

Everything else is derived from the fields, once for all schedules: the constructor and its checks, config,
equality, hash, repr, both evaluations, and the registration with Keras. What else a class may define is in `Formula`.
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

    # So NumPy leaves operators to the schedule, and does not make an array of schedules.
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

    def validate_steps(self) -> None:
        """Check fields against each other that must be in steps. Called when all durations are."""

    def __call__(self, step: Any) -> Any:
        """The rate at `step`, as a backend tensor in `floatx`, of the shape of `step`.

        If the number is known on the host, the rate is computed there in float64, without any
        operation of the backend. A traced step (in `tf.function`, `jax.jit`, or on a GPU in torch) is
        evaluated with float32 operations.

        Args:
            step: updates already applied: an int, or an integer array, tensor or variable of any
                shape. Floats with whole values are accepted.

        Raises:
            TypeError: `step` is not numeric.
            ValueError: `step` is negative or not whole, or the schedule is not bound.
        """
        self._require_bound()
        return evaluation.evaluate(self, step)

    def values(self, steps: Any) -> NDArray[np.float64]:
        """The rates at `steps` as float64 NumPy, computed on the host without a backend.

        Args:
            steps: an int or an array-like of whole numbers >= 0, of any shape.

        Returns:
            An array of the same shape (a NumPy scalar for an int).

        Raises:
            TypeError: `steps` is not numeric.
            ValueError: `steps` are negative or not whole, or the schedule is not bound.
        """
        self._require_bound()
        whole = evaluation.whole_steps(steps, self)
        if self.has_external:
            return np.array(self.rate(whole), np.float64)[()]
        return evaluation.in_chunks(self.rate, whole)[()]

    def as_callable(self) -> Callable[[Any], Any]:
        """The schedule as a function ``step -> rate``, for training loops without Keras.

        The function returns a Python float for one step, a NumPy array for an array of steps, and a
        tensor for a step in a compiled function. It can be pickled. `LambdaLR` multiplies the rate by
        the rate of the optimizer, so set that to 1.

            optax.sgd(learning_rate=schedule.as_callable())            # with KERAS_BACKEND=jax
            LambdaLR(torch.optim.SGD(weights, lr=1.0), schedule.as_callable())

        Raises:
            ValueError: the schedule is not bound.
            TypeError: from the function, if it gets something else than a step, or is compiled by JAX
                while Keras has another backend.
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
        """The ends of the cycles in a training of `steps` steps, for snapshots and averages of weights.

        Each end is a number of updates: a cycle is over when so many have been made. `SaveAtCycleEnds`
        saves the model there.

        Args:
            steps: steps of the training, >= 0.

        Raises:
            TypeError, ValueError: `steps` is not such a number, or the schedule is not bound.

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
        """The arguments by name, as JSON values. `from_config` makes an equal schedule of them."""
        return {name: serialization.encode(value) for name, value in self.arguments().items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The schedule with the arguments that `get_config` returned.

        Args:
            config: the arguments by name, as JSON values.

        Raises:
            TypeError, ValueError: an argument is unknown, missing, or refused by the constructor.
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
        """The schedule that `to_json` wrote: ``Schedule.from_json(text)``.

        The text may come from a source that you do not trust: nothing is imported, and only
        schedules are created. The class of your own schedule must be registered, which happens when
        its module is imported.

        Args:
            text: the JSON text.

        Raises:
            TypeError, ValueError: the text is not the JSON of a schedule of this class, or an argument
                is refused.
        """
        made = serialization.from_json(text)
        if not isinstance(made, cls):
            refuse(cls.__name__, "text", f"the JSON of a {cls.__name__}", made)
        return made

    def _comparable(self, value: Any) -> Any:
        return serialization.comparable(value)

    def _source(self, value: Any) -> str:
        return serialization.source(value)
