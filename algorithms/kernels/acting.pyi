import numpy as np
import numpy.typing as npt

class ActingKernel:
    """What kernels that act by a network's weights share; at most 64 workers share the rows."""

    def begin_with(self, packed: npt.NDArray[np.float32]) -> None:
        """Act by these weights until others arrive."""

    def acting_by(self) -> npt.NDArray[np.float32]:
        """A copy of the weights that are acted by."""
