"""Stable-Baselines3's Monitor around environments with a kernel, whose file it keeps writing."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3.common.monitor
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from reactvec.envs import specialise
from reactvec.sb3 import ReactorVecEnv
from tests.sb3.oracle import same

NAMES = ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "MountainCarContinuous-v0"]
MONITORED = "rewards", "needs_reset", "total_steps", "episode_returns", "episode_lengths"


@pytest.fixture(autouse=True)
def _timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes take no time, so that what is told of them can be compared."""
    clock = SimpleNamespace(perf_counter=lambda: 0.0, time=lambda: 0.0)
    monkeypatch.setattr(gym.wrappers.common, "time", clock)
    monkeypatch.setattr(stable_baselines3.common.monitor, "time", clock)


def recorded(name: str) -> gym.Env[Any, Any]:
    return RecordEpisodeStatistics(gym.make(name, max_episode_steps=30))


class Both:
    """DummyVecEnv and ReactorVecEnv over monitored environments that write files."""

    def __init__(self, make: Callable[[], gym.Env[Any, Any]], n: int, path: Path, **options: Any) -> None:
        def monitored(side: str, i: int) -> Monitor:
            return Monitor(make(), str(path / f"{side}{i}"), **options)

        self.oracle: VecEnv = DummyVecEnv([partial(monitored, "oracle", i) for i in range(n)])
        self.vector = ReactorVecEnv([partial(monitored, "vector", i) for i in range(n)])
        self.path, self.n = path, n

    def do(self, method: str, *args: Any, **kwargs: Any) -> None:
        one, other = (getattr(side, method)(*args, **kwargs) for side in (self.oracle, self.vector))
        same(one, other)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.do("step", np.array([self.oracle.action_space.sample() for _ in range(self.n)]))

    def close(self) -> None:
        self.oracle.close()
        self.vector.close()

    def files(self, side: str) -> list[list[dict[str, str]]]:
        return [
            list(csv.DictReader((self.path / f"{side}{i}.monitor.csv").read_text().splitlines()[1:]))
            for i in range(self.n)
        ]


@pytest.fixture
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Both]:
    make, n, options = request.param
    pair = Both(make, n, tmp_path, **options)
    pair.oracle.seed(3)
    pair.vector.seed(3)
    pair.do("reset")
    yield pair
    pair.close()


def of(make: Callable[[], gym.Env[Any, Any]], n: int = 2, **options: Any) -> pytest.MarkDecorator:
    """Which environments a test monitors, and how."""
    return pytest.mark.parametrize("both", [(make, n, options)], indirect=True, ids=[""])


@pytest.mark.parametrize("both", [(partial(recorded, name), 3, {}) for name in NAMES], indirect=True, ids=NAMES)
def test_a_monitor_writes_its_file(both: Both) -> None:
    for turn in range(6):
        both.run(29)
        for attribute in MONITORED:
            both.do("get_attr", attribute)
        both.do("env_method", "get_total_steps")
        if turn == 3:
            both.do("reset")
    both.do("env_is_wrapped", Monitor)
    assert "native" in both.vector.explain()
    both.close()
    assert both.files("vector") == both.files("oracle") != [[], [], []]


@of(partial(gym.make, "CartPole-v1", max_episode_steps=20), allow_early_resets=False)
def test_a_monitor_that_refuses_early_resets(both: Both) -> None:
    both.run(50)
    assert "native" in both.vector.explain()
    for side in (both.oracle, both.vector):
        with pytest.raises(RuntimeError, match="allow_early_resets"):
            side.reset()


@of(partial(gym.make, "MountainCar-v0", max_episode_steps=20))
def test_episodes_that_become_longer_than_the_monitor_expects(both: Both) -> None:
    both.run(15)
    for side in (both.oracle, both.vector):
        side.env_method("set_wrapper_attr", "_max_episode_steps", 70)
    both.run(150)
    assert "may take more steps than its Monitor was made for" in both.vector.explain()


REFUSED = {
    "a Monitor inside another wrapper": lambda: TimeLimit(Monitor(gym.make("CartPole-v1").unwrapped), 9),
    "a Monitor without a TimeLimit": lambda: Monitor(gym.make("CartPole-v1").unwrapped),
    "a Monitor with reset_keywords=('seed',)": lambda: Monitor(gym.make("CartPole-v1"), reset_keywords=("seed",)),
    "Monitor.step has been replaced": None,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_monitors_that_a_kernel_does_not_serve(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make = REFUSED[reason] or (lambda: Monitor(gym.make("CartPole-v1")))
    assert specialise([Monitor(gym.make("CartPole-v1"))], AutoresetMode.SAME_STEP)[0] is not None
    if REFUSED[reason] is None:
        monkeypatch.setattr(Monitor, "step", lambda self, action: None)
    bank, why = specialise([make()], AutoresetMode.SAME_STEP)
    assert bank is None
    assert reason in why
