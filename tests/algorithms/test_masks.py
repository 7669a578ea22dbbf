"""Masks that leave no choice are refused."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from tests.algorithms.agents import small_ppo as small


class Masked(gym.Env):
    """Two actions of two and three categories; its mask is wrong from some step on."""

    observation_space = spaces.Dict({"mask": spaces.Box(-1, 2, (5,), np.int8), "x": spaces.Box(-1, 1, (2,))})
    action_space = spaces.MultiDiscrete([2, 3])

    def __init__(self, wrong=(1, 1, 1, 1, 1), last=(0, 0, 0, 0, 0)):
        self.wrong, self.last = wrong, last

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return self._observe((1, 0, 0, 1, 1)), {}

    def step(self, action):
        self.steps += 1
        done = self.steps == 20
        return (
            self._observe(self.last if done else self.wrong if self.steps > 3 else (1, 1, 1, 0, 1)),
            1.0,
            done,
            False,
            {},
        )

    def _observe(self, mask):
        return {"mask": np.array(mask, np.int8), "x": np.zeros(2, np.float32)}


@pytest.mark.parametrize("backend", ["kernel", "torch"])
@pytest.mark.parametrize("wrong", [(0, 0, 0, 0, 0), (1, 1, 0, 0, 0), (1, 2, 1, 1, 1), (1, -1, 1, 1, 1)])
def test_masks_that_leave_no_choice_are_named(backend, wrong):
    config = small(env=[Masked, lambda: Masked(wrong)], num_envs=None, action_mask="mask", inference_backend=backend)
    with config.build_algo() as algorithm:
        with pytest.raises(ValueError, match=r"masks hold something else than 0 and 1, .* \(environments \[1\]\)"):
            algorithm.train()
        good = {"mask": np.ones((2, 5), np.int8), "x": np.zeros((2, 2), np.float32)}
        algorithm.predict(good)
        with pytest.raises(ValueError, match=r"masks hold something else than 0 and 1, .* \(rows \[1\]\)"):
            algorithm.predict({**good, "mask": np.array([(1, 1, 1, 1, 1), wrong], np.int8)})


def test_an_evaluation_names_them_too():
    config = small(env=Masked, evaluation_env=[Masked, lambda: Masked((1, 1, 0, 0, 0))], action_mask="mask")
    with config.build_algo() as algorithm:
        with pytest.raises(ValueError, match=r"masks hold something else than 0 and 1, .* \(environments \[1, 3\]\)"):
            algorithm.evaluate()
        assert algorithm.train()["num_env_steps_sampled_lifetime"] == 128


def test_an_evaluation_on_what_is_not_finite_says_so():
    class Unseen(gym.ObservationWrapper):
        def observation(self, observation):
            return np.full_like(observation, np.nan)

    with (
        small(evaluation_env=lambda: Unseen(gym.make("CartPole-v1"))).build_algo() as algorithm,
        pytest.raises(ValueError, match=r"observations are not finite \(environments \[0, 1, 2, 3\]\)"),
    ):
        algorithm.evaluate()


def test_the_mask_of_a_last_observation_does_not_count():
    with small(env=Masked, action_mask="mask").build_algo() as algorithm:
        algorithm.train()
