"""RLlib's environment creators, for environments that are no Gymnasium ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import gymnasium as gym

from reactvec.vector_env import ReactorVectorEnv

Env: TypeAlias = "gym.Env[Any, Any]"
Config: TypeAlias = "Mapping[str, Any]"


def env_creator(make_env: Callable[[Config], Env], **options: Any) -> Callable[[Config], Env | ReactorVectorEnv]:
    """What `ray.tune.register_env` takes, of a function that makes one environment of an `env_config`.

    With `config.env_runners(gym_env_vectorize_mode="vector_entry_point")` RLlib asks a creator for all environments of
    an env runner at once, and gets a `ReactorVectorEnv` with these options (`placement=...`, `num_workers=...`).

    Raises:
        TypeError: no function. An id of Gymnasium needs no creator: see `reactvec.gym.register`.
    """
    if not callable(make_env):
        raise TypeError(
            f"make_env is a function that makes an environment of a config, got {make_env!r}; for an id of Gymnasium, "
            'say config.environment("reactvec.gym:reactvec/CartPole-v1")'
        )
    return partial(_created, make_env, options)


def _created(make_env: Callable[[Config], Env], options: dict[str, Any], config: Config) -> Env | ReactorVectorEnv:
    if "num_envs" not in config:  # RLlib (2.60) says it in the config where it wants a vector environment
        return make_env(config)
    own = {key: value for key, value in config.items() if key != "num_envs"}
    return ReactorVectorEnv([partial(make_env, own)] * config["num_envs"], **options)
