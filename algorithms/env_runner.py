"""Vector envs that are not ours, as a reactor that gathers experience."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv

from reactvec import InputPort, OutputPort, Reactor, reaction
from reactvec.port_types import port_type, row_writer
from reactvec.recovery import RESTARTED

from .checks import ConfigError
from .observations import write_rows

Array = npt.NDArray[Any]


_NUMBERS = ("reward", "terminated", "truncated")


def has_reset_rows(env: VectorEnv[Any, Any, Any]) -> bool:
    """Whether `env` begins a new episode in the step after an end; ConfigError where that is not by its own steps."""
    mode = env.metadata.get("autoreset_mode")
    if mode not in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
        raise ConfigError(
            f"this vector env has autoreset_mode={getattr(mode, 'name', mode)}; build it with "
            "autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP, so that each step is a transition"
        )
    return bool(mode == AutoresetMode.NEXT_STEP)


class VectorEnvReactor(Reactor):
    """A Gymnasium vector env as one reactor, with the ports of an env bank; its steps belong to the caller's
    worker, and it says which rows were steps: not the reset after an end (NEXT_STEP), and not what stands for the step
    in which an environment was lost (ReactorVectorEnv, on_worker_failure="restart").
    """

    action = InputPort()
    request = InputPort(dtype=object)
    obs = OutputPort()
    final_obs = OutputPort()
    reward = OutputPort()
    terminated = OutputPort(dtype=np.bool_)
    truncated = OutputPort(dtype=np.bool_)
    valid = OutputPort(dtype=np.bool_)  # whether a row was a step

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        self._has_reset_rows = has_reset_rows(env)
        self.env, self.num_envs = env, env.num_envs
        self.single_observation_space, self.single_action_space = (
            env.single_observation_space,
            env.single_action_space,
        )
        self._write = row_writer(env.single_observation_space)
        n, (shape, dtype) = env.num_envs, port_type(env.single_observation_space)
        self._resets = np.zeros(n, np.bool_)  # whose next row is a reset
        action_shape, action_dtype = port_type(env.single_action_space)
        super().__init__(
            action=((n, *action_shape), action_dtype),
            request=((n,), object),
            obs=((n, *shape), dtype),
            final_obs=((n, *shape), dtype),
            reward=((n,), np.float64),
            terminated=((n,), np.bool_),
            truncated=((n,), np.bool_),
            valid=((n,), np.bool_),
        )

    @reaction(on="reset", sources=[request], effects=[obs])
    def reset(self, request: Array, obs: Array) -> None:
        """Reset all environments; `request` holds (seed, options) per environment."""
        seeds = [None if one is None else one[0] for one in request]
        try:
            observations, _ = self.env.reset(seed=seeds)  # type: ignore[arg-type]
        except (gym.error.Error, TypeError):  # Gymnasium's own CartPole of many rows has one generator for all
            observations, _ = self.env.reset(seed=seeds[0])
        write_rows(self.single_observation_space, obs, observations)
        self._resets[...] = False

    @reaction(sources=[action], effects=[obs, final_obs, reward, terminated, truncated, valid])
    def step(
        self,
        action: Array,
        obs: Array,
        final_obs: Array,
        reward: Array,
        terminated: Array,
        truncated: Array,
        valid: Array,
    ) -> None:
        """Step all environments; a row of `final_obs` is valid where an episode ended."""
        observations, *numbers, infos = self.env.step(action.copy())
        for name, target, values in zip(_NUMBERS, (reward, terminated, truncated), numbers, strict=True):
            if np.shape(values) != target.shape:
                raise ValueError(f"the vector env's {name} is of shape {np.shape(values)}, not {target.shape}")
            target[...] = values
        write_rows(self.single_observation_space, obs, observations)
        ended = terminated | truncated
        valid[...] = ~(self._resets | infos.get(f"_{RESTARTED}", False))
        if self._has_reset_rows:
            self._resets[...] = ended
            final_obs[ended] = obs[ended]
            return
        for env in np.flatnonzero(ended).tolist():
            self._write(final_obs, env, infos["final_obs"][env])
