"""ReactorVecEnv gives what DummyVecEnv gives, wherever its environments live."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError
from gymnasium.wrappers import RescaleAction, TimeLimit
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import SubprocVecEnv

from reactvec.sb3 import ReactorVecEnv
from tests.faulty_envs import RAISE, FaultyEnv, OddError
from tests.sample_envs import SampleEnv, cartpole
from tests.sb3.oracle import PLACES, Both, same

everywhere = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
OBSERVATIONS = ("box", "image", "discrete", "multi_discrete", "multi_binary", "dict", "tuple")


@pytest.fixture
def made() -> Iterator[list[ReactorVecEnv]]:
    made: list[ReactorVecEnv] = []
    yield made
    for vector in made:
        vector.close()


@everywhere
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_results_are_those_of_dummy_vec_env(place: dict[str, Any], observation: str) -> None:
    both = Both([partial(SampleEnv, observation)] * 4, **place)
    both.do("seed", 3)
    both.do("reset")
    both.run(60)
    both.do("reset")
    both.run(5)
    both.close()


def test_functions_of_a_generator() -> None:
    envs = ReactorVecEnv(env_fn for env_fn in [cartpole] * 3)  # type: ignore[arg-type]
    assert envs.num_envs == len(envs.reset()) == 3
    envs.close()


@everywhere
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_official_environments(place: dict[str, Any], env_id: str) -> None:
    def cut() -> Any:
        return TimeLimit(gym.make(env_id).unwrapped, 7)

    for make in (partial(gym.make, env_id), cut):
        both = Both([make] * 4, **place)
        both.do("seed", 0)
        both.do("reset")
        both.run(40)
        both.close()


@everywhere
def test_seeds_and_options_are_used_once(place: dict[str, Any]) -> None:
    both = Both([SampleEnv] * 3, **place)
    assert both.do("seed", 8) == [8, 9, 10]
    both.do("set_options", [{"a": 1}, {}, {"b": [2]}])
    first = both.do("reset")
    assert [info["options"] for info in both.vector.reset_infos] == ["{'a': 1}", "None", "{'b': [2]}"]
    again = both.do("reset")
    assert first.tobytes() != again.tobytes()
    assert [info["options"] for info in both.vector.reset_infos] == ["None"] * 3
    both.do("set_options", {"c": 3})
    both.do("reset")
    both.close()


@everywhere
def test_calls_and_attributes(place: dict[str, Any]) -> None:
    both = Both([lambda: Monitor(SampleEnv())] * 4, **place)
    both.do("seed", 1)
    both.do("reset")
    both.do("set_attr", "mark", 5, indices=[0, -1])
    assert both.vector.get_attr("mark", indices=[0, 3]) == [5, 5]
    with pytest.raises(AttributeError):
        both.vector.get_attr("mark")
    assert not both.do("has_attr", "mark")
    assert both.do("has_attr", "scale")
    both.do("get_attr", "scale", 2)
    both.do("env_method", "draws", 3, offset=0.5, indices=(2, 0))
    both.do("env_is_wrapped", Monitor)
    both.do("env_is_wrapped", RescaleAction, indices=1)
    both.do("get_attr", "render_mode")
    both.run(10)
    both.close()


def test_what_cannot_be_pickled_can_be_asked_for(made: list[ReactorVecEnv]) -> None:
    class Odd(SampleEnv):
        generator = property(lambda self: (number for number in range(3)))

    for place in PLACES.values():
        made.append(ReactorVecEnv([Odd] * 2, **place))
        assert made[-1].has_attr("generator")
        with pytest.raises(TypeError, match="pickle"):
            made[-1].get_attr("generator")


@everywhere
def test_results_are_the_callers_own(place: dict[str, Any], made: list[ReactorVecEnv]) -> None:
    made.append(ReactorVecEnv([partial(SampleEnv, "dict")] * 4, **place))
    vector = made[-1]
    vector.seed(0)
    vector.reset()
    seen = [vector.step(np.zeros(4, int)) for _ in range(3)]
    kept = [repr(result) for result in seen]
    for _ in range(5):
        vector.step(np.zeros(4, int))
    assert [repr(result) for result in seen] == kept
    for observations, *_, infos in seen:
        observations["b"][:] = 7
        for info in infos:
            for value in info.values():
                if isinstance(value, np.ndarray):
                    value[:] = 7
            info.clear()
    both = Both([partial(SampleEnv, "dict")] * 4, **place)
    both.do("seed", 0)
    both.do("reset")
    both.run(8)
    both.close()


def test_make_vec_env_takes_it(made: list[ReactorVecEnv], tmp_path: Any) -> None:
    vector = make_vec_env(
        "CartPole-v1",
        n_envs=3,
        seed=4,
        monitor_dir=str(tmp_path),
        vec_env_cls=ReactorVecEnv,
        vec_env_kwargs={"start_method": "fork", "num_workers": 2},
    )
    made.append(vector)
    assert isinstance(vector, SubprocVecEnv)
    vector.reset()
    ended = []
    while len(ended) < 5:
        *_, infos = vector.step(np.array([vector.action_space.sample() for _ in range(3)]))
        ended += [info["episode"] for info in infos if "episode" in info]
    assert all(episode["r"] == episode["l"] for episode in ended)
    vector.close()
    lines = sum(len(file.read_text().splitlines()) - 2 for file in tmp_path.glob("*.monitor.csv"))
    assert lines == len(ended)


def test_frames(made: list[ReactorVecEnv]) -> None:
    both = Both([partial(cartpole, render_mode="rgb_array")] * 3, **PLACES["processes"])
    both.do("seed", 0)
    both.do("reset")
    assert both.do("render").shape[2] == 3
    both.do("get_images")
    both.close()
    made.append(ReactorVecEnv([SampleEnv], placement="inline"))
    with pytest.warns(UserWarning, match="assumes it is `rgb_array`"):
        assert made[-1].get_images() == [None]


def test_a_pending_step_ends_with_close() -> None:
    for place in PLACES.values():
        vector = ReactorVecEnv([SampleEnv] * 2, **place)
        vector.reset()
        vector.step_async(np.zeros(2, int))
        assert vector.waiting
        vector.close()
        vector.close()
        assert vector.closed
        assert vector.processes == []


@everywhere
def test_a_reset_gives_up_a_pending_step(place: dict[str, Any], made: list[ReactorVecEnv]) -> None:
    made.append(ReactorVecEnv([SampleEnv] * 4, **place))
    vector = made[-1]
    vector.seed(1)
    first = vector.reset()
    vector.step_async(np.zeros(4, int))
    vector.seed(1)
    assert vector.reset().tobytes() == first.tobytes()
    assert not vector.waiting
    assert len(vector.step(np.zeros(4, int))) == 4


@everywhere
def test_an_environment_that_fails_in_a_pending_step_can_be_closed(
    place: dict[str, Any], made: list[ReactorVecEnv]
) -> None:
    for resets in (False, True):
        made.append(ReactorVecEnv([FaultyEnv] * 4, **place))
        vector = made[-1]
        vector.reset()
        vector.step_async(np.full(4, RAISE))
        with pytest.raises(OddError):
            vector.step_wait()
        assert not vector.waiting
        if resets:
            vector.reset()
            assert vector.step(np.zeros(4, int))[1].tolist() == [1] * 4
        vector.close()


def test_what_others_look_at(made: list[ReactorVecEnv]) -> None:
    made += [ReactorVecEnv([SampleEnv] * 4, **PLACES[place]) for place in ("inline", "processes", "isolated")]
    assert [len(vector.processes) for vector in made] == [0, 1, 2]
    assert all(process.is_alive() for process in made[1].processes)
    for vector in made:
        assert (vector.waiting, vector.closed, vector.remotes) == (False, False, ())
        assert vector._seeds == [None] * 4
        assert vector._options == [{}] * 4
        assert vector.unwrapped is vector
        same(vector.reset_infos, [{}] * 4)


def test_a_bad_start_method() -> None:
    with pytest.raises(ValueError, match="cannot find context for 'quick'"):
        ReactorVecEnv([SampleEnv], start_method="quick")


def test_the_same_environment_twice_is_refused() -> None:
    env = SampleEnv()
    for place in PLACES.values():
        with pytest.raises(ValueError, match="the same environment"):
            ReactorVecEnv([lambda: env] * 4, **place)


def test_what_is_closed_is_called_by_its_name() -> None:
    vector = ReactorVecEnv([cartpole], placement="inline")
    vector.close()
    with pytest.raises(ClosedEnvironmentError, match="Trying to operate on `ReactorVecEnv`, after a call to"):
        vector.reset()
