"""PPO's gradient steps by kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .gradient_program import GradientProgram
from .kernels.actor_critic import ActorCriticKernel
from .kernels.ppo import PPOKernel
from .parameters import FlatParameters
from .ppo_config import PPOConfig

Array = npt.NDArray[Any]
F32 = npt.NDArray[np.float32]

METRICS = ("total_loss", "policy_loss", "vf_loss", "entropy", "mean_kl", "clip_fraction")


class Batch(NamedTuple):
    """The steps of a rollout in one row `[B, ...]`, to be learned from."""

    obs: Array
    choices: Array
    log_probs: F32
    values: F32
    advantages: F32
    returns: F32


class KernelFit(GradientProgram[PPOKernel]):
    """Learns from rollouts by kernels."""

    def __init__(self, net: ActorCriticKernel, parameters: FlatParameters, config: PPOConfig, workers: int) -> None:
        kernel = PPOKernel(
            net,
            min(config.minibatch_size, config.train_batch_size),
            vf_clip=config.vf_clip_param,
            vf_coeff=config.vf_loss_coeff,
            grad_clip=config.grad_clip,
            target_kl=config.target_kl,
            eps=config.adam_epsilon,
        )
        super().__init__(kernel, parameters, workers)
        self.net, self.normalize_advantages = net, config.normalize_advantages

    def outputs(self, obs: Array) -> F32:
        """What the head reads, `[B, outputs]`, of contiguous rows of the port."""
        packed = np.empty(self.net.size, np.float32)
        self.net.pack(self.parameters.numpy(), packed)
        return np.ascontiguousarray(self.net.forward(packed, np.ascontiguousarray(obs))[:, :-1])

    def fit(self, batch: Batch, order: Array, lr: float, clip: float, entropy_coeff: float) -> tuple[Array, int]:
        """Gradient steps on the minibatches of all epochs, `order` `[epochs, B]`, until the policy has moved too far.

        Returns METRICS, as means over the minibatches, and how many of these there were.
        """
        planned = self.kernel.begin(
            Batch(*(np.ascontiguousarray(array) for array in batch)),
            order,
            normalize_advantages=self.normalize_advantages,
            lr=lr,
            clip=clip,
            entropy_coeff=entropy_coeff,
        )
        self.run(planned)
        return self.kernel.means()
