"""Gymnasium's ways to a vector environment by its id: `make_vec`, and ids of our own for `gymnasium.make_vec`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, VectorizeMode, _find_spec  # which alone takes "module:id"

from reactvec.vector_env import ReactorVectorEnv
from reactvec.whole_number import whole_number

Env: TypeAlias = "gym.Env[Any, Any]"
Wrap: TypeAlias = "Callable[[Env], Env]"

NAMESPACE = "reactvec"
OURS = VectorizeMode.VECTOR_ENTRY_POINT.value
OPTIONS = frozenset(inspect.signature(ReactorVectorEnv).parameters) - {"env_fns"}


def make_vec(
    id: str | EnvSpec,
    num_envs: int = 1,
    *,
    wrappers: Sequence[Wrap] | None = None,
    vector_kwargs: Mapping[str, Any] | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> ReactorVectorEnv:
    """A `ReactorVectorEnv` of `num_envs` environments that are registered as `id`; as `gymnasium.make_vec`.

    Args:
        id: as in `gymnasium.make`: "CartPole-v1", "module:Name-v0", or the EnvSpec of a single environment.
        num_envs: how many.
        wrappers: applied to each environment, in this order.
        vector_kwargs: for `ReactorVectorEnv`.
        env_kwargs: for `gymnasium.make`.
        kwargs: those that `ReactorVectorEnv` knows (`placement=...`) are for it, all others for `gymnasium.make`.

    Raises:
        gymnasium.error.Error: an id that is not registered.
        ValueError, TypeError: arguments that make no sense, alone or together.
    """
    if "vectorization_mode" in kwargs:
        raise TypeError("make_vec takes no vectorization_mode: placement= says where environments run")
    number = whole_number(num_envs)
    if number is None or number < 1:
        raise ValueError(f"num_envs must be a positive whole number, got {num_envs!r}")
    spec = _spec(id)
    options = {**(vector_kwargs or {}), **{name: kwargs.pop(name) for name in OPTIONS & kwargs.keys()}}
    arguments = {**kwargs, **(env_kwargs or {})}
    wraps = tuple(wrappers or ())
    # The spec, not its id: a worker process may know nothing of what was registered here.
    envs = ReactorVectorEnv([partial(_made, spec, arguments, wraps)] * number, **options)
    # Of this spec, gymnasium.make_vec makes the same again.
    told = {**spec.kwargs, **arguments, **options, "num_envs": number, "vectorization_mode": OURS}
    envs.spec = replace(spec, kwargs=told, vector_entry_point=partial(make_vec, spec, wrappers=wraps))
    return envs


def register(*ids: str) -> list[str]:
    """Register ids with Gymnasium whose vector environments are ours, and return them.

    "CartPole-v1" becomes "reactvec/CartPole-v1", "ALE/Pong-v5" "reactvec/ALE.Pong-v5". A single environment of such an
    id is the same as of the other one; `gymnasium.make_vec` makes a `ReactorVectorEnv` of it. Without arguments: all
    ids that are registered by now, which importing this module does.

    Raises:
        gymnasium.error.Error: an id that is not registered, or has no single environment.
    """
    specs = [_spec(id) for id in ids]
    if not ids:
        specs = [spec for spec in gym.registry.values() if spec.namespace != NAMESPACE and spec.entry_point is not None]
    return [_register(spec) for spec in specs]


def _spec(id: str | EnvSpec) -> EnvSpec:
    if not isinstance(id, str | EnvSpec):
        raise TypeError(f"an id is a string or an EnvSpec, got {id!r}")
    return id if isinstance(id, EnvSpec) else _find_spec(id)


def _register(spec: EnvSpec) -> str:
    if spec.entry_point is None:
        raise gym.error.Error(f"{spec.id} has no entry point for a single environment, which a vector one is made of")
    id = f"{NAMESPACE}/{spec.id.replace('/', '.')}"
    gym.registry[id] = replace(spec, id=id, kwargs=deepcopy(spec.kwargs), vector_entry_point=partial(make_vec, spec.id))
    return id


def _made(spec: EnvSpec, arguments: Mapping[str, Any], wrappers: Sequence[Wrap]) -> Env:
    env = gym.make(spec, **deepcopy(dict(arguments)))
    for wrap in wrappers:
        env = wrap(env)
    return env


register()
