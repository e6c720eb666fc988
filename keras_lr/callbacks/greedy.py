"""`GreedyLearningRate`: the rate rises while a metric improves, and falls while it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, SupportsFloat

from keras_lr.callbacks.greedy_options import OWNER, GreedyOptions
from keras_lr.callbacks.greedy_rule import STAY, UP, GreedyRule, GreedyState
from keras_lr.callbacks.metric_driven import MetricDriven
from keras_lr.optimizers import install
from keras_lr.optimizers.install import Bounds
from keras_lr.optimizers.lookup import RatedOptimizer

RESTART = 0.0
"""Stands for a factor: the rates of the beginning again."""


class GreedyLearningRate(MetricDriven):
    """Raise the learning rate while a metric improves, and lower it while it does not.

    After more than `patience` epochs in a row that improve, the rate is divided by `factor`, up to `max_lr`;
    after more than `patience` in a row that do not, it is multiplied by `factor`, down to `min_lr`. This is
    GreedyLR: Subramanian, Krishnamoorthy & Murthy 2025, "Dynamic Learning Rate Scheduling based on Loss
    Changes Leads to Faster Convergence", arXiv 2512.14527, algorithm 2; in transformers `GreedyLR`. The paper
    advises a factor of at least 0.5, and uses a `patience` of 10, a `window` of 50 and a `min_lr` of a tenth of
    the initial rate, with the loss of single steps: ``monitor="loss", every=1``.

    It works on a number, and on any schedule, Keras's or ours: the rate is then ``scale · schedule(step)`` in the
    compiled step, and a model that is saved then has it (as a `Rescaled` schedule). A change of a schedule costs
    one new compilation of the training step on TensorFlow and JAX; that of a number costs nothing. A change that
    comes to `min_lr` or `max_lr` ends there, and so does the scale.

    Differences from transformers: in the epochs of a `cooldown` improvements count, in those of a `warmup` bad
    epochs do, and both may set the best value, as in the paper; a metric that is not finite is no part of the
    mean over the `window`.

    The state is saved with the model and with its weights, and resumed, as that of `ReduceOnPlateau`, whose
    documentation says when it goes on and when it starts afresh. Several of these callbacks, and plateaus beside
    them, each have a factor of their own.

    Args:
        monitor: the metric, a key of the epoch's logs.
        factor: what the rate is multiplied by when it falls, and divided by when it rises, in (0, 1).
        patience: epochs in a row that must be exceeded, >= 0.
        mode: "min" or "max" for a metric that should fall or rise; "auto" asks the metric.
        min_delta: what an improvement must exceed, >= 0.
        threshold_mode: "abs" for `min_delta` itself, "rel" for `min_delta` times the magnitude of the best value
            (the paper's).
        cooldown: epochs after a reduction in which bad epochs do not count.
        warmup: epochs after a raise in which improvements do not count. The warmup of a schedule is `Warmup`.
        min_lr: rate below which nothing is lowered. On a schedule it limits the scaling only; a schedule that
            goes lower by itself does.
        verbose: 1 prints a line at each change, or logs it after `keras.config.disable_interactive_logging()`.
        max_lr: rate above which nothing is raised, > 0 and at least `min_lr`. On a schedule it limits the
            scaling only. You must give it, since nothing else keeps the rate from growing until training diverges.
        window: the metric is its mean over the last `window` epochs, or over as many as there are; None for the
            metric itself.
        reset_start: start afresh, with the initial rate, after so many reductions that have left all rates at
            `min_lr`, without a raise between them; never when None. Of a schedule the scale of this callback is
            taken away.
        start_after: steps (batches), or a duration in `epochs`, `samples` or a `fraction`, during which
            nothing is looked at, as in `ReduceOnPlateau`.
        every: "epoch", or a number of batches: the metric is then its mean over each so many batches, of the
            training data, and `patience`, `cooldown`, `warmup`, `window` and `reset_start` count such windows.
        on_nan: what a metric does that is not finite: "count" as a bad epoch, "ignore", "reduce" at once, or
            "stop" the training.
        reset_on_train_begin: start afresh at every `fit`.
        name: what its saved state is called, where several of these callbacks watch the same metric; without
            names they are numbered in the order of the list.
        eps: a change of the rate by no more than this is not made.
        optimizer: whose rate is changed, in a model with several: an optimizer, the name of one or of an
            attribute of the model that is one, or a list of them; all when None.

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, if the
            optimizer's rate is a function, which cannot be scaled, or for two callbacks of the same `name`; as soon
            as the metrics are known, if `mode` is "auto" and the direction cannot be told.
    """

    OWNER = OWNER
    STATE = GreedyState

    warmup: int
    max_lr: float
    reset_start: int | None
    restore_best_weights = False
    optimizers = None

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
        arguments = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        super().__init__(GreedyOptions(**arguments))

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
