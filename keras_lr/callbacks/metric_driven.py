"""The base class of callbacks that change the rate by a metric.

The rule itself is a pure function without Keras: (state, metric) → (state, decision). The callback passes the metric to
it, once in each epoch or window of batches, and carries out the decision.
"""

from __future__ import annotations

import math
from typing import Any

from keras_lr.callbacks import best_weights
from keras_lr.callbacks import metric_checks as checks
from keras_lr.callbacks.metric_entry import MetricEntry
from keras_lr.callbacks.metric_state import MetricState
from keras_lr.callbacks.metrics import metric_number
from keras_lr.callbacks.plateau_window import WindowMean
from keras_lr.callbacks.refreshing import RefreshBatchNorm
from keras_lr.core.messages import say
from keras_lr.core.refusals import refuse
from keras_lr.optimizers import install, lookup, training_step
from keras_lr.optimizers.lookup import RatedOptimizer
from keras_lr.training import checkpoint_rates, idle, processes
from keras_lr.training.saved_state import memory, of
from keras_lr.training.session import Session


class MetricDriven(MetricState):
    """A callback that multiplies the rate by a factor when its rule decides so.

    A subclass defines the rule and the methods below.
    """

    # What a subclass defines.

    def _judge(self, rule: Any, metric: float) -> float | None:
        """Take one value of the metric; by what to multiply the rate, None for nothing."""
        raise NotImplementedError

    def _after_change(self, rule: Any, factor: float) -> None:
        """Called after the rate was multiplied."""
        raise NotImplementedError

    def _change(self, rated: RatedOptimizer, factor: float) -> tuple[float, float] | None:
        """Multiply one rate. Returns it before and after, or None if it is at its bound."""
        return install.rescale(self.model, rated, self._key, factor, self._bounds)

    def _is_at_bound(self, factor: float) -> bool:
        """Whether none of the rates can be multiplied."""
        return all(install.is_at_bound(rated, factor, self._bounds) for rated in self._rated())

    # Hooks of Keras.

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self._net = self.model
        checks.check_model(self.OWNER, model)
        optimizers = self._rated()
        checks.check_rates(self.OWNER, optimizers)
        self._session = Session.join(self)
        checks.warn_at_start(self, optimizers, self._session.others(self))
        self._refresher = None
        if self.refresh_batch_norm is not None:
            self._refresher = RefreshBatchNorm.attach(self, self.OWNER, self.refresh_batch_norm)
        if self.name is None:
            self._key = self._session.key(self._options.key())
        elif not self._session.claim(self._key):
            refuse(self.OWNER, "name", "different for each of these callbacks", self.name)
        # The metrics for "auto" may exist only after the very first batch, as on TensorFlow.
        self.rule: Any = self._options.rule(self.RULE, model) if lookup.step_of(model) > 0 else None
        self._started = False
        self._missing = checks.MissingMetric(self.OWNER, self.monitor, max(self.patience, 2))
        self._epoch, self._mean = None, None
        self._start: int | None = None
        of(model).hooks[self._key] = self._save
        self._take_up()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._started and not self.reset_on_train_begin:
            # The training was killed after its last epoch, so only the decision on it is left.
            self._take_up()
            self._resolve_pending((self.params or {}).get("epochs", 0))
            self._save()
        self._missing.at_end()
        of(self.model).hooks.pop(self._key, None)
        if self._mean is not None:
            self._unfinished = self._mean.unfinished()
        self._session.leave(self)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # A later callback in the list may have loaded weights at the start of the training.
        if not self.reset_on_train_begin:
            self._take_up()
        # A late decision needs the schedule of this training.
        self._session.begin(epoch)
        if self._start is None:
            self._start = checks.start_step(self.OWNER, self.start_after, self._session)
        if not self._started:
            checkpoint_rates.note(self.model)
        self._resolve_pending(epoch)
        self._epoch, self._logs = epoch, {}
        if self.every is not None:
            if self._mean is None:
                self._mean = WindowMean(self.OWNER, self.model, self.monitor, self.every, self._unfinished)
            else:
                self._mean.begin_epoch()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._started:
            # Not before the first batch: until then a callback may resolve a mismatch of rates.
            self._started = True
            checkpoint_rates.warn(self._net)
        # A number changes now, not at the decision after the previous batch: later callbacks in
        # the list would have taken it for the rate of that batch.
        self._carry_out_due()
        if self._mean is not None:
            self._mean.before_batch(batch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._ensure_rule()
        # The logs of the last batch are those of the epoch. This does not wait for them.
        self._logs.update(logs or {})
        mean = self._mean.after_batch(batch) if self._mean is not None else None
        factor = self._decide(mean) if mean is not None and self._has_begun() else None
        if factor is not None:
            self._carry_out(factor, numbers=False)
            self._due = factor

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        # The validation at the end of an epoch resets the metrics after this hook.
        if self._mean is not None:
            self._mean.end_epoch()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._logs.update({f"val_{name}": value for name, value in (logs or {}).items()})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        self._ensure_rule()
        # Only if `fit` trains: the user's own loop may call the hooks without a step.
        if self._session.running is not None and self._session.once((self, "idle")):
            idle.warn_of_unused(self.model)
        for rated in lookup.rated_optimizers(self.model):
            logs.setdefault(rated.column, rated.rate(max(rated.step() - 1, 0)))
        self._epoch = None
        if self._mean is not None:
            self._mean.end_epoch()
        elif self.monitor in logs:
            self._missing.is_there()
            self._finish(epoch, logs[self.monitor])
        else:
            self._missing.in_epoch(logs)
        self._save()

    # Deciding.

    def _resolve_pending(self, epoch: int) -> None:
        """Decide on an epoch that was finished, but without a decision, when the file was written."""
        pending = MetricEntry.pop_pending(self.OWNER, memory(self.model).get(self._key, {}))
        if pending is not None and epoch > pending[0] > self._last_epoch:
            self._finish(*pending)

    def _finish(self, epoch: int, metric: Any) -> None:
        """Decide on a finished epoch."""
        self._last_epoch = epoch
        if self._has_begun():
            factor = self._decide(metric_number(self.OWNER, self.monitor, metric))
            if factor is not None:
                self._carry_out(factor)

    def _decide(self, metric: float) -> float | None:
        """Take one value of the metric; by what to multiply the rate, None for nothing."""
        rule = self._ensure_rule()
        metric = processes.from_chief(metric)
        if self.on_nan == "stop" and not math.isfinite(metric):
            self.model.stop_training = True
        if self.restore_best_weights:
            self._keep_if_best(rule, metric)
        factor = self._judge(rule, metric)
        if factor is None or self._is_at_bound(factor):
            return None
        self._after_change(rule, factor)
        return factor

    def _keep_if_best(self, rule: Any, metric: float) -> None:
        """Store the weights of an epoch that is better than all earlier ones, even outside of a `window`."""
        best = best_weights.metric_of_best(self.OWNER, self.model, self._key)
        if best is None and self._key in of(self.model).arrays:  # from a file of version 0.1.0
            best = self.state.best
        if rule.improves(metric, best):
            best_weights.keep(self.model, self._key, metric)

    def _carry_out(self, factor: float, schedules: bool = True, numbers: bool = True) -> None:
        """Multiply the rates that are schedules, the rates that are numbers, or both."""
        model = self.model
        changed = False
        for rated in self._rated():
            is_scheduled = lookup.is_schedule(rated.source)
            if not (schedules if is_scheduled else numbers):
                continue
            rates = self._change(rated, factor)
            if rates is None:
                continue
            changed = changed or is_scheduled
            if self.verbose and processes.is_chief():
                when = f"Epoch {self._last_epoch + 1}" if self.every is None else f"Step {rated.step()}"
                say(f"\n{when}: {self.OWNER}: {rated.column} {rates[0]:.6g} -> {rates[1]:.6g}")
        if schedules and factor < 1.0 and self.restore_best_weights:
            best_weights.restore(model, self._key)
            if self._refresher is not None:
                self._refresher.refresh()
        if changed:
            training_step.retrace(model)
            checks.warn_of_own_loop(self, self._session)

    def _carry_out_due(self) -> None:
        """Change the numbers after a decision within the epoch."""
        if self._due is not None:
            factor, self._due = self._due, None
            self._carry_out(factor, schedules=False)

    def _has_begun(self) -> bool:
        """Whether `start_after` is over."""
        return not self._start or lookup.step_of(self.model) > self._start

    def _ensure_rule(self) -> Any:
        """The rule. With "auto", its direction must be known now."""
        if self.rule is None:
            self.rule = self._options.rule(self.RULE, self.model)
        return self.rule
