"""DQN's gradient steps by kernels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .dqn_config import DQNConfig
from .gradient_program import GradientProgram
from .kernels.dqn import DQNKernel
from .kernels.q_network import QNetworkKernel
from .parameters import FlatParameters
from .transition_ring import Batch

F32 = npt.NDArray[np.float32]


class KernelFit(GradientProgram[DQNKernel]):
    """Learns from the minibatches of a round by kernels."""

    def __init__(self, net: QNetworkKernel, parameters: FlatParameters, config: DQNConfig, workers: int) -> None:
        kernel = DQNKernel(
            net,
            config.train_batch_size,
            double_q=config.double_q,
            grad_clip=config.grad_clip,
            eps=config.adam_epsilon,
        )
        super().__init__(kernel, parameters, workers)

    def fit(self, batch: Batch, importance: F32, td_errors: F32, target: F32, lr: float) -> float:
        """A gradient step on each minibatch `[k, ...]`, with the target network's weights `target`.

        Writes `td_errors`; returns the sum of the losses.
        """
        self.kernel.load_target(target)
        self.kernel.begin(batch, importance, td_errors, lr=lr)
        self.run(len(importance))
        return self.kernel.loss
