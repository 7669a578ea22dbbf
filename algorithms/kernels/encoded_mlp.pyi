from typing import Any

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

class EncodedMlpKernel:
    """A fully connected network over the rows of an observation port of `row_dtype`; what it computes, its heirs say.

    Weights are float32 `[size]`, packed, or `[flat_size]`, in the order of torch's module.
    """

    row_dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Packed weights."""

    @property
    def trained(self) -> int:
        """How many of them are learned by gradients: all."""

    @property
    def flat_size(self) -> int:
        """Weights in torch's order."""

    def pack(self, flat: F32, packed: F32) -> None:
        """From torch's order to the packed one; ValueError for other shapes."""

    def unpack(self, packed: F32, flat: F32) -> None:
        """The inverse of `pack`."""

    def forward(self, packed: F32, rows: npt.NDArray[Any]) -> F32:
        """Outputs `[n, outputs]` for contiguous rows `[n, ...]` of the port."""
