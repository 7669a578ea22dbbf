"""The native kernel of Gymnasium's Pendulum."""

from typing import final

from reactvec.envs.kernel_bank import KernelBank

@final
class Pendulums(KernelBank):
    """A bank of pendulums.

    Action float32[n, 1], the torque; obs float32[n, 3] (cosine and sine of the angle, radians/second).
    """
