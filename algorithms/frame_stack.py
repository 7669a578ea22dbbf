"""How many frames an observation is a stack of."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium import spaces
from gymnasium.wrappers import (
    FrameStackObservation,
    OrderEnforcing,
    PassiveEnvChecker,
    RecordEpisodeStatistics,
    TimeLimit,
)

from .checks import ConfigError

# Wrappers that hand observations on as they are.
_TRANSPARENT = (OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics, TimeLimit)
_TRANSPARENT_KINDS = (gym.ActionWrapper, gym.RewardWrapper)


def frame_stack(wanted: int | None, env: gym.Env[Any, Any] | None, space: gym.Space[Any]) -> int:
    """Frames in an observation of `space`, along its first axis; 1 where it is no stack.

    `wanted` is the setting. None: as many as a FrameStackObservation around `env` says that no other wrapper
    but such as leave observations alone is around.

    Raises:
        ConfigError: `wanted` is not the length of the first axis of a Box.
    """
    if wanted is None:
        stack = _wrapped(env)
        return stack if _fits(stack, space) else 1
    if not _fits(wanted, space):
        raise ConfigError(
            f"frame_stack={wanted}, but observations are {space}; it must be the length of their first axis, or 1"
        )
    return wanted


def _wrapped(env: gym.Env[Any, Any] | None) -> int:
    while isinstance(env, gym.Wrapper) and (type(env) in _TRANSPARENT or isinstance(env, _TRANSPARENT_KINDS)):
        env = env.env
    return env.stack_size if type(env) is FrameStackObservation else 1


def _fits(stack: int, space: gym.Space[Any]) -> bool:
    return stack == 1 or (isinstance(space, spaces.Box) and space.shape[:1] == (stack,))
