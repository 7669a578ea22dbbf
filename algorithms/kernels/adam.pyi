"""Adam (Kingma and Ba, 2015, algorithm 1) over one vector of weights, as torch.optim.Adam computes it."""

from typing import final

import numpy as np
import numpy.typing as npt

@final
class Adam:
    """The state of the optimizer of `size` weights: two moments `[size]` float32, and the number of steps done.

    `exp_avg` and `exp_avg_sq` may be written, and `step` set, to go on from a checkpoint. `variant` is one of
    `dense.variants()`; None: the best. ValueError for coefficients that make no sense.
    """

    exp_avg: npt.NDArray[np.float32]
    exp_avg_sq: npt.NDArray[np.float32]
    step: int
    beta1: float
    beta2: float
    eps: float

    def __init__(
        self, size: int, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, variant: str | None = None
    ) -> None: ...
    def update(
        self, weights: npt.NDArray[np.float32], gradient: npt.NDArray[np.float32], lr: float, *, scale: float = 1.0
    ) -> None:
        """Move `weights` `[size]` in place by one step along `gradient` `[size]` times `scale`.

        ValueError for other arrays.
        """

def norm(vector: npt.NDArray[np.float32], *, variant: str | None = None) -> float:
    """The Euclidean norm of a contiguous float32 vector, summed in float64; the same bits in all variants."""
