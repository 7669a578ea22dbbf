"""DQNConfig: the settings of DQN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self, Unpack

from .checks import Check, ConfigError, number, one_of, ramp, whole
from .config import AlgorithmConfig, AlgorithmSettings
from .model_config import ModelConfig
from .off_policy_config import (
    OffPolicyCheckpointingSettings,
    OffPolicyConfig,
    OffPolicyEnvRunnerSettings,
    OffPolicyTrainingSettings,
)
from .piecewise import Ramp

if TYPE_CHECKING:
    from .dqn import DQN


class DQNEnvRunnerSettings(OffPolicyEnvRunnerSettings, total=False):
    """How experience is gathered."""

    epsilon: Ramp


class DQNTrainingSettings(OffPolicyTrainingSettings, total=False):
    """How is learned from it."""

    double_q: bool
    dueling: bool
    target_network_update_freq: int


class DQNSettings(
    AlgorithmSettings, DQNEnvRunnerSettings, DQNTrainingSettings, OffPolicyCheckpointingSettings, total=False
):
    """All settings of DQN."""


@dataclass(kw_only=True)
class DQNConfig(OffPolicyConfig):
    """The settings of DQN. Every frequency and duration counts environment steps over all environments.

    DQNConfig(env="CartPole-v1", lr=1e-3)
    DQNConfig().environment(env="CartPole-v1").training(lr=1e-3)  # the same
    """

    lr: Ramp = ((0.0, 2.3e-3), (1.0, 2.3e-4))
    """Learning rate of Adam: a number, or points (time, value); times up to 1 are fractions of
    `total_timesteps`.
    """
    epsilon: Ramp = ((0.0, 1.0), (0.16, 0.04))
    """Share of random actions: a number, or points (time, value); times up to 1 are fractions of
    `total_timesteps`.
    """
    double_q: bool = True
    """Whether the online network chooses the action that the target network values (van
    Hasselt et al. 2016).
    """
    dueling: bool = False
    """Whether the built-in network splits value and advantage (Wang et al. 2016)."""
    target_network_update_freq: int = 256
    """Environment steps from one update of the target network to the next, before a round of learning."""

    algorithm: ClassVar[str] = "DQN"
    _ramps: ClassVar[tuple[str, ...]] = (*AlgorithmConfig._ramps, "epsilon")
    _groups: ClassVar[dict[str, Any]] = {
        **OffPolicyConfig._groups,
        "env_runners": DQNEnvRunnerSettings,
        "training": DQNTrainingSettings,
    }
    _checks: ClassVar[dict[str, Check]] = {
        **OffPolicyConfig._checks,
        "epsilon": ramp(number(least=0, most=1)),
        "double_q": one_of(True, False),
        "dueling": one_of(True, False),
        "target_network_update_freq": whole(1),
    }

    def validate(self) -> None:
        """As any Settings, and the pairs that make no sense."""
        super().validate()
        if self.dueling and not isinstance(self.model, ModelConfig):
            raise ConfigError("dueling=True shapes the built-in network; with a model of your own, build it in there")

    def env_runners(self, **settings: Unpack[DQNEnvRunnerSettings]) -> Self:
        """Set how experience is gathered."""
        return self._group("env_runners", settings)

    def training(self, **settings: Unpack[DQNTrainingSettings]) -> Self:
        """Set how is learned from it."""
        return self._group("training", settings)

    def build_algo(self) -> DQN:
        """Make the algorithm that runs with a frozen copy of these settings."""
        from . import DQN  # by the package, which names the extra where torch is missing

        return DQN(self)
