"""call, get_attr, set_attr and render: Gymnasium's, on copies, of all environments or some."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv

from reactvec import ReactorVectorEnv
from tests.sample_envs import SampleEnv, cartpole, pendulum
from tests.vector_env.oracle import MODES, same, twins
from tests.vector_env.placements import everywhere, natively_and_not, on_few

TimeLimited = partial(gym.wrappers.TimeLimit, max_episode_steps=9)


def limited() -> gym.Env[Any, Any]:
    return TimeLimited(SampleEnv())


@everywhere
@pytest.mark.parametrize("mode", MODES)
def test_calls_between_steps(mode: Any, place: dict[str, Any]) -> None:
    with twins([limited] * 5, mode, **place) as both:
        both.do("get_attr", "scale")
        both.do("set_attr", "scale", 3.0)
        both.reset(seed=0)
        for turn in range(8):
            both.run(3)
            both.do("call", "draws", turn, offset=0.5)
            both.do("set_attr", "scale", [float(turn + i) for i in range(5)])
            both.do("get_attr", "scale")
            both.do("get_attr", "_max_episode_steps")
            both.do("get_attr", "np_random")
            both.reset(options={"reset_mask": np.arange(5) % 2 == 1})


@everywhere
def test_some_environments(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 5, **place)
    vector.set_attr("scale", 2.0, indices=[0, -1])
    vector.set_attr("scale", (7.0, 8.0), indices=np.array([3, 1]))
    vector.set_attr("scale", 9.0, indices=2)
    assert vector.get_attr("scale") == (2.0, 8.0, 9.0, 7.0, 2.0)
    assert vector.get_attr("scale", indices=(-2, 0)) == (7.0, 2.0)
    assert vector.get_attr("scale", indices=[]) == ()
    assert vector.call("keep", "me", indices=-4) == ("me",)
    assert vector.call("has_wrapper_attr", "kept") == (False, True, False, False, False)
    vector.call_async("keep", 1, indices=iter([4, 3]))
    assert vector.call_wait() == (1, 1)
    vector.close()


@everywhere
def test_calls_take_no_tag_and_leave_views_as_they_are(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 4, copy=False, **place)
    vector.reset(seed=0)
    for _ in range(3):
        observations, *_ = vector.step(np.zeros(4, int))
        kept, tag = observations.copy(), vector._deployment.execution.tag
        vector.get_attr("scale")
        vector.set_attr("scale", 2.0, indices=1)
        vector.render()
        with pytest.raises(KeyError):
            vector.call("fail", KeyError("odd"), indices=3)
        assert vector._deployment.execution.tag == tag
        assert observations.tobytes() == kept.tobytes()
    vector.step(np.zeros(4, int))
    assert observations.tobytes() == kept.tobytes()
    vector.close()


@on_few
def test_indices_and_values_that_make_no_sense(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 3, **place)
    for indices in (3, -4, [0, 5]):
        with pytest.raises(IndexError, match=r"there is no sub-environment .*; there are 3"):
            vector.get_attr("scale", indices=indices)
    with pytest.raises(ValueError, match="twice"):
        vector.get_attr("scale", indices=[0, -3])
    for words in ("01", [0.0], 1.0, np.array([0.0, 1.0]), [None], [[0, 1]]):
        with pytest.raises(TypeError, match=r"indices=.*: give whole numbers"):
            vector.get_attr("scale", indices=words)
    for mask in ([True, False], np.array([True, False, True]), (np.bool_(True),), True, [0, False]):
        with pytest.raises(TypeError, match=r"indices=.*: truth values.*np\.flatnonzero\(mask\)"):
            vector.get_attr("scale", indices=mask)
    assert vector.get_attr("scale", indices=np.array(2)) == (1.0,)
    assert vector.get_attr("scale", indices=[np.array(2), np.uint8(0)]) == (1.0, 1.0)
    with pytest.raises(ValueError, match="Got `2` values for 3 environments"):
        vector.set_attr("scale", [1.0, 2.0])
    with pytest.raises(ValueError, match="Got `3` values for 1 environments"):
        vector.set_attr("scale", [1.0, 2.0, 3.0], indices=[1])
    assert vector.get_attr("scale") == (1.0, 1.0, 1.0)
    vector.close()


@pytest.mark.parametrize("name", ["reset", "step", "close"])
def test_what_has_a_method_of_its_own_is_not_called(name: str) -> None:
    vector = ReactorVectorEnv([cartpole] * 2)
    for call in (vector.call, vector.call_async):
        with pytest.raises(ValueError, match=f"Trying to call function `{name}` with `call`, use `{name}` directly"):
            call(name)
    vector.reset()
    vector.close()


@everywhere
def test_what_crosses_is_a_copy(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 4, **place)
    given = [1, 2]
    kept = vector.call("keep", given)
    assert kept == ([1, 2],) * 4
    given.append(3)
    kept[0].append(4)
    assert vector.get_attr("kept") == ([1, 2],) * 4
    vector.set_attr("kept", {"one": given})  # one value, but each environment has its own
    given.append(5)
    vector.call("keep", "other", indices=0)
    assert vector.get_attr("kept") == ("other", *[{"one": [1, 2, 3]}] * 3)
    vector.close()


@on_few
def test_functions_without_a_name_cross_too(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 2, **place)
    assert [function(2) for function in vector.call("keep", lambda x: x + 1)] == [3, 3]
    vector.close()


@everywhere
def test_what_cannot_be_copied_is_named(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 4, **place)
    with pytest.raises(TypeError, match="pickle"):
        vector.call("keep", threading.Lock())
    vector.set_attr("kept", 1)
    vector.call("lock", indices=[2])
    with pytest.raises(TypeError, match="pickle") as raised:
        vector.get_attr("kept", indices=[1, 2])
    assert any("sub-environment 2" in note for note in getattr(raised.value, "__notes__", ["sub-environment 2"]))
    vector.close()


@everywhere
def test_a_call_that_fails_disturbs_nothing(place: dict[str, Any]) -> None:
    with twins([SampleEnv] * 4, **place) as both:
        both.reset(seed=0)
        both.run(5)
        with pytest.raises(KeyError, match="no") as raised:
            both.vector.call("fail", KeyError("no"))
        assert [entry.name for entry in raised.traceback][-1] == "fail"
        notes = getattr(raised.value, "__notes__", ["sub-environment 0"])
        assert any("sub-environment 0" in note for note in notes)
        with pytest.raises(AttributeError):
            both.vector.get_attr("nothing of this name")
        both.run(5)
        both.reset(options={"reset_mask": np.array([True, False, False, True])})


@everywhere
def test_the_other_environments_are_called_all_the_same(place: dict[str, Any]) -> None:
    """Whichever worker they belong to."""
    vector = ReactorVectorEnv([SampleEnv] * 5, **place)
    vector.set_attr("keep", [None, len, len, None, len])  # in place of the method
    with pytest.raises(TypeError):
        vector.call("keep", 5)
    vector.set_attr("scale", 4.0)
    with pytest.raises(ValueError, match="odd"):
        vector.call("fail", ValueError("odd"), indices=[4, 1])
    assert vector.get_attr("scale") == (4.0,) * 5
    vector.close()


@everywhere
def test_render(place: dict[str, Any]) -> None:
    with twins([SampleEnv] * 4, **place) as both:
        both.reset(seed=0)
        both.run(3)
        both.do("render")


@natively_and_not
def test_render_of_an_official_environment(native: Any) -> None:
    with twins([partial(cartpole, render_mode="rgb_array")] * 2, native=native) as both:
        assert both.vector.render_mode == "rgb_array"
        both.reset(seed=0)
        both.run(4)
        both.do("render")
        both.run(4)


@on_few
def test_random_generators(place: dict[str, Any]) -> None:
    with twins([pendulum] * 3, **place) as both:
        both.reset(seed=3)
        assert both.vector.np_random_seed == (3, 4, 5)
        assert same(both.vector.np_random, both.oracle.np_random)
        both.run(3)
        both.do("set_attr", "np_random", [np.random.default_rng(i) for i in range(3)])
        assert both.vector.np_random_seed == (-1, -1, -1)
        both.reset()
        both.run(3)


def test_one_generator_for_all_becomes_one_for_each_as_in_async() -> None:
    oracle, vector = AsyncVectorEnv([pendulum] * 2), ReactorVectorEnv([pendulum] * 2)
    for env in (oracle, vector):
        env.reset(seed=0)
        env.set_attr("np_random", np.random.default_rng(5))
    assert same(oracle.reset(), vector.reset())
    oracle.close()
    vector.close()
