"""What vector environments do with a single environment, where it lives: functions to be called with it."""

from __future__ import annotations

from typing import Any, TypeAlias

import gymnasium as gym

Env: TypeAlias = "gym.Env[Any, Any]"


def call(env: Env, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a method, of whichever wrapper has it, or look up an attribute that is none."""
    found = env.get_wrapper_attr(name)
    return found(*args, **kwargs) if callable(found) else found


def method(env: Env, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a method, of whichever wrapper has it."""
    return env.get_wrapper_attr(name)(*args, **kwargs)


def set_attribute(env: Env, name: str, value: Any) -> None:
    """Set an attribute where it is found, else on the outermost wrapper."""
    env.set_wrapper_attr(name, value)


def attribute(env: Env, name: str) -> Any:
    """An attribute, of whichever wrapper has it; a method is not called."""
    return env.get_wrapper_attr(name)


def has_attribute(env: Env, name: str) -> bool:
    """Whether there is such an attribute, which need not be picklable."""
    return env.has_wrapper_attr(name)


def render(env: Env) -> Any:
    """A frame."""
    return env.render()
