"""What counts environment steps, and which seeds environments begin with."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reactvec.algorithms import train_dqn
from tests.algorithms.agents import small, small_ppo, small_sac

RAMP = ((0, 1e-2), (4096, 0.0))  # of which every multiple of 8 is exact enough


def rate(result):
    return result["learners"]["default_policy"]["default_optimizer_learning_rate"]


def expected(steps):
    return pytest.approx(1e-2 * (1 - steps / 4096), rel=1e-9)


@pytest.mark.parametrize("num_envs", [1, 4])
def test_learning_rates_count_steps_over_all_environments(num_envs):
    """Those of PPO after a rollout of 128, of the others in the round that comes last."""
    ppo = small_ppo(num_envs=num_envs, lr=RAMP)
    dqn = small(num_envs=num_envs, lr=RAMP, train_freq=256, min_sample_timesteps_per_iteration=512)
    sac = small_sac(num_envs=num_envs, lr=RAMP, train_freq=64, gradient_steps=1, min_sample_timesteps_per_iteration=128)
    for config, steps in ((ppo, (128, 256)), (dqn, (512, 1024)), (sac, (128, 256))):
        with config.build_algo() as algorithm:
            assert [rate(algorithm.train()) for _ in steps] == [expected(at) for at in steps]


def test_learning_rates_do_not_count_resets():
    envs = SyncVectorEnv(
        [lambda: gym.make("CartPole-v1", max_episode_steps=7)] * 4, autoreset_mode=AutoresetMode.NEXT_STEP
    )
    with small_ppo(env=envs, num_envs=None, lr=RAMP).build_algo() as algorithm:
        for rollouts in (1, 2):
            result = algorithm.train()
            steps = result["num_env_steps_sampled_lifetime"]
            assert steps < 128 * rollouts
            assert rate(result) == expected(steps)
    envs.close()


def test_epsilon_and_intervals_count_steps_over_all_environments(tmp_path):
    config = small(epsilon=((0, 1.0), (1024, 0.0)), min_sample_timesteps_per_iteration=128, evaluation_interval=256)
    config.update({"checkpoint_dir": str(tmp_path), "checkpoint_interval": 384, "keep_checkpoints": None})
    with config.build_algo() as algorithm:
        results = [algorithm.train() for _ in range(6)]
    steps = [result["num_env_steps_sampled_lifetime"] for result in results]
    assert steps == [128, 256, 384, 512, 640, 768]
    assert [result["env_runners"]["epsilon"] for result in results] == pytest.approx(1 - np.array(steps) / 1024)
    assert [at for at, result in zip(steps, results, strict=True) if "evaluation" in result] == [256, 512, 768]
    assert {path.name for path in tmp_path.glob("step_*")} == {"step_384", "step_768"}


class Seeded(gym.Wrapper):
    """Keeps the seeds of its resets."""

    def __init__(self, seeds):
        super().__init__(gym.make("CartPole-v1", max_episode_steps=20))
        self.seeds = seeds

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.seeds.append(seed)
        return self.env.reset(seed=seed, options=options)


@pytest.mark.parametrize("make", [small, small_ppo])
def test_no_environment_is_evaluated_on_a_seed_of_training(make):
    trained, evaluated = [], []
    config = make(env=lambda: Seeded(trained), evaluation_env=lambda: Seeded(evaluated), num_envs=4, placement="inline")
    with config.build_algo() as algorithm:
        algorithm.train()
        assert len(set(trained)) == len(trained) == 4
        algorithm.evaluate()
        first = evaluated.copy()
        assert len(set(first)) == len(first) == 4
        algorithm.evaluate()
        assert evaluated == first * 2
        algorithm.evaluate(draw=1)
    assert not set(evaluated[8:]) & set(first)
    assert {seed % 2 for seed in trained} == {0}  # whatever the seed and number of either
    assert {seed % 2 for seed in evaluated} == {1}


def test_each_iteration_of_a_run_has_steps():
    """Seven environments never make a multiple of 400; what is done beyond counts for the next iteration."""
    result = train_dqn(config=small(num_envs=7, total_timesteps=1_000), progress=False)
    assert [row["num_env_steps_sampled_lifetime"] for row in result.history] == [406, 805, 1_001]
