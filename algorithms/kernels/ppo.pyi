from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.algorithms.kernels.actor_critic import ActorCriticKernel
from reactvec.algorithms.kernels.descent import DescentKernel

F32 = npt.NDArray[np.float32]

class PPOKernel(DescentKernel):
    """PPO's loss and its derivatives for an actor and a critic, by hand, and the gradient steps; see ppo.h."""

    def __init__(
        self,
        net: ActorCriticKernel,
        minibatch: int,
        *,
        vf_clip: float | None,
        vf_coeff: float,
        grad_clip: float | None,
        target_kl: float | None,
        eps: float,
    ) -> None: ...
    def begin(
        self,
        steps: tuple[npt.NDArray[Any], npt.NDArray[Any], F32, F32, F32, F32],
        order: npt.NDArray[np.int64],
        *,
        normalize_advantages: bool,
        lr: float,
        clip: float,
        entropy_coeff: float,
    ) -> int:
        """Start on a rollout of B steps; returns how many minibatches there are.

        `steps` are observations, choices, log-probabilities, values, advantages and returns, each `[B, ...]`,
        contiguous, and kept until the next call.

        `order` `[epochs, B]` holds the numbers of steps in the order in which each epoch takes them, `minibatch` at a
        time; what remains of an epoch is a smaller one. ValueError for other types or shapes.
        """

    def means(self) -> tuple[npt.NDArray[np.float64], int]:
        """Loss, policy loss, value loss, entropy, KL divergence and share of clipped ratios, each the mean over the
        minibatches so far; and how many these were.
        """
