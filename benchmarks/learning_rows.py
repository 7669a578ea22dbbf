"""What the benchmark of learning trains: its rows, fixed beforehand, in SB3's words, and the same in ours.

Where a row names no other source, its settings are those of rl-baselines3-zoo (hyperparams/{ppo,dqn,sac}.yml), laid
over SB3's defaults, all of which that matter stand here: no default of either side is relied upon. "lin_x" is the zoo's
way to write a ramp from x to 0 over the training. `random` is the mean of 100 (Breakout: 1,000) random episodes, as
`python -m benchmarks.learning --random` measures it; `reference` is what the zoo's trained agent reached
(benchmark.md), if nothing else is said.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym

from benchmarks import breakout
from benchmarks.evaluator import MakeEnv

FIRST_SEED, SEED_STRIDE = 1_000, 1_000

PPO: dict[str, Any] = {
    "n_envs": 1,
    "n_steps": 2048,
    "batch_size": 64,
    "n_epochs": 10,
    "learning_rate": 3e-4,
    "clip_range": 0.2,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "ent_coef": 0.0,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
    "normalize": False,
    "net_arch": [64, 64],
    "activation": "tanh",
}
DQN: dict[str, Any] = {
    "n_envs": 1,
    "max_grad_norm": 10.0,
    "exploration_initial_eps": 1.0,
    "gamma": 0.99,
    "net_arch": [256, 256],
    "activation": "relu",
}
SAC: dict[str, Any] = {
    "n_envs": 1,
    "learning_rate": 3e-4,
    "buffer_size": 1_000_000,
    "learning_starts": 100,
    "batch_size": 256,
    "tau": 0.005,
    "gamma": 0.99,
    "train_freq": 1,
    "gradient_steps": 1,
    "ent_coef": "auto",
    "net_arch": [256, 256],
    "activation": "relu",
}


@dataclass(frozen=True)
class Row:
    """One comparison: an algorithm on an environment, how long, how often, and by which settings."""

    algorithm: str
    env_id: str
    steps: int
    seeds: int
    random: float
    reference: float
    settings: Mapping[str, Any]
    note: str = ""

    @property
    def name(self) -> str:
        """What `--only` and the results' folder call it."""
        return f"{self.algorithm}/{self.env_id.replace('/', '-')}"

    @property
    def all_seeds(self) -> list[int]:
        """Its seeds, a thousand apart."""
        return [FIRST_SEED + SEED_STRIDE * index for index in range(self.seeds)]

    @property
    def make_env(self) -> MakeEnv:
        """Makes one environment."""
        return breakout.make if self.env_id == breakout.ENV_ID else partial(gym.make, self.env_id)

    @property
    def package(self) -> str | None:
        """What the environment needs and is not installed, as pip calls it."""
        needed = {breakout.ENV_ID: "MinAtar", "HalfCheetah-v5": "mujoco", "LunarLander-v3": "box2d"}.get(self.env_id)
        if needed is None or importlib.util.find_spec({"box2d": "Box2D"}.get(needed, needed.lower())):
            return None
        return needed

    def normalized(self, episode_return: float) -> float:
        """0 for a random policy, 1 for the reference."""
        return (episode_return - self.random) / (self.reference - self.random)


ROWS = (
    Row(
        "ppo", "CartPole-v1", 100_000, 30, 24.8, 500.0,
        PPO | {"n_envs": 8, "n_steps": 32, "batch_size": 256, "n_epochs": 20, "learning_rate": "lin_0.001",
               "clip_range": "lin_0.2", "gamma": 0.98, "gae_lambda": 0.8},
        "of 10 seeds one of the pipeline's failed, which alone decided, and so there are 30",
    ),
    Row(
        "ppo", "Acrobot-v1", 300_000, 10, -499.9, -73.5,
        PPO | {"n_envs": 16, "n_steps": 256, "n_epochs": 4, "gae_lambda": 0.94, "normalize": True},
        "the zoo trains for 1,000,000 steps",
    ),
    Row(
        "ppo", "LunarLander-v3", 1_000_000, 10, -181.1, 242.1,
        PPO | {"n_envs": 16, "n_steps": 1024, "n_epochs": 4, "gamma": 0.999, "gae_lambda": 0.98, "ent_coef": 0.01},
    ),
    Row(
        "ppo", "HalfCheetah-v5", 300_000, 10, -276.4, 5819.1, PPO | {"normalize": True},
        "the zoo's settings of MuJoCo before it tuned each environment, with a state-independent standard deviation "
        "that begins at 1; the reference is of 1,000,000 steps of HalfCheetah-v3; of 5 seeds one of SB3's decided "
        "alone, and so there are 10",
    ),
    Row(
        "ppo", breakout.ENV_ID, 1_000_000, 5, 0.4, 10.0,
        PPO | {"n_envs": 8, "n_steps": 128, "batch_size": 256, "n_epochs": 4, "learning_rate": "lin_0.00025",
               "clip_range": "lin_0.1", "ent_coef": 0.01, "net_arch": "MinAtar"},
        "the zoo's settings of Atari; the reference is set by hand",
    ),
    Row(
        "dqn", "CartPole-v1", 50_000, 30, 24.8, 500.0,
        DQN | {"learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1_000,
               "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128, "exploration_fraction": 0.16,
               "exploration_final_eps": 0.04},
        "10 seeds gave an interval of 0.33 to either side, by which nothing can be judged, and so there are 30",
    ),
    Row(
        "dqn", "LunarLander-v3", 100_000, 20, -181.1, 154.4,
        DQN | {"learning_rate": 6.3e-4, "batch_size": 128, "buffer_size": 50_000, "learning_starts": 0,
               "target_update_interval": 250, "train_freq": 4, "gradient_steps": 4, "exploration_fraction": 0.12,
               "exploration_final_eps": 0.1},
        "of 10 seeds one of ours, whose values had diverged, decided alone, and so there are 20",
    ),
    Row(
        "dqn", breakout.ENV_ID, 500_000, 5, 0.4, 10.0,
        DQN | {"learning_rate": 1e-4, "batch_size": 32, "buffer_size": 100_000, "learning_starts": 5_000,
               "target_update_interval": 1_000, "train_freq": 4, "gradient_steps": 1, "exploration_fraction": 0.1,
               "exploration_final_eps": 0.01, "net_arch": "MinAtar"},
        "the zoo's settings of Atari, with the smaller buffer, start and update interval that MinAtar's authors chose; "
        "the reference is set by hand",
    ),
    Row("sac", "Pendulum-v1", 20_000, 5, -1222.5, -157.0, SAC | {"learning_rate": 1e-3}),
    Row(
        "sac", "HalfCheetah-v5", 200_000, 5, -276.4, 9535.5, SAC | {"learning_starts": 10_000},
        "the reference is of 1,000,000 steps of HalfCheetah-v3",
    ),
)  # fmt: skip


def row_of(name: str) -> Row:
    """The row of that name."""
    for row in ROWS:
        if row.name == name:
            return row
    raise ValueError(f"no row {name!r}; there are {', '.join(row.name for row in ROWS)}")


def ours(row: Row) -> dict[str, Any]:
    """The settings of a row in our words, without environment, seed and steps; of JSON values alone."""
    said = row.settings
    common = {
        "num_envs": said["n_envs"],
        "lr": ramp(said["learning_rate"]),
        "gamma": said["gamma"],
        "model": model(said),
        "learner_threads": 1,
    }
    return common | {"ppo": _ppo, "dqn": _dqn, "sac": _sac}[row.algorithm](said)


def ramp(value: float | str) -> Any:
    """The zoo's number or "lin_number" as one of ours."""
    return [[0.0, float(value.removeprefix("lin_"))], [1.0, 0.0]] if isinstance(value, str) else value


def model(said: Mapping[str, Any]) -> Any:
    """Our ModelConfig as a dict, or the name of a network of `breakout.py`."""
    net = said["net_arch"]
    return net if isinstance(net, str) else {"hiddens": net, "activation": said["activation"]}


def _ppo(said: Mapping[str, Any]) -> dict[str, Any]:
    clip = ramp(said["clip_range"])
    if isinstance(clip, list):
        clip[-1][1] = 1e-8  # of a training that has ended: a clip range must be more than 0
    return {
        "train_batch_size": said["n_envs"] * said["n_steps"],
        "minibatch_size": said["batch_size"],
        "num_epochs": said["n_epochs"],
        "clip_param": clip,
        "lambda_": said["gae_lambda"],
        "entropy_coeff": said["ent_coef"],
        "vf_loss_coeff": said["vf_coef"],
        "grad_clip": said["max_grad_norm"],
        "normalize_observations": said["normalize"],
        "normalize_rewards": said["normalize"],
    }


def _dqn(said: Mapping[str, Any]) -> dict[str, Any]:
    return _off_policy(said) | {
        "grad_clip": said["max_grad_norm"],
        "epsilon": [
            [0.0, said["exploration_initial_eps"]],
            [said["exploration_fraction"], said["exploration_final_eps"]],
        ],
        # SB3 looks whether an update is due after each step, but learns only every train_freq: more often is the same.
        "target_network_update_freq": max(said["target_update_interval"], said["train_freq"]),
        "double_q": False,
        "n_step": 1,
    }


def _sac(said: Mapping[str, Any]) -> dict[str, Any]:
    assert said["ent_coef"] == "auto"
    return _off_policy(said) | {"tau": said["tau"], "initial_alpha": 1.0, "target_entropy": "auto"}


def _off_policy(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "train_batch_size": said["batch_size"],
        "replay_buffer_config": {"capacity": said["buffer_size"]},
        "num_steps_sampled_before_learning_starts": said["learning_starts"],
        "train_freq": said["train_freq"],
        "gradient_steps": said["gradient_steps"],
    }
