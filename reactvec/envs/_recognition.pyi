"""What the kernels share to tell an untouched Gymnasium environment from one that behaves in its own way.

The known wrappers are exactly TimeLimit, OrderEnforcing and PassiveEnvChecker, in any order, and around them
RecordEpisodeStatistics and Stable-Baselines3's Monitor, which record episodes. A function that
looks for something out of the ordinary returns None, or one short sentence that names the first thing it
found.
"""

from types import ModuleType
from typing import Any, TypeAlias

import gymnasium as gym

from reactvec.envs.kernel_bank import KernelBank

Known: TypeAlias = "list[tuple[type | ModuleType, dict[str, object]]]"

def snapshot(*owners: type | ModuleType) -> Known:
    """The functions, methods and properties of classes and modules that decide how environments behave, as of now."""

def replaced(known: Known) -> str | None:
    """Compare classes and modules with their `snapshot`: has something been replaced since, or put into a class?"""

def recognise(env: gym.Env[Any, Any], bank: type[KernelBank]) -> str | None:
    """Does anything keep the kernel of a bank from standing for this environment?

    It must be exactly `bank.environment`, without a render mode, under nothing but known wrappers, with Gymnasium's
    methods and spaces, and what `bank.another` asks for; `bank.parameters` may differ as long as they are numbers. The
    first call for a bank steps its kernel beside the Python class (`first_difference`), and refuses every environment,
    with one RuntimeWarning, if they differ.
    """

def shadowed(instance: object) -> str | None:
    """Is there an attribute of the instance in place of a method of its class?"""

def wrapping(env: gym.Env[Any, Any]) -> str | None:
    """Is there anything but known, untouched wrappers around the environment?"""

def core(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The environment under the known wrappers."""

def time_limit(env: gym.Env[Any, Any]) -> gym.wrappers.TimeLimit[Any, Any] | None:
    """The TimeLimit among the known wrappers, or None."""

def recorders(env: gym.Env[Any, Any]) -> list[Any]:
    """The wrappers that record episodes, outermost first."""

def held(envs: list[gym.Env[Any, Any]], references: int = 1) -> str | None:
    """Does anybody else hold one of the environments, or something under its wrappers?

    `references` is how many references to each environment are accounted for, the list's own included.
    """

def random_generators(envs: list[gym.Env[Any, Any]]) -> str | None:
    """Do two environments share a random generator, or does one draw from anything but NumPy's Generator?

    An environment that has not been reset has no generator yet.
    """
