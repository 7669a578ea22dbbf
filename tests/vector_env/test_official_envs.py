"""Environments that people use, of every family: the same as SyncVectorEnv, bit by bit, in every mode."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import minigrid
import pytest
from gymnasium.vector import AutoresetMode

from tests.vector_env.oracle import MODES, twins
from tests.vector_env.placements import on_few

gym.register_envs(minigrid)

# Enough steps for several episodes where they are short; few where a step is dear.
STEPS = {
    "CartPole": 150,
    "Acrobot": 60,
    "MountainCar": 220,
    "MountainCarContinuous": 60,
    "Pendulum": 220,
    "Blackjack": 60,
    "CliffWalking": 120,
    "FrozenLake": 120,
    "Taxi": 220,
    "LunarLander": 150,
    "BipedalWalker": 60,
    "Hopper": 60,
    "InvertedPendulum": 60,
    "Reacher": 60,
    "MiniGrid-Empty-5x5": 120,
    "MiniGrid-DoorKey-5x5": 60,
    "BabyAI-GoToRedBallGrey": 80,
}


def newest(name: str) -> str:
    """The id with the highest version that this Gymnasium has."""
    return f"{name}-v{max(spec.version or 0 for spec in gym.registry.values() if spec.name == name)}"


@on_few
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", STEPS)
def test_an_official_environment(name: str, mode: AutoresetMode, place: dict[str, Any]) -> None:
    make = partial(gym.make, newest(name))
    env_fns = [make, partial(make, max_episode_steps=17), make]
    with twins(env_fns, mode, **place) as both:
        both.reset(seed=11)
        both.run(STEPS[name])
        both.do("get_attr", "np_random")
        both.reset(options={"reset_mask": both.ended | True})
        both.run(5)
