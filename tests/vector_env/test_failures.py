"""An environment that fails is named, its exception comes back whole, and a reset or a close works afterwards."""

from __future__ import annotations

import re
import threading
from functools import partial
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from reactvec import ReactorVectorEnv
from tests.sample_envs import FailingEnv, never_fails
from tests.vector_env.placements import everywhere, on_few


class OddError(Exception):
    """What no library raises."""


def names_environment(error: BaseException, index: int) -> bool:
    name = f"sub-environment {index}"
    return any(name in note for note in getattr(error, "__notes__", [name]))


@everywhere
@pytest.mark.parametrize("where", ["step", "reset", "shape", "dtype", "reward", "info"])
def test_an_environments_exception_comes_back_whole(where: str, place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([*[never_fails] * 3, partial(FailingEnv, where, OddError("odd"))], **place)
    expected = {"shape": (ValueError,), "dtype": (TypeError,), "step": (OddError,), "reset": (OddError,)}
    with pytest.raises(expected.get(where, (ValueError, TypeError, AttributeError))) as raised:
        reset_and_step(vector, 5)
    if where in ("step", "reset"):
        assert where in [entry.name for entry in raised.traceback]
    assert names_environment(raised.value, 3)
    with pytest.raises(ResetNeeded):
        vector.step(np.zeros(4, int))
    assert vector.get_attr("where") == ("never", "never", "never", where)
    vector.close()


class OddInfo(gym.Env[Any, Any]):
    """Returns an info that its options or its action choose."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(4)
    choices = (None, [], ["text"], MappingProxyType({"key": 1}))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        return np.zeros(2, np.float32), self.choices[options["info"]] if options else {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        return np.zeros(2, np.float32), 0.0, False, False, self.choices[action]


@everywhere
@pytest.mark.parametrize("choice", range(3))
def test_an_info_that_is_no_dict_is_named(choice: int, place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([OddInfo] * 4, **place)
    vector.reset()
    wrong = re.escape(f"an info is a dict, and this one is {OddInfo.choices[choice]!r}")
    with pytest.raises(TypeError, match=wrong) as raised:
        vector.step(np.array([3, 3, 3, choice]))
    assert names_environment(raised.value, 3)
    with pytest.raises(TypeError, match=wrong) as raised:
        vector.reset(options=[None, None, None, {"info": choice}])
    assert names_environment(raised.value, 3)
    vector.reset()
    *_, infos = vector.step(np.full(4, 3))
    assert infos["key"].tolist() == [1, 1, 1, 1]
    vector.close()


@everywhere
@pytest.mark.parametrize("where", ["init", "reset", "step", "call"])
@pytest.mark.parametrize("error", [SystemExit(3), SystemExit("text"), GeneratorExit("gone"), KeyboardInterrupt()])
def test_what_ends_a_program_is_the_environments_exception(
    where: str, error: BaseException, place: dict[str, Any]
) -> None:
    made: list[ReactorVectorEnv] = []

    def run() -> None:
        made.append(ReactorVectorEnv([*[never_fails] * 3, partial(FailingEnv, where, error)], **place))
        reset_and_step(made[0], 5)
        made[0].call("fail")

    with pytest.raises(type(error)) as raised:
        run()
    assert raised.value.args == error.args
    assert getattr(raised.value, "code", None) == getattr(error, "code", None)
    assert names_environment(raised.value, 3)
    for vector in made:
        if where != "reset":
            vector.reset(seed=0)
            vector.step(np.zeros(4, int))
        vector.close()


def reset_and_step(vector: ReactorVectorEnv, steps: int) -> None:
    vector.reset(seed=0)
    for _ in range(steps):
        vector.step(np.zeros(vector.num_envs, int))


@on_few
def test_failing_to_build_or_to_close(place: dict[str, Any]) -> None:
    before = threading.active_count()
    with pytest.raises(KeyError, match="building") as raised:
        ReactorVectorEnv([never_fails, never_fails, partial(FailingEnv, "init", KeyError("building"))], **place)
    assert names_environment(raised.value, 2)
    vector = ReactorVectorEnv([never_fails, partial(FailingEnv, "close", KeyError("closing"))], **place)
    with pytest.raises(KeyError, match="closing"):
        vector.close()
    assert threading.active_count() == before
