"""AlgorithmConfig: the settings that all algorithms share, and the fluent groups that set them.

The keyword arguments of a group (`config.training(lr=...)`) are a TypedDict, so that editors and type
checkers see them; the same TypedDict says at run time which settings belong to the group.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from gymnasium.vector import VectorEnv
from typing_extensions import Self, TypedDict, Unpack

from .backends import BACKENDS, Backend
from .callbacks import Callbacks, CallbackSettings, check_callbacks
from .checks import Check, ConfigError, check_storable, folder, number, one_of, optional, ramp, whole
from .model_config import ModelConfig, ModelFactory
from .piecewise import Ramp
from .presets import preset
from .settings import Settings

if TYPE_CHECKING:
    from .algorithm import Algorithm

EnvSource: TypeAlias = str | Callable[..., Any] | Sequence[Callable[..., Any]] | VectorEnv[Any, Any, Any]


class EnvironmentSettings(TypedDict, total=False):
    """What is learned on."""

    env: EnvSource | None
    env_config: dict[str, Any]


class EnvRunnerSettings(TypedDict, total=False):
    """How experience is gathered."""

    num_envs: int | None
    placement: Literal["auto", "inline", "threads", "processes"]
    num_workers: int | None
    native: bool | Literal["auto"]
    inference_backend: Backend
    inference_rows: int | None
    min_sample_timesteps_per_iteration: int


class TrainingSettings(TypedDict, total=False):
    """How is learned from it."""

    total_timesteps: int
    lr: Ramp
    gamma: float
    train_batch_size: int
    grad_clip: float | None
    model: ModelConfig | ModelFactory
    device: str
    learner_backend: Backend
    learner_threads: int


class EvaluationSettings(TypedDict, total=False):
    """How the result is measured."""

    evaluation_interval: int | None
    evaluation_duration: int
    evaluation_num_envs: int | None
    evaluation_env: EnvSource | None
    stop_at_return: float | None


class CheckpointingSettings(TypedDict, total=False):
    """When and where the state is saved."""

    checkpoint_dir: str | None
    checkpoint_interval: int | None
    keep_checkpoints: int | None


class DebuggingSettings(TypedDict, total=False):
    """Seed and logs."""

    seed: int
    log_dir: str | None
    log_interval: int | None
    wandb_project: str | None


class AlgorithmSettings(
    EnvironmentSettings,
    EnvRunnerSettings,
    TrainingSettings,
    EvaluationSettings,
    CheckpointingSettings,
    CallbackSettings,
    DebuggingSettings,
    total=False,
):
    """All settings that algorithms share."""


MOST_EVALUATING = 20  # environments, where nobody says how many
MOST_ENVS = 1_000_000  # a number beyond is a slip, and to build so many would take hours
MOST_STEPS = 10**15  # more than any training sees, and few enough to be counted
MOST_THREADS = 256  # torch starts as many as it is told to, until the machine has no more


@dataclass(kw_only=True)
class AlgorithmConfig(Settings):
    """The settings that all algorithms share. Every frequency and duration counts environment steps over all
    environments.
    """

    env: EnvSource | None = None
    """A Gymnasium id, a callable that makes an environment, a sequence of such callables, or a Gymnasium
    vector env.
    """
    env_config: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments for the environment's maker (an id or a callable)."""

    num_envs: int | None = None
    """Environments that run side by side. None: 8, or as many as `env` brings."""
    placement: Literal["auto", "inline", "threads", "processes"] = "auto"
    """Who runs the environments; results do not depend on it."""
    num_workers: int | None = None
    """Workers that share the environments, this thread included; results do not depend on it. None: by the
    placement.
    """
    native: bool | Literal["auto"] = "auto"
    """Whether well-known environments run as native kernels; results do not depend on it."""
    inference_backend: Backend = "auto"
    """What the policy is computed by: a kernel that needs no Python, for fully connected networks, or torch. "auto": a
    kernel where there is one, by network and spaces.
    """
    inference_rows: int | None = None
    """Rows of one inference in torch; observations are padded to it. None: by `num_envs` and the observations' size."""
    min_sample_timesteps_per_iteration: int = 1000
    """Environment steps of one `train()`."""

    total_timesteps: int = 50_000
    """Environment steps of the whole training; what `lr` and other ramps are stretched over."""
    lr: Ramp = 1e-3
    """Learning rate of Adam: a number, or points (time, value); times up to 1 are fractions of
    `total_timesteps`.
    """
    gamma: float = 0.99
    """Discount per step."""
    train_batch_size: int = 128
    """Transitions per gradient step."""
    grad_clip: float | None = 10.0
    """Largest global norm of a gradient; None: no limit."""
    model: ModelConfig | ModelFactory = field(default_factory=ModelConfig)
    """The network: a ModelConfig, or a callable (observation_space, action_space) -> torch.nn.Module."""
    device: str = "cpu"
    """Torch device of learner and policy, such as "cpu" or "cuda"; "auto": "cuda" where there is one, else "cpu"."""
    learner_backend: Backend = "auto"
    """What gradients are computed by, likewise."""
    learner_threads: int = 1
    """Torch threads while acting and learning; another number gives other low bits."""

    evaluation_interval: int | None = None
    """Environment steps between evaluations during training; None: only when asked."""
    evaluation_duration: int = 100
    """Episodes per evaluation, the same number in each environment."""
    evaluation_num_envs: int | None = None
    """Environments that evaluate side by side, each as many episodes. None: as many as that goes for, at most 20."""
    evaluation_env: EnvSource | None = None
    """What to evaluate on; None: `env`."""
    stop_at_return: float | None = None
    """Training ends early when an evaluation's mean return is at least this; None: it does not."""

    checkpoint_dir: str | None = None
    """Folder that receives checkpoints during training; None: none are written."""
    checkpoint_interval: int | None = None
    """Environment steps between checkpoints; None: only when training is over, and when asked."""
    keep_checkpoints: int | None = 3
    """How many of them are kept, the newest; None: all."""

    on_train_result: Callbacks = None
    """Called after each `train()` with algorithm= and result=, its result."""
    on_episode_end: Callbacks = None
    """Called after each `train()` for each training episode that ended in it, with algorithm= and metrics=: `env`,
    `episode_return` and `episode_len`.
    """
    on_evaluate_end: Callbacks = None
    """Called after each evaluation with algorithm= and metrics=, its result."""
    on_checkpoint_loaded: Callbacks = None
    """Called with algorithm= when it has gone on from a checkpoint."""

    seed: int = 0
    """What everything random is a function of."""
    log_dir: str | None = None
    """Folder that receives progress.csv, progress.jsonl and TensorBoard event files; None: none are written."""
    log_interval: int | None = None
    """Environment steps between two lines of a log, at least; None: about 200 lines per run."""
    wandb_project: str | None = None
    """Project of Weights & Biases that gets the logs, too; None: none does."""

    algorithm: ClassVar[str] = ""  # the name of what it configures
    _groups: ClassVar[dict[str, Any]] = {
        "environment": EnvironmentSettings,
        "env_runners": EnvRunnerSettings,
        "training": TrainingSettings,
        "evaluation": EvaluationSettings,
        "checkpointing": CheckpointingSettings,
        "callbacks": CallbackSettings,
        "debugging": DebuggingSettings,
    }
    _parts: ClassVar[dict[str, type[Settings]]] = {"model": ModelConfig}
    _ramps: ClassVar[tuple[str, ...]] = ("lr",)
    _checks: ClassVar[dict[str, Check]] = {
        "env_config": lambda v: None if isinstance(v, dict) else "must be a dict of keyword arguments",
        "num_envs": whole(1, most=MOST_ENVS, none=True),
        "placement": one_of("auto", "inline", "threads", "processes"),
        "num_workers": whole(1, none=True),
        "native": one_of("auto", True, False),
        "inference_backend": one_of(*BACKENDS),
        "inference_rows": whole(1, none=True),
        "min_sample_timesteps_per_iteration": whole(1, most=MOST_STEPS),
        "total_timesteps": whole(1, most=MOST_STEPS),
        "lr": ramp(number(least=0)),
        "gamma": number(least=0, most=1),
        "train_batch_size": whole(1),
        "grad_clip": optional(number(0)),
        "model": lambda v: None if isinstance(v, ModelConfig) or callable(v) else "must be a ModelConfig or a callable",
        "device": lambda v: None if isinstance(v, str) else "must name a torch device, such as 'cpu', or be 'auto'",
        "learner_backend": one_of(*BACKENDS),
        "learner_threads": whole(1, most=MOST_THREADS),
        "evaluation_interval": whole(1, none=True),
        "evaluation_duration": whole(1),
        "evaluation_num_envs": whole(1, most=MOST_ENVS, none=True),
        "checkpoint_dir": folder,
        "checkpoint_interval": whole(1, none=True),
        "keep_checkpoints": whole(1, none=True),
        "stop_at_return": optional(number(float("-inf"))),
        **dict.fromkeys(CallbackSettings.__annotations__, check_callbacks),
        "seed": whole(0),
        "log_dir": folder,
        "log_interval": whole(1, none=True),
        "wandb_project": lambda v: (
            None if v is None or isinstance(v, str) else "must be the name of a project, or None"
        ),
    }

    def validate(self) -> None:
        """As any Settings, and the pairs that make no sense."""
        for name in ("checkpoint_dir", "log_dir"):
            if isinstance(path := getattr(self, name), os.PathLike):
                self.__dict__[name] = os.fspath(path)
        super().validate()
        envs = self.evaluating_envs
        if self.evaluation_duration % envs:
            raise ConfigError(
                f"evaluation_duration={self.evaluation_duration} episodes cannot be shared evenly by "
                f"evaluation_num_envs={envs}; make one a multiple of the other"
            )
        if self.placement == "inline" and self.num_workers not in (None, 1):
            raise ConfigError(
                f"placement='inline' has one worker, not num_workers={self.num_workers}; use placement='threads'"
            )
        if self.checkpoint_dir is not None:
            check_storable(self.env_config)
        if self.checkpoint_interval is not None and self.checkpoint_dir is None:
            raise ConfigError("checkpoint_interval is set, but not where to write: set checkpoint_dir too")
        if self.stop_at_return is not None and self.evaluation_interval is None:
            raise ConfigError("stop_at_return compares evaluations, and there are none: set evaluation_interval")

    @property
    def evaluating_envs(self) -> int:
        """How many environments evaluate side by side."""
        if self.evaluation_num_envs is not None:
            return min(self.evaluation_num_envs, self.evaluation_duration)
        return max(count for count in range(1, MOST_EVALUATING + 1) if self.evaluation_duration % count == 0)

    def preset(self, name: str) -> Self:
        """Take the tuned settings that presets.py has for `env` under that name ("zoo"); what is set later counts.

        Raises:
            ConfigError: there is no such preset, or it has nothing for `env`.
        """
        return self.update(preset(name, self.algorithm, self.env))

    def environment(self, env: EnvSource | None = None, /, **settings: Unpack[EnvironmentSettings]) -> Self:
        """Set what is learned on; `env` may be given by position."""
        if env is None:
            return self._group("environment", settings)
        if "env" in settings:
            raise ConfigError("env is given twice, by position and by name; leave one out")
        return self._group("environment", {"env": env, **settings})

    def env_runners(self, **settings: Unpack[EnvRunnerSettings]) -> Self:
        """Set how experience is gathered."""
        return self._group("env_runners", settings)

    def training(self, **settings: Unpack[TrainingSettings]) -> Self:
        """Set how is learned from it."""
        return self._group("training", settings)

    def evaluation(self, **settings: Unpack[EvaluationSettings]) -> Self:
        """Set how the result is measured."""
        return self._group("evaluation", settings)

    def checkpointing(self, **settings: Unpack[CheckpointingSettings]) -> Self:
        """Set when and where the state is saved."""
        return self._group("checkpointing", settings)

    def callbacks(self, **settings: Unpack[CallbackSettings]) -> Self:
        """Set what is called at the events of a training."""
        return self._group("callbacks", settings)

    def debugging(self, **settings: Unpack[DebuggingSettings]) -> Self:
        """Set the seed and what is logged."""
        return self._group("debugging", settings)

    def build_algo(self) -> Algorithm[Any]:
        """Make the algorithm that runs with a frozen copy of these settings."""
        raise NotImplementedError(f"{type(self).__name__} belongs to no algorithm; build DQNConfig().build_algo()")
