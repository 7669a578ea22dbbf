"""The native kernel of Gymnasium's CartPole (Barto, Sutton and Anderson, 1983; explicit Euler)."""

from typing import final

from reactvec.envs.kernel_bank import KernelBank

@final
class CartPoles(KernelBank):
    """A bank of cart-poles: action int64[n], obs float32[n, 4] (metres, metres/second, radians, radians/second)."""
