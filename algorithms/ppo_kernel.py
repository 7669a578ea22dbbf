"""PPO's gradient steps as a reactor program of their own: one tag is one minibatch, spread over workers block by block.

gradients (a bank: one row per block) -- done ------------> descent: adds them up, steps, goes on
descent                               -- moved, delay 1 --> gradients
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, reaction

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


class Gradients(Reactor):
    """The gradients of the blocks of a minibatch."""

    moved = InputPort((), np.uint8)
    done = OutputPort((), np.uint8)

    def __init__(self, kernel: PPOKernel) -> None:
        super().__init__(bank=kernel.blocks)
        self.kernel = kernel

    @reaction(sources=[moved], effects=[done], native=True)
    def differentiate(self) -> object:
        """The kernel that runs both networks forwards and backwards."""
        return self.kernel.gradients()


class Descent(Reactor):
    """The step that follows from all blocks."""

    done = InputPort()
    moved = OutputPort((), np.uint8)

    def __init__(self, kernel: PPOKernel) -> None:
        super().__init__(done=((kernel.blocks,), np.uint8))
        self.kernel = kernel

    @reaction(sources=[done], effects=[moved], native=True)
    def descend(self) -> object:
        """The kernel that takes a step of Adam, and goes on to the next minibatch."""
        return self.kernel.descend()


class KernelFit:
    """Learns from rollouts by kernels; the weights are those of `parameters`, whose order the moments have as well.

    Results do not depend on `workers`, which end with `close`.
    """

    def __init__(self, net: ActorCriticKernel, parameters: FlatParameters, config: PPOConfig, workers: int) -> None:
        self.kernel = PPOKernel(
            net,
            config.minibatch_size,
            vf_clip=config.vf_clip_param,
            vf_coeff=config.vf_loss_coeff,
            grad_clip=config.grad_clip,
            target_kl=config.target_kl,
            eps=config.adam_epsilon,
        )
        self.parameters, self.normalize_advantages = parameters, config.normalize_advantages
        topology = Topology()
        gradients = topology.add("gradients", Gradients(self.kernel))
        descent = topology.add("descent", Descent(self.kernel))
        topology.connect(gradients.done, descent.done)
        topology.connect(descent.moved, gradients.moved, delay=1, initial=0)
        self.schedule = compile(topology, min(workers, self.kernel.blocks))
        self.execution = Execution(topology, self.schedule)

    def fit(self, batch: Batch, order: Array, lr: float, clip: float, entropy_coeff: float) -> tuple[Array, int, int]:
        """Gradient steps on the minibatches of all epochs, `order` `[epochs, B]`, until the policy has moved too far.

        Returns METRICS, as means over the minibatches, how many of these there were, and how many gradient steps.
        """
        before = self.kernel.steps
        self.kernel.load(self.parameters.numpy())
        planned = self.kernel.begin(
            Batch(*(np.ascontiguousarray(array) for array in batch)),
            order,
            normalize_advantages=self.normalize_advantages,
            lr=lr,
            clip=clip,
            entropy_coeff=entropy_coeff,
        )
        self.execution.advance(planned)
        self.kernel.store(self.parameters.numpy())
        means, minibatches = self.kernel.means()
        return means, minibatches, self.kernel.steps - before

    def optimizer_state(self) -> dict[str, Array]:
        """Copies of Adam's moments and step count; empty before the first step."""
        exp_avg, exp_avg_sq = (np.zeros(self.parameters.values.numel(), np.float32) for _ in range(2))
        step = self.kernel.store_moments(exp_avg, exp_avg_sq)
        trained = self.parameters.trainable.numel()
        state = {"step": np.array(step, np.float32), "exp_avg": exp_avg[:trained], "exp_avg_sq": exp_avg_sq[:trained]}
        return state if step else {}

    def load_optimizer_state(self, arrays: dict[str, Array]) -> None:
        """The inverse of `optimizer_state`."""
        exp_avg, exp_avg_sq = (np.zeros(self.parameters.values.numel(), np.float32) for _ in range(2))
        if arrays:
            trained = self.parameters.trainable.numel()
            exp_avg[:trained], exp_avg_sq[:trained] = arrays["exp_avg"], arrays["exp_avg_sq"]
        self.kernel.load_moments(exp_avg, exp_avg_sq, int(arrays["step"]) if arrays else 0)

    def close(self) -> None:
        """End the workers."""
        self.execution.close()
