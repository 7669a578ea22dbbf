"""Gymnasium's vector wrappers around ReactorVectorEnv do what they do around the stock classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import vector as wrappers

from reactvec import ReactorVectorEnv
from tests.sample_envs import SampleEnv, cartpole, pendulum
from tests.vector_env.oracle import same
from tests.vector_env.placements import natively_and_not, on_few

AnyVectorEnv: TypeAlias = VectorEnv[Any, Any, Any]


def learner_stack(env: AnyVectorEnv) -> AnyVectorEnv:
    env = wrappers.RecordEpisodeStatistics(env)
    env = wrappers.NormalizeObservation(env)
    env = wrappers.TransformObservation(env, lambda obs: np.clip(obs, -3, 3), env.observation_space)
    env = wrappers.NormalizeReward(env, gamma=0.98)
    return wrappers.TransformReward(env, lambda reward: np.clip(reward, -5, 5))


WRAPPINGS: dict[str, Callable[[AnyVectorEnv], AnyVectorEnv]] = {
    "learner": learner_stack,
    "flat": lambda env: wrappers.FlattenObservation(env),
    "clipped": lambda env: wrappers.ClipReward(env, -0.5, 0.5),
    "actions": lambda env: wrappers.TransformAction(env, lambda actions: actions / 2, env.action_space),
    "rescaled actions": lambda env: wrappers.RescaleAction(env, np.float32(-1), np.float32(1)),
    "clipped actions": lambda env: wrappers.ClipAction(env),
    "each observation": lambda env: wrappers.VectorizeTransformObservation(
        env,
        gym.wrappers.TransformObservation,
        func=lambda obs: obs * 2,
        observation_space=spaces.Box(-16, 16, env.single_observation_space.shape, np.float32),
    ),
}


def run(vector: AnyVectorEnv, wrap: Callable[[AnyVectorEnv], AnyVectorEnv]) -> list[Any]:
    env = wrap(vector)
    env.action_space.seed(3)
    results: list[Any] = [env.reset(seed=0)]
    for _ in range(230):
        *step, infos = env.step(env.action_space.sample())
        results += [step, without_times(infos)]
    env.close()
    return results


def without_times(infos: Any) -> Any:
    """Infos but the seconds that an episode took."""
    if isinstance(infos, list):
        return [without_times(info) for info in infos]
    episode = {key: value for key, value in infos.get("episode", {}).items() if key not in ("t", "_t")}
    return {**infos, "episode": episode}


@on_few
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_wrapper(wrapping: str, place: dict[str, Any]) -> None:
    wrap = WRAPPINGS[wrapping]
    assert same(run(SyncVectorEnv([pendulum] * 3), wrap), run(ReactorVectorEnv([pendulum] * 3, **place), wrap))


@on_few
def test_infos_as_a_list(place: dict[str, Any]) -> None:
    wrap = wrappers.DictInfoToList
    assert same(run(SyncVectorEnv([SampleEnv] * 3), wrap), run(ReactorVectorEnv([SampleEnv] * 3, **place), wrap))


@natively_and_not
def test_a_stack_of_wrappers_beside_async(native: Any) -> None:
    theirs, ours = AsyncVectorEnv([cartpole] * 3), ReactorVectorEnv([cartpole] * 3, native=native)
    assert same(run(theirs, learner_stack), run(ours, learner_stack))
