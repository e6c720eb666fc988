"""`ReduceOnPlateau`: the rate falls when a metric has stopped improving."""

from __future__ import annotations

from typing import Any, Literal, SupportsFloat

from keras_lr.callbacks.metric_driven import MetricDriven
from keras_lr.callbacks.metric_options import Mode, OnNan, ThresholdMode
from keras_lr.callbacks.plateau_options import OWNER, PlateauOptions
from keras_lr.callbacks.plateau_rule import PlateauRule, PlateauState
from keras_lr.optimizers.install import Bounds


class ReduceOnPlateau(MetricDriven):
    """Multiply the learning rate by `factor` when a metric has stopped improving.

    Keras's `ReduceLROnPlateau`, which also works when the rate is a schedule, Keras's or
    ours: from a reduction on, the rate is ``factor · schedule(step)`` in the compiled step,
    and a model that is saved then has it (as a `Reduced` schedule). A reduction of a
    schedule costs one new compilation of the training step on TensorFlow and JAX; that of a
    number costs nothing.

    Differences from Keras: a cooldown of n is n quiet epochs (Keras: n − 1, so that 1 is
    none); a NaN or infinite metric is a bad epoch and never the best value (in Keras a NaN
    in the first epoch makes every later epoch a bad one); `min_delta` may be relative.

    The state (best, wait, cooldown, scale) is saved and loaded with the model and with its
    weights, and is taken up after a load. Without a load, the same callback goes on when the same
    model is fit again, and another one starts afresh, as does a model that was compiled anew.
    `BackupAndRestore` and `ModelCheckpoint` may stand before or after this callback; a callback
    that puts the metric into the epoch's logs comes before it.

    In a training of several processes (torch's `torch.distributed`, `jax.distributed`) all take
    the decisions that the first one takes from its metric.

    Args:
        monitor: the metric, a key of the epoch's logs.
        factor: what the rate is multiplied by, in (0, 1).
        patience: the reduction comes at the patience-th bad epoch (0 is as 1).
        mode: "min" or "max" for a metric that should fall or rise; "auto" asks the metric.
        min_delta: what an improvement must exceed, >= 0.
        threshold_mode: "abs" for `min_delta` itself, "rel" for `min_delta` times the magnitude
            of the best value, as in torch, but right for negative metrics too.
        cooldown: quiet epochs after a reduction.
        min_lr: rate below which nothing is reduced. On a schedule it limits the reduction
            only; a schedule that goes lower by itself does.
        verbose: 1 prints a line at each reduction, or logs it after
            `keras.config.disable_interactive_logging()`.
        start_after: steps (batches), or a duration in `epochs`, `samples` or a `fraction`, during which
            nothing is looked at: the warmup, in which a metric may well get worse. A duration needs the
            length of an epoch, from `fit` or from `BindSchedule(steps_per_epoch=…)`; one in `samples` the
            size of a batch, from the data or from `BindSchedule(batch_size=…)`.
        every: "epoch", or a number of batches: the metric is then its mean over each so many
            batches, of the training data, and patience and cooldown count such windows.
        window: compare with the best of the last `window` epochs instead of all; for a run that
            a spike has left above its best. Weights are restored of the best epoch of all.
        on_nan: what a metric does that is not finite: "count" as a bad epoch, "ignore",
            "reduce" at once, or "stop" the training.
        restore_best_weights: at each reduction, go back to the weights of the best epoch: the last
            one that was better by more than the threshold than the best one before it, of all epochs,
            also of those that a `window` has forgotten. The optimizer's state and the step stay. The
            best weights are kept in memory, and are saved with the model.
        optimizers: names of those optimizers of a `MultiOptimizer` whose rate is reduced; all
            when None.
        reset_on_train_begin: start afresh at every `fit`, as Keras does.
        name: what its saved state is called, where several of these callbacks watch the same metric;
            without names they are numbered in the order of the list.
        rtol: what an improvement must exceed beside `min_delta`, as a share of the magnitude of the best
            value. With ``threshold_mode="abs"`` the two are optax's `atol` and `rtol`.
        optimizer: whose rate is reduced, in a model with several: an optimizer, the name of one or of an
            attribute of the model that is one, or a list of them; all when None. Where `compile` of the
            model is your own and its attributes are the optimizers (a GAN), they are found.
        refresh_batch_norm: before each validation, after weights were restored, and at the end of training, estimate
            the statistics of batch normalization anew, over this many batches of the training data, such as 32; not
            when None. Every callback then sees the metrics of the refreshed model. See `RefreshBatchNorm`.
        hyperparameter: what is reduced: "learning_rate", or another hyperparameter that `Scheduled` has put on a
            schedule or a number, such as "momentum" with ``Scheduled(SGD(0.1), momentum=0.9)``, as mmengine's
            `ReduceOnPlateauMomentum`. `min_lr` is then the value below which it is not reduced, and the schedule of
            the hyperparameter is scaled as that of a rate.
        eps: a reduction that changes the rate by no more than this is not made, as in torch (1e-8 there).

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, if the
            optimizer's rate is a function, which cannot be scaled, `optimizers` has a name that is
            not there, or no optimizer has the `hyperparameter` on a schedule; as soon as the metrics
            are known, if `mode` is "auto" and the direction cannot be told; and for two callbacks of
            the same `name`.
    """

    OWNER = OWNER
    STATE = PlateauState

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
        arguments = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        super().__init__(PlateauOptions(**arguments))

    @property
    def _bounds(self) -> Bounds:
        return Bounds(self.min_lr, eps=self.eps)

    def _judge(self, rule: PlateauRule, metric: float) -> float | None:
        self.state, due = rule.observe(self.state, metric)
        return self.factor if due else None

    def _after_change(self, rule: PlateauRule, factor: float) -> None:
        self.state = rule.reduced(self.state)
