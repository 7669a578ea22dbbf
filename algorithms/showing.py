"""What a checkpoint's agent does: loaded whatever its algorithm, measured, and shown in a window or recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym

from .algorithm import Algorithm
from .checkpoint_folder import newest
from .checks import CheckpointError, ConfigError
from .draws import env_seeds
from .environments import env_fns

_DRAW = 2  # seeds that had no part in choosing `best` (draw 0), nor in measuring it when training was over (1)


def load(path: str | os.PathLike[str], env: str | None = None) -> Algorithm[Any]:
    """The algorithm of a checkpoint, or of the newest in a folder; `env` in place of its own."""
    from reactvec import algorithms

    found = newest(path)
    name = found.checkpoint.state["algorithm"]
    kind = getattr(algorithms, name) if name in algorithms.__all__ else None
    if not (isinstance(kind, type) and issubclass(kind, Algorithm)):
        raise CheckpointError(f"checkpoint {found.path} is of {name}, which this version does not have")
    return kind.from_found(found) if env is None else kind.from_found(found, env=env, evaluation_env=None)


def measure(algorithm: Algorithm[Any], episodes: int) -> dict[str, Any]:
    """The result of `evaluate` over so many episodes, on seeds that training has not evaluated on."""
    settings = {"evaluation_duration": episodes, "evaluation_num_envs": None}
    algorithm.config = algorithm.config.copy().update(settings).freeze()
    return algorithm.evaluate(draw=_DRAW)


def show(algorithm: Algorithm[Any], episodes: int, video: Path | None) -> Iterator[tuple[float, int]]:
    """Play greedy episodes in a window, or record them to a folder; yields return and length of each."""
    config = algorithm.config
    source = config.evaluation_env or config.env
    own = config.env_config if config.evaluation_env is None else {}  # as evaluations are
    settings = {**own, "render_mode": "human" if video is None else "rgb_array"}
    if not isinstance(source, str):
        raise ConfigError("only an environment that has an id can be made to render; give it by --env")
    env: gym.Env[Any, Any] = env_fns(source, settings, 1)[0]()
    if video is not None:
        try:
            env = gym.wrappers.RecordVideo(env, str(video), episode_trigger=lambda episode: True)
        except OSError as error:
            env.close()
            raise ConfigError(f"{video} takes no films: {error.strerror or error}") from error
    try:
        for seed in env_seeds(config.seed, episodes, evaluation=True, restarts=_DRAW):
            yield _play(algorithm, env, seed)
    finally:
        env.close()


def _play(algorithm: Algorithm[Any], env: gym.Env[Any, Any], seed: int) -> tuple[float, int]:
    obs, _ = env.reset(seed=seed)
    total, length, ended = 0.0, 0, False
    while not ended:
        obs, reward, terminated, truncated, _ = env.step(algorithm.predict(obs))
        total, length, ended = total + float(reward), length + 1, terminated or truncated
    return total, length
