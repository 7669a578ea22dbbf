"""SAC's gradient steps by kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .draws import Draws
from .gradient_program import GradientProgram
from .kernels.actor import ActorKernel
from .kernels.sac import SACKernel, SACNetworks
from .parameters import FlatParameters
from .sac_config import SACConfig
from .transition_ring import Batch

F32 = npt.NDArray[np.float32]

METRICS = "qf_loss", "policy_loss", "alpha_loss", "alpha_value"
"""What the kernel adds up over minibatches."""


class KernelFit(GradientProgram[SACKernel]):
    """Learns from the minibatches of a round by kernels.

    A round may be of one minibatch, for which it would not pay to pack all weights: between `load` and `store` those of
    the kernel are ahead of `parameters` and `target`.
    """

    def __init__(
        self,
        actor: ActorKernel,
        parameters: FlatParameters,
        target: FlatParameters,
        config: SACConfig,
        target_entropy: float,
        workers: int,
    ) -> None:
        kernel = SACKernel(
            SACNetworks(actor, 2 if config.twin_q else 1),
            config.train_batch_size,
            target_entropy=target_entropy,
            tau=config.tau,
            grad_clip=config.grad_clip,
            eps=config.adam_epsilon,
            luck=Draws(config.seed, "noise").key,
        )
        super().__init__(kernel, parameters, workers)
        self.target, self.ahead = target, False

    def load(self) -> None:
        """Let the kernel go on from the weights that are there, unless it is ahead of them."""
        if not self.ahead:
            super().load()
            self.kernel.load_target(self.target.numpy())
            self.ahead = True

    def store(self) -> None:
        """Let the weights be the kernel's, if it is ahead of them."""
        if self.ahead:
            super().store()
            self.kernel.store_target(self.target.numpy())
            self.ahead = False

    def actor_weights(self) -> F32:
        """Those of the kernel, in torch's order."""
        weights = np.empty(self.kernel.actor_size, np.float32)
        self.kernel.store_actor(weights)
        return weights

    def fit(self, batch: Batch, importance: F32, td_errors: F32, lrs: Sequence[float], drawn: int) -> list[float]:
        """A gradient step on each minibatch `[k, ...]`, of which `drawn` were before; leaves the kernel ahead.

        Writes `td_errors`; returns the sums of METRICS.
        """
        self.load()
        self.kernel.begin(batch, importance, td_errors, lrs=lrs, drawn=drawn)
        self.execution.advance(len(importance))
        return self.kernel.sums
