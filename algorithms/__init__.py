"""Reinforcement learning algorithms as reactor programs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .checks import CheckpointError, ConfigError, MissingExtra
from .config import AlgorithmConfig
from .dqn_config import DQNConfig
from .model_config import ModelConfig
from .names_elsewhere import UnknownSetting
from .off_policy_config import ReplayBufferConfig
from .ppo_config import PPOConfig
from .sac_config import SACConfig

if TYPE_CHECKING:
    from .algorithm import Algorithm
    from .dqn import DQN, dqn_loss, dqn_targets
    from .ppo import PPO
    from .q_network import QNetwork
    from .returns import gae, n_step_windows
    from .run import TrainResult
    from .sac import SAC
    from .training import train_dqn, train_ppo, train_sac
    from .transition_ring import TransitionRing

# Imported when first used: what needs torch.
_LAZY = {
    "Algorithm": "algorithm",
    "DQN": "dqn",
    "PPO": "ppo",
    "QNetwork": "q_network",
    "SAC": "sac",
    "TrainResult": "run",
    "TransitionRing": "transition_ring",
    "dqn_loss": "dqn",
    "dqn_targets": "dqn",
    "gae": "returns",
    "n_step_windows": "returns",
    "train_dqn": "training",
    "train_ppo": "training",
    "train_sac": "training",
}

__all__ = [
    "DQN",
    "PPO",
    "SAC",
    "Algorithm",
    "AlgorithmConfig",
    "CheckpointError",
    "ConfigError",
    "DQNConfig",
    "ModelConfig",
    "PPOConfig",
    "QNetwork",
    "ReplayBufferConfig",
    "SACConfig",
    "TrainResult",
    "TransitionRing",
    "UnknownSetting",
    "dqn_loss",
    "dqn_targets",
    "gae",
    "n_step_windows",
    "train_dqn",
    "train_ppo",
    "train_sac",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "reactvec":
            raise
        raise MissingExtra(f"{name} needs {package}: pip install 'reactvec[train]'", name=package) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
