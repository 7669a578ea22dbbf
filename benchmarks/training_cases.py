"""Trainings of CartPole-v1 and Pendulum-v1 by several libraries: the work of processes of their own (training.py)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym

from benchmarks.apart import Work, serve

ENV_ID, PENDULUM = "CartPole-v1", "Pendulum-v1"
HORIZON = 10_000_000  # of schedules; no training of a case gets there

PPO_ENVS = 8
PPO_SETTINGS: dict[str, Any] = {
    "n_steps": 128,
    "batch_size": 256,
    "n_epochs": 10,
    "learning_rate": 3e-4,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_range": 0.2,
    "ent_coef": 0.0,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
}
OUR_PPO: dict[str, Any] = {
    "env": ENV_ID,
    "num_envs": PPO_ENVS,
    "train_batch_size": PPO_ENVS * 128,
    "minibatch_size": 256,
    "num_epochs": 10,
    "model": {"hiddens": (64, 64), "activation": "tanh"},
    "total_timesteps": HORIZON,
}
ROLLOUT_ENVS = 64

# rl-baselines3-zoo's, as in learning_rows.py; epsilon stays at its end.
DQN_SETTINGS: dict[str, Any] = {
    "learning_rate": 2.3e-3,
    "batch_size": 64,
    "buffer_size": 100_000,
    "learning_starts": 1_000,
    "gamma": 0.99,
    "target_update_interval": 10,
    "gradient_steps": 128,
    "exploration_fraction": 1e-6,
    "exploration_final_eps": 0.04,
}
OUR_DQN: dict[str, Any] = {
    "env": ENV_ID,
    "lr": 2.3e-3,
    "train_batch_size": 64,
    "replay_buffer_config": {"capacity": 100_000},
    "num_steps_sampled_before_learning_starts": 1_000,
    "target_network_update_freq": 256,
    "train_freq": 256,
    "gradient_steps": 128,
    "epsilon": 0.04,
    "double_q": False,
    "n_step": 1,
    "model": {"hiddens": (256, 256), "activation": "relu"},
    "total_timesteps": HORIZON,
    "learner_threads": 1,
    "placement": "inline",
}

# Likewise: SB3's defaults but for the learning rate. One environment, and a gradient step for each of its steps.
SAC_SETTINGS: dict[str, Any] = {"learning_rate": 1e-3}
OUR_SAC: dict[str, Any] = {
    "env": PENDULUM,
    "num_envs": 1,
    "lr": 1e-3,
    "num_steps_sampled_before_learning_starts": 100,
    "model": {"hiddens": (256, 256), "activation": "relu"},
    "total_timesteps": HORIZON,
}


def stable_baselines(
    module: str, algorithm: str, envs: int, settings: dict[str, Any], net: dict[str, Any], env_id: str = ENV_ID
) -> Work:
    """Stable-Baselines3's or SBX's algorithm in a DummyVecEnv, on one torch thread; each call goes on learning."""
    import importlib

    import torch
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)
    kind = getattr(importlib.import_module(module), algorithm)
    model = kind("MlpPolicy", make_vec_env(env_id, envs, seed=0), seed=0, device="cpu", policy_kwargs=net, **settings)

    def work(steps: int) -> int:
        before = model.num_timesteps
        model.learn(steps, reset_num_timesteps=False)
        return int(model.num_timesteps - before)

    return work


def peers_ppo(module: str) -> Work:
    """SB3's or SBX's PPO."""
    return stable_baselines(module, "PPO", PPO_ENVS, PPO_SETTINGS, {"net_arch": [64, 64]})


def peers_dqn(module: str, envs: int) -> Work:
    """SB3's or SBX's DQN; it counts `train_freq` in steps of all environments."""
    return stable_baselines(module, "DQN", envs, DQN_SETTINGS | {"train_freq": 256 // envs}, {"net_arch": [256, 256]})


def peers_sac(module: str) -> Work:
    """SB3's or SBX's SAC."""
    return stable_baselines(module, "SAC", 1, SAC_SETTINGS, {"net_arch": [256, 256]}, PENDULUM)


def reactvec_ppo(**settings: Any) -> Work:
    """Ours."""
    from reactvec.algorithms import PPOConfig

    return continued(PPOConfig(**(OUR_PPO | settings)).build_algo())


def reactvec_dqn(**settings: Any) -> Work:
    """Ours."""
    from reactvec.algorithms import DQNConfig

    return continued(DQNConfig(**(OUR_DQN | settings)).build_algo())


def reactvec_sac(**settings: Any) -> Work:
    """Ours."""
    from reactvec.algorithms import SACConfig

    return continued(SACConfig(**(OUR_SAC | settings)).build_algo())


def continued(algorithm: Any) -> Work:
    """Each call goes on learning."""

    def work(steps: int) -> int:
        before = algorithm.progress.steps
        algorithm.train_steps(steps)
        return int(algorithm.progress.steps - before)

    return work


class NoGradients:
    """Stands for the learner's kernel and takes no gradient step."""

    def __init__(self, by_kernel: Any) -> None:
        self.close, self.kernel = by_kernel.close, by_kernel.kernel

    def fit(self, *arguments: Any) -> tuple[Any, int]:
        """No losses, one minibatch."""
        import numpy as np

        from reactvec.algorithms.ppo_kernel import METRICS

        return np.zeros(len(METRICS)), 1


def rollouts_alone(**settings: Any) -> Any:
    """Our PPO without its gradient steps: inference, sampling, environments and rollout, but also advantages, episode
    statistics and the way of the weights back to the policy.
    """
    from reactvec.algorithms import PPOConfig

    many = {"num_envs": ROLLOUT_ENVS, "train_batch_size": ROLLOUT_ENVS * 128, "num_epochs": 1, "native": True}
    algorithm = PPOConfig(**(OUR_PPO | many | settings)).build_algo()
    learner: Any = algorithm.learner
    if learner.by_kernel is None:
        raise RuntimeError("this network has no learner kernel; there is nothing to leave out")
    learner.by_kernel = NoGradients(learner.by_kernel)
    return algorithm


def reactvec_rollouts(**settings: Any) -> Work:
    """Our rollouts alone."""
    return continued(rollouts_alone(**settings))


def rllib_ppo() -> Work:
    """RLlib's PPO in this process, where it can be imported."""
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    model = DefaultModelConfig(fcnet_hiddens=[64, 64], fcnet_activation="tanh", vf_share_layers=False)
    config = (
        PPOConfig()
        .environment(ENV_ID)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=PPO_ENVS)
        .learners(num_learners=0)
        .rl_module(model_config=model)
        .training(train_batch_size=PPO_ENVS * 128, minibatch_size=256, num_epochs=10, lr=3e-4, use_kl_loss=False)
        .debugging(seed=0, log_level="ERROR")
    )
    algorithm = config.build_algo()
    lifetime = 0

    def work(steps: int) -> int:
        nonlocal lifetime
        before = lifetime
        while lifetime < before + steps:
            lifetime = int(algorithm.train()["num_env_steps_sampled_lifetime"])
        return lifetime - before

    return work


def serial() -> Work:
    """A plain loop over one environment, with random actions: what the environment alone costs."""
    env = gym.make(ENV_ID)
    env.reset(seed=0)

    def work(steps: int) -> int:
        for step in range(steps):
            _, _, terminated, truncated, _ = env.step(step % 2)
            if terminated or truncated:
                env.reset()
        return steps

    return work


SERIAL = "serial loop (Python), random actions"
SB3_PPO, SBX_PPO, RLLIB_PPO = "SB3 PPO, DummyVecEnv", "SBX PPO, DummyVecEnv", "RLlib PPO"
PYTHON_TORCH, NATIVE_TORCH = "PPO, Python envs, torch learner", "PPO, native envs, torch learner"
KERNEL_ONE, KERNEL_TWO = "PPO, native, learner kernel, 1 worker", "PPO, native, learner kernel, 2 workers"
SB3_DQN, SBX_DQN, OUR_DQNS = (
    {envs: f"{name}, {envs} env{'s' * (envs > 1)}" for envs in (1, 8)} for name in ("SB3 DQN", "SBX DQN", "DQN")
)
SB3_SAC, SBX_SAC, SAC_TORCH = "SB3 SAC", "SBX SAC", "SAC, torch"
SAC_ONE, SAC_TWO = "SAC, kernels, 1 worker", "SAC, kernels, 2 workers"
ROLLOUT_ONE, ROLLOUT_TWO = "rollouts, 64 native envs, 1 worker", "rollouts, 64 native envs, 2 workers"
TWO_WORKERS: dict[str, Any] = {"placement": "threads", "num_workers": 2}

CASES: dict[str, Callable[[], Work]] = {
    SERIAL: serial,
    SB3_PPO: partial(peers_ppo, "stable_baselines3"),
    SBX_PPO: partial(peers_ppo, "sbx"),
    RLLIB_PPO: rllib_ppo,
    PYTHON_TORCH: partial(reactvec_ppo, native=False, learner_backend="torch", placement="inline"),
    NATIVE_TORCH: partial(reactvec_ppo, native=True, learner_backend="torch", placement="inline"),
    KERNEL_ONE: partial(reactvec_ppo, native=True, learner_backend="kernel", placement="inline"),
    KERNEL_TWO: partial(reactvec_ppo, native=True, learner_backend="kernel", **TWO_WORKERS),
    **{SB3_DQN[envs]: partial(peers_dqn, "stable_baselines3", envs) for envs in SB3_DQN},
    **{SBX_DQN[envs]: partial(peers_dqn, "sbx", envs) for envs in SBX_DQN},
    **{OUR_DQNS[envs]: partial(reactvec_dqn, num_envs=envs) for envs in OUR_DQNS},
    SB3_SAC: partial(peers_sac, "stable_baselines3"),
    SBX_SAC: partial(peers_sac, "sbx"),
    SAC_TORCH: partial(reactvec_sac, inference_backend="torch", learner_backend="torch", placement="inline"),
    SAC_ONE: partial(reactvec_sac, placement="inline"),
    SAC_TWO: partial(reactvec_sac, **TWO_WORKERS),
    ROLLOUT_ONE: partial(reactvec_rollouts, placement="inline"),
    ROLLOUT_TWO: partial(reactvec_rollouts, **TWO_WORKERS),
}

if __name__ == "__main__":
    serve(CASES)
