"""Wrappers that record episodes see, of environments with a kernel, what they would see of others."""

from __future__ import annotations

import time
from functools import partial
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit

from reactvec import ReactorVectorEnv
from reactvec.envs import specialise
from tests.vector_env.oracle import MODES, Twins, twins
from tests.vector_env.placements import where_kernels_run

NAMES = ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "MountainCarContinuous-v0"]
STATISTICS = "episode_count", "episode_returns", "episode_lengths", "return_queue", "length_queue"


@pytest.fixture
def _timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(perf_counter=lambda: 0.0, time=lambda: 0.0)
    monkeypatch.setattr(gym.wrappers.common, "time", clock)


# Episodes take no time, so that what is told of them can be compared.
timeless = pytest.mark.usefixtures("_timeless")


def recorded(name: str, limit: int = 30, **options: Any) -> gym.Env[Any, Any]:
    return RecordEpisodeStatistics(gym.make(name, max_episode_steps=limit), **options)


def is_native(both: Twins) -> bool:
    return ", native: " in both.vector.explain().split("\n")[0]


@timeless
@where_kernels_run
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_episode_statistics(name: str, mode: AutoresetMode, place: dict[str, Any]) -> None:
    make = partial(recorded, name)
    with twins([make, partial(make, 9, stats_key="played"), partial(make, buffer_length=2)], mode, **place) as both:
        both.reset(seed=4)
        for turn in range(8):
            both.run(23)
            for attribute in STATISTICS:
                both.do("get_attr", attribute)
            both.reset(seed=turn, options={"reset_mask": np.arange(3) == turn % 3})
        assert is_native(both)


@timeless
def test_some_are_recorded_and_some_are_not() -> None:
    with twins([partial(recorded, "FrozenLake-v1"), partial(gym.make, "FrozenLake-v1")] * 2) as both:
        both.reset(seed=4)
        both.run(120)
        assert is_native(both)


@timeless
@pytest.mark.parametrize(("name", "value"), [("episode_returns", 5.0), ("episode_lengths", 3), ("gravity", 3.0)])
@pytest.mark.parametrize("mode", MODES)
def test_what_was_recorded_may_be_changed(mode: AutoresetMode, name: str, value: Any) -> None:
    with twins([partial(recorded, "CartPole-v1")] * 3, mode) as both:
        both.reset(seed=4)
        for _ in range(4):
            both.run(17)
            both.do("set_attr", name, value)
        both.run(40)
        assert is_native(both)


@pytest.mark.parametrize("mode", MODES)
def test_the_time_of_an_episode_is_that_since_its_reset(mode: AutoresetMode) -> None:
    vector = ReactorVectorEnv([partial(recorded, "CartPole-v1", 3)], autoreset_mode=mode)
    vector.reset(seed=0)
    for _ in range(2):
        for _ in range(3):
            time.sleep(0.05)
            infos = vector.step(np.zeros(1, int))[4]
        if mode is AutoresetMode.NEXT_STEP:
            time.sleep(0.2)  # before the reset, which does not count
            vector.step(np.zeros(1, int))
        elif mode is AutoresetMode.DISABLED:
            time.sleep(0.2)
            vector.reset()
        told = infos.get("final_info", infos)["episode"]
        assert 0.15 <= told["t"][0] < 0.33
    vector.close()


def test_recorders_inside_other_wrappers_are_not_served() -> None:
    make = lambda: TimeLimit(RecordEpisodeStatistics(gym.make("CartPole-v1").unwrapped), 9)  # noqa: E731
    reason = specialise([make()], AutoresetMode.SAME_STEP)[1]
    assert reason == "a RecordEpisodeStatistics inside another wrapper"
