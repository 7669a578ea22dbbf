"""EnvRunner: the reactors that gather experience, an epsilon-greedy policy and vector envs
that are not ours.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from reactvec import InputPort, OutputPort, Reactor, present, reaction
from reactvec.port_types import port_type, row_writer

from .checks import ConfigError
from .draws import Draws
from .observations import write_rows
from .parameters import FlatParameters
from .piecewise import Piecewise
from .policy import BlockInference

Array = npt.NDArray[Any]

_CHUNK = 256  # steps whose random numbers are drawn together


class EpsilonGreedy(Reactor):
    """Acts at random with probability epsilon, else for the highest action value.

    The draws of an environment are functions of (seed, its index, its step count). `weights` are taken over
    at the tags at which they are present.
    """

    obs = InputPort()
    weights = InputPort(dtype=np.float32)
    action = OutputPort()
    saved: ClassVar[tuple[str, ...]] = ("steps",)

    def __init__(
        self,
        parameters: FlatParameters,
        inference: BlockInference,
        space: gym.Space[Any],
        action_space: spaces.Discrete,
        num_envs: int,
        *,
        epsilon: Piecewise,
        seed: int,
        steps_before: int = 0,
    ) -> None:
        shape, dtype = port_type(space)
        super().__init__(
            obs=((num_envs, *shape), dtype),
            weights=((parameters.values.numel(),), np.float32),
            action=((num_envs,), action_space.dtype),
        )
        self.parameters, self.inference, self.epsilon = parameters, inference, epsilon
        self.first_action, self.actions, self.num_envs = (
            int(action_space.start),
            int(action_space.n),
            num_envs,
        )
        self.steps_before, self.steps = steps_before, 0  # steps of all environments: before this run, in it
        self._draws = Draws(seed, "explore"), Draws(seed, "action")
        self._luck = np.empty((0, num_envs))
        self._random = np.empty((0, num_envs), np.int64)

    def _draw(self) -> None:
        """Draw for all steps of this chunk."""
        count = self.steps_before // self.num_envs + self.steps // _CHUNK * _CHUNK
        step, env = np.arange(count, count + _CHUNK)[:, None], np.arange(self.num_envs)
        self._luck = self._draws[0].uniform(env, step)
        self._random = self._draws[1].integers(self.actions, env, step) + self.first_action

    @reaction(sources=[obs, weights, present(weights)], effects=[action])
    def act(self, obs: Array, weights: Array, fresh: Array, action: Array) -> None:
        """Choose one action per environment, by the weights that have arrived."""
        if fresh.any():
            self.parameters.load(weights)
        row = self.steps % _CHUNK
        if row == 0 or not len(self._luck):  # a restored policy begins in the middle
            self._draw()
        explore = self._luck[row] < self.epsilon.at(self.steps_before + self.steps * self.num_envs)
        action[...] = self._random[row]
        if not explore.all():
            greedy = self.inference(obs).argmax(1) + self.first_action
            np.copyto(action, greedy, where=~explore, casting="same_kind")
        self.steps += 1

    def metrics(self) -> dict[str, float]:
        """Where exploration stands."""
        return {"epsilon": self.epsilon.at(self.steps_before + self.steps * self.num_envs)}


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
    worker. With `reset_rows` (NEXT_STEP) the row after an end is a reset and no step.
    """

    action = InputPort()
    request = InputPort(dtype=object)
    obs = OutputPort()
    final_obs = OutputPort()
    reward = OutputPort()
    terminated = OutputPort(dtype=np.bool_)
    truncated = OutputPort(dtype=np.bool_)

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        self.reset_rows = has_reset_rows(env)
        self.env, self.num_envs = env, env.num_envs
        self.single_observation_space, self.single_action_space = (
            env.single_observation_space,
            env.single_action_space,
        )
        self._write = row_writer(env.single_observation_space)
        n, (shape, dtype) = env.num_envs, port_type(env.single_observation_space)
        action_shape, action_dtype = port_type(env.single_action_space)
        super().__init__(
            action=((n, *action_shape), action_dtype),
            request=((n,), object),
            obs=((n, *shape), dtype),
            final_obs=((n, *shape), dtype),
            reward=((n,), np.float64),
            terminated=((n,), np.bool_),
            truncated=((n,), np.bool_),
        )

    @reaction(on="reset", sources=[request], effects=[obs])
    def reset(self, request: Array, obs: Array) -> None:
        """Reset all environments; `request` holds (seed, options) per environment."""
        seeds = [None if one is None else one[0] for one in request]
        observations, _ = self.env.reset(seed=seeds)  # type: ignore[arg-type]
        write_rows(self.single_observation_space, obs, observations)

    @reaction(sources=[action], effects=[obs, final_obs, reward, terminated, truncated])
    def step(
        self,
        action: Array,
        obs: Array,
        final_obs: Array,
        reward: Array,
        terminated: Array,
        truncated: Array,
    ) -> None:
        """Step all environments; a row of `final_obs` is valid where an episode ended."""
        observations, reward[...], terminated[...], truncated[...], infos = self.env.step(action.copy())
        write_rows(self.single_observation_space, obs, observations)
        ended = terminated | truncated
        if self.reset_rows:
            final_obs[ended] = obs[ended]
            return
        for env in np.flatnonzero(ended).tolist():
            self._write(final_obs, env, infos["final_obs"][env])
