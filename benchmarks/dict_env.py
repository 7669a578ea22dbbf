"""An environment with what real ones have and CartPole has not: a Dict of four boxes, and an info with every step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

EPISODE_STEPS = 100
Observation = dict[str, npt.NDArray[Any]]


class DictEnv(gym.Env[Observation, Any]):
    """A small camera, two vectors and a range finder; episodes are truncated after EPISODE_STEPS steps."""

    def __init__(self) -> None:
        boxes: dict[str, gym.Space[Any]] = {
            "camera": gym.spaces.Box(0, 255, (16, 16, 3), np.uint8),
            "position": gym.spaces.Box(-np.inf, np.inf, (3,), np.float64),
            "range": gym.spaces.Box(0.0, 10.0, (32,), np.float32),
            "velocity": gym.spaces.Box(-np.inf, np.inf, (3,), np.float64),
        }
        self.observation_space: gym.Space[Any] = gym.spaces.Dict(boxes)
        self.action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps, self.position = 0, self.np_random.normal(size=3)
        return self._observation(0.0), {"steps": 0}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        velocity = 1.0 if action else -1.0
        self.position = self.position + velocity
        info = {"steps": self.steps, "distance": float(self.position[0])}
        return self._observation(velocity), 1.0, False, self.steps >= EPISODE_STEPS, info

    def _observation(self, velocity: float) -> Observation:
        return {
            "camera": np.full((16, 16, 3), self.steps % 256, np.uint8),
            "position": self.position,
            "range": np.full(32, self.steps / EPISODE_STEPS, np.float32),
            "velocity": np.full(3, velocity),
        }
