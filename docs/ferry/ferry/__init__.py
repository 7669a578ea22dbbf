"""A ferry that the wind pushes off its course: an environment in Python, which a kernel can stand for."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

FULL_AHEAD = 0.1


class FerryEnv(gym.Env[Any, Any]):
    """Steer to the left (0), not at all (1), or to the right (2); the farther off its course, the less it is worth."""

    def __init__(self, gust: float = 0.2, limit: float = 1.0) -> None:
        self.render_mode = None
        self.gust, self.limit = gust, limit
        self.action_space = spaces.Discrete(3)
        self.observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.offset: float | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin near the course."""
        super().reset(seed=seed)
        self.offset = self.np_random.uniform(-0.1, 0.1)
        return np.array([self.offset], np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steer, and be pushed."""
        assert self.action_space.contains(action), f"{action!r} ({type(action)}) invalid"
        assert self.offset is not None
        self.offset += FULL_AHEAD * (int(action) - 1) + self.np_random.uniform(-self.gust, self.gust)
        lost = abs(self.offset) > self.limit
        return np.array([self.offset], np.float32), 1.0 - abs(self.offset), lost, False, {}
