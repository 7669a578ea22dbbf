from typing import Any, Literal

import numpy as np
import numpy.typing as npt

class HeadKernel:
    """Draws actions from the outputs of a network, in float64 inside; see head.h.

    With "categories", `first` holds the number of categories of each part and `second` the action that category 0 of
    each stands for; `outputs` are the logits of all parts. With "clip" and "squash" they hold the lower and the upper
    bound of each real number; `outputs` are means, then logarithms of standard deviations. `dtype` is that of actions,
    `key` that of the draws (`Draws.key`).

    Raises:
        ValueError: there are no kernels for this dtype.
    """

    parts: int
    """Categories to choose, or real numbers, per action."""
    outputs: int
    """Numbers that a network makes per row."""
    choice_dtype: np.dtype[Any]
    """int64 of categories, counted from 0; float32 of real numbers, before they are clipped or squashed."""
    action_dtype: np.dtype[Any]

    def __init__(
        self,
        kind: Literal["categories", "clip", "squash"],
        first: npt.ArrayLike,
        second: npt.ArrayLike,
        dtype: npt.DTypeLike,
        key: int,
    ) -> None: ...
    def act(
        self, outputs: npt.NDArray[np.float32], first: int, step: int, explore: bool
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Choices and actions, each `[n, parts]`, and log-probabilities `[n]`, for outputs `[n, outputs]`.

        The draws of row i are a function of (key, first + i, step). Without `explore`, the likeliest category or the
        mean is chosen. ValueError for outputs of another width.
        """
