"""Steps that are too short to share come back into this process; nobody can tell but by the clock."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils import EzPickle
from gymnasium.vector import AutoresetMode

from reactvec import ReactorVectorEnv
from reactvec.handover import packed
from reactvec.recovery import EnvironmentsLostError
from reactvec.sharing import LIGHT_NS, WINDOW_STEPS, WINDOWS, Sharing
from tests.sample_envs import SPACES, SampleEnv
from tests.vector_env.oracle import MODES, twins

SHARED = {"native": False, "num_workers": 3}


class BuiltAnew(SampleEnv, EzPickle):
    """Pickling it builds another one."""

    def __init__(self) -> None:
        EzPickle.__init__(self)
        super().__init__()


class HoldsOne(gym.Wrapper[Any, Any, Any, Any]):
    """Something inside of it would begin anew."""

    def __init__(self) -> None:
        super().__init__(SampleEnv())
        self.inside = BuiltAnew()


class HasLock(SampleEnv):
    """Not to be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


@pytest.fixture
def five_steps_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """After five steps it is decided that sharing does not pay."""
    counted = {"steps": 0}

    def loses(sharing: Sharing) -> bool:
        counted["steps"] += 1
        return counted["steps"] == 5

    monkeypatch.setattr(Sharing, "loses", loses)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("observation", list(SPACES))
def test_coming_back_changes_nothing(five_steps_are_enough: None, observation: str, mode: AutoresetMode) -> None:
    with twins([partial(SampleEnv, observation)] * 5, mode, **SHARED) as both:
        assert both.vector.placement == "processes"
        both.reset(seed=3)
        both.run(4)
        assert both.vector.placement == "processes"
        spaces = both.vector.observation_space, both.vector.action_space
        both.run(30)
        assert both.vector.placement == "inline"
        assert "too short to share" in both.vector.explain()
        assert (both.vector.observation_space, both.vector.action_space) == spaces
        both.reset(options={"reset_mask": np.array([True, False, True, False, True])})
        both.run(10)
        both.do("get_attr", "np_random")


def test_observations_before_and_after_are_the_callers_own(five_steps_are_enough: None) -> None:
    vector = ReactorVectorEnv([partial(SampleEnv, "dict")] * 4, copy=False, **SHARED)
    vector.reset(seed=0)
    seen = [vector.step(np.zeros(4, int))[0] for _ in range(8)]
    assert all(np.isfinite(obs["b"]).all() for obs in seen)
    vector.close()


class HasViews(SampleEnv):
    """A copy would have two arrays in place of one."""

    def __init__(self) -> None:
        super().__init__()
        self.state = np.zeros(4)
        self.place = self.state[:2]


class HasSentinel(SampleEnv):
    def __init__(self) -> None:
        super().__init__()
        self.goal = object()


class CleansUp(SampleEnv):
    def __del__(self) -> None:
        """A copy would do it too."""


CHANGED = [BuiltAnew, HoldsOne, HasLock, HasViews, HasSentinel, CleansUp]


@pytest.mark.parametrize("make", CHANGED)
def test_what_would_not_survive_the_way_stays_where_it_is(five_steps_are_enough: None, make: Any) -> None:
    with twins([make] * 4, **SHARED) as both:
        both.reset(seed=3)
        both.run(20)
        assert both.vector.placement == "processes"
        both.reset(seed=4)
        both.run(5)


def test_what_is_copied_whole() -> None:
    for name in ("CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Acrobot-v1"):
        env = gym.make(name)
        env.reset(seed=0)
        assert packed([env]) is not None
    for make in CHANGED:
        assert packed([make()]) is None


@pytest.mark.parametrize(
    ("took_ns", "worked_ns", "between_ns", "comes_back"),
    [
        (10_000, 5_000, 0, True),
        (5_000, 10_000, 0, False),
        (2 * LIGHT_NS, LIGHT_NS + 1, 0, False),
        (50_000, 100_000, 300_000, False),
        (50_000, 100_000, 1_000_000, True),
        (150_000, LIGHT_NS + 1, 100_000_000, False),
    ],
)
def test_the_rule(
    took_ns: int, worked_ns: int, between_ns: int, comes_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Timed:
        def work_ns(self) -> tuple[int, int]:
            return took_ns * WINDOW_STEPS, worked_ns * WINDOW_STEPS

    moments = count(0, WINDOW_STEPS * (took_ns + between_ns))
    monkeypatch.setattr("reactvec.sharing.time", SimpleNamespace(monotonic_ns=lambda: next(moments)))
    sharing = Sharing(Timed())  # type: ignore[arg-type]
    decisions = [sharing.loses() for _ in range(WINDOW_STEPS * WINDOWS)]
    assert decisions == [False] * (WINDOW_STEPS * WINDOWS - 1) + [comes_back]


def test_a_worker_that_died_before_is_named(five_steps_are_enough: None) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 4, num_workers=2, native=False)
    vector.reset(seed=0)
    for _ in range(4):
        vector.step(np.zeros(4, int))
    os.kill(vector.call("process")[3], signal.SIGKILL)
    with pytest.raises(EnvironmentsLostError, match="environments 2 to 3"):
        vector.step(np.zeros(4, int))
    vector.close()


def test_what_was_asked_for_by_name_stays() -> None:
    vector = ReactorVectorEnv([SampleEnv] * 4, placement="processes", num_workers=2)
    assert vector._deployment.sharing is None
    vector.close()
