"""Native kernels of well-known environments, one per file, and what recognises those environments."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import gymnasium as gym
import numpy.typing as npt

# The class of an environment, and the module of its kernel: imported only when such an environment is met.
KERNELS = {
    "gymnasium.envs.classic_control.cartpole.CartPoleEnv": "reactvec.envs.cartpole",
}


class Bank(Protocol):
    """Environments that are stepped natively, in the order of the list they were made from."""

    @property
    def num_envs(self) -> int:
        """How many."""

    @property
    def step(self) -> object:
        """The PyCapsule of the kernel that steps a range of them."""

    def load(self, i: int, *, after_reset: bool = True) -> None:
        """Take over what the Python environment i is now."""

    def store(self, i: int) -> None:
        """Bring the Python environment i up to date."""

    def adopt(self, i: int, env: gym.Env[Any, Any]) -> str | None:
        """Take over what someone may have made of environment i since `store`; return why it cannot be, or None."""

    def ended(self, i: int) -> bool:
        """Whether the next step resets environment i."""

    def fault(self, code: int, actions: Sequence[Any] | npt.NDArray[Any]) -> Exception:
        """The exception for a positive code that the kernel returned."""


def specialise(envs: list[gym.Env[Any, Any]], same_step: bool, references: int = 1) -> tuple[Bank | None, str]:
    """Give the native bank of a list of environments, or None and the first reason why there is none.

    All environments must be known to the same kernel; their parameters may differ. `same_step` resets an
    environment in the step that ends its episode, else the step after it does. `references` is how many
    references to each environment the caller accounts for, the list's own included: an environment that
    anyone else holds keeps the Python path, since its holder would see a shadow. On success the text names
    the kernel.
    """
    if not envs:
        return None, "there are no environments"
    from reactvec.envs import _recognition

    reason = _recognition.held(envs, references) or _recognition.wrapping(envs[0])
    if reason is not None:
        return None, reason
    kind = type(_recognition.core(envs[0]))
    module = KERNELS.get(f"{kind.__module__}.{kind.__qualname__}")
    if module is None:
        return None, f"no native kernel for {kind.__qualname__}"
    kernel = import_module(module)
    for i, env in enumerate(envs):
        reason = kernel.recognise(env)
        if reason is not None:
            return None, f"environment {i}: {reason}"
    reason = _recognition.random_generators(envs)
    if reason is not None:
        return None, reason
    return kernel.BANK(envs, same_step), module
