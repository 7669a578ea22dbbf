"""An environment named in a shell: a registered id, or a function of a module."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium as gym


@dataclass(frozen=True)
class EnvSource:
    """What makes environments: `target` is an id of Gymnasium ("CartPole-v1", "ale_py:ALE/Pong-v5"), or "module:name".

    Where the module has a callable of that name, this makes the environment; else it is an id that the module
    registers. `kwargs` go to it, or to `gym.make`.
    """

    target: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def env_fn(self) -> Callable[[], gym.Env[Any, Any]]:
        """The function that makes an environment.

        Raises:
            Exception: what importing the module raised.
        """
        return partial(self._function() or partial(gym.make, self.target), **self.kwargs)

    def code(self) -> str:
        """An expression for that function, which needs `import gymnasium as gym` or the function's own import."""
        words = [f"{name}={value!r}" if name.isidentifier() else "" for name, value in self.kwargs.items()]
        if not all(words):
            words = [f"**{dict(self.kwargs)!r}"]
        if self._function() is None:
            return f"lambda: gym.make({', '.join([json.dumps(self.target), *words])})"
        name = self.target.partition(":")[2]
        return f"lambda: {name}({', '.join(words)})" if words else name

    def _function(self) -> Callable[..., Any] | None:
        module, _, name = self.target.partition(":")
        if not name.isidentifier():
            return None
        function = getattr(importlib.import_module(module), name, None)
        return function if callable(function) else None
