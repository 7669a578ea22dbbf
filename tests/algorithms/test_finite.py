"""What is not finite: where it is named, and where it does not matter."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch

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


class Cut(LastIsBroken):
    """The same, but cut short: what is observed then has a value."""

    def step(self, action):
        obs, reward, done, _, info = super().step(action)
        return obs, reward, False, done, info


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_an_observation_that_has_a_value_is_named(backend):
    envs = [lambda: gym.make("CartPole-v1"), lambda: Cut(gym.make("CartPole-v1"))]
    with (
        small_ppo(env=envs, num_envs=None, inference_backend=backend).build_algo() as algorithm,
        pytest.raises(FloatingPointError, match=r"observations are not finite \(environments \[1\]\)"),
    ):
        algorithm.train()


def test_what_cannot_be_predicted_is_named():
    observations = np.zeros((3, 4), np.float32)
    observations[1, 2] = np.nan
    with small_ppo().build_algo() as algorithm:
        for broken, rows in ((observations, "1"), (np.full(4, np.inf), "0")):
            with pytest.raises(ValueError, match=rf"observations are not finite \(rows \[{rows}\]\)"):
                algorithm.predict(broken)
        weights = algorithm.get_weights()
        name = next(iter(weights))
        with pytest.raises(ValueError, match=f"these weights are not finite: {name}"):
            algorithm.set_weights({**weights, name: weights[name] * np.nan})
        np.testing.assert_equal(algorithm.get_weights(), weights)


def test_a_network_of_the_callers_may_know_what_to_do_with_nan():
    class Net(torch.nn.Module):
        def __init__(self, *spaces):
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def forward(self, observations):
            return self.layer(observations.nan_to_num())

    with small(model=Net).build_algo() as algorithm:
        assert algorithm.predict(np.full(4, np.nan)) == algorithm.predict(np.zeros(4))


def test_rewards_that_are_not_finite():
    class Broken(gym.RewardWrapper):
        def reward(self, reward):
            return float("nan")

    with (
        small_ppo(env=lambda: Broken(gym.make("CartPole-v1"))).build_algo() as algorithm,
        pytest.raises(ValueError, match=r"rewards are not finite \(environments \[0, 1, 2, 3\]\)"),
    ):
        algorithm.train()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of the variance of returns
def test_observations_that_are_not_finite():
    class Broken(gym.ObservationWrapper):
        def observation(self, observation):
            return np.full_like(observation, np.nan)

    class Huge(gym.RewardWrapper):
        def reward(self, reward):
            return 1e30

    good = partial(gym.make, "CartPole-v1")
    for env, message in (
        (
            [good, good, lambda: Broken(good()), good],
            r"after 128 .* observations are not finite \(environments \[2\]\)",
        ),
        (lambda: Huge(good()), "lr is too high, or rewards or observations are too large"),
    ):
        with small_ppo(env=env).build_algo() as algorithm, pytest.raises(FloatingPointError, match=message):
            algorithm.train()


@pytest.mark.parametrize("backend", ["kernel", "torch"])
@pytest.mark.parametrize("squash", [False, True])
def test_no_environment_is_acted_upon_by_what_is_no_number(backend, squash):
    class Once(gym.Wrapper):
        steps = 0

        def step(self, action):
            assert np.isfinite(action).all()
            obs, *rest = super().step(action)
            self.steps += 1
            return (np.full_like(obs, np.nan) if self.steps == 3 else obs), *rest

    good = partial(gym.make, "Pendulum-v1")
    config = small_ppo(env=[good, lambda: Once(good())], num_envs=2, squash_actions=squash, inference_backend=backend)
    with (
        config.build_algo() as algorithm,
        pytest.raises(FloatingPointError, match=r"outputs are not finite: observations are .* \(environments \[1\]\)"),
    ):
        algorithm.train()


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_no_statistics_are_of_what_is_no_number(backend):
    class Infinite(gym.ObservationWrapper):
        def observation(self, observation):
            return np.full_like(observation, np.inf)

    good = partial(gym.make, "CartPole-v1")
    config = small_ppo(env=[good, lambda: Infinite(good())], num_envs=2, normalize_observations=True)
    with config.training(learner_backend=backend).build_algo() as algorithm:
        with pytest.raises(FloatingPointError, match=r"^observations are not finite \(environments \[1\]\)"):
            algorithm.train()
        assert np.isfinite(algorithm.learner.moments.mean).all()
