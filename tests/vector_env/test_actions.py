"""Actions reach their environments as Gymnasium hands them out; those that do not fit reach none."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import SyncVectorEnv

from reactvec import ReactorVectorEnv
from tests.envs.kinds import KINDS
from tests.sample_envs import SampleEnv, cartpole, pendulum
from tests.vector_env.oracle import same, twins
from tests.vector_env.placements import natively_and_not, on_few


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_actions_keep_their_dtype(dtype: Any) -> None:
    with twins([pendulum] * 3) as both:
        both.reset(seed=0)
        for action in np.random.default_rng(0).uniform(-2, 2, (100, 3, 1)).astype(dtype):
            both.step(action)


@on_few
@pytest.mark.parametrize("make", [list, lambda actions: actions.astype(np.int32), np.asfortranarray, tuple])
def test_a_batch_may_come_in_any_form(make: Any, place: dict[str, Any]) -> None:
    """Typed and given actions in turn, of a space whose actions are arrays."""
    with twins([partial(SampleEnv, "box", "multi_discrete")] * 4, **place) as both:
        both.reset(seed=0)
        for _ in range(10):
            both.step()
            both.step(make(both.oracle.action_space.sample()))
        both.do("get_attr", "actions")


@natively_and_not
def test_a_list_of_python_ints(native: Any) -> None:
    with twins([cartpole] * 3, native=native) as both:
        both.reset(seed=0)
        both.step([0, 1, 0])
        both.step(np.array([1, 0, 1], np.int32))


@natively_and_not
def test_an_iterator(native: Any) -> None:
    with twins([cartpole] * 3, native=native) as both:
        both.reset(seed=0)
        assert same(both.vector.step(iter([0, 1, 0])), both.oracle.step(np.array([0, 1, 0])))


@natively_and_not
@pytest.mark.parametrize("form", [list, tuple, np.array, lambda rows: [np.array(row) for row in rows]])
@pytest.mark.parametrize("kind", [int, bool, float, np.bool_, np.int8, np.uint8, np.int32, np.uint64, np.float64])
def test_numbers_of_every_kind_count_as_in_gymnasium(native: Any, form: Any, kind: Any) -> None:
    actions = form([kind(row) for row in (0, 1, 0)])
    with twins([cartpole] * 3, native=native) as both:
        both.reset(seed=0)
        try:
            both.oracle.step(actions)
        except AssertionError:
            with pytest.raises((AssertionError, TypeError)):
                both.vector.step(actions)
        else:
            both.reset(seed=0)
            both.step(actions)


@on_few
@pytest.mark.parametrize("given", [False, True])
def test_the_batch_is_copied(given: bool, place: dict[str, Any]) -> None:
    """An environment may keep its action, and the caller may write over the batch."""
    with twins([partial(SampleEnv, "box", "box")] * 2, **place) as both:
        both.reset(seed=0)
        actions = np.ones((2, 3), np.float64 if given else np.float32)
        both.vector.step_async(actions)
        actions[:] = 0
        assert same(both.vector.step_wait(), both.oracle.step(actions + actions.dtype.type(1)))
        both.do("get_attr", "actions")
        both.step(actions)
        both.do("get_attr", "actions")


@natively_and_not
@on_few
def test_wrong_actions_are_refused_before_anything_steps(native: Any, place: dict[str, Any]) -> None:
    vector, twin = (ReactorVectorEnv([cartpole] * 3, native=native, **place) for _ in range(2))
    assert same(vector.reset(seed=0), twin.reset(seed=0))
    for wrong, error in (([0, 1], ValueError), ([0, 1, 0, 1], ValueError), (1, TypeError), (np.array(1), TypeError)):
        with pytest.raises(error):
            vector.step(wrong)
    for _ in range(50):
        assert same(vector.step(np.ones(3, int)), twin.step(np.ones(3, int)))
    vector.close()
    twin.close()


@natively_and_not
@on_few
def test_an_invalid_action_is_refused_as_gymnasium_does(native: Any, place: dict[str, Any]) -> None:
    vector, oracle = ReactorVectorEnv([cartpole] * 3, native=native, **place), SyncVectorEnv([cartpole] * 3)
    vector.reset(seed=0)
    oracle.reset(seed=0)
    with pytest.raises(AssertionError) as expected:
        oracle.step(np.array([0, 5, 0]))
    with pytest.raises(AssertionError) as refused:
        vector.step(np.array([0, 5, 0]))
    assert str(refused.value) == str(expected.value)
    assert any("sub-environment 1" in note for note in getattr(refused.value, "__notes__", ["sub-environment 1"]))
    with pytest.raises(ResetNeeded, match="AssertionError"):
        vector.step(np.zeros(3, int))
    vector.reset(seed=0)
    vector.step(np.zeros(3, int))
    vector.close()
    oracle.close()


ODD_ACTIONS: dict[str, Any] = {
    "float": lambda least: np.zeros(3),
    "bool": lambda least: np.ones(3, bool),
    "int8": lambda least: np.ones(3, np.int8),
    "uint64": lambda least: np.ones(3, np.uint64),
    "far": lambda least: np.full(3, 2**62),
    "unsigned and far": lambda least: np.full(3, 2**64 - 1, np.uint64),
    "one too high": lambda least: np.array([0, 0, 6]),
    "one too low": lambda least: np.array([0, least - 1, 0]),
    "lists": lambda least: [[0], [0], [0]],
    "strings": lambda least: ["0", "1", "0"],
    "None": lambda least: [None, 0, 0],
    "too few": lambda least: [0, 0],
    "too many": lambda least: np.zeros(4, int),
    "a matrix": lambda least: np.zeros((3, 2), int),
    "a scalar": lambda least: 0,
    "nothing": lambda least: None,
    "NaN": lambda least: np.full(3, np.nan),
}


def outcome(vector: Any, actions: Any) -> Any:
    """What a step returns, or what it raises."""
    try:
        return vector.step(actions)
    except Exception as error:
        return error


def assert_alike(one: Any, other: Any) -> None:
    """The same results, or the same exception: ours may also be a ValueError or TypeError that says more."""
    if not isinstance(one, Exception):
        assert same(one, other), (one, other)
    elif type(other) is not type(one):
        assert isinstance(one, Exception), (one, other)
        assert type(other) in (ValueError, TypeError), (one, other)
    elif type(one) not in (ValueError, TypeError):
        assert str(one) == str(other)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("odd", ODD_ACTIONS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "Continuous" not in kind.name and kind.name != "Pendulum"])
def test_kernels_refuse_actions_as_their_environments_do(kind: Any, odd: str) -> None:
    actions = ODD_ACTIONS[odd](-3 if kind.name == "Acrobot" else 0)
    with twins([partial(gym.make, kind.id)] * 3) as both:
        both.reset(seed=0)
        both.run(2)
        one, other = outcome(both.oracle, actions), outcome(both.vector, actions)
        assert_alike(one, other)
        both.reset(seed=1)
        both.run(3)


ODD_BOXES: dict[str, Any] = {
    "float64": np.full((3, 1), 0.3),
    "NaN": np.full((3, 1), np.nan, np.float32),
    "infinite": np.array([[np.inf], [-np.inf], [0]], np.float32),
    "ints": np.ones((3, 1), int),
    "lists": [[0.3], [1.7], [-4.0]],
    "arrays": [np.ones(1, np.float32)] * 3,
    "scalars": np.zeros(3, np.float32),
    "two each": np.zeros((3, 2), np.float32),
    "too few": np.zeros((2, 1), np.float32),
    "too many": np.zeros((4, 1), np.float32),
    "strings": [["0"], ["1"], ["0"]],
    "nothing": None,
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("odd", ODD_BOXES)
@pytest.mark.parametrize("name", ["Pendulum-v1", "MountainCarContinuous-v0"])
def test_kernels_take_continuous_actions_as_their_environments_do(name: str, odd: str) -> None:
    with twins([partial(gym.make, name)] * 3) as both:
        both.reset(seed=0)
        both.run(2)
        for _ in range(2):
            one, other = outcome(both.oracle, ODD_BOXES[odd]), outcome(both.vector, ODD_BOXES[odd])
            assert_alike(one, other)
            if isinstance(one, Exception):
                break
        both.reset(seed=1)
        both.run(3)
