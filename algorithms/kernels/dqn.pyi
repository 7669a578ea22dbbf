from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.algorithms.kernels.descent import DescentKernel
from reactvec.algorithms.kernels.q_network import QNetworkKernel

F32 = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

class DQNKernel(DescentKernel):
    """The loss of DQN and its derivatives by hand, and the gradient steps (dqn.h). Owns the target's weights, too."""

    def __init__(
        self, net: QNetworkKernel, minibatch: int, *, double_q: bool, grad_clip: float | None, eps: float
    ) -> None: ...
    def load_target(self, flat: F32) -> None:
        """Take over the weights of the target network."""

    def begin(
        self,
        batch: tuple[Array, npt.NDArray[np.int64], F32, F32, Array],
        importance: F32,
        td_errors: F32,
        *,
        lr: float,
    ) -> None:
        """Start on minibatches `[k, minibatch]`, a tag each: observations, actions, returns, discounts and next
        observations. TD errors are written to `td_errors`. All are contiguous, and kept until the next call.

        ValueError for other types or shapes, and for actions that do not exist.
        """

    @property
    def loss(self) -> float:
        """The sum of the minibatches' losses so far."""
