"""What the kernels of environments share: rows that are stepped natively, beside the Python environments as shadows.

The C side of it is kernel_bank.h. A kernel draws from each environment's own bit generator, calls NumPy's float64
loops where Gymnasium calls NumPy (or what is proven equal to them), and does the rest in Gymnasium's order of
operations. Unlike NumPy it gives no warning when a number overflows.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from reactvec.envs.recorders import Recorders

Trial = tuple[Callable[[], gym.Env[Any, Any]], Sequence[Any]]

class KernelBank:
    """Environments of one class that are stepped natively; the subclass knows how.

    The bank owns the state of every row, holds the environments and their bit generators, and expects that
    nobody else steps them or draws from their generators. The shadows show what they last were until `store`
    brings them up to date. Rows have no state until `load`.
    """

    environment: ClassVar[type[gym.Env[Any, Any]]]
    """The class that the kernel stands for; subclasses of it are others."""
    parameters: ClassVar[tuple[str, ...]]
    """Its attributes that the kernel reads, in the order of its columns; floats but NaN, or ints that are doubles."""
    may_be_zero: ClassVar[tuple[str, ...]]
    """Those that may be the int 0, whose negative has another sign than that of 0.0."""
    unavailable: ClassVar[str | None]
    """Why the kernel stands for no environment on this machine; None where it does."""
    info_type: ClassVar[np.dtype[np.void] | None]
    """The structured dtype of a row's info, aligned; None where infos are empty. Beside Gymnasium's keys it has the
    field "begun", bool: the info is that of a reset. The ports have its size, and hold a column for each field
    (`info_column` in kernel_bank.h)."""
    reset_types: ClassVar[dict[str, type]]
    """The Python types of those values that are of another type in the info of a reset."""

    reward_type: ClassVar[type]
    """Of the rewards of the Python environment, once they are summed: float, or np.float64."""
    recorders: Recorders | None
    """Of wrappers around the environments that record episodes; None where no environment has any."""

    def __init__(self, envs: Sequence[gym.Env[Any, Any]], autoreset_mode: AutoresetMode) -> None:
        """Make a bank of environments that are recognised, row i for `envs[i]`.

        `envs` are the outermost wrapped environments. An environment is reset in the step that ends its episode
        (SAME_STEP), by the step after it (NEXT_STEP: reward 0, flags False, action ignored), or by nothing but the
        Python environment's `reset` and `load` (DISABLED). ValueError without environments, or where
        one has parameters that the kernel does not understand.
        """

    @property
    def envs(self) -> list[gym.Env[Any, Any]]:
        """The environments that it was made from; they are shadows."""

    @property
    def num_envs(self) -> int:
        """The number of rows n."""

    @property
    def step(self) -> object:
        """The PyCapsule of the kernel (see _kernel.pxd); it keeps the bank alive.

        Ports: action [n, *]; then the effects obs [n, *], reward float64[n], terminated uint8[n], truncated uint8[n],
        final_obs [n, *], and info and final_info [n] of `info_type`, which kernels without infos leave alone. The rows
        of final_obs and final_info are written where an episode ends in SAME_STEP mode, and nowhere else. If Gymnasium
        refuses an action in the range where it would be used, a row was never loaded, or has ended in DISABLED mode, no
        row of the range is stepped and the code is the row + 1.
        """

    def load(self, i: int, *, after_reset: bool = True) -> None:
        """Take over state, step count and bit generator of environment i.

        Call it after the Python environment's `reset`, which also clears a pending automatic reset; with
        `after_reset=False` after anything else that may have changed the environment: then its parameters are
        read, too, and a pending reset stays. Not while a worker runs the kernel. IndexError if there is no row i;
        ValueError if the environment was never reset, is past its end, has a state with which the kernel could not
        go on as Gymnasium does, or shares its generator with another row.
        """

    def store(self, i: int) -> None:
        """Bring the Python environment i up to date: state, step count, and whether it has ended.

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
        """Whether row i has ended and was not reset. IndexError if there is no row i."""

    def fault(self, code: int, actions: Sequence[Any] | npt.NDArray[Any]) -> Exception:
        """The exception that Gymnasium raises where the kernel returned `code` and its row has not `ended`.

        `actions` is what was passed to the bank, one per row. ResetNeeded for a row that was never loaded, else
        `refusal`.
        """

    def refusal(self, action: Any) -> Exception:
        """What Gymnasium raises for an action that it does not take: AssertionError, as in most environments."""

    def observation(self, row: Any) -> Any:
        """A row of the port obs as the Python environment would return it."""

    def run(self, ports: list[npt.NDArray[Any]]) -> int:
        """Step all rows over the eight ports of `step`, C-contiguous arrays of n rows; the code."""

    @classmethod
    def another(cls, core: gym.Env[Any, Any]) -> str | None:
        """Is there anything about an environment of exactly this class that the kernel does not know?"""

    @classmethod
    def spaces(cls, core: gym.Env[Any, Any]) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """The action and observation spaces that it must have: those of the class without arguments."""

    @classmethod
    def trials(cls) -> list[Trial]:
        """Functions that make environments, and actions for them, that show whether the kernel does the same here."""

def draws_below(bit_generator: np.random.BitGenerator, number: int, count: int) -> list[int]:
    """So many draws of `Generator.integers(0, number)`, as a kernel makes them by `draw_below`; 1 < number < 2**32."""
