"""Running statistics against those of all numbers at once, and what PPO does with them."""

from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

from reactvec.algorithms import PPO, ConfigError, gae
from reactvec.algorithms.running import RunningMoments, RunningReturns
from tests.algorithms.agents import small_ppo as small
from tests.algorithms.agents import weights_of


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_moments_of_parts_are_those_of_all(counts, seed):
    numbers = np.random.default_rng(seed).normal(3, 2, (sum(counts), 2)).astype(np.float32)
    moments = RunningMoments(2)
    for part in np.split(numbers, np.cumsum(counts)[:-1]):
        moments.update(part)
    total, exact = len(numbers) + 1e-4, numbers.astype(np.float64)  # what they begin as counts as 1e-4 rows
    mean = exact.sum(0) / total
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moments.variance, (1e-4 + (exact**2).sum(0)) / total - mean**2, rtol=1e-7, atol=1e-9)


def test_returns_by_hand():
    returns = RunningReturns(2, 0.5)
    rewards = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 100.0]])
    ended = np.array([[0, 0], [1, 0], [0, 0]], bool)
    valid = np.array([[1, 1], [1, 1], [1, 0]], bool)
    returns.update(rewards, ended, valid)
    expected = RunningMoments(1)
    expected.update(np.array([1.0, 2.0, 1.5, 3.0, 1.0])[:, None])  # by time, then environment
    np.testing.assert_allclose(returns.moments.variance, expected.variance)
    assert returns.current.tolist() == [1.0, 3.0]
    assert returns.scale() == pytest.approx(1 / np.sqrt(expected.variance[0] + 1e-8))


def normalizing(**settings):
    return small(**{"env": "Pendulum-v1", "normalize_observations": True, "normalize_rewards": True, **settings})


def test_statistics_are_those_of_raw_observations_and_change_between_rollouts_alone():
    with normalizing().build_algo() as algorithm:
        seen = []
        for rollout in range(3):
            normalizer = algorithm.get_module().normalizer
            mean, scale = normalizer.mean.numpy().copy(), normalizer.scale.numpy().copy()
            algorithm.train()
            steps = algorithm.rollout.steps(rollout)
            if seen:
                raw = np.concatenate(seen).astype(np.float64)
                np.testing.assert_allclose(mean, raw.mean(0), rtol=1e-4, atol=1e-4)
                np.testing.assert_allclose(scale, 1 / raw.std(0), rtol=1e-4, atol=1e-4)
            seen.append(steps.obs.reshape(-1, 3).copy())
        assert np.abs(seen[-1]).max() > 1  # what is kept is raw


def test_values_of_a_rollout_are_by_the_statistics_that_collected_it():
    with normalizing(learner_backend="torch").build_algo() as algorithm:
        algorithm.train()
        held = {}
        fit = algorithm.learner._fit
        algorithm.learner._fit = lambda batch, *rest: (held.update(algorithm.get_weights()), fit(batch, *rest))
        algorithm.train()
        steps = algorithm.rollout.steps(1)
        algorithm.set_weights(held)
        with algorithm._inferring() as inference:
            values = inference(steps.obs.reshape(-1, 3))[:, -1]
        np.testing.assert_array_equal(values.reshape(steps.value.shape), steps.value)


@pytest.mark.parametrize("env", ["Pendulum-v1", "CartPole-v1", "FrozenLake-v1"])
def test_a_kernel_normalizes_as_torch_does(env):
    found = []
    for backend in ("kernel", "torch"):
        with normalizing(env=env, learner_backend=backend, inference_backend=backend).build_algo() as algorithm:
            algorithm.train_steps(256)
            found.append(algorithm.get_weights())
    for name, value in found[1].items():
        np.testing.assert_allclose(found[0][name], value, rtol=5e-3, atol=1e-4, err_msg=name)


def discounted_returns(rewards, ended, gamma):
    """Of each step, the discounted sum of the rewards of its episode so far: one environment."""
    returns, total = [], 0.0
    for reward, end in zip(rewards, ended, strict=True):
        total = reward + gamma * total
        returns.append(total)
        total = 0.0 if end else total
    return returns


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_rewards_are_scaled_by_the_returns_of_all_rollouts_and_of_the_one_that_is_learned_from(backend):
    settings = {"num_envs": 2, "train_batch_size": 300, "gamma": 0.9, "env_config": {"max_episode_steps": 70}}
    with normalizing(learner_backend=backend, **settings).build_algo() as algorithm:
        learner, batches, rollouts = algorithm.learner, [], []
        name = "_fit" if backend == "torch" else "_fit_by_kernel"
        fit = getattr(learner, name)
        setattr(learner, name, lambda batch, *rest: (batches.append(batch), fit(batch, *rest)))
        for number in range(3):
            algorithm.train()
            steps = algorithm.rollout.steps(number)
            rollouts.append((steps.reward.copy(), steps.truncated.copy()))
            rewards, ended = (np.concatenate(parts) for parts in zip(*rollouts, strict=True))
            returns = np.array([discounted_returns(*env, 0.9) for env in zip(rewards.T, ended.T, strict=True)])
            ends = (steps.terminated, steps.truncated, steps.valid)
            scale = {"gamma": 0.9, "lambda_": 0.95, "reward_scale": 1 / returns.std()}
            advantages, targets = gae(steps.reward, steps.value, steps.end_value, *ends, **scale)
            np.testing.assert_allclose(batches[-1].advantages, advantages.reshape(-1), rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(batches[-1].returns, targets.reshape(-1), rtol=1e-3, atol=1e-3)
        assert ended.any()


class Watched(gym.Wrapper):
    """Keeps what was observed and done."""

    kept: ClassVar[list] = []

    def reset(self, **options):
        self.seen, info = self.env.reset(**options)
        return self.seen, info

    def step(self, action):
        self.kept.append((self.seen, action))
        self.seen, *rest = self.env.step(action)
        return self.seen, *rest


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_predictions_and_evaluations_apply_the_statistics_and_leave_them_alone(backend):
    config = normalizing(
        inference_backend=backend,
        placement="inline",
        evaluation_env=lambda: Watched(gym.make("Pendulum-v1", max_episode_steps=20)),
    )
    with config.build_algo() as algorithm:
        algorithm.train_steps(256)
        moments, weights, arrays = algorithm.learner.moments, weights_of(algorithm), algorithm.learner.arrays()
        Watched.kept.clear()
        algorithm.evaluate()
        observations, done = (np.array(part) for part in zip(*Watched.kept, strict=True))
        assert len(done) >= 4 * 20
        actor = algorithm.get_module().actor

        def means(observations):
            seen = np.clip((observations - moments.mean) * moments.scale(), -10, 10)
            with torch.no_grad():
                return actor(torch.from_numpy(seen.astype(np.float32))).numpy()

        with torch.no_grad():
            raw = actor(torch.from_numpy(observations)).numpy()
        assert np.abs(means(observations) - raw).max() > 1e-3
        np.testing.assert_allclose(done, means(observations), rtol=1e-4, atol=1e-6)  # far within the bounds
        for these in (observations, observations * 100):
            np.testing.assert_allclose(algorithm.predict(these), means(these), rtol=1e-4, atol=1e-6)
        np.testing.assert_equal(algorithm.learner.arrays(), arrays)
        assert weights_of(algorithm) == weights


def test_categories_are_left_alone():
    with normalizing(env="FrozenLake-v1").build_algo() as algorithm:
        algorithm.train()
        assert (algorithm.get_module().normalizer.mean == 0).all()
        assert (algorithm.get_module().normalizer.scale == 1).all()


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_do_not_matter(workers):
    results = set()
    for native in (True, False):
        config = normalizing(native=native, placement="threads", num_workers=workers)
        with config.build_algo() as algorithm:
            algorithm.train_steps(384)
            results.add(weights_of(algorithm))
    with normalizing(placement="inline").build_algo() as algorithm:
        algorithm.train_steps(384)
        assert results == {weights_of(algorithm)}


def test_reset_rows_are_not_counted():
    class Odd(gym.ObservationWrapper):
        """Observations that say whether the episode has just begun."""

        def observation(self, observation):
            begun = self.env.get_wrapper_attr("_elapsed_steps") == 0
            return np.full_like(observation, 100.0 if begun else 1.0)

    def make():
        return Odd(gym.make("CartPole-v1", max_episode_steps=5))

    envs = SyncVectorEnv([make] * 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    config = normalizing(env=envs, num_envs=None, train_batch_size=64)
    with config.build_algo() as algorithm:
        algorithm.train()
        steps = algorithm.rollout.steps(0)
        reset_rows = steps.reward == 0
        assert reset_rows.any()
        assert algorithm.learner.moments.count == pytest.approx(64 - reset_rows.sum(), abs=0.01)
        expected = steps.obs[~reset_rows].astype(np.float64).mean(0)
        np.testing.assert_allclose(algorithm.learner.moments.mean, expected, rtol=1e-3)
    envs.close()


def test_statistics_are_in_a_checkpoint(tmp_path):
    with normalizing().build_algo() as algorithm:
        algorithm.train_steps(256)
        path, arrays = algorithm.save_to_path(tmp_path / "saved"), algorithm.learner.arrays()
        action = algorithm.predict(np.array([1.0, 0.0, 3.0], np.float32))
    with PPO.from_checkpoint(path) as restored:
        np.testing.assert_equal(restored.learner.arrays(), arrays)
        np.testing.assert_array_equal(restored.predict(np.array([1.0, 0.0, 3.0], np.float32)), action)


def test_reported_returns_stay_raw():
    with normalizing().build_algo() as algorithm:
        returns = algorithm.train_steps(1024)["env_runners"]["episode_return_mean"]
    assert returns < -500


def test_a_model_of_the_user_is_not_normalized():
    with pytest.raises(ConfigError, match="normalize_observations is for the built-in network"):
        normalizing(model=lambda space, actions: None).build_algo()
