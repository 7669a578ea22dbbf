"""ReplayBufferConfig, and the settings that algorithms which learn from a replay buffer share."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import Self, Unpack

from .checks import Check, ConfigError, number, one_of, ramp, whole
from .config import AlgorithmConfig, CheckpointingSettings, EnvRunnerSettings, TrainingSettings
from .piecewise import Ramp
from .settings import Settings

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


class OffPolicyEnvRunnerSettings(EnvRunnerSettings, total=False):
    """How experience is gathered."""

    weights_delay: int


class OffPolicyTrainingSettings(TrainingSettings, total=False):
    """How is learned from what a replay buffer holds."""

    num_steps_sampled_before_learning_starts: int
    train_freq: int
    gradient_steps: int
    replay_buffer_config: ReplayBufferConfig
    n_step: int
    tau: float
    adam_epsilon: float


class OffPolicyCheckpointingSettings(CheckpointingSettings, total=False):
    """When, where and how much of the state is saved."""

    save_replay_buffer: bool


@dataclass(kw_only=True)
class OffPolicyConfig(AlgorithmConfig):
    """The settings of algorithms that learn from a replay buffer."""

    weights_delay: int = 1
    """Tags (steps of all environments) from the end of learning until the policy acts on the new weights."""
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
    tau: float = 1.0
    """Share of the online weights in an update of the target network; 1 copies them."""
    adam_epsilon: float = 1e-8
    """Epsilon of Adam."""
    save_replay_buffer: bool = False
    """Whether checkpoints hold the replay buffer, too; without it a resumed training gathers a new one."""

    _groups: ClassVar[dict[str, Any]] = {
        **AlgorithmConfig._groups,
        "env_runners": OffPolicyEnvRunnerSettings,
        "checkpointing": OffPolicyCheckpointingSettings,
    }
    _parts: ClassVar[dict[str, type[Settings]]] = {
        **AlgorithmConfig._parts,
        "replay_buffer_config": ReplayBufferConfig,
    }
    _checks: ClassVar[dict[str, Check]] = {
        **AlgorithmConfig._checks,
        "weights_delay": whole(1),
        "num_steps_sampled_before_learning_starts": whole(0),
        "train_freq": whole(1),
        "gradient_steps": whole(1),
        "n_step": whole(1),
        "tau": number(0, most=1),
        "adam_epsilon": number(0),
        "save_replay_buffer": one_of(True, False),
    }

    def env_runners(self, **settings: Unpack[OffPolicyEnvRunnerSettings]) -> Self:
        """Set how experience is gathered."""
        return self._group("env_runners", settings)

    def checkpointing(self, **settings: Unpack[OffPolicyCheckpointingSettings]) -> Self:
        """Set when, where and how much of the state is saved."""
        return self._group("checkpointing", settings)

    def validate(self) -> None:
        """As any Settings, and the replay buffer's own."""
        super().validate()
        if not isinstance(self.replay_buffer_config, ReplayBufferConfig):
            raise ConfigError(
                f"replay_buffer_config={self.replay_buffer_config!r} must be a ReplayBufferConfig or a dict"
            )
