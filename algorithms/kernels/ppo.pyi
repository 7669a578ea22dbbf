from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.algorithms.kernels.actor_critic import ActorCriticKernel

F32 = npt.NDArray[np.float32]

class PPOKernel:
    """PPO's loss, its derivatives and Adam (0.9, 0.999) for an actor and a critic, by hand; see ppo.h.

    Two kernels, to be run in turn, once for each minibatch: `gradients`, a bank of `blocks` rows, and `descend`. Owns
    weights and moments, packed; vectors that go in and out are in torch's order, float32 `[flat_size]`.
    """

    blocks: int
    """Of a minibatch."""

    @property
    def steps(self) -> int:
        """Gradient steps so far."""

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
