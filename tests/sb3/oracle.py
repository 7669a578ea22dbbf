"""Two of Stable-Baselines3's vector environments side by side, which must give the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from reactvec.sb3 import ReactorVecEnv

# Arguments of ReactorVecEnv.
PLACES: dict[str, dict[str, Any]] = {
    "auto": {"start_method": "fork"},
    "inline": {"placement": "inline"},
    "threads": {"placement": "threads", "num_workers": 2},
    "processes": {"placement": "processes", "num_workers": 2, "start_method": "fork"},
    "isolated": {"isolated": True, "num_workers": 2, "start_method": "fork"},
}


def same(one: Any, other: Any) -> None:
    """Assert that values are equal, and arrays byte for byte, of the same types."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            if key != "t":  # when Monitor says that an episode ended
                same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, its in zip(one, other, strict=True):
            same(mine, its)
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()
    else:
        assert type(one) is type(other)
        assert one == other or one != one


class Both:
    """A DummyVecEnv and a ReactorVecEnv of the same environments, in the same state."""

    def __init__(self, env_fns: Sequence[Callable[[], gym.Env[Any, Any]]], **place: Any) -> None:
        self.oracle: VecEnv = DummyVecEnv(list(env_fns))
        self.vector = ReactorVecEnv(list(env_fns), **place)
        assert self.vector.render_mode == self.oracle.render_mode

    def do(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of both; what ours gives."""
        theirs = getattr(self.oracle, method)(*arguments, **named)
        ours = getattr(self.vector, method)(*arguments, **named)
        same(ours, theirs)
        same(list(self.vector.reset_infos), list(self.oracle.reset_infos))
        return ours

    def run(self, steps: int) -> None:
        """Step with random actions."""
        space = self.vector.action_space
        for _ in range(steps):
            self.do("step", np.array([space.sample() for _ in range(self.vector.num_envs)]))

    def close(self) -> None:
        self.oracle.close()
        self.vector.close()
