"""What `env` may be: an id, a callable, a sequence of callables, or a Gymnasium vector env."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, cast

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorEnv

from reactvec import EnvBank, Execution, Topology, compile, make_env_bank, placement
from reactvec.native_env_bank import NativeEnvBank
from reactvec.placement import Placement, limited
from reactvec.port_types import port_type
from reactvec.processes import ProcessOptions

from .checks import ConfigError
from .config import AlgorithmConfig, EnvSource
from .env_runner import VectorEnvReactor
from .kernels.acting import MOST_WORKERS

EnvFn: TypeAlias = Callable[[], "gym.Env[Any, Any]"]
EnvReactor: TypeAlias = "EnvBank | VectorEnvReactor"

DEFAULT_NUM_ENVS = 8
_OF_MAKE_VEC = ("num_envs", "vectorization_mode", "vector_kwargs", "wrappers")
INLINE = Placement("inline", 1)


def env_fns(source: EnvSource | None, env_config: dict[str, Any], count: int | None) -> list[EnvFn]:
    """Makers of `count` environments (None: 8, or as many as `source` brings); ConfigError where there are
    none.
    """
    if source is None:
        raise ConfigError("env is not set: give an id ('CartPole-v1'), a callable, callables, or a vector env")
    if isinstance(source, VectorEnv):
        return _makers_of(source, count)
    if isinstance(source, gym.Env):
        raise ConfigError(f"env={source} is a single environment; give its id, or a function that makes it")
    if isinstance(source, str):
        return [functools.partial(gym.make, source, **env_config)] * (count or DEFAULT_NUM_ENVS)
    if callable(source):
        return [functools.partial(source, **env_config)] * (count or DEFAULT_NUM_ENVS)
    if not isinstance(source, Sequence) or not source or not all(callable(make) for make in source):
        raise ConfigError(f"env={source!r} is no id, callable, sequence of callables or vector env")
    if count is not None and count != len(source):
        raise ConfigError(f"num_envs={count}, but env brings {len(source)} callables; leave num_envs out")
    if env_config:
        raise ConfigError("env_config is for an id or one callable; bind it into each of the callables of env")
    return list(cast("Sequence[EnvFn]", source))


def _makers_of(env: VectorEnv[Any, Any, Any], count: int | None) -> list[EnvFn]:
    """How to make environments like those of a vector env; of a wrapped one nobody knows what they would lack."""
    if env.unwrapped is env:
        if makers := getattr(env, "env_fns", None):
            return [makers[index % len(makers)] for index in range(count or env.num_envs)]
        if env.spec is not None:
            return [functools.partial(gym.make, **_alone(env.spec))] * (count or env.num_envs)
    raise ConfigError("nobody knows how to make one more environment of this vector env; set evaluation_env")


def _alone(spec: EnvSpec) -> dict[str, Any]:
    """The arguments of `gym.make` for one of the environments that `gym.make_vec` made by this spec."""
    kwargs = {name: value for name, value in spec.kwargs.items() if name not in _OF_MAKE_VEC}
    limit = kwargs.pop("max_episode_steps", None)  # which a vector env keeps by itself
    return {"id": replace(spec, kwargs=kwargs), "max_episode_steps": limit}


def _bank(name: str, source: EnvSource | None, makers: list[EnvFn], native: bool | Literal["auto"]) -> EnvBank:
    try:
        return make_env_bank(makers, native=native)
    except (gym.error.Error, TypeError, ImportError) as error:
        if not isinstance(source, str):
            raise
        # It is not registered, takes no such argument, or needs another package.
        raise ConfigError(f"{name}={source!r}: {error}") from error


def make_reactor(config: AlgorithmConfig) -> EnvReactor:
    """The reactor that steps the environments to learn on."""
    source = config.env
    if not isinstance(source, VectorEnv):
        return _bank("env", source, env_fns(source, config.env_config, config.num_envs), config.native)
    if config.num_envs not in (None, source.num_envs):
        raise ConfigError(f"num_envs={config.num_envs}, but env has {source.num_envs}; leave num_envs out")
    return VectorEnvReactor(source)


def evaluation_bank(config: AlgorithmConfig, count: int) -> EnvBank:
    """A bank of `count` new environments to evaluate on."""
    source = config.evaluation_env or config.env
    if isinstance(source, Sequence) and not isinstance(source, str):
        source = [source[index % len(source)] for index in range(count)] if source else source
    makers = env_fns(source, config.env_config if config.evaluation_env is None else {}, count)
    name = "env" if config.evaluation_env is None else "evaluation_env"
    return _bank(name, source, makers, "auto" if config.native else False)


def place_of(config: AlgorithmConfig, envs: EnvReactor) -> Placement:
    """Where environments run, and with how many workers; a vector env that is not ours belongs to the caller.

    More workers than a policy has room for would share it, so there are no more, whatever was asked for.
    """
    if isinstance(envs, VectorEnvReactor):
        return INLINE
    wanted = None if config.num_workers is None else min(config.num_workers, envs.rows)
    native = isinstance(envs, NativeEnvBank)
    place = limited(placement.resolve_placement(config.placement, wanted, envs.rows, native), MOST_WORKERS)
    return INLINE if place.workers == 1 else place


def execute(topology: Topology, place: Placement) -> Execution:
    """Compile a program and put it to work there."""
    schedule = compile(topology, place.workers)
    return Execution(topology, schedule, ProcessOptions() if place.name == "processes" else None)


def learner_workers(config: AlgorithmConfig) -> int:
    """Workers that a learner may share its work among; what it learns does not depend on it."""
    if config.placement == "inline":
        return 1
    return min(config.num_workers or placement.usable_cores(), placement.usable_cores())


def check_space(name: str, space: gym.Space[Any]) -> gym.Space[Any]:
    """The space of what `name` says, if ports can carry it and there is something to carry; else ConfigError."""
    shape, dtype = port_type(space)
    if np.dtype(dtype).hasobject:
        raise ConfigError(f"{name} of {space} have no fixed shape; wrap the environment")
    if 0 in shape or not np.dtype(dtype).itemsize:
        raise ConfigError(f"{name} of {space} hold nothing; wrap the environment")
    return space
