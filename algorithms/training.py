"""train_ppo, train_dqn, train_sac: one call from an environment to a trained and evaluated agent."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from typing_extensions import Unpack

from reactvec.whole_number import whole_number

from .algorithm import Algorithm
from .checkpoint_folder import checkpoints_in, claim, newest
from .checks import CheckpointError, ConfigError
from .config import AlgorithmConfig, EnvSource
from .dqn import DQN
from .dqn_config import DQNConfig, DQNSettings
from .ppo import PPO
from .ppo_config import PPOConfig, PPOSettings
from .run import A, TrainResult, run, summary
from .sac import SAC
from .sac_config import SACConfig, SACSettings
from .stored_settings import settings_of_seeds

C = TypeVar("C", bound=AlgorithmConfig)
PathLike = str | os.PathLike[str]


@overload
def train_ppo(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: PPOConfig | None = None,
    preset: str | None = None,
    resume: PathLike | None = None,
    seeds: None = None,
    progress: bool = True,
    **settings: Unpack[PPOSettings],
) -> TrainResult[PPO]: ...
@overload
def train_ppo(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: PPOConfig | None = None,
    preset: str | None = None,
    resume: PathLike | None = None,
    seeds: Sequence[int],
    progress: bool = True,
    **settings: Unpack[PPOSettings],
) -> list[TrainResult[PPO]]: ...
def train_ppo(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: PPOConfig | None = None,
    preset: str | None = None,
    resume: PathLike | None = None,
    seeds: Sequence[int] | None = None,
    progress: bool = True,
    **settings: Unpack[PPOSettings],
) -> TrainResult[PPO] | list[TrainResult[PPO]]:
    """Train PPO on `env` for `total_timesteps` environment steps, then evaluate it.

    `settings` (such as `seed`; `env` and `total_timesteps` too may be given by name) change those of
    `config`, which itself is not changed. `progress` shows a bar with the mean return and the environment
    steps per second.

    `preset="zoo"` begins with the settings that rl-baselines3-zoo tuned for `env`, an id that is in presets.py.

    `resume` is a checkpoint, or a folder that holds some: training goes on from the newest that is whole, with its
    settings but for those that are given. With `seeds` there is a run for each, one after the other; their logs and
    checkpoints go to folders `seed_S` of `log_dir` and `checkpoint_dir`, and they are resumed from folders `seed_S`.

    Returns:
        A TrainResult: the algorithm with its final weights, their evaluation, and the result of each iteration; with
        `seeds` a list of them, one for each seed, in their order.

    Raises:
        ConfigError: a setting that does not exist, is given twice, or makes no sense; or `checkpoint_dir` holds
            checkpoints, and training does not go on from any of them.
        CheckpointError: there is nothing to resume from, or a checkpoint cannot be written.
    """
    given = _given(settings, env=env, total_timesteps=total_timesteps)
    base = _base(PPOConfig, given, config, preset, resume)
    return _train(PPO, PPOConfig, base, given, resume, seeds, progress)


@overload
def train_dqn(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: DQNConfig | None = None,
    preset: str | None = None,
    resume: PathLike | None = None,
    seeds: None = None,
    progress: bool = True,
    **settings: Unpack[DQNSettings],
) -> TrainResult[DQN]: ...
@overload
def train_dqn(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: DQNConfig | None = None,
    preset: str | None = None,
    resume: PathLike | None = None,
    seeds: Sequence[int],
    progress: bool = True,
    **settings: Unpack[DQNSettings],
) -> list[TrainResult[DQN]]: ...
def train_dqn(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: DQNConfig | None = None,
    preset: str | None = None,
    resume: PathLike | None = None,
    seeds: Sequence[int] | None = None,
    progress: bool = True,
    **settings: Unpack[DQNSettings],
) -> TrainResult[DQN] | list[TrainResult[DQN]]:
    """Train DQN on `env` for `total_timesteps` environment steps, then evaluate it; arguments as of `train_ppo`."""
    given = _given(settings, env=env, total_timesteps=total_timesteps)
    base = _base(DQNConfig, given, config, preset, resume)
    return _train(DQN, DQNConfig, base, given, resume, seeds, progress)


@overload
def train_sac(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: SACConfig | None = None,
    preset: str | None = None,
    resume: PathLike | None = None,
    seeds: None = None,
    progress: bool = True,
    **settings: Unpack[SACSettings],
) -> TrainResult[SAC]: ...
@overload
def train_sac(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: SACConfig | None = None,
    preset: str | None = None,
    resume: PathLike | None = None,
    seeds: Sequence[int],
    progress: bool = True,
    **settings: Unpack[SACSettings],
) -> list[TrainResult[SAC]]: ...
def train_sac(
    env: EnvSource | None = None,
    total_timesteps: int | None = None,
    /,
    *,
    config: SACConfig | None = None,
    preset: str | None = None,
    resume: PathLike | None = None,
    seeds: Sequence[int] | None = None,
    progress: bool = True,
    **settings: Unpack[SACSettings],
) -> TrainResult[SAC] | list[TrainResult[SAC]]:
    """Train SAC on `env` for `total_timesteps` environment steps, then evaluate it; arguments as of `train_ppo`."""
    given = _given(settings, env=env, total_timesteps=total_timesteps)
    base = _base(SACConfig, given, config, preset, resume)
    return _train(SAC, SACConfig, base, given, resume, seeds, progress)


def _given(settings: Mapping[str, Any], **positional: Any) -> dict[str, Any]:
    """All settings that the arguments name."""
    chosen = {name: value for name, value in positional.items() if value is not None}
    for name in (name for name in chosen if name in settings):
        raise ConfigError(f"{name} is given twice, by position and by name; leave one out")
    return {**settings, **chosen}


def _base(
    kind: type[C], given: Mapping[str, Any], config: C | None, preset: str | None, resume: PathLike | None
) -> C | None:
    """The config that `given` changes; None if all else is default, or comes from a checkpoint."""
    if config is not None and not isinstance(config, kind):
        raise ConfigError(
            f"config is a {type(config).__name__}, not a {kind.__name__}; pass settings by name: **config"
        )
    origins = [
        name for name, origin in {"config": config, "preset": preset, "resume": resume}.items() if origin is not None
    ]
    if len(origins) > 1:
        raise ConfigError(f"{' and '.join(origins)} each say all settings: give one of them, and what differs by name")
    return config if preset is None else kind(env=given.get("env")).preset(preset)


def _train(
    algorithm_class: type[A],
    kind: type[C],
    config: C | None,
    given: dict[str, Any],
    resume: PathLike | None,
    seeds: Sequence[int] | None,
    progress: bool,
) -> TrainResult[A] | list[TrainResult[A]]:
    kind.check_names(given)
    if seeds is None:
        return _train_one(algorithm_class, kind, config, given, resume, progress)
    if "seed" in given:
        raise ConfigError("seed is given beside seeds; leave one out")
    runs, seeds = [], _checked(seeds)
    if resume is not None:  # those that had not begun train by the settings of those that had
        if (settings := settings_of_seeds(resume, algorithm_class.__name__, given)) is None:
            raise CheckpointError(f"{Path(resume)} holds no seed_S/ with a checkpoint")
        config = kind.from_dict(settings)
    for seed in seeds:
        own, origin = {**_folders_of_seed(given, config, seed), "seed": seed}, _seeds_checkpoint(resume, seed)
        if origin is None and (folder := own.get("checkpoint_dir")) is not None and Path(folder).is_dir():
            claim(folder, 0, ours=False)  # before the first seed is trained
        runs.append((own, origin))
    results = [_train_one(algorithm_class, kind, config, own, origin, progress) for own, origin in runs]
    if progress and results:
        print(summary(seeds, results))
    return results


def _checked(seeds: Sequence[int]) -> list[int]:
    """Seeds that each have a run; ConfigError unless they are whole numbers >= 0, each there once."""
    found = [whole_number(seed) for seed in seeds] if isinstance(seeds, Iterable) else []
    numbers = [number for number in found if number is not None and number >= 0]
    if not numbers or len(numbers) < len(found):
        raise ConfigError(f"seeds={seeds!r} must be whole numbers >= 0, such as [0, 1000, 2000]")
    if len({*numbers}) < len(numbers):
        raise ConfigError(f"seeds={seeds!r} has one of them twice; leave it out")
    return numbers


def _folders_of_seed(given: dict[str, Any], config: AlgorithmConfig | None, seed: int) -> dict[str, Any]:
    """The settings of one of several seeds, in folders of its own."""
    known = {name: getattr(config, name) for name in ("log_dir", "checkpoint_dir")} if config is not None else {}
    folders = {name: {**known, **given}.get(name) for name in ("log_dir", "checkpoint_dir")}
    return {**given, **{name: str(Path(path) / f"seed_{seed}") for name, path in folders.items() if path is not None}}


def _seeds_checkpoint(resume: PathLike | None, seed: int) -> PathLike | None:
    """Where a seed's run goes on from; None where it had not written anything yet."""
    folder = None if resume is None else Path(resume) / f"seed_{seed}"
    return None if folder is None or not checkpoints_in(folder) else newest(folder).path


def _train_one(
    algorithm_class: type[A],
    kind: type[AlgorithmConfig],
    config: AlgorithmConfig | None,
    given: dict[str, Any],
    resume: PathLike | None,
    progress: bool,
) -> TrainResult[A]:
    algorithm: Algorithm[Any]
    if resume is None:
        settled = (config.copy() if config is not None else kind()).update(given)
        algorithm = settled.build_algo()
    else:
        algorithm = _resumed(algorithm_class, resume, given)
    assert isinstance(algorithm, algorithm_class)
    try:
        result = run(algorithm, algorithm.config.total_timesteps, progress=progress)
    except BaseException:
        algorithm.stop()
        raise
    try:
        algorithm.stop()
    except Exception as error:  # of an environment's close, for which nobody should lose what was learned
        warnings.warn(f"closing the environments failed: {error!r}", RuntimeWarning, stacklevel=4)
    return result


def _resumed(algorithm_class: type[A], resume: PathLike, given: dict[str, Any]) -> A:
    found = newest(resume)
    algorithm = algorithm_class.from_found(found, **given)
    if algorithm.restart_reason is not None:
        warnings.warn(
            f"{found.path} does not go on bit by bit ({algorithm.restart_reason}): its environments begin anew, with "
            "other seeds. Whoever resumes it again gets the same",
            RuntimeWarning,
            stacklevel=5,
        )
    return algorithm
