"""Environments that `reactvec tune` must cope with, each by a function that makes one."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from tests.faulty_envs import FAULTS, FaultyEnv, OddError, misbehave

NOT_CALLABLE = "no function"


class CountingEnv(gym.Env[Any, Any]):
    """Counts the calls of `step` for good; episodes have 1 to `longest` steps, drawn from `np_random`."""

    observation_space = spaces.Box(0, 1, (2,), np.float32)
    action_space: gym.Space[Any] = spaces.Discrete(2)

    def __init__(self, longest: int = 4) -> None:
        self.longest, self.calls, self.left = longest, 0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(1, self.longest + 1))
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.calls += 1
        self.left -= 1
        ends = self.left == 0
        return self.observe(), 0.0, ends and self.calls % 2 == 0, ends and self.calls % 2 == 1, {}

    def observe(self) -> Any:
        return self.observation_space.sample()


class RaisingEnv(CountingEnv):
    def step(self, action: Any) -> Any:
        raise OddError("step")


class LoneEnv(CountingEnv):
    """There can be one in a process; a second one misbehaves."""

    made: ClassVar[list[int]] = []

    def __init__(self, fault: str = "raise") -> None:
        super().__init__()
        if os.getpid() in self.made:
            misbehave(fault, "init")
        self.made.append(os.getpid())


class UnpicklableEnv(CountingEnv):
    """Neither it nor its infos can cross between processes."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def step(self, action: Any) -> Any:
        *results, _ = super().step(action)
        return *results, {"lock": self.lock}


class SlowEnv(CountingEnv):
    """A step takes as long as it is told."""

    def __init__(self, seconds: float = 0.05) -> None:
        super().__init__()
        self.seconds = seconds

    def step(self, action: Any) -> Any:
        time.sleep(self.seconds)
        return super().step(action)


class DictEnv(CountingEnv):
    observation_space = spaces.Dict(eye=spaces.Box(0, 255, (4, 4), np.uint8), place=spaces.Discrete(3))  # type: ignore[assignment]


class Words(gym.Space[str]):
    """A space of its own kind, which cannot lie in shared memory."""

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        return "a word"

    def contains(self, x: Any) -> bool:
        return isinstance(x, str)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words)

    __hash__ = None  # type: ignore[assignment]


class WordsEnv(CountingEnv):
    observation_space = spaces.Dict(words=Words())  # type: ignore[assignment]


class UnboundedEnv(CountingEnv):
    action_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)


def make_faulty(fault: str) -> gym.Env[Any, Any]:
    """An environment that does this in its first step."""
    env = FaultyEnv()
    env.action_space = spaces.Discrete(1, start=FAULTS.index(fault))
    return env
