"""One evaluator for agents of any library: whole episodes on given seeds, in plain Gymnasium environments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

ENVS, EPISODES = 20, 100
# Odd, and far from the seeds of trainings: ours draws even ones for its environments, SB3 counts on from its own seed.
SEEDS = tuple(1_000_001 + 2 * episode for episode in range(EPISODES))

Choose = Callable[[Any], Any]
MakeEnv = Callable[[], "gym.Env[Any, Any]"]


@dataclass
class Player:
    """An environment that plays one episode per seed, in order."""

    env: gym.Env[Any, Any]
    seeds: list[int]
    returns: list[float] = field(default_factory=list)
    obs: Any = None
    total: float = 0.0

    def begin(self) -> None:
        """Reset to the next seed."""
        self.obs, _ = self.env.reset(seed=self.seeds[len(self.returns)])
        self.total = 0.0

    def step(self, action: Any) -> None:
        """Play one step; go on to the next seed after an end."""
        self.obs, reward, terminated, truncated, _ = self.env.step(action)
        self.total += float(reward)
        if terminated or truncated:
            self.returns.append(self.total)
            if not self.done:
                self.begin()

    @property
    def done(self) -> bool:
        """Whether every seed was played."""
        return len(self.returns) == len(self.seeds)


def evaluate(choose: Choose, make_env: MakeEnv, seeds: Sequence[int] = SEEDS, envs: int = ENVS) -> list[float]:
    """The undiscounted, raw return of an episode from each seed.

    `choose` gets observations `[n, *shape]` of those of `envs` environments that still play, and returns n actions.
    Every environment plays the same number of episodes if `envs` divides their number.
    """
    with ExitStack() as stack:
        players = [Player(make_env(), list(seeds[first::envs])) for first in range(min(envs, len(seeds)))]
        for player in players:
            stack.callback(player.env.close)
            player.begin()
        while active := [player for player in players if not player.done]:
            actions = choose(np.stack([player.obs for player in active]))
            for player, action in zip(active, actions, strict=True):
                player.step(action)
    return [players[index % envs].returns[index // envs] for index in range(len(seeds))]


def random_return(make_env: MakeEnv, episodes: int = EPISODES) -> float:
    """The mean return of uniformly random actions."""
    space = make_env().action_space
    space.seed(0)
    seeds = [SEEDS[-1] + 2 * episode for episode in range(1, episodes + 1)]
    return float(np.mean(evaluate(lambda obs: [space.sample() for _ in obs], make_env, seeds)))
