"""`GreedyLearningRate`: the rate rises while a metric improves, and falls otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, SupportsFloat

from keras_lr.callbacks.greedy_rule import STAY, UP, GreedyRule, GreedyState
from keras_lr.callbacks.metric_driven import MetricDriven
from keras_lr.optimizers import install
from keras_lr.optimizers.install import Bounds
from keras_lr.optimizers.lookup import RatedOptimizer

RESTART = 0.0
"""Instead of a factor: reset to the initial rates."""


class GreedyLearningRate(MetricDriven):
    """Raise the learning rate while a metric improves, and lower it while it does not.

    After more than `patience` improving epochs in a row, the rate is divided by `factor`, up to `max_lr`. After
    more than `patience` other epochs in a row, it is multiplied by `factor`, down to `min_lr`. This is GreedyLR:
    Subramanian, Krishnamoorthy & Murthy 2025, "Dynamic Learning Rate Scheduling based on Loss Changes Leads to
    Faster Convergence", arXiv 2512.14527, algorithm 2; `GreedyLR` in transformers. The paper recommends a factor of
    at least 0.5. It uses a `patience` of 10, a `window` of 50 and a tenth of the initial rate as `min_lr`, with
    the loss of single steps: ``monitor="loss", every=1``.

    The rate may be a number or any schedule, of Keras or of this package. Then it is ``scale · schedule(step)`` in
    the compiled step, and a saved model contains it (as a `Rescaled` schedule). On TensorFlow and JAX, each change
    of a schedule takes one compilation of the training step; a change of a number takes none. A change stops at
    `min_lr` or `max_lr`, and so does the scale.

    Differences from transformers: improvements count during a `cooldown`, bad epochs count during a `warmup`, and
    both may set the best value, as in the paper. A metric that is not finite is left out of the mean over the
    `window`.

    The state is saved and resumed with the model and with its weights, in the same way as that of
    `ReduceOnPlateau`. Several of these callbacks, together with plateaus, each have their own factor.

    Args:
        monitor: the metric, a key of the epoch's logs.
        factor: the rate is multiplied by it when it falls, and divided by it when it rises, in (0, 1).
        patience: a change needs more than this number of epochs in a row, >= 0.
        mode: "min" or "max" for a metric that should fall or rise; "auto" for the direction of the metric.
        min_delta: an improvement must be larger than this, >= 0.
        threshold_mode: "abs" for `min_delta` itself, "rel" for `min_delta` times the magnitude of the best value
            (as in the paper).
        cooldown: epochs after a reduction in which bad epochs do not count.
        warmup: epochs after a raise in which improvements do not count. (For a schedule with a warmup, see `Warmup`.)
        min_lr: the lowest rate to which this callback lowers. On a schedule, it limits only the scaling: the
            schedule itself may go lower.
        verbose: 1 prints a line at each change, or logs it after `keras.config.disable_interactive_logging()`.
        max_lr: the highest rate to which this callback raises, > 0 and at least `min_lr`. On a schedule, it limits
            only the scaling. It is required, since nothing else keeps the rate from growing until training diverges.
        window: use the mean of the metric over the last `window` epochs, or over all if there are fewer; None for
            the metric itself.
        reset_start: number of reductions in a row that leave all rates at `min_lr`, after which the callback starts
            again with the initial rate; None for never. For a schedule, the scale of this callback is removed.
        start_after: steps (batches), or a duration in `epochs`, `samples` or a `fraction`, during which the metric
            is ignored, as in `ReduceOnPlateau`.
        every: "epoch", or a number of batches. The metric is then its mean over each window of so many batches of
            the training data, and `patience`, `cooldown`, `warmup`, `window` and `reset_start` count windows.
        on_nan: how to treat a metric that is not finite: "count" it as a bad epoch, "ignore" it, "reduce" at once,
            or "stop" the training.
        reset_on_train_begin: whether to drop the state at the start of every `fit`.
        name: the name of its saved state, if several of these callbacks use the same metric. Without names they
            are numbered in the order of the list.
        eps: a change of the rate by no more than this is not made.
        optimizer: the optimizers whose rates are changed, if the model has several: an optimizer, its name, the
            name of an attribute of the model, or a list of these; None for all.

    Raises:
        TypeError, ValueError: at construction, an argument is not allowed. At the start of `fit`, the rate is a
            function, which cannot be scaled, or two callbacks have the same `name`. As soon as the metrics are
            known, `mode` is "auto" and the direction of the metric is unknown.
    """

    OWNER = "GreedyLearningRate"
    STATE = GreedyState
    RULE = GreedyRule

    warmup: int
    max_lr: float
    reset_start: int | None

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: SupportsFloat = 0.95,
        patience: SupportsFloat = 10,
        mode: str = "auto",
        min_delta: SupportsFloat = 1e-6,
        threshold_mode: str = "abs",
        cooldown: SupportsFloat = 0,
        warmup: SupportsFloat = 0,
        min_lr: SupportsFloat = 0.0,
        verbose: int = 0,
        *,
        max_lr: SupportsFloat,
        window: SupportsFloat | None = None,
        reset_start: SupportsFloat | None = None,
        start_after: SupportsFloat = 0,
        every: SupportsFloat | str = "epoch",
        on_nan: str = "count",
        reset_on_train_begin: bool = False,
        name: str | None = None,
        eps: SupportsFloat = 1e-8,
        optimizer: Any = None,
    ) -> None:
        super().__init__({key: value for key, value in locals().items() if key not in ("self", "__class__")})

    @property
    def _bounds(self) -> Bounds:
        return Bounds(self.min_lr, self.max_lr, self.eps)

    def _judge(self, rule: GreedyRule, metric: float) -> float | None:
        if not self.state.initial:
            self.state = replace(self.state, initial=tuple(rated.rate() for rated in self._rated()))
        self.state, direction = rule.observe(self.state, metric)
        if direction == STAY:
            return None
        if direction == UP:
            self.state = replace(self.state, n_at_min=0)
            return 1.0 / self.factor
        is_at_min = all(install.will_be_at_bound(rated, self.factor, self._bounds) for rated in self._rated())
        if self.reset_start is not None and is_at_min:
            self.state = replace(self.state, n_at_min=self.state.n_at_min + 1)
            if self.state.n_at_min >= self.reset_start:
                return RESTART
        return self.factor

    def _after_change(self, rule: GreedyRule, factor: float) -> None:
        state = self.state
        if factor == RESTART:
            self.state = GreedyState(n_raises=state.n_raises, n_reductions=state.n_reductions, initial=state.initial)
        elif factor > 1.0:
            self.state = replace(state, n_raises=state.n_raises + 1)
        else:
            self.state = replace(state, n_reductions=state.n_reductions + 1)

    def _is_at_bound(self, factor: float) -> bool:
        return factor != RESTART and super()._is_at_bound(factor)

    def _change(self, rated: RatedOptimizer, factor: float) -> tuple[float, float] | None:
        if factor != RESTART:
            return super()._change(rated, factor)
        rates = dict(zip((one.column for one in self._rated()), self.state.initial, strict=False))
        rate = rates.get(rated.column, rated.rate())
        return install.restart(self.model, rated, self._key, rate, self._bounds)
