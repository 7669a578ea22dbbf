"""`make_vec`, ids of our own for `gymnasium.make_vec`, and what RLlib is given: the same as Gymnasium makes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit

import reactvec
import reactvec.gym
from reactvec.rllib import env_creator
from tests.sample_envs import SampleEnv
from tests.vector_env.oracle import same

ENTRY_POINT = {"vectorization_mode": "vector_entry_point"}


def played(envs: gym.vector.VectorEnv[Any, Any, Any], steps: int = 30) -> list[Any]:
    envs.action_space.seed(3)
    seen: list[Any] = [envs.reset(seed=7)]
    seen += [envs.step(envs.action_space.sample()) for _ in range(steps)]
    envs.close()
    return seen


@pytest.fixture
def own_id() -> Iterator[str]:
    gym.register("mine/Sample-v3", entry_point=lambda kind="box": SampleEnv(kind), max_episode_steps=9)
    yield "mine/Sample-v3"
    for name in ("mine/Sample-v3", "reactvec/mine.Sample-v3"):
        gym.registry.pop(name, None)


@pytest.mark.parametrize(
    ("name", "kwargs", "wrappers"),
    [
        ("CartPole-v1", {}, []),
        ("CartPole-v1", {"max_episode_steps": 5, "sutton_barto_reward": True}, []),
        ("FrozenLake-v1", {"map_name": "8x8"}, []),
        ("Pendulum-v1", {"g": 5.0}, [partial(TimeLimit, max_episode_steps=7), RecordEpisodeStatistics]),
    ],
)
def test_make_vec_makes_what_gymnasium_makes(name: str, kwargs: dict[str, Any], wrappers: list[Any]) -> None:
    theirs = gym.make_vec(name, 3, vectorization_mode="sync", wrappers=wrappers, **kwargs)
    ours = reactvec.make_vec(name, 3, wrappers=wrappers, **kwargs)
    assert isinstance(ours, reactvec.ReactorVectorEnv)
    told, seen = played(theirs), played(ours)
    for result in told + seen:
        result[-1].pop("episode", None)  # has the time of day
    assert same(told, seen)


def test_keywords_go_where_they_belong() -> None:
    told = {"env_kwargs": {"render_mode": "rgb_array"}, "vector_kwargs": {"copy": False}}
    envs = reactvec.make_vec("Pendulum-v1", 2, g=3.0, placement="threads", **told)
    assert (envs.get_attr("g"), envs.render_mode) == ((3.0, 3.0), "rgb_array")
    assert (envs.placement, envs.copy) == ("threads", False)
    envs.close()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("CartPole-v1", 0), ValueError, "num_envs must be a positive whole number, got 0"),
        (("CartPole-v1", 2.0), ValueError, "positive whole number, got 2.0"),
        (("CartPole-v1", True), ValueError, "positive whole number, got True"),
        (("CartPool-v1", 2), gym.error.Error, "CartPool"),
        ((None, 2), TypeError, "an id is a string or an EnvSpec, got None"),
        (("no_such_module:CartPole-v1", 2), ModuleNotFoundError, "no_such_module"),
    ],
)
def test_arguments_that_make_no_sense(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        reactvec.make_vec(*arguments)


def test_the_mode_is_no_argument() -> None:
    with pytest.raises(TypeError, match="placement= says where"):
        reactvec.make_vec("CartPole-v1", 2, vectorization_mode="async")


def test_worker_processes_need_no_registration(own_id: str) -> None:
    ours = reactvec.make_vec(own_id, 2, kind="image", placement="processes", num_workers=2, context="spawn")
    assert ours.placement == "processes"
    assert same(played(gym.make_vec(own_id, 2, vectorization_mode="sync", kind="image")), played(ours))


def test_an_id_of_our_own() -> None:
    theirs = gym.make_vec("CartPole-v1", num_envs=4, vectorization_mode="sync")
    for chosen in ({}, ENTRY_POINT):
        ours = gym.make_vec("reactvec/CartPole-v1", num_envs=4, **chosen)
        assert isinstance(ours, reactvec.ReactorVectorEnv)
        assert ours.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
        assert "native" in ours.explain()
        assert same(played(gym.make_vec("CartPole-v1", num_envs=4, vectorization_mode="sync")), played(ours))
    single = gym.make("reactvec/CartPole-v1")
    assert str(single).replace("reactvec/", "") == str(gym.make("CartPole-v1"))
    theirs.close()


def test_options_reach_an_id_of_our_own() -> None:
    envs = gym.make_vec("reactvec/Pendulum-v1", num_envs=2, g=2.0, isolated=True, **ENTRY_POINT)
    assert (envs.get_attr("g"), envs.isolated) == ((2.0, 2.0), True)
    envs.close()


def test_gymnasium_makes_it_again_of_its_spec() -> None:
    first = reactvec.make_vec("Pendulum-v1", 2, g=2.0, placement="inline", wrappers=[RecordEpisodeStatistics])
    again = gym.make_vec(first.spec)
    assert isinstance(again, reactvec.ReactorVectorEnv)
    assert (again.num_envs, again.placement, again.get_attr("g")) == (2, "inline", (2.0, 2.0))
    assert again.visit(type) == (RecordEpisodeStatistics, RecordEpisodeStatistics)
    assert gym.make_vec(again.spec).num_envs == 2
    first.close()
    again.close()


def test_any_id_can_be_registered(own_id: str) -> None:
    assert reactvec.gym.register(own_id) == reactvec.gym.register(own_id) == ["reactvec/mine.Sample-v3"]
    ours = gym.make_vec("reactvec/mine.Sample-v3", num_envs=2, kind="image")
    assert same(played(gym.make_vec(own_id, num_envs=2, vectorization_mode="sync", kind="image")), played(ours))
    assert set(reactvec.gym.register()) >= {"reactvec/mine.Sample-v3", "reactvec/CartPole-v1"}
    assert not any(name.startswith("reactvec/reactvec") for name in gym.registry)


def test_what_cannot_be_registered() -> None:
    with pytest.raises(gym.error.Error, match="NoSuch"):
        reactvec.gym.register("NoSuch-v0")
    gym.register("mine/Batch-v0", vector_entry_point=lambda num_envs: SyncVectorEnv([SampleEnv] * num_envs))
    try:
        with pytest.raises(gym.error.Error, match="mine/Batch-v0 has no entry point for a single environment"):
            reactvec.gym.register("mine/Batch-v0")
        assert "reactvec/mine.Batch-v0" not in reactvec.gym.register()
    finally:
        gym.registry.pop("mine/Batch-v0")


def test_an_id_that_names_its_module_needs_no_import() -> None:
    script = (
        "import gymnasium as gym; envs = gym.make_vec('reactvec.gym:reactvec/CartPole-v1', num_envs=2, "
        "vectorization_mode='vector_entry_point'); print(type(envs).__name__)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ReactorVectorEnv\n", "")


def sample(config: Any) -> gym.Env[Any, Any]:
    return SampleEnv(config["kind"])


def test_a_creator_gives_one_environment_or_all() -> None:
    create = env_creator(sample, placement="processes", num_workers=2)
    single, envs = create({"kind": "image"}), create({"kind": "image", "num_envs": 3})
    assert isinstance(single, SampleEnv)
    assert isinstance(envs, reactvec.ReactorVectorEnv)
    assert (envs.num_envs, envs.placement) == (3, "processes")
    assert same(played(SyncVectorEnv([partial(SampleEnv, "image")] * 3)), played(envs))


def test_an_id_is_no_function() -> None:
    with pytest.raises(TypeError, match=r"got 'CartPole-v1'; for an id of Gymnasium, say config\.environment"):
        env_creator("CartPole-v1")  # type: ignore[arg-type]
