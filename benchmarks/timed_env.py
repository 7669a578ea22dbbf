"""Environments whose step is a known amount of work, and how that work is calibrated.

The work is pure Python arithmetic, a fixed number of turns of one loop, not a wait for a moment of the clock: a
process that has to share its core then takes longer, as it would with a real environment. A loop that runs until
the clock shows a time ends in time even while something else has the core, and a sleep needs no core at all; both
would make any number of workers look good on any number of cores.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

Observation = npt.NDArray[np.float32]
Step = tuple[Observation, float, bool, bool, dict[str, Any]]


def work(turns: int) -> int:
    """Be busy for so many turns of a loop."""
    value = 1
    for _ in range(turns):
        value = (value * 5 + 1) & 0xFFFF
    return value


def calibrate(turns: int = 20_000, repeats: int = 25) -> float:
    """Turns of `work` per microsecond on one core that nothing else uses; the median of some repeats."""
    microseconds = []
    for _ in range(repeats):
        begin = time.perf_counter_ns()
        work(turns)
        microseconds.append((time.perf_counter_ns() - begin) / 1e3)
    return turns / statistics.median(microseconds)


class TimedEnv(gym.Env[Observation, Any]):
    """An environment whose step works for a fixed number of turns and whose episodes do not end."""

    def __init__(self, turns: int) -> None:
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.action_space: gym.Space[Any] = gym.spaces.Discrete(2)
        self.turns = turns

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(4, np.float32), {}

    def step(self, action: Any) -> Step:
        work(self.turns)
        return np.zeros(4, np.float32), 0.0, False, False, {}


class DrawnTimeEnv(TimedEnv):
    """One whose action, a box of one number, says for how many turns its step works.

    So the times are drawn before anything runs, and are the same on all sides and in the simulation.
    """

    def __init__(self) -> None:
        super().__init__(0)
        self.action_space = gym.spaces.Box(0.0, np.inf, (1,), np.float64)

    def step(self, action: Any) -> Step:
        work(int(action[0]))
        return np.zeros(4, np.float32), 0.0, False, False, {}
