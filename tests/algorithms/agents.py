"""Small configurations, an environment, and what two trainings must have in common to be equal."""

from __future__ import annotations

import hashlib

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from reactvec.algorithms import DQN, DQNConfig, ModelConfig, PPOConfig, SACConfig


def small(**settings) -> DQNConfig:
    """DQN on CartPole that learns a little in a second."""
    defaults = {
        "env": "CartPole-v1",
        "total_timesteps": 1200,
        "num_steps_sampled_before_learning_starts": 200,
        "train_batch_size": 16,
        "gradient_steps": 4,
        "target_network_update_freq": 150,
        "model": ModelConfig(hiddens=(16,)),
        "replay_buffer_config": {"capacity": 500},
        "evaluation_duration": 4,
        "min_sample_timesteps_per_iteration": 400,
    }
    return DQNConfig(**{**defaults, **settings})


def small_ppo(**settings) -> PPOConfig:
    """PPO on CartPole that learns a little in a moment."""
    defaults = {
        "env": "CartPole-v1",
        "num_envs": 4,
        "total_timesteps": 512,
        "train_batch_size": 128,
        "minibatch_size": 48,
        "num_epochs": 2,
        "model": ModelConfig(hiddens=(16,), activation="tanh"),
        "evaluation_duration": 4,
    }
    return PPOConfig(**{**defaults, **settings})


def small_sac(**settings) -> SACConfig:
    """SAC on Pendulum that learns a little in a moment."""
    defaults = {
        "env": "Pendulum-v1",
        "num_envs": 4,
        "total_timesteps": 400,
        "num_steps_sampled_before_learning_starts": 40,
        "train_batch_size": 16,
        "train_freq": 2,
        "model": ModelConfig(hiddens=(16,)),
        "replay_buffer_config": {"capacity": 300},
        "evaluation_duration": 4,
        "min_sample_timesteps_per_iteration": 100,
    }
    return SACConfig(**{**defaults, **settings})


def fingerprint(algorithm: DQN) -> str:
    """A hash of the weights, the target's weights and everything in the replay buffer."""
    replay, learner = algorithm.replay, algorithm.learner
    learner.settle()
    digest = hashlib.sha256()
    places = replay.ring.places(np.arange(len(replay.ring)))
    for array in replay.ring.gather(places, 1, 0.5):
        digest.update(array.tobytes())
    if replay.priorities is not None:
        replay.settle()
        digest.update(replay.priorities.tree.priorities.tobytes())
    digest.update(learner.parameters.numpy().tobytes())
    digest.update(learner.target_parameters.numpy().tobytes())
    return digest.hexdigest()


def weights_of(algorithm) -> str:
    """A hash of the weights and of the optimizer's state."""
    algorithm.learner.settle()
    digest = hashlib.sha256(algorithm.learner.parameters.numpy().tobytes())
    for array in algorithm.learner.optimizer_state().values():
        digest.update(array.tobytes())
    return digest.hexdigest()


def trained_ppo(config: PPOConfig, steps: int = 512) -> str:
    """`weights_of` a training of so many steps."""
    with config.build_algo() as algorithm:
        algorithm.train_steps(steps)
        return weights_of(algorithm)


class Toy(gym.Env):
    """Rewards an action of a MultiDiscrete space that copies the Dict observation."""

    observation_space = spaces.Dict({"goal": spaces.MultiDiscrete([3, 2]), "noise": spaces.Box(-1, 1, (2,))})
    action_space = spaces.MultiDiscrete([3, 2])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.goal = self.np_random.integers([3, 2])
        return self._observe(), {}

    def step(self, action):
        reward = float((action == self.goal).sum())
        self.goal = self.np_random.integers([3, 2])
        return self._observe(), reward, False, bool(self.np_random.random() < 0.05), {}

    def _observe(self):
        return {"goal": self.goal, "noise": self.np_random.uniform(-1, 1, 2).astype(np.float32)}
