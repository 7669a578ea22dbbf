"""OffPolicyLearner: what learners share that get minibatches from a replay buffer."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reactvec import InputPort, OutputPort, reaction

from .learner import Learner
from .observations import Space, is_finite
from .off_policy_config import OffPolicyConfig
from .parameters import FlatParameters
from .piecewise import Piecewise
from .policy_weights import WeightedPolicy
from .progress import Progress
from .replay_buffer import BATCH_PORTS, ReplayBuffer
from .transition_ring import Batch

Array = npt.NDArray[Any]


def bootstrapped(returns: Tensor, discounts: Tensor, values: Tensor) -> Tensor:
    """`returns + discounts * values`; what is discounted by 0 counts for nothing, even if it is NaN."""
    return torch.where(discounts == 0, returns, torch.addcmul(returns, discounts, values))


class OffPolicyLearner(Learner):
    """Takes the gradient steps of the rounds that fall due; sends weights to the policy, and TD errors back."""

    space: Space

    env_steps = InputPort((), np.int64)
    rounds = InputPort((), np.int64)
    observations = InputPort()
    actions = InputPort()
    returns = InputPort(dtype=np.float32)
    discounts = InputPort(dtype=np.float32)
    next_observations = InputPort()
    importance = InputPort(dtype=np.float32)
    weights = OutputPort(dtype=np.float32)
    td_errors = OutputPort(dtype=np.float32)

    def __init__(
        self,
        module: nn.Module,
        target: nn.Module,
        replay: ReplayBuffer,
        policy: WeightedPolicy,
        config: OffPolicyConfig,
        before: Progress,
        *,
        lrs: Sequence[Piecewise],
        part_sizes: Sequence[int] = (),
    ) -> None:
        batch = {name: (replay.ports[name].shape, replay.ports[name].dtype) for name in BATCH_PORTS}
        super().__init__(
            module,
            FlatParameters(module),
            lrs=lrs,
            part_sizes=part_sizes,
            grad_clip=config.grad_clip,
            adam_epsilon=config.adam_epsilon,
            seed=config.seed,
            steps_before=before.steps,
            weights=(policy.weights.shape, np.float32),
            td_errors=batch["returns"],
            **batch,
        )
        self.replay = replay
        self.target = target.requires_grad_(False).eval()  # two passes of one observation are to agree
        self.target_parameters = FlatParameters(target)
        self.batches, self.tau = config.gradient_steps, config.tau
        self.device = str(self.parameters.values.device)
        self.send = policy.send

    @reaction(
        triggers=[rounds],
        sources=[observations, actions, returns, discounts, next_observations, importance, env_steps],
        effects=[weights, td_errors],
    )
    def learn(
        self,
        rounds: Array,
        observations: Array,
        actions: Array,
        returns: Array,
        discounts: Array,
        next_observations: Array,
        importance: Array,
        env_steps: Array,
        weights: Array,
        td_errors: Array,
    ) -> None:
        """Take the gradient steps of the rounds that are due; send the weights, and the TD errors back."""
        begin, count = time.perf_counter(), int(rounds) * self.batches
        self.set_lr(int(env_steps))
        drawn = (observations, actions, returns, discounts, next_observations)
        batch = Batch(*(array[:count] for array in drawn))
        with self.luck(), self.counted():
            self.fit(batch, importance[:count], td_errors[:count], int(env_steps))
        self.check_finite("qf_loss", int(env_steps), lambda: self._blamed(batch))
        self.send(self.acting_weights(), weights)
        self.seconds += time.perf_counter() - begin

    def _blamed(self, batch: Batch) -> list[int]:
        """The environments whose observations in these minibatches, of those that count, are not finite."""
        after = is_finite(self.space, batch.next_observations) | (batch.discounts == 0)
        bad = ~(is_finite(self.space, batch.observations) & after)
        environments: list[int] = np.unique(self.replay.places[bad] % self.replay.ring.num_envs).tolist()
        return environments

    @abstractmethod
    def fit(self, batch: Batch, importance: Array, td_errors: Array, env_steps: int) -> None:
        """Take a gradient step on each minibatch `[k, ...]`, log `qf_loss`, and write `td_errors`."""

    @abstractmethod
    def align_target(self) -> None:
        """Copy the weights that targets are made with."""
