"""PPO over vector envs that are not ours: rows that are resets enter nothing."""

from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from tests.algorithms.agents import small_ppo as small
from tests.algorithms.agents import trained_ppo as trained
from tests.algorithms.agents import weights_of


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_a_foreign_vector_env(mode):
    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1", max_episode_steps=15)] * 4, autoreset_mode=mode)
    with small(env=envs, num_envs=None, seed=11).build_algo() as algorithm:
        algorithm.train_steps(512)
        episodes, steps = algorithm.statistics.episodes, algorithm.progress.steps
        assert max(algorithm.statistics.lengths) == 15
        if mode == AutoresetMode.NEXT_STEP:
            assert 512 > steps >= 512 - episodes
        else:
            assert steps == 512
            own = trained(small(env="CartPole-v1", env_config={"max_episode_steps": 15}, seed=11))
            assert weights_of(algorithm) == own
    envs.close()


def test_a_vector_env_with_one_seed_for_all():
    results = []
    for _ in range(2):
        envs = gym.make_vec("CartPole-v1", num_envs=4, vectorization_mode="vector_entry_point")
        with small(env=envs, num_envs=None, seed=11).build_algo() as algorithm:
            algorithm.train_steps(512)
            assert 0 < algorithm.progress.steps < 512
            assert algorithm.evaluate()["env_runners"]["num_episodes"] == 4
            results.append(weights_of(algorithm))
        envs.close()
    assert results[0] == results[1]


@pytest.mark.parametrize("what", ["observations", "reward"])
def test_a_vector_env_that_gives_one_row_for_all(what):
    class One(gym.vector.VectorWrapper):
        def step(self, actions):
            obs, reward, *rest = self.env.step(actions)
            return (obs[:1], reward, *rest) if what == "observations" else (obs, reward[:1], *rest)

    envs = One(SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 4))
    with (
        small(env=envs, num_envs=None).build_algo() as algorithm,
        pytest.raises(ValueError, match=r"of shape \(1, 4\), not \(4, 4\)|reward is of shape \(1,\), not \(4,\)"),
    ):
        algorithm.train()
    envs.close()


def test_a_function_that_makes_a_vector_env():
    def make():
        return gym.make_vec("CartPole-v1", num_envs=4)

    with pytest.raises(TypeError, match="made CartPoleVectorEnv, a vector env; it must make one environment"):
        small(env=make).build_algo()


def test_reset_rows_enter_nothing():
    class Recorder(gym.Wrapper):
        """Counts its steps from 1 on in the reward."""

        def step(self, action):
            self.steps += 1
            obs, _, terminated, truncated, info = self.env.step(action)
            return obs, float(self.steps), terminated, truncated, info

        def reset(self, **kwargs):
            self.steps = 0
            return self.env.reset(**kwargs)

    envs = SyncVectorEnv([lambda: Recorder(gym.make("CartPole-v1", max_episode_steps=9))] * 2)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    with small(env=envs, num_envs=None, train_batch_size=64, learner_backend="torch").build_algo() as algorithm:
        batches = []
        learn = algorithm.learner._fit
        algorithm.learner._fit = lambda batch, *rest: (batches.append(batch), learn(batch, *rest))
        algorithm.train_steps(64)
        (batch,) = batches
        steps = algorithm.rollout.steps(0)
        reset = steps.reward == 0
        assert reset.any()
        assert len(batch.obs) == 64 - np.count_nonzero(reset)
        lengths = algorithm.statistics.lengths
        assert list(algorithm.statistics.returns) == [n * (n + 1) / 2 for n in lengths]
    envs.close()


class Short(gym.Env):
    """Ends with the first step."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.ones(2, np.float32), float(action), True, False, {}


@pytest.mark.parametrize("settings", [{}, {"learner_backend": "torch"}, {"pipeline": True}])
def test_a_rollout_of_resets_alone_is_not_learned_from(settings):
    """Each second row of all environments is a reset, and a rollout is one row."""
    env = SyncVectorEnv([Short] * 4, autoreset_mode=AutoresetMode.NEXT_STEP)
    normal = {"normalize_observations": True, "normalize_rewards": True}
    config = small(env=env, num_envs=None, train_batch_size=4, minibatch_size=4, num_epochs=1, **normal, **settings)
    with config.build_algo() as algorithm:
        trainable = algorithm.learner.parameters.trainable  # without statistics
        weights, losses = [trainable.tolist()], []
        for _ in range(4):
            result = algorithm.train_steps(4)
            algorithm.learner.settle()
            losses.append("total_loss" in result["learners"]["default_policy"])
            weights.append(trainable.tolist())
        assert (algorithm.progress.steps, algorithm.progress.gradient_steps) == (8, 2)
    changed = [after != before for before, after in pairwise(weights)]
    assert changed == [True, False, True, False]
    if "pipeline" not in settings:
        assert losses == changed
    env.close()
