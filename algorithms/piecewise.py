"""A value over time: constant, or linear between points."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

Ramp: TypeAlias = float | tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Piecewise:
    """Linear between `points`, pairs of (time in environment steps, value); constant before the first and
    after the last.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, ramp: Ramp, total_timesteps: int) -> Piecewise:
        """Resolve a setting: a number is constant; times of points are fractions of `total_timesteps` if none
        exceeds 1.
        """
        if isinstance(ramp, int | float):
            return cls((0.0,), (float(ramp),))
        scale = total_timesteps if ramp[-1][0] <= 1 else 1
        return cls(tuple(time * scale for time, _ in ramp), tuple(float(value) for _, value in ramp))

    def at(self, step: int) -> float:
        """The value at `step` environment steps."""
        after = bisect_right(self.times, step)
        if after == 0 or after == len(self.times):
            return self.values[max(after - 1, 0)]
        start, end = self.times[after - 1], self.times[after]
        low, high = self.values[after - 1], self.values[after]
        return low + (high - low) * (step - start) / (end - start)


def as_ramp(value: float | Iterable[Iterable[float]]) -> Ramp:
    """A setting as a number or a tuple of points; ValueError if it is neither or the times do not ascend."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        points = tuple((float(time), float(level)) for time, level in value)  # type: ignore[union-attr]
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is neither a number nor points [(time, value), ...]") from None
    times = [time for time, _ in points]
    if not points or not times[0] >= 0 or not all(a < b < math.inf for a, b in pairwise(times)):
        raise ValueError(f"the times of {value!r} must ascend from 0 or more, and there must be at least one")
    return points
