"""`ReduceOnPlateau`: the rate falls when a metric has stopped improving.

The rule is a pure function, (state, metric) → (state, whether to reduce), which knows
nothing of Keras; the callback brings it the metric and carries out what it decides.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import keras

from keras_lr import optimizer as optimizers
from keras_lr.fields import CountOrZero, NonNegative, OneOf, Rate, Real, Switch, Text, check, kind_of
from keras_lr.state import loads, memory

Mode = Annotated[str, OneOf(("auto", "min", "max"))]
ThresholdMode = Annotated[str, OneOf(("abs", "rel"))]
Shrink = Annotated[float, Real("a number in (0, 1)", low=0.0, high=math.nextafter(1.0, 0.0), open_low=True)]
MetricName = Annotated[str, Text("the name of a metric, such as 'val_loss'")]


@dataclass(frozen=True)
class PlateauState:
    """What the rule remembers.

    Attributes:
        best: the best finite metric so far, None before the first.
        wait: bad epochs since the best, the last reduction or the last quiet epoch.
        cooldown_counter: quiet epochs still to come.
        n_reductions: reductions so far.
    """

    best: float | None = None
    wait: int = 0
    cooldown_counter: int = 0
    n_reductions: int = 0


@dataclass(frozen=True)
class PlateauRule:
    """When to reduce.

    An epoch improves if its metric passes ``best`` by more than the threshold: `min_delta`
    ("abs"), or `min_delta` · |best| ("rel"), which is right for negative metrics too. The
    first finite metric improves; a metric that is not finite never does. An epoch that does
    not improve is bad, unless it is one of the `cooldown` quiet epochs after a reduction.
    The `patience`-th bad epoch in a row asks for a reduction.
    """

    direction: str
    patience: int
    min_delta: float
    threshold_mode: str
    cooldown: int

    def observe(self, state: PlateauState, metric: float) -> tuple[PlateauState, bool]:
        """The state after an epoch with this metric, and whether to reduce now."""
        quiet = state.cooldown_counter > 0
        if quiet:
            state = replace(state, cooldown_counter=state.cooldown_counter - 1, wait=0)
        if self.improves(metric, state.best):
            return replace(state, best=metric, wait=0), False
        if quiet:
            return state, False
        state = replace(state, wait=state.wait + 1)
        return state, state.wait >= self.patience

    def improves(self, metric: float, best: float | None) -> bool:
        """Whether `metric` is better than `best` by more than the threshold."""
        if not math.isfinite(metric):
            return False
        if best is None:
            return True
        margin = self.min_delta * abs(best) if self.threshold_mode == "rel" else self.min_delta
        return metric < best - margin if self.direction == "min" else metric > best + margin

    def reduced(self, state: PlateauState) -> PlateauState:
        """The state after a reduction was carried out."""
        return replace(state, wait=0, cooldown_counter=self.cooldown, n_reductions=state.n_reductions + 1)


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
    `BackupAndRestore` and `ModelCheckpoint` save at the end of an epoch: put them after this
    callback, so that they save what it has decided.

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
        reset_on_train_begin: start afresh at every `fit`, as Keras does.

    Raises:
        TypeError, ValueError: at construction, for wrong arguments; at the start of `fit`,
            if the optimizer's rate is a function, which cannot be scaled; as soon as the
            metrics are known, if `mode` is "auto" and the direction cannot be told.
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
        self.reset_on_train_begin: bool = self._checked(Switch, "reset_on_train_begin", reset_on_train_begin)
        self.state = PlateauState()
        self._scales: dict[str, float] = {}
        self._rule: PlateauRule | None = None
        # Whose state this is, and how often that model's weights had been loaded.
        self._of: tuple[Any, Any, int] | None = None
        self._told = False

    @staticmethod
    def _checked(annotation: Any, name: str, value: Any) -> Any:
        kind = kind_of(annotation)
        assert kind is not None
        return check(kind, "ReduceOnPlateau", name, value)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self.model
        for owner in optimizers.rate_owners(model):
            if optimizers.is_function(owner.source):
                raise TypeError(
                    f"ReduceOnPlateau: the learning rate of optimizer '{owner.optimizer.name}' is a function, which "
                    "cannot be scaled; give the optimizer a number or a schedule"
                )
        if not hasattr(model, "make_train_function"):
            raise TypeError(
                f"ReduceOnPlateau: {type(model).__name__} has no `make_train_function`; it needs a `keras.Model`"
            )
        self._warn_if_done(model)
        self._rule = self._make_rule() if self.mode != "auto" or _metrics(model) or self._monitored == "loss" else None
        self._told = False
        if self.reset_on_train_begin:
            self.state, self._scales, self._of = PlateauState(), {}, self._place()
        else:
            self._take_up()

    def _place(self) -> tuple[Any, Any, int]:
        return self.model, self.model.optimizer, loads(self.model)

    def _take_up(self) -> None:
        """Go on with the state that belongs to the model as it is now.

        That is this callback's own, or the one in the file from which the model or its weights
        were loaded, or a fresh one for another model or a model compiled anew.
        """
        model, optimizer, loaded = place = self._place()
        known = self._of
        self._of = place
        if known is not None and known[0] is model and known[1] is optimizer and known[2] == loaded:
            return
        is_same = known is not None and known[0] is model
        was_loaded = loaded > (known[2] if known is not None and is_same else 0)
        if was_loaded and self._key in memory(model):
            self.set_state(memory(model)[self._key])
            self._install_scales()
        else:
            self.state, self._scales = PlateauState(), {}

    def _install_scales(self) -> None:
        """Scale schedules as they were scaled when the state was saved.

        A `.keras` file has the scaled schedule itself, but a file of weights has no schedule.
        """
        changed = False
        for owner in optimizers.rate_owners(self.model):
            if owner.column in self._scales and optimizers.is_schedule(owner.source):
                changed |= optimizers.set_scale(self.model, owner, self._scales[owner.column], self.min_lr)
        if changed:
            optimizers.retrace(self.model)

    @property
    def _key(self) -> str:
        return f"ReduceOnPlateau/{self.monitor}"

    def get_state(self) -> dict[str, Any]:
        """The whole state as JSON values: best, wait, cooldown_counter, n_reductions and scales."""
        return {**asdict(self.state), "scales": dict(self._scales)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take a state that `get_state` returned.

        Raises:
            ValueError: it is not one.
        """
        fields = dict(state)
        scales = fields.pop("scales", None)
        if not isinstance(scales, dict) or set(fields) != set(asdict(PlateauState())):
            raise ValueError(f"ReduceOnPlateau: `state` must be what `get_state` returns, got {state!r}")
        self.state, self._scales = PlateauState(**fields), dict(scales)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # A callback that stands after this one may have loaded weights when training began.
        if not self.reset_on_train_begin:
            self._take_up()

    def _warn_if_done(self, model: Any) -> None:
        # A schedule may start low on purpose (a warmup does), so only numbers are looked at.
        numbers = [owner for owner in optimizers.rate_owners(model) if not optimizers.is_schedule(owner.source)]
        if self.min_lr > 0.0 and numbers and all(owner.rate() <= self.min_lr for owner in numbers):
            warnings.warn(
                f"ReduceOnPlateau: the learning rate is not above `min_lr` ({self.min_lr:g}) at the start",
                stacklevel=2,
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        if self._rule is None:
            self._rule = self._make_rule()
        for owner in optimizers.rate_owners(self.model):
            logs.setdefault(owner.column, owner.rate(max(owner.step() - 1, 0)))
        if self.monitor not in logs:
            self._tell_missing(logs)
            return
        self.state, due = self._rule.observe(self.state, optimizers.read_float(logs[self.monitor]))
        if due and self._reduce(epoch):
            self.state = self._rule.reduced(self.state)
        memory(self.model)[self._key] = self.get_state()

    def _reduce(self, epoch: int) -> bool:
        model = self.model
        changed = False
        for owner in optimizers.rate_owners(model):
            rates = optimizers.reduce(model, owner, self.factor, self.min_lr)
            if rates is None:
                continue
            changed = True
            if optimizers.is_schedule(owner.source):
                self._scales[owner.column] = owner.source.scale
            if self.verbose:
                print(f"\nEpoch {epoch + 1}: ReduceOnPlateau: {owner.column} {rates[0]:.6g} -> {rates[1]:.6g}")
        if changed and any(optimizers.is_schedule(owner.source) for owner in optimizers.rate_owners(model)):
            optimizers.retrace(model)
        return changed

    @property
    def _monitored(self) -> str:
        return self.monitor.removeprefix("val_")

    def _make_rule(self) -> PlateauRule:
        direction = self.mode
        if direction == "auto":
            direction = self._direction()
        return PlateauRule(direction, self.patience, self.min_delta, self.threshold_mode, self.cooldown)

    def _direction(self) -> str:
        """Which way the metric should go, as Keras's own callbacks find it."""
        found = {metric.name: getattr(metric, "_direction", None) for metric in _metrics(self.model)}
        if self._monitored in found and found[self._monitored] is not None:
            return "max" if found[self._monitored] == "up" else "min"
        if self._monitored == "loss":
            return "min"
        raise ValueError(
            f"ReduceOnPlateau: cannot tell whether '{self.monitor}' should fall or rise; pass `mode='min'` or "
            "`mode='max'`"
        )

    def _tell_missing(self, logs: dict[str, Any]) -> None:
        if self._told:
            return
        self._told = True
        there = ", ".join(sorted(name for name in logs if not name.startswith("learning_rate"))) or "none"
        warnings.warn(
            f"ReduceOnPlateau: the metric '{self.monitor}' is not in the epoch's logs, so the learning rate is not "
            f"reduced; there are: {there}",
            stacklevel=2,
        )


def _metrics(model: Any) -> list[Any]:
    """The model's metrics, those inside Keras's containers included."""
    flat: list[Any] = []
    for metric in getattr(model, "metrics", []):
        flat += getattr(metric, "metrics", None) or [metric]
    return flat
