"""`ReduceOnPlateau`: the rate falls when a metric has stopped improving.

The rule is a pure function, (state, metric) → (state, whether to reduce), which knows
nothing of Keras; the callback brings it the metric and carries out what it decides.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any

import keras

from keras_lr import optimizer as optimizers
from keras_lr import processes
from keras_lr import resume as resumes
from keras_lr.callbacks.bind import BindSchedule
from keras_lr.callbacks.metrics import direction_of, metric_number, named_metrics, nearest
from keras_lr.callbacks.others import others
from keras_lr.callbacks.plateau_rule import PlateauRule, PlateauState, is_finite, is_state
from keras_lr.callbacks.plateau_window import NOTHING, WindowMean, unfinished_window
from keras_lr.fields import (
    TEXT,
    CountOrZero,
    NonNegative,
    OneOf,
    Optional,
    Rate,
    Real,
    Several,
    Switch,
    Text,
    Whole,
    check,
    kind_of,
    refuse,
)
from keras_lr.optimizer import RateOwner
from keras_lr.state import Follower, memory, of
from keras_lr.units import Duration
from keras_lr.warning import warn_user

Mode = Annotated[str, OneOf(("auto", "min", "max"))]
ThresholdMode = Annotated[str, OneOf(("abs", "rel"))]
OnNan = Annotated[str, OneOf(("count", "ignore", "reduce", "stop"))]
Shrink = Annotated[float, Real("a number in (0, 1)", low=0.0, high=math.nextafter(1.0, 0.0), open_low=True)]
MetricName = Annotated[str, Text("the name of a metric, such as 'val_loss'")]
EVERY = Whole('"epoch", or a whole number of batches in [1, 2**31)', 1, steps=False)
WINDOW = Optional(Whole("a whole number in [1, 2**31)", 1, steps=False))
NAMES = Optional(Several("a non-empty sequence of names", TEXT))
START = Whole("a whole number of steps in [0, 2**31), or a duration in `epochs` or a `fraction`", 0, steps=False)


class ReduceOnPlateau(keras.callbacks.Callback):
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
    that puts the metric into the epoch's logs stands before it, and checkpoints then after it.

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
        verbose: 1 prints a line at each reduction.
        start_after: steps (batches), or a duration in `epochs` or a `fraction`, during which
            nothing is looked at: the warmup, in which a metric may well get worse.
        every: "epoch", or a number of batches: the metric is then its mean over each so many
            batches, of the training data, and patience and cooldown count such windows.
        window: compare with the best of the last `window` epochs instead of all; for a run that
            a spike has left above its best.
        on_nan: what a metric does that is not finite: "count" as a bad epoch, "ignore",
            "reduce" at once, or "stop" the training.
        restore_best_weights: at each reduction, go back to the weights of the best epoch. The
            optimizer's state and the step stay. The best weights are kept in memory, and are
            saved with the model.
        optimizers: names of those optimizers of a `MultiOptimizer` whose rate is reduced; all
            when None.
        reset_on_train_begin: start afresh at every `fit`, as Keras does.

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`, if the
            optimizer's rate is a function, which cannot be scaled, or `optimizers` has a name
            that is not there; as soon as the metrics are known, if `mode` is "auto" and the
            direction cannot be told.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "auto",
        min_delta: float = 1e-4,
        threshold_mode: str = "abs",
        cooldown: int = 0,
        min_lr: float = 0.0,
        verbose: int = 0,
        *,
        start_after: int = 0,
        every: int | str = "epoch",
        window: int | None = None,
        on_nan: str = "count",
        restore_best_weights: bool = False,
        optimizers: list[str] | tuple[str, ...] | None = None,
        reset_on_train_begin: bool = False,
    ) -> None:
        super().__init__()
        self.monitor: str = self._checked(MetricName, "monitor", monitor)
        self.factor: float = self._checked(Shrink, "factor", factor)
        self.patience: int = self._checked(CountOrZero, "patience", patience)
        self.mode: str = self._checked(Mode, "mode", mode)
        self.min_delta: float = self._checked(NonNegative, "min_delta", min_delta)
        self.threshold_mode: str = self._checked(ThresholdMode, "threshold_mode", threshold_mode)
        self.cooldown: int = self._checked(CountOrZero, "cooldown", cooldown)
        self.min_lr: float = self._checked(Rate, "min_lr", min_lr)
        self.verbose: int = self._checked(CountOrZero, "verbose", verbose)
        self.start_after: Any = start_after
        if not isinstance(start_after, Duration):
            self.start_after = check(START, "ReduceOnPlateau", "start_after", start_after)
        by_epoch = isinstance(every, str) and str(every) == "epoch"
        self.every: int | None = None if by_epoch else check(EVERY, "ReduceOnPlateau", "every", every)
        if self.every is not None and self.monitor.startswith("val_"):
            refuse("ReduceOnPlateau", "monitor", "a metric of the training data when `every` counts batches", monitor)
        self.window: int | None = check(WINDOW, "ReduceOnPlateau", "window", window)
        self.on_nan: str = self._checked(OnNan, "on_nan", on_nan)
        self.restore_best_weights: bool = self._checked(Switch, "restore_best_weights", restore_best_weights)
        self.optimizers: tuple[str, ...] | None = check(NAMES, "ReduceOnPlateau", "optimizers", optimizers)
        self.reset_on_train_begin: bool = self._checked(Switch, "reset_on_train_begin", reset_on_train_begin)
        self.state = PlateauState()
        self._scales: dict[str, float] = {}
        self._last_epoch = -1
        # Which training this state is of.
        self._follower = Follower()
        self._given = False
        self._known: dict[str, Any] = {}
        self._unfinished = NOTHING

    @staticmethod
    def _checked(annotation: Any, name: str, value: Any) -> Any:
        kind = kind_of(annotation)
        assert kind is not None
        return check(kind, "ReduceOnPlateau", name, value)

    # Hooks of Keras.

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self._net = self.model
        if not hasattr(model, "make_train_function"):
            raise TypeError(
                f"ReduceOnPlateau: {type(model).__name__} has no `make_train_function`; it needs a `keras.Model`"
            )
        optimizers.build(model)
        for owner in self._owners():
            if optimizers.is_function(owner.source):
                raise TypeError(
                    f"ReduceOnPlateau: the learning rate of optimizer '{owner.optimizer.name}' is a function, which "
                    "cannot be scaled; give the optimizer a number or a schedule"
                )
        if isinstance(self.start_after, Duration) and (self.params or {}).get("steps") is None:
            refuse(
                "ReduceOnPlateau",
                "start_after",
                "in steps where the dataset does not tell its length",
                self.start_after,
            )
        self._warn_if_done()
        self._warn_of_early_stopping()
        # The metrics that "auto" asks may be there only after the first batch of all, as they are on TensorFlow.
        self._rule: PlateauRule | None = self._make_rule() if optimizers.step_of(model) > 0 else None
        self._told = self._started = False
        self._epoch: int | None = None
        self._mean: WindowMean | None = None
        of(model).hooks[self._key] = self._save
        if self.reset_on_train_begin:
            self._forget()
        else:
            self._take_up()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._started and not self.reset_on_train_begin:
            # A training that was killed after its last epoch: nothing was left to do but to decide on it.
            self._take_up()
            self._settle_pending((self.params or {}).get("epochs", 0))
            self._save()
        of(self.model).hooks.pop(self._key, None)
        if self._mean is not None:
            self._unfinished = self._mean.unfinished()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # A callback that stands after this one may have loaded weights when training began.
        if not self.reset_on_train_begin:
            self._take_up()
        for other in others(self):
            # A decision that is made up for needs the schedule of this training; it does nothing twice.
            if isinstance(other, BindSchedule):
                other.on_epoch_begin(epoch)
        if not self._started:
            resumes.note(self.model)
        self._settle_pending(epoch)
        self._epoch, self._known = epoch, {}
        if self.every is not None:
            if self._mean is None:
                self._mean = WindowMean(self.model, self.monitor, self.every, self._unfinished)
            else:
                self._mean.begin_epoch()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._started:
            # Not before the first batch: until then a callback may say which rate counts.
            self._started = True
            resumes.warn(self._net)
        # A number changes now and not when it was decided, after the batch before this one:
        # callbacks that stand after this one would have taken it for the rate of that batch.
        self._carry_out_due()
        if self._mean is not None:
            self._mean.before_batch(batch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._rule is None:
            self._rule = self._make_rule()
        # The logs of the last batch are those of the epoch; nothing waits for them here.
        self._known.update(logs or {})
        mean = self._mean.after_batch(batch) if self._mean is not None else None
        if mean is not None and self._has_begun() and self._decide(mean):
            self._carry_out(numbers=False)
            self._due = True

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._known.update({f"val_{name}": value for name, value in (logs or {}).items()})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        self._known_rule()
        for owner in optimizers.rate_owners(self.model):
            logs.setdefault(owner.column, owner.rate(max(owner.step() - 1, 0)))
        self._epoch = None
        if self._mean is not None:
            self._mean.end_epoch()
        elif self.monitor not in logs:
            self._tell_missing(logs)
        else:
            self._finish(epoch, logs[self.monitor])
        self._save()

    # Deciding.

    def _finish(self, epoch: int, metric: Any) -> None:
        """Decide on an epoch that is over."""
        self._last_epoch = epoch
        if self._has_begun() and self._decide(metric_number("ReduceOnPlateau", self.monitor, metric)):
            self._carry_out()

    def _decide(self, metric: float) -> bool:
        """Take one value of the metric; whether to reduce."""
        rule = self._known_rule()
        metric = processes.from_chief(metric)
        if self.on_nan == "stop" and not math.isfinite(metric):
            self.model.stop_training = True
        improved = rule.improves(metric, self.state.best)
        self.state, due = rule.observe(self.state, metric)
        if improved and self.restore_best_weights:
            optimizers.sync(self.model)
            of(self.model).arrays[self._key] = [array.copy() for array in self.model.get_weights()]
        if due and all(optimizers.is_at(owner, self.min_lr) for owner in self._owners()):
            return False
        if due:
            self.state = rule.reduced(self.state)
        return due

    def _carry_out(self, schedules: bool = True, numbers: bool = True) -> None:
        """Reduce the rates that come from schedules, from numbers, or all."""
        model = self.model
        changed = False
        for owner in self._owners():
            scheduled = optimizers.is_schedule(owner.source)
            if not (schedules if scheduled else numbers):
                continue
            rates = optimizers.reduce(model, owner, self.factor, self.min_lr)
            if rates is None:
                continue
            if scheduled:
                changed = True
                self._scales[owner.column] = owner.source.scale
            if self.verbose and processes.is_chief():
                when = f"Epoch {self._last_epoch + 1}" if self.every is None else f"Step {owner.step()}"
                print(f"\n{when}: ReduceOnPlateau: {owner.column} {rates[0]:.6g} -> {rates[1]:.6g}")
        best = of(model).arrays.get(self._key)
        if schedules and best is not None and self.restore_best_weights:
            optimizers.sync(model)
            model.set_weights(best)
        if changed:
            optimizers.retrace(model)

    def _carry_out_due(self) -> None:
        """Reduce the numbers that a decision within the epoch has left for later."""
        if self._due:
            self._due = False
            self._carry_out(schedules=False)

    def _has_begun(self) -> bool:
        """Whether `start_after` is over."""
        begin = self.start_after
        if isinstance(begin, Duration):
            begin = begin.steps(self.params["steps"], self.params["epochs"])
        return optimizers.step_of(self.model) > begin if begin else True

    # The state: whose it is, and how it is saved.

    def _forget(self) -> None:
        self.state, self._scales, self._last_epoch = PlateauState(), {}, -1
        # Nothing is unfinished, and no number is to be reduced before the next batch.
        self._unfinished, self._due = NOTHING, False
        of(self.model).arrays.pop(self._key, None)

    def _take_up(self) -> None:
        """Go on with the state that belongs to the model as it is now.

        That is the one from `set_state`, or this callback's own, or the one in the file from which
        the model or its weights were loaded, or a fresh one for another model or a model compiled anew.
        """
        model, met = self.model, self._follower.meet(self.model)
        if self._given:
            self._given = False
            self._install_scales()
        elif met == Follower.LOADED and self._key in memory(model):
            self.set_state(memory(model)[self._key])
            self._unfinished = unfinished_window(memory(model)[self._key].get("unfinished", NOTHING))
            self._given = False
            self._install_scales()
        elif met != Follower.SAME:
            self._forget()

    def _install_scales(self) -> None:
        """Scale schedules as they were scaled when the state was saved.

        A `.keras` file has the scaled schedule itself, but a file of weights has no schedule.
        """
        changed = [
            optimizers.set_scale(self.model, owner, self._scales[owner.column], self.min_lr)
            for owner in self._owners()
            if owner.column in self._scales and optimizers.is_schedule(owner.source)
        ]
        if any(changed):
            optimizers.retrace(self.model)

    def _save(self) -> None:
        """Bring the entry in the model's memory up to date; also called when a file is about to be written.

        If that is before this callback has seen the end of the epoch, the metric is saved as it
        is known by then. Whether the epoch was over tells the epoch at which training goes on.
        """
        self._carry_out_due()
        entry = self.get_state()
        if self._mean is not None:
            entry["unfinished"] = list(self._mean.unfinished())
        if self._epoch is not None and self.every is None and self.monitor in self._known:
            metric = metric_number("ReduceOnPlateau", self.monitor, self._known[self.monitor])
            entry["pending"] = {"epoch": self._epoch, "metric": metric}
        memory(self.model)[self._key] = entry

    def _settle_pending(self, epoch: int) -> None:
        """Decide on an epoch which was over when the file was written, but not decided on."""
        pending = memory(self.model).get(self._key, {}).pop("pending", None)
        if pending is None:
            return
        over, metric = _pending(pending)
        if epoch > over > self._last_epoch:
            self._finish(over, metric)

    @property
    def _key(self) -> str:
        return f"ReduceOnPlateau/{self.monitor}"

    def get_state(self) -> dict[str, Any]:
        """The whole state as JSON values.

        Returns:
            best, wait, cooldown_counter, n_reductions, recent, last_epoch and scales.
        """
        state = asdict(self.state) | {"recent": list(self.state.recent)}
        return {**state, "last_epoch": self._last_epoch, "scales": dict(self._scales)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that `get_state` returned, at the start of the next `fit` or at its next epoch.

        Raises:
            ValueError: it is not one.
        """
        parts = state.items() if isinstance(state, dict) else ()
        fields = {name: value for name, value in parts if name not in ("pending", "unfinished")}
        if set(fields) != set(self.get_state()) or not is_state(fields):
            refuse("ReduceOnPlateau", "state", "what `get_state` returns", state)
        self._scales, self._last_epoch = dict(fields.pop("scales")), fields.pop("last_epoch")
        self.state = PlateauState(**fields | {"recent": tuple(fields["recent"])})
        self._given, self._due = True, False

    # Warnings.

    def _warn_if_done(self) -> None:
        # A schedule may start low on purpose (a warmup does), so only numbers are looked at.
        numbers = [owner for owner in self._owners() if not optimizers.is_schedule(owner.source)]
        if self.min_lr > 0.0 and numbers and all(owner.rate() <= self.min_lr for owner in numbers):
            warn_user(
                f"ReduceOnPlateau: the learning rate is not above `min_lr` ({self.min_lr:g}) at the start",
            )

    def _warn_of_early_stopping(self) -> None:
        for other in others(self):
            if (
                isinstance(other, keras.callbacks.EarlyStopping)
                and other.monitor == self.monitor
                and self.every is None
                and other.patience <= self.patience
            ):
                warn_user(
                    f"ReduceOnPlateau: `EarlyStopping` on '{self.monitor}' has a patience of {other.patience} and this "
                    f"one of {self.patience}, so training stops before the learning rate is reduced",
                )

    # The optimizers and the metric.

    def _owners(self) -> list[RateOwner]:
        """The optimizers whose rate is reduced."""
        owners = optimizers.rate_owners(self.model)
        if self.optimizers is None:
            return owners
        names = [owner.optimizer.name for owner in owners]
        for name in self.optimizers:
            if name not in names:
                refuse("ReduceOnPlateau", "optimizers", f"among {', '.join(map(repr, names))}", name)
        return [owner for owner in owners if owner.optimizer.name in self.optimizers]

    def _known_rule(self) -> PlateauRule:
        """The rule, whose direction "auto" is found at the latest now."""
        if self._rule is None:
            self._rule = self._make_rule()
        return self._rule

    def _make_rule(self) -> PlateauRule:
        direction = self.mode if self.mode != "auto" else direction_of(self.model, self.monitor)
        if direction is None:
            monitor, named = self.monitor, named_metrics(self.model)
            is_missing = monitor.removeprefix("val_") not in named
            if monitor.startswith("val_"):
                named = {f"val_{name}": metric for name, metric in named.items()}
            raise ValueError(
                f"ReduceOnPlateau: cannot tell whether '{monitor}' should fall or rise"
                + (f": it is none of the model's metrics ({nearest(monitor, named)})" if is_missing else "")
                + "; pass `mode='min'` or `mode='max'`"
            )
        return PlateauRule(
            direction, self.patience, self.min_delta, self.threshold_mode, self.cooldown, self.window, self.on_nan
        )

    def _tell_missing(self, logs: dict[str, Any]) -> None:
        if self._told:
            return
        self._told = True
        warn_user(
            f"ReduceOnPlateau: the metric '{self.monitor}' is not in the epoch's logs, so the learning rate is not "
            f"reduced; {nearest(self.monitor, logs)}",
        )


def _pending(value: Any) -> tuple[int, float]:
    """An epoch that was over and its metric, out of a saved state."""
    is_one = isinstance(value, dict) and set(value) == {"epoch", "metric"} and type(value["epoch"]) is int
    if not (is_one and (type(value["metric"]) is float or is_finite(value["metric"]))):
        refuse("ReduceOnPlateau", "pending", "an epoch and a metric in the saved state", value)
    return value["epoch"], float(value["metric"])
