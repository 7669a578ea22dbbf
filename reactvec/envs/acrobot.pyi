"""The native kernel of Gymnasium's Acrobot (Sutton, 1996; two links, fourth-order Runge-Kutta)."""

from typing import final

from reactvec.envs.kernel_bank import KernelBank

@final
class Acrobots(KernelBank):
    """A bank of acrobots.

    Action int64[n], from -3 on, as Python indexes torques;
    obs float32[n, 6] (cosine and sine of both angles, radians/second).
    """
