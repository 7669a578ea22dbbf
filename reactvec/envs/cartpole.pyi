"""The native kernel of Gymnasium's CartPole: bit for bit what the Python environments give for a seed.

It draws from each environment's own bit generator, calls NumPy's own float64 loops for sin and cos (or what
is proven equal to them), and does the rest in Gymnasium's order of operations (Barto, Sutton and Anderson,
1983; explicit Euler). Unlike NumPy it gives no warning when a number overflows.
"""

from collections.abc import Sequence
from typing import Any, final

import gymnasium as gym
import numpy.typing as npt

@final
class CartPoles:
    """A bank of cart-poles, stepped natively; the Python environments stay as shadows.

    The bank owns the state of every row, holds the environments and their bit generators, and expects that
    nobody else steps them or draws from their generators. The shadows show what they last were until `store`
    brings them up to date. Rows have no state until `load`.
    """

    def __init__(self, envs: Sequence[gym.Env[Any, Any]], same_step: bool) -> None:
        """Make a bank of environments that `recognise` accepts, row i for `envs[i]`.

        `envs` are the outermost wrapped environments. With `same_step` an environment is reset in the step
        that ends its episode; otherwise the step after it is the reset: reward 0, flags False, action
        ignored. ValueError without environments.
        """

    @property
    def num_envs(self) -> int:
        """The number of rows n."""

    @property
    def step(self) -> object:
        """The PyCapsule of the kernel (see _kernel.pxd); it keeps the bank alive.

        Ports: action int64[n]; then the effects obs float32[n, 4] (metres, metres/second, radians,
        radians/second), reward float64[n], terminated uint8[n], truncated uint8[n], final_obs float32[n, 4].
        The rows of final_obs are written where an episode ends with `same_step`, and nowhere else. If an
        action in the range is neither 0 nor 1 where it would be used, or a row was never loaded, no row of
        the range is stepped and the code is the row + 1.
        """

    def load(self, i: int, *, after_reset: bool = True) -> None:
        """Take over state, step count, parameters and bit generator of environment i.

        Call it after the Python environment's `reset`, which also clears a pending automatic reset; with
        `after_reset=False` after anything else that may have changed the environment: then a pending reset
        stays. Not while a worker runs the kernel. IndexError if there is no row i; ValueError if the
        environment was never reset, is past its end, has a state that is not four float64 numbers, or shares
        its generator with another row.
        """

    def store(self, i: int) -> None:
        """Bring the Python environment i up to date: state, step count, and whether the pole has fallen.

        The bit generator is shared and always up to date. A row that was never loaded is left alone. Not
        while a worker runs the kernel. IndexError if there is no row i.
        """

    def adopt(self, i: int, env: gym.Env[Any, Any]) -> str | None:
        """Take over what someone may have made of environment i since `store`; return why it cannot be, or None.

        It must still be the same object, be recognised, draw from a NumPy Generator of its own, and have a state that
        `load` takes. A row that was never loaded waits for its reset. Not while a worker runs the kernel. IndexError
        if there is no row i.
        """

    def ended(self, i: int) -> bool:
        """Whether the next step resets row i. IndexError if there is no row i."""

    def fault(self, code: int, actions: Sequence[Any] | npt.NDArray[Any]) -> Exception:
        """The exception that Gymnasium raises where the kernel returned `code`.

        `actions` is what was passed to the bank, one per row. AssertionError for an invalid action,
        ResetNeeded for a row that was never loaded.
        """

BANK = CartPoles

def recognise(env: gym.Env[Any, Any]) -> str | None:
    """Return None if the kernel stands for this environment, else the first reason why not.

    It must be exactly CartPoleEnv with the Euler integrator, without a render mode, under nothing but
    TimeLimit (at most one), OrderEnforcing and PassiveEnvChecker, with Gymnasium's methods and spaces. The
    numbers (gravity, masspole, total_mass, length, polemass_length, force_mag, tau, both thresholds) may
    differ as long as they are floats. The first call also steps the kernel beside Gymnasium's class for two
    short runs, and refuses every environment if they differ.
    """
