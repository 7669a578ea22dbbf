"""Which spaces there are, how they are batched in each observation mode, and which are refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from reactvec import ReactorVectorEnv
from tests.sample_envs import CUSTOM, DYNAMIC, SPACES, BoundedEnv, SampleEnv, cartpole, pendulum
from tests.vector_env.oracle import RESETTING, same, twins
from tests.vector_env.placements import natively_and_not, on_few, where_kernels_run


@on_few
@pytest.mark.parametrize("mode", RESETTING)
@pytest.mark.parametrize("kind", ["box", "discrete", "dict"])
def test_different_spaces(kind: str, mode: AutoresetMode, place: dict[str, Any]) -> None:
    env_fns = [partial(BoundedEnv, bound, kind) for bound in (3, 1, 5, 2)]
    with twins(env_fns, mode, observation_mode="different", **place) as both:
        assert both.vector.observation_space == both.oracle.observation_space
        assert both.vector.single_observation_space == both.oracle.single_observation_space
        both.reset(seed=0)
        both.run(40)


@on_few
@natively_and_not
def test_different_spaces_that_are_the_same(native: Any, place: dict[str, Any]) -> None:
    with twins([cartpole] * 3, observation_mode="different", native=native, **place) as both:
        assert both.vector.observation_space == both.oracle.observation_space
        both.reset(seed=0)
        both.run(40)


@on_few
def test_spaces_given_as_a_tuple(place: dict[str, Any]) -> None:
    """The batch first, and then the single one, as in the stock classes."""
    single, batch = spaces.Box(-7, 7, (2,), np.float32), spaces.Box(-7, 7, (3, 2), np.float32)
    env_fns = [partial(BoundedEnv, bound) for bound in (3, 1, 5)]
    with twins(env_fns, observation_mode=(batch, single), **place) as both:
        assert both.vector.observation_space is batch
        assert both.vector.single_observation_space is single
        both.reset(seed=0)
        both.run(20)


@on_few
def test_spaces_that_cannot_be_batched(place: dict[str, Any]) -> None:
    two, three = partial(BoundedEnv, 1), partial(BoundedEnv, 1, "box", (3,))
    given = spaces.Box(-7, 7, (2, 2), np.float32), spaces.Box(-7, 7, (2,), np.float32)
    cases: list[tuple[list[Any], Any, tuple[type[Exception], ...], str]] = [
        (
            [two, partial(BoundedEnv, 2)],
            "same",
            (RuntimeError, AssertionError),
            "ReactorVectorEnv.*mode='same'.*not equ",
        ),
        (
            [two, three],
            given,
            (RuntimeError, AssertionError),
            "mode='different' or custom space.*common shape and dtype",
        ),
        ([cartpole, pendulum], "same", (RuntimeError,), "spaces are not equivalent"),
        ([SampleEnv, partial(SampleEnv, "box", "box")], "same", (RuntimeError,), "different from `Discrete"),
    ]
    for env_fns, mode, errors, message in cases:
        for error in errors:
            with pytest.raises(error, match=message):
                ReactorVectorEnv(env_fns, observation_mode=mode, **place)


@pytest.mark.parametrize("others", [[partial(BoundedEnv, 1, "box", (3,))], [partial(BoundedEnv, 2, "discrete")]])
def test_different_spaces_of_different_shape_fail_as_in_async(others: list[Any]) -> None:
    env_fns = [partial(BoundedEnv, 1), *others]
    with pytest.raises((ValueError, TypeError, AssertionError)) as expected:
        AsyncVectorEnv(env_fns, observation_mode="different")
    with pytest.raises(type(expected.value)) as raised:
        ReactorVectorEnv(env_fns, observation_mode="different")
    assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("observation", [*DYNAMIC, *CUSTOM])
def test_what_cannot_be_shared_is_refused_as_in_async(observation: str) -> None:
    error: type[Exception] = TypeError if observation in DYNAMIC else ValueError
    for kind in (AsyncVectorEnv, ReactorVectorEnv):
        with pytest.raises(error, match="shared_memory"):
            kind([partial(SampleEnv, observation)] * 2)


@pytest.mark.parametrize("name", list(SPACES))
def test_spaces_are_batched_as_gymnasium_does(name: str) -> None:
    with twins([partial(SampleEnv, name, name)] * 3) as both:
        for attribute in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
            assert getattr(both.vector, attribute) == getattr(both.oracle, attribute)


@on_few
def test_arguments_of_its_own_for_each_environment(place: dict[str, Any]) -> None:
    env_fns = [partial(gym.make, "Pendulum-v1", g=gravity) for gravity in (1.0, 9.81, 20.0)]
    with twins(env_fns, **place) as both:
        both.reset(seed=0)
        both.run(30)
        assert both.do("get_attr", "g") == (1.0, 9.81, 20.0)


@where_kernels_run
def test_what_was_built_is_closed_when_its_spaces_are_refused(place: dict[str, Any]) -> None:
    """In whichever order it comes to that."""

    class Closes(SampleEnv):
        open = 0

        def __init__(self, observation: str) -> None:
            super().__init__(observation)
            Closes.open += 1

        def close(self) -> None:
            Closes.open -= 1

    for env_fns, mode in (
        ([partial(Closes, "custom")] * 2, "same"),
        ([partial(Closes, "box"), partial(Closes, "scalar")], "same"),
        ([partial(Closes, "box"), partial(Closes, "scalar")], "different"),
    ):
        with pytest.raises((ValueError, RuntimeError, AssertionError)):
            ReactorVectorEnv(env_fns, observation_mode=mode, **place)
        assert Closes.open == 0


def test_a_text_of_any_length() -> None:
    """Text lies in no port of fixed size, so it takes part whether or not memory is shared."""
    with twins([partial(SampleEnv, "text")] * 2, shared_memory=True) as both:
        first, _ = both.reset(seed=0)
        assert same(first, tuple(str(word) for word in first))
