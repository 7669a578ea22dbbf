"""PPOConfig: the settings of PPO."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self, Unpack

from .checks import Check, number, one_of, optional, ramp, whole
from .config import AlgorithmConfig, AlgorithmSettings, EnvRunnerSettings, TrainingSettings
from .model_config import ModelConfig, ModelFactory
from .piecewise import Ramp

if TYPE_CHECKING:
    from .ppo import PPO


class PPOEnvRunnerSettings(EnvRunnerSettings, total=False):
    """How experience is gathered."""

    action_mask: str | None
    squash_actions: bool
    pipeline: bool


class PPOTrainingSettings(TrainingSettings, total=False):
    """How is learned from it."""

    minibatch_size: int
    num_epochs: int
    lambda_: float
    clip_param: Ramp
    vf_clip_param: float | None
    vf_loss_coeff: float
    entropy_coeff: Ramp
    target_kl: float | None
    normalize_advantages: bool
    normalize_observations: bool
    normalize_rewards: bool
    adam_epsilon: float


class PPOSettings(AlgorithmSettings, PPOEnvRunnerSettings, PPOTrainingSettings, total=False):
    """All settings of PPO."""


def _model() -> ModelConfig:
    return ModelConfig(hiddens=(64, 64), activation="tanh")


@dataclass(kw_only=True)
class PPOConfig(AlgorithmConfig):
    """The settings of PPO. Every frequency and duration counts environment steps over all environments.

    PPOConfig(env="CartPole-v1", lr=3e-4)
    PPOConfig().environment(env="CartPole-v1").training(lr=3e-4)  # the same
    """

    total_timesteps: int = 100_000
    """Environment steps of the whole training; what `lr` and other ramps are stretched over."""
    lr: Ramp = 3e-4
    """Learning rate of Adam: a number, or points (time, value); times up to 1 are fractions of
    `total_timesteps`.
    """
    train_batch_size: int = 1024
    """Environment steps of a rollout, over all environments; what one iteration learns from."""
    minibatch_size: int = 256
    """Steps per gradient step; what remains of a rollout is a smaller one."""
    num_epochs: int = 10
    """How often each step of a rollout is learned from."""
    lambda_: float = 0.95
    """Of generalised advantage estimation (Schulman et al. 2016): 0 trusts the values, 1 the returns."""
    clip_param: Ramp = 0.2
    """How far the probability of an action may move, as a ratio, before the loss stops rewarding it; a ramp."""
    vf_clip_param: float | None = None
    """How far a value may move before the loss counts the larger of both errors; None: no limit."""
    vf_loss_coeff: float = 0.5
    """What the squared error of the values counts in the loss."""
    entropy_coeff: Ramp = 0.0
    """What the entropy of the policy counts against the loss; a ramp."""
    grad_clip: float | None = 0.5
    """Largest global norm of a gradient; None: no limit."""
    target_kl: float | None = None
    """Learning from a rollout stops before the policy moves by more than 1.5 times this (an estimate of the KL
    divergence); None: it does not.
    """
    normalize_advantages: bool = True
    """Whether the advantages of a minibatch are brought to mean 0 and standard deviation 1."""
    normalize_observations: bool = False
    """Whether the built-in network sees observations less their mean, by their standard deviation."""
    normalize_rewards: bool = False
    """Whether learning sees rewards divided by the standard deviation of the discounted return."""
    adam_epsilon: float = 1e-5
    """Epsilon of Adam."""
    model: ModelConfig | ModelFactory = field(default_factory=_model)
    """The network: a ModelConfig, or a callable (observation_space, action_space) -> torch.nn.Module."""
    action_mask: str | None = None
    """Key of a Dict observation whose entry of 0 and 1, one for each category of all parts, says which are possible;
    the network does not see it.
    """
    squash_actions: bool = False
    """Whether real actions are squashed into their bounds by a tanh; else they are clipped to them."""
    pipeline: bool = False
    """Whether the next rollout is gathered while the learner learns from the last one: rollout k is then acted by the
    weights that were learned from rollout k - 2 and before. Results do not depend on how long either takes.
    """
    min_sample_timesteps_per_iteration: int = 1
    """Environment steps of one `train()`, rounded up to whole rollouts."""

    algorithm: ClassVar[str] = "PPO"
    _ramps: ClassVar[tuple[str, ...]] = (*AlgorithmConfig._ramps, "clip_param", "entropy_coeff")
    _groups: ClassVar[dict[str, Any]] = {
        **AlgorithmConfig._groups,
        "env_runners": PPOEnvRunnerSettings,
        "training": PPOTrainingSettings,
    }
    _checks: ClassVar[dict[str, Check]] = {
        **AlgorithmConfig._checks,
        "minibatch_size": whole(1),
        "num_epochs": whole(1),
        "lambda_": number(least=0, most=1),
        "clip_param": ramp(number(0)),
        "vf_clip_param": optional(number(0)),
        "vf_loss_coeff": number(least=0),
        "entropy_coeff": ramp(number(least=0)),
        "target_kl": optional(number(0)),
        "normalize_advantages": one_of(True, False),
        "normalize_observations": one_of(True, False),
        "normalize_rewards": one_of(True, False),
        "adam_epsilon": number(0),
        "action_mask": lambda v: None if v is None or isinstance(v, str) else "must be a key, or None",
        "squash_actions": one_of(True, False),
        "pipeline": one_of(True, False),
    }

    def env_runners(self, **settings: Unpack[PPOEnvRunnerSettings]) -> Self:
        """Set how experience is gathered."""
        return self._group("env_runners", settings)

    def training(self, **settings: Unpack[PPOTrainingSettings]) -> Self:
        """Set how is learned from it."""
        return self._group("training", settings)

    def build_algo(self) -> PPO:
        """Make the algorithm that runs with a frozen copy of these settings."""
        from . import PPO  # by the package, which names the extra where torch is missing

        return PPO(self)
