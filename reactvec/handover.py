"""Moving live environments from one process to another: only those that pickle copies whole."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
from gymnasium.utils import EzPickle


def packed(envs: Sequence[gym.Env[Any, Any]], *state: Any) -> bytes | None:
    """The environments and more state as bytes, or None where a copy might not be what the original is.

    A class that says itself how it is pickled may leave state out (Gymnasium's EzPickle builds a new object), and what
    has a window, a file or a simulator behind it does not pickle at all.
    """
    if any(env.render_mode == "human" or not all(map(_copied_whole, _layers(env))) for env in envs):
        return None
    data = io.BytesIO()
    try:
        _Pickler(data, protocol=pickle.HIGHEST_PROTOCOL).dump((list(envs), *state))
        pickle.loads(data.getvalue())
    except Exception:
        return None
    return data.getvalue()


class _Pickler(pickle.Pickler):
    """Refuses what builds itself anew instead of being copied, wherever it is held."""

    def reducer_override(self, value: object) -> Any:
        if isinstance(value, EzPickle):
            raise pickle.PicklingError(f"{type(value).__name__} would begin anew")
        return NotImplemented


def _layers(env: gym.Env[Any, Any]) -> list[gym.Env[Any, Any]]:
    """The wrappers from the outside in, and the environment itself."""
    layers = [env]
    while isinstance(layers[-1], gym.Wrapper):
        layers.append(layers[-1].env)
    return layers


def _copied_whole(layer: gym.Env[Any, Any]) -> bool:
    kind = type(layer)
    hooks = ("__reduce__", "__reduce_ex__", "__getstate__")
    own = any(getattr(kind, hook, None) is not getattr(object, hook, None) for hook in hooks)
    return not own and not hasattr(kind, "__setstate__")
