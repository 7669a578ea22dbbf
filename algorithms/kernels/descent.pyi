import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

class DescentKernel:
    """Gradient steps by Adam (0.9, 0.999) on packed weights; see descent.h.

    Two kernels, to be run in turn, once for each minibatch: `gradients`, a bank of `blocks` rows, and `descend`. Owns
    weights and moments, packed; vectors that go in and out are in torch's order, float32 `[flat_size]`.
    """

    @property
    def blocks(self) -> int:
        """Of a minibatch."""

    @property
    def steps(self) -> int:
        """Gradient steps so far."""

    def gradients(self) -> object:
        """The kernel from that the weights have moved to that the gradients of a block are there."""

    def descend(self) -> object:
        """The kernel from that all gradients are there to that the weights have moved."""

    def load(self, flat: F32) -> None:
        """Take over weights."""

    def store(self, flat: F32) -> None:
        """Write the weights."""

    def load_moments(self, exp_avg: F32, exp_avg_sq: F32, step: int) -> None:
        """Take over the optimizer's state."""

    def store_moments(self, exp_avg: F32, exp_avg_sq: F32) -> int:
        """Write the optimizer's moments; returns its step count."""
