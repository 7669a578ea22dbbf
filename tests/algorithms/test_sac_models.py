"""SAC's settings, and networks of the user."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from reactvec.algorithms import ConfigError, ModelConfig
from tests.algorithms.agents import fingerprint
from tests.algorithms.agents import small_sac as small


@pytest.mark.parametrize(
    "settings",
    [
        {"n_step": 3, "twin_q": False},
        {"replay_buffer_config": {"capacity": 300, "prioritized": True}},
        {"target_entropy": -0.5, "initial_alpha": 0.1, "alpha_lr": 0.0},
        {"env": "MountainCarContinuous-v0"},
        {"num_steps_sampled_before_learning_starts": 0, "num_envs": 1},
    ],
)
def test_variants_run(settings):
    with small(**settings).build_algo() as algorithm:
        result = algorithm.train_steps(200)["learners"]["default_policy"]
        assert np.isfinite(result["qf_loss"])
        if "initial_alpha" in settings:
            assert result["alpha_value"] == pytest.approx(0.1)
        assert np.isfinite(algorithm.evaluate()["env_runners"]["episode_return_mean"])


class Net(nn.Module):
    """A model of the user: one critic of three values, and running means."""

    def __init__(self, space, action_space):
        super().__init__()
        parts = action_space.shape[0]
        self.actor = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2 * parts))
        self.critics = Values(3 + parts)


class Values(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.net = nn.Sequential(nn.BatchNorm1d(inputs), nn.Linear(inputs, 3))

    def forward(self, observation, action):
        return self.net(torch.cat((observation, action), 1))


def test_a_model_of_the_user():
    prints = set()
    for native in (True, False):
        with small(model=Net, native=native).build_algo() as algorithm:
            algorithm.train_steps(400)
            prints.add(fingerprint(algorithm))
    assert len(prints) == 1
    with small(model=Net).build_algo() as algorithm:
        algorithm.train_steps(200)
        assert isinstance(algorithm.get_module().critics, Values)
        learner = algorithm.learner
        running = learner.module.actor.net[0].running_mean
        assert running.any()
        sent = algorithm.execution.slots(learner.weights)[0]
        assert len(sent) == 3 * 2 + 2 + 2 * 3 + 2 * 3  # weights, then running means and variances
        target = learner.target.net[0]
        np.testing.assert_array_equal(target.running_mean, learner.module.critics.net[0].running_mean)


def without(name):
    def make(space, action_space):
        module = Net(space, action_space)
        delattr(module, name)
        return module

    return make


def with_actor(layer):
    def make(space, action_space):
        module = Net(space, action_space)
        module.actor = layer
        return module

    return make


def with_more(space, action_space):
    module = Net(space, action_space)
    module.trunk = nn.Linear(3, 3)
    return module


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (without("actor"), "model returned Net; it must return a torch.nn.Module with an `actor`"),
        (without("critics"), "model returned Net; it must return"),
        (with_actor(nn.Linear(3, 3)), r"model made \[\(2, 3\), \(2, 3\)\] of 2 observations and actions of 1 numbers"),
        (with_more, "weights that belong to both its actor and its critics, or to neither"),
    ],
)
def test_a_model_that_does_not_fit(make, message):
    with pytest.raises(ConfigError, match=message):
        small(model=make).build_algo()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"env": "CartPole-v1"}, r"SAC draws real actions from a Box, not Discrete\(2\); wrap the environment"),
        ({"env": lambda: Unbounded()}, "SAC draws actions between bounds, which .* lacks"),
        ({"model": ModelConfig(share_trunk=True)}, "share_trunk=True: actor and critics of SAC share no layers"),
        ({"model": Net, "twin_q": False}, "twin_q=False shapes the built-in networks"),
        ({"target_entropy": "low"}, "target_entropy='low' must be a finite number, or 'auto'"),
        ({"target_entropy": -math.inf}, "must be a finite number, or 'auto'"),
        ({"initial_alpha": 0}, "initial_alpha=0 must be a number > 0"),
        ({"alpha_lr": -1.0}, "alpha_lr=-1.0 must be"),
        ({"lr": None}, "lr=None must be"),
        ({"tau": 0}, "tau=0 must be"),
        ({"learning_rate": 1e-3}, "did you mean 'lr'"),
        ({"ent_coef": 0.1}, "did you mean 'initial_alpha'"),
        ({"q_lr": 0.1}, "did you mean 'critic_lr'"),
        ({"learning_starts": 1}, "did you mean 'num_steps_sampled_before_learning_starts'"),
        ({"replay_buffer_config": {"capacity": 3}}, "replay_buffer_config: capacity=3 is less than one step"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings).build_algo()


class Unbounded(gym.Env):
    observation_space = spaces.Box(0, 1, (1,))
    action_space = spaces.Box(-np.inf, 1, (1,))
