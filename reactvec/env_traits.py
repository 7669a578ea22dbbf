"""What a vector environment must know of an environment before it makes others like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.vector import VectorEnv

from reactvec.errand import Errand, ErrandCutShortError, Send
from reactvec.processes import AT_START, ProcessOptions


@dataclass(frozen=True)
class EnvTraits:
    """The spaces, metadata and render mode of an environment."""

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    metadata: dict[str, Any]
    render_mode: str | None

    @classmethod
    def of(cls, env: gym.Env[Any, Any]) -> EnvTraits:
        """Those of an environment that is built."""
        return cls(env.observation_space, env.action_space, dict(env.metadata), env.render_mode)


def make_env(env_fn: Callable[[], gym.Env[Any, Any]]) -> gym.Env[Any, Any]:
    """What the function makes; TypeError if that is no environment."""
    env: gym.Env[Any, Any] | None = env_fn()
    if env is None:  # a forgotten `return`
        raise TypeError(f"{env_fn!r} made no environment: it returned None")
    if isinstance(env, VectorEnv):
        env.close()
        raise TypeError(f"{env_fn!r} made {type(env).__name__}, a vector env; it must make one environment")
    return env


def probe(env_fn: Callable[[], gym.Env[Any, Any]], options: ProcessOptions) -> EnvTraits:
    """The traits of an environment that is built, asked and closed in a process of its own.

    Raises:
        Exception: what building it raised.
        RuntimeError: the process died.
    """
    with Errand(partial(_tell, env_fn), options) as errand:
        try:
            traits: EnvTraits = errand.receive()
        except ErrandCutShortError as cut:
            raise RuntimeError(
                f"environment 0: the process that builds it first, to learn its spaces, {cut}. {AT_START}"
            ) from None
    return traits


def _tell(env_fn: Callable[[], gym.Env[Any, Any]], send: Send) -> None:
    env = make_env(env_fn)
    send(EnvTraits.of(env))
    env.close()
