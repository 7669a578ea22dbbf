"""The native kernel of Gymnasium's MountainCar (Moore, 1990)."""

from typing import final

from reactvec.envs.kernel_bank import KernelBank

@final
class MountainCars(KernelBank):
    """A bank of cars in a valley: action int64[n], obs float32[n, 2] (position, velocity)."""
