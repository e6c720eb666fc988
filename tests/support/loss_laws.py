"""The laws of the loss as in the papers, with double sums over the rates, and logs that follow them."""

import numpy as np
import pandas as pd

MULTI_POWER = {"L0": 1.1, "A": 0.9, "alpha": 0.45, "B": 140.0, "C": 2.5, "beta": 0.5, "gamma": 0.5}
ANNEALING = {"L0": 1.3, "A": 0.7, "alpha": 0.55, "C": 2.0, "tau": 60.0}


def multi_power(parameters, rates, at, warmup=0):
    """arXiv 2503.12811, equation 1: L0 + A·S1^−α − B·Σ_k (η(k−1) − η(k))·(1 − (C·η(k)^−γ·S_k + 1)^−β)."""
    p, losses = parameters, []
    for t in at:
        brought = 0.0
        for k in range(warmup + 1, t + 1):
            since = sum(rates[k : t + 1])
            reach = 0.0 if since == 0.0 else p["C"] * rates[k] ** -p["gamma"] * since
            brought += (rates[k - 1] - rates[k]) * (1.0 - (reach + 1.0) ** -p["beta"])
        losses.append(p["L0"] + p["A"] * sum(rates[: t + 1]) ** -p["alpha"] - p["B"] * brought)
    return np.array(losses)


def annealing(parameters, rates, at, warmup=0):
    """arXiv 2408.11029, equation 1: L0 + A·S1^−α − C·S2, S2 = Σ_i Σ_k≤i (η(k−1) − η(k))·λ^(i−k)."""
    p, losses = parameters, []
    kept = 1.0 - 1.0 / p["tau"]
    for t in at:
        area = sum((rates[k - 1] - rates[k]) * kept ** (i - k) for i in range(t + 1) for k in range(warmup + 1, i + 1))
        losses.append(p["L0"] + p["A"] * sum(rates[: t + 1]) ** -p["alpha"] - p["C"] * area)
    return np.array(losses)


def quick_multi_power(parameters, rates, at, warmup=0):
    """The same law with inner sums by NumPy, for thousands of steps."""
    p, losses = parameters, []
    for t in at:
        k = np.arange(warmup + 1, t + 1)
        since = np.cumsum(rates[: t + 1][::-1])[::-1][k]
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(since > 0.0, p["C"] * rates[k] ** -p["gamma"] * since, 0.0)
        brought = np.sum((rates[k - 1] - rates[k]) * (1.0 - (reach + 1.0) ** -p["beta"]))
        losses.append(p["L0"] + p["A"] * np.sum(rates[: t + 1]) ** -p["alpha"] - p["B"] * brought)
    return np.array(losses)


def quick_annealing(parameters, rates, at, warmup=0):
    """The same law. S2 is the sum of m(i) = λ·m(i−1) + η(i−1) − η(i)."""
    p, momentum, area, areas = parameters, 0.0, 0.0, []
    for i in range(len(rates)):
        fall = rates[i - 1] - rates[i] if i > warmup else 0.0
        momentum = momentum * (1.0 - 1.0 / p["tau"]) + fall
        area += momentum
        areas.append(area)
    at = np.asarray(at)
    return p["L0"] + p["A"] * np.cumsum(rates)[at] ** -p["alpha"] - p["C"] * np.array(areas)[at]


LAWS = {
    "multi-power": (MULTI_POWER, multi_power, quick_multi_power),
    "annealing": (ANNEALING, annealing, quick_annealing),
}


def log(law, schedule, steps, warmup=0, noise=0.0, every=5, seed=0, parameters=None):
    """A log that follows a law. It has the rate of each step, and in `held_out` the loss of some steps."""
    known, _, quick = LAWS[law]
    rates = schedule.values(np.arange(steps))
    at = np.arange(every - 1, steps, every)
    losses = quick(parameters or known, rates, at, warmup)
    frame = pd.DataFrame({"step": np.arange(steps), "learning_rate": rates, "held_out": np.nan})
    frame.loc[at, "held_out"] = losses * np.exp(noise * np.random.default_rng(seed).normal(size=len(at)))
    return frame
