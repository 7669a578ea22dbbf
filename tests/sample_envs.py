"""Environments for tests: every kind of space, infos of every kind, and ways to fail."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

SPACES: dict[str, gym.Space[Any]] = {
    "box": spaces.Box(-1, 1, (3,), np.float32),
    "image": spaces.Box(0, 255, (4, 5, 3), np.uint8),
    "scalar": spaces.Box(-1, 1, (), np.float64),
    "discrete": spaces.Discrete(7, start=-2),
    "multi_discrete": spaces.MultiDiscrete([3, 4]),
    "multi_binary": spaces.MultiBinary((2, 3)),
    "dict": spaces.Dict({"b": spaces.Box(0, 1, (2,), np.float64), "a": spaces.Discrete(3)}),
    "tuple": spaces.Tuple((spaces.Discrete(2), spaces.Box(-1, 1, (2, 2), np.float32))),
    "nested": spaces.Dict(
        {"x": spaces.Tuple((spaces.Dict({"y": spaces.MultiBinary(3)}), spaces.Discrete(5))), "": spaces.Box(0, 1, (1,))}
    ),
    "text": spaces.Text(8),
    "sequence": spaces.Sequence(spaces.Discrete(4)),
    "dict_of_text": spaces.Dict({"word": spaces.Text(5), "number": spaces.Box(0, 1, (2,))}),
}


class SampleEnv(gym.Env[Any, Any]):
    """Draws observations from its spaces by `np_random`; ends and truncates at random; infos of every type."""

    def __init__(self, observation: str = "box", action: str = "discrete", infos: bool = True) -> None:
        self.observation_space = copy.deepcopy(SPACES[observation])  # its generator is this environment's own
        self.action_space = SPACES[action]
        self.infos = infos
        self.actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self._observe(), {"options": options, "begin": 1.5} if self.infos else {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.actions.append(action)
        draw = self.np_random.random()
        info = {
            "draw": draw,
            "vector": np.arange(3) * draw,
            "nested": {"flag": draw > 0.5, "count": int(draw * 10)},
            "name": f"{draw:.3f}",
        }
        some = {key: value for key, value in info.items() if self.np_random.random() < 0.7}
        return self._observe(), draw, bool(draw < 0.1), bool(draw > 0.9), some if self.infos else {}

    def _observe(self) -> Any:
        self.observation_space.seed(int(self.np_random.integers(1 << 30)))
        return self.observation_space.sample()


class FailingEnv(gym.Env[Any, Any]):
    """Raises `error` in the method `where`, in `step` at its third call."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, where: str, error: BaseException) -> None:
        self.where, self.error, self.steps = where, error, 0
        if where == "init":
            raise error

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if self.where == "reset":
            raise self.error
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        if self.where == "step" and self.steps == 3:
            raise self.error
        if self.where == "shape":
            return np.zeros(3, np.float32), 0.0, False, False, {}
        if self.where == "dtype":
            return np.array(["a", "b"]), 0.0, False, False, {}
        return np.full(2, self.steps, np.float32), 1.0, False, False, {}

    def close(self) -> None:
        if self.where == "close":
            raise self.error
