"""What the kernels share to tell an untouched Gymnasium environment from one that behaves in its own way.

The known wrappers are exactly TimeLimit, OrderEnforcing and PassiveEnvChecker, in any order. A function that
looks for something out of the ordinary returns None, or one short sentence that names the first thing it
found.
"""

from typing import Any

import gymnasium as gym

def snapshot(*classes: type) -> list[tuple[type, str, object]]:
    """The attributes of the classes that decide how an environment behaves, as they are now."""

def replaced(known: list[tuple[type, str, object]]) -> str | None:
    """Compare classes with their `snapshot`: has a method been replaced since?"""

def shadowed(instance: object) -> str | None:
    """Is there an attribute of the instance in place of a method of its class?"""

def wrapping(env: gym.Env[Any, Any]) -> str | None:
    """Is there anything but known, untouched wrappers around the environment?"""

def core(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The environment under the known wrappers."""

def time_limit(env: gym.Env[Any, Any]) -> gym.wrappers.TimeLimit[Any, Any] | None:
    """The TimeLimit among the known wrappers, or None."""

def held(envs: list[gym.Env[Any, Any]], references: int = 1) -> str | None:
    """Does anybody else hold one of the environments, or something under its wrappers?

    `references` is how many references to each environment are accounted for, the list's own included.
    """

def random_generators(envs: list[gym.Env[Any, Any]]) -> str | None:
    """Do two environments share a random generator, or does one draw from anything but NumPy's Generator?

    An environment that has not been reset has no generator yet.
    """
