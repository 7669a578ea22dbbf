"""SACConfig: the settings of SAC."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from typing_extensions import Self, Unpack

from .checks import Check, ConfigError, number, one_of, optional, ramp
from .config import AlgorithmConfig, AlgorithmSettings
from .model_config import ModelConfig, ModelFactory
from .off_policy_config import (
    OffPolicyCheckpointingSettings,
    OffPolicyConfig,
    OffPolicyEnvRunnerSettings,
    OffPolicyTrainingSettings,
    ReplayBufferConfig,
)
from .piecewise import Ramp

if TYPE_CHECKING:
    from .sac import SAC


class SACTrainingSettings(OffPolicyTrainingSettings, total=False):
    """How is learned from it."""

    actor_lr: Ramp | None
    critic_lr: Ramp | None
    alpha_lr: Ramp | None
    initial_alpha: float
    target_entropy: float | Literal["auto"]
    twin_q: bool


class SACSettings(
    AlgorithmSettings, OffPolicyEnvRunnerSettings, SACTrainingSettings, OffPolicyCheckpointingSettings, total=False
):
    """All settings of SAC."""


def _model() -> ModelConfig:
    return ModelConfig(hiddens=(256, 256))


def _replay_buffer() -> ReplayBufferConfig:
    return ReplayBufferConfig(capacity=1_000_000)


def _entropy(value: Any) -> str | None:
    good = value == "auto" or (type(value) in (int, float) and math.isfinite(value))
    return None if good else "must be a finite number, or 'auto'"


@dataclass(kw_only=True)
class SACConfig(OffPolicyConfig):
    """The settings of SAC. Every frequency and duration counts environment steps over all environments.

    SACConfig(env="Pendulum-v1", lr=1e-3)
    SACConfig().environment(env="Pendulum-v1").training(lr=1e-3)  # the same
    """

    total_timesteps: int = 100_000
    """Environment steps of the whole training; what `lr` and other ramps are stretched over."""
    lr: Ramp = 3e-4
    """Learning rate of Adam, for actor, critics and alpha: a number, or points (time, value); times up to 1 are
    fractions of `total_timesteps`.
    """
    train_batch_size: int = 256
    """Transitions per gradient step."""
    grad_clip: float | None = None
    """Largest norm of a gradient, of actor, critics and alpha each; None: no limit."""
    model: ModelConfig | ModelFactory = field(default_factory=_model)
    """The networks: a ModelConfig, or a callable (observation_space, action_space) -> torch.nn.Module that has an
    `actor` and `critics`.
    """
    num_steps_sampled_before_learning_starts: int = 100
    """Environment steps before the first round of learning; in them, actions are uniformly random."""
    train_freq: int = 1
    """Environment steps from one round of learning to the next; rounds are at its multiples."""
    gradient_steps: int = 1
    """Gradient steps per round of learning."""
    replay_buffer_config: ReplayBufferConfig = field(default_factory=_replay_buffer)
    """The replay buffer: a ReplayBufferConfig or a dict of its settings."""
    n_step: int = 1
    """Rewards that a target sums before it bootstraps."""
    tau: float = 0.005
    """Share of the critics' weights in an update of the target critics, after each gradient step; 1 copies them."""
    actor_lr: Ramp | None = None
    """Learning rate of the actor; None: `lr`."""
    critic_lr: Ramp | None = None
    """Learning rate of the critics; None: `lr`."""
    alpha_lr: Ramp | None = None
    """Learning rate of the logarithm of alpha; None: `lr`. 0 leaves alpha where it begins."""
    initial_alpha: float = 1.0
    """What the policy's entropy counts against rewards, when learning begins."""
    target_entropy: float | Literal["auto"] = "auto"
    """The entropy that alpha is learned for, of actions between -1 and 1; "auto": -1 for each of their numbers."""
    twin_q: bool = True
    """Whether targets take the smaller value of two critics (Fujimoto et al. 2018); else there is one."""

    algorithm: ClassVar[str] = "SAC"
    _ramps: ClassVar[tuple[str, ...]] = (*AlgorithmConfig._ramps, "actor_lr", "critic_lr", "alpha_lr")
    _groups: ClassVar[dict[str, Any]] = {**OffPolicyConfig._groups, "training": SACTrainingSettings}
    _checks: ClassVar[dict[str, Check]] = {
        **OffPolicyConfig._checks,
        **dict.fromkeys(("actor_lr", "critic_lr", "alpha_lr"), optional(ramp(number(least=0)))),
        "initial_alpha": number(0),
        "target_entropy": _entropy,
        "twin_q": one_of(True, False),
    }

    def validate(self) -> None:
        """As any Settings, and the pairs that make no sense."""
        super().validate()
        if isinstance(self.model, ModelConfig):
            if self.model.share_trunk:
                raise ConfigError("share_trunk=True: actor and critics of SAC share no layers; leave it False")
        elif not self.twin_q:
            raise ConfigError("twin_q=False shapes the built-in networks; with a model of your own, return one value")

    def training(self, **settings: Unpack[SACTrainingSettings]) -> Self:
        """Set how is learned from it."""
        return self._group("training", settings)

    def build_algo(self) -> SAC:
        """Make the algorithm that runs with a frozen copy of these settings."""
        from . import SAC  # by the package, which names the extra where torch is missing

        return SAC(self)
