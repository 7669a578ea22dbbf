"""Presets: settings that others tuned, by name, algorithm and environment id.

"zoo" is rl-baselines3-zoo's (hyperparams/{ppo,dqn,sac}.yml, "Tuned" unless it says otherwise), laid over
Stable-Baselines3's defaults, in our words; nothing is left to a default of ours. Its entries for older versions of an
environment are used for the one that there is now. What needs a setting that we do not have is not in the table:
state-dependent exploration, an initial standard deviation, Atari's wrappers.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from .checks import ConfigError

Preset = Mapping[str, Any]


def _to_zero(value: float, end: float = 0.0) -> tuple[tuple[float, float], ...]:
    """A ramp from `value` to 0 over the training; the zoo writes lin_value."""
    return ((0.0, value), (1.0, end))


_PPO: Preset = {
    "num_envs": 1,
    "train_batch_size": 2048,
    "minibatch_size": 64,
    "num_epochs": 10,
    "lr": 3e-4,
    "gamma": 0.99,
    "lambda_": 0.95,
    "clip_param": 0.2,
    "vf_clip_param": None,
    "vf_loss_coeff": 0.5,
    "entropy_coeff": 0.0,
    "grad_clip": 0.5,
    "target_kl": None,
    "normalize_advantages": True,
    "normalize_observations": False,
    "normalize_rewards": False,
    "adam_epsilon": 1e-5,
    "squash_actions": False,
    "model": {"hiddens": (64, 64), "activation": "tanh"},
}
_DQN: Preset = {
    "num_envs": 1,
    "gamma": 0.99,
    "grad_clip": 10.0,
    "double_q": False,
    "dueling": False,
    "n_step": 1,
    "tau": 1.0,
    "adam_epsilon": 1e-8,
    "model": {"hiddens": (256, 256), "activation": "relu"},
}
_SAC: Preset = {
    "num_envs": 1,
    "lr": 3e-4,
    "gamma": 0.99,
    "grad_clip": None,
    "train_batch_size": 256,
    "replay_buffer_config": {"capacity": 1_000_000},
    "num_steps_sampled_before_learning_starts": 100,
    "train_freq": 1,
    "gradient_steps": 1,
    "n_step": 1,
    "tau": 0.005,
    "adam_epsilon": 1e-8,
    "initial_alpha": 1.0,
    "target_entropy": "auto",
    "model": {"hiddens": (256, 256), "activation": "relu"},
}

_NORMALIZED: Preset = {"normalize_observations": True, "normalize_rewards": True}
_PPO_LANDER: Preset = {
    **_PPO, "total_timesteps": 1_000_000, "num_envs": 16, "train_batch_size": 16 * 1024, "num_epochs": 4,
    "gamma": 0.999, "lambda_": 0.98, "entropy_coeff": 0.01,
}  # fmt: skip
_DQN_LANDER: Preset = {
    **_DQN, "total_timesteps": 100_000, "lr": 6.3e-4, "train_batch_size": 128,
    "replay_buffer_config": {"capacity": 50_000}, "num_steps_sampled_before_learning_starts": 0,
    "target_network_update_freq": 250, "train_freq": 4, "gradient_steps": 4, "epsilon": ((0.0, 1.0), (0.12, 0.1)),
}  # fmt: skip
_SAC_MUJOCO: Preset = {**_SAC, "total_timesteps": 1_000_000, "num_steps_sampled_before_learning_starts": 10_000}

PRESETS: Mapping[str, Mapping[str, Mapping[str, Preset]]] = {
    "zoo": {
        "PPO": {
            "CartPole-v1": {
                **_PPO, "total_timesteps": 100_000, "num_envs": 8, "train_batch_size": 8 * 32, "minibatch_size": 256,
                "num_epochs": 20, "lr": _to_zero(1e-3), "clip_param": _to_zero(0.2, 1e-8), "gamma": 0.98,
                "lambda_": 0.8,
            },
            # Not tuned.
            "Acrobot-v1": {
                **_PPO, **_NORMALIZED, "total_timesteps": 1_000_000, "num_envs": 16, "train_batch_size": 16 * 256,
                "num_epochs": 4, "lambda_": 0.94,
            },
            # Not tuned.
            "MountainCar-v0": {
                **_PPO, **_NORMALIZED, "total_timesteps": 1_000_000, "num_envs": 16, "train_batch_size": 16 * 16,
                "num_epochs": 4, "lambda_": 0.98,
            },
            # Not tuned.
            "LunarLander-v3": _PPO_LANDER,
            "LunarLanderContinuous-v3": _PPO_LANDER,
            # Not tuned.
            "BipedalWalker-v3": {
                **_PPO, **_NORMALIZED, "total_timesteps": 5_000_000, "num_envs": 32, "train_batch_size": 32 * 2048,
                "gamma": 0.999, "clip_param": 0.18,
            },
            "BipedalWalkerHardcore-v3": {
                **_PPO, **_NORMALIZED, "total_timesteps": 100_000_000, "num_envs": 16, "train_batch_size": 16 * 2048,
                "entropy_coeff": 0.001, "lr": _to_zero(2.5e-4), "clip_param": _to_zero(0.2, 1e-8),
            },
            "InvertedDoublePendulum-v5": {
                **_PPO, **_NORMALIZED, "total_timesteps": 1_000_000, "train_batch_size": 128, "minibatch_size": 512,
                "gamma": 0.98, "lr": 0.000155454, "entropy_coeff": 1.05057e-06, "clip_param": 0.4, "lambda_": 0.8,
                "vf_loss_coeff": 0.695929,
            },
            "InvertedPendulum-v5": {
                **_PPO, **_NORMALIZED, "total_timesteps": 1_000_000, "train_batch_size": 32, "gamma": 0.999,
                "lr": 0.000222425, "entropy_coeff": 1.37976e-07, "clip_param": 0.4, "num_epochs": 5, "lambda_": 0.9,
                "grad_clip": 0.3, "vf_loss_coeff": 0.19816,
            },
            "Reacher-v5": {
                **_PPO, **_NORMALIZED, "total_timesteps": 1_000_000, "train_batch_size": 512, "minibatch_size": 32,
                "gamma": 0.9, "lr": 0.000104019, "entropy_coeff": 7.52585e-08, "clip_param": 0.3, "num_epochs": 5,
                "lambda_": 1.0, "grad_clip": 0.9, "vf_loss_coeff": 0.950368,
            },
            "Walker2d-v5": {
                **_PPO, **_NORMALIZED, "total_timesteps": 1_000_000, "train_batch_size": 512, "minibatch_size": 32,
                "lr": 5.05041e-05, "entropy_coeff": 0.000585045, "clip_param": 0.1, "num_epochs": 20,
                "grad_clip": 1.0, "vf_loss_coeff": 0.871923,
            },
            # Not tuned.
            "Ant-v5": {**_PPO, **_NORMALIZED, "total_timesteps": 1_000_000},
            "Swimmer-v5": {**_PPO, **_NORMALIZED, "total_timesteps": 1_000_000, "gamma": 0.9999},
        },
        "DQN": {
            # "Almost tuned". Updates of the target network are due more often than learning: as often is the same.
            "CartPole-v1": {
                **_DQN, "total_timesteps": 50_000, "lr": 2.3e-3, "train_batch_size": 64,
                "replay_buffer_config": {"capacity": 100_000}, "num_steps_sampled_before_learning_starts": 1000,
                "target_network_update_freq": 256, "train_freq": 256, "gradient_steps": 128,
                "epsilon": ((0.0, 1.0), (0.16, 0.04)),
            },
            "MountainCar-v0": {
                **_DQN, "total_timesteps": 120_000, "lr": 4e-3, "train_batch_size": 128, "gamma": 0.98,
                "replay_buffer_config": {"capacity": 10_000}, "num_steps_sampled_before_learning_starts": 1000,
                "target_network_update_freq": 600, "train_freq": 16, "gradient_steps": 8,
                "epsilon": ((0.0, 1.0), (0.2, 0.07)),
            },
            "LunarLander-v3": _DQN_LANDER,
            "Acrobot-v1": _DQN_LANDER,
        },
        "SAC": {
            "Pendulum-v1": {**_SAC, "total_timesteps": 20_000, "lr": 1e-3},
            "LunarLanderContinuous-v3": {
                **_SAC, "total_timesteps": 500_000, "lr": _to_zero(7.3e-4), "tau": 0.01,
                "num_steps_sampled_before_learning_starts": 10_000,
                "model": {"hiddens": (400, 300), "activation": "relu"},
            },
            "HalfCheetah-v5": _SAC_MUJOCO,
            "Ant-v5": _SAC_MUJOCO,
            "Hopper-v5": _SAC_MUJOCO,
            "Walker2d-v5": _SAC_MUJOCO,
            "Humanoid-v5": {**_SAC_MUJOCO, "total_timesteps": 2_000_000},
            "Swimmer-v5": {**_SAC_MUJOCO, "gamma": 0.9999},
        },
    }
}  # fmt: skip


def preset(name: str, algorithm: str, env: object) -> Preset:
    """The settings of a preset for an algorithm ("PPO") on an environment, by its id; ConfigError if there are none."""
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; there is {', '.join(map(repr, PRESETS))}")
    if not isinstance(env, str):
        raise ConfigError(f"preset={name!r} has settings by an environment's id: set env to one first, not to {env!r}")
    known = PRESETS[name][algorithm]
    if env not in known:
        near = difflib.get_close_matches(env, known, n=1, cutoff=0.6)
        guess = f"; did you mean {near[0]!r}? It" if near else "; it"
        raise ConfigError(f"preset {name!r} has no {algorithm} on {env!r}{guess} has {', '.join(known)}")
    return known[env]
