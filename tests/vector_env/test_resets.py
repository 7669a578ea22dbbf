"""Seeds, options and masks of resets, in every autoreset mode."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from reactvec import ReactorVectorEnv
from tests.sample_envs import SampleEnv, cartpole
from tests.vector_env.oracle import MODES, same, twins
from tests.vector_env.placements import everywhere, natively_and_not, on_few


@everywhere
@pytest.mark.parametrize("mode", MODES)
def test_a_masked_reset_in_every_mode(mode: AutoresetMode, place: dict[str, Any]) -> None:
    with twins([SampleEnv] * 5, mode, **place) as both:
        both.reset(seed=0)
        for turn in range(30):
            both.run(3)
            mask = np.arange(5) % 3 == turn % 3
            both.reset(seed=[None, 3, turn, None, 9], options={"reset_mask": mask, "turn": turn})


@natively_and_not
@pytest.mark.parametrize("seed", [None, 4, np.int64(4), [1, 5, 9], (None, 2, None)], ids=repr)
def test_seeds(native: Any, seed: Any) -> None:
    with twins([cartpole] * 3, native=native) as both:
        both.reset(seed=1)
        oracle_seed = [4, 5, 6] if isinstance(seed, np.int64) else seed
        assert same(both.oracle.reset(seed=oracle_seed), both.vector.reset(seed=seed))
        both.run(20)


@on_few
@natively_and_not
def test_options_of_each_environment(native: Any, place: dict[str, Any]) -> None:
    each = [{"low": -0.2, "high": -0.1}, None, {"low": 0.1, "high": 0.2}]
    for options in (each, tuple(each)):
        vector = ReactorVectorEnv([cartpole] * 3, native=native, **place)
        obs, _ = vector.reset(seed=5, options=options)
        for i in range(3):
            with twins([cartpole]) as one:
                assert same(one.reset(seed=5 + i, options=each[i])[0][0], obs[i])
        vector.close()


def test_a_wrong_number_of_options() -> None:
    vector = ReactorVectorEnv([cartpole] * 3)
    with pytest.raises(ValueError, match="num_envs=3 but got length=2"):
        vector.reset(options=[None, {}])
    vector.reset()
    vector.close()


def test_the_callers_options_stay_as_they_are() -> None:
    vector = ReactorVectorEnv([cartpole] * 2)
    options = {"reset_mask": np.array([True, True]), "low": -0.01, "high": 0.01}
    vector.reset(options=options)
    assert set(options) == {"reset_mask", "low", "high"}
    vector.close()


@pytest.mark.parametrize(
    ("seed", "options", "error", "message"),
    [
        ([1], None, ValueError, "must match num_envs=2 but got length=1"),
        (0, {"reset_mask": [True, False]}, TypeError, "must be a numpy array"),
        (0, {"reset_mask": np.array([True])}, ValueError, r"must have shape `\(2,\)`"),
        (0, {"reset_mask": np.array([1, 0])}, TypeError, "must have `dtype=np.bool_`"),
        (0, {"reset_mask": np.array([False, False])}, ValueError, "at least one True"),
    ],
)
def test_bad_resets(seed: Any, options: Any, error: type[Exception], message: str) -> None:
    vector = ReactorVectorEnv([cartpole] * 2)
    for reset in (vector.reset, vector.reset_async):
        with pytest.raises(error, match=message):
            reset(seed=seed, options=options)
        with pytest.raises(AssertionError, match=message):  # what Gymnasium raised before 1.3
            reset(seed=seed, options=options)
    vector.reset()
    vector.close()


@on_few
def test_disabled_autoreset_refuses_an_environment_that_has_ended(place: dict[str, Any]) -> None:
    with twins([partial(cartpole, max_episode_steps=4 + i) for i in range(3)], AutoresetMode.DISABLED, **place) as both:
        both.reset(seed=0)
        for _ in range(4):
            both.step()
        for error in (ResetNeeded, AssertionError):
            with pytest.raises(error, match="after an episode's end"):
                both.vector.step(np.ones(3, int))
            both.vector.reset(seed=0)
            for _ in range(4):
                both.vector.step(np.ones(3, int))


@natively_and_not
def test_an_environment_must_be_reset_first(native: Any) -> None:
    vector = ReactorVectorEnv([cartpole], native=native)
    with pytest.raises(ResetNeeded):
        vector.step(np.zeros(1, int))
    vector.close()


@on_few
def test_after_a_failed_reset_all_must_be_reset(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([cartpole] * 2, native=False, **place)
    vector.reset(seed=0)
    with pytest.raises(Exception, match="Seed must be"):
        vector.reset(seed=[0, -1])
    with pytest.raises(ResetNeeded, match="the last reset"):
        vector.step(np.zeros(2, int))
    with pytest.raises(ResetNeeded, match="reset all"):
        vector.reset(options={"reset_mask": np.array([True, False])})
    vector.reset()
    vector.step(np.zeros(2, int))
    vector.close()
