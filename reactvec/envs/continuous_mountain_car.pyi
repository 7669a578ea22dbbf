"""The native kernel of Gymnasium's MountainCarContinuous (Moore, 1990)."""

from typing import final

from reactvec.envs.kernel_bank import KernelBank

@final
class ContinuousMountainCars(KernelBank):
    """A bank of cars in a valley: action float32[n, 1], obs float32[n, 2] (position, velocity)."""
