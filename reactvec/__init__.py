"""Reinforcement learning on one machine by the reactor model."""

from __future__ import annotations

import importlib
from pathlib import Path as _Path
from typing import TYPE_CHECKING, Any

from reactvec.compiler import compile
from reactvec.execution import Execution
from reactvec.schedule import Schedule
from reactvec.topology import (
    CausalityLoop,
    InputPort,
    OutputPort,
    Reactor,
    Timing,
    Topology,
    TopologyError,
    present,
    reaction,
)

if TYPE_CHECKING:
    from reactvec.algorithms import DQN, PPO, SAC, DQNConfig, PPOConfig, SACConfig, train_dqn, train_ppo, train_sac
    from reactvec.env_bank import EnvBank
    from reactvec.gym import make_vec
    from reactvec.native_env_bank import make_env_bank
    from reactvec.port_types import port_type, unpack
    from reactvec.vector_env import ReactorVectorEnv

# Imported when first used: what needs gymnasium, or an extra.
_LAZY = {
    "DQN": "reactvec.algorithms",
    "DQNConfig": "reactvec.algorithms",
    "EnvBank": "reactvec.env_bank",
    "PPO": "reactvec.algorithms",
    "PPOConfig": "reactvec.algorithms",
    "SAC": "reactvec.algorithms",
    "SACConfig": "reactvec.algorithms",
    "ReactorVectorEnv": "reactvec.vector_env",
    "make_env_bank": "reactvec.native_env_bank",
    "make_vec": "reactvec.gym",
    "port_type": "reactvec.port_types",
    "train_dqn": "reactvec.algorithms",
    "train_ppo": "reactvec.algorithms",
    "train_sac": "reactvec.algorithms",
    "unpack": "reactvec.port_types",
}

__all__ = [
    "DQN",
    "PPO",
    "SAC",
    "CausalityLoop",
    "DQNConfig",
    "EnvBank",
    "Execution",
    "InputPort",
    "OutputPort",
    "PPOConfig",
    "Reactor",
    "ReactorVectorEnv",
    "SACConfig",
    "Schedule",
    "Timing",
    "Topology",
    "TopologyError",
    "compile",
    "get_include",
    "make_env_bank",
    "make_vec",
    "port_type",
    "present",
    "reaction",
    "train_dqn",
    "train_ppo",
    "train_sac",
    "unpack",
]


def get_include() -> str:
    """The directory of the C headers for kernels that other packages add; see docs/kernels.md."""
    return str(_Path(__file__).parent / "envs")


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'reactvec' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
