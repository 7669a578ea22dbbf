"""The constructor: every argument of AsyncVectorEnv, ours after them, and the attributes that others read."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from reactvec import ReactorVectorEnv
from tests.sample_envs import SampleEnv, cartpole, never_fails

BOX = spaces.Box(0, 1, (2,))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"placement": "somewhere"}, ValueError, "'inline', 'threads', 'processes'"),
        ({"placement": "inline", "num_workers": 2}, ValueError, "placement='threads'"),
        ({"num_workers": 0}, ValueError, "from 1 to"),
        ({"num_workers": 3}, ValueError, "from 1 to"),
        ({"on_worker_failure": "restart"}, ValueError, "worker processes"),
        ({"on_worker_failure": "ignore"}, ValueError, "'raise' or 'restart'"),
        ({"worker": print}, ValueError, "AsyncVectorEnv"),
        ({"observation_mode": "differing"}, ValueError, "expected: 'same' or 'different' or tuple"),
        ({"observation_mode": (BOX, 1)}, TypeError, "Expected both elements of observation_mode to be Spaces"),
        ({"observation_mode": (BOX, 1)}, AssertionError, "Expected both elements"),
        ({"native": "yes"}, ValueError, "'auto', True or False"),
        ({"max_concurrency": 0}, ValueError, "must be a positive or None, got 0"),
        ({"max_concurrency": 1.5}, ValueError, "must be an integer or None, got <class 'float'>"),
        ({"max_concurrency": True}, ValueError, "must be an integer or None, got <class 'bool'>"),
        ({"num_workers": True}, ValueError, "num_workers=True must be a whole number from 1 to"),
        ({"num_workers": 2.0}, ValueError, r"num_workers=2\.0 must be a whole number from 1 to"),
        ({"num_workers": np.bool_(True)}, ValueError, "must be a whole number from 1 to"),
        ({"autoreset_mode": "Sometimes"}, ValueError, "Sometimes"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ReactorVectorEnv([cartpole] * 2, **arguments)


@pytest.mark.parametrize("place", [{}, {"isolated": True}], ids=str)
def test_environments_in_place_of_functions(place: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"env_fns\[1\] is not a function .* lambda: gym.make"):
        ReactorVectorEnv([cartpole, cartpole()], **place)  # type: ignore[list-item]


class Two:
    """A whole number of a library that has its own."""

    def __index__(self) -> int:
        return 2


@pytest.mark.parametrize("two", [np.int64(2), np.uint8(2), np.array(2), Two()], ids=lambda two: type(two).__name__)
@pytest.mark.parametrize("place", [{"placement": "threads"}, {"isolated": True}], ids=str)
def test_whole_numbers_of_any_type(two: Any, place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([never_fails] * 3, num_workers=two, max_concurrency=two, **place)
    assert vector.num_workers == 2
    assert type(vector.num_workers) is int
    vector.close()


def test_what_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="env_fns is empty"):
        ReactorVectorEnv([])
    with pytest.raises(ValueError, match="native=True, but no native kernel for SampleEnv"):
        ReactorVectorEnv([SampleEnv], native=True)


def test_the_arguments_of_async_come_first_and_in_its_order() -> None:
    ours = list(inspect.signature(ReactorVectorEnv).parameters.values())
    # Gymnasium has added arguments since 1.1, each at the end.
    stock = [*inspect.signature(AsyncVectorEnv).parameters.values()]
    assert [(one.name, one.default) for one in ours[: len(stock)]] == [(one.name, one.default) for one in stock]
    vector = ReactorVectorEnv([cartpole] * 2, False, False, "spawn", False, None, "same", "SameStep", np.int64(1))
    assert (vector.shared_memory, vector.copy, vector.context, vector.daemon) == (False, False, "spawn", False)
    assert (vector.autoreset_mode, vector.max_concurrency) == (AutoresetMode.SAME_STEP, 1)
    vector.close()


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_attributes(mode: AutoresetMode) -> None:
    vector, oracle = (kind([cartpole] * 3, autoreset_mode=mode.value) for kind in (ReactorVectorEnv, SyncVectorEnv))
    assert vector.num_envs == 3
    for name in ("render_mode", "spec", "closed", "metadata", "autoreset_mode", "env_fns", "unwrapped"):
        assert (getattr(vector, name) == getattr(oracle, name)) is (name != "unwrapped")
    assert vector.metadata["autoreset_mode"] is mode
    assert str(vector) == "ReactorVectorEnv(num_envs=3)"
    vector.metadata["mine"] = 1
    assert "mine" not in cartpole().metadata
    vector.close()
    oracle.close()
    assert vector.closed


def test_the_functions_may_come_from_anywhere() -> None:
    for env_fns in ((cartpole, cartpole), iter([cartpole, cartpole]), (cartpole for _ in range(2))):
        vector = ReactorVectorEnv(env_fns)
        assert vector.num_envs == len(vector.env_fns) == 2
        vector.close()


def test_concurrency_limits_the_workers() -> None:
    vector = ReactorVectorEnv([never_fails] * 4, placement="threads", num_workers=4, max_concurrency=np.int8(2))
    assert vector.num_workers == 2
    vector.close()


def test_explanation() -> None:
    vector, python = ReactorVectorEnv([cartpole] * 3), ReactorVectorEnv([cartpole] * 3, native=False)
    assert "native: CartPoles" in vector.explain()
    assert "envs.step[0:3]  native" in vector.explain()
    assert "Python: native=False" in python.explain()
    vector.close()
    python.close()
