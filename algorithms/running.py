"""Running statistics, by which observations and rewards are normalised; updated once after each rollout, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .kernels.rollout import discounted

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


class RunningMoments:
    """Mean and variance `[size]` of all rows so far; at first 0 and 1, which hardly anything supports."""

    def __init__(self, size: int) -> None:
        self.count = np.array(1e-4)
        self.mean = np.zeros(size)
        self.variance = np.ones(size)

    def update(self, rows: Array) -> None:
        """Add rows `[n, size]` in their order, by the parallel formula of Chan, Golub and LeVeque (1983)."""
        if not len(rows):
            return
        rows = rows.astype(np.float64)
        count, mean, variance = len(rows), rows.mean(0), rows.var(0)
        total, delta = self.count + count, mean - self.mean
        spread = self.variance * self.count + variance * count + delta**2 * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.variance, self.count = spread / total, np.array(total)

    def scale(self) -> F64:
        """What to multiply with for a standard deviation of 1."""
        scale: F64 = 1 / np.sqrt(self.variance + 1e-8)
        return scale

    def arrays(self, prefix: str) -> dict[str, F64]:
        """Copies of the state, by names that begin with `prefix`."""
        return {f"{prefix}_{name}": getattr(self, name).copy() for name in ("count", "mean", "variance")}

    def load(self, prefix: str, arrays: Mapping[str, Array]) -> None:
        """The inverse of `arrays`."""
        for name in ("count", "mean", "variance"):
            setattr(self, name, np.array(arrays[f"{prefix}_{name}"], np.float64))


class RunningReturns:
    """The discounted returns of `rows` environments so far, whose standard deviation rewards are divided by."""

    def __init__(self, rows: int, gamma: float) -> None:
        self.moments, self.gamma = RunningMoments(1), gamma
        self.current = np.zeros(rows)

    def update(self, rewards: F64, ended: npt.NDArray[np.bool_], valid: npt.NDArray[np.bool_]) -> None:
        """Add steps `[T, N]`; a return begins anew after an end, and rows that are not valid are no steps."""
        returns = discounted(np.ascontiguousarray(rewards), ended, valid, self.current, self.gamma)
        self.moments.update(returns[valid].reshape(-1, 1))

    def scale(self) -> float:
        """What to multiply rewards with."""
        return float(self.moments.scale()[0])
