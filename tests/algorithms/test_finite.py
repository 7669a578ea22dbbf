"""What is not finite: where it is named, and where it does not matter."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest

from tests.algorithms.agents import small, small_ppo, small_sac


class LastIsBroken(gym.Wrapper):
    """Ends by a termination after 5 steps, with an observation that nothing depends on."""

    def step(self, action):
        obs, reward, *_, info = super().step(action)
        self.steps += 1
        done = self.steps == 5
        return (obs * np.float32("nan") if done else obs), reward, done, False, info

    def reset(self, **arguments):
        self.steps = 0
        return super().reset(**arguments)


@pytest.mark.parametrize(
    "config",
    [
        partial(small, "CartPole-v1", learner_backend="kernel"),
        partial(small, "CartPole-v1", learner_backend="torch"),
        partial(small, "CartPole-v1", learner_backend="kernel", double_q=False, n_step=1),
        partial(small_ppo, "CartPole-v1"),
        partial(small_sac, "Pendulum-v1", n_step=3),
    ],
)
def test_what_is_observed_after_a_termination_does_not_matter(config):
    make, env, settings = config.func, config.args[0], config.keywords
    with make(env=lambda: LastIsBroken(gym.make(env)), **settings).build_algo() as algorithm:
        for _ in range(3):
            algorithm.train()
        assert all(np.isfinite(weights).all() for weights in algorithm.get_weights().values())
