"""DQN on vector envs that are not ours: resets that are steps of their own enter nothing; evaluation on others."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reactvec.algorithms import ConfigError, train_dqn
from reactvec.algorithms.environments import _alone
from tests.algorithms.agents import fingerprint, small


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_a_foreign_vector_env(mode):
    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1", max_episode_steps=9)] * 4, autoreset_mode=mode)
    with small(env=envs, seed=11).build_algo() as algorithm:
        algorithm.train_steps(1200)
        episodes, steps = algorithm.statistics.episodes, algorithm.progress.steps
        assert max(algorithm.statistics.lengths) == 9
        assert len(algorithm.replay.ring) <= 500
        if mode == AutoresetMode.NEXT_STEP:
            assert 1200 > steps >= 1200 - episodes
        else:
            assert steps == 1200
            with small(env_config={"max_episode_steps": 9}, num_envs=4, seed=11).build_algo() as own:
                own.train_steps(1200)
                assert fingerprint(own) == fingerprint(algorithm)
    envs.close()


class Counting(gym.Env[Any, Any]):
    """Observes how many steps it has made in all, and is truncated every third one."""

    observation_space = gym.spaces.Box(-1e6, 1e6, (1,), np.float32)
    action_space = gym.spaces.Discrete(2, start=3)

    def __init__(self):
        self.steps = self.since = 0

    def reset(self, *, seed=None, options=None):
        self.since = 0
        return np.array([self.steps + 0.5], np.float32), {}

    def step(self, action):
        assert action in (3, 4)
        self.steps += 1
        self.since += 1
        return np.array([self.steps], np.float32), 1.0, False, self.since == 3, {}


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_reset_rows_enter_nothing(backend):
    envs = SyncVectorEnv([Counting] * 4)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    settings = {"train_freq": 30, "replay_buffer_config": {"capacity": 8000}, "lr": ((0, 1e-3), (1, 0.0))}
    with small(env=envs, inference_backend=backend, n_step=1, **settings).build_algo() as algorithm:
        for tags in (100, 37, 1, 2, 260):
            algorithm.train_steps(4 * tags)
            steps = algorithm.progress.steps
            assert steps == algorithm.statistics.tags * 4 - 4 * (algorithm.statistics.tags // 4)  # every fourth is none
            assert len(algorithm.replay.ring) == steps
            assert algorithm.learner.gradient_steps == max((steps - 210) // 30 + 1, 0) * 4
            epsilon = algorithm.train_steps(0)["env_runners"]["epsilon"]
            assert epsilon == algorithm.epsilon.at(steps)
        assert algorithm.learner.current_lr == pytest.approx(1e-3 * (1 - steps // 30 * 30 / 1200), rel=0.01)
        ring = algorithm.replay.ring
        batch = ring.gather(ring.places(np.arange(len(ring))), 1, 0.5)
        np.testing.assert_array_equal(np.ceil(batch.observations + 0.5), batch.next_observations)
        assert (batch.returns == 1).all()
        assert (batch.discounts == 0.5).all()
        assert set(algorithm.statistics.lengths) == {3}
    envs.close()


def test_several_rounds_in_one_step_count_valid_steps():
    envs = SyncVectorEnv([Counting] * 4)
    with small(env=envs, num_steps_sampled_before_learning_starts=0, train_freq=1).build_algo() as algorithm:
        algorithm.train_steps(4 * 12)
        assert algorithm.learner.gradient_steps == algorithm.progress.steps * 4
    envs.close()


def test_what_a_wrapped_vector_env_is_evaluated_on():
    """Its environments would lack the wrapper, so on none; but those that make_vec made can be made again."""
    env = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync", max_episode_steps=7)
    del env.env_fns  # its spec is left
    evaluation = train_dqn(config=small(env=env), progress=False).evaluation
    assert evaluation["env_runners"]["episode_len_mean"] == 7
    env.close()
    for wrapper in (gym.wrappers.vector.RecordEpisodeStatistics, gym.wrappers.vector.NormalizeObservation):
        env = wrapper(gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync"))
        assert train_dqn(config=small(env=env), progress=False).evaluation is None
        with small(env=env).build_algo() as algorithm, pytest.raises(ConfigError, match="set evaluation_env"):
            algorithm.evaluate()
        env.close()


def test_an_environment_of_make_vec_alone():
    spec = gym.make_vec("CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point", max_episode_steps=7).spec
    env = gym.make(**_alone(spec))
    assert env.spec.max_episode_steps == 7
    assert env.spec.kwargs == gym.make("CartPole-v1", max_episode_steps=7).spec.kwargs
