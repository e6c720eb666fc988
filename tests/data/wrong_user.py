"""Mistakes that mypy must find in a user's file: one in each marked line, of the marked kind."""

from __future__ import annotations

import keras_lr as klr

decay = klr.CosineDecay(0.1, 900)

klr.CosineDecay("0.1", 900)  # mark: arg-type
klr.CosineDecay(0.1)  # mark: call-arg
klr.CosineDecay(0.1, 900, alhpa=0.01)  # mark: call-arg
klr.CosineDecay(0.1, 900, 0.01, 0.2, 100, 7)  # mark: arg-type
klr.CosineDecay(0.1, None)  # mark: arg-type
klr.CosineDecay(0.1, "900")  # mark: arg-type
klr.CosineDecay(0.1j, 900)  # mark: arg-type
klr.CosineDecay(decay, 900)  # mark: arg-type
klr.CosineDecay([0.1], 900)  # mark: arg-type
klr.StepDecay(0.1, 30, None)  # mark: arg-type
klr.Warmup(decay, None)  # mark: arg-type
klr.Warmup(decay, 10, start_learning_rate="0.1")  # mark: arg-type
klr.MultiStepDecay(0.1, 100)  # mark: arg-type
klr.MultiStepDecay(0.1, "100")  # mark: arg-type
klr.MultiStepDecay(0.1, None)  # mark: arg-type
klr.MultiStepDecay(0.1, [30, None])  # mark: list-item
klr.MultiStepDecay(0.1, {30, 60})  # mark: arg-type
klr.PiecewiseConstantDecay([100], ["a", "b"])  # mark: list-item
decay.initial_learning_rate = 0.2  # mark: misc
decay.value(3)  # mark: attr-defined
decay >> "constant"  # mark: operator
"2" * decay  # mark: operator
decay / decay  # mark: operator
step: int = 2 * decay  # mark: assignment
rate: str = decay.values(3)  # mark: assignment
decay.bind(100, 10)  # mark: call-arg
decay.bind(steps_per_epoch="100")  # mark: arg-type
decay.cooldown(500, "100")  # mark: arg-type
decay.cooldown(500, None)  # mark: arg-type
decay.clip("0.1")  # mark: arg-type
decay.from_step(None)  # mark: arg-type
klr.epochs("3")  # mark: arg-type
klr.fraction(None)  # mark: arg-type
klr.ReduceOnPlateau(factor=None)  # mark: arg-type
klr.find_learning_rate()  # mark: call-arg
klr.RangeTest.suggestion(decay)  # mark: arg-type
klr.LearningRateLogger(metrics=3)  # mark: arg-type
klr.ReduceOnPlateau(patience="2")  # mark: arg-type
klr.ReduceOnPlateau(mode="minimum")  # mark: arg-type
klr.ReduceOnPlateau(threshold_mode="relative")  # mark: arg-type
klr.ReduceOnPlateau(on_nan="skip")  # mark: arg-type
klr.ReduceOnPlateau(every="batch")  # mark: arg-type
klr.BindSchedule(on_mismatch="warn")  # mark: arg-type
klr.Warmup(decay, 10, shape="cos")  # mark: arg-type
klr.CyclicalLearningRate(0.1, 0.4, 20, mode="triangle")  # mark: arg-type
klr.scaled(decay, 64, 32, "square")  # mark: arg-type
decay.cooldown(500, 100, shape="straight")  # mark: arg-type
klr.fit_forecast("log.csv", "power")  # mark: arg-type
klr.get_learning_rate(decay).upper()  # mark: attr-defined
klr.CosineDeacy(0.1, 900)  # mark: attr-defined
klr.tuning.schedule(decay)  # mark: call-arg
klr.tunning.schedule(decay, total_steps=9)  # mark: attr-defined
