"""Native kernels of well-known environments, one per file, and what recognises those environments."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

if TYPE_CHECKING:
    from reactvec.envs.kernel_bank import KernelBank

# The class of an environment, and the module and class of its kernel: imported only when such an environment is met.
KERNELS = {
    "gymnasium.envs.classic_control.acrobot.AcrobotEnv": "reactvec.envs.acrobot:Acrobots",
    "gymnasium.envs.classic_control.cartpole.CartPoleEnv": "reactvec.envs.cartpole:CartPoles",
    "gymnasium.envs.classic_control.continuous_mountain_car.Continuous_MountainCarEnv": (
        "reactvec.envs.continuous_mountain_car:ContinuousMountainCars"
    ),
    "gymnasium.envs.classic_control.mountain_car.MountainCarEnv": "reactvec.envs.mountain_car:MountainCars",
    "gymnasium.envs.classic_control.pendulum.PendulumEnv": "reactvec.envs.pendulum:Pendulums",
    "gymnasium.envs.toy_text.blackjack.BlackjackEnv": "reactvec.envs.blackjack:BlackjackTables",
    "gymnasium.envs.toy_text.cliffwalking.CliffWalkingEnv": "reactvec.envs.cliffwalking:CliffWalks",
    "gymnasium.envs.toy_text.frozen_lake.FrozenLakeEnv": "reactvec.envs.frozen_lake:FrozenLakes",
    "gymnasium.envs.toy_text.taxi.TaxiEnv": "reactvec.envs.taxi:Taxis",
}
# Other packages add theirs as entry points of this group, with such names and values.
GROUP = "reactvec.kernels"


@cache
def _kernels() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=GROUP)} | KERNELS


def kernel_of(kind: type[gym.Env[Any, Any]]) -> type[KernelBank] | None:
    """The bank of the kernel for environments of exactly this class, or None."""
    place = _kernels().get(f"{kind.__module__}.{kind.__qualname__}")
    if place is None:
        return None
    module, _, name = place.partition(":")
    bank: type[KernelBank] = getattr(import_module(module), name)
    return bank


def specialise(
    envs: list[gym.Env[Any, Any]], autoreset_mode: AutoresetMode, references: int = 1
) -> tuple[KernelBank | None, str]:
    """Give the native bank of a list of environments, or None and the first reason why there is none.

    All environments must be known to the same kernel; their parameters may differ. `references` is how many
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
    bank = kernel_of(kind)
    if bank is None:
        return None, f"no native kernel for {kind.__qualname__}"
    for i, env in enumerate(envs):
        reason = _recognition.recognise(env, bank)
        if reason is not None:
            return None, f"environment {i}: {reason}"
    reason = _recognition.random_generators(envs)
    if reason is not None:
        return None, reason
    try:
        return bank(envs, autoreset_mode), bank.__name__
    except ValueError as error:
        return None, str(error)
