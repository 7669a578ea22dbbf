"""Presets: complete, valid, as the benchmark of learning translates the zoo, and overruled by what is said by name."""

from __future__ import annotations

import gymnasium as gym
import pytest

from benchmarks.learning_rows import ROWS, ours
from reactvec.algorithms import DQNConfig, PPOConfig, SACConfig, train_dqn, train_ppo
from reactvec.algorithms.checks import ConfigError
from reactvec.algorithms.presets import PRESETS

CONFIGS = {"PPO": PPOConfig, "DQN": DQNConfig, "SAC": SACConfig}
ENTRIES = [(algorithm, env) for algorithm, envs in PRESETS["zoo"].items() for env in envs]
# What says how a training runs, not what it learns, and what the zoo's algorithms do not have.
ELSEWHERE = {"device", "learner_threads", "learner_backend", "pipeline", "action_mask"}
SAC_ONLY_OURS = {"actor_lr", "critic_lr", "alpha_lr", "twin_q"}


@pytest.mark.parametrize(("algorithm", "env"), ENTRIES)
def test_every_entry_is_whole_and_valid(algorithm: str, env: str):
    config = CONFIGS[algorithm](env=env).preset("zoo")
    assert config == CONFIGS[algorithm](env=env, **PRESETS["zoo"][algorithm][env])
    assert gym.spec(env).id == env
    learned_by = set(config._groups["training"].__annotations__) - ELSEWHERE - SAC_ONLY_OURS
    assert learned_by <= set(PRESETS["zoo"][algorithm][env])


def test_as_the_benchmark_of_learning_translates_the_zoo():
    compared = 0
    for row in ROWS:
        config = CONFIGS[row.algorithm.upper()]
        entry = PRESETS["zoo"][config.algorithm].get(row.env_id)
        if entry is None or row.name == "ppo/HalfCheetah-v5":
            continue
        settings = {name: value for name, value in ours(row).items() if name != "learner_threads"}
        assert config(**entry) == config(**{**entry, **settings}), row.name
        compared += 1
    assert compared == 7


def test_what_is_said_by_name_counts():
    few = {"evaluation_duration": 2, "evaluation_num_envs": 2, "progress": False, "seed": 3}
    result = train_ppo("CartPole-v1", 512, preset="zoo", lr=1e-4, **few)
    config = result.algorithm.config
    assert (config.total_timesteps, config.lr, config.seed) == (512, 1e-4, 3)
    assert (config.num_epochs, config.clip_param, config.lambda_) == (20, ((0.0, 0.2), (1.0, 1e-8)), 0.8)
    assert PPOConfig(env="CartPole-v1").preset("zoo").training(gamma=0.5).gamma == 0.5
    assert PPOConfig(env="CartPole-v1", gamma=0.5).preset("zoo").gamma == 0.98


def test_seeds_share_a_preset():
    few = {"evaluation_duration": 2, "evaluation_num_envs": 2, "progress": False}
    results = train_dqn("CartPole-v1", 512, preset="zoo", seeds=[1, 1001], **few)
    assert [result.algorithm.config.train_freq for result in results] == [256, 256]


def test_defaults_do_not_depend_on_the_environment():
    assert PPOConfig(env="CartPole-v1") == PPOConfig(env="Acrobot-v1").environment("CartPole-v1")


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="there is no preset 'zooo'; there is 'zoo'"):
        train_ppo("CartPole-v1", preset="zooo")
    with pytest.raises(ConfigError, match=r"no DQN on 'CartPole-v0'; did you mean 'CartPole-v1'\?"):
        train_dqn("CartPole-v0", preset="zoo")
    with pytest.raises(ConfigError, match="no SAC on 'CartPole-v1'; it has Pendulum-v1, "):
        SACConfig(env="CartPole-v1").preset("zoo")
    with pytest.raises(ConfigError, match="by an environment's id: set env to one first, not to None"):
        PPOConfig().preset("zoo")
    with pytest.raises(ConfigError, match="config and preset each say all settings"):
        train_ppo("CartPole-v1", preset="zoo", config=PPOConfig())
    with pytest.raises(ConfigError, match=r"did you mean 'lr'\?"):
        train_ppo("CartPole-v1", preset="zoo", lrr=1)  # type: ignore[call-overload]
