"""The same trajectories as SyncVectorEnv, bit by bit, for every space, mode and placement."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from gymnasium.vector import AutoresetMode

from tests.sample_envs import SPACES, SampleEnv, cartpole
from tests.vector_env.oracle import MODES, RESETTING, assert_like_sync, twins
from tests.vector_env.placements import everywhere, natively_and_not, on_few


@everywhere
@natively_and_not
@pytest.mark.parametrize("mode", MODES)
def test_cartpole(mode: AutoresetMode, native: Any, place: dict[str, Any]) -> None:
    env_fns = [cartpole, partial(cartpole, max_episode_steps=12), partial(cartpole, sutton_barto_reward=True)] * 2
    assert_like_sync(env_fns, mode, 300, seed=3, native=native, **place)


@on_few
@pytest.mark.parametrize("observation", list(SPACES))
def test_every_observation_space(observation: str, place: dict[str, Any]) -> None:
    for mode in RESETTING:
        assert_like_sync([partial(SampleEnv, observation)] * 5, mode, 80, seed=1, **place)


@on_few
@pytest.mark.parametrize("action", list(SPACES))
def test_every_action_space(action: str, place: dict[str, Any]) -> None:
    with twins([partial(SampleEnv, "box", action)] * 3, **place) as both:
        both.reset(seed=2)
        both.run(40)
        both.do("get_attr", "actions")


@on_few
def test_without_infos(place: dict[str, Any]) -> None:
    for mode in MODES:
        assert_like_sync([partial(SampleEnv, infos=False)] * 3, mode, 60, seed=5, **place)
