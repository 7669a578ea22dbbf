"""The loops under fully connected networks, compiled for several instruction sets."""

import numpy as np
import numpy.typing as npt

FUNCTIONS: tuple[str, ...]
ACTIVATIONS: tuple[str, ...]

def variants() -> tuple[str, ...]:
    """The instruction sets that this processor has and that the loops are compiled for, best first."""

def multiply(
    a: npt.NDArray[np.float32],
    b: npt.NDArray[np.float32],
    start: npt.NDArray[np.float32] | None,
    c: npt.NDArray[np.float32],
    *,
    repeats: int = 1,
    variant: str | None = None,
) -> None:
    """Write `start + a @ b` into `c`; all float32, for tests and benchmarks.

    `a` `[m, k]` may have any strides; `b` `[k, n]` and `c` `[m, n]` are contiguous and n is a multiple of 16;
    `start` is `[m, n]`, may be `c`, or `[1, n]`, or None for zeros. ValueError where shapes do not fit.
    """

def evaluate(function: str, numbers: npt.ArrayLike, *, variant: str | None = None) -> npt.NDArray[np.float32]:
    """One of FUNCTIONS (math32.h) of each number, float32 in the shape of `numbers` (at least one dimension)."""

def aligned(size: int) -> npt.NDArray[np.float32]:
    """Zeros `[size]` that begin at a multiple of 64 bytes, where the kernels are fastest."""
