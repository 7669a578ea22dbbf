"""Moving live environments from one process to another: only those that pickle copies whole."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import EzPickle

HOOKS = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")
# Whose own ways of pickling copy everything.
KNOWN = {"builtins", "collections", "datetime", "decimal", "enum", "fractions", "gymnasium", "numpy", "random", "types"}


def packed(envs: Sequence[gym.Env[Any, Any]], *state: Any) -> bytes | None:
    """The environments and more state as bytes, or None where a copy might not be what the original is.

    A class that says itself how it is pickled may leave state out (Gymnasium's EzPickle builds a new object); arrays
    that share memory with others come apart; sentinels are others in the copy; and what has a window, a file or a
    simulator behind it does not pickle at all. What cannot be seen is a number that stands for something outside, such
    as a file descriptor: such environments want placement="processes".
    """
    if any(env.render_mode == "human" for env in envs):
        return None
    data = io.BytesIO()
    try:
        _Pickler(data, protocol=pickle.HIGHEST_PROTOCOL).dump((list(envs), *state))
    except Exception:
        return None
    return data.getvalue()


class _Pickler(pickle.Pickler):
    """Refuses what a copy would change, wherever it is held."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._memories: set[int] = set()  # what the arrays so far lie in

    def reducer_override(self, value: object) -> Any:
        changes = self._is_shared(value) if isinstance(value, np.ndarray) else _changes(value)
        if changes:
            raise pickle.PicklingError(f"a copy of this {type(value).__name__} might be something else")
        return NotImplemented

    def _is_shared(self, array: np.ndarray[Any, Any]) -> bool:
        """Whether it lies in the memory of another array, or of something that is none."""
        while isinstance(array.base, np.ndarray):
            array = array.base
        shared = array.base is not None or id(array) in self._memories
        self._memories.add(id(array))
        return shared


def _changes(value: object) -> bool:
    kind = type(value)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return False  # pickled by name, or not at all
    if kind is object or isinstance(value, EzPickle) or hasattr(kind, "__del__"):
        return True
    strangers = [vars(base) for base in kind.__mro__ if base.__module__.partition(".")[0] not in KNOWN]
    return any(hook in names for hook in HOOKS for names in strangers)
