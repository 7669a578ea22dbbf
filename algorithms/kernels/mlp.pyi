"""Fully connected networks of float32, whose rows have the same bits however many are computed at once."""

from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt

class MlpWeights:
    """How the weights of a network lie: packed, or in torch's order."""

    @property
    def size(self) -> int:
        """Floats of packed weights."""

    @property
    def trained(self) -> int:
        """How many of them are learned by gradients: all."""

    @property
    def flat_size(self) -> int:
        """Floats of the weights in torch's order: for each layer weight `[out, in]`, then bias `[out]`."""

    def pack(self, flat: npt.NDArray[np.float32], packed: npt.NDArray[np.float32]) -> None:
        """Write `flat` `[flat_size]`, in torch's order, into `packed` `[size]`. ValueError for other arrays."""

    def unpack(self, packed: npt.NDArray[np.float32], flat: npt.NDArray[np.float32]) -> None:
        """Write `packed` `[size]` into `flat` `[flat_size]`. ValueError for other arrays."""

@final
class MlpKernel(MlpWeights):
    """A network of `widths` (inputs, hidden layers, outputs; 2 to 9) with one of `dense.ACTIVATIONS` between layers.

    It has no weights of its own. They come packed: for each layer the transposed weights, `[in, out padded to a
    multiple of 16]`, then the bias; padding is 0. `variant` is one of `dense.variants()`; None: the best. ValueError
    for what is no such network.
    """

    widths: tuple[int, ...]
    activation: str
    variant: str

    def __init__(self, widths: Sequence[int], activation: str, *, variant: str | None = None) -> None: ...
    def forward(self, packed: npt.NDArray[np.float32], x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Outputs `[rows, outputs]` for inputs `[rows, inputs]`; a new array. ValueError for other arrays."""

    def gradient(
        self, packed: npt.NDArray[np.float32], x: npt.NDArray[np.float32], dy: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """The gradient, packed `[size]`, of a loss whose derivatives by the outputs of `x` are `dy`.

        Summed over rows in their order. A new array. ValueError for other arrays.
        """

    def gradients(
        self, packed: npt.NDArray[np.float32], x: npt.NDArray[np.float32], dy: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """`gradient`, and the derivatives by the inputs, `[rows, inputs]`."""
