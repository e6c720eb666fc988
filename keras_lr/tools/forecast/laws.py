"""The two laws: the loss after each step as a function of the rates so far.

A law is fitted in coordinates of any size: L0 itself, and the logarithms of the other parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np

from keras_lr.tools.forecast.sums import Floats, Sums

SMALLEST = 1e-12
"""Smaller rates count as this fraction of the highest rate, so that their powers stay finite."""

LOWEST = 1e-12
"""Used instead of a lower loss, which a law may have, so that it has a logarithm."""

TINY = 1e-100
"""Used instead of an area of 0, when no rate has been above 0 yet."""


class Law(ABC):
    """L(t) = L0 + A·S1(t)^−α − D(t), where D(t) is the effect of the falls of the rate so far."""

    title: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    """The parameters: L0, A, alpha, the size of D, and its shape."""
    whole: ClassVar[tuple[str, ...]]
    """The parameters whose product is the final effect of a fall of the rate to 0, in scaled units."""
    is_for_steep_falls: ClassVar[bool] = True
    """Whether the law may be trusted with steeper falls of the rate than those that it was fitted to."""

    @abstractmethod
    def gain(self, shape: Floats, sums: Sums) -> Floats:
        """D at each point, for a size of 1."""

    @abstractmethod
    def gain_slopes(self, shape: Floats, sums: Sums) -> tuple[Floats, list[Floats]]:
        """D, and its slopes in the logarithms of the parameters of its shape."""

    @abstractmethod
    def shapes(self, steps: float) -> list[tuple[float, ...]]:
        """Shapes of D with which a fit begins, in scaled units, for runs of so many steps."""

    def usual(self, steps: float) -> dict[str, tuple[float, float]]:
        """Usual values of parameters, in scaled units, for runs of so many steps, with the spread of the logarithm."""
        return {}

    @abstractmethod
    def unscaled(self, parameters: Floats, rate: float, area: float) -> Floats:
        """Parameters in the units of the rates, from parameters that were fitted to scaled sums."""

    def loss(self, parameters: Floats, sums: Sums) -> Floats:
        """The loss at the points of a run."""
        lowest, height, power, size, *shape = parameters
        return np.asarray(
            lowest + height * np.maximum(sums.area, TINY) ** -power - size * self.gain(np.array(shape), sums)
        )

    def log_loss(self, parameters: Floats, sums: Sums) -> Floats:
        """The logarithm of the loss at the points of a run."""
        return np.asarray(np.log(np.maximum(self.loss(parameters, sums), LOWEST)))

    def slopes(self, parameters: Floats, sums: Sums) -> tuple[Floats, Floats]:
        """The loss at the points, and its slopes in L0 and in the logarithms of the other parameters."""
        lowest, height, power, size, *shape = parameters
        area = np.maximum(sums.area, TINY)
        fall = height * area**-power
        gain, in_shape = self.gain_slopes(np.array(shape), sums)
        columns = [np.ones_like(fall), fall, -power * np.log(area) * fall, -size * gain]
        return lowest + fall - size * gain, np.stack([*columns, *(-size * it for it in in_shape)], axis=1)


class MultiPower(Law):
    """The multi-power law.

    D(t) = B · Σ_k (η(k−1) − η(k)) · G(η(k)^−γ · S_k(t)), with G(x) = 1 − (C·x + 1)^−β and
    S_k(t) the sum of the rates from step k to t.

    Luo et al., "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules", arXiv 2503.12811, eq. 1.
    """

    title = "multi-power"
    names = ("L0", "A", "alpha", "B", "C", "beta", "gamma")
    whole = ("B",)

    def gain(self, shape: Floats, sums: Sums) -> Floats:
        factor, beta, gamma = shape
        grown = np.log1p(factor * self._reach(gamma, sums))
        return np.asarray(-np.expm1(-beta * grown) @ sums.change)

    def gain_slopes(self, shape: Floats, sums: Sums) -> tuple[Floats, list[Floats]]:
        factor, beta, gamma = shape
        reach = factor * self._reach(gamma, sums)
        grown = np.log1p(reach)
        left = np.exp(-beta * grown)
        in_reach = beta * left * reach / (1.0 + reach)
        logs = np.log(self._rate(sums))
        slopes = [in_reach @ sums.change, (beta * grown * left) @ sums.change, in_reach @ (-gamma * logs * sums.change)]
        return (1.0 - left) @ sums.change, slopes

    def shapes(self, steps: float) -> list[tuple[float, ...]]:
        return [(c, b, g) for c in (2.0, 20.0, 200.0) for b in (0.3, 0.7, 1.5) for g in (0.2, 0.6)]

    def usual(self, steps: float) -> dict[str, tuple[float, float]]:
        # The values of the paper's three models: with C = 2, gamma = 0.65 and a rate of 3e-4, C·η^−gamma·S_k is 1 after
        # 8 steps. This number differs between trainings by much more than the exponents.
        return {"C": (steps / 8.0, 1.5), "beta": (0.6, 0.5), "gamma": (0.65, 0.5)}

    def unscaled(self, parameters: Floats, rate: float, area: float) -> Floats:
        lowest, height, power, size, factor, beta, gamma = parameters
        return np.array([lowest, height * area**power, power, size / rate, factor * rate**gamma / area, beta, gamma])

    def _reach(self, gamma: float, sums: Sums) -> Floats:
        """η(k)^−γ · S_k(t), for each point and fall; 0 for a later fall."""
        since = np.maximum(sums.area[:, None] - sums.start[None, :], 0.0)
        return np.asarray(since * self._rate(sums) ** -gamma)

    def _rate(self, sums: Sums) -> Floats:
        highest = sums.rate.max(initial=0.0) + np.abs(sums.change).max(initial=0.0)
        return np.maximum(sums.rate, max(SMALLEST * highest, np.finfo(np.float64).tiny))


class Annealing(Law):
    """The annealing law.

    D(t) = C · S2(t), with S2(t) = Σ_i≤t Σ_k≤i (η(k−1) − η(k)) · λ^(i−k).

    Tissue et al., "Scaling Law with Learning Rate Annealing", arXiv 2408.11029, eq. 1. The paper sets λ by hand
    (0.99 to 0.999). Here it is fitted, as the number of steps τ = 1/(1 − λ).
    """

    title = "annealing"
    names = ("L0", "A", "alpha", "C", "tau")
    whole = ("C", "tau")
    # What a fall brings comes with the steps after it, even where the rate is 0 then. So by this law the best place for
    # a fall to 0 is a few steps before the end. Trainings say otherwise: docs/forecast.md.
    is_for_steep_falls = False

    def gain(self, shape: Floats, sums: Sums) -> Floats:
        (tau,) = shape
        # The inner sum over i is a geometric series: τ·(1 − λ^n) after n steps.
        return np.asarray(-tau * np.expm1(self._count(sums) * np.log1p(-1.0 / tau)) @ sums.change)

    def gain_slopes(self, shape: Floats, sums: Sums) -> tuple[Floats, list[Floats]]:
        (tau,) = shape
        count = self._count(sums)
        left = np.exp(count * np.log1p(-1.0 / tau))
        slope = tau * (1.0 - left) - count * left / (1.0 - 1.0 / tau)
        return tau * ((1.0 - left) @ sums.change), [slope @ sums.change]

    def shapes(self, steps: float) -> list[tuple[float, ...]]:
        return [(max(steps * part, 2.0),) for part in (0.003, 0.01, 0.03, 0.1, 0.3)]

    def unscaled(self, parameters: Floats, rate: float, area: float) -> Floats:
        lowest, height, power, size, tau = parameters
        return np.array([lowest, height * area**power, power, size / rate, tau])

    def _count(self, sums: Sums) -> Floats:
        """Steps from each fall to each point, including both; 0 for a later fall."""
        return np.maximum(sums.steps[:, None] - sums.first[None, :] + 1.0, 0.0)


LawName = Literal["multi-power", "annealing"]

LAWS: dict[str, Law] = {law.title: law for law in (MultiPower(), Annealing())}
