"""Evaluation: greedy, by episodes of fixed seeds, on environments that fit."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from reactvec.algorithms import ConfigError
from reactvec.algorithms.draws import env_seeds
from tests.algorithms.agents import small


def test_evaluation_is_greedy_fair_and_repeatable():
    with small(evaluation_duration=12, evaluation_num_envs=4).build_algo() as algorithm:
        algorithm.train_steps(400)
        first = algorithm.evaluate()
        assert first["env_runners"]["num_episodes"] == 12
        assert algorithm.evaluate() == first
        module = algorithm.get_module()
        returns = []
        for seed in env_seeds(algorithm.config.seed, 4, evaluation=True):
            env = gym.make("CartPole-v1")
            obs, _ = env.reset(seed=seed)
            for _ in range(3):
                total, ended = 0.0, False
                while not ended:
                    with torch.no_grad():
                        action = int(module(torch.from_numpy(obs)[None]).argmax())
                    obs, reward, terminated, truncated, _ = env.step(action)
                    total, ended = total + reward, terminated or truncated
                returns.append(total)
                obs, _ = env.reset()
        assert first["env_runners"]["episode_return_mean"] == np.mean(returns)
        assert first["env_runners"]["episode_return_min"] == np.min(returns)
    assert algorithm.evaluate() == first  # after stop, too


def test_evaluation_on_other_environments():
    with small(evaluation_env=[lambda: gym.make("CartPole-v1", max_episode_steps=3)]).build_algo() as algorithm:
        assert algorithm.evaluate()["env_runners"]["episode_return_max"] == 3
    closed = []

    class Other(gym.Wrapper):
        def close(self):
            closed.append(self)
            super().close()

    with (
        small(evaluation_env=lambda: Other(gym.make("Acrobot-v1"))).build_algo() as algorithm,
        pytest.raises(ConfigError, match="evaluation_env observes"),
    ):
        algorithm.evaluate()
    assert len(closed) == 1  # which was built to learn its spaces


@pytest.mark.parametrize("space", [spaces.Discrete(7), spaces.Discrete(2, start=5), spaces.Box(-1, 1, (2,))])
def test_evaluation_on_other_actions(space):
    class Other(gym.Wrapper):
        action_space = space

    with (
        small(evaluation_env=lambda: Other(gym.make("CartPole-v1"))).build_algo() as algorithm,
        pytest.raises(ConfigError, match=r"evaluation_env takes actions of .*, not Discrete\(2\)"),
    ):
        algorithm.evaluate()
