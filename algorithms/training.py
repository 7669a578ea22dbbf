"""train_dqn: one call from an environment to a trained and evaluated agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gymnasium.vector import VectorEnv
from tqdm import tqdm
from typing_extensions import Unpack

from .checks import ConfigError
from .config import EnvSource
from .dqn import DQN
from .dqn_config import DQNConfig, DQNSettings
from .event_log import EventLog


@dataclass
class TrainResult:
    """What a training leaves behind."""

    algorithm: DQN
    """The algorithm, with its final weights; its environments are closed."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """The result of each `train()`, in order."""
    evaluation: dict[str, Any] | None = None
    """The result of `evaluate()` with the final weights; None where there is nothing to evaluate on."""


def train_dqn(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: DQNConfig | None = None,
    progress: bool = True,
    **settings: Unpack[DQNSettings],
) -> TrainResult:
    """Train DQN on `env` for `total_timesteps` environment steps, then evaluate it.

    `settings` (such as `seed`; `env` and `total_timesteps` too may be given by name) change those of
    `config`, which itself is not changed. `progress` shows a bar with the mean return and the environment
    steps per second.

    Raises:
        ConfigError: a setting that does not exist, is given twice, or makes no sense.
    """
    positional = {"env": env, "total_timesteps": total_timesteps}
    chosen = {name: value for name, value in positional.items() if value is not None}
    if config is not None and not isinstance(config, DQNConfig):
        raise ConfigError(f"config is a {type(config).__name__}, not a DQNConfig; pass settings by name: **config")
    for name in (name for name in chosen if name in settings):
        raise ConfigError(f"{name} is given twice, by position and by name; leave one out")
    final = (config.copy() if config is not None else DQNConfig()).update({**settings, **chosen})
    with final.build_algo() as algorithm:
        return run(algorithm, final.total_timesteps, progress=progress)


def run(algorithm: DQN, total_timesteps: int, *, progress: bool) -> TrainResult:
    """Train until the algorithm has seen `total_timesteps`, its earlier runs included, then evaluate it."""
    result, config = TrainResult(algorithm), algorithm.config
    log = EventLog(config.log_dir)
    done = algorithm.progress.steps
    try:
        with tqdm(total=total_timesteps, initial=done, unit="step", disable=not progress) as bar:
            while done < total_timesteps:
                outcome = algorithm.train_steps(min(config.min_sample_timesteps_per_iteration, total_timesteps - done))
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


def _evaluate(algorithm: DQN) -> dict[str, Any] | None:
    try:
        return algorithm.evaluate()
    except ConfigError:
        if isinstance(algorithm.config.env, VectorEnv) and algorithm.config.evaluation_env is None:
            return None
        raise
