import numpy as np
import numpy.typing as npt

MOST_WORKERS: int
"""How many workers may share the rows of a policy: each has an area of memory of its own."""

def area(rows: int, lo: int) -> int:
    """The area of the worker whose rows, of so many, begin at `lo`."""

class ActingKernel:
    """What kernels that act by a network's weights share; at most MOST_WORKERS share the rows."""

    def begin_with(self, packed: npt.NDArray[np.float32]) -> None:
        """Act by these weights until others arrive."""

    def acting_by(self) -> npt.NDArray[np.float32]:
        """A copy of the weights that are acted by."""
