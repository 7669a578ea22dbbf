"""Wrappers that record episodes see, of environments with a kernel, what they would see of others."""

from __future__ import annotations

import csv
import time
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

from reactvec import ReactorVectorEnv
from reactvec.envs import specialise
from reactvec.sb3 import ReactorVecEnv
from tests.sb3.oracle import same as same_for_sb3
from tests.vector_env.oracle import MODES, Twins, twins
from tests.vector_env.placements import where_kernels_run

NAMES = ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "MountainCarContinuous-v0"]
STATISTICS = "episode_count", "episode_returns", "episode_lengths", "return_queue", "length_queue"
MONITORED = "rewards", "needs_reset", "total_steps", "episode_returns", "episode_lengths"


@pytest.fixture
def _timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(perf_counter=lambda: 0.0, time=lambda: 0.0)
    monkeypatch.setattr(gym.wrappers.common, "time", clock)
    monkeypatch.setattr(stable_baselines3.common.monitor, "time", clock)


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
        same_for_sb3(one, other)

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


@timeless
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


@timeless
@of(partial(gym.make, "CartPole-v1", max_episode_steps=20), allow_early_resets=False)
def test_a_monitor_that_refuses_early_resets(both: Both) -> None:
    both.run(50)
    assert "native" in both.vector.explain()
    for side in (both.oracle, both.vector):
        with pytest.raises(RuntimeError, match="allow_early_resets"):
            side.reset()


@timeless
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
    "a RecordEpisodeStatistics inside another wrapper": lambda: TimeLimit(
        RecordEpisodeStatistics(gym.make("CartPole-v1").unwrapped), 9
    ),
    "Monitor.step has been replaced": None,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_recorders_that_a_kernel_does_not_serve(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make = REFUSED[reason] or (lambda: Monitor(gym.make("CartPole-v1")))
    assert specialise([Monitor(gym.make("CartPole-v1"))], AutoresetMode.SAME_STEP)[0] is not None
    if REFUSED[reason] is None:
        monkeypatch.setattr(Monitor, "step", lambda self, action: None)
    bank, why = specialise([make()], AutoresetMode.SAME_STEP)
    assert bank is None
    assert reason in why
