"""Episode statistics: a reactor that adds up what the environments return."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec import InputPort, Reactor, reaction

Array = npt.NDArray[Any]


class EpisodeStatistics(Reactor):
    """Returns and lengths of the last `window` finished episodes, and counts of all."""

    reward = InputPort()
    terminated = InputPort(dtype=np.bool_)
    truncated = InputPort(dtype=np.bool_)

    def __init__(self, num_envs: int, *, window: int = 100, episodes_before: int = 0) -> None:
        super().__init__(
            reward=((num_envs,), np.float64),
            terminated=((num_envs,), np.bool_),
            truncated=((num_envs,), np.bool_),
        )
        self.returns: deque[float] = deque(maxlen=window)
        self.lengths: deque[int] = deque(maxlen=window)
        self.episodes = episodes_before
        self.steps = 0  # of all environments, since this reactor runs
        self._return = np.zeros(num_envs)
        self._begin = np.zeros(num_envs, np.int64)

    @reaction(sources=[reward, terminated, truncated])
    def count(self, reward: Array, terminated: Array, truncated: Array) -> None:
        """Add a step; close the episodes that end with it, in the order of the environments."""
        self.steps += 1
        self._return += reward
        ended = terminated | truncated
        if ended.any():
            for env in np.flatnonzero(ended).tolist():
                self.returns.append(float(self._return[env]))
                self.lengths.append(self.steps - int(self._begin[env]))
            self.episodes += int(np.count_nonzero(ended))
            self._return[ended] = 0
            self._begin[ended] = self.steps

    def metrics(self) -> dict[str, float]:
        """RLlib's `env_runners` results; NaN where no episode has finished yet."""
        returns = np.array(self.returns or [np.nan])
        return {
            "episode_return_mean": float(returns.mean()),
            "episode_return_min": float(returns.min()),
            "episode_return_max": float(returns.max()),
            "episode_len_mean": float(np.mean(self.lengths or [np.nan])),
            "num_episodes_lifetime": self.episodes,
        }
