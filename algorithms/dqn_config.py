"""DQNConfig: the settings of DQN."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self, Unpack

from .backends import BACKENDS, Backend
from .checks import Check, ConfigError, number, one_of, ramp, whole
from .config import (
    AlgorithmConfig,
    AlgorithmSettings,
    CheckpointingSettings,
    EnvRunnerSettings,
    ModelConfig,
    TrainingSettings,
)
from .piecewise import Ramp
from .settings import Settings

if TYPE_CHECKING:
    from .dqn import DQN


# RLlib's names of buffers, by whether they are prioritised.
_BUFFER_TYPES = {
    "EpisodeReplayBuffer": False,
    "ReplayBuffer": False,
    "PrioritizedEpisodeReplayBuffer": True,
    "PrioritizedReplayBuffer": True,
}


@dataclass
class ReplayBufferConfig(Settings):
    """The memory of transitions that minibatches are drawn from: uniformly, or in proportion to
    their priorities.
    """

    capacity: int = 100_000
    """Transitions it holds; the oldest make room."""
    prioritized: bool = False
    """Whether transitions with a large TD error are drawn more often (Schaul et al. 2016, proportional)."""
    alpha: float = 0.6
    """How much more often: the exponent of a priority; 0 draws uniformly."""
    beta: Ramp = 0.4
    """How far importance weights make up for that (1: wholly): a number, or points (time, value); times up to 1
    are fractions of `total_timesteps`.
    """
    priority_epsilon: float = 1e-6
    """What is added to a TD error to make a priority, so that none is 0."""
    frame_stack: int | None = None
    """Frames in an observation, along its first axis; each is kept once. None: as Gymnasium's
    FrameStackObservation around the environment says, else 1.
    """

    _ramps: ClassVar[tuple[str, ...]] = ("beta",)
    _checks: ClassVar[dict[str, Check]] = {
        "capacity": whole(1),
        "prioritized": one_of(True, False),
        "alpha": number(least=0),
        "beta": ramp(number(least=0, most=1)),
        "priority_epsilon": number(0),
        "frame_stack": whole(1, none=True),
    }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """As any Settings; RLlib's `type` of a buffer is understood as `prioritized`."""
        settings = dict(settings)
        if (kind := settings.pop("type", None)) is not None:
            name = getattr(kind, "__name__", str(kind)).rpartition(".")[2]
            if name not in _BUFFER_TYPES:
                near = difflib.get_close_matches(name, _BUFFER_TYPES, n=1, cutoff=0) or list(_BUFFER_TYPES)
                raise ConfigError(f"replay_buffer_config: there is no type {name!r}; did you mean {near[0]!r}?")
            if settings.setdefault("prioritized", _BUFFER_TYPES[name]) is not _BUFFER_TYPES[name]:
                raise ConfigError(
                    f"replay_buffer_config: type={name!r} contradicts prioritized={settings['prioritized']!r}; "
                    "leave one of them out"
                )
        return cls(**settings)


class DQNEnvRunnerSettings(EnvRunnerSettings, total=False):
    """How experience is gathered."""

    epsilon: Ramp
    inference_backend: Backend


class DQNTrainingSettings(TrainingSettings, total=False):
    """How is learned from it."""

    num_steps_sampled_before_learning_starts: int
    train_freq: int
    gradient_steps: int
    replay_buffer_config: ReplayBufferConfig
    n_step: int
    double_q: bool
    dueling: bool
    target_network_update_freq: int
    tau: float
    adam_epsilon: float
    learner_backend: Backend


class DQNCheckpointingSettings(CheckpointingSettings, total=False):
    """When and where the state is saved."""

    save_replay_buffer: bool


class DQNSettings(AlgorithmSettings, DQNEnvRunnerSettings, DQNTrainingSettings, DQNCheckpointingSettings, total=False):
    """All settings of DQN."""


@dataclass(kw_only=True)
class DQNConfig(AlgorithmConfig):
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
    num_steps_sampled_before_learning_starts: int = 1000
    """Environment steps before the first round of learning."""
    train_freq: int = 256
    """Environment steps from one round of learning to the next; rounds are at its multiples."""
    gradient_steps: int = 64
    """Gradient steps per round of learning."""
    replay_buffer_config: ReplayBufferConfig = field(default_factory=ReplayBufferConfig)
    """The replay buffer: a ReplayBufferConfig or a dict of its settings."""
    n_step: int = 3
    """Rewards that a target sums before it bootstraps."""
    double_q: bool = True
    """Whether the online network chooses the action that the target network values (van
    Hasselt et al. 2016).
    """
    dueling: bool = False
    """Whether the built-in network splits value and advantage (Wang et al. 2016)."""
    target_network_update_freq: int = 256
    """Environment steps from one update of the target network to the next, before a round of learning."""
    tau: float = 1.0
    """Share of the online weights in an update of the target network; 1 copies them."""
    adam_epsilon: float = 1e-8
    """Epsilon of Adam."""
    inference_backend: Backend = "auto"
    """What action values are computed by: a kernel that needs no Python, for fully connected networks, or torch.
    "auto": a kernel where there is one, by network and spaces.
    """
    learner_backend: Backend = "auto"
    """What gradients are computed by, likewise."""
    save_replay_buffer: bool = False
    """Whether checkpoints hold the replay buffer, too; without it a resumed training gathers a new one."""

    _ramps: ClassVar[tuple[str, ...]] = (*AlgorithmConfig._ramps, "epsilon")
    _parts: ClassVar[dict[str, type[Settings]]] = {
        **AlgorithmConfig._parts,
        "replay_buffer_config": ReplayBufferConfig,
    }
    _groups: ClassVar[dict[str, Any]] = {
        **AlgorithmConfig._groups,
        "env_runners": DQNEnvRunnerSettings,
        "training": DQNTrainingSettings,
        "checkpointing": DQNCheckpointingSettings,
    }
    _checks: ClassVar[dict[str, Check]] = {
        **AlgorithmConfig._checks,
        "epsilon": ramp(number(least=0, most=1)),
        "num_steps_sampled_before_learning_starts": whole(0),
        "train_freq": whole(1),
        "gradient_steps": whole(1),
        "n_step": whole(1),
        "double_q": one_of(True, False),
        "dueling": one_of(True, False),
        "target_network_update_freq": whole(1),
        "tau": number(0, most=1),
        "adam_epsilon": number(0),
        "inference_backend": one_of(*BACKENDS),
        "learner_backend": one_of(*BACKENDS),
        "save_replay_buffer": one_of(True, False),
    }

    def validate(self) -> None:
        """As any Settings, and the pairs that make no sense."""
        super().validate()
        if not isinstance(self.replay_buffer_config, ReplayBufferConfig):
            raise ConfigError(
                f"replay_buffer_config={self.replay_buffer_config!r} must be a ReplayBufferConfig or a dict"
            )
        if self.dueling and not isinstance(self.model, ModelConfig):
            raise ConfigError("dueling=True shapes the built-in network; with a model of your own, build it in there")

    def env_runners(self, **settings: Unpack[DQNEnvRunnerSettings]) -> Self:
        """Set how experience is gathered."""
        return self._group("env_runners", settings)

    def training(self, **settings: Unpack[DQNTrainingSettings]) -> Self:
        """Set how is learned from it."""
        return self._group("training", settings)

    def checkpointing(self, **settings: Unpack[DQNCheckpointingSettings]) -> Self:
        """Set when and where the state is saved."""
        return self._group("checkpointing", settings)

    def build_algo(self) -> DQN:
        """Make the algorithm that runs with a frozen copy of these settings."""
        from . import DQN  # by the package, which names the extra where torch is missing

        return DQN(self)
