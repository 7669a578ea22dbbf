"""Small configurations, and what two trainings must have in common to be equal."""

from __future__ import annotations

import hashlib

import numpy as np

from reactvec.algorithms import DQN, DQNConfig, ModelConfig


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


def fingerprint(algorithm: DQN) -> str:
    """A hash of the weights, the target's weights and everything in the replay buffer."""
    replay, learner = algorithm.replay, algorithm.learner
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
