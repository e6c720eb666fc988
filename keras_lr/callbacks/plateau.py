"""`ReduceOnPlateau`: the rate is reduced when a metric has stopped improving."""

from __future__ import annotations

from typing import Any, Literal, SupportsFloat

from keras_lr.callbacks.metric_driven import MetricDriven
from keras_lr.callbacks.metric_options import Mode, OnNan, ThresholdMode
from keras_lr.callbacks.plateau_rule import PlateauRule, PlateauState


class ReduceOnPlateau(MetricDriven):
    """Multiply the learning rate by `factor` when a metric has stopped improving.

    This is Keras's `ReduceLROnPlateau`, but the rate may also be a schedule, of Keras or of this package.
    From a reduction on, the rate is ``factor · schedule(step)`` in the compiled step, and a saved model
    contains it (as a `Reduced` schedule). On TensorFlow and JAX, each reduction of a schedule takes one
    compilation of the training step; a reduction of a number takes none.

    Differences from Keras: a cooldown of n is n quiet epochs (in Keras n − 1, so that 1 has no effect). A NaN
    or infinite metric is a bad epoch and never the best value (in Keras a NaN in the first epoch makes every
    later epoch a bad one). `min_delta` may be relative.

    The state (best, wait, cooldown, scale) is saved with the model and with its weights, and used after a
    load. Without a load, the same callback continues when the same model is fit again. Another callback
    starts with a new state, and so does a model after another `compile`.

    `BackupAndRestore` and `ModelCheckpoint` may come before or after this callback in the list. A callback
    that adds the metric to the epoch's logs must come before it.

    In a training of several processes (`torch.distributed`, `jax.distributed`), the first one decides
    from its metric for all of them.

    Args:
        monitor: the metric, a key of the epoch's logs.
        factor: the factor of the rate, in (0, 1).
        patience: the rate is reduced at the patience-th bad epoch (0 means 1).
        mode: "min" or "max" for a metric that should fall or rise; "auto" for the direction of the metric.
        min_delta: an improvement must be larger than this, >= 0.
        threshold_mode: "abs" for `min_delta` itself, "rel" for `min_delta` times the magnitude of the best
            value, as in torch, but also correct for negative metrics.
        cooldown: quiet epochs after a reduction.
        min_lr: the lowest rate to which this callback reduces. On a schedule, it limits only the reduction:
            the schedule itself may go lower.
        verbose: 1 prints a line at each reduction, or logs it after
            `keras.config.disable_interactive_logging()`.
        start_after: steps (batches), or a duration in `epochs`, `samples` or a `fraction`, during which the
            metric is ignored: the warmup, in which it may get worse. A duration needs the length of an
            epoch, from `fit` or from `BindSchedule(steps_per_epoch=…)`. One in `samples` needs the batch
            size, from the data or from `BindSchedule(batch_size=…)`.
        every: "epoch", or a number of batches. The metric is then its mean over each window of so many
            batches of the training data, and patience and cooldown count windows.
        window: compare with the best of the last `window` epochs instead of all epochs. This helps if a
            spike has left the metric above its best. Best weights are still those of the best of all epochs.
        on_nan: how to treat a metric that is not finite: "count" it as a bad epoch, "ignore" it, "reduce"
            at once, or "stop" the training.
        restore_best_weights: whether to restore the weights of the best epoch at each reduction. The best
            epoch is the last one that was better than the previous best by more than the threshold, of
            all epochs, even outside of a `window`. The optimizer's state and the step do not change. The
            best weights are stored in memory and saved with the model.
        optimizers: names of the optimizers of a `MultiOptimizer` whose rates are reduced; None for all.
        reset_on_train_begin: whether to drop the state at the start of every `fit`, as Keras does.
        name: the name of its saved state, if several of these callbacks use the same metric. Without names
            they are numbered in the order of the list.
        rtol: this share of the magnitude of the best value is added to the threshold. With
            ``threshold_mode="abs"``, `min_delta` and `rtol` are optax's `atol` and `rtol`.
        optimizer: the optimizers whose rates are reduced, if the model has several: an optimizer, its name,
            the name of an attribute of the model, or a list of these; None for all. Optimizers in
            attributes of a model with its own `compile` (a GAN) are found too.
        refresh_batch_norm: number of batches of the training data, such as 32, with which the statistics of batch
            normalizations are estimated again before each validation, after weights were restored, and at the end of
            the training. All callbacks see the metrics of the refreshed model. None for no refresh. See
            `RefreshBatchNorm`.
        hyperparameter: what to reduce: "learning_rate", or another hyperparameter with a schedule or number from
            `Scheduled`, such as "momentum" with ``Scheduled(SGD(0.1), momentum=0.9)``, as mmengine's
            `ReduceOnPlateauMomentum`. `min_lr` is then its lowest value, and its schedule is scaled like that of a
            rate.
        eps: a reduction that changes the rate by no more than this is not made, as in torch (where it is 1e-8).

    Raises:
        TypeError, ValueError: at construction, an argument is not allowed. At the start of `fit`, the rate is
            a function, which cannot be scaled, a name in `optimizers` is unknown, no optimizer has a schedule
            for `hyperparameter`, or two callbacks have the same `name`. As soon as the metrics are known,
            `mode` is "auto" and the direction of the metric is unknown.
    """

    OWNER = "ReduceOnPlateau"
    STATE = PlateauState
    RULE = PlateauRule

    rtol: float

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: SupportsFloat = 0.1,
        patience: SupportsFloat = 10,
        mode: Mode = "auto",
        min_delta: SupportsFloat = 1e-4,
        threshold_mode: ThresholdMode = "abs",
        cooldown: SupportsFloat = 0,
        min_lr: SupportsFloat = 0.0,
        verbose: int = 0,
        *,
        start_after: SupportsFloat = 0,
        every: SupportsFloat | Literal["epoch"] = "epoch",
        window: SupportsFloat | None = None,
        on_nan: OnNan = "count",
        restore_best_weights: bool = False,
        optimizers: list[str] | tuple[str, ...] | None = None,
        reset_on_train_begin: bool = False,
        name: str | None = None,
        rtol: SupportsFloat = 0.0,
        eps: SupportsFloat = 0.0,
        optimizer: Any = None,
        refresh_batch_norm: SupportsFloat | None = None,
        hyperparameter: str = "learning_rate",
    ) -> None:
        super().__init__({key: value for key, value in locals().items() if key not in ("self", "__class__")})

    def _judge(self, rule: PlateauRule, metric: float) -> float | None:
        self.state, due = rule.observe(self.state, metric)
        return self.factor if due else None

    def _after_change(self, rule: PlateauRule, factor: float) -> None:
        self.state = rule.reduced(self.state)
