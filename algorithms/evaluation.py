"""Evaluation: the return per episode of a greedy policy, on environments and seeds that
training never sees.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec import InputPort, OutputPort, Reactor, Topology, reaction
from reactvec.env_bank import EnvBank
from reactvec.placement import Placement
from reactvec.port_types import port_type

from .environments import INLINE, execute

Array = npt.NDArray[Any]

PATIENCE = 1 << 16  # tags without an end of an episode, after which somebody should know
_TAGS = 16  # that run between two looks at whether all episodes have ended


class Greedy(Reactor):
    """Chooses actions `[n, *shape]` for observations `[n, *shape]` by a function."""

    obs = InputPort()
    action = OutputPort()

    def __init__(self, bank: EnvBank, choose: Callable[[Array], Array]) -> None:
        shape, dtype = port_type(bank.single_observation_space)
        super().__init__(obs=((bank.rows, *shape), dtype), action=((bank.rows, *bank.action.shape), bank.action.dtype))
        self.choose = choose

    @reaction(sources=[obs], effects=[action])
    def act(self, obs: Array, action: Array) -> None:
        """Act on what was observed last."""
        action[...] = self.choose(obs)


class EpisodeRecorder(Reactor):
    """The first `episodes` returns and lengths of each environment, `[num_envs, episodes]`."""

    reward = InputPort()
    terminated = InputPort()
    truncated = InputPort()

    def __init__(self, num_envs: int, episodes: int) -> None:
        flags = ((num_envs,), np.bool_)
        super().__init__(reward=((num_envs,), np.float64), terminated=flags, truncated=flags)
        self.returns = np.zeros((num_envs, episodes))
        self.lengths = np.zeros((num_envs, episodes), np.int64)
        self._episode = np.zeros(num_envs, np.int64)

    def clear(self) -> None:
        """Forget all episodes."""
        for array in (self.returns, self.lengths, self._episode):
            array.fill(0)

    @property
    def done(self) -> bool:
        """Whether all wanted episodes have ended."""
        return bool((self._episode == self.returns.shape[1]).all())

    @property
    def any_done(self) -> bool:
        """Whether an episode has ended."""
        return bool(self._episode.any())

    @reaction(sources=[reward, terminated, truncated])
    def record(self, reward: Array, terminated: Array, truncated: Array) -> None:
        """Add a step to the episodes that are still wanted."""
        env = np.flatnonzero(self._episode < self.returns.shape[1])
        self.returns[env, self._episode[env]] += reward[env]
        self.lengths[env, self._episode[env]] += 1
        self._episode[env] += (terminated | truncated)[env]


class Evaluation:
    """Runs `episodes` episodes in each environment of `bank`, by the actions that `choose` makes of observations, as
    often as it is asked to. Rewards are as the environments give them. `close` closes the bank.
    """

    def __init__(
        self, bank: EnvBank, choose: Callable[[Array], Array], *, episodes: int, place: Placement = INLINE
    ) -> None:
        topology = Topology()
        self.envs = topology.add("envs", bank)
        policy = topology.add("policy", Greedy(bank, choose))
        self.recorder = topology.add("recorder", EpisodeRecorder(bank.rows, episodes))
        topology.external(bank.request)
        topology.connect(bank.obs, policy.obs, delay=1)
        topology.connect(policy.action, bank.action)
        for name in ("reward", "terminated", "truncated"):
            topology.connect(getattr(bank, name), getattr(self.recorder, name))
        self.execution = execute(topology, place)

    def run(self, seeds: list[int]) -> dict[str, float]:
        """Begin with resets by these seeds, one per environment; returns RLlib's results of the episodes."""
        recorder, request = self.recorder, self.execution.input(self.envs.request)
        recorder.clear()
        for env, seed in enumerate(seeds):
            request[env] = (seed, None)
        self.execution.command("reset")
        tags = 0
        while not recorder.done:
            self.execution.advance(_TAGS)
            tags += _TAGS
            if tags == PATIENCE and not recorder.any_done:
                warnings.warn(
                    f"an evaluation waits for episodes to end, and after {tags:,} steps none of {self.envs.rows} "
                    "environments has ended one: wrap them in gymnasium.wrappers.TimeLimit",
                    RuntimeWarning,
                    stacklevel=3,
                )
        return {
            "episode_return_mean": float(recorder.returns.mean()),
            "episode_return_std": float(recorder.returns.std()),
            "episode_return_min": float(recorder.returns.min()),
            "episode_return_max": float(recorder.returns.max()),
            "episode_len_mean": float(recorder.lengths.mean()),
            "num_episodes": recorder.returns.size,
        }

    def close(self) -> None:
        """Close the environments; closing again does nothing."""
        self.execution.close()


def evaluate(
    bank: EnvBank, choose: Callable[[Array], Array], *, episodes: int, seeds: list[int], place: Placement = INLINE
) -> dict[str, float]:
    """Evaluate once, and close `bank`."""
    evaluation = Evaluation(bank, choose, episodes=episodes, place=place)
    try:
        return evaluation.run(seeds)
    finally:
        evaluation.close()
