"""Environments for tests: every kind of space, infos of every kind, methods to call, and ways to fail."""

from __future__ import annotations

import copy
import os
import threading
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

cartpole = partial(gym.make, "CartPole-v1")
pendulum = partial(gym.make, "Pendulum-v1")


class Vowel(spaces.Space[str]):
    """A space that Gymnasium does not know."""

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        return "aeiou"[self.np_random.integers(5)]

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and x in "aeiou"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vowel)

    __hash__ = None  # type: ignore[assignment]


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
    "one_of": spaces.OneOf((spaces.Discrete(3), spaces.Box(0, 1, (2,)))),
    "dict_of_text": spaces.Dict({"word": spaces.Text(5), "number": spaces.Box(0, 1, (2,))}),
    "sequence": spaces.Sequence(spaces.Discrete(4)),
    "graph": spaces.Graph(spaces.Box(0, 1, (2,)), spaces.Discrete(3)),
    "custom": Vowel(),
    "dict_of_custom": spaces.Dict({"vowel": Vowel(), "number": spaces.Box(0, 1, (2,))}),
}
DYNAMIC = ("sequence", "graph")
CUSTOM = ("custom", "dict_of_custom")


class SampleEnv(gym.Env[Any, Any]):
    """Draws observations from its spaces by `np_random`; ends and truncates at random; infos of every type."""

    def __init__(self, observation: str = "box", action: str = "discrete", infos: bool = True) -> None:
        self.observation_space = copy.deepcopy(SPACES[observation])  # its generator is this environment's own
        self.action_space = copy.deepcopy(SPACES[action])
        self.infos = infos
        self.scale = 1.0
        self.actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self._observe(), {"options": repr(options), "begin": 1.5} if self.infos else {}

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
        reward = draw * self.scale
        return self._observe(), reward, bool(draw < 0.1), bool(draw > 0.9), some if self.infos else {}

    def process(self) -> int:
        """Where it lives."""
        return os.getpid()

    def draws(self, number: int, *, offset: float = 0.0) -> Any:
        """A method to call: it draws from the environment's generator."""
        return self.np_random.random(number) + offset

    def fail(self, error: Exception) -> None:
        raise error

    def keep(self, value: Any) -> Any:
        """A method to call: keep and return what it is given."""
        self.kept = value
        return value

    def lock(self) -> None:
        """A method to call: keep what cannot be copied."""
        self.kept = threading.Lock()

    def render(self) -> Any:
        return np.full((2, 2, 3), len(self.actions), np.uint8)

    def _observe(self) -> Any:
        self.observation_space.seed(int(self.np_random.integers(1 << 30)))
        return self.observation_space.sample()


class BoundedEnv(SampleEnv):
    """Has an observation space of its own: of Box, Discrete, or a Dict of both, as wide as `bound` says."""

    def __init__(self, bound: int, kind: str = "box", shape: tuple[int, ...] = (2,)) -> None:
        super().__init__()
        box, discrete = spaces.Box(-bound, bound, shape, np.float32), spaces.Discrete(bound, start=bound)
        self.observation_space = {"box": box, "discrete": discrete, "dict": spaces.Dict(b=box, d=discrete)}[kind]


class ReusesItsBuffer(gym.Env[Any, Any]):
    """Returns the same objects each time, changed in place."""

    action_space = spaces.Discrete(2)

    def __init__(self, dynamic: bool = False) -> None:
        self.buffer = np.zeros(2)
        parts: dict[str, gym.Space[Any]] = {"a": spaces.Box(-9, 9, (2,), np.float64), "b": spaces.Box(-9, 9, (2,))}
        if dynamic:
            parts["c"] = Vowel()
        self.observation_space = spaces.Dict(parts)
        self.observation: dict[str, Any] = {"a": self.buffer, "b": np.zeros(2, np.float32), "c": [self.buffer]}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.buffer[:] = 0
        return self.observation, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.buffer += 1
        return self.observation, 0.0, False, False, {}


class FailingEnv(gym.Env[Any, Any]):
    """Raises `error` in the method `where`, in `step` at its third call; or returns what does not fit."""

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
        obs = np.full(2, self.steps, np.float32)
        returned: dict[str, tuple[Any, Any, Any]] = {
            "shape": (np.zeros(3, np.float32), 0.0, {}),
            "dtype": (np.array(["a", "b"]), 0.0, {}),
            "reward": (obs, "much", {}),
            "info": (obs, 1.0, ["no dict"]),
        }
        obs, reward, info = returned.get(self.where, (obs, 1.0, {}))
        return obs, reward, False, False, info

    def fail(self) -> None:
        """A method to call."""
        if self.where == "call":
            raise self.error

    def close(self) -> None:
        if self.where == "close":
            raise self.error


never_fails = partial(FailingEnv, "never", RuntimeError())
