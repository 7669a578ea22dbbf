"""train_ppo, train_dqn, train_sac: one call from an environment to a trained and evaluated agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from gymnasium.vector import VectorEnv
from tqdm import tqdm
from typing_extensions import Unpack

from .algorithm import Algorithm
from .checks import ConfigError
from .config import AlgorithmConfig, EnvSource
from .dqn import DQN
from .dqn_config import DQNConfig, DQNSettings
from .event_log import EventLog
from .ppo import PPO
from .ppo_config import PPOConfig, PPOSettings
from .sac import SAC
from .sac_config import SACConfig, SACSettings

A = TypeVar("A", bound=Algorithm[Any])
C = TypeVar("C", bound=AlgorithmConfig)


@dataclass
class TrainResult(Generic[A]):
    """What a training leaves behind."""

    algorithm: A
    """The algorithm, with its final weights; its environments are closed."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """The result of each `train()`, in order."""
    evaluation: dict[str, Any] | None = None
    """The result of `evaluate()` with the final weights; None where there is nothing to evaluate on."""


def train_ppo(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: PPOConfig | None = None,
    progress: bool = True,
    **settings: Unpack[PPOSettings],
) -> TrainResult[PPO]:
    """Train PPO on `env` for `total_timesteps` environment steps, then evaluate it.

    `settings` (such as `seed`; `env` and `total_timesteps` too may be given by name) change those of
    `config`, which itself is not changed. `progress` shows a bar with the mean return and the environment
    steps per second.

    Raises:
        ConfigError: a setting that does not exist, is given twice, or makes no sense.
    """
    final = _settled(PPOConfig, config, settings, env=env, total_timesteps=total_timesteps)
    with final.build_algo() as algorithm:
        return run(algorithm, final.total_timesteps, progress=progress)


def train_dqn(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: DQNConfig | None = None,
    progress: bool = True,
    **settings: Unpack[DQNSettings],
) -> TrainResult[DQN]:
    """Train DQN on `env` for `total_timesteps` environment steps, then evaluate it; arguments as of `train_ppo`."""
    final = _settled(DQNConfig, config, settings, env=env, total_timesteps=total_timesteps)
    with final.build_algo() as algorithm:
        return run(algorithm, final.total_timesteps, progress=progress)


def train_sac(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: SACConfig | None = None,
    progress: bool = True,
    **settings: Unpack[SACSettings],
) -> TrainResult[SAC]:
    """Train SAC on `env` for `total_timesteps` environment steps, then evaluate it; arguments as of `train_ppo`."""
    final = _settled(SACConfig, config, settings, env=env, total_timesteps=total_timesteps)
    with final.build_algo() as algorithm:
        return run(algorithm, final.total_timesteps, progress=progress)


def _settled(kind: type[C], config: C | None, settings: Mapping[str, Any], **positional: Any) -> C:
    """A config of `kind` that says what all arguments say together."""
    chosen = {name: value for name, value in positional.items() if value is not None}
    if config is not None and not isinstance(config, kind):
        raise ConfigError(
            f"config is a {type(config).__name__}, not a {kind.__name__}; pass settings by name: **config"
        )
    for name in (name for name in chosen if name in settings):
        raise ConfigError(f"{name} is given twice, by position and by name; leave one out")
    return (config.copy() if config is not None else kind()).update({**settings, **chosen})


def run(algorithm: A, total_timesteps: int, *, progress: bool) -> TrainResult[A]:
    """Train until the algorithm has seen `total_timesteps`, its earlier runs included, then evaluate it."""
    result, config = TrainResult(algorithm), algorithm.config
    log = EventLog(config.log_dir)
    done = algorithm.progress.steps
    try:
        with tqdm(total=total_timesteps, initial=done, unit="step", disable=not progress) as bar:
            while done < total_timesteps:
                outcome = algorithm.train_steps(min(algorithm.iteration_steps, total_timesteps - done))
                result.history.append(outcome)
                log.write(outcome)
                now = algorithm.progress.steps
                bar.update(min(now, total_timesteps) - done)
                bar.set_postfix_str(_describe(outcome, now - done))
                done = now
        result.evaluation = _evaluate(algorithm)
        if result.evaluation is not None:
            log.write({"evaluation": result.evaluation, "num_env_steps_sampled_lifetime": done})
    finally:
        log.close()
    return result


def _describe(outcome: dict[str, Any], steps: int) -> str:
    mean = outcome["env_runners"]["episode_return_mean"]
    return f"return {mean:.1f}, fps {steps / max(outcome['time_this_iter_s'], 1e-9):,.0f}"


def _evaluate(algorithm: Algorithm[Any]) -> dict[str, Any] | None:
    try:
        return algorithm.evaluate()
    except ConfigError:
        if isinstance(algorithm.config.env, VectorEnv) and algorithm.config.evaluation_env is None:
            return None
        raise
